#include "supervisor/calls_private.h"

#include "common/clock.h"
#include "common/min.h"

#include "supervisor/worker.h"

#define NEXT_LOOK_NS 25000000u

/*
 * A worker that does its duty reads CANCEL within milliseconds and may then need some
 * time to get out of what it does. One that sits in a loop of C (string.find with a bad
 * pattern) never reads it, and every other call in that worker waits for it: it isn't
 * given the whole grace. What tells them apart is an answer to the PING that goes out
 * behind the CANCEL, and, for machines that are slow or busy elsewhere, the processor
 * time that the worker has had since.
 */
void calls_begin_grace(struct calls *calls, struct call *call)
{
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();

    call->grace_until_ns = now_ns + (uint64_t)calls->grace_ms * 1000000;
    worker_ask_hearing(call->callee);
    calls_set_due(calls, call, now_ns + (uint64_t)calls->busy_grace_ms * 1000000);
}

void calls_check_grace(struct calls *calls, struct call *call)
{
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();
    /* Half of it running: the machine may have other work too. */
    enum worker_hearing hearing =
        worker_hearing(call->callee, calls->busy_grace_ms / 2);

    if (now_ns >= call->grace_until_ns || hearing == WORKER_IS_DEAF) {
        calls_set_due(calls, call, 0);
        worker_kill(call->callee,
                    "was killed: it did not end a cancelled call in time");
    } else {
        calls_set_due(calls, call,
                      hearing == WORKER_HEARS
                          ? call->grace_until_ns
                          : min_u64(call->grace_until_ns, now_ns + NEXT_LOOK_NS));
    }
}
