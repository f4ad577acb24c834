#include "worker/sandbox_lib.h"

#include <stdint.h>

#include <lauxlib.h>

/*
 * gsub with a function, which may block: stock Lua's can't wait for it. The matches are
 * found by stock `find`; pieces gather in a table until the end.
 */
enum gsub_stack { GSUB_TEXT = 1, GSUB_PATTERN, GSUB_FUNCTION, GSUB_STATE, GSUB_FIND };
enum { GSUB_PIECES = GSUB_FIND + 1 };

struct gsub {
    size_t n;          /* bytes of the text */
    size_t at;         /* the text before is done */
    size_t start, end; /* of the match that the function is asked about */
    size_t last_end;   /* of the match before; SIZE_MAX: there was none */
    lua_Integer n_pieces;
    lua_Integer n_done, n_max;
    bool anchored;
};

/* Keeps [from, to) of the text. */
static void add_text(lua_State *L, struct gsub *g, size_t from, size_t to)
{
    if (from == to)
        return;
    lua_pushlstring(L, lua_tostring(L, GSUB_TEXT) + from, to - from);
    lua_rawseti(L, GSUB_PIECES, ++g->n_pieces);
}

/* The first match at or behind `from`; its captures are on the stack above PIECES, or
 * all of it when there are none. Returns how many, 0 for no match. */
static int find_match(lua_State *L, struct gsub *g, size_t from)
{
    int n;

    lua_settop(L, GSUB_PIECES);
    lua_pushvalue(L, GSUB_FIND);
    lua_pushvalue(L, GSUB_TEXT);
    lua_pushvalue(L, GSUB_PATTERN);
    lua_pushinteger(L, (lua_Integer)from + 1);
    lua_call(L, 3, LUA_MULTRET);
    if (lua_isnil(L, GSUB_PIECES + 1))
        return 0;
    g->start = (size_t)lua_tointeger(L, GSUB_PIECES + 1) - 1;
    g->end = (size_t)lua_tointeger(L, GSUB_PIECES + 2);
    n = lua_gettop(L) - GSUB_PIECES - 2;
    lua_remove(L, GSUB_PIECES + 1);
    lua_remove(L, GSUB_PIECES + 1);
    if (n != 0)
        return n;
    lua_pushlstring(L, lua_tostring(L, GSUB_TEXT) + g->start, g->end - g->start);
    return 1;
}

/* An empty match right behind the one before counts as none (Lua 5.4). */
static int next_match(lua_State *L, struct gsub *g)
{
    int n;

    if (g->n_done >= g->n_max || g->at > g->n || (g->anchored && g->n_done != 0))
        return 0;
    n = find_match(L, g, g->at);
    if (n == 0 || g->end != g->last_end)
        return n;
    return g->at == g->n || g->anchored ? 0 : find_match(L, g, g->at + 1);
}

/* The function's answer is on top. */
static void take_answer(lua_State *L, struct gsub *g)
{
    add_text(L, g, g->at, g->start);
    if (!lua_toboolean(L, -1)) {
        add_text(L, g, g->start, g->end);
    } else if (lua_isstring(L, -1)) {
        lua_tostring(L, -1);
        lua_rawseti(L, GSUB_PIECES, ++g->n_pieces);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    g->n_done++;
    g->at = g->last_end = g->end;
}

static int finish(lua_State *L, struct gsub *g)
{
    luaL_Buffer buffer;

    lua_settop(L, GSUB_PIECES);
    add_text(L, g, g->at, g->n);
    luaL_buffinit(L, &buffer);
    for (lua_Integer i = 1; i <= g->n_pieces; i++) {
        lua_rawgeti(L, GSUB_PIECES, i);
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    lua_pushinteger(L, g->n_done);
    return 2;
}

/* ctx 1: the function's answer is on top. */
static int go_on(lua_State *L, int status, lua_KContext ctx)
{
    struct gsub *g = lua_touserdata(L, GSUB_STATE);
    int n;

    (void)status;
    for (;;) {
        if (ctx != 0)
            take_answer(L, g);
        n = next_match(L, g);
        if (n == 0)
            return finish(L, g);
        lua_pushvalue(L, GSUB_FUNCTION);
        lua_insert(L, GSUB_PIECES + 1);
        ctx = 1;
        lua_callk(L, n, 1, ctx, go_on);
    }
}

int sandbox_gsub(lua_State *L, int find)
{
    struct gsub state = {.last_end = SIZE_MAX};
    const char *pattern;

    find = lua_absindex(L, find);
    luaL_checklstring(L, GSUB_TEXT, &state.n);
    pattern = luaL_checkstring(L, GSUB_PATTERN);
    state.n_max = luaL_optinteger(L, 4, (lua_Integer)state.n + 1);
    state.anchored = pattern[0] == '^';
    lua_tostring(L, GSUB_TEXT); /* a number becomes its text in place */
    lua_settop(L, GSUB_FUNCTION);
    lua_pushvalue(L, find);
    *(struct gsub *)lua_newuserdatauv(L, sizeof(state), 0) = state;
    lua_insert(L, GSUB_STATE);
    lua_newtable(L);
    luaL_checkstack(L, LUA_MINSTACK + 40, "too many captures");
    return go_on(L, LUA_OK, 0);
}
