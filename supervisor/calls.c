#include "supervisor/calls_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/worker.h"

#define CALLS_PER_CHUNK  1024u
#define GRACE_MS_DEFAULT 1000u
#define BUSY_MS_DEFAULT  150u
#define REPLY_STATUS_AT  10 /* in the body: after the number and the status' marker */
#define CALL_DEADLINE_AT 10 /* in the body, likewise */
#define NONE             UINT32_MAX

static struct call *call_at(const struct calls *calls, uint32_t slot)
{
    return &calls->chunks[slot / CALLS_PER_CHUNK][slot % CALLS_PER_CHUNK];
}

static uint32_t call_slot(const struct call *call)
{
    return (uint32_t)call->number;
}

/* ---- the table of origins' numbers ----------------------------------------------- */

static uint32_t *bucket_of(const struct calls *calls, const struct origin *origin)
{
    uint64_t hash = origin->call ^ (uintptr_t)origin_party(origin) >> 4;

    hash *= calls->multiplier;
    return &calls->buckets[(uint32_t)(hash >> 40) & calls->bucket_mask];
}

static void index_add(struct calls *calls, struct call *call)
{
    uint32_t *bucket = bucket_of(calls, &call->origin);

    call->next_in_bucket = *bucket;
    *bucket = call_slot(call);
}

static void index_remove(struct calls *calls, struct call *call)
{
    uint32_t *at = bucket_of(calls, &call->origin);

    while (*at != call_slot(call)) {
        assert(*at != NONE);
        at = &call_at(calls, *at)->next_in_bucket;
    }
    *at = call->next_in_bucket;
}

struct call *calls_find_asked(const struct calls *calls, const struct origin *origin)
{
    uint32_t slot = *bucket_of(calls, origin);

    while (slot != NONE) {
        struct call *call = call_at(calls, slot);

        if (origin_is_same(&call->origin, origin))
            return call;
        slot = call->next_in_bucket;
    }
    return NULL;
}

static void index_grow(struct calls *calls)
{
    uint32_t n = calls->n_slots, n_buckets = 1024;

    while (n_buckets < n)
        n_buckets *= 2;
    if (n_buckets - 1 == calls->bucket_mask && calls->buckets != NULL)
        return;
    free(calls->buckets);
    calls->buckets = xmalloc(n_buckets * sizeof(*calls->buckets));
    memset(calls->buckets, 0xff, n_buckets * sizeof(*calls->buckets));
    calls->bucket_mask = n_buckets - 1;
    for (uint32_t slot = 0; slot < n; slot++) {
        struct call *call = call_at(calls, slot);

        if (call->state != CALL_UNUSED && call->origin.type != ORIGIN_NONE)
            index_add(calls, call);
    }
}

/* ---- slots ----------------------------------------------------------------------- */

static void add_chunk(struct calls *calls)
{
    struct call *chunk = xcalloc(CALLS_PER_CHUNK, sizeof(*chunk));

    calls->chunks =
        xrealloc(calls->chunks, (calls->n_chunks + 1) * sizeof(struct call *));
    calls->chunks[calls->n_chunks++] = chunk;
    for (uint32_t i = CALLS_PER_CHUNK; i-- != 0;) {
        chunk[i].number = (uint64_t)1 << 32 | (calls->n_slots + i);
        chunk[i].next_in_bucket = calls->free_head;
        calls->free_head = calls->n_slots + i;
    }
    calls->n_slots += CALLS_PER_CHUNK;
    index_grow(calls);
}

/* use: of the peer that asks, may be NULL. NULL: too many are under way. */
static struct call *take_slot(struct calls *calls, const struct peer_use *use)
{
    struct call *call;

    if (use != NULL && !use_is_fair(use->n_calls, calls->n_open, CALLS_MAX))
        return NULL;
    if (calls->free_head == NONE && calls->n_slots == CALLS_MAX)
        return NULL;
    if (calls->free_head == NONE)
        add_chunk(calls);
    call = call_at(calls, calls->free_head);
    calls->free_head = call->next_in_bucket;
    calls->n_open++;
    return call;
}

