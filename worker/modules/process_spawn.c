#include "worker/modules/process_spawn.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_process.h"
#include "worker/runtime.h"
#include "worker/spawn.h"
#include "worker/text_at.h"
#include "worker/trace.h"
#include "worker/uplink.h"
#include "worker/vm.h"

/* ---- here ------------------------------------------------------------------------ */

bool process_spawn_is_near(lua_State *L, const struct spawn_plan *plan)
{
    const struct runtime *rt = actor_current(L)->vm->rt;

    return rt->settings.role == ROLE_HOST && !rt->draining && plan->name.n == 0 &&
           strcmp(lua_tostring(L, plan->host), rt->settings.entry) == 0;
}

int process_spawn_near(lua_State *L, const struct spawn_plan *plan,
                       void (*done)(void *context, struct actor *actor,
                                    const struct err *err),
                       void *context, struct err *err)
{
    struct actor *self = actor_current(L);
    struct buf *scratch = &self->vm->rt->scratch;
    struct context *inherited = trace_context(self);
    struct spawn_request request = {.entry = text_at(L, plan->id),
                                    .parent = self->pid,
                                    .flags = plan->flags,
                                    .inherited =
                                        plan->context.n == 0 ? inherited : NULL,
                                    .context = plan->context,
                                    .messages = plan->messages};

    buf_clear(scratch);
    if (codec_encode_args(L, plan->host + 1, plan->n_args, scratch, err) == -1)
        return -1;
    request.args = buf_bytes(scratch);
    spawn_local(self->vm->rt, &request, done, context);
    return 0;
}

/* A spawn on this host until its answer; outlives its task if that is dropped. */
struct spawn_wait {
    struct task *task; /* NULL while nobody is blocked */
    bool done, abandoned;
    uint64_t pid;
    const char *host;
    struct err err;
    char entry[];
};

/* As the supervisor says it, with the details that apps may look at. */
static void encode_failure(const struct spawn_wait *wait, struct buf *out)
{
    struct value fields, *details;

    buf_clear(out);
    if (strcmp(wait->err.text, "factory not found") != 0) {
        error_encode(out, &wait->err);
        return;
    }
    fields = value_map();
    value_put(&fields, "kind", value_string(err_kind_name(wait->err.kind)));
    value_put(&fields, "message", value_string(wait->err.text));
    value_put(&fields, "retryable", value_bool(false));
    details = value_put(&fields, "details", value_map());
    value_put(details, "factory_id", value_string(wait->entry));
    error_encode_value(out, &fields);
    value_finish(&fields);
}

/* The same answer as from elsewhere, so that the task has one way to go on. */
static void wake(const struct spawn_wait *wait)
{
    struct buf *scratch = &wait->task->actor->vm->rt->scratch;

    buf_clear(scratch);
    if (wait->pid != 0) {
        struct value items[2] = {value_int((int64_t)wait->pid),
                                 value_string(wait->host)};

        payload_encode(scratch, items, 2);
        value_finish(&items[1]);
    } else {
        encode_failure(wait, scratch);
    }
    task_wake_reply(wait->task, wait->pid != 0 ? REPLY_OK : REPLY_ERROR,
                    buf_bytes(scratch));
}

static void on_spawned(void *context, struct actor *actor, const struct err *err)
{
    struct spawn_wait *wait = context;

    wait->done = true;
    if (actor != NULL) {
        wait->pid = actor->pid;
        wait->host = actor->host;
    } else {
        wait->err = *err;
    }
    if (wait->task != NULL)
        wake(wait);
    if (wait->task != NULL || wait->abandoned)
        free(wait);
}

static void abandon_spawn(struct task *task)
{
    struct spawn_wait *wait = task->withdraw_state;

    wait->task = NULL;
    wait->abandoned = true;
}

static int push_spawned(lua_State *L, struct spawn_wait *wait)
{
    uint64_t pid = wait->pid;
    const char *host = wait->host;
    struct buf *scratch = &actor_current(L)->vm->rt->scratch;
    struct err err;

    if (pid == 0)
        encode_failure(wait, scratch);
    free(wait);
    if (pid != 0) {
        process_push_pid(L, host, strlen(host), pid);
        return 1;
    }
    lua_pushnil(L);
    if (codec_decode_error(L, buf_head(scratch), buf_len(scratch), &err) == -1)
        errors_push_struct(L, &err);
    return 2;
}

static int spawned(lua_State *L, int status, lua_KContext ctx);

static int spawn_near(lua_State *L, const struct spawn_plan *plan)
{
    struct task *task = task_begin_block(L);
    struct bytes entry = text_at(L, plan->id);
    struct spawn_wait *wait = malloc(sizeof(*wait) + entry.n + 1);
    struct err err;

    if (wait == NULL)
        return errors_return(L, ERR_UNAVAILABLE, "no memory for a process");
    wait->task = NULL;
    wait->done = wait->abandoned = false;
    wait->pid = 0;
    memcpy(wait->entry, entry.data, entry.n + 1);
    if (process_spawn_near(L, plan, on_spawned, wait, &err) == -1) {
        free(wait);
        return errors_return_struct(L, &err);
    }
    if (wait->done)
        return push_spawned(L, wait);
    wait->task = task;
    task->withdraw = abandon_spawn;
    task->withdraw_state = wait;
    task->goes_first = true;
    return task_block(L, 0, spawned); /* the watches are made already */
}

/* ---- elsewhere ------------------------------------------------------------------- */

