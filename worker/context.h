/*
 * context -- the values that calls and spawns inherit, as Lua tables.
 */
#ifndef TROUPE_WORKER_CONTEXT_H
#define TROUPE_WORKER_CONTEXT_H

#include <stdint.h>

#include <lua.h>

#include "common/buf.h"

/* Context values, actor and scope as they travel; shared by whoever inherits them. */
struct context {
    uint32_t n_refs;
    uint32_t n_bytes;
    uint8_t data[];
};
struct context *context_create(struct bytes bytes); /* NULL for no bytes */
struct context *context_ref(struct context *context);
void context_unref(struct context *context);

/* Pushes a fresh table of the context's values (empty for NULL). */
void context_push_values(lua_State *L, const struct context *context);

/* Copies the pairs with text keys of the table at from into the one at to, converted
 * (functions.md F-23): lists, maps with text keys, functions as text. */
void context_merge(lua_State *L, int to, int from);

/* The inherited context with these values instead, encoded for a frame. -1: too deep.
 */
int context_encode(lua_State *L, int values_idx, const struct context *inherited,
                   struct buf *out);

#endif
