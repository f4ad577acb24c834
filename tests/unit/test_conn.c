#include "proto/conn.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/err.h"

#include "proto/frame.h"

/* One conn on one end of a socketpair; the test holds the other end. */
struct fixture {
    struct ev_loop *loop;
    struct conn_set set;
    struct conn *conn;
    int peer_fd, n_frames, n_closed;
    size_t n_body_bytes;
    bool refuse, destroy_in_callback;
    int64_t each_takes_ns;
    char reason[480];
};

static int on_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    struct fixture *f = context;

    (void)type;
    f->n_frames++;
    f->n_body_bytes += body.n;
    for (int64_t end_ns = clock_monotonic_ns() + f->each_takes_ns;
         f->each_takes_ns != 0 && clock_monotonic_ns() < end_ns;)
        ;
    if (f->destroy_in_callback) {
        conn_destroy(f->conn);
        f->conn = NULL;
    }
    return f->refuse ? err_set(err, ERR_INVALID, "refused") : 0;
}

static void on_closed(void *context, const struct err *reason)
{
    struct fixture *f = context;

    f->n_closed++;
    snprintf(f->reason, sizeof(f->reason), "%s", reason->text);
}

static void begin(struct fixture *f, const struct conn_limits *limits)
{
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    int fds[2];

    *f = (struct fixture){.loop = ev_loop_new(0)};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    conn_set_init(&f->set, f->loop);
    f->peer_fd = fds[1];
    f->conn = conn_create(&f->set, fds[0], limits, &callbacks, f);
}

static void end(struct fixture *f)
{
    conn_destroy(f->conn);
    conn_set_finish(&f->set);
    if (f->peer_fd != -1)
        close(f->peer_fd);
    ev_loop_destroy(f->loop);
}

static void turn(struct fixture *f)
{
    for (int i = 0; i < 3; i++)
        ev_run(f->loop, EVRUN_NOWAIT);
}

static void encode_ping(struct buf *buf, uint64_t seq)
{
    ck_assert(frame_encode_ping(buf, &(struct frame_ping){.seq = seq}));
}

/* What the peer sends at once. */
static void receive_pings(struct fixture *f, unsigned n)
{
    struct buf buf;

    buf_init(&buf, 0);
    for (unsigned i = 0; i < n; i++)
        encode_ping(&buf, i);
    ck_assert_int_eq(write(f->peer_fd, buf_head(&buf), buf_len(&buf)),
                     (ssize_t)buf_len(&buf));
    buf_finish(&buf);
}

START_TEST(conn_reads_frames_in_any_slices)
{
    struct fixture f;
    struct buf buf;

    begin(&f, NULL);
    buf_init(&buf, 0);
    for (int i = 0; i < 10; i++)
        encode_ping(&buf, (uint64_t)i);
    for (size_t i = 0; i < buf_len(&buf); i++) {
        ck_assert_int_eq(write(f.peer_fd, buf_head(&buf) + i, 1), 1);
        turn(&f);
        ck_assert_int_eq(f.n_frames, (int)((i + 1) / 15));
    }
    ck_assert_int_eq(f.n_frames, 10);
    buf_finish(&buf);
    end(&f);
}
END_TEST

/* 1000 frames of 50 us each are 50 ms, which no turn has; all come, before the end. */
START_TEST(conn_leaves_frames_for_the_next_turn)
{
    struct fixture f;
    int n_turns = 0, n_before;

    begin(&f, NULL);
    f.each_takes_ns = 50000;
    receive_pings(&f, 1000);
    shutdown(f.peer_fd, SHUT_RDWR);
    while (f.n_closed == 0) {
        n_before = f.n_frames;
        ev_run(f.loop, EVRUN_ONCE);
        ck_assert_int_le(f.n_frames - n_before, 200);
        n_turns++;
    }
    ck_assert_int_eq(f.n_frames, 1000);
    ck_assert_int_ge(n_turns, 10);
    end(&f);
}
END_TEST

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    const struct fixture *f = timer->data;

    (void)loop, (void)revents;
    ck_assert_int_eq(f->n_frames, 1);
}

/* Who slept finds both at once: what came, and that the time for it is over. */
START_TEST(conn_reads_before_timers_ring)
{
    struct fixture f;
    ev_timer timer;

    begin(&f, NULL);
    receive_pings(&f, 1);
    ev_timer_init(&timer, on_timer, 0., 0.);
    timer.data = &f;
    ev_timer_start(f.loop, &timer);
    while (ev_is_active(&timer))
        ev_run(f.loop, EVRUN_ONCE);
    ck_assert_int_eq(f.n_frames, 1);
    end(&f);
}
END_TEST

START_TEST(conn_hands_out_what_came_before_the_end)
{
    struct fixture f;

    begin(&f, NULL);
    receive_pings(&f, 2);
    shutdown(f.peer_fd, SHUT_RDWR);
    turn(&f);
    ck_assert_int_eq(f.n_frames, 2);
    ck_assert_int_eq(f.n_closed, 1);
    ck_assert(conn_is_closed(f.conn));
    end(&f);
}
END_TEST

