/*
 * json_encode -- Lua values as JSON text (modules.md json.encode).
 *
 * Tables are read raw, without metamethods, so no app code runs meanwhile. Member names
 * are sorted: the same value always gives the same text, which replayed workflows rely
 * on. Text, nesting and the walk itself are bounded; cycles are found.
 */
#ifndef TROUPE_WORKER_MODULES_JSON_ENCODE_H
#define TROUPE_WORKER_MODULES_JSON_ENCODE_H

#include <stdbool.h>

#include <lua.h>

#define JSON_MAX_DEPTH      128
#define JSON_MAX_TEXT_BYTES ((size_t)64 << 20) /* no frame could carry more */

/* Pushes the text of the value at idx. Else false, with nil and an Error (INTERNAL)
 * whose details name the place: {path = "$.a[3]"}. */
bool json_push_encoded(lua_State *L, int idx);

#endif
