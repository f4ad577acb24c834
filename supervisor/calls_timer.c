/* What happens to a call when its time has come, and one timer for all of them. */
#include "supervisor/calls_private.h"

#include <assert.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/err.h"
#include "common/mem.h"

static void time_out(struct calls *calls, struct call *call)
{
    char text[DURATION_TEXT_BYTES];
    struct err err;
    uint64_t ms;

    ms = call->due_at_ns > call->opened_at_ns
             ? (call->due_at_ns - call->opened_at_ns + 999999) / 1000000
             : 0;
    duration_format(text, (int64_t)ms * 1000000);
    err_set(&err, ERR_TIMEOUT, "function execution timed out after %s", text);
    calls_set_due(calls, call, 0);
    calls_withdraw(calls, call, &err);
}

bool call_is_too_late(struct calls *calls, struct call *call)
{
    assert(call->state == CALL_QUEUED && list_empty(&call->to));
    if (call->due_at_ns == 0 || (uint64_t)clock_monotonic_ns() < call->due_at_ns)
        return false;
    time_out(calls, call);
    return true;
}

static void on_due(struct calls *calls, struct call *call)
{
    if (calls_is_next_attempt_due(call)) {
        calls_try_again(calls, call);
        return;
    }
    if (call->state == CALL_CANCELLED) {
        calls_check_grace(calls, call);
        return;
    }
    time_out(calls, call);
}

static void arm_timer(struct calls *calls)
{
    const struct call *first = due_first(&calls->due);
    uint64_t now_ns;

    if (first == NULL ||
        (calls->armed_for_ns != 0 && calls->armed_for_ns <= first->due_at_ns))
        return;
    now_ns = (uint64_t)clock_monotonic_ns();
    calls->armed_for_ns = first->due_at_ns;
    ev_timer_stop(calls->sup->loop, &calls->timer);
    ev_timer_set(
        &calls->timer,
        first->due_at_ns > now_ns ? (double)(first->due_at_ns - now_ns) / 1e9 : 0., 0.);
    ev_timer_start(calls->sup->loop, &calls->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct calls *calls = container_of(timer, struct calls, timer);
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();
    struct call *call;

    (void)loop, (void)revents;
    while ((call = due_first(&calls->due)) != NULL && call->due_at_ns <= now_ns)
        on_due(calls, call);
    calls->armed_for_ns = 0;
    arm_timer(calls);
}

void calls_set_due(struct calls *calls, struct call *call, uint64_t due_at_ns)
{
    due_remove(&calls->due, call);
    call->due_at_ns = due_at_ns;
    if (due_at_ns == 0)
        return;
    due_add(&calls->due, call);
    arm_timer(calls);
}

void calls_init_timer(struct calls *calls)
{
    due_init(&calls->due);
    ev_timer_init(&calls->timer, on_timer, 0., 0.);
}
