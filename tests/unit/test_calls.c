#include "supervisor/calls.h"

#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"
#include "supervisor/calls_due.h"
#include "supervisor/core.h"
#include "supervisor/worker.h"

#include "tests/unit/unit.h"

/* Two workers that are only sockets: one asks, the other answers. */
struct peer {
    struct worker worker;
    int fd; /* the worker's end */
    struct buf in;
};

static struct supervisor sup;
static struct peer asker, answerer;
static int n_places_free, n_left_queue;
static const char *killed_why;

/* What calls.c wants of worker.c; a worker without a process has no more to it. */
void worker_kill(struct worker *worker, const char *why)
{
    (void)worker;
    killed_why = why;
}

const char *worker_entry(const struct worker *worker)
{
    (void)worker;
    return "app:f";
}

static void on_place_free(struct pool *pool, struct worker *worker)
{
    (void)pool, (void)worker;
    n_places_free++;
}

static void on_left_queue(struct pool *pool, uint32_t body_bytes)
{
    (void)pool, (void)body_bytes;
    n_left_queue++;
}

static int ignore_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    (void)context, (void)type, (void)body, (void)err;
    return 0;
}

static void ignore_close(void *context, const struct err *reason)
{
    (void)context, (void)reason;
}

static void open_peer(struct peer *peer, uint32_t index)
{
    static const struct conn_callbacks callbacks = {ignore_frame, ignore_close};
    int fds[2];

    memset(peer, 0, sizeof(*peer));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer->fd = fds[1];
    peer->worker.sup = &sup;
    peer->worker.index = index;
    peer->worker.conn = conn_create(&sup.conns, fds[0], NULL, &callbacks, peer);
    list_init(&peer->worker.calls_from);
    list_init(&peer->worker.calls_to);
    buf_init(&peer->in, 0);
}

static void begin(void)
{
    static const struct calls_hooks hooks = {on_place_free, on_left_queue};

    memset(&sup, 0, sizeof(sup));
    sup.loop = ev_loop_new(0);
    conn_set_init(&sup.conns, sup.loop);
    sup.calls = calls_create(&sup, &hooks);
    open_peer(&asker, 1);
    open_peer(&answerer, 2);
    n_places_free = n_left_queue = 0;
    killed_why = NULL;
}

static void close_peer(struct peer *peer)
{
    conn_destroy(peer->worker.conn);
    close(peer->fd);
    buf_finish(&peer->in);
}

static void end(void)
{
    calls_destroy(sup.calls);
    close_peer(&asker);
    close_peer(&answerer);
    conn_set_finish(&sup.conns);
    ev_loop_destroy(sup.loop);
}

/* The next frame that this peer was sent; 0 = none. */
static uint8_t next_frame(struct peer *peer, struct bytes *body_out)
{
    uint8_t type;
    uint32_t n;
    ssize_t got;

    conn_flush_all(&sup.conns);
    while ((got = recv(peer->fd, buf_reserve(&peer->in, 65536), 65536, 0)) > 0)
        peer->in.end += (size_t)got;
    if (frame_peek(buf_head(&peer->in), buf_len(&peer->in), 1 << 20, &type, &n, NULL) !=
        1)
        return 0;
    *body_out = (struct bytes){buf_head(&peer->in) + FRAME_HEADER_BYTES, n};
    buf_consume(&peer->in, FRAME_HEADER_BYTES + n);
    return type;
}

static struct origin origin_of(uint64_t call)
{
    return (struct origin){
        .type = ORIGIN_WORKER, .call = call, .who.worker = &asker.worker};
}

/* A CALL of the asker with that number, given to the answerer. */
static struct call *ask(uint64_t number, uint64_t deadline_at_ns)
{
    struct frame_call frame = {.call = number,
                               .target = bytes_of_text("app:f"),
                               .args = bytes_of_text("\x00\x90")};
    struct origin origin = origin_of(number);
    struct err err = {0};
    struct call *call =
        calls_open(sup.calls, &origin, FRAME_CALL, deadline_at_ns, &err);
    struct buf buf;

    buf_init(&buf, 0);
    frame_encode_call(&buf, &frame);
    call_send(sup.calls, call, &answerer.worker,
              (struct bytes){buf_head(&buf) + FRAME_HEADER_BYTES,
                             buf_len(&buf) - FRAME_HEADER_BYTES});
    buf_finish(&buf);
    return call;
}

static uint64_t number_seen_by_callee(void)
{
    struct frame_call frame;
    struct bytes body;

    ck_assert_uint_eq(next_frame(&answerer, &body), FRAME_CALL);
    ck_assert_int_eq(frame_decode_call(body, &frame, NULL), 0);
    return frame.call;
}

