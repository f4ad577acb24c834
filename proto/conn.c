#include "proto/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include "proto/frame.h"

#define READ_BYTES    ((size_t)256 * 1024)
#define MAX_FDS       16
#define READ_PRIORITY 1 /* of libev: timers have 0 */

/* How long conn_shutdown() waits for a peer to read what is left for it. */
#define LAST_WORDS_S 2.0

/* Small frames cost their receiver much more than their bytes say. */
#define CLOCK_EVERY 32 /* frames between two looks at the clock */

const struct conn_limits conn_limits_default = {
    .frame_max_bytes = FRAME_MAX_BYTES_DEFAULT,
    .high_water_bytes = (size_t)8 * 1024 * 1024,
    .out_max_bytes = (size_t)256 * 1024 * 1024,
    /* A few thousand of the smallest frames: 2 to 3 ms of routing. */
    .read_budget_bytes = READ_BYTES / 2,
};

/* Descriptors on their way: with which byte of the stream they leave. */
struct fd_queue {
    struct {
        int fd;
        uint64_t at_byte;
    } items[MAX_FDS];
    unsigned n;
};

struct conn {
    struct conn_set *set;
    struct conn_limits limits;
    struct conn_callbacks callbacks;
    void *context;
    struct buf in, out;
    struct list dirty; /* in set->dirty while something waits to be written */
    struct ev_io readable, writable;
    struct ev_timer closed_soon; /* so that on_closed comes from the loop, in time */
    struct ev_timer rest_soon;   /* frames that a turn had no time for */
    struct fd_queue fds_in, fds_out;
    uint64_t n_written; /* bytes of the stream */
    int fd;
    bool closed, closing, handling, destroyed;
    bool deaf;     /* the peer takes nothing more */
    bool has_rest; /* complete frames may be in `in` */
    struct err reason;
};

static int take_first_fd(struct fd_queue *queue)
{
    int fd = queue->items[0].fd;

    queue->n--;
    memmove(&queue->items[0], &queue->items[1], queue->n * sizeof(queue->items[0]));
    return fd;
}

static void close_all_fds(struct fd_queue *queue)
{
    while (queue->n != 0)
        close(take_first_fd(queue));
}

/* Nothing is read or written any more. */
static void stop(struct conn *conn)
{
    conn->closed = true;
    ev_io_stop(conn->set->loop, &conn->readable);
    ev_io_stop(conn->set->loop, &conn->writable);
    ev_timer_stop(conn->set->loop, &conn->rest_soon);
    list_remove(&conn->dirty);
}

static void on_closed_soon(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct conn *conn = container_of(timer, struct conn, closed_soon);

    (void)loop, (void)revents;
    stop(conn);
    conn->callbacks.on_closed(conn->context, &conn->reason);
}

static void close_within(struct conn *conn, double seconds)
{
    ev_timer_stop(conn->set->loop, &conn->closed_soon);
    ev_timer_set(&conn->closed_soon, seconds, 0.);
    ev_timer_start(conn->set->loop, &conn->closed_soon);
}

/* The peer is gone or unusable. */
static void mark_closed(struct conn *conn)
{
    if (conn->closed)
        return;
    stop(conn);
    close_within(conn, 0.);
}

static void close_because(struct conn *conn, const char *what)
{
    if (!conn->closed)
        err_set(&conn->reason, ERR_UNAVAILABLE, "%s", what);
    mark_closed(conn);
}

/* The peer reads no more, but what it sent before is still to be read: its end comes as
 * the end of the input. */
static void stop_writing(struct conn *conn)
{
    conn->deaf = true;
    ev_io_stop(conn->set->loop, &conn->writable);
    list_remove(&conn->dirty);
    close_all_fds(&conn->fds_out);
    buf_clear(&conn->out);
}

/* ---- writing --------------------------------------------------------------------- */

static ssize_t send_with_fd(struct conn *conn)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec run = {buf_head(&conn->out), buf_len(&conn->out)};
    struct msghdr msg = {.msg_iov = &run,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    ssize_t n;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &conn->fds_out.items[0].fd, sizeof(int));
    if (conn->fds_out.n > 1) {
        uint64_t n_before_next = conn->fds_out.items[1].at_byte - conn->n_written;

        run.iov_len = n_before_next < run.iov_len ? n_before_next : run.iov_len;
    }
    n = sendmsg(conn->fd, &msg, MSG_NOSIGNAL);
    if (n > 0)
        close(take_first_fd(&conn->fds_out));
    return n;
}

