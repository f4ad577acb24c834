#include "supervisor/calls_private.h"

#include "common/err.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "supervisor/worker.h"

static void send_cancel(const struct call *call)
{
    struct frame_cancel frame = {.call = call->number};

    if (frame_encode_cancel(conn_out(call->callee->conn), &frame))
        conn_wrote(call->callee->conn);
}

/* Nobody wants the result any more. Only calls know CANCEL: an actor that is being
 * started, watched or signalled is so or not, whoever asked. */
static void tell_callee(struct calls *calls, struct call *call)
{
    call->state = CALL_CANCELLED;
    calls_set_due(calls, call, 0);
    if (call->type != FRAME_CALL)
        return;
    send_cancel(call);
    if (call->pool != NULL)
        calls_begin_grace(calls, call);
}

/* No worker has it: whoever has is told that err is the answer now. */
static void end_early(struct calls *calls, struct call *call, const struct err *err)
{
    void (*on_withdrawn)(void *) = call->state == CALL_AWAY ? call->on_withdrawn : NULL;
    struct pool *pool = call->pool;
    uint32_t body_bytes = call->body_bytes;
    void *note = call->note;

    calls_end_with_error(calls, call, err);
    if (pool != NULL)
        calls->hooks.on_left_queue(pool, body_bytes);
    if (on_withdrawn != NULL)
        on_withdrawn(note);
}

void calls_withdraw(struct calls *calls, struct call *call, const struct err *err)
{
    struct origin origin = call->origin;

    call_observe_end(calls, call,
                     err->kind == ERR_TIMEOUT ? FUNCTION_TIMEOUT : FUNCTION_CANCELED,
                     (struct bytes){NULL, 0});
    if (call->state != CALL_SENT) {
        end_early(calls, call, err);
        return;
    }
    calls_forget_origin(calls, call);
    tell_callee(calls, call);
    origin_fail(&origin, err);
}

bool calls_cancel(struct calls *calls, const struct origin *origin)
{
    struct call *call = calls_find_asked(calls, origin);
    struct err err;

    if (call == NULL)
        return false;
    err_set(&err, ERR_CANCELED, "context canceled");
    calls_withdraw(calls, call, &err);
    return true;
}

void calls_give_up(struct calls *calls, const struct origin *origin)
{
    struct call *call = calls_find_asked(calls, origin);

    if (call == NULL)
        return;
    if (call->state == CALL_SENT)
        send_cancel(call);
    else
        calls_cancel(calls, origin);
}

static void stop_asking(struct calls *calls, struct peer_use *use)
{
    struct list *node;

    while ((node = list_first(&use->calls)) != NULL) {
        struct call *call = container_of(node, struct call, from);
        struct err err;

        call_observe_end(calls, call, FUNCTION_CANCELED, (struct bytes){NULL, 0});
        calls_forget_origin(calls, call);
        if (call->state == CALL_SENT) {
            tell_callee(calls, call);
            continue;
        }
        err_set(&err, ERR_CANCELED, "the caller is gone");
        end_early(calls, call, &err);
    }
}

void calls_client_gone(struct calls *calls, struct client *client)
{
    stop_asking(calls, &((struct client_head *)(void *)client)->use);
}

void calls_worker_stops_asking(struct calls *calls, struct worker *worker)
{
    stop_asking(calls, &worker->use);
}
