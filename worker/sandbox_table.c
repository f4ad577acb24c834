#include "worker/sandbox_lib.h"

#include <lauxlib.h>
#include <lualib.h>

#include "worker/frozen.h"

/* create() is a hint about what is to come; more than this is believed when it
 * comes. */
#define CREATE_MAX (1 << 20)

static int table_concat(lua_State *L)
{
    sandbox_integer(L, 3);
    sandbox_integer(L, 4);
    return sandbox_call_stock(L);
}

static int table_insert(lua_State *L)
{
    if (frozen_test(L, 1))
        return luaL_error(L, "attempt to modify Immutable table");
    if (lua_gettop(L) == 3)
        sandbox_integer(L, 2);
    return sandbox_call_stock(L);
}

static int table_remove(lua_State *L)
{
    if (frozen_test(L, 1))
        return luaL_error(L, "attempt to modify Immutable table");
    sandbox_integer(L, 2);
    return sandbox_call_stock(L);
}

static int table_move(lua_State *L)
{
    for (int i = 2; i <= 4; i++)
        sandbox_integer(L, i);
    return sandbox_call_stock(L);
}

static int table_sort(lua_State *L)
{
    if (frozen_test(L, 1))
        return luaL_error(L, "attempt to sort Immutable table");
    if (!lua_isnoneornil(L, 2) && lua_istable(L, 1))
        return sandbox_sort(L);
    return sandbox_call_stock(L);
}

static int table_unpack(lua_State *L)
{
    sandbox_integer(L, 2);
    sandbox_integer(L, 3);
    return sandbox_call_stock(L);
}

static int clamp_size(lua_State *L, int idx)
{
    lua_Integer n;

    sandbox_integer(L, idx);
    n = luaL_optinteger(L, idx, 0);
    return n < 0 ? 0 : (n > CREATE_MAX ? CREATE_MAX : (int)n);
}

static int table_create(lua_State *L)
{
    int n_items = clamp_size(L, 1), n_fields = clamp_size(L, 2);

    lua_createtable(L, n_items, n_fields);
    return 1;
}

static int table_freeze(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    frozen_freeze(L, 1);
    return 1;
}

static int table_isfrozen(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushboolean(L, frozen_test(L, 1));
    return 1;
}

static int table_getn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushinteger(L, luaL_len(L, 1));
    return 1;
}

/* The largest positive number among the keys, 0 if there is none. */
static int table_maxn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (frozen_push_contents(L, 1))
        lua_replace(L, 1);
    lua_pushinteger(L, 0); /* 2: the largest so far */
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_compare(L, 2, -1, LUA_OPLT)) {
            lua_pushvalue(L, -1);
            lua_replace(L, 2);
        }
    }
    return 1;
}

static const struct sandbox_wrap wrapped[] = {
    {"concat", table_concat, NULL}, {"insert", table_insert, NULL},
    {"move", table_move, NULL},     {"pack", NULL, NULL},
    {"remove", table_remove, NULL}, {"sort", table_sort, NULL},
    {"unpack", table_unpack, NULL}, {NULL, NULL, NULL},
};

static const luaL_Reg added[] = {
    {"create", table_create},     {"freeze", table_freeze}, {"getn", table_getn},
    {"isfrozen", table_isfrozen}, {"maxn", table_maxn},     {NULL, NULL},
};

void sandbox_push_table(lua_State *L)
{
    lua_pushcfunction(L, luaopen_table);
    lua_call(L, 0, 1);
    luaL_newlib(L, added);
    sandbox_copy(L, -2, wrapped);
    lua_remove(L, -2);
}