/* One system call's worth; a descriptor goes with the first byte of its frame. */
static ssize_t send_some(struct conn *conn)
{
    size_t n = buf_len(&conn->out);

    if (conn->fds_out.n != 0) {
        uint64_t n_before_fd = conn->fds_out.items[0].at_byte - conn->n_written;

        if (n_before_fd == 0)
            return send_with_fd(conn);
        n = n_before_fd < n ? n_before_fd : n;
    }
    return send(conn->fd, buf_head(&conn->out), n, MSG_NOSIGNAL);
}

static void write_out(struct conn *conn)
{
    while (buf_len(&conn->out) != 0) {
        ssize_t n = send_some(conn);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            ev_io_start(conn->set->loop, &conn->writable);
            return;
        }
        if (n == -1 && (errno == EPIPE || errno == ECONNRESET) && !conn->closing) {
            stop_writing(conn);
            return;
        }
        if (n == -1) {
            close_because(conn, strerror(errno));
            return;
        }
        conn->n_written += (uint64_t)n;
        conn->set->n_bytes_out += (uint64_t)n;
        buf_consume(&conn->out, (size_t)n);
    }
    ev_io_stop(conn->set->loop, &conn->writable);
    buf_clear(&conn->out);
    if (conn->closing)
        close_because(conn, "closed on this side");
}

static void on_writable(struct ev_loop *loop, ev_io *io, int revents)
{
    struct conn *conn = container_of(io, struct conn, writable);

    (void)loop, (void)revents;
    conn_flush(conn);
}

void conn_flush(struct conn *conn)
{
    if (conn->closed || conn->deaf)
        return;
    list_remove(&conn->dirty);
    write_out(conn);
}

void conn_flush_all(struct conn_set *set)
{
    struct list *node;

    while ((node = list_take_first(&set->dirty)) != NULL)
        conn_flush(container_of(node, struct conn, dirty));
}

struct buf *conn_out(struct conn *conn)
{
    return &conn->out;
}

void conn_wrote(struct conn *conn)
{
    if (conn->closed || conn->deaf)
        buf_clear(&conn->out);
    else if (list_empty(&conn->dirty) && !ev_is_active(&conn->writable))
        list_append(&conn->set->dirty, &conn->dirty);
}

bool conn_forward(struct conn *conn, uint8_t type, struct bytes body)
{
    uint8_t *at;

    /* It may have grown by more than its receiver puts up with. */
    if (conn->closed || conn->closing || conn->deaf ||
        __builtin_expect(body.n > FRAME_MAX_BYTES_DEFAULT + FRAME_GROWTH_BYTES, 0))
        return false;
    at = frame_append_header(&conn->out, type, body.n);
    if (at == NULL) {
        close_because(conn, "the peer reads too slowly: its output buffer is full");
        return false;
    }
    if (body.n != 0)
        memcpy(at, body.data, body.n);
    conn_wrote(conn);
    return true;
}

/* One whose frame was never encoded would share the first byte of the next one's. */
static void drop_orphaned_fd(struct fd_queue *queue, uint64_t at_byte)
{
    if (queue->n != 0 && queue->items[queue->n - 1].at_byte == at_byte)
        close(queue->items[--queue->n].fd);
}

bool conn_attach_fd(struct conn *conn, int fd)
{
    uint64_t at_byte = conn->n_written + buf_len(&conn->out);
    int copy;

    if (conn->closed || conn->deaf)
        return false;
    drop_orphaned_fd(&conn->fds_out, at_byte);
    if (conn->fds_out.n == MAX_FDS)
        return false;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy == -1)
        return false;
    conn->fds_out.items[conn->fds_out.n].fd = copy;
    conn->fds_out.items[conn->fds_out.n++].at_byte = at_byte;
    return true;
}

/* ---- reading --------------------------------------------------------------------- */

/* A peer that sends more descriptors than anybody asked for loses them. */
static void keep_fds(struct conn *conn, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (conn->fds_in.n == MAX_FDS)
                close(fd);
            else
                conn->fds_in.items[conn->fds_in.n++].fd = fd;
        }
    }
}

