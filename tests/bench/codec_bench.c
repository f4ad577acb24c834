/* codec_bench -- what a message costs: nanoseconds to encode and decode typical
 * values. */
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

#include "common/clock.h"
#include "common/err.h"

#include "worker/codec.h"
#include "worker/modules/errors.h"

static const struct {
    const char *name, *args;
} cases[] = {
    {"two integers", "1, 200"},
    {"one short string", "'hello world'"},
    {"one table of 4 fields", "{id = 17, name = 'worker', ok = true, n = 100000}"},
    {"array of 10 integers", "{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}"},
    {"20 tables of 2 fields", "(function() local t = {} for i = 1, 20 do\n"
                              "  t[i] = {id = i, name = 'n' .. i} end return t end)()"},
    {"string of 1 kB", "('x'):rep(1024)"},
    {"an Error", "errors.new{message = 'no such thing', kind = 'NotFound'}"},
};

static void run_case(lua_State *L, const char *name, const char *args, int rounds)
{
    int64_t start, encode_ns, decode_ns;
    struct buf buf;
    int n;

    lua_settop(L, 0);
    lua_pushfstring(L, "return %s", args);
    if (luaL_dostring(L, lua_tostring(L, 1)) != LUA_OK)
        exit(EXIT_FAILURE);
    lua_remove(L, 1);
    n = lua_gettop(L);
    buf_init(&buf, 0);
    start = clock_monotonic_ns();
    for (int i = 0; i < rounds; i++) {
        buf_clear(&buf);
        if (codec_encode_args(L, 1, n, &buf, NULL) == -1)
            exit(EXIT_FAILURE);
    }
    encode_ns = clock_monotonic_ns() - start;
    start = clock_monotonic_ns();
    for (int i = 0; i < rounds; i++) {
        if (codec_decode_args(L, buf_head(&buf), buf_len(&buf), n, NULL) != n)
            exit(EXIT_FAILURE);
        lua_settop(L, n);
    }
    decode_ns = clock_monotonic_ns() - start;
    printf("%-24s %5zu bytes  encode %7.1f ns  decode %7.1f ns\n", name, buf_len(&buf),
           (double)encode_ns / rounds, (double)decode_ns / rounds);
    buf_finish(&buf);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 1000000;
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    errors_open(L);
    lua_setglobal(L, "errors");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(L, cases[i].name, cases[i].args, rounds);
    lua_close(L);
    return EXIT_SUCCESS;
}
