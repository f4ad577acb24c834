/*
 * payload -- the Payload object, and the Lua module `payload` (PAY-01).
 *
 * What a message or an asynchronous call delivers. It holds the bytes that arrived and
 * decodes them when somebody asks for the data, once; an actor that only forwards or
 * counts its messages never pays for that. A Payload made by an app holds its value.
 *
 * Text formats are turned into values and back by transcoders that the module owning
 * the format adds, so that this file needs to know none of them.
 */
#ifndef TROUPE_WORKER_MODULES_PAYLOAD_H
#define TROUPE_WORKER_MODULES_PAYLOAD_H

#include <stdbool.h>

#include <lua.h>

#include "common/buf.h"

#define PAYLOAD_LUA     "lua/any"
#define PAYLOAD_JSON    "json/plain"
#define PAYLOAD_YAML    "yaml/plain"
#define PAYLOAD_STRING  "text/plain"
#define PAYLOAD_BYTES   "application/octet-stream"
#define PAYLOAD_MSGPACK "application/msgpack"
#define PAYLOAD_GOLANG  "golang/any"
#define PAYLOAD_ERROR   "golang/error"

/* Pushes the module table: new and format. */
int payload_open(lua_State *L);

/* Pushes a Payload with a copy of these bytes, one msgpack value as codec_take_value()
 * gives it; graph as in codec_decode_value(). */
void payload_push_encoded(lua_State *L, struct bytes value, bool graph);

/* Pushes a Payload that holds the value at idx itself. */
void payload_push_value(lua_State *L, int idx);

/* Tells every Payload of this state how to read and write a text format: encode gets a
 * value and returns a string, decode the reverse; both may return nil and an Error. */
void payload_add_transcoder(lua_State *L, const char *format, lua_CFunction encode,
                            lua_CFunction decode);

#endif
