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

enum { ENV_GET, ENV_SET };

static const struct {
    const char *action, *target, *verb;
    int n_texts;
} operations[] = {
    [ENV_GET] = {"env.get", "@env.get", "access", 1},
    [ENV_SET] = {"env.set", "@env.set", "set", 2},
};

static int refuse(lua_State *L, lua_KContext which)
{
    return errors_return(L, ERR_PERMISSION_DENIED,
                         "not allowed to %s environment variable: %s",
                         operations[which].verb, lua_tostring(L, 1));
}

static int perform(lua_State *L, lua_KContext which)
{
    return ask_system(L, operations[which].target, 1, operations[which].n_texts + 1, 0,
                      ask_result_k);
}

/* A variable has an id and a public name. What is given has to be allowed (S-81); but
 * who denies one of them means the variable. */
static int with_names(lua_State *L, int status, lua_KContext which)
{
    int top = lua_gettop(L), list = top + 1;

    (void)status;
    ask_result(L);
    if (!lua_istable(L, list))
        return 2;
    for (lua_Integer i = 1;; i++) {
        if (lua_rawgeti(L, list, i) != LUA_TSTRING)
            break;
        if (identity_denies(actor_current(L), operations[which].action,
                            lua_tostring(L, -1)))
            return refuse(L, which);
        lua_pop(L, 1);
    }
    lua_settop(L, operations[which].n_texts + 1);
    return perform(L, which);
}

static int run(lua_State *L, lua_KContext which)
{
    int n_texts = operations[which].n_texts;

    if (!check_texts(L, n_texts))
        return errors_return(L, ERR_INVALID, "empty key");
    if (!identity_allows(L, operations[which].action, lua_tostring(L, 1)))
        return refuse(L, which);
    push_namespace(L);
    if (!identity_is_held(actor_current(L)))
        return perform(L, which);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, n_texts + 1);
    return ask_system(L, "@env.get_names", n_texts + 2, 2, which, with_names);
}

static int env_get(lua_State *L)
{
    return run(L, ENV_GET);
}

static int env_set(lua_State *L)
{
    return run(L, ENV_SET);
}

/* May the variable of that name be read, and does nobody deny its id? ids is a table.
 */
static bool may_read(lua_State *L, int name, int ids)
{
    bool may = lua_type(L, name) != LUA_TSTRING ||
               identity_allows(L, "env.get", lua_tostring(L, name));

    if (!may || !lua_istable(L, ids))
        return may;
    lua_pushvalue(L, name);
    if (lua_rawget(L, ids) == LUA_TSTRING)
        may = !identity_denies(actor_current(L), "env.get", lua_tostring(L, -1));
    lua_pop(L, 1);
    return may;
}

/* What may not be read isn't there (S-81). At 1: name -> id, when that is asked. */
static int got_all(lua_State *L, int status, lua_KContext ctx)
{
    int top = lua_gettop(L);

    (void)status, (void)ctx;
    ask_result(L);
    if (identity_is_free(actor_current(L)) || !lua_istable(L, top + 1))
        return 2;
    for (lua_pushnil(L); lua_next(L, top + 1) != 0;) {
        lua_pop(L, 1);
        if (!may_read(L, lua_gettop(L), 1)) {
            lua_pushvalue(L, -1);
            lua_pushnil(L);
            lua_rawset(L, top + 1);
        }
    }
    return 2;
}

static int got_ids(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    if (!lua_istable(L, 1))
        return 2;
    lua_settop(L, 1);
    return ask_system(L, "@env.get_all", 1, 0, 0, got_all);
}

static int env_get_all(lua_State *L)
{
    lua_settop(L, 0);
    if (identity_is_held(actor_current(L)))
        return ask_system(L, "@env.get_ids", 1, 0, 0, got_ids);
    lua_pushnil(L);
    return ask_system(L, "@env.get_all", 1, 0, 0, got_all);
}

int mod_env_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"get", env_get}, {"set", env_set}, {"get_all", env_get_all}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
