#include "tests/unit/calls_fake.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>
#include <ev.h>

#include "proto/conn.h"
#include "proto/value_codec.h"

struct calls_fake fake;

/* What calls.c wants of worker.c; a worker without a process has no more to it. */
void worker_kill(struct worker *worker, const char *why)
{
    (void)worker;
    fake.killed_why = why;
}

void worker_ask_hearing(struct worker *worker)
{
    (void)worker;
    fake.n_asked_hearing++;
}

enum worker_hearing worker_hearing(const struct worker *worker, uint32_t busy_ms)
{
    (void)worker, (void)busy_ms;
    return fake.hearing;
}

const char *worker_entry(const struct worker *worker)
{
    (void)worker;
    return "app:f";
}

static void on_place_free(struct pool *pool, struct worker *worker, bool has_ended)
{
    (void)pool, (void)worker, (void)has_ended;
    fake.n_places_free++;
}

static void on_left_queue(struct pool *pool, uint32_t body_bytes)
{
    (void)pool, (void)body_bytes;
    fake.n_left_queue++;
}

/* Another attempt goes to the same worker. */
static void again(struct supervisor *of, struct call *call, struct bytes body)
{
    fake.n_again++;
    call_send(of->calls, call, &fake.answerer.worker, body);
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

static void open_peer(struct fake_peer *peer, uint32_t index)
{
    static const struct conn_callbacks callbacks = {ignore_frame, ignore_close};
    int fds[2];

    memset(peer, 0, sizeof(*peer));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer->fd = fds[1];
    peer->worker.sup = &fake.sup;
    peer->worker.index = index;
    peer->worker.conn = conn_create(&fake.sup.conns, fds[0], NULL, &callbacks, peer);
    peer_use_init(&peer->worker.use);
    list_init(&peer->worker.calls_to);
    buf_init(&peer->in, 0);
}

void fake_begin(void)
{
    static const struct calls_hooks hooks = {
        .on_place_free = on_place_free, .on_left_queue = on_left_queue, .again = again};

    memset(&fake, 0, sizeof(fake));
    fake.sup.loop = ev_loop_new(0);
    conn_set_init(&fake.sup.conns, fake.sup.loop);
    fake.sup.calls = calls_create(&fake.sup, &hooks);
    open_peer(&fake.asker, 1);
    open_peer(&fake.answerer, 2);
    fake.hearing = WORKER_SILENT;
}

static void close_peer(struct fake_peer *peer)
{
    conn_destroy(peer->worker.conn);
    close(peer->fd);
    buf_finish(&peer->in);
}

void fake_end(void)
{
    calls_destroy(fake.sup.calls);
    close_peer(&fake.asker);
    close_peer(&fake.answerer);
    conn_set_finish(&fake.sup.conns);
    ev_loop_destroy(fake.sup.loop);
}

uint8_t fake_next_frame(struct fake_peer *peer, struct bytes *body_out)
{
    uint8_t type;
    uint32_t n;
    ssize_t got;

    conn_flush_all(&fake.sup.conns);
    while ((got = recv(peer->fd, buf_reserve(&peer->in, 65536), 65536, 0)) > 0)
        peer->in.end += (size_t)got;
    if (frame_peek(buf_head(&peer->in), buf_len(&peer->in), 1 << 20, &type, &n, NULL) !=
        1)
        return 0;
    *body_out = (struct bytes){buf_head(&peer->in) + FRAME_HEADER_BYTES, n};
    buf_consume(&peer->in, FRAME_HEADER_BYTES + n);
    return type;
}

struct origin fake_origin(uint64_t call)
{
    return (struct origin){
        .type = ORIGIN_WORKER, .call = call, .who.worker = &fake.asker.worker};
}

struct call *fake_ask_with(uint64_t number, uint64_t deadline_at_ns,
                           const struct retry_policy *policy)
{
    static const uint8_t no_args[] = {0, 0x90};
    struct frame_call frame = {.call = number,
                               .target = bytes_of_text("app:f"),
                               .args = {no_args, sizeof(no_args)}};
    struct origin origin = fake_origin(number);
    struct err err = {0};
    struct call *call =
        calls_open(fake.sup.calls, &origin, FRAME_CALL, deadline_at_ns, &err);
    struct buf buf;

    buf_init(&buf, 0);
    frame_encode_call(&buf, &frame);
    buf_consume(&buf, FRAME_HEADER_BYTES);
    if (policy != NULL)
        ck_assert(call_may_retry(fake.sup.calls, call, policy, buf_bytes(&buf)));
    call_send(fake.sup.calls, call, &fake.answerer.worker, buf_bytes(&buf));
    buf_finish(&buf);
    return call;
}

struct call *fake_ask(uint64_t number, uint64_t deadline_at_ns)
{
    return fake_ask_with(number, deadline_at_ns, NULL);
}

uint64_t fake_number_at_callee(void)
{
    struct frame_call frame;
    struct bytes body;

    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), FRAME_CALL);
    ck_assert_int_eq(frame_decode_call(body, &frame, NULL), 0);
    return frame.call;
}

int fake_answer(struct worker *from, uint64_t number, uint8_t status,
                struct bytes result, struct err *err)
{
    struct frame_reply frame = {.call = number, .status = status, .result = result};
    struct buf buf;
    int outcome;

    buf_init(&buf, 0);
    frame_encode_reply(&buf, &frame);
    buf_consume(&buf, FRAME_HEADER_BYTES);
    outcome = calls_on_reply(fake.sup.calls, from, buf_bytes(&buf), err);
    buf_finish(&buf);
    return outcome;
}

struct frame_reply fake_reply_at_caller(void)
{
    struct frame_reply frame = {0};
    struct bytes body;

    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), FRAME_REPLY);
    ck_assert_int_eq(frame_decode_reply(body, &frame, NULL), 0);
    return frame;
}

void fake_check_failed(uint64_t number, enum err_kind kind, const char *text)
{
    struct frame_reply reply = fake_reply_at_caller();
    struct err why, err;

    ck_assert_uint_eq(reply.call, number);
    ck_assert_uint_eq(reply.status, REPLY_ERROR);
    ck_assert_int_eq(error_decode(reply.result, &why, &err), 0);
    ck_assert_int_eq(why.kind, kind);
    ck_assert_str_eq(why.text, text);
}
