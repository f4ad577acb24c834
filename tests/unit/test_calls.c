#include "supervisor/calls.h"

#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/calls_due.h"
#include "supervisor/core.h"
#include "supervisor/retry.h"
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
static int n_places_free, n_left_queue, n_again;
static const char *killed_why;
static enum worker_hearing hearing;
static int n_asked_hearing;

/* What calls.c wants of worker.c; a worker without a process has no more to it. */
void worker_kill(struct worker *worker, const char *why)
{
    (void)worker;
    killed_why = why;
}

void worker_ask_hearing(struct worker *worker)
{
    (void)worker;
    n_asked_hearing++;
}

enum worker_hearing worker_hearing(const struct worker *worker, uint32_t busy_ms)
{
    (void)worker, (void)busy_ms;
    return hearing;
}

const char *worker_entry(const struct worker *worker)
{
    (void)worker;
    return "app:f";
}

static void on_place_free(struct pool *pool, struct worker *worker, bool has_ended)
{
    (void)pool, (void)worker, (void)has_ended;
    n_places_free++;
}

static void on_left_queue(struct pool *pool, uint32_t body_bytes)
{
    (void)pool, (void)body_bytes;
    n_left_queue++;
}

/* Another attempt goes to the same worker. */
static void again(struct supervisor *of, struct call *call, struct bytes body)
{
    n_again++;
    call_send(of->calls, call, &answerer.worker, body);
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
    peer_use_init(&peer->worker.use);
    list_init(&peer->worker.calls_to);
    buf_init(&peer->in, 0);
}

