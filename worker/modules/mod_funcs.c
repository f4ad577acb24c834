#include "worker/modules/mod_funcs.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "proto/frame.h"
#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/context.h"
#include "worker/functions.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_security.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"
#include "worker/object.h"

/* Immutable. Uservalues: context values, options (tables), actor and scope (bytes). */
static const struct object_class executor_class = {"funcs.Executor"};

enum { UV_CONTEXT = 1, UV_OPTIONS, UV_ACTOR, UV_SCOPE, N_UV = UV_SCOPE };

/* Where a call finds what it needs on the stack; the arguments follow the target. */
struct call_plan {
    int target;           /* stack index */
    int executor;         /* stack index, 0 = none */
    size_t context_bytes; /* of what is prepared; the options come after it */
};

/* F-11: 0, or nil and err pushed (2). */
static int check_target(lua_State *L, int idx)
{
    size_t n;
    const char *text = luaL_checklstring(L, idx, &n);
    const char *colon = memchr(text, ':', n);

    if (n == 0)
        return errors_return(L, ERR_INVALID, "function ID required");
    if (colon == NULL || colon == text)
        return errors_return(L, ERR_INVALID, "namespace required in function ID");
    if (colon == text + n - 1)
        return errors_return(L, ERR_INVALID, "name required in function ID");
    if (!identity_allows(L, "funcs.call", text))
        return errors_return(L, ERR_PERMISSION_DENIED, "not allowed: %s", text);
    return 0;
}

/* Pushes a uservalue of the executor; its bytes if it is a string, else none. */
static struct bytes push_bytes(lua_State *L, int executor, int uservalue)
{
    struct bytes bytes = {NULL, 0};

    if (lua_getiuservalue(L, executor, uservalue) == LUA_TSTRING)
        bytes.data = (const uint8_t *)lua_tolstring(L, -1, &bytes.n);
    return bytes;
}

/* Appends the effective context of the call: the frame's own with what the executor
 * replaces (F-14). */
static int append_context(lua_State *L, const struct call_plan *plan,
                          struct actor *self, struct buf *out)
{
    struct context_changes changes = {0};
    struct bytes inherited = context_bytes(self->context);
    int top = lua_gettop(L), failed;

    if (plan->executor == 0)
        return buf_append(out, inherited.data, inherited.n) ? 0 : -1;
    if (lua_getiuservalue(L, plan->executor, UV_CONTEXT) == LUA_TTABLE)
        changes.values = lua_gettop(L);
    changes.actor = push_bytes(L, plan->executor, UV_ACTOR);
    changes.scope = push_bytes(L, plan->executor, UV_SCOPE);
    failed = context_encode(L, inherited, &changes, out);
    lua_settop(L, top);
    return failed;
}

/* Appends what with_options said; the supervisor knows the target's own (F-51). */
static int append_options(lua_State *L, const struct call_plan *plan, struct buf *out)
{
    struct err err;
    int failed = 0;

    if (plan->executor == 0)
        return 0;
    if (lua_getiuservalue(L, plan->executor, UV_OPTIONS) == LUA_TTABLE)
        failed = codec_encode_args(L, lua_gettop(L), 1, out, &err);
    lua_pop(L, 1);
    return failed;
}

/* What can raise, before anything is written or expected: encodes context and options
 * into the runtime's scratch buffer. */
static int prepare(lua_State *L, struct call_plan *plan, struct err *err)
{
    struct actor *self = actor_current(L);
    struct buf *scratch = &self->vm->rt->scratch;

    buf_clear(scratch);
    if (append_context(L, plan, self, scratch) == -1)
        return err_set(err, ERR_INVALID, "the call's context can't be sent");
    plan->context_bytes = buf_len(scratch);
    if (append_options(L, plan, scratch) == -1)
        return err_set(err, ERR_INVALID, "the call's options can't be sent");
    return 0;
}

/* Encodes the CALL with what was prepared; -1 and err, then nothing was written.
 * Nested calls inherit the deadline, which the options may only make earlier (F-34). */
static int send_call(lua_State *L, const struct call_plan *plan, uint64_t call,
                     struct err *err)
{
    struct actor *self = actor_current(L);
    struct uplink *uplink = self->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    struct bytes prepared = buf_bytes(&self->vm->rt->scratch);
    struct frame_call frame = {.call = call,
                               .deadline_at_ns = functions_deadline(self),
                               .caller = self->pid,
                               .context = {prepared.data, plan->context_bytes},
                               .options = {prepared.data + plan->context_bytes,
                                           prepared.n - plan->context_bytes}};
    size_t at = buf_len(out);

    frame.target.data =
        (const uint8_t *)lua_tolstring(L, plan->target, &frame.target.n);
    if (!frame_encode_call(out, &frame))
        return err_set(err, ERR_INVALID, "the function ID is too long");
    if (codec_encode_args(L, plan->target + 1, lua_gettop(L) - plan->target, out,
                          err) == -1) {
        uplink_drop_frame(uplink, at);
        return -1;
    }
    return uplink_end_large_frame(uplink, at, err);
}

