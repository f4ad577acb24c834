#include <string.h>

#include <lauxlib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_process.h"
#include "worker/modules/process_spawn.h"
#include "worker/relations.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

/* ---- monitor and link ------------------------------------------------------------ */

static int not_registered(lua_State *L, const char *operation)
{
    struct value details = value_map();
    struct error_view view = {.kind = bytes_of_text("NotFound"),
                              .message = bytes_of_text("pid not registered"),
                              .retryable = RETRY_NO};
    struct buf *scratch = &actor_current(L)->vm->rt->scratch;

    value_put(&details, "pid", value_string(lua_tostring(L, 1)));
    value_put(&details, "operation", value_string(operation));
    buf_clear(scratch);
    value_encode(scratch, &details);
    value_finish(&details);
    view.details = buf_bytes(scratch);
    lua_pushnil(L);
    errors_push_view(L, &view);
    return 2;
}

static void send_watch(const struct actor *self, uint64_t call, uint64_t pid,
                       enum watch_op op)
{
    struct uplink *uplink = self->vm->rt->uplink;
    struct frame_watch frame = {.call = call,
                                .watcher = self->pid,
                                .target = pid,
                                .op = (uint8_t)op,
                                .watcher_host = bytes_of_text(self->host)};

    uplink_wrote(uplink, frame_encode_watch(conn_out(uplink_conn(uplink)), &frame));
}

void process_send_watch(struct runtime *rt, uint64_t watcher, uint64_t target,
                        uint8_t op)
{
    struct uplink *uplink = rt->uplink;
    struct frame_watch frame = {.watcher = watcher, .target = target, .op = op};

    uplink_wrote(uplink, frame_encode_watch(conn_out(uplink_conn(uplink)), &frame));
}

/* Who answered knows the target's number; only here is its text known. */
static int refused_far(lua_State *L, enum relation relation)
{
    int n = ask_result(L);

    if (strcmp(errors_kind(L, -1, NULL), err_kind_name(ERR_NOT_FOUND)) != 0)
        return n;
    return not_registered(L, relation == RELATION_LINK ? "link" : "monitor");
}

