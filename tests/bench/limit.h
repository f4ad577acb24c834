/*
 * limit -- what the limit programs share: a bare Lua coroutine driven from C.
 *
 * A limit program does the least work that the thing it stands for can be made of, with
 * nothing around it: no registry, no scheduler, no errors to answer. What the product
 * reaches is given as a share of it, measured in the same run.
 */
#ifndef TROUPE_TESTS_BENCH_LIMIT_H
#define TROUPE_TESTS_BENCH_LIMIT_H

#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "tests/bench/latencies.h"

/* One more coroutine of a function that source returns; it stays anchored in L. */
static inline lua_State *coroutine_create(lua_State *L, const char *source)
{
    lua_State *coroutine;

    if (luaL_dostring(L, source) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(1);
    }
    coroutine = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
    lua_xmove(L, coroutine, 1);
    return coroutine;
}

/* Runs it to its next yield, n_args of its stack going in; how many came out. */
static inline int coroutine_resume(lua_State *coroutine, lua_State *from, int n_args)
{
    int n_results = 0;

    if (lua_resume(coroutine, from, n_args, &n_results) != LUA_YIELD) {
        fprintf(stderr, "coroutine ended: %s\n", lua_tostring(coroutine, -1));
        exit(1);
    }
    return n_results;
}

#endif
