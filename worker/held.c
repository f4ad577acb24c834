#include "worker/held.h"

#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/list.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"

struct held_call {
    struct list node;
    uint64_t call, deadline_at_ns; /* 0 = none */
    size_t queue_bytes, body_bytes;
    uint8_t data[]; /* the name of the queue, the body of the CALL */
};

struct held {
    struct ev_loop *loop;
    struct conn *conn;
    struct list calls; /* oldest first */
    ev_timer timer;
    uint64_t armed_for_ns; /* 0 = not armed */
};

static struct held_call *call_at(struct list *node)
{
    return container_of(node, struct held_call, node);
}

static struct bytes queue_of(const struct held_call *call)
{
    return (struct bytes){call->data, call->queue_bytes};
}

static void remove_call(struct held_call *call)
{
    list_remove(&call->node);
    free(call);
}

static void send_again(struct held *held, struct held_call *call)
{
    conn_forward(held->conn, FRAME_CALL,
                 (struct bytes){call->data + call->queue_bytes, call->body_bytes});
    remove_call(call);
}

static void tell_unheld(struct held *held, const struct held_call *call)
{
    struct frame_unhold frame = {.n = 1, .queue = queue_of(call)};

    if (!frame_encode_unhold(conn_out(held->conn), &frame))
        mem_give_up(call->queue_bytes);
    conn_wrote(held->conn);
}

/* ---- deadlines ------------------------------------------------------------------- */

static void arm(struct held *held, uint64_t deadline_at_ns)
{
    int64_t delay_ns = (int64_t)(deadline_at_ns - (uint64_t)clock_monotonic_ns());

    if (held->armed_for_ns != 0 && held->armed_for_ns <= deadline_at_ns)
        return;
    held->armed_for_ns = deadline_at_ns;
    ev_timer_stop(held->loop, &held->timer);
    ev_timer_set(&held->timer, delay_ns > 0 ? (double)delay_ns / 1e9 : 0., 0.);
    ev_timer_start(held->loop, &held->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct held *held = container_of(timer, struct held, timer);
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();

    (void)loop, (void)revents;
    held->armed_for_ns = 0;
    LIST_FOREACH_SAFE (node, &held->calls) {
        struct held_call *call = call_at(node);

        if (call->deadline_at_ns == 0)
            continue;
        if (call->deadline_at_ns > now_ns) {
            arm(held, call->deadline_at_ns);
        } else {
            tell_unheld(held, call);
            send_again(held, call);
        }
    }
}

/* ---- in and out ------------------------------------------------------------------ */

int held_add(struct held *held, const struct frame_hold *frame, struct err *err)
{
    struct held_call *call = malloc(sizeof(*call) + frame->queue.n + frame->body.n);

    if (call == NULL)
        return err_set(err, ERR_UNAVAILABLE, "no memory for a held call");
    call->call = frame->call;
    call->deadline_at_ns = frame->deadline_at_ns;
    call->queue_bytes = frame->queue.n;
    call->body_bytes = frame->body.n;
    memcpy(call->data, frame->queue.data, frame->queue.n);
    memcpy(call->data + frame->queue.n, frame->body.data, frame->body.n);
    list_append(&held->calls, &call->node);
    if (call->deadline_at_ns != 0)
        arm(held, call->deadline_at_ns);
    return 0;
}

bool held_drop(struct held *held, uint64_t number)
{
    LIST_FOREACH (node, &held->calls) {
        struct held_call *call = call_at(node);

        if (call->call != number)
            continue;
        tell_unheld(held, call);
        remove_call(call);
        return true;
    }
    return false;
}

void held_resume(struct held *held, struct bytes queue, uint32_t n)
{
    LIST_FOREACH_SAFE (node, &held->calls) {
        struct held_call *call = call_at(node);

        if (n == 0)
            return;
        if (call->queue_bytes != queue.n ||
            memcmp(call->data, queue.data, queue.n) != 0)
            continue;
        send_again(held, call);
        n--;
    }
}

/* ---- life ------------------------------------------------------------------------ */

struct held *held_create(struct ev_loop *loop, struct conn *conn)
{
    struct held *held = xcalloc(1, sizeof(*held));

    held->loop = loop;
    held->conn = conn;
    list_init(&held->calls);
    ev_timer_init(&held->timer, on_timer, 0., 0.);
    return held;
}

void held_destroy(struct held *held)
{
    struct list *node;

    if (held == NULL)
        return;
    ev_timer_stop(held->loop, &held->timer);
    while ((node = list_take_first(&held->calls)) != NULL)
        free(call_at(node));
    free(held);
}
