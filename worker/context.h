/*
 * context -- the values that calls and spawns inherit, as Lua tables.
 */
#ifndef TROUPE_WORKER_CONTEXT_H
#define TROUPE_WORKER_CONTEXT_H

#include <lua.h>

#include "common/buf.h"

struct context;

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
