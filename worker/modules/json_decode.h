/*
 * json_decode -- JSON text as Lua values (modules.md json.decode).
 *
 * jansson parses; before it does, one pass over the text finds where the first value
 * ends, how deep it nests and what its tree may cost, so that nothing large is built
 * for text that is refused. The tree belongs to a userdata while Lua values are made
 * of it, because making them may raise.
 */
#ifndef TROUPE_WORKER_MODULES_JSON_DECODE_H
#define TROUPE_WORKER_MODULES_JSON_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Of the parser's tree, estimated; text that would need more is refused. */
#define JSON_MAX_TREE_BYTES ((size_t)256 << 20)

/* Pushes the value of the first JSON value in text, which the caller keeps alive. Else
 * false, with nil and an Error: INVALID for empty text, INTERNAL for all else. */
bool json_push_decoded(lua_State *L, const char *text, size_t n_bytes);

/* A table decoded from "{}" looks like one from "[]"; a hidden mark tells them apart
 * when they are encoded again (json.empty). */
bool json_is_marked_object(lua_State *L, int idx);

#endif