struct call *calls_open(struct calls *calls, const struct origin *origin, uint8_t type,
                        uint64_t deadline_at_ns, struct err *err)
{
    struct peer_use *use = origin_use(origin);
    struct call *call = take_slot(calls, use);

    if (call == NULL) {
        err_set(err, ERR_RATE_LIMITED, "too many calls are under way");
        return NULL;
    }
    call->origin = *origin;
    call->callee = NULL;
    call->pool = NULL;
    call->body = NULL;
    call->attempts = NULL;
    call->hop = NULL;
    call->n_nested = 0;
    call->on_outcome = NULL;
    call->note = NULL;
    call->count.stats = NULL;
    call->span = 0;
    call->heap_at = 0;
    call->due_at_ns = 0;
    call->type = type;
    call->state = CALL_QUEUED;
    list_init(&call->from);
    list_init(&call->to);
    if (origin->type != ORIGIN_NONE)
        index_add(calls, call);
    if (use != NULL) {
        list_append(&use->calls, &call->from);
        use->n_calls++;
    }
    if (deadline_at_ns != 0) {
        call->opened_at_ns = (uint64_t)clock_monotonic_ns();
        calls_set_due(calls, call, deadline_at_ns);
    }
    return call;
}

struct call *calls_open_within(struct calls *calls, const struct origin *origin,
                               uint64_t deadline_at_ns, uint64_t timeout_ns,
                               struct err *err)
{
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();
    bool is_earlier = timeout_ns != 0 &&
                      (deadline_at_ns == 0 || now_ns + timeout_ns <= deadline_at_ns);
    struct call *call;

    if (is_earlier)
        deadline_at_ns = now_ns + timeout_ns;
    call = calls_open(calls, origin, FRAME_CALL, deadline_at_ns, err);
    /* So that errors name just what was asked for. A worker's call may have been held
     * before; else whoever would hear of its own later end is past its deadline,
     * too. */
    if (call != NULL &&
        (is_earlier || (timeout_ns != 0 && origin->type == ORIGIN_WORKER)))
        call->opened_at_ns = deadline_at_ns - timeout_ns;
    return call;
}

void call_renumber(struct call *call)
{
    call->number += (uint64_t)1 << 32;
    if (call->number >> 32 == 0) /* after 2^32 uses: 0 is no call's number */
        call->number += (uint64_t)1 << 32;
}

static const struct bytes no_error = {NULL, 0};

void calls_forget_origin(struct calls *calls, struct call *call)
{
    struct hop *hop = call->hop;
    struct peer_use *use;

    if (call->attempts != NULL)
        calls_forget_attempts(calls, call);
    call->hop = NULL;
    if (hop != NULL)
        calls->hooks.on_hop_over(calls->sup, hop);
    if (call->origin.type == ORIGIN_NONE)
        return;
    use = origin_use(&call->origin);
    if (use != NULL)
        use->n_calls--;
    index_remove(calls, call);
    list_remove(&call->from);
    call->origin.type = ORIGIN_NONE;
}

void calls_close(struct calls *calls, struct call *call)
{
    calls_forget_origin(calls, call);
    calls_set_due(calls, call, 0);
    call_observe_drop(calls, call);
    list_remove(&call->to);
    free(call->body);
    call->body = NULL;
    call->state = CALL_UNUSED;
    call->callee = NULL;
    call_renumber(call);
    call->next_in_bucket = calls->free_head;
    calls->free_head = call_slot(call);
    calls->n_open--;
}

static void report_outcome(struct calls *calls, struct call *call, uint8_t status,
                           struct bytes result)
{
    void (*on_outcome)(struct supervisor *, struct call *, uint8_t, struct bytes) =
        call->on_outcome;

    call->on_outcome = NULL;
    if (on_outcome != NULL)
        on_outcome(calls->sup, call, status, result);
}

/* Nobody else has this call: its outcome is error, and it ends here. */
static void end_with(struct calls *calls, struct call *call, struct bytes error)
{
    struct origin origin = call->origin;

    report_outcome(calls, call, REPLY_ERROR, error);
    calls_close(calls, call);
    origin_reply(&origin, REPLY_ERROR, error);
}

