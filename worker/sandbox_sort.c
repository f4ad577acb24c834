#include "worker/sandbox_lib.h"

#include <limits.h>

#include <lauxlib.h>

/*
 * A merge sort, from small runs to large ones, between two tables of its own. Stock
 * Lua's can't wait for a comparator that blocks; this one keeps what it knows in `sort`
 * and goes on where it was. It always ends, whatever the comparator says, and is
 * stable. A plain sort is stock Lua's.
 */
enum sort_stack { SORT_TABLE = 1, SORT_LESS, SORT_STATE, SORT_FROM, SORT_TO };

struct sort {
    lua_Integer n;
    lua_Integer width;  /* of the runs that are merged */
    lua_Integer i, mid; /* the left run: what is left of it is [i, mid) */
    lua_Integer j, end; /* the right run: [j, end) */
    lua_Integer out;    /* where the next one goes */
};

/* Takes one off a run. */
static void take(lua_State *L, struct sort *s, lua_Integer *at)
{
    lua_rawgeti(L, SORT_FROM, *at);
    lua_rawseti(L, SORT_TO, s->out);
    *at += 1;
    s->out++;
}

static void start_runs(struct sort *s, lua_Integer at)
{
    s->i = s->out = at;
    s->mid = s->i + s->width < s->n + 1 ? s->i + s->width : s->n + 1;
    s->j = s->mid;
    s->end = s->j + s->width < s->n + 1 ? s->j + s->width : s->n + 1;
}

/* Merges as far as nobody has to be asked. false: all is sorted, in FROM. */
static bool wants_comparison(lua_State *L, struct sort *s)
{
    while (s->i == s->mid || s->j == s->end) {
        while (s->i < s->mid)
            take(L, s, &s->i);
        while (s->j < s->end)
            take(L, s, &s->j);
        if (s->out > s->n) {
            s->width *= 2;
            s->out = 1;
            lua_pushvalue(L, SORT_FROM);
            lua_copy(L, SORT_TO, SORT_FROM);
            lua_replace(L, SORT_TO);
        }
        if (s->width >= s->n)
            return false;
        start_runs(s, s->out);
    }
    return true;
}

/* ctx 1: the comparator's answer is on top. */
static int go_on(lua_State *L, int status, lua_KContext ctx)
{
    struct sort *s = lua_touserdata(L, SORT_STATE);

    (void)status;
    for (;;) {
        if (ctx != 0) {
            bool right_first = lua_toboolean(L, -1);

            lua_settop(L, SORT_TO);
            take(L, s, right_first ? &s->j : &s->i);
        }
        if (!wants_comparison(L, s))
            break;
        lua_pushvalue(L, SORT_LESS);
        lua_rawgeti(L, SORT_FROM, s->j);
        lua_rawgeti(L, SORT_FROM, s->i);
        ctx = 1;
        lua_callk(L, 2, 1, ctx, go_on);
    }
    for (lua_Integer i = 1; i <= s->n; i++) {
        lua_rawgeti(L, SORT_FROM, i);
        lua_seti(L, SORT_TABLE, i);
    }
    return 0;
}

int sandbox_sort(lua_State *L)
{
    lua_Integer n = luaL_len(L, SORT_TABLE);
    struct sort *s;

    luaL_checktype(L, SORT_LESS, LUA_TFUNCTION);
    lua_settop(L, SORT_LESS);
    if (n < 2)
        return 0;
    luaL_argcheck(L, n < INT_MAX, SORT_TABLE, "array too big");
    s = lua_newuserdatauv(L, sizeof(*s), 0);
    *s = (struct sort){.n = n, .width = 1};
    lua_createtable(L, (int)n, 0);
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, SORT_TABLE, i);
        lua_rawseti(L, SORT_FROM, i);
    }
    start_runs(s, 1);
    return go_on(L, LUA_OK, 0);
}
