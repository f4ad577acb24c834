/*
 * fuzz_json -- decodes any bytes as JSON. What was encoded once must decode again, and
 * soon always to the same text. Nothing of it may raise.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "worker/modules/json_decode.h"
#include "worker/modules/json_encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Replaces the text at the top by what comes back; false when it can't be encoded. */
static bool pass_through(lua_State *L, bool may_fail)
{
    const char *text;
    size_t n_text;

    text = lua_tolstring(L, -1, &n_text);
    if (json_push_decoded(L, text, n_text) && json_push_encoded(L, -1))
        return true;
    if (!may_fail)
        abort();
    return false;
}

/* The first pass may fail: the input is no JSON, or has null inside an array. The
 * second may change the text: floats beyond 64 bits are written like integers, which
 * are cut to the range when they are read. From then on nothing changes. */
static int round_trips(lua_State *L)
{
    const char *text, *again;
    size_t n_text, n_again;

    if (!pass_through(L, true))
        return 0;
    pass_through(L, false);
    text = lua_tolstring(L, -1, &n_text);
    pass_through(L, false);
    again = lua_tolstring(L, -1, &n_again);
    if (n_text != n_again || memcmp(text, again, n_text) != 0)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lua_State *L = luaL_newstate();

    if (L == NULL)
        return 0;
    lua_pushcfunction(L, round_trips);
    lua_pushlstring(L, (const char *)data, size);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        abort();
    lua_close(L);
    return 0;
}
