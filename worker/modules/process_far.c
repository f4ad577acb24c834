#include <stdlib.h>

#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/modules/process_spawn.h"
#include "worker/relations.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

/*
 * A request whose answer says that the actor watches somebody from now on. That is
 * noted when the answer is read, not when its task runs again: the EXIT may be the next
 * frame, and must find what it ends.
 */
struct far_watch {
    struct task *task;
    uint64_t call;
    uint64_t pid; /* 0: the answer says it, as that of a SPAWN */
    uint8_t flags;
};

uint64_t process_read_spawned(struct bytes result)
{
    struct value list;
    uint64_t pid = 0;

    if (payload_decode(result, &list, NULL) == -1)
        return 0;
    if (list.as.list.n == 2 && list.as.list.items[0].type == VALUE_INT)
        pid = (uint64_t)list.as.list.items[0].as.integer;
    value_finish(&list);
    return pid;
}

void process_remember_watches(struct actor *self, uint64_t pid, uint8_t flags)
{
    self->is_known = true;
    if ((flags & SPAWN_MONITOR) != 0)
        relations_add_watched(self, pid, RELATION_MONITOR);
    if ((flags & SPAWN_LINK) != 0) {
        relations_add_watched(self, pid, RELATION_LINK);
        relations_add_watcher(self, pid, RELATION_LINK);
    }
}

static void on_answer(void *context, uint8_t status, struct bytes result)
{
    struct far_watch *watch = context;
    uint64_t pid = watch->pid != 0 || status != REPLY_OK ? watch->pid
                                                         : process_read_spawned(result);

    if (status == REPLY_OK && pid != 0)
        process_remember_watches(watch->task->actor, pid, watch->flags);
    task_wake_reply(watch->task, status, result);
    free(watch);
}

static void withdraw(struct task *task)
{
    struct far_watch *watch = task->withdraw_state;

    uplink_forget(task->actor->vm->rt->uplink, watch->call, true);
    free(watch);
}

uint64_t process_expect_watch(struct task *task, uint64_t pid, uint8_t flags)
{
    struct uplink *uplink = task->actor->vm->rt->uplink;
    struct far_watch *watch;

    if (flags == 0)
        return uplink_expect_for(uplink, task);
    watch = xmalloc(sizeof(*watch));
    *watch = (struct far_watch){.task = task, .pid = pid, .flags = flags};
    watch->call = uplink_expect(uplink, on_answer, watch);
    task->withdraw = withdraw;
    task->withdraw_state = watch;
    return watch->call;
}

void process_unexpect_watch(struct task *task, uint64_t call)
{
    if (task->withdraw == withdraw)
        free(task->withdraw_state);
    task->withdraw = NULL;
    uplink_unexpect(task->actor->vm->rt->uplink, call);
}
