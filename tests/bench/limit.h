/*
 * limit -- what the limit programs share: failing, a bare Lua coroutine, latencies.
 *
 * A limit program does the least work that the thing it stands for can be made of, with
 * nothing around it: no registry, no scheduler, no errors to answer. What the product
 * reaches is given as a share of it, measured in the same run.
 */
#ifndef TROUPE_TESTS_BENCH_LIMIT_H
#define TROUPE_TESTS_BENCH_LIMIT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define LATENCY_STEP_NS 100
#define LATENCY_STEPS   (1u << 17) /* the last one takes all that is 13 ms and longer */

/* Latencies counted in steps: constant cost, and no array that grows with the run. */
struct latencies {
    uint64_t n;
    uint32_t counts[LATENCY_STEPS];
};

static inline void latencies_add(struct latencies *latencies, int64_t took_ns)
{
    uint64_t step = (uint64_t)took_ns / LATENCY_STEP_NS;

    latencies->counts[step < LATENCY_STEPS ? step : LATENCY_STEPS - 1]++;
    latencies->n++;
}

/* share 0.5 is the median; returns microseconds. */
static inline double latencies_at_us(const struct latencies *latencies, double share)
{
    uint64_t want = (uint64_t)((double)latencies->n * share);
    uint64_t seen = 0;
    uint32_t i = 0;

    while (i < LATENCY_STEPS - 1 && (seen += latencies->counts[i]) <= want)
        i++;
    return (i + 0.5) * LATENCY_STEP_NS / 1000;
}

static inline _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

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

/* Runs it to its next yield, n_args of its stack going in; returns how many came out.
 */
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