/* A write that fails says nothing about what is still to be read. */
START_TEST(conn_reads_on_when_the_peer_takes_nothing)
{
    struct fixture f;

    begin(&f, NULL);
    receive_pings(&f, 1);
    close(f.peer_fd);
    f.peer_fd = -1;
    ck_assert(conn_forward(f.conn, FRAME_READY, (struct bytes){0}));
    conn_flush(f.conn);
    ck_assert(conn_is_closed(f.conn));
    ck_assert(!conn_forward(f.conn, FRAME_READY, (struct bytes){0}));
    turn(&f);
    ck_assert_int_eq(f.n_frames, 1);
    ck_assert_int_eq(f.n_closed, 1);
    ck_assert_uint_eq(conn_pending_bytes(f.conn), 0);
    end(&f);
}
END_TEST

START_TEST(conn_coalesces_and_writes_at_the_end_of_the_turn)
{
    uint8_t bytes[4096];
    struct fixture f;

    begin(&f, NULL);
    for (int i = 0; i < 20; i++) {
        encode_ping(conn_out(f.conn), (uint64_t)i);
        conn_wrote(f.conn);
    }
    ck_assert_int_eq(read(f.peer_fd, bytes, sizeof(bytes)), -1);
    turn(&f);
    ck_assert_int_eq(read(f.peer_fd, bytes, sizeof(bytes)), 20 * 15);
    ck_assert_uint_eq(conn_pending_bytes(f.conn), 0);
    end(&f);
}
END_TEST

START_TEST(conn_closes_on_garbage_and_on_refused_frames)
{
    struct fixture f;

    begin(&f, NULL);
    ck_assert_int_eq(write(f.peer_fd, "GET / HTTP/1.1\r\n", 16), 16);
    turn(&f);
    ck_assert_int_eq(f.n_closed, 1);
    ck_assert_ptr_ne(strstr(f.reason, "not a frame"), NULL);
    end(&f);

    begin(&f, NULL);
    f.refuse = true;
    receive_pings(&f, 2);
    turn(&f);
    ck_assert_int_eq(f.n_frames, 1);
    ck_assert_str_eq(f.reason, "refused");
    end(&f);
}
END_TEST

START_TEST(conn_bounds_what_waits_for_a_slow_peer)
{
    struct conn_limits limits = conn_limits_default;
    static uint8_t body[10000];
    struct fixture f;
    int n = 0;

    limits.high_water_bytes = 50000;
    limits.out_max_bytes = 400000;
    begin(&f, &limits);
    while (conn_forward(f.conn, FRAME_ITEM, (struct bytes){body, sizeof(body)})) {
        n++;
        ck_assert_int_eq(conn_is_congested(f.conn), n >= 5);
        ck_assert_int_lt(n, 100);
    }
    ck_assert_int_eq(f.n_closed, 0); /* never from inside the caller's own call */
    turn(&f);
    ck_assert_int_eq(f.n_closed, 1);
    ck_assert_ptr_ne(strstr(f.reason, "too slowly"), NULL);
    end(&f);
}
END_TEST