static int watched_far(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes result;

    (void)status;
    if (!ask_reply(L, &result))
        return refused_far(L, (enum relation)ctx);
    ask_done(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int watch(lua_State *L, uint64_t pid, enum relation relation)
{
    struct actor *self = actor_current(L);
    struct actor *target = slots_find(&self->vm->rt->slots, pid);
    bool links = relation == RELATION_LINK;
    struct task *task;
    uint64_t call;

    if (relations_has_watched(self, pid, relation) && !links)
        return errors_return(L, ERR_ALREADY_EXISTS, "already monitoring pid");
    if (target != NULL && target->doom == DOOM_NONE) {
        relations_join(self, target, relation);
        lua_pushboolean(L, 1);
        return 1;
    }
    if (pid_index(pid) == self->vm->rt->slots.index)
        return not_registered(L, links ? "link" : "monitor");
    task = task_begin_block(L);
    self->is_known = true;
    call = process_expect_watch(task, pid, links ? SPAWN_LINK : SPAWN_MONITOR);
    send_watch(self, call, pid, links ? WATCH_LINK : WATCH_MONITOR);
    return task_block(L, relation, watched_far);
}

void process_unwatch(struct actor *self, uint64_t pid, enum relation relation)
{
    struct actor *target = slots_find(&self->vm->rt->slots, pid);
    bool links = relation == RELATION_LINK;
    bool had = relations_has_watched(self, pid, relation);

    relations_remove_watched(self, pid, relation);
    if (links)
        relations_remove_watcher(self, pid, relation);
    if (target != NULL) {
        relations_remove_watcher(target, self->pid, relation);
        if (links)
            relations_remove_watched(target, self->pid, relation);
    } else if (had && pid_index(pid) != self->vm->rt->slots.index) {
        process_send_watch(self->vm->rt, self->pid, pid,
                           links ? WATCH_UNLINK : WATCH_UNMONITOR);
    }
}

static int unwatch(lua_State *L, uint64_t pid, enum relation relation)
{
    process_unwatch(actor_current(L), pid, relation);
    lua_pushboolean(L, 1);
    return 1;
}

static int monitor_pid(lua_State *L, uint64_t pid)
{
    return watch(L, pid, RELATION_MONITOR);
}

static int unmonitor_pid(lua_State *L, uint64_t pid)
{
    return unwatch(L, pid, RELATION_MONITOR);
}

static int link_pid(lua_State *L, uint64_t pid)
{
    return watch(L, pid, RELATION_LINK);
}

static int unlink_pid(lua_State *L, uint64_t pid)
{
    return unwatch(L, pid, RELATION_LINK);
}

static int with_argument(lua_State *L, const struct process_op *op)
{
    if (lua_gettop(L) < 1)
        return errors_return(L, ERR_INVALID, "%s requires a destination argument",
                             op->name);
    return process_with_dest(L, op);
}

static int process_monitor(lua_State *L)
{
    static const struct process_op op = {"monitor", "process.monitor", monitor_pid};

    return with_argument(L, &op);
}

static int process_unmonitor(lua_State *L)
{
    static const struct process_op op = {"unmonitor", "process.unmonitor",
                                         unmonitor_pid};

    return with_argument(L, &op);
}

static int process_link(lua_State *L)
{
    static const struct process_op op = {"link", "process.link", link_pid};

    return with_argument(L, &op);
}

static int process_unlink(lua_State *L)
{
    static const struct process_op op = {"unlink", "process.unlink", unlink_pid};

    return with_argument(L, &op);
}

/* ---- cancel and terminate -------------------------------------------------------- */

/* Puts the reason (argument 2, "" if absent) into the scratch buffer as one msgpack
 * text. */
static int encode_reason(lua_State *L, struct runtime *rt, struct err *err)
{
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TSTRING) {
        lua_pushliteral(L, "");
        lua_replace(L, 2);
    }
    buf_clear(&rt->scratch);
    return codec_encode_value(L, 2, &rt->scratch, NULL, err);
}

static int signal_far(lua_State *L, uint64_t pid, enum signal_op op)
{
    struct actor *self = actor_current(L);
    struct uplink *uplink = self->vm->rt->uplink;
    struct frame_signal frame = {.to = pid,
                                 .from = self->pid,
                                 .op = (uint8_t)op,
                                 .from_host = bytes_of_text(self->host),
                                 .reason = buf_bytes(&self->vm->rt->scratch)};

    frame.call = uplink_expect_for(uplink, task_begin_block(L));
    uplink_wrote(uplink, frame_encode_signal(conn_out(uplink_conn(uplink)), &frame));
    return task_block(L, 0, ask_result_k);
}

static int signal_near(lua_State *L, struct actor *target, enum signal_op op)
{
    struct actor *self = actor_current(L);

    if (op == SIGNAL_TERMINATE)
        actor_doom(target, DOOM_TERMINATED);
    else
        actor_tell(target, MSG_CANCEL, self->pid, bytes_of_text(self->host), false,
                   buf_bytes(&self->vm->rt->scratch));
    lua_pushboolean(L, 1);
    return 1;
}

static int signal_pid(lua_State *L, uint64_t pid, enum signal_op op)
{
    struct runtime *rt = actor_current(L)->vm->rt;
    struct actor *target = slots_find(&rt->slots, pid);
    struct err err;

    if (encode_reason(L, rt, &err) == -1)
        return errors_return_struct(L, &err);
    if (target != NULL && target->doom == DOOM_NONE)
        return signal_near(L, target, op);
    if (pid_index(pid) == rt->slots.index)
        return errors_return(L, ERR_NOT_FOUND, "process not found");
    return signal_far(L, pid, op);
}

static int cancel_pid(lua_State *L, uint64_t pid)
{
    return signal_pid(L, pid, SIGNAL_CANCEL);
}

static int terminate_pid(lua_State *L, uint64_t pid)
{
    return signal_pid(L, pid, SIGNAL_TERMINATE);
}

static int process_cancel(lua_State *L)
{
    static const struct process_op op = {"cancel", "process.cancel", cancel_pid};

    if (lua_gettop(L) < 1)
        return errors_return(L, ERR_INVALID,
                             "cancel requires at least destination argument");
    return process_with_dest(L, &op);
}

static int process_terminate(lua_State *L)
{
    static const struct process_op op = {"terminate", "process.terminate",
                                         terminate_pid};

    return with_argument(L, &op);
}

void process_watch_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"monitor", process_monitor},
                                         {"unmonitor", process_unmonitor},
                                         {"link", process_link},
                                         {"unlink", process_unlink},
                                         {"cancel", process_cancel},
                                         {"terminate", process_terminate},
                                         {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
}
