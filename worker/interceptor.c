#include "worker/interceptor.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/context.h"
#include "worker/frozen.h"
#include "worker/functions.h"
#include "worker/modules/errors.h"
#include "worker/runtime.h"
#include "worker/vm.h"

#define CALL_META    "troupe.call"
#define TARGET_BYTES 32 /* "@next." and a number in hexadecimal */

/* Where a next() finds on its stack what it sends; the arguments are on top. */
struct next_plan {
    int call, original; /* the table that it was given, the one that the handler got */
    int first_arg;
    size_t context_bytes; /* of what is prepared; the options come after it */
};

/* ---- call ------------------------------------------------------------------------ */

static int keep_caller(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    lua_pop(L, 1);
    lua_pushliteral(L, "caller");
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

static int look_up_caller(lua_State *L)
{
    uint64_t number = functions_open_call(actor_current(L));

    lua_settop(L, 1);
    lua_pushinteger(L, (lua_Integer)number);
    return ask_system(L, "@calls.caller", 2, 1, 0, keep_caller);
}

static int call_index(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";

    if (strcmp(key, "caller") == 0)
        return look_up_caller(L);
    if (strcmp(key, "context") != 0)
        return 0;
    context_push_values(L, context_bytes(actor_current(L)->context));
    lua_pushliteral(L, "context");
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

static void set_call_meta(lua_State *L)
{
    if (luaL_newmetatable(L, CALL_META)) {
        lua_pushcfunction(L, call_index);
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, false);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
}

/* ---- next ------------------------------------------------------------------------ */

/* Pushes the field of the table that next() was given, or else of the handler's own. */
static int push_field(lua_State *L, const struct next_plan *plan, const char *name)
{
    if (frozen_get_field(L, plan->call, name) != LUA_TNIL)
        return lua_type(L, -1);
    lua_pop(L, 1);
    return frozen_get_field(L, plan->original, name);
}

static lua_Integer count_args(lua_State *L, int args)
{
    lua_Integer n;

    lua_pushliteral(L, "n");
    if (lua_rawget(L, args) == LUA_TNUMBER && lua_isinteger(L, -1))
        n = lua_tointeger(L, -1);
    else
        n = (lua_Integer)lua_rawlen(L, args);
    lua_pop(L, 1);
    if (n < 0 || n > CODEC_MAX_ARGS)
        luaL_error(L, "call.args has too many items");
    return n;
}

static void push_args(lua_State *L, struct next_plan *plan)
{
    lua_Integer n;
    int args;

    if (push_field(L, plan, "args") != LUA_TTABLE)
        luaL_error(L, "call.args must be a table");
    if (frozen_push_contents(L, -1))
        lua_replace(L, -2);
    args = lua_gettop(L);
    n = count_args(L, args);
    luaL_checkstack(L, (int)n + LUA_MINSTACK, "call.args has too many items");
    plan->first_arg = args + 1;
    for (lua_Integer i = 1; i <= n; i++)
        lua_rawgeti(L, args, i);
}

/* Appends the context when the handler has looked at its values, so that they may be
 * others now; nothing otherwise. */
static int append_context(lua_State *L, const struct next_plan *plan, struct buf *out)
{
    struct context_changes changes = {.only_values = true};
    int failed = 0, top = lua_gettop(L);

    if (push_field(L, plan, "context") == LUA_TTABLE) {
        changes.values = lua_gettop(L);
        failed =
            context_encode(L, context_bytes(actor_current(L)->context), &changes, out);
    }
    lua_settop(L, top);
    return failed;
}

static int append_options(lua_State *L, const struct next_plan *plan, struct buf *out)
{
    int failed = 0, top = lua_gettop(L);
    struct err err;

    if (push_field(L, plan, "options") == LUA_TTABLE) {
        lua_newtable(L);
        context_merge(L, -1, -2);
        lua_pushnil(L);
        if (lua_next(L, -2) != 0) {
            lua_pop(L, 2);
            failed = codec_encode_args(L, lua_gettop(L), 1, out, &err);
        }
    }
    lua_settop(L, top);
    return failed;
}

/* All that can raise, before anything is written or expected. */
static int prepare(lua_State *L, struct next_plan *plan, struct err *err)
{
    struct buf *scratch = &actor_current(L)->vm->rt->scratch;

    buf_clear(scratch);
    if (append_context(L, plan, scratch) == -1)
        return err_set(err, ERR_INVALID, "the call's context can't be sent");
    plan->context_bytes = buf_len(scratch);
    if (append_options(L, plan, scratch) == -1)
        return err_set(err, ERR_INVALID, "the call's options can't be sent");
    push_args(L, plan);
    return 0;
}

/* Upvalues: call, the number of the call that it is about. */
static int next(lua_State *L)
{
    uint64_t handled = (uint64_t)lua_tointeger(L, lua_upvalueindex(2));
    struct next_plan plan = {.call = 1, .original = 2};
    struct ask_call ask = {0};
    char target[TARGET_BYTES];
    struct task *task;
    struct err err;

    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    if (lua_isnil(L, 1))
        plan.call = plan.original;
    else
        luaL_checktype(L, 1, LUA_TTABLE);
    task = task_begin_block(L);
    if (functions_open_call(task->actor) != handled)
        return errors_return(L, ERR_INVALID,
                             "next() was called after its handler had returned");
    if (prepare(L, &plan, &err) == -1)
        return errors_return_struct(L, &err);
    snprintf(target, sizeof(target), "@next.%llx", (unsigned long long)handled);
    ask.target = bytes_of_text(target);
    ask.context_bytes = plan.context_bytes;
    ask.first_arg = plan.first_arg;
    return ask_call(L, task, &ask, 0, ask_result_k);
}

/* ---- a handler's start ----------------------------------------------------------- */

/* The arguments after the first become its field args. */
static void gather_args(lua_State *co, int call, int n)
{
    lua_createtable(co, n, 1);
    lua_insert(co, call + 1);
    for (int i = n; i > 0; i--)
        lua_rawseti(co, call + 1, i);
    lua_pushinteger(co, n);
    lua_setfield(co, call + 1, "n");
    lua_setfield(co, call, "args");
}

int interceptor_enter(struct actor *actor, lua_State *co, int n, struct err *err)
{
    int call = lua_gettop(co) - n + 1;

    if (n == 0 || !lua_istable(co, call))
        return err_set(err, ERR_INVALID, "interceptors are not callable");
    if (!lua_checkstack(co, LUA_MINSTACK))
        return err_set(err, ERR_UNAVAILABLE, "no memory for the stack");
    gather_args(co, call, n - 1);
    set_call_meta(co);
    lua_pushvalue(co, call);
    lua_pushinteger(co, (lua_Integer)functions_open_call(actor));
    lua_pushcclosure(co, next, 2);
    return 2;
}
