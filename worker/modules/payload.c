#include "worker/modules/payload.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"

#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/object.h"

/* User value 1: the value once it is known, of a text format the text; 2: the
 * format. */
struct payload {
    bool is_encoded; /* bytes say what it is; user value 1 is not there yet */
    bool graph;
    size_t n;
    uint8_t bytes[];
};

enum { VALUE = 1, FORMAT, N_USER_VALUES = FORMAT };

static const struct object_class payload_class = {"payload"};

/* Its address is a key of the registry. */
static const char transcoders_key;

static int payload_get_data(lua_State *L);
static int payload_get_format(lua_State *L);
static int payload_transcode(lua_State *L);
static int payload_to_string(lua_State *L);

static const luaL_Reg methods[] = {
    {"data", payload_get_data},
    {"get_format", payload_get_format},
    {"unmarshal", payload_get_data},
    {"transcode", payload_transcode},
    {NULL, NULL},
};

static struct payload *payload_create(lua_State *L, struct bytes bytes)
{
    struct payload *p = lua_newuserdatauv(L, sizeof(*p) + bytes.n, N_USER_VALUES);

    *p = (struct payload){.n = bytes.n};
    if (bytes.n != 0)
        memcpy(p->bytes, bytes.data, bytes.n);
    object_define(L, &payload_class, methods, payload_to_string);
    object_bless(L, &payload_class);
    return p;
}

void payload_push_encoded(lua_State *L, struct bytes value, bool graph)
{
    struct payload *p = payload_create(L, value);

    p->is_encoded = true;
    p->graph = graph;
}

/* The same with a format, from which it follows what the value means. */
static void push_formatted(lua_State *L, int idx, const char *format)
{
    idx = lua_absindex(L, idx);
    payload_create(L, (struct bytes){NULL, 0});
    lua_pushvalue(L, idx);
    lua_setiuservalue(L, -2, VALUE);
    lua_pushstring(L, format);
    lua_setiuservalue(L, -2, FORMAT);
}

void payload_push_value(lua_State *L, int idx)
{
    push_formatted(L, idx, errors_test(L, idx) ? PAYLOAD_ERROR : PAYLOAD_LUA);
}

static struct payload *payload_check(lua_State *L)
{
    return object_check(L, 1, &payload_class);
}

/* Makes sure that the value is there; -1 and err when its bytes can't be decoded. */
static int payload_decode(lua_State *L, int idx, struct err *err)
{
    struct payload *p = lua_touserdata(L, idx);

    if (!p->is_encoded)
        return 0;
    idx = lua_absindex(L, idx);
    if (codec_decode_value(L, p->bytes, p->n, p->graph, err) == -1)
        return -1;
    lua_pushstring(L, errors_test(L, -1) ? PAYLOAD_ERROR : PAYLOAD_LUA);
    lua_setiuservalue(L, idx, FORMAT);
    lua_setiuservalue(L, idx, VALUE);
    p->is_encoded = false;
    return 0;
}

static int fail_transcode(lua_State *L, const char *why)
{
    return errors_return(L, ERR_INTERNAL, "transcode failed: %s", why);
}

/* Pushes the format; it stays on the stack, so the text may be used until then. */
static const char *push_format(lua_State *L, int idx)
{
    lua_getiuservalue(L, idx, FORMAT);
    return lua_tostring(L, -1);
}

static bool is_native(const char *format)
{
    return strcmp(format, PAYLOAD_LUA) == 0 || strcmp(format, PAYLOAD_GOLANG) == 0 ||
           strcmp(format, PAYLOAD_ERROR) == 0 || strcmp(format, PAYLOAD_STRING) == 0 ||
           strcmp(format, PAYLOAD_BYTES) == 0;
}

enum { ENCODE = 1, DECODE };

/* Calls a transcoder with the value on top, which it replaces. Returns false with nil
 * and an Error on top instead when there is no such transcoder or it fails. */
static bool call_transcoder(lua_State *L, const char *format, int which)
{
    const char *why = "no conversion for this format";

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &transcoders_key) == LUA_TTABLE &&
        lua_getfield(L, -1, format) == LUA_TTABLE) {
        lua_rawgeti(L, -1, which);
        lua_pushvalue(L, -4);
        if (lua_pcall(L, 1, 2, 0) == LUA_OK && lua_isnil(L, -1)) {
            lua_pop(L, 1); /* what is left may be nil as well: JSON's null */
            return true;
        }
        why = luaL_tolstring(L, -1, NULL);
    }
    fail_transcode(L, why);
    return false;
}