void calls_end_with_error(struct calls *calls, struct call *call, const struct err *err)
{
    struct buf buf;

    buf_init(&buf, 0);
    error_encode(&buf, err);
    end_with(calls, call, buf_bytes(&buf));
    buf_finish(&buf);
}

/* Nobody has this call any more, and what its caller asked for wasn't done. */
static void fail(struct calls *calls, struct call *call, const struct err *err)
{
    struct buf buf;

    buf_init(&buf, 0);
    error_encode(&buf, err);
    call_observe_end(calls, call, FUNCTION_UNAVAILABLE, buf_bytes(&buf));
    if (!calls_put_off(calls, call, buf_bytes(&buf)))
        end_with(calls, call, buf_bytes(&buf));
    buf_finish(&buf);
}

void call_fail(struct calls *calls, struct call *call, const struct err *err)
{
    assert(call->state == CALL_QUEUED);
    fail(calls, call, err);
}

void calls_end_delayed(struct calls *calls, const struct err *err)
{
    for (uint32_t slot = 0; slot < calls->n_slots; slot++) {
        struct call *call = call_at(calls, slot);

        if (call->state != CALL_DELAYED)
            continue;
        call->state = CALL_QUEUED;
        call_fail(calls, call, err);
    }
}

/* ---- towards the callee ---------------------------------------------------------- */

/* The frame that was just appended to out gets the slot's number, and a CALL the
 * deadline that counts, which may be an earlier one than its caller knows. */
static void restamp_last(struct buf *out, size_t body_bytes, const struct call *call)
{
    uint8_t *body = out->data + out->end - body_bytes;

    wire_put_u64(body + FRAME_FIRST_U64, call->number);
    if (call->due_at_ns != 0 && call->type == FRAME_CALL)
        wire_put_u64(body + CALL_DEADLINE_AT, call->due_at_ns);
}

static void fail_unreachable(struct calls *calls, struct call *call,
                             const struct worker *callee, struct bytes body)
{
    struct err err;

    if (body.n > FRAME_MAX_BYTES_DEFAULT + FRAME_GROWTH_BYTES)
        err_set(&err, ERR_LIMIT_EXCEEDED, "the call is too large to be passed on");
    else
        err_set(&err, ERR_UNAVAILABLE, "worker of %s is gone", worker_entry(callee));
    fail(calls, call, &err);
}

void call_send(struct calls *calls, struct call *call, struct worker *callee,
               struct bytes body)
{
    assert(call->state == CALL_QUEUED && list_empty(&call->to));
    if (!conn_forward(callee->conn, call->type, body)) {
        fail_unreachable(calls, call, callee, body);
        return;
    }
    restamp_last(conn_out(callee->conn), body.n, call);
    call->state = CALL_SENT;
    call->callee = callee;
    list_append(&callee->calls_to, &call->to);
    if (call->pool != NULL)
        callee->n_busy++;
    call_observe_sent(calls, call, callee, body.n);
    callee->n_calls_given++;
}

bool call_keep_body(struct call *call, struct bytes body)
{
    call->body = malloc(body.n);
    if (call->body == NULL)
        return false;
    memcpy(call->body, body.data, body.n);
    call->body_bytes = (uint32_t)body.n;
    return true;
}

bool call_park(struct call *call, struct pool *pool, struct list *queue,
               struct bytes body, struct err *err)
{
    assert(call->state == CALL_QUEUED);
    if (call->body == NULL && !call_keep_body(call, body)) {
        err_set(err, ERR_UNAVAILABLE, "no memory to queue %zu bytes", body.n);
        return false;
    }
    call->pool = pool;
    list_append(queue, &call->to);
    return true;
}

void call_send_parked(struct calls *calls, struct call *call, struct worker *callee)
{
    struct bytes body = {call->body, call->body_bytes};
    uint8_t *last = NULL;

    list_remove(&call->to);
    if (call->attempts == NULL) {
        last = call->body;
        call->body = NULL;
    }
    call_send(calls, call, callee, body);
    free(last);
}

