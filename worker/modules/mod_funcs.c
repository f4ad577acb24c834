#include "worker/modules/mod_funcs.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "worker/identity.h"
#include "worker/modules/call.h"
#include "worker/modules/errors.h"
#include "worker/object.h"

/* Immutable; holds nothing but the settings of calls. */
static const struct object_class executor_class = {"funcs.Executor"};

/* F-11: 0, or nil and err pushed (2). */
static int check_target(lua_State *L, int idx)
{
    size_t n;
    const char *text, *colon;

    luaL_checktype(L, idx, LUA_TSTRING); /* a number is none */
    text = lua_tolstring(L, idx, &n);
    colon = memchr(text, ':', n);
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

/* ---- executors ------------------------------------------------------------------- */

static void push_executor(lua_State *L)
{
    lua_newuserdatauv(L, 0, CALL_N_SETTINGS);
    object_bless(L, &executor_class);
}

static int funcs_new(lua_State *L)
{
    push_executor(L);
    return 1;
}

static void check_executor(lua_State *L)
{
    object_check(L, 1, &executor_class);
}

static const struct call_owner executors = {.check = check_executor,
                                            .push_like = push_executor,
                                            .context_right = "funcs.context",
                                            .security_right = "funcs.security",
                                            .use = "call functions"};

static int executor_run(lua_State *L, int (*run)(lua_State *, struct call_plan *))
{
    struct call_plan plan = {.target = 2, .settings = 1};
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
    static const luaL_Reg methods[] = {
        {"call", executor_call}, {"async", executor_async}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"call", funcs_call}, {"async", funcs_async}, {"new", funcs_new}, {NULL, NULL}};

    future_open(L);
    object_define(L, &executor_class, methods, NULL);
    object_push_methods(L, &executor_class);
    call_add_methods(L, &executors);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
