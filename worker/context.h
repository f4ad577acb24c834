/*
 * context -- what a frame inherits from whoever called or spawned it.
 *
 * Its bytes are the `context` field of CALL and SPAWN; proto/context_map.h names the
 * keys. Most frames have none, then there is no struct context either (NULL). Callees
 * get the same bytes unless something is replaced for them; a key that nobody replaces
 * survives untouched.
 */
#ifndef TROUPE_WORKER_CONTEXT_H
#define TROUPE_WORKER_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "common/buf.h"

/* The bytes as they travel; shared by whoever inherits them. */
struct context {
    uint32_t n_refs;
    uint32_t n_bytes;
    uint8_t data[];
};
struct context *context_create(struct bytes bytes); /* NULL for no bytes */
struct context *context_ref(struct context *context);
void context_unref(struct context *context);

/* The bytes of the value under that key, borrowed; false when there is none. */
bool context_find(const struct context *context, const char *key,
                  struct bytes *value_out);

/* context_map_begin() with what is inherited. */
bool context_begin(struct buf *out, const struct context *inherited,
                   const char *const *keys, size_t n);

/* Pushes a fresh table of the context's values (empty for NULL). */
void context_push_values(lua_State *L, const struct context *context);

/* Copies the pairs with text keys of the table at from into the one at to, converted
 * (functions.md F-23): lists, maps with text keys, functions as text. */
void context_merge(lua_State *L, int to, int from);

/* Appends the pair `values` after context_begin(). -1: nested too deeply. */
int context_append_values(lua_State *L, int values_idx, struct buf *out);

/* The inherited context with these values instead, encoded for a frame. -1: too deep.
 */
int context_encode(lua_State *L, int values_idx, const struct context *inherited,
                   struct buf *out);

#endif
