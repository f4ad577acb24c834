#include "worker/frozen.h"

#include <limits.h>
#include <string.h>

#include <lauxlib.h>

#include "common/mem.h"

/* The field of a frozen table's metatable that holds the contents: a light userdata,
 * which no app can make. */
static const char contents_key;

static int refuse_write(lua_State *L)
{
    return luaL_error(L, "attempt to modify Immutable table");
}

static int get_length(lua_State *L)
{
    if (!frozen_push_contents(L, 1))
        lua_pushvalue(L, 1);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    return 1;
}

static int finish_index(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 1;
}

/* __index of a frozen table that had a function there. Upvalues: contents, function. */
static int index_contents(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_callk(L, 2, 1, 0, finish_index);
    return 1;
}

/* Completes the metatable at the top for the contents at that index. */
static void fill_metatable(lua_State *L, int contents)
{
    lua_pushvalue(L, contents);
    lua_rawsetp(L, -2, &contents_key);
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    if (lua_getfield(L, -1, "__len") == LUA_TNIL) {
        lua_pushcfunction(L, get_length);
        lua_setfield(L, -3, "__len");
    }
    lua_pop(L, 1);
}

void frozen_push_proxy(lua_State *L, int idx)
{
    idx = lua_absindex(L, idx);
    luaL_checkstack(L, 5, NULL);
    lua_newtable(L);
    lua_createtable(L, 0, 5);
    fill_metatable(L, idx);
    lua_pushvalue(L, idx);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

/* Is the key at idx one that Lua looks for in metatables, where it looks raw? */
static bool is_event(lua_State *L, int idx)
{
    const char *key = lua_type(L, idx) == LUA_TSTRING ? lua_tostring(L, idx) : "";

    return strncmp(key, "__", 2) == 0 && strcmp(key, "__gc") != 0;
}

/* Pushes a copy of the table at idx, without its metatable. */
static void push_copy(lua_State *L, int idx)
{
    lua_Unsigned n = lua_rawlen(L, idx);

    lua_createtable(L, n < INT_MAX ? (int)n : INT_MAX, 0);
    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
}

/* Pushes a table with everything that was in the table at idx, which is empty then but
 * for events: it may be the metatable of others, now or later, and stays one. */
static void move_contents(lua_State *L, int idx)
{
    push_copy(L, idx);
    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {
        lua_pop(L, 1);
        if (is_event(L, -1))
            continue;
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, idx); /* clearing a field is allowed while lua_next walks */
    }
}

/* Pushes a copy of the metatable at idx, without what would not work on a frozen
 * table. */
static void push_metatable_copy(lua_State *L, int idx)
{
    static const char *const dropped[] = {"__gc", "__mode", "__index"};

    push_copy(L, idx);
    for (size_t i = 0; i < N_ELEMENTS(dropped); i++) {
        lua_pushstring(L, dropped[i]);
        lua_pushnil(L);
        lua_rawset(L, -3);
    }
}

/* Protects the metatable on top; getmetatable() keeps answering what it did. */
static void protect(lua_State *L, int old, bool had_old)
{
    lua_pushliteral(L, "__metatable");
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pushliteral(L, "__metatable");
        if (had_old)
            lua_pushvalue(L, old);
        else
            lua_pushboolean(L, 0);
        lua_rawset(L, -4);
    }
    lua_pop(L, 1);
}

/* Sets __index of the metatable on top: the contents, then the old metatable's. */
static void set_index(lua_State *L, int contents, int old)
{
    lua_pushliteral(L, "__index");
    lua_pushvalue(L, contents);
    lua_pushliteral(L, "__index");
    switch (lua_rawget(L, old)) {
    case LUA_TNIL:
        lua_pop(L, 1);
        break;
    case LUA_TTABLE:
        lua_createtable(L, 0, 1);
        lua_insert(L, -2);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, contents);
        break;
    default:
        lua_pushcclosure(L, index_contents, 2);
    }
    lua_rawset(L, -3);
}

void frozen_freeze(lua_State *L, int idx)
{
    int contents, old;
    bool had_old;

    if (frozen_test(L, idx))
        return;
    idx = lua_absindex(L, idx);
    luaL_checkstack(L, 10, NULL);
    had_old = lua_getmetatable(L, idx) != 0;
    if (!had_old)
        lua_newtable(L);
    old = lua_gettop(L);
    contents = old + 1;
    lua_createtable(L, 0, 0); /* keeps the slot until the metatable is whole */
    push_metatable_copy(L, old);
    protect(L, old, had_old);
    move_contents(L, idx);
    lua_replace(L, contents);
    fill_metatable(L, contents);
    set_index(L, contents, old);
    lua_setmetatable(L, idx);
    lua_settop(L, old - 1);
}

bool frozen_push_contents(lua_State *L, int idx)
{
    if (!lua_getmetatable(L, idx))
        return false;
    if (lua_rawgetp(L, -1, &contents_key) != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    return true;
}

bool frozen_test(lua_State *L, int idx)
{
    if (lua_type(L, idx) != LUA_TTABLE || !frozen_push_contents(L, idx))
        return false;
    lua_pop(L, 1);
    return true;
}

int frozen_get_field(lua_State *L, int idx, const char *name)
{
    int type;

    idx = lua_absindex(L, idx);
    if (!frozen_push_contents(L, idx))
        lua_pushvalue(L, idx);
    lua_pushstring(L, name);
    type = lua_rawget(L, -2);
    lua_remove(L, -2);
    return type;
}
