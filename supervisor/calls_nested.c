#include "supervisor/calls_private.h"

#include "supervisor/worker.h"

struct call *calls_find_given(const struct calls *calls, const struct worker *worker,
                              uint64_t number)
{
    struct call *call = calls_find(calls, number);

    return call != NULL && call->callee == worker && call->state == CALL_SENT ? call
                                                                              : NULL;
}

bool call_stop_waiting(struct call *call)
{
    bool waited = call->n_nested != 0;

    call->n_nested = 0;
    return waited;
}

void call_begin_nested(struct call *call)
{
    if (call->n_nested++ == 0)
        call->callee->n_waiting++;
}

void call_end_nested(struct call *call)
{
    if (--call->n_nested == 0)
        call->callee->n_waiting--;
}

void calls_tell_place_free(struct calls *calls, struct pool *pool,
                           struct worker *worker)
{
    if (pool != NULL)
        calls->hooks.on_place_free(pool, worker, false);
}
