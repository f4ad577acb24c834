/*
 * spans -- where the time of one request went: the last spans of recorded traces.
 *
 * A trace begins with a call that carries a traceparent (proto/trace_context.h): supctl
 * and apps put one in, or trace.sample has us do it for a share of the calls that have
 * none. Every call of such a trace is a span: when it came, when a worker got it, when
 * it was answered and how. Workers add which process ran it, and the spans of processes
 * that were spawned, and of messages: sent, received, done with.
 *
 * One ring for all, allocated with the first span; the oldest ones are overwritten, so
 * spans are referred to by handles that may have nothing behind them any more. Times
 * are those of the wall clock, since other programs' spans stand beside them.
 *
 * System targets: @trace.list [n] -> {trace, name, started_at, duration_ns, n_spans,
 * n_failed} of each, newest first; @trace.get [id or its beginning] -> list of spans in
 * the order of their start. For workers: @trace.ran [span, pid, at], @trace.begin
 * [traceparent, parent, name, pid, at, is a message], @trace.end [span, failed, text,
 * at].
 */
#ifndef TROUPE_SUPERVISOR_SPANS_H
#define TROUPE_SUPERVISOR_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct supervisor;
struct worker;

/* Adds its targets to sup->system. share: of the calls that belong to no trace. */
struct spans *spans_create(struct supervisor *sup, size_t max_spans, double share);
void spans_destroy(struct spans *spans); /* NULL is fine */

/* Shall this call that belongs to no trace begin one? And may any of them? */
bool spans_draw(struct spans *spans);
bool spans_draw_at_all(const struct spans *spans);

/* A call of target (or of the interceptor around it) that belongs to the trace of that
 * text begins. Returns its handle, never 0. */
uint64_t spans_begin_call(struct spans *spans, struct bytes name, const uint8_t *text);

/* It is an interceptor's, around a call of target: a trace is named by that. */
void spans_note_target(struct spans *spans, uint64_t handle, struct bytes target);

/* What the call's context says, for whoever exports the span. */
void spans_note_context(struct spans *spans, uint64_t handle, struct bytes context);

/* Its worker gets it now. Returns the span's id, the parent of what is called from
 * there; 0: the span is gone. */
uint64_t spans_note_sent(struct spans *spans, uint64_t handle,
                         const struct worker *callee);

/* Its id; 0: it is gone. */
uint64_t spans_get_id(const struct spans *spans, uint64_t handle);

/* outcome: a word, "ok" for a success. error: as in REPLY, or no bytes. */
void spans_end_call(struct spans *spans, uint64_t handle, const char *outcome,
                    struct bytes error);

/* A message of that topic is on its way, sent from within the trace of that text.
 * Returns its span's id. */
uint64_t spans_begin_message(struct spans *spans, struct bytes topic,
                             const uint8_t *text);

struct spans_figures {
    size_t n, n_max;
    uint64_t n_lost; /* overwritten before they had ended */
};
void spans_get_figures(const struct spans *spans, struct spans_figures *out);

/* Spans of its processes end. */
void spans_on_worker_dead(struct spans *spans, const struct worker *worker,
                          const char *reason);

#endif
