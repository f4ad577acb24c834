#include "supervisor/worker_ask.h"

#include "common/clock.h"
#include "common/err.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/worker.h"

void worker_ask(struct worker *worker, const char *target, const struct value *args,
                size_t n_args, uint64_t timeout_ms,
                void (*done)(void *context, uint8_t status, struct bytes result),
                void *context)
{
    struct supervisor *sup = worker->sup;
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {done, context}};
    struct frame_call frame = {.target = bytes_of_text(target)};
    struct call *call;
    struct buf frame_bytes, payload;
    struct bytes body;
    struct err err = {0};

    frame.deadline_at_ns = (uint64_t)clock_monotonic_ns() + timeout_ms * 1000000;
    buf_init(&frame_bytes, 0);
    buf_init(&payload, 0);
    if (payload_encode(&payload, args, n_args)) {
        frame.args = buf_bytes(&payload);
        frame_encode_call(&frame_bytes, &frame);
    }
    if (!frame_body(&frame_bytes, &body)) {
        err_set(&err, ERR_INVALID, "the request is too large");
        origin_fail(&origin, &err);
    } else if (!calls_may_give(sup->calls, worker)) {
        err_set(&err, ERR_RATE_LIMITED, "worker of %s leaves too much unanswered",
                worker_entry(worker));
        origin_fail(&origin, &err);
    } else if ((call = calls_open(sup->calls, &origin, FRAME_CALL, frame.deadline_at_ns,
                                  &err)) == NULL) {
        origin_fail(&origin, &err);
    } else {
        call_send(sup->calls, call, worker, body);
    }
    buf_finish(&frame_bytes);
    buf_finish(&payload);
}