/* msgpack text is what the codec reads; the others belong to their modules. */
static bool decode_text(lua_State *L, const char *format)
{
    struct err err;
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);

    if (text == NULL) {
        fail_transcode(L, "no text");
        return false;
    }
    if (strcmp(format, PAYLOAD_MSGPACK) != 0)
        return call_transcoder(L, format, DECODE);
    if (codec_decode_value(L, (const uint8_t *)text, n, false, &err) == 0)
        return true;
    fail_transcode(L, err.text);
    return false;
}

/* Pushes what is in the Payload at 1; false: nil and an Error. */
static bool push_data(lua_State *L)
{
    const char *format;
    struct err err;

    luaL_checkstack(L, 10, NULL);
    if (payload_decode(L, 1, &err) == -1) {
        fail_transcode(L, err.text);
        return false;
    }
    format = push_format(L, 1);
    lua_getiuservalue(L, 1, VALUE);
    return is_native(format) || decode_text(L, format);
}

static int payload_get_data(lua_State *L)
{
    payload_check(L);
    return push_data(L) ? 1 : 2; /* F-19: success is one value */
}

static int payload_get_format(lua_State *L)
{
    struct err err;

    payload_check(L);
    if (payload_decode(L, 1, &err) == -1)
        lua_pushliteral(L, PAYLOAD_LUA);
    else
        push_format(L, 1);
    return 1;
}

static int payload_to_string(lua_State *L)
{
    payload_get_format(L);
    lua_pushfstring(L, "payload{format=%s}", lua_tostring(L, -1));
    return 1;
}

/* Pushes the msgpack text of the value on top; false: nil and an Error. */
static bool encode_msgpack(lua_State *L)
{
    int value = lua_gettop(L);
    struct buf *buf = object_push_buf(L);
    struct err err;

    if (codec_encode_value(L, value, buf, NULL, &err) == -1) {
        fail_transcode(L, err.text);
        return false;
    }
    lua_pushlstring(L, (const char *)buf_head(buf), buf_len(buf));
    return true;
}

/* Pushes the value on top as text of that format; false: nil and an Error. */
static bool encode_text(lua_State *L, const char *format)
{
    if (strcmp(format, PAYLOAD_LUA) == 0 || strcmp(format, PAYLOAD_GOLANG) == 0)
        return true;
    if (strcmp(format, PAYLOAD_MSGPACK) == 0)
        return encode_msgpack(L);
    if (strcmp(format, PAYLOAD_STRING) != 0 && strcmp(format, PAYLOAD_BYTES) != 0)
        return call_transcoder(L, format, ENCODE);
    if (lua_isstring(L, -1) || errors_test(L, -1)) {
        luaL_tolstring(L, -1, NULL);
        return true;
    }
    fail_transcode(L, "not a text");
    return false;
}

static int payload_transcode(lua_State *L)
{
    const char *format = luaL_checkstring(L, 2);

    payload_check(L);
    if (!push_data(L) || !encode_text(L, format))
        return 2;
    push_formatted(L, -1, format);
    lua_pushnil(L);
    return 2;
}

void payload_add_transcoder(lua_State *L, const char *format, lua_CFunction encode,
                            lua_CFunction decode)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &transcoders_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &transcoders_key);
    }
    lua_createtable(L, 2, 0);
    lua_pushcfunction(L, encode);
    lua_rawseti(L, -2, ENCODE);
    lua_pushcfunction(L, decode);
    lua_rawseti(L, -2, DECODE);
    lua_setfield(L, -2, format);
    lua_pop(L, 1);
}

/* ---- the module ------------------------------------------------------------------ */

static int payload_new(lua_State *L)
{
    luaL_checkany(L, 1);
    payload_push_value(L, 1);
    return 1;
}

int payload_open(lua_State *L)
{
    static const char *const formats[][2] = {
        {"JSON", PAYLOAD_JSON},     {"YAML", PAYLOAD_YAML},
        {"STRING", PAYLOAD_STRING}, {"BYTES", PAYLOAD_BYTES},
        {"LUA", PAYLOAD_LUA},       {"MSGPACK", PAYLOAD_MSGPACK},
        {"GOLANG", PAYLOAD_GOLANG}, {"ERROR", PAYLOAD_ERROR},
    };

    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, payload_new);
    lua_setfield(L, -2, "new");
    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < N_ELEMENTS(formats); i++) {
        lua_pushstring(L, formats[i][1]);
        lua_setfield(L, -2, formats[i][0]);
    }
    frozen_freeze(L, -1);
    lua_setfield(L, -2, "format");
    return 1;
}
