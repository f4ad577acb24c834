/*
 * trace -- what this worker tells of calls and processes that belong to a trace.
 *
 * The trace is in the context that they inherit (proto/trace_context.h), so whatever
 * they call or spawn belongs to it too. The supervisor sees calls come and go; it hears
 * from here which process runs one, and of the spans of spawned processes, which may
 * begin and end without it. What belongs to no trace costs a look at its context, which
 * most don't have.
 */
#ifndef TROUPE_WORKER_TRACE_H
#define TROUPE_WORKER_TRACE_H

#include <stdint.h>

struct actor;
struct context;
struct outcome;

/* The traceparent (TRACE_TEXT_BYTES, no NUL) of what it does; NULL: it is in no trace.
 */
const uint8_t *trace_of(const struct actor *actor);

/* An instance has begun with a call. */
void trace_note_call(struct actor *actor);

/* A process gets a span of its own below the one that its context names; from here on
 * that context is its own. */
void trace_enter_process(struct actor *actor);
/* It has a pid now; inherited is the context that it came with. */
void trace_note_process(struct actor *actor, const struct context *inherited);
/* It ends, and has its context still. */
void trace_note_end(struct actor *actor, const struct outcome *outcome);

#endif