static void begin(void)
{
    static const struct calls_hooks hooks = {
        .on_place_free = on_place_free, .on_left_queue = on_left_queue, .again = again};

    memset(&sup, 0, sizeof(sup));
    sup.loop = ev_loop_new(0);
    conn_set_init(&sup.conns, sup.loop);
    sup.calls = calls_create(&sup, &hooks);
    open_peer(&asker, 1);
    open_peer(&answerer, 2);
    n_places_free = n_left_queue = n_again = 0;
    killed_why = NULL;
    hearing = WORKER_SILENT;
    n_asked_hearing = 0;
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

/* A CALL of the asker with that number, given to the answerer. policy NULL = once. */
static struct call *ask_with(uint64_t number, uint64_t deadline_at_ns,
                             const struct retry_policy *policy)
{
    struct frame_call frame = {.call = number,
                               .target = bytes_of_text("app:f"),
                               .args = bytes_of_text("\x00\x90")};
    struct origin origin = origin_of(number);
    struct err err = {0};
    struct call *call =
        calls_open(sup.calls, &origin, FRAME_CALL, deadline_at_ns, &err);
    struct bytes body;
    struct buf buf;

    buf_init(&buf, 0);
    frame_encode_call(&buf, &frame);
    body = (struct bytes){buf_head(&buf) + FRAME_HEADER_BYTES,
                          buf_len(&buf) - FRAME_HEADER_BYTES};
    if (policy != NULL)
        ck_assert(call_may_retry(sup.calls, call, policy, body));
    call_send(sup.calls, call, &answerer.worker, body);
    buf_finish(&buf);
    return call;
}

static struct call *ask(uint64_t number, uint64_t deadline_at_ns)
{
    return ask_with(number, deadline_at_ns, NULL);
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

/* L6: who runs and doesn't hear has less time than who hears, or can't run. */
START_TEST(calls_cancelled_callee_has_its_grace)
{
    static const struct {
        enum worker_hearing hearing;
        uint64_t least_ms;
    } rows[] = {{WORKER_IS_DEAF, 10}, {WORKER_SILENT, 200}, {WORKER_HEARS, 200}};
    struct origin origin = origin_of(5);
    struct call *call;
    uint64_t began_ns;

    begin();
    hearing = rows[_i].hearing;
    calls_set_grace_ms(sup.calls, 200, 10);
    call = ask(5, 0);
    call->pool = (struct pool *)&sup; /* any will do: nobody looks into it */
    began_ns = (uint64_t)clock_monotonic_ns();
    ck_assert(calls_cancel(sup.calls, &origin));
    ck_assert_int_eq(n_asked_hearing, 1);
    while (killed_why == NULL)
        ev_run(sup.loop, EVRUN_ONCE);
    ck_assert_uint_ge((uint64_t)clock_monotonic_ns() - began_ns,
                      rows[_i].least_ms * 1000000);
    if (rows[_i].hearing == WORKER_IS_DEAF) /* the other timer is far away */
        ck_assert_uint_lt((uint64_t)clock_monotonic_ns(), call->grace_until_ns);
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

/* ---- further attempts ------------------------------------------------------------ */

/* At once, or (slow) after an hour. */
static struct retry_policy *policy_of(int64_t max_attempts, bool slow)
{
    struct value retry = value_map();
    struct retry_policy *policy;

    value_put(&retry, "max_attempts", value_int(max_attempts));
    value_put(&retry, "initial_delay", value_int(slow ? 3600000 : 1));
    value_put(&retry, "max_delay", value_int(slow ? 3600000 : 1));
    policy = retry_policy_create(&retry);
    value_finish(&retry);
    return policy;
}

static void answer_failed(uint64_t number, enum err_kind kind)
{
    struct frame_reply frame = {.call = number, .status = REPLY_ERROR};
    struct err why, err = {0};
    struct buf error, buf;

    err_set(&why, kind, "it failed");
    buf_init(&error, 0);
    buf_init(&buf, 0);
    error_encode(&error, &why);
    frame.result = buf_bytes(&error);
    frame_encode_reply(&buf, &frame);
    ck_assert_int_eq(calls_on_reply(sup.calls, &answerer.worker,
                                    (struct bytes){buf_head(&buf) + FRAME_HEADER_BYTES,
                                                   buf_len(&buf) - FRAME_HEADER_BYTES},
                                    &err),
                     0);
    buf_finish(&error);
    buf_finish(&buf);
}

static void run_until_again(int n)
{
    while (n_again < n)
        ev_run(sup.loop, EVRUN_ONCE);
}

START_TEST(calls_are_tried_again_with_new_numbers)
{
    struct retry_policy *policy = policy_of(3, false);
    struct bytes body;
    struct err err = {0};
    uint64_t first, second;

    begin();
    ask_with(5, 0, policy);
    first = number_seen_by_callee();
    answer_failed(first, ERR_UNAVAILABLE);
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    /* Between attempts nobody has the call. */
    ck_assert_int_eq(answer(&answerer.worker, first, REPLY_OK, "late", &err), -1);
    run_until_again(1);
    second = number_seen_by_callee();
    ck_assert_uint_ne(first, second);
    ck_assert_int_eq(answer(&answerer.worker, first, REPLY_OK, "late", &err), -1);
    ck_assert_int_eq(answer(&answerer.worker, second, REPLY_OK, "good", &err), 0);
    ck_assert(bytes_equal_text(reply_seen_by_caller().result, "good"));
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    retry_policy_unref(policy);
    end();
}
END_TEST

START_TEST(calls_give_the_last_error_when_attempts_are_used_up)
{
    struct retry_policy *policy = policy_of(3, false);
    struct bytes body;

    begin();
    ask_with(5, 0, policy);
    answer_failed(number_seen_by_callee(), ERR_UNAVAILABLE);
    run_until_again(1);
    answer_failed(number_seen_by_callee(), ERR_TIMEOUT);
    run_until_again(2);
    answer_failed(number_seen_by_callee(), ERR_RATE_LIMITED);
    check_failed(5, ERR_RATE_LIMITED, "it failed");
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    ck_assert_int_eq(n_again, 2);
    retry_policy_unref(policy);
    end();
}
END_TEST

START_TEST(calls_keep_only_so_many_bytes_for_further_attempts)
{
    struct retry_policy *policy = policy_of(3, false);
    size_t n = CALLS_KEPT_MAX_BYTES / 5 * 2;
    struct bytes body = {xcalloc(1, n), n};

    begin();
    for (uint64_t i = 0; i < 3; i++)
        ck_assert(call_may_retry(sup.calls, ask(i, 0), policy, body) == (i < 2));
    ck_assert_uint_eq(calls_kept_bytes(sup.calls), 2 * n);
    for (int i = 0; i < 3; i++) { /* who has an answer needs no other attempt */
        uint64_t number = number_seen_by_callee();
        struct err err = {0};

        ck_assert_int_eq(answer(&answerer.worker, number, REPLY_OK, "good", &err), 0);
    }
    ck_assert_uint_eq(calls_kept_bytes(sup.calls), 0);
    free((void *)body.data);
    retry_policy_unref(policy);
    end();
}
END_TEST

START_TEST(calls_of_a_dead_callee_are_tried_again)
{
    struct retry_policy *policy = policy_of(2, false);
    struct err err = {0};

    begin();
    ask_with(5, 0, policy);
    ask(6, 0);
    number_seen_by_callee();
    number_seen_by_callee();
    calls_worker_stops_answering(sup.calls, &answerer.worker, "exited with status 1");
    check_failed(6, ERR_UNAVAILABLE, "worker of app:f exited with status 1");
    run_until_again(1);
    ck_assert_int_eq(
        answer(&answerer.worker, number_seen_by_callee(), REPLY_OK, "x", &err), 0);
    ck_assert_uint_eq(reply_seen_by_caller().call, 5);
    retry_policy_unref(policy);
    end();
}
END_TEST

START_TEST(calls_that_wait_for_an_attempt_can_be_cancelled)
{
    struct retry_policy *policy = policy_of(9, true);
    struct origin origin = origin_of(5);
    struct bytes body;

    begin();
    ask_with(5, 0, policy);
    answer_failed(number_seen_by_callee(), ERR_UNAVAILABLE);
    ck_assert(calls_cancel(sup.calls, &origin));
    check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(next_frame(&answerer, &body), 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    ck_assert_int_eq(n_left_queue, 0);

    ask_with(6, 0, policy);
    answer_failed(number_seen_by_callee(), ERR_UNAVAILABLE);
    calls_worker_stops_asking(sup.calls, &asker.worker);
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    retry_policy_unref(policy);
    end();
}
END_TEST

START_TEST(calls_deadline_ends_the_waiting)
{
    struct retry_policy *policy = policy_of(9, true);
    struct frame_reply reply;
    struct err why, err;

    begin();
    ask_with(5, (uint64_t)clock_monotonic_ns() + 20000000, policy);
    answer_failed(number_seen_by_callee(), ERR_UNAVAILABLE);
    while (calls_n_open(sup.calls) != 0)
        ev_run(sup.loop, EVRUN_ONCE);
    reply = reply_seen_by_caller();
    ck_assert_int_eq(error_decode(reply.result, &why, &err), 0);
    ck_assert_int_eq(why.kind, ERR_TIMEOUT);
    ck_assert_msg(unit_tells_timeout(why.text, 20), "%s", why.text);
    ck_assert_int_eq(n_again, 0);
    retry_policy_unref(policy);
    end();
}
END_TEST

/* However late the machine is: what was asked for is told, not what was left of it. */
START_TEST(calls_tell_the_timeout_that_was_asked_for)
{
    static const struct {
        uint64_t deadline_ms, timeout_ms, due_ms;
        const char *text;
    } rows[] = {
        {0, 7, 7, "function execution timed out after 7ms"},
        {3600000, 7, 7, "function execution timed out after 7ms"},
        {5, 20, 5, "function execution timed out after 20ms"}, /* held for 15 ms */
        {5, 0, 5, NULL},
    };
    uint64_t start = (uint64_t)clock_monotonic_ns(), deadline;
    struct origin origin = origin_of(6);
    struct frame_reply reply;
    struct err why, err;
    struct call *call;

    begin();
    deadline = rows[_i].deadline_ms ? start + rows[_i].deadline_ms * 1000000 : 0;
    call = calls_open_within(sup.calls, &origin, deadline,
                             rows[_i].timeout_ms * 1000000, &err);
    ck_assert_ptr_nonnull(call);
    ck_assert_uint_ge(call->due_at_ns, start + rows[_i].due_ms * 1000000);
    call->state = CALL_AWAY;
    while (calls_n_open(sup.calls) != 0)
        ev_run(sup.loop, EVRUN_ONCE);
    reply = reply_seen_by_caller();
    ck_assert_int_eq(error_decode(reply.result, &why, &err), 0);
    if (rows[_i].text != NULL)
        ck_assert_str_eq(why.text, rows[_i].text);
    else
        ck_assert_msg(unit_tells_timeout(why.text, 5), "%s", why.text);
    end();
}
END_TEST

START_TEST(calls_cancelled_while_they_run_are_not_tried_again)
{
    struct retry_policy *policy = policy_of(9, false);
    struct origin origin = origin_of(5);
    struct frame_cancel frame;
    struct bytes body;
    uint64_t number;

    begin();
    ask_with(5, 0, policy);
    number = number_seen_by_callee();
    ck_assert(calls_cancel(sup.calls, &origin));
    check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(next_frame(&answerer, &body), FRAME_CANCEL);
    ck_assert_int_eq(frame_decode_cancel(body, &frame, NULL), 0);
    ck_assert_uint_eq(frame.call, number);
    answer_failed(number, ERR_UNAVAILABLE);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    retry_policy_unref(policy);
    end();
}
END_TEST

/* F-34: what the callee calls in turn inherits the deadline that it is told. */
START_TEST(calls_tell_the_callee_the_deadline_that_counts)
{
    uint64_t deadline_at_ns = (uint64_t)clock_monotonic_ns() + 3600000000000u;
    struct frame_call frame;
    struct bytes body;

    begin();
    ask(5, deadline_at_ns); /* in its frame stands none */
    ck_assert_uint_eq(next_frame(&answerer, &body), FRAME_CALL);
    ck_assert_int_eq(frame_decode_call(body, &frame, NULL), 0);
    ck_assert_uint_eq(frame.deadline_at_ns, deadline_at_ns);
    end();
}
END_TEST

/* ---- answered by others ---------------------------------------------------------- */

static void note_withdrawn(void *note)
{
    ++*(int *)note;
}

START_TEST(calls_given_away_are_answered_or_withdrawn)
{
    struct origin origin = origin_of(5);
    struct err err = {0};
    int n_withdrawn = 0;
    struct bytes body;
    struct call *call;

    begin();
    call = calls_open(sup.calls, &origin, FRAME_CALL, 0, &err);
    call_give_away(call, note_withdrawn, &n_withdrawn);
    call_answer(sup.calls, call, REPLY_OK, bytes_of_text("done"));
    ck_assert(bytes_equal_text(reply_seen_by_caller().result, "done"));
    ck_assert_int_eq(n_withdrawn, 0);

    call = calls_open(sup.calls, &origin, FRAME_CALL, 0, &err);
    call_give_away(call, note_withdrawn, &n_withdrawn);
    ck_assert(calls_cancel(sup.calls, &origin));
    check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_int_eq(n_withdrawn, 1);

    call = calls_open(sup.calls, &origin, FRAME_CALL, 0, &err);
    call_give_away(call, note_withdrawn, &n_withdrawn);
    calls_worker_stops_asking(sup.calls, &asker.worker);
    ck_assert_int_eq(n_withdrawn, 2);
    ck_assert_uint_eq(next_frame(&asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    end();
}
END_TEST

/* ---- due times ------------------------------------------------------------------- */

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
    tcase_add_loop_test(tc, calls_cancelled_callee_has_its_grace, 0, 3);
    tcase_add_test(tc, calls_death_of_the_caller_cancels);
    tcase_add_test(tc, calls_numbers_stay_apart_when_there_are_many);
    tcase_add_test(tc, calls_are_tried_again_with_new_numbers);
    tcase_add_test(tc, calls_give_the_last_error_when_attempts_are_used_up);
    tcase_add_test(tc, calls_keep_only_so_many_bytes_for_further_attempts);
    tcase_add_test(tc, calls_of_a_dead_callee_are_tried_again);
    tcase_add_test(tc, calls_that_wait_for_an_attempt_can_be_cancelled);
    tcase_add_test(tc, calls_deadline_ends_the_waiting);
    tcase_add_loop_test(tc, calls_tell_the_timeout_that_was_asked_for, 0, 4);
    tcase_add_test(tc, calls_cancelled_while_they_run_are_not_tried_again);
    tcase_add_test(tc, calls_tell_the_callee_the_deadline_that_counts);
    tcase_add_test(tc, calls_given_away_are_answered_or_withdrawn);
    tcase_add_test(tc, due_heap_gives_the_earliest);
}

int main(void)
{
    return unit_main("calls", fill);
}