/* _i: it reads nothing of what is left for it. */
START_TEST(conn_shutdown_waits_for_a_peer_but_not_for_ever)
{
    const size_t n = (size_t)4 * 1024 * 1024;
    uint64_t before_ms = clock_monotonic_ms();
    struct fixture f;
    struct frame_log log = {.record = {xcalloc(1, n), n}};
    char room[65536];

    begin(&f, NULL);
    ck_assert(frame_encode_log(conn_out(f.conn), &log));
    conn_wrote(f.conn);
    turn(&f);
    conn_shutdown(f.conn);
    ck_assert(conn_is_closed(f.conn));
    turn(&f);
    ck_assert_int_eq(f.n_closed, 0);
    while (f.n_closed == 0) {
        if (_i == 0)
            (void)!read(f.peer_fd, room, sizeof(room));
        ev_run(f.loop, _i == 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
    }
    ck_assert_str_eq(f.reason, "closed on this side");
    ck_assert(_i == 0 || clock_monotonic_ms() - before_ms > 1900);
    ck_assert((conn_pending_bytes(f.conn) == 0) == (_i == 0));
    while (read(f.peer_fd, room, sizeof(room)) > 0)
        ;
    turn(&f); /* once is enough */
    ck_assert_int_eq(f.n_closed, 1);
    free((void *)log.record.data);
    end(&f);
}
END_TEST

START_TEST(conn_passes_descriptors_with_their_frames)
{
    struct fixture a;
    struct conn_set *set = &a.set;
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct conn_limits limits = conn_limits_default;
    struct fixture b = {0};
    struct stat_pair {
        int fds[2];
    } pipe_a;
    char byte = 0;
    int got;

    limits.takes_fds = true;
    begin(&a, NULL);
    b.conn = conn_create(set, dup(a.peer_fd), &limits, &callbacks, &b);
    ck_assert_int_eq(pipe(pipe_a.fds), 0);
    encode_ping(conn_out(a.conn), 1);
    ck_assert(conn_attach_fd(a.conn, pipe_a.fds[1]));
    encode_ping(conn_out(a.conn), 2);
    ck_assert(conn_attach_fd(a.conn, pipe_a.fds[0]));
    encode_ping(conn_out(a.conn), 3);
    conn_wrote(a.conn);
    turn(&a);
    turn(&a);
    ck_assert_int_eq(b.n_frames, 3);
    got = conn_take_fd(b.conn);
    ck_assert_int_eq(write(got, "x", 1), 1);
    ck_assert_int_eq(fcntl(got, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(read(pipe_a.fds[0], &byte, 1), 1);
    close(got);
    close(conn_take_fd(b.conn));
    ck_assert_int_eq(conn_take_fd(b.conn), -1);
    close(pipe_a.fds[0]);
    close(pipe_a.fds[1]);
    conn_destroy(b.conn);
    end(&a);
}
END_TEST

/* Two for one byte of the stream could never leave. */
START_TEST(conn_keeps_one_descriptor_for_a_frame_M3)
{
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct conn_limits limits = conn_limits_default;
    struct fixture a, b = {0};
    struct stat sent, got;
    int fds[2], fd;

    limits.takes_fds = true;
    begin(&a, NULL);
    b.conn = conn_create(&a.set, dup(a.peer_fd), &limits, &callbacks, &b);
    ck_assert_int_eq(pipe(fds), 0);
    encode_ping(conn_out(a.conn), 0);
    ck_assert(conn_attach_fd(a.conn, STDERR_FILENO)); /* its frame is never made */
    ck_assert(conn_attach_fd(a.conn, fds[1]));
    encode_ping(conn_out(a.conn), 1);
    conn_wrote(a.conn);
    turn(&a);
    turn(&a);
    ck_assert_int_eq(b.n_frames, 2);
    fd = conn_take_fd(b.conn);
    ck_assert_int_eq(fstat(fd, &got), 0);
    ck_assert_int_eq(fstat(fds[1], &sent), 0);
    ck_assert_uint_eq(got.st_ino, sent.st_ino);
    ck_assert_int_eq(conn_take_fd(b.conn), -1);
    close(fd);
    close(fds[0]);
    close(fds[1]);
    conn_destroy(b.conn);
    end(&a);
}
END_TEST

static int n_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

START_TEST(conn_takes_no_descriptors_unless_it_is_told_to_M3)
{
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct fixture a, b = {0};
    int n;

    begin(&a, NULL);
    b.conn = conn_create(&a.set, dup(a.peer_fd), NULL, &callbacks, &b);
    encode_ping(conn_out(a.conn), 1);
    conn_wrote(a.conn);
    n = n_descriptors();
    ck_assert(conn_attach_fd(a.conn, 0));
    encode_ping(conn_out(a.conn), 2);
    conn_wrote(a.conn);
    turn(&a);
    turn(&a);
    ck_assert_int_eq(b.n_frames, 2);
    ck_assert_int_eq(conn_take_fd(b.conn), -1);
    ck_assert_int_eq(n_descriptors(), n);
    conn_destroy(b.conn);
    end(&a);
}
END_TEST

START_TEST(conn_may_be_destroyed_by_its_own_callback)
{
    struct fixture f;

    begin(&f, NULL);
    f.destroy_in_callback = true;
    receive_pings(&f, 2);
    turn(&f);
    ck_assert_int_eq(f.n_frames, 1);
    end(&f);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, conn_reads_frames_in_any_slices);
    tcase_add_test(tc, conn_leaves_frames_for_the_next_turn);
    tcase_add_test(tc, conn_reads_before_timers_ring);
    tcase_add_test(tc, conn_hands_out_what_came_before_the_end);
    tcase_add_test(tc, conn_reads_on_when_the_peer_takes_nothing);
    tcase_add_test(tc, conn_coalesces_and_writes_at_the_end_of_the_turn);
    tcase_add_test(tc, conn_closes_on_garbage_and_on_refused_frames);
    tcase_add_test(tc, conn_bounds_what_waits_for_a_slow_peer);
    tcase_add_loop_test(tc, conn_shutdown_waits_for_a_peer_but_not_for_ever, 0, 2);
    tcase_add_test(tc, conn_passes_descriptors_with_their_frames);
    tcase_add_test(tc, conn_keeps_one_descriptor_for_a_frame_M3);
    tcase_add_test(tc, conn_takes_no_descriptors_unless_it_is_told_to_M3);
    tcase_add_test(tc, conn_may_be_destroyed_by_its_own_callback);
}

int main(void)
{
    return unit_main("conn", fill);
}
