/*
 * fuzz_json -- decodes any bytes as JSON; what decodes must encode, and reading that
 * text again must give the same text. Nothing of it may raise.
 */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "worker/modules/json_decode.h"
#include "worker/modules/json_encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Arguments: the text. Results: none; aborts when the round trip changes it. */
static int round_trip(lua_State *L)
{
    const char *text, *again;
    size_t n_text, n_again;

    text = lua_tolstring(L, 1, &n_text);
    if (!json_push_decoded(L, text, n_text))
        return 0;
    if (!json_push_encoded(L, -1))
        return 0; /* arrays with null in them are sparse tables */
    text = lua_tolstring(L, -1, &n_text);
    if (!json_push_decoded(L, text, n_text) || !json_push_encoded(L, -1))
        abort();
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
    lua_pushcfunction(L, round_trip);
    lua_pushlstring(L, (const char *)data, size);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        abort();
    lua_close(L);
    return 0;
}
