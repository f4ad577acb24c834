#include "worker/modules/mod_env.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "worker/actor.h"
#include "worker/ask.h"
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
    push_namespace(L);
    return ask_system(L, "@env.get", 1, 2, 0, ask_result_k);
}

static int env_set(lua_State *L)
{
    if (!check_texts(L, 2))
        return errors_return(L, ERR_INVALID, "empty key");
    push_namespace(L);
    return ask_system(L, "@env.set", 1, 3, 0, ask_result_k);
}

static int env_get_all(lua_State *L)
{
    lua_settop(L, 0);
    return ask_system(L, "@env.get_all", 1, 0, 0, ask_result_k);
}

int mod_env_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"get", env_get}, {"set", env_set}, {"get_all", env_get_all}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
