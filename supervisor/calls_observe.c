/* What is counted of calls, and where the time of those that are traced went. */
#include "supervisor/calls_private.h"

#include <ev.h>

#include "common/buf.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/trace_context.h"

#include "supervisor/spans.h"
#include "supervisor/worker.h"

static void begin_span(struct calls *calls, struct call *call, const char *name,
                       struct bytes body, const uint8_t *trace)
{
    struct frame_call frame;

    if (calls->sup->spans == NULL || frame_decode_call(body, &frame, NULL) == -1)
        return;
    call->span = spans_begin_call(
        calls->sup->spans, name != NULL ? bytes_of_text(name) : frame.target, trace);
    if (calls->sup->otel != NULL)
        spans_note_context(calls->sup->spans, call->span, frame.context);
}

void call_observe(struct calls *calls, struct call *call, struct function_stats *stats,
                  const char *name, struct bytes body)
{
    const uint8_t *trace = trace_find_in_call(body);

    function_count_begin(&call->count, stats, ev_now(calls->sup->loop));
    if (trace != NULL)
        begin_span(calls, call, name, body, trace);
}

void call_observe_sent_slow(struct calls *calls, struct call *call,
                            struct worker *callee, size_t body_bytes)
{
    struct buf *out = conn_out(callee->conn);
    uint8_t *body = out->data + out->end - body_bytes;
    uint64_t id = spans_note_sent(calls->sup->spans, call->span, callee);
    const uint8_t *trace = trace_find_in_call((struct bytes){body, body_bytes});

    if (id != 0 && trace != NULL)
        trace_set_span(body + (trace - body), id);
}

void call_observe_end(struct calls *calls, struct call *call,
                      enum function_outcome outcome, struct bytes error)
{
    uint64_t span = call->span;

    function_count_end(&call->count, outcome, ev_now(calls->sup->loop));
    if (span == 0)
        return;
    call->span = 0;
    spans_end_call(calls->sup->spans, span, function_outcome_name(outcome), error);
}