static ssize_t receive(struct conn *conn,
                       uint8_t *at, /* NOLINT(readability-non-const-parameter) */
                       size_t n_bytes)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
    } control;
    struct iovec run = {at, n_bytes};
    struct msghdr msg = {
        .msg_iov = &run, .msg_iovlen = 1, .msg_control = control.bytes};
    ssize_t n;

    if (!conn->limits.takes_fds)
        return recv(conn->fd, at, n_bytes, 0); /* the cheaper one */
    msg.msg_controllen = sizeof(control.bytes);
    n = recvmsg(conn->fd, &msg, MSG_CMSG_CLOEXEC);
    if (n >= 0 && msg.msg_controllen != 0)
        keep_fds(conn, &msg);
    return n;
}

/* The first who asks starts the clock: turns with few frames never look at it. */
static bool turn_is_over(struct conn_set *set)
{
    int64_t now_ns = clock_monotonic_ns();

    if (set->turn_ends_at_ns == 0)
        set->turn_ends_at_ns = now_ns + CONN_TURN_NS;
    return now_ns >= set->turn_ends_at_ns;
}

/* Is it time to look at the clock, after so many frames of one conn? */
static bool is_time_to_look(struct conn_set *set, unsigned n_handled)
{
    bool is_slow = set->is_slow;

    set->is_slow = false;
    return is_slow || n_handled % CLOCK_EVERY == 0;
}

/* Hands out the frames that are complete; -1 when the conn must close. */
static int handle_frames(struct conn *conn, int *n_frames)
{
    unsigned n_handled = 0;
    uint8_t type;
    uint32_t n;

    conn->has_rest = false;
    while (!conn->closed && !conn->closing) {
        struct bytes body;
        int there = frame_peek(buf_head(&conn->in), buf_len(&conn->in),
                               conn->limits.frame_max_bytes, &type, &n, &conn->reason);

        if (there <= 0)
            return there;
        if (buf_len(&conn->in) < FRAME_HEADER_BYTES + (size_t)n)
            return 0;
        body = (struct bytes){buf_head(&conn->in) + FRAME_HEADER_BYTES, n};
        (*n_frames)++;
        if (conn->callbacks.on_frame(conn->context, type, body, &conn->reason) == -1)
            return -1;
        if (conn->destroyed)
            return 0;
        buf_consume(&conn->in, FRAME_HEADER_BYTES + n);
        if (is_time_to_look(conn->set, ++n_handled) && turn_is_over(conn->set)) {
            conn->has_rest = true;
            return 0;
        }
    }
    return 0;
}

/* How much to read next: the rest of a frame that is known to be long, else a lot. */
static size_t wanted_bytes(const struct conn *conn)
{
    uint8_t type;
    uint32_t n;

    if (frame_peek(buf_head(&conn->in), buf_len(&conn->in),
                   conn->limits.frame_max_bytes, &type, &n, NULL) == 1 &&
        n + FRAME_HEADER_BYTES > buf_len(&conn->in) + READ_BYTES)
        return n + FRAME_HEADER_BYTES - buf_len(&conn->in);
    return READ_BYTES;
}

/* One recv; 1 = more may be there, 0 = the socket is empty, -1 = closed. */
static int read_once(struct conn *conn, size_t *n_read)
{
    size_t want = wanted_bytes(conn);
    uint8_t *at = buf_reserve(&conn->in, want);
    ssize_t n;

    if (at == NULL) {
        err_set(&conn->reason, ERR_UNAVAILABLE, "no memory for a frame");
        return -1;
    }
    n = receive(conn, at, want);
    if (n == -1 && errno == EINTR)
        return 1;
    if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n <= 0) {
        err_set(&conn->reason, ERR_UNAVAILABLE, "%s",
                n == 0 || errno == ECONNRESET ? "the peer closed the connection"
                                              : strerror(errno));
        return -1;
    }
    conn->in.end += (size_t)n;
    *n_read += (size_t)n;
    conn->set->n_bytes_in += (uint64_t)n;
    return (size_t)n == want ? 1 : 0;
}

int conn_poll(struct conn *conn)
{
    size_t n_read = 0;
    int more = 1, n_frames = 0;

    if (conn->handling)
        return 0; /* a callback polls: its frame is still being handled */
    conn->handling = true;
    if (conn->has_rest && handle_frames(conn, &n_frames) == -1)
        more = -1;
    while (more == 1 && !conn->has_rest && !conn->closed && !conn->destroyed &&
           n_read < conn->limits.read_budget_bytes) {
        more = read_once(conn, &n_read);
        /* On -1 (EOF) what came before it is complete: it was handled last time. */
        if (more != -1 && handle_frames(conn, &n_frames) == -1)
            more = -1;
    }
    conn->handling = false;
    if (conn->destroyed) {
        buf_finish(&conn->in);
        free(conn);
        return n_frames;
    }
    if (more == -1) {
        mark_closed(conn);
    } else if (conn->has_rest) {
        ev_timer_start(conn->set->loop, &conn->rest_soon); /* or it runs */
    } else if (buf_len(&conn->in) == 0) {
        buf_clear(&conn->in);
    }
    return n_frames;
}

