#include "supervisor/calls_private.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/random.h"

#include "supervisor/retry.h"

struct attempts {
    struct retry_policy *policy;
    uint64_t deadline_at_ns; /* of all of them; 0 = none */
    uint32_t n_failed;
};

bool call_may_retry(struct calls *calls, struct call *call,
                    const struct retry_policy *policy, struct bytes body)
{
    if (calls->kept_bytes + body.n > CALLS_KEPT_MAX_BYTES ||
        !call_keep_body(call, body))
        return false;
    calls->kept_bytes += body.n;
    call->attempts = xcalloc(1, sizeof(*call->attempts));
    call->attempts->policy = retry_policy_ref(policy);
    call->attempts->deadline_at_ns = call->due_at_ns;
    return true;
}

int call_keep_other_body(struct calls *calls, struct call *call, struct bytes body,
                         struct err *err)
{
    uint8_t *before = call->body;
    uint32_t before_bytes = call->body_bytes;

    assert(call->attempts != NULL);
    if (!call_keep_body(call, body)) {
        call->body = before;
        return err_set(err, ERR_UNAVAILABLE, "no memory for another attempt");
    }
    calls->kept_bytes = calls->kept_bytes - before_bytes + body.n;
    free(before);
    return 0;
}

size_t calls_kept_bytes(const struct calls *calls)
{
    return calls->kept_bytes;
}

bool call_was_tried(const struct call *call)
{
    return call->attempts != NULL && call->attempts->n_failed != 0;
}

void calls_forget_attempts(struct calls *calls, struct call *call)
{
    calls->kept_bytes -= call->body_bytes;
    free(call->body);
    call->body = NULL;
    retry_policy_unref(call->attempts->policy);
    free(call->attempts);
    call->attempts = NULL;
}

bool calls_put_off(struct calls *calls, struct call *call, struct bytes error)
{
    struct attempts *attempts = call->attempts;
    uint64_t due_at_ns;

    if (attempts == NULL || call->origin.type == ORIGIN_NONE)
        return false;
    attempts->n_failed++;
    if (!retry_wanted(attempts->policy, attempts->n_failed, error))
        return false;
    list_remove(&call->to);
    call_renumber(call);
    call->n_nested = 0;
    call->callee = NULL;
    call->pool = NULL;
    call->state = CALL_DELAYED;
    due_at_ns = (uint64_t)clock_monotonic_ns() +
                retry_delay_ns(attempts->policy, attempts->n_failed,
                               random_unit(&calls->random_state));
    if (attempts->deadline_at_ns != 0 && attempts->deadline_at_ns < due_at_ns)
        due_at_ns = attempts->deadline_at_ns;
    calls_set_due(calls, call, due_at_ns);
    return true;
}

bool calls_is_next_attempt_due(const struct call *call)
{
    return call->state == CALL_DELAYED &&
           call->due_at_ns != call->attempts->deadline_at_ns;
}

void calls_try_again(struct calls *calls, struct call *call)
{
    call->state = CALL_QUEUED;
    calls_set_due(calls, call, call->attempts->deadline_at_ns);
    calls->hooks.again(calls->sup, call, (struct bytes){call->body, call->body_bytes});
}
