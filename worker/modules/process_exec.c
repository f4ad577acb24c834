#include <stdlib.h>

#include "common/err.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_process.h"
#include "worker/modules/process_spawn.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

/*
 * A process that somebody waits for: first for its start, then for its end. It is
 * monitored as by spawn_monitored, but its EXIT comes here. Dropping the task that
 * waits leaves the process alone (PR-8); a run that goes on under the same pid must not
 * hear of it.
 */
struct exec {
    struct exit_wait wait; /* pid 0: not started yet */
    struct actor *actor;
    struct task *task; /* NULL: dropped before the start */
    struct runtime *rt;
    uint64_t watcher; /* actor's pid */
    uint64_t call;    /* the request for its start elsewhere, 0 = none */
    bool is_blocked;
    bool failed; /* at once */
    struct err err;
};

static void on_ended(struct exit_wait *wait, bool failed, struct bytes result)
{
    struct exec *exec = container_of(wait, struct exec, wait);
    struct err unreadable;

    if (!exec->is_blocked) { /* it could not even begin: process_exec() frees it */
        exec->failed = true;
        if (error_decode(result, &exec->err, &unreadable) == -1)
            exec->err = unreadable;
        return;
    }
    task_wake_reply(exec->task, failed ? REPLY_ERROR : REPLY_OK, result);
    free(exec);
}

static void started(struct exec *exec, uint64_t pid)
{
    exec->wait.pid = pid;
    list_append(&actor_belongings(exec->actor)->exits, &exec->wait.node);
}

static void on_started_near(void *context, struct actor *actor, const struct err *err)
{
    struct exec *exec = context;
    struct buf *scratch;

    if (exec->task == NULL) {
        if (actor != NULL)
            relations_part(exec->rt, exec->watcher, actor);
        free(exec);
    } else if (actor != NULL) {
        started(exec, actor->pid);
    } else if (!exec->is_blocked) {
        exec->failed = true;
        exec->err = *err;
    } else {
        scratch = &exec->actor->vm->rt->scratch;
        buf_clear(scratch);
        error_encode(scratch, err);
        task_wake_reply(exec->task, REPLY_ERROR, buf_bytes(scratch));
        free(exec);
    }
}

static void on_started_far(void *context, uint8_t status, struct bytes result)
{
    struct exec *exec = context;
    uint64_t pid = status == REPLY_OK ? process_read_spawned(result) : 0;

    if (exec->task == NULL) {
        if (pid != 0)
            process_send_watch(exec->rt, exec->watcher, pid, WATCH_UNMONITOR);
        free(exec);
    } else if (pid != 0) {
        process_remember_watches(exec->actor, pid, SPAWN_MONITOR);
        started(exec, pid);
    } else {
        task_wake_reply(exec->task, REPLY_ERROR, result);
        free(exec);
    }
}

static void withdraw(struct task *task)
{
    struct exec *exec = task->withdraw_state;
    bool goes_on = task->actor->stage != ACTOR_ENDED;

    exec->task = NULL;
    if (exec->wait.pid == 0 && (exec->call == 0 || goes_on))
        return; /* the answer frees it */
    if (exec->wait.pid == 0)
        uplink_forget(exec->rt->uplink, exec->call, false);
    list_remove(&exec->wait.node);
    if (goes_on)
        process_unwatch(task->actor, exec->wait.pid, RELATION_MONITOR);
    free(exec);
}

static int start_far(lua_State *L, const struct spawn_plan *plan, struct exec *exec)
{
    struct uplink *uplink = exec->actor->vm->rt->uplink;

    exec->call = uplink_expect(uplink, on_started_far, exec);
    if (process_spawn_far(L, plan, exec->call, &exec->err) == 0)
        return 0;
    uplink_unexpect(uplink, exec->call);
    return -1;
}

static int start(lua_State *L, const struct spawn_plan *plan, struct exec *exec)
{
    if (!process_spawn_is_near(L, plan))
        return start_far(L, plan, exec);
    if (process_spawn_near(L, plan, on_started_near, exec, &exec->err) == -1)
        return -1;
    return exec->failed ? -1 : 0;
}

int process_exec(lua_State *L, const struct spawn_plan *plan)
{
    struct spawn_plan monitored = *plan;
    struct task *task = task_begin_block(L);
    struct exec *exec = calloc(1, sizeof(*exec));
    struct err err;

    if (exec == NULL)
        return errors_return(L, ERR_UNAVAILABLE, "no memory for a process");
    monitored.flags = SPAWN_MONITOR;
    list_init(&exec->wait.node);
    exec->wait.done = on_ended;
    exec->actor = task->actor;
    exec->task = task;
    exec->rt = task->actor->vm->rt;
    exec->watcher = task->actor->pid;
    if (start(L, &monitored, exec) == -1) {
        err = exec->err;
        free(exec);
        return errors_return_struct(L, &err);
    }
    exec->is_blocked = true;
    task->withdraw = withdraw;
    task->withdraw_state = exec;
    return task_block(L, 0, ask_result_k);
}