static void on_rest_soon(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct conn *conn = container_of(timer, struct conn, rest_soon);

    (void)loop, (void)revents;
    conn_poll(conn);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
    struct conn *conn = container_of(io, struct conn, readable);

    (void)loop, (void)revents;
    conn_poll(conn);
}

/* ---- life ------------------------------------------------------------------------ */

struct conn *conn_create(struct conn_set *set, int fd, const struct conn_limits *limits,
                         const struct conn_callbacks *callbacks, void *context)
{
    struct conn *conn = xcalloc(1, sizeof(*conn));

    conn->set = set;
    conn->limits = limits != NULL ? *limits : conn_limits_default;
    conn->callbacks = *callbacks;
    conn->context = context;
    conn->fd = fd;
    buf_init(&conn->in, 0);
    buf_init(&conn->out, conn->limits.out_max_bytes);
    list_init(&conn->dirty);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    ev_timer_init(&conn->closed_soon, on_closed_soon, 0., 0.);
    ev_timer_init(&conn->rest_soon, on_rest_soon, 0., 0.);
    ev_io_init(&conn->readable, on_readable, fd, EV_READ);
    ev_set_priority(&conn->rest_soon, READ_PRIORITY);
    ev_set_priority(&conn->readable, READ_PRIORITY);
    ev_io_init(&conn->writable, on_writable, fd, EV_WRITE);
    ev_io_start(set->loop, &conn->readable);
    return conn;
}

void conn_destroy(struct conn *conn)
{
    if (conn == NULL)
        return;
    ev_io_stop(conn->set->loop, &conn->readable);
    ev_io_stop(conn->set->loop, &conn->writable);
    ev_timer_stop(conn->set->loop, &conn->closed_soon);
    ev_timer_stop(conn->set->loop, &conn->rest_soon);
    list_remove(&conn->dirty);
    close_all_fds(&conn->fds_in);
    close_all_fds(&conn->fds_out);
    close(conn->fd);
    buf_finish(&conn->out);
    if (conn->handling) { /* its own callback destroys it: conn_poll frees it */
        conn->destroyed = true;
        return;
    }
    buf_finish(&conn->in);
    free(conn);
}

int conn_take_fd(struct conn *conn)
{
    return conn->fds_in.n != 0 ? take_first_fd(&conn->fds_in) : -1;
}

bool conn_is_congested(const struct conn *conn)
{
    return buf_len(&conn->out) > conn->limits.high_water_bytes;
}

bool conn_is_closed(const struct conn *conn)
{
    return conn->closed || conn->closing || conn->deaf;
}

size_t conn_pending_bytes(const struct conn *conn)
{
    return buf_len(&conn->out);
}

void conn_shutdown(struct conn *conn)
{
    if (conn->closed || conn->closing)
        return;
    conn->closing = true;
    ev_io_stop(conn->set->loop, &conn->readable);
    err_set(&conn->reason, ERR_UNAVAILABLE, "closed on this side");
    close_within(conn, buf_len(&conn->out) == 0 ? 0. : LAST_WORDS_S);
    conn_wrote(conn);
}

int conn_fd(const struct conn *conn)
{
    return conn->fd;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
    struct conn_set *set = container_of(prepare, struct conn_set, prepare);

    (void)loop, (void)revents;
    conn_flush_all(set);
    set->turn_ends_at_ns = 0;
}

void conn_set_init(struct conn_set *set, struct ev_loop *loop)
{
    set->loop = loop;
    list_init(&set->dirty);
    set->turn_ends_at_ns = 0;
    set->is_slow = false;
    ev_prepare_init(&set->prepare, on_prepare);
    ev_prepare_start(loop, &set->prepare);
    ev_unref(loop); /* the set alone keeps no loop running */
}

void conn_set_finish(struct conn_set *set)
{
    ev_ref(set->loop);
    ev_prepare_stop(set->loop, &set->prepare);
}
