#include "supervisor/exporter.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/exit.h"
#include "common/mem.h"

#include "proto/frame.h"

#include "supervisor/otlp.h"

#define SOCKET_FD     3
#define READ_BYTES    65536
#define FRAME_MOST    ((uint32_t)65536) /* of what the supervisor sends us */
#define BATCH_MOST    ((size_t)16 * 1024 * 1024)
#define ATTEMPTS_MOST 6
#define FIRST_WAIT_MS UINT64_C(500)
#define FOREVER_MS    UINT64_MAX

struct exporter {
    struct poster *poster;
    char *service;
    uint64_t batch_size, delay_ms, timeout_ms, flush_ms;
    struct buf in, spans;
    uint64_t n_spans;    /* in spans */
    uint64_t send_at_ms; /* FOREVER_MS: there are none */
    uint64_t end_at_ms;  /* FOREVER_MS: the supervisor is there */
    bool at_end;         /* nothing more comes */
};

/* ---- time ------------------------------------------------------------------------ */

static volatile sig_atomic_t urged; /* SIGURG: as if the stream had ended */

static void on_urged(int number)
{
    (void)number;
    urged = 1;
}

/* The supervisor wants no more: from now on we have flush_ms. */
static void note_closed(struct exporter *x)
{
    if (x->end_at_ms == FOREVER_MS)
        x->end_at_ms = clock_monotonic_ms() + x->flush_ms;
}

static bool is_closed(struct exporter *x)
{
    struct pollfd peer = {.fd = SOCKET_FD, .events = POLLRDHUP};

    if (x->end_at_ms == FOREVER_MS && (urged || poll(&peer, 1, 0) == 1))
        note_closed(x);
    return x->end_at_ms != FOREVER_MS;
}

static bool is_over(void *context)
{
    struct exporter *x = context;

    return is_closed(x) && clock_monotonic_ms() >= x->end_at_ms;
}

static int left_ms(uint64_t until_ms)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (until_ms == FOREVER_MS)
        return -1;
    if (until_ms <= now_ms)
        return 0;
    return until_ms - now_ms < INT_MAX ? (int)(until_ms - now_ms) : INT_MAX;
}

/* ---- sending --------------------------------------------------------------------- */

static void report(uint64_t n_sent, uint64_t n_failed, const char *problem)
{
    struct frame_exported frame = {
        .n_sent = n_sent, .n_failed = n_failed, .problem = bytes_of_text(problem)};
    struct buf out;

    buf_init(&out, 0);
    if (frame_encode_exported(&out, &frame))
        (void)!send(SOCKET_FD, buf_head(&out), buf_len(&out), MSG_NOSIGNAL);
    buf_finish(&out);
}

/* Twice as long each time, and not all exporters at once. */
static uint64_t choose_wait(const struct post *post, unsigned n_tries)
{
    uint64_t wait_ms = post->wait_ms != 0 ? post->wait_ms : FIRST_WAIT_MS << n_tries;
    uint16_t random = 0;

    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return wait_ms + wait_ms * random / 4 / UINT16_MAX;
}

