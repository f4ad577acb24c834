/*
 * limit_loop N -- N turns of a tight Lua loop in a bare coroutine, by CPU time: what a
 * loop costs where nothing could interrupt it.
 */
#include <inttypes.h>
#include <stdint.h>
#include <time.h>

#include "tests/bench/limit.h"

/* The same as in app/src/looper.lua. */
static const char source[] = "local function step(state, i)\n"
                             "    state.x = (state.x * 1103515245 + i) % 2147483648\n"
                             "end\n"
                             "return function(n)\n"
                             "    local state = { x = 1 }\n"
                             "    for i = 1, n do\n"
                             "        step(state, i)\n"
                             "    end\n"
                             "    coroutine.yield(state.x)\n"
                             "end\n";

static int64_t cpu_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == -1)
        fail("clock_gettime");
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int argc, char **argv)
{
    int64_t n = argc == 2 ? atoll(argv[1]) : 0, before_ns;
    lua_State *L = luaL_newstate(), *coroutine;

    if (n <= 0 || L == NULL) {
        fprintf(stderr, "limit_loop N\n");
        return 2;
    }
    luaL_openlibs(L);
    coroutine = coroutine_create(L, source);
    lua_pushinteger(coroutine, n);
    before_ns = cpu_ns();
    coroutine_resume(coroutine, L, 1);
    printf("{\"loops_per_s\": %.0f}\n",
           (double)n / (double)(cpu_ns() - before_ns) * 1e9);
    lua_close(L);
    return 0;
}
