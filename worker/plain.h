/*
 * plain -- Lua values as plain data: what crosses to readers that know no Lua (LUA-52).
 *
 * A table with a positive integer key is a list up to the largest one, holes are null
 * and its other keys are lost; any other table is a map with text keys. Functions,
 * Errors and other objects become their text. Unlike codec.h's, the bytes hold no back
 * references: what occurs twice is written twice, a table inside itself is refused.
 */
#ifndef TROUPE_WORKER_PLAIN_H
#define TROUPE_WORKER_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct buf;
struct err;

#define PLAIN_MAX_DEPTH 56 /* leaves room for what an entry's data is wrapped in */
#define PLAIN_MAX_BYTES ((size_t)16 << 20)

/* Appends the value at idx as one msgpack value. -1 (INVALID, LIMIT_EXCEEDED,
 * UNAVAILABLE without memory): nothing is appended. Runs no code of the app; raises
 * only for lack of memory in Lua. */
int plain_encode(lua_State *L, int idx, struct buf *out, struct err *err);

/* The same for the table at idx as a map of its text keys, whatever else it has. */
int plain_encode_fields(lua_State *L, int idx, struct buf *out, struct err *err);

/* ---- for who puts a value together by hand; false: there is no memory ---- */

bool plain_append_map(struct buf *out, size_t n_pairs);
bool plain_append_list(struct buf *out, size_t n_items);
bool plain_append_text(struct buf *out, const char *text, size_t n_bytes);

/* What they say then: UNAVAILABLE, -1. */
int plain_fail_memory(struct err *err);

#endif
