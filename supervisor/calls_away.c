/* Calls that no worker answers: somebody else on our side does. */
#include "supervisor/calls_private.h"

#include <assert.h>

#include "proto/frame.h"

void call_give_away(struct call *call, void (*on_withdrawn)(void *note), void *note)
{
    assert(call->state == CALL_QUEUED && list_empty(&call->to));
    call->state = CALL_AWAY;
    call->on_withdrawn = on_withdrawn;
    call->count.sent_at = call->count.given_at;
    call->note = note;
}

void call_answer(struct calls *calls, struct call *call, uint8_t status,
                 struct bytes result)
{
    struct origin origin = call->origin;

    assert(call->state == CALL_AWAY);
    call_observe_end(calls, call, status == REPLY_OK ? FUNCTION_OK : FUNCTION_ERROR,
                     status == REPLY_OK ? (struct bytes){NULL, 0} : result);
    if (status == REPLY_ERROR && calls_put_off(calls, call, result))
        return;
    calls_close(calls, call);
    origin_reply(&origin, status, result);
}
