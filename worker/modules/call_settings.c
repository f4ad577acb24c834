#include "worker/modules/call.h"

#include <lauxlib.h>

#include "common/err.h"

#include "worker/context.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_security.h"

void call_copy_settings(lua_State *L, int from, int to)
{
    to = lua_absindex(L, to);
    for (int n = 1; n <= CALL_N_SETTINGS; n++) {
        lua_getiuservalue(L, from, n);
        lua_setiuservalue(L, to, n);
    }
}

void call_merge_context(lua_State *L, int to, int values)
{
    to = lua_absindex(L, to);
    values = lua_absindex(L, values);
    lua_newtable(L);
    if (lua_getiuservalue(L, to, CALL_CONTEXT) == LUA_TTABLE)
        context_merge(L, -2, -1);
    lua_pop(L, 1);
    context_merge(L, -1, values);
    lua_setiuservalue(L, to, CALL_CONTEXT);
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

int call_set_options(lua_State *L, int to, int options)
{
    int refused;

    to = lua_absindex(L, to);
    options = lua_absindex(L, options);
    lua_newtable(L);
    context_merge(L, -1, options);
    refused = check_network(L, lua_gettop(L));
    if (refused == 0)
        lua_setiuservalue(L, to, CALL_OPTIONS);
    return refused;
}

/* Leaves the object at 1, what it is to be given at 2 and a copy of the object at 3. */
static void push_copy(lua_State *L, const struct call_owner *owner)
{
    lua_settop(L, 2);
    owner->push_like(L);
    call_copy_settings(L, 1, 3);
}

/* ---- methods; upvalue: their owner ----------------------------------------------- */

static const struct call_owner *owner_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static int with_context(lua_State *L)
{
    const struct call_owner *owner = owner_of(L);

    owner->check(L);
    if (!identity_allows(L, owner->context_right, "context"))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to %s with custom context", owner->use);
    luaL_checktype(L, 2, LUA_TTABLE);
    push_copy(L, owner);
    call_merge_context(L, 3, 2);
    return 1;
}

static int replace_identity(lua_State *L, void (*push)(lua_State *L, int idx),
                            enum call_setting setting)
{
    const struct call_owner *owner = owner_of(L);

    owner->check(L);
    if (!identity_allows(L, owner->security_right, "security"))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to %s with custom security context",
                             owner->use);
    push_copy(L, owner);
    push(L, 2);
    lua_setiuservalue(L, 3, setting);
    return 1;
}

static int with_actor(lua_State *L)
{
    return replace_identity(L, security_push_actor_bytes, CALL_ACTOR);
}

static int with_scope(lua_State *L)
{
    return replace_identity(L, security_push_scope_bytes, CALL_SCOPE);
}

static int with_options(lua_State *L)
{
    const struct call_owner *owner = owner_of(L);

    owner->check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    push_copy(L, owner);
    return call_set_options(L, 3, 2) != 0 ? 2 : 1;
}

void call_add_methods(lua_State *L, const struct call_owner *owner)
{
    static const luaL_Reg methods[] = {{"with_context", with_context},
                                       {"with_actor", with_actor},
                                       {"with_scope", with_scope},
                                       {"with_options", with_options},
                                       {NULL, NULL}};

    lua_pushlightuserdata(L, (void *)owner);
    luaL_setfuncs(L, methods, 1);
}