static int answer(struct worker *from, uint64_t number, uint8_t status,
                  const char *result, struct err *err)
{
    struct frame_reply frame = {
        .call = number, .status = status, .result = bytes_of_text(result)};
    struct buf buf;
    int outcome;

    buf_init(&buf, 0);
    frame_encode_reply(&buf, &frame);
    outcome = calls_on_reply(sup.calls, from,
                             (struct bytes){buf_head(&buf) + FRAME_HEADER_BYTES,
                                            buf_len(&buf) - FRAME_HEADER_BYTES},
                             err);
    buf_finish(&buf);
    return outcome;
}

static struct frame_reply reply_seen_by_caller(void)
{
    struct frame_reply frame = {0};
    struct bytes body;

    ck_assert_uint_eq(next_frame(&asker, &body), FRAME_REPLY);
    ck_assert_int_eq(frame_decode_reply(body, &frame, NULL), 0);
    return frame;
}

static void check_failed(uint64_t number, enum err_kind kind, const char *text)
{
    struct frame_reply reply = reply_seen_by_caller();
    struct err why, err;

    ck_assert_uint_eq(reply.call, number);
    ck_assert_uint_eq(reply.status, REPLY_ERROR);
    ck_assert_int_eq(error_decode(reply.result, &why, &err), 0);
    ck_assert_int_eq(why.kind, kind);
    ck_assert_str_eq(why.text, text);
}

START_TEST(calls_pass_both_ways_with_their_own_numbers)
{
    struct frame_reply reply;
    struct err err = {0};
    uint64_t number;

    begin();
    ask(77, 0);
    number = number_seen_by_callee();
    ck_assert_uint_ne(number, 77);
    ck_assert_int_eq(answer(&answerer.worker, number, REPLY_OK, "result", &err), 0);
    reply = reply_seen_by_caller();
    ck_assert_uint_eq(reply.call, 77);
    ck_assert_uint_eq(reply.status, REPLY_OK);
    ck_assert(bytes_equal_text(reply.result, "result"));
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    end();
}
END_TEST

START_TEST(calls_refuse_answers_of_strangers)
{
    struct bytes body;
    struct err err = {0};
    uint64_t number;

    begin();
    ask(1, 0);
    number = number_seen_by_callee();
    ck_assert_int_eq(answer(&asker.worker, number, REPLY_OK, "", &err), -1);
    ck_assert_int_eq(answer(&answerer.worker, number + 1, REPLY_OK, "", &err), -1);
    ck_assert_int_eq(
        answer(&answerer.worker, number + (1ull << 32), REPLY_OK, "", &err), -1);
    ck_assert_int_eq(answer(&answerer.worker, 0, REPLY_OK, "", &err), -1);
    ck_assert_int_eq(answer(&answerer.worker, UINT64_MAX, REPLY_OK, "", &err), -1);
    ck_assert_int_eq(answer(&answerer.worker, number, 7, "", &err), -1);
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    ck_assert_int_eq(answer(&answerer.worker, number, REPLY_OK, "", &err), 0);
    ck_assert_uint_eq(next_frame(&asker, &body), FRAME_REPLY);
    /* The slot has another generation now. */
    ck_assert_int_eq(answer(&answerer.worker, number, REPLY_OK, "", &err), -1);
    end();
}
END_TEST

START_TEST(calls_cancel_answers_at_once_and_tells_the_callee)
{
    struct origin origin = origin_of(5);
    struct frame_cancel frame;
    struct bytes body;
    struct err err = {0};
    uint64_t number;

    begin();
    ask(5, 0);
    ask(6, 0);
    number = number_seen_by_callee();
    number_seen_by_callee();
    ck_assert(calls_cancel(sup.calls, &origin));
    check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(next_frame(&answerer, &body), FRAME_CANCEL);
    ck_assert_int_eq(frame_decode_cancel(body, &frame, NULL), 0);
    ck_assert_uint_eq(frame.call, number);
    ck_assert(!calls_cancel(sup.calls, &origin)); /* once is enough */
    ck_assert_int_eq(answer(&answerer.worker, number, REPLY_OK, "late", &err), 0);
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 1);
    end();
}
END_TEST