/* Ends early when the supervisor does. */
static void wait_ms(struct exporter *x, uint64_t ms)
{
    struct pollfd peer = {.fd = SOCKET_FD, .events = POLLRDHUP};
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    sigset_t urgent, before;

    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    sigprocmask(SIG_BLOCK, &urgent, &before); /* it comes in ppoll() or not at all */
    if (!is_closed(x))
        ppoll(&peer, 1, &left, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    is_closed(x);
}

static void send_body(struct exporter *x, struct bytes body, struct post *post)
{
    for (unsigned n_tries = 0;; n_tries++) {
        bool is_last = n_tries + 1 == ATTEMPTS_MOST || is_closed(x);
        uint64_t timeout_ms = x->timeout_ms;

        if (is_closed(x) && (uint64_t)left_ms(x->end_at_ms) < timeout_ms)
            timeout_ms = (uint64_t)left_ms(x->end_at_ms) + 1; /* 0 means no end */
        poster_post(x->poster, body, timeout_ms, post);
        if (post->result != POST_LATER || is_last)
            return;
        wait_ms(x, choose_wait(post, n_tries));
    }
}

static void send_batch(struct exporter *x)
{
    uint64_t n_spans = x->n_spans, n_lost;
    struct post post = {.result = POST_NEVER, .why = "no memory for a batch"};
    struct buf body;

    x->send_at_ms = FOREVER_MS;
    if (n_spans == 0)
        return;
    buf_init(&body, BATCH_MOST + 4096);
    if (otlp_put_request(&body, buf_bytes(&x->spans), x->service))
        send_body(x, buf_bytes(&body), &post);
    buf_finish(&body);
    buf_clear(&x->spans);
    x->n_spans = 0;
    n_lost = post.result != POST_DONE    ? n_spans
             : post.n_rejected < n_spans ? post.n_rejected
                                         : n_spans;
    report(n_spans - n_lost, n_lost,
           post.result != POST_DONE ? post.why
           : n_lost != 0            ? "the collector refused some spans"
                                    : "");
}

/* ---- what comes ------------------------------------------------------------------ */

static char *text_of(struct bytes bytes)
{
    return xstrndup((const char *)bytes.data, bytes.n);
}

static int on_setup(struct exporter *x, struct bytes body, struct err *err)
{
    struct frame_exporter frame;
    char *url, *headers;

    if (frame_decode_exporter(body, &frame, err) == -1)
        return -1;
    url = text_of(frame.url);
    headers = text_of(frame.headers);
    x->service = text_of(frame.service);
    x->batch_size = frame.batch_size;
    x->delay_ms = frame.delay_ms;
    x->timeout_ms = frame.timeout_ms;
    x->flush_ms = frame.flush_ms;
    x->poster = poster_create(url, headers, is_over, x);
    free(url);
    free(headers);
    return x->poster != NULL ? 0 : err_set(err, ERR_UNAVAILABLE, "no libcurl");
}

static int on_span(struct exporter *x, struct bytes body, struct err *err)
{
    struct frame_span frame;

    if (frame_decode_span(body, &frame, err) == -1)
        return -1;
    if (!otlp_put_span(&x->spans, &frame)) {
        report(0, 1, "no room for a span");
        return 0;
    }
    if (x->n_spans++ == 0)
        x->send_at_ms = clock_monotonic_ms() + x->delay_ms;
    if (x->n_spans >= x->batch_size)
        send_batch(x);
    return 0;
}

static int take_frame(struct exporter *x, uint8_t type, struct bytes body,
                      struct err *err)
{
    if (type == FRAME_EXPORTER && x->poster == NULL)
        return on_setup(x, body, err);
    if (type == FRAME_SPAN && x->poster != NULL)
        return on_span(x, body, err);
    return err_set(err, ERR_INVALID, "frame %u is not for an exporter", type);
}

static int take_frames(struct exporter *x, struct err *err)
{
    uint8_t type;
    uint32_t n;

    for (;;) {
        int there =
            frame_peek(buf_head(&x->in), buf_len(&x->in), FRAME_MOST, &type, &n, err);

        if (there <= 0)
            return there;
        if (buf_len(&x->in) < FRAME_HEADER_BYTES + (size_t)n)
            return 0;
        if (take_frame(x, type,
                       (struct bytes){buf_head(&x->in) + FRAME_HEADER_BYTES, n},
                       err) == -1)
            return -1;
        buf_consume(&x->in, FRAME_HEADER_BYTES + (size_t)n);
    }
}

static int read_some(struct exporter *x, struct err *err)
{
    uint8_t *room = buf_reserve(&x->in, READ_BYTES);
    ssize_t n = room != NULL ? recv(SOCKET_FD, room, READ_BYTES, 0) : -1;

    if (n > 0) {
        x->in.end += (size_t)n;
        return take_frames(x, err);
    }
    if (n == -1 && (errno == EINTR || errno == EAGAIN))
        return 0;
    x->at_end = true;
    note_closed(x);
    return 0;
}

static int run(struct exporter *x, struct err *err)
{
    while (!x->at_end) {
        struct pollfd peer = {.fd = SOCKET_FD, .events = POLLIN};
        int n = poll(&peer, 1, left_ms(x->send_at_ms));

        if (n == 1 && read_some(x, err) == -1)
            return -1;
        if (clock_monotonic_ms() >= x->send_at_ms)
            send_batch(x);
    }
    send_batch(x);
    return 0;
}

int main(void)
{
    struct exporter x = {.send_at_ms = FOREVER_MS, .end_at_ms = FOREVER_MS};
    struct sigaction action = {.sa_handler = on_urged};
    struct err err;
    int rc;

    sigaction(SIGURG, &action, NULL);
    buf_init(&x.in, (size_t)READ_BYTES * 4);
    buf_init(&x.spans, BATCH_MOST);
    rc = run(&x, &err);
    if (rc == -1)
        report(0, x.n_spans, err.text);
    poster_destroy(x.poster);
    free(x.service);
    buf_finish(&x.in);
    buf_finish(&x.spans);
    return rc == 0 ? EXIT_OK : EXIT_BUG;
}
