#include <lauxlib.h>

#include "worker/modules/mod_security.h"
#include "worker/object.h"

/* Uservalue: the id. */
static const struct object_class policy_class = {"Policy"};

void security_make_policy(lua_State *L)
{
    lua_newuserdatauv(L, 0, 1);
    object_bless(L, &policy_class);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
}

bool security_push_policy_id(lua_State *L, int idx)
{
    if (object_test(L, idx, &policy_class) == NULL)
        return false;
    lua_getiuservalue(L, idx, 1);
    return true;
}

void security_push_reference(lua_State *L, int idx)
{
    if (lua_type(L, idx) == LUA_TSTRING) {
        lua_pushvalue(L, idx);
        return;
    }
    if (security_push_policy_id(L, idx))
        return;
    if (!lua_istable(L, idx))
        luaL_argerror(L, idx, "policy, id or {ns, name} expected");
    lua_getfield(L, idx, "ns");
    lua_getfield(L, idx, "name");
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
        luaL_argerror(L, idx, "policy, id or {ns, name} expected");
    lua_pushfstring(L, "%s:%s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* ---- methods --------------------------------------------------------------------- */

static int policy_id(lua_State *L)
{
    object_check(L, 1, &policy_class);
    security_push_policy_id(L, 1);
    return 1;
}

static int policy_evaluate(lua_State *L)
{
    object_check(L, 1, &policy_class);
    lua_settop(L, 5);
    lua_createtable(L, 1, 0);
    security_push_policy_id(L, 1);
    lua_rawseti(L, 6, 1);
    return security_evaluate(L, 6);
}

static int policy_tostring(lua_State *L)
{
    object_check(L, 1, &policy_class);
    security_push_policy_id(L, 1);
    lua_pushfstring(L, "security.Policy{%s}", lua_tostring(L, -1));
    return 1;
}

void security_policy_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"id", policy_id}, {"evaluate", policy_evaluate}, {NULL, NULL}};

    object_define(L, &policy_class, methods, policy_tostring);
}