void call_hold(struct calls *calls, struct call *call, const char *queue,
               struct bytes body)
{
    struct conn *conn = origin_conn(&call->origin);
    struct buf *out = conn_out(conn);
    struct frame_hold frame = {.call = call->origin.call,
                               .deadline_at_ns = call->due_at_ns,
                               .queue = bytes_of_text(queue),
                               .body = body};

    assert(call->state == CALL_QUEUED && call->type == FRAME_CALL);
    calls_close(calls, call);
    if (conn_is_closed(conn))
        return;
    if (!frame_encode_hold(out, &frame)) {
        conn_shutdown(conn); /* it reads too slowly, as in conn_forward() */
        return;
    }
    if (frame.deadline_at_ns != 0)
        wire_put_u64(out->data + out->end - body.n + CALL_DEADLINE_AT,
                     frame.deadline_at_ns);
    conn_wrote(conn);
}

bool calls_may_give(const struct calls *calls, const struct worker *callee)
{
    return use_is_fair(callee->n_calls_given - callee->n_calls_done, calls->n_open,
                       CALLS_MAX);
}

void calls_forward(struct calls *calls, const struct origin *origin, uint8_t type,
                   struct worker *callee, struct bytes body)
{
    struct err err = {0};
    struct call *call = NULL;

    if (calls_may_give(calls, callee))
        call = calls_open(calls, origin, type, 0, &err);
    else
        err_set(&err, ERR_RATE_LIMITED, "worker of %s leaves too much unanswered",
                worker_entry(callee));
    if (call == NULL)
        origin_fail(origin, &err);
    else
        call_send(calls, call, callee, body);
}

/* ---- from the callee ------------------------------------------------------------- */

struct call *calls_find(const struct calls *calls, uint64_t number)
{
    uint32_t slot = (uint32_t)number;
    struct call *call = slot < calls->n_slots ? call_at(calls, slot) : NULL;

    return call != NULL && call->number == number ? call : NULL;
}

static struct call *find_given(struct calls *calls, const struct worker *from,
                               uint64_t number, struct err *err)
{
    struct call *call = calls_find(calls, number);

    if (call == NULL || call->callee != from) {
        err_set(err, ERR_INVALID, "it answers call 0x%llx, which it never got",
                (unsigned long long)number);
        return NULL;
    }
    return call;
}

static void free_place(struct calls *calls, struct pool *pool, struct worker *worker,
                       bool waited)
{
    worker->n_calls_done++;
    if (pool == NULL)
        return;
    assert(worker->n_busy != 0);
    worker->n_busy--;
    worker->n_waiting -= waited;
    calls->hooks.on_place_free(pool, worker, true);
}

/* The frame goes on as it is, but for number and status. */
static void pass_reply(const struct origin *origin, uint8_t status, struct bytes body)
{
    struct conn *conn = origin_conn(origin);
    uint8_t *at;

    if (conn == NULL) {
        origin_reply(origin, status,
                     (struct bytes){body.data + REPLY_STATUS_AT + 1,
                                    body.n - REPLY_STATUS_AT - 1});
        return;
    }
    if (!conn_forward(conn, FRAME_REPLY, body))
        return;
    at = conn_out(conn)->data + conn_out(conn)->end - body.n;
    wire_put_u64(at + FRAME_FIRST_U64, origin->call);
    at[REPLY_STATUS_AT] = status;
}

int calls_on_reply(struct calls *calls, struct worker *from, struct bytes body,
                   struct err *err)
{
    struct frame_reply frame;
    struct origin origin;
    struct pool *pool;
    struct call *call;
    uint8_t status;
    bool lingers, waited;

