/* The decoder against any bytes: payload, single value, error. The first byte
 * chooses. */
#include <lauxlib.h>

#include "common/err.h"

#include "worker/codec.h"
#include "worker/modules/errors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_payload(lua_State *L, const uint8_t *data, size_t n)
{
    struct bytes values, value;
    struct buf again;
    struct err err;
    uint32_t n_values;
    bool graph;
    int count = codec_decode_args(L, data, n, 100, &err);

    if (codec_open_args((struct bytes){data, n}, &graph, &n_values, &values, &err) == 0)
        while (codec_take_value(&values, &value, &err) == 0)
            n_values--;
    if (count < 0)
        return;
    buf_init(&again, 0);
    /* What was decoded can be encoded, but for depth through references. */
    codec_encode_args(L, lua_gettop(L) - count + 1, count, &again, &err);
    buf_finish(&again);
}

static int fuzz(lua_State *L)
{
    const struct bytes *bytes = lua_touserdata(L, 1);
    const uint8_t *data = bytes->data + 1;
    size_t n = bytes->n - 1;
    struct err err;

    switch (bytes->data[0] & 3) {
    case 0:
        read_payload(L, data, n);
        break;
    case 1:
        codec_decode_value(L, data, n, true, &err);
        break;
    case 2:
        codec_decode_value(L, data, n, false, &err);
        break;
    default:
        if (codec_decode_error(L, data, n, &err) == 0)
            luaL_callmeta(L, -1, "__tostring");
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bytes bytes = {data, n};
    lua_State *L;

    if (n == 0)
        return 0;
    L = luaL_newstate();
    lua_pushcfunction(L, fuzz);
    lua_pushlightuserdata(L, &bytes);
    lua_pcall(L, 1, 0, 0);
    lua_close(L);
    return 0;
}
