/*
 * trace_context -- the trace that a call or spawn belongs to, in its context.
 *
 * The key `trace` of context_map.h holds a W3C traceparent, 55 bytes of text:
 *
 *   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *      trace                            span             flags; bit 0: it is recorded
 *
 * Whoever puts it in makes it the first key, and whoever changes other keys keeps their
 * order. So it is found at a fixed place or not at all, and a frame that belongs to no
 * trace costs one comparison. The span is overwritten in place when a frame is passed
 * on: each hop is the parent of the next.
 */
#ifndef TROUPE_PROTO_TRACE_CONTEXT_H
#define TROUPE_PROTO_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define TRACE_KEY        "trace"
#define TRACE_TEXT_BYTES 55
#define TRACE_ID_AT      3
#define TRACE_ID_BYTES   32

/* Does text begin with a well-formed traceparent that is recorded? */
bool trace_check(struct bytes text);

/* The text (no NUL behind it) in a context, NULL: it belongs to no recorded trace. */
const uint8_t *trace_find(struct bytes context);

/* The same for the body of a CALL; here, since most calls have no context at all. */
static inline const uint8_t *trace_find_in_call(struct bytes body)
{
    const size_t target_at = 27; /* behind call, deadline and caller */
    size_t context_at, n_context;

    if (body.n < target_at + 3)
        return NULL;
    context_at = target_at + 3 +
                 ((size_t)body.data[target_at + 1] << 8 | body.data[target_at + 2]);
    if (body.n < context_at + 5)
        return NULL;
    n_context = (size_t)body.data[context_at + 1] << 24 |
                (size_t)body.data[context_at + 2] << 16 |
                (size_t)body.data[context_at + 3] << 8 | body.data[context_at + 4];
    if (n_context == 0 || n_context > body.n - context_at - 5)
        return NULL;
    return trace_find((struct bytes){body.data + context_at + 5, n_context});
}

/* Appends context as part of the trace that text (TRACE_TEXT_BYTES) names. false when
 * the buffer can't grow. */
bool trace_put(struct buf *out, struct bytes context, const uint8_t *text);

/* A text under that key that stands somewhere else becomes what trace_find() finds; a
 * malformed one is left alone. Returns context, or the bytes of out. */
struct bytes trace_normalize(struct bytes context, struct buf *out);

uint64_t trace_get_span(const uint8_t *text);
void trace_set_span(uint8_t *text, uint64_t span);

/* A new trace, or span: random, never 0. text has TRACE_TEXT_BYTES. What begins a trace
 * has no parent, but the form has a place for one: it is the trace's own second
 * half. */
void trace_begin(uint8_t *text);
bool trace_is_beginning(const uint8_t *text);
uint64_t trace_new_span(void);

#endif