    if (frame_decode_reply(body, &frame, err) == -1)
        return -1;
    call = find_given(calls, from, frame.call, err);
    if (call == NULL)
        return -1;
    status = frame.status & (uint8_t)~REPLY_LINGERS;
    lingers = (frame.status & REPLY_LINGERS) != 0;
    if (status > REPLY_ERROR || call->state == CALL_LINGERING)
        return err_set(err, ERR_INVALID, "it answers call 0x%llx twice or with %u",
                       (unsigned long long)frame.call, frame.status);
    pool = call->pool;
    call_observe_end(calls, call, status == REPLY_OK ? FUNCTION_OK : FUNCTION_ERROR,
                     status == REPLY_OK ? no_error : frame.result);
    waited = !lingers && call_stop_waiting(call);
    if (call->attempts != NULL && status == REPLY_ERROR && !lingers &&
        calls_put_off(calls, call, frame.result)) {
        free_place(calls, pool, from, waited);
        return 0;
    }
    report_outcome(calls, call, status, frame.result);
    origin = call->origin;
    if (lingers) {
        calls_forget_origin(calls, call);
        calls_set_due(calls, call, 0);
        call->state = CALL_LINGERING;
    } else {
        calls_close(calls, call);
    }
    pass_reply(&origin, status, body);
    if (!lingers)
        free_place(calls, pool, from, waited);
    return 0;
}

int calls_on_free(struct calls *calls, struct worker *from, struct bytes body,
                  struct err *err)
{
    struct frame_free frame;
    struct call *call;
    struct pool *pool;
    bool waited;

    if (frame_decode_free(body, &frame, err) == -1)
        return -1;
    call = find_given(calls, from, frame.call, err);
    if (call == NULL)
        return -1;
    if (call->state != CALL_LINGERING)
        return err_set(err, ERR_INVALID, "it frees call 0x%llx before its answer",
                       (unsigned long long)frame.call);
    pool = call->pool;
    waited = call_stop_waiting(call);
    calls_close(calls, call);
    free_place(calls, pool, from, waited);
    return 0;
}

/* ---- deaths ---------------------------------------------------------------------- */

void calls_worker_stops_answering(struct calls *calls, struct worker *worker,
                                  const char *how)
{
    struct list *node;
    struct err err;

    err_set(&err, ERR_UNAVAILABLE, "worker of %s %s", worker_entry(worker), how);
    while ((node = list_first(&worker->calls_to)) != NULL)
        fail(calls, container_of(node, struct call, to), &err);
    worker->n_busy = worker->n_waiting = 0;
}

/* ---- life ------------------------------------------------------------------------ */

static uint64_t random_odd(void)
{
    uint64_t number = 0x9e3779b97f4a7c15u;

    (void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
    return number | 1;
}

struct calls *calls_create(struct supervisor *sup, const struct calls_hooks *hooks)
{
    struct calls *calls = xcalloc(1, sizeof(*calls));

    calls->sup = sup;
    calls->hooks = *hooks;
    calls->free_head = NONE;
    calls->grace_ms = GRACE_MS_DEFAULT;
    calls->busy_grace_ms = BUSY_MS_DEFAULT;
    calls->random_state = (uint64_t)clock_monotonic_ns() | 1;
    calls->multiplier = random_odd();
    index_grow(calls);
    calls_init_timer(calls);
    return calls;
}

void calls_destroy(struct calls *calls)
{
    if (calls == NULL)
        return;
    ev_timer_stop(calls->sup->loop, &calls->timer);
    for (uint32_t slot = 0; slot < calls->n_slots; slot++) {
        struct call *call = call_at(calls, slot);

        if (call->attempts != NULL)
            calls_forget_attempts(calls, call);
        if (call->hop != NULL)
            calls->hooks.on_hop_over(NULL, call->hop);
        if (call->on_outcome != NULL)
            free(call->note);
        free(call->body);
    }
    for (uint32_t i = 0; i < calls->n_chunks; i++)
        free(calls->chunks[i]);
    free(calls->chunks);
    free(calls->buckets);
    due_finish(&calls->due);
    free(calls);
}

void calls_set_grace_ms(struct calls *calls, uint32_t grace_ms, uint32_t busy_grace_ms)
{
    calls->grace_ms = grace_ms;
    calls->busy_grace_ms = busy_grace_ms < grace_ms ? busy_grace_ms : grace_ms;
}

uint32_t calls_n_open(const struct calls *calls)
{
    return calls->n_open;
}