static int call_sync(lua_State *L, struct call_plan *plan)
{
    struct task *task = task_begin_block(L);
    struct uplink *uplink = task->actor->vm->rt->uplink;
    struct err err;
    uint64_t call;

    if (prepare(L, plan, &err) == -1)
        return errors_return_struct(L, &err);
    call = uplink_expect_for(uplink, task);
    if (send_call(L, plan, call, &err) == 0)
        return task_block(L, 0, ask_result_k);
    task->withdraw = NULL;
    uplink_unexpect(uplink, call);
    return errors_return_struct(L, &err);
}

static int call_async(lua_State *L, struct call_plan *plan)
{
    struct uplink *uplink = actor_current(L)->vm->rt->uplink;
    struct future *future;
    struct err err;
    uint64_t call;

    if (prepare(L, plan, &err) == -1)
        return errors_return_struct(L, &err);
    future = future_push(L);
    lua_insert(L, 1); /* the arguments stay on top */
    plan->target++;
    call = uplink_expect(uplink, future_done, future);
    future_set_call(future, call);
    if (send_call(L, plan, call, &err) == -1) {
        uplink_unexpect(uplink, call);
        future_settle(future);
        return errors_return_struct(L, &err);
    }
    lua_settop(L, 1);
    return 1;
}

static int funcs_call(lua_State *L)
{
    int refused = check_target(L, 1);

    return refused != 0 ? refused : call_sync(L, &(struct call_plan){.target = 1});
}

static int funcs_async(lua_State *L)
{
    int refused = check_target(L, 1);

    return refused != 0 ? refused : call_async(L, &(struct call_plan){.target = 1});
}

/* ---- executors
 * ------------------------------------------------------------------------ */

static void push_executor(lua_State *L)
{
    lua_newuserdatauv(L, 0, N_UV);
    object_bless(L, &executor_class);
}

/* Pushes a copy of the executor at 1. */
static void push_copy(lua_State *L)
{
    push_executor(L);
    for (int n = 1; n <= N_UV; n++) {
        lua_getiuservalue(L, 1, n);
        lua_setiuservalue(L, -2, n);
    }
}

static int funcs_new(lua_State *L)
{
    push_executor(L);
    return 1;
}

static int executor_with_context(lua_State *L)
{
    object_check(L, 1, &executor_class);
    if (!identity_allows(L, "funcs.context", "context"))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to call functions with custom context");
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    push_copy(L);
    lua_newtable(L);
    if (lua_getiuservalue(L, 1, UV_CONTEXT) == LUA_TTABLE)
        context_merge(L, -2, -1);
    lua_pop(L, 1);
    context_merge(L, -1, 2);
    lua_setiuservalue(L, 3, UV_CONTEXT);
    return 1;
}

/* Replaces the actor or the scope by the object at 2. */
static int replace_identity(lua_State *L, void (*push)(lua_State *L, int idx),
                            int uservalue)
{
    object_check(L, 1, &executor_class);
    if (!identity_allows(L, "funcs.security", "security"))
        return errors_return(
            L, ERR_PERMISSION_DENIED,
            "not allowed to call functions with custom security context");
    lua_settop(L, 2);
    push_copy(L);
    push(L, 2);
    lua_setiuservalue(L, 3, uservalue);
    return 1;
}

static int executor_with_actor(lua_State *L)
{
    return replace_identity(L, security_push_actor_bytes, UV_ACTOR);
}

static int executor_with_scope(lua_State *L)
{
    return replace_identity(L, security_push_scope_bytes, UV_SCOPE);
}

/* The network is the one option that needs a permission (S-80). */
static int check_network(lua_State *L, int options)
{
    const char *network;

    lua_pushliteral(L, "network");
    lua_rawget(L, options);
    network = lua_tostring(L, -1);
    if (network != NULL && !identity_allows(L, "network.select", network))
        return errors_return(L, ERR_PERMISSION_DENIED, "not allowed: network %s",
                             network);
    lua_pop(L, 1);
    return 0;
}

static int executor_with_options(lua_State *L)
{
    object_check(L, 1, &executor_class);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    push_copy(L);
    lua_newtable(L);
    context_merge(L, -1, 2);
    if (check_network(L, 4) != 0)
        return 2;
    lua_setiuservalue(L, 3, UV_OPTIONS);
    return 1;
}

static int executor_run(lua_State *L, int (*run)(lua_State *, struct call_plan *))
{
    struct call_plan plan = {.target = 2, .executor = 1};
    int refused;

    object_check(L, 1, &executor_class);
    refused = check_target(L, 2);
    if (refused != 0)
        return refused;
    return run(L, &plan);
}

static int executor_call(lua_State *L)
{
    return executor_run(L, call_sync);
}

static int executor_async(lua_State *L)
{
    return executor_run(L, call_async);
}

int mod_funcs_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"call", executor_call},
                                       {"async", executor_async},
                                       {"with_actor", executor_with_actor},
                                       {"with_context", executor_with_context},
                                       {"with_options", executor_with_options},
                                       {"with_scope", executor_with_scope},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"call", funcs_call}, {"async", funcs_async}, {"new", funcs_new}, {NULL, NULL}};

    future_open(L);
    object_define(L, &executor_class, methods, NULL);
    luaL_newlib(L, functions);
    return 1;
}