START_TEST(calls_linger_until_free)
{
    struct frame_free frame;
    struct frame_reply reply;
    struct err err = {0};
    struct call *call;
    struct buf buf;

    begin();
    call = ask(9, 0);
    frame.call = number_seen_by_callee();
    call->pool = (struct pool *)(uintptr_t)16; /* only handed back */
    answerer.worker.n_busy = 1;
    ck_assert_int_eq(
        answer(&answerer.worker, frame.call, REPLY_OK | REPLY_LINGERS, "x", &err), 0);
    reply = reply_seen_by_caller();
    ck_assert_uint_eq(reply.status, REPLY_OK);
    ck_assert_int_eq(n_places_free, 0);
    ck_assert_uint_eq(answerer.worker.n_busy, 1);
    ck_assert_int_eq(answer(&answerer.worker, frame.call, REPLY_OK, "y", &err), -1);
    buf_init(&buf, 0);
    frame_encode_free(&buf, &frame);
    ck_assert_int_eq(calls_on_free(sup.calls, &answerer.worker,
                                   (struct bytes){buf_head(&buf) + FRAME_HEADER_BYTES,
                                                  buf_len(&buf) - FRAME_HEADER_BYTES},
                                   &err),
                     0);
    buf_finish(&buf);
    ck_assert_int_eq(n_places_free, 1);
    ck_assert_uint_eq(answerer.worker.n_busy, 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    end();
}
END_TEST

START_TEST(calls_death_of_the_callee_answers_all)
{
    struct bytes body;

    begin();
    for (uint64_t i = 1; i <= 100; i++)
        ask(i, 0);
    calls_worker_stops_answering(sup.calls, &answerer.worker,
                                 "was killed by signal 11 (SIGSEGV)");
    for (uint64_t i = 1; i <= 100; i++)
        check_failed(i, ERR_UNAVAILABLE,
                     "worker of app:f was killed by signal 11 (SIGSEGV)");
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    end();
}
END_TEST

START_TEST(calls_death_of_the_caller_cancels)
{
    struct bytes body;
    struct err err = {0};
    uint64_t number;

    begin();
    ask(1, 0);
    number = number_seen_by_callee();
    calls_worker_stops_asking(sup.calls, &asker.worker);
    ck_assert_uint_eq(next_frame(&answerer, &body), FRAME_CANCEL);
    ck_assert_uint_eq(calls_n_open(sup.calls), 1); /* the callee is still at it */
    ck_assert_int_eq(answer(&answerer.worker, number, REPLY_OK, "", &err), 0);
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    end();
}
END_TEST

START_TEST(calls_numbers_stay_apart_when_there_are_many)
{
    struct err err = {0};
    static uint64_t numbers[5000];
    struct bytes body;

    begin();
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i++) {
        struct call *call = ask(i, 0);

        numbers[i] = call->number;
    }
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i += 2) {
        struct origin origin = origin_of(i);

        ck_assert(calls_cancel(sup.calls, &origin));
    }
    for (uint64_t i = 1; i < N_ELEMENTS(numbers); i += 2)
        ck_assert_int_eq(answer(&answerer.worker, numbers[i], REPLY_OK, "", &err), 0);
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i += 2)
        ck_assert_int_eq(answer(&answerer.worker, numbers[i], REPLY_ERROR, "", &err),
                         0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i++)
        reply_seen_by_caller();
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    end();
}
END_TEST

/* ---- due times ---------------------------------------------------------------------
 */

START_TEST(due_heap_gives_the_earliest)
{
    struct call calls[500] = {0};
    struct due_heap heap;
    uint64_t last = 0, seed = 12345;

    due_init(&heap);
    for (unsigned i = 0; i < N_ELEMENTS(calls); i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        calls[i].due_at_ns = seed >> 40;
        due_add(&heap, &calls[i]);
    }
    for (unsigned i = 0; i < N_ELEMENTS(calls); i += 3)
        due_remove(&heap, &calls[i]);
    due_remove(&heap, &calls[0]); /* not in: harmless */
    for (unsigned n = heap.n; n != 0; n--) {
        struct call *first = due_first(&heap);

        ck_assert_uint_ge(first->due_at_ns, last);
        last = first->due_at_ns;
        due_remove(&heap, first);
        ck_assert_uint_eq(first->heap_at, 0);
    }
    ck_assert_ptr_null(due_first(&heap));
    due_finish(&heap);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, calls_pass_both_ways_with_their_own_numbers);
    tcase_add_test(tc, calls_refuse_answers_of_strangers);
    tcase_add_test(tc, calls_cancel_answers_at_once_and_tells_the_callee);
    tcase_add_test(tc, calls_linger_until_free);
    tcase_add_test(tc, calls_death_of_the_callee_answers_all);
    tcase_add_test(tc, calls_death_of_the_caller_cancels);
    tcase_add_test(tc, calls_numbers_stay_apart_when_there_are_many);
    tcase_add_test(tc, due_heap_gives_the_earliest);
}

int main(void)
{
    return unit_main("calls", fill);
}
