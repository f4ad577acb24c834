#include "worker/sandbox_lib.h"

#include <lauxlib.h>

#include "common/mem.h"

/*
 * Bitwise operators take fractions, truncated towards zero (LUA-20). Stock Lua asks the
 * metatable of numbers before it raises; nothing else is in there, and nobody gets it.
 */
static const struct {
    const char *event;
    int op; /* of lua_arith */
} operators[] = {
    {"__band", LUA_OPBAND}, {"__bor", LUA_OPBOR}, {"__bxor", LUA_OPBXOR},
    {"__shl", LUA_OPSHL},   {"__shr", LUA_OPSHR}, {"__bnot", LUA_OPBNOT},
};

static int finish_call(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 1;
}

/* The other operand may have a metamethod, which comes first: a number has none of its
 * own as far as apps know. */
static int call_other(lua_State *L, int other, const char *event)
{
    if (luaL_getmetafield(L, other, event) == LUA_TNIL)
        return luaL_error(L, "attempt to perform bitwise operation on a %s value",
                          luaL_typename(L, other));
    lua_insert(L, 1);
    lua_callk(L, 2, 1, 0, finish_call);
    return 1;
}

/* Upvalue: the row of operators. */
static int operate(lua_State *L)
{
    lua_Integer row = lua_tointeger(L, lua_upvalueindex(1));

    lua_settop(L, 2);
    for (int i = 1; i <= 2; i++) {
        if (!lua_isnumber(L, i))
            return call_other(L, i, operators[row].event);
        if (lua_type(L, i) == LUA_TSTRING) {
            lua_pushnumber(L, lua_tonumber(L, i));
            lua_replace(L, i);
        }
        sandbox_integer(L, i);
    }
    if (operators[row].op == LUA_OPBNOT)
        lua_settop(L, 1);
    lua_arith(L, operators[row].op);
    return 1;
}

void sandbox_set_number_metatable(lua_State *L)
{
    lua_pushinteger(L, 0);
    lua_createtable(L, 0, (int)N_ELEMENTS(operators) + 1);
    for (size_t i = 0; i < N_ELEMENTS(operators); i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_pushcclosure(L, operate, 1);
        lua_setfield(L, -2, operators[i].event);
    }
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
