/* calls_private -- what calls.c and its calls_* neighbours share. */
#ifndef TROUPE_SUPERVISOR_CALLS_PRIVATE_H
#define TROUPE_SUPERVISOR_CALLS_PRIVATE_H

#include <ev.h>

#include "supervisor/calls.h"
#include "supervisor/calls_due.h"
#include "supervisor/core.h"

struct calls {
    struct supervisor *sup;
    struct calls_hooks hooks;
    struct call **chunks;
    uint32_t n_chunks, n_slots, n_open;
    uint32_t free_head;             /* chain through next_in_bucket */
    uint32_t *buckets, bucket_mask; /* origin and its number -> call */
    uint64_t multiplier; /* of their hash: no peer may know which numbers collide */
    struct due_heap due;
    ev_timer timer;
    uint64_t armed_for_ns; /* 0 = the timer is not running */
    uint32_t grace_ms, busy_grace_ms;
    size_t kept_bytes; /* of bodies that are kept for another attempt */
    uint64_t random_state;
};

/* The slot is free again; nobody is told. */
void calls_close(struct calls *calls, struct call *call);

/* calls_timer.c: when to look at the call again, monotonic; 0 = never. */
void calls_set_due(struct calls *calls, struct call *call, uint64_t due_at_ns);
void calls_init_timer(struct calls *calls);

/* What was sent under the old number is not about this call any more. */
void call_renumber(struct call *call);

/* calls_observe.c: the frame, of body_bytes, lies at the end of callee's output; or the
 * call goes back to whoever asked. */
void call_observe_sent_slow(struct calls *calls, struct call *call,
                            struct worker *callee, size_t body_bytes);
static inline void call_observe_sent(struct calls *calls, struct call *call,
                                     struct worker *callee, size_t body_bytes)
{
    if (call->count.stats != NULL)
        call->count.sent_at = ev_now(calls->sup->loop);
    if (call->span != 0)
        call_observe_sent_slow(calls, call, callee, body_bytes);
}

static inline void call_observe_drop(struct calls *calls, struct call *call)
{
    function_count_drop(&call->count);
    if (call->span != 0)
        call_observe_end(calls, call, FUNCTION_CANCELED, (struct bytes){NULL, 0});
}

/* calls_grace.c: the callee, in a pool, has been told to end the call; and it is time
 * to look whether it does. */
void calls_begin_grace(struct calls *calls, struct call *call);
void calls_check_grace(struct calls *calls, struct call *call);

/* Copies body into the call; false when there is no memory. */
bool call_keep_body(struct call *call, struct bytes body);

/* The request of that origin, NULL if there is none. */
struct call *calls_find_asked(const struct calls *calls, const struct origin *origin);

/* The origin has its answer, or is gone: it has no part in this call any more. */
void calls_forget_origin(struct calls *calls, struct call *call);

/* Nobody else has this call: err is its outcome, and it ends here. */
void calls_end_with_error(struct calls *calls, struct call *call,
                          const struct err *err);

/* calls_cancel.c: the origin gets err now, whatever the callee does. */
void calls_withdraw(struct calls *calls, struct call *call, const struct err *err);

/* calls_nested.c: forgets that the call waits for others; true when it did. */
bool call_stop_waiting(struct call *call);

/* ---- calls_again.c --------------------------------------------------------------- */

/* An attempt at the call has failed and no callee has it any more. true: there will be
 * another one, in a while; the origin is told nothing. */
bool calls_put_off(struct calls *calls, struct call *call, struct bytes error);

/* Is it due for another attempt, and not at its deadline? */
bool calls_is_next_attempt_due(const struct call *call);
void calls_try_again(struct calls *calls, struct call *call);

/* There will be no other attempt: frees what was kept for it. call->attempts isn't
 * NULL. */
void calls_forget_attempts(struct calls *calls, struct call *call);

#endif
