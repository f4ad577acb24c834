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
#include <stdint.h>

#include <lua.h>

#include "common/buf.h"

struct identity;

/* The value that means the trace (proto/trace_context.h): reads as the running span,
 * and what is called with another one belongs to that trace. */
#define TRACEPARENT "traceparent"

/* The bytes as they travel; shared by whoever inherits them. */
struct context {
    uint32_t n_refs;
    uint32_t n_bytes;
    struct identity *identity; /* of identity.c: what actor and scope say, NULL: none */
    bool knows_identity;       /* it was looked for */
    bool is_traced;            /* proto/trace_context.h finds a trace in it */
    uint8_t data[];
};

/* A map without pairs. */
extern const struct bytes context_empty;

/* *context_out: NULL for bytes that say nothing. -1: there is no memory; who went on
 * without a context then would act without the identity in it. */
int context_create(struct bytes bytes, struct context **context_out);
struct context *context_ref(struct context *context);
void context_unref(struct context *context);

/* The bytes of the value under that key, borrowed; false when there is none. */
bool context_find(const struct context *context, const char *key,
                  struct bytes *value_out);

/* Pushes a fresh table of the context's values (empty for no bytes). */
void context_push_values(lua_State *L, struct bytes context);

/* Copies the pairs with text keys of the table at from into the one at to, converted
 * (functions.md F-23): lists, maps with text keys, functions as text. */
void context_merge(lua_State *L, int to, int from);

/* What one callee gets instead of what is inherited. */
struct context_changes {
    int values;                /* stack index of a table laid over the values, or 0 */
    bool only_values;          /* it stands in for them instead */
    struct bytes actor, scope; /* encoded; no bytes: inherited */
};

/* Appends the inherited context (bytes of one, perhaps none) with these changes,
 * encoded for a frame; just a copy when there are none. -1: nested too deeply. */
int context_encode(lua_State *L, struct bytes inherited,
                   const struct context_changes *changes, struct buf *out);

struct bytes context_bytes(const struct context *context);

#endif
