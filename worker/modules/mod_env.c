#include "worker/modules/mod_env.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/program.h"
#include "worker/vm.h"

/* A bare name may mean a variable of the running entry's own namespace (ENV-03). */
static void push_namespace(lua_State *L)
{
    const char *id = actor_current(L)->vm->program->id;

    lua_pushlstring(L, id, strcspn(id, ":"));
}

/* Numbers at 1 ... n become text in place, as argument checks do; false: empty key. */
static bool check_texts(lua_State *L, int n)
{
    size_t key_bytes;

    for (int i = 1; i <= n; i++)
        luaL_checkstring(L, i);
    lua_settop(L, n);
    lua_tolstring(L, 1, &key_bytes);
    return key_bytes != 0;
}

static int env_get(lua_State *L)
{
    if (!check_texts(L, 1))
        return errors_return(L, ERR_INVALID, "empty key");
    if (!identity_allows(L, "env.get", lua_tostring(L, 1)))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to access environment variable: %s",
                             lua_tostring(L, 1));
    push_namespace(L);
    return ask_system(L, "@env.get", 1, 2, 0, ask_result_k);
}

static int env_set(lua_State *L)
{
    if (!check_texts(L, 2))
        return errors_return(L, ERR_INVALID, "empty key");
    if (!identity_allows(L, "env.set", lua_tostring(L, 1)))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to set environment variable: %s",
                             lua_tostring(L, 1));
    push_namespace(L);
    return ask_system(L, "@env.set", 1, 3, 0, ask_result_k);
}

/* What may not be read isn't there (S-81). */
static int got_all(lua_State *L, int status, lua_KContext ctx)
{
    int top = lua_gettop(L);

    (void)status, (void)ctx;
    ask_result(L);
    if (identity_is_free(actor_current(L)) || !lua_istable(L, top + 1))
        return 2;
    for (lua_pushnil(L); lua_next(L, top + 1) != 0;) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING &&
            !identity_allows(L, "env.get", lua_tostring(L, -1))) {
            lua_pushvalue(L, -1);
            lua_pushnil(L);
            lua_rawset(L, top + 1);
        }
    }
    return 2;
}

static int env_get_all(lua_State *L)
{
    lua_settop(L, 0);
    return ask_system(L, "@env.get_all", 1, 0, 0, got_all);
}

int mod_env_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"get", env_get}, {"set", env_set}, {"get_all", env_get_all}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