static int spawned(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes result;
    struct err err;
    int n;

    (void)status, (void)ctx;
    if (!ask_reply(L, &result))
        return ask_result(L);
    n = codec_decode_args(L, result.data, result.n, 2, &err);
    ask_done(L);
    if (n != 2 || !lua_isinteger(L, -2) || !lua_isstring(L, -1))
        return errors_return(L, ERR_INTERNAL, "the answer to a spawn was malformed");
    process_push_pid(L, lua_tostring(L, -1), lua_rawlen(L, -1),
                     (uint64_t)lua_tointeger(L, -2));
    return 1;
}

int process_spawn_far(lua_State *L, const struct spawn_plan *plan, uint64_t call,
                      struct err *err)
{
    struct actor *self = actor_current(L);
    struct uplink *uplink = self->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    struct frame_spawn frame = {.call = call,
                                .parent = self->pid,
                                .flags = plan->flags,
                                .parent_host = bytes_of_text(self->host),
                                .entry = text_at(L, plan->id),
                                .host = text_at(L, plan->host),
                                .name = plan->name,
                                .context = plan->context,
                                .messages = plan->messages};
    size_t at = buf_len(out);

    if (plan->context.n == 0)
        frame.context = context_bytes(trace_context(self));
    if (!frame_encode_spawn(out, &frame))
        return err_set(err, ERR_INVALID, "the id, host or name is too long");
    if (codec_encode_args(L, plan->host + 1, plan->n_args, out, err) == -1) {
        uplink_drop_frame(uplink, at);
        return -1;
    }
    return uplink_end_large_frame(uplink, at, err);
}

static int spawn_far(lua_State *L, const struct spawn_plan *plan)
{
    struct task *task = task_begin_block(L);
    uint64_t call = process_expect_watch(task, 0, plan->flags);
    struct err err;

    if (process_spawn_far(L, plan, call, &err) == 0) {
        task->goes_first = true;
        return task_block(L, 0, spawned);
    }
    process_unexpect_watch(task, call);
    return errors_return_struct(L, &err);
}

int process_spawn(lua_State *L, const struct spawn_plan *plan)
{
    return process_spawn_is_near(L, plan) ? spawn_near(L, plan) : spawn_far(L, plan);
}

/* ---- permissions ----------------------------------------------------------------- */

bool process_spawn_denied(lua_State *L, const struct spawn_plan *plan, bool is_exec)
{
    const char *id = lua_tostring(L, plan->id), *host = lua_tostring(L, plan->host);
    const char *verb = is_exec ? "exec" : "spawn";

    if (identity_is_free(actor_current(L)))
        return false;
    if (!identity_allows_process(L, is_exec ? "process.exec" : "process.spawn", id))
        lua_pushfstring(L, "not allowed to %s process: %s", verb, id);
    else if (!identity_allows_process(L, "process.host", host))
        lua_pushfstring(L, "not allowed to %s on host: %s", verb, host);
    else if ((plan->flags & SPAWN_MONITOR) != 0 &&
             !identity_allows_process(L, "process.spawn.monitored", id))
        lua_pushfstring(L, "not allowed to spawn monitored process: %s", id);
    else if ((plan->flags & SPAWN_LINK) != 0 &&
             !identity_allows_process(L, "process.spawn.linked", id))
        lua_pushfstring(L, "not allowed to spawn linked process: %s", id);
    else
        return false;
    return true;
}

/* ---- Lua ------------------------------------------------------------------------- */

/* again: the function of Lua that this is. */
static int spawn(lua_State *L, const char *name, uint8_t flags, lua_CFunction again)
{
    struct spawn_plan plan = {
        .id = 1, .host = 2, .n_args = lua_gettop(L) - 2, .flags = flags};

    if (lua_gettop(L) < 2)
        return errors_return(L, ERR_INVALID,
                             "%s requires at least id and host arguments", name);
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    if (actor_should_give_way(L, actor_current(L)))
        return task_give_way(L, again);
    if (process_spawn_denied(L, &plan, false))
        return errors_return(L, ERR_PERMISSION_DENIED, "%s", lua_tostring(L, -1));
    return process_spawn(L, &plan);
}

static int plain_spawn(lua_State *L)
{
    return spawn(L, "spawn", 0, plain_spawn);
}

static int spawn_monitored(lua_State *L)
{
    return spawn(L, "spawn_monitored", SPAWN_MONITOR, spawn_monitored);
}

static int spawn_linked(lua_State *L)
{
    return spawn(L, "spawn_linked", SPAWN_LINK, spawn_linked);
}

static int spawn_linked_monitored(lua_State *L)
{
    return spawn(L, "spawn_linked_monitored", SPAWN_LINK | SPAWN_MONITOR,
                 spawn_linked_monitored);
}

/* PR-8: what is wrong with the id and the host, NULL = nothing. */
static const char *find_fault(lua_State *L)
{
    const char *id, *colon;

    if (lua_gettop(L) < 2)
        return "exec requires id and host arguments";
    id = luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    colon = strchr(id, ':');
    if (id[0] == '\0')
        return "process ID required";
    if (colon == NULL || colon == id || colon[1] == '\0')
        return "invalid process ID format (namespace:name required)";
    return lua_rawlen(L, 2) == 0 ? "host ID required" : NULL;
}

static int exec(lua_State *L)
{
    struct spawn_plan plan = {.id = 1, .host = 2, .n_args = lua_gettop(L) - 2};
    const char *fault = find_fault(L);

    if (fault != NULL)
        return errors_return(L, ERR_INVALID, "%s", fault);
    if (process_spawn_denied(L, &plan, true))
        return errors_return(L, ERR_PERMISSION_DENIED, "%s", lua_tostring(L, -1));
    return process_exec(L, &plan);
}

void process_spawn_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spawn", plain_spawn},
        {"spawn_monitored", spawn_monitored},
        {"spawn_linked", spawn_linked},
        {"spawn_linked_monitored", spawn_linked_monitored},
        {"exec", exec},
        {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
}
