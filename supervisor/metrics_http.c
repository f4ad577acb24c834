#include "supervisor/metrics_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ev.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"

#include "supervisor/core.h"
#include "supervisor/http_head.h"
#include "supervisor/metrics.h"
#include "supervisor/metrics_address.h"

#define HEAD_MOST_BYTES   8192
#define TEXTS_MOST_BYTES  ((size_t)64 * 1024 * 1024)
#define LINGER_MOST_BYTES 65536
#define ACCEPTS_PER_TURN  16
#define ACCEPT_PAUSE_S    0.1
#define TEXT_AGE_FACTOR   10

/* What is sent, perhaps to several. */
struct text {
    struct buf buf;
    unsigned n_refs;
    struct metrics_http *http;
};

enum visit_state { VISIT_READING, VISIT_WRITING, VISIT_LINGERING };

/* One connection. */
struct visit {
    struct metrics_http *http;
    struct list in_visits; /* oldest first */
    struct ev_io io;
    struct ev_timer deadline;
    enum visit_state state;
    size_t n_in, n_searched, n_head, n_sent, n_discarded;
    struct text *text; /* NULL: an answer without one */
    char head[320];
    uint8_t in[HEAD_MOST_BYTES];
};

struct metrics_http {
    struct supervisor *sup;
    char address[METRICS_ADDRESS_BYTES];
    double timeout_s;
    struct ev_io acceptor;
    struct ev_timer pause; /* of accepting, while descriptors are short */
    struct list visits;
    struct metrics_http_figures figures;
    struct text *latest; /* NULL: none that is young enough */
    struct ev_timer latest_ages;
    size_t n_text_bytes; /* of all that are held */
};

/* ---- texts ----------------------------------------------------------------------- */

static void text_unref(struct text *text)
{
    if (text == NULL || --text->n_refs > 0)
        return;
    text->http->n_text_bytes -= text->buf.size;
    buf_finish(&text->buf);
    free(text);
}

static void forget_latest(struct metrics_http *http)
{
    ev_timer_stop(http->sup->loop, &http->latest_ages);
    text_unref(http->latest);
    http->latest = NULL;
}

static void on_latest_old(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    forget_latest(container_of(timer, struct metrics_http, latest_ages));
}

/* NULL: there is no end of it. */
static struct text *make_text(struct metrics_http *http)
{
    struct text *text = xcalloc(1, sizeof(*text));
    int64_t began_ns = clock_monotonic_ns();
    double took_s;
    struct err err;
    int rc;

    *text = (struct text){.n_refs = 1, .http = http};
    rc = metrics_write(http->sup, &text->buf, &err);
    http->n_text_bytes += text->buf.size;
    if (rc == -1) {
        text_unref(text);
        return NULL;
    }
    took_s = (double)(clock_monotonic_ns() - began_ns) / 1e9;
    ev_timer_set(&http->latest_ages, took_s * TEXT_AGE_FACTOR, 0);
    ev_timer_start(http->sup->loop, &http->latest_ages);
    return text;
}

/* Returns owned; NULL: there is no room. */
static struct text *get_text(struct metrics_http *http)
{
    if (http->latest == NULL && http->n_text_bytes < TEXTS_MOST_BYTES)
        http->latest = make_text(http);
    if (http->latest != NULL)
        http->latest->n_refs++;
    return http->latest;
}

/* ---- one connection -------------------------------------------------------------- */

static void visit_destroy(struct visit *visit)
{
    struct ev_loop *loop = visit->http->sup->loop;

    ev_io_stop(loop, &visit->io);
    ev_timer_stop(loop, &visit->deadline);
    list_remove(&visit->in_visits);
    visit->http->figures.n_connections--;
    close(visit->io.fd);
    text_unref(visit->text);
    free(visit);
}

static void watch(struct visit *visit, int events)
{
    struct ev_loop *loop = visit->http->sup->loop;

    ev_io_stop(loop, &visit->io);
    ev_io_set(&visit->io, visit->io.fd, events);
    ev_io_start(loop, &visit->io);
}

/* A close with bytes unread would tear the answer out of the client's hands: what he
 * still sends is thrown away until he has it all. */
static void linger(struct visit *visit)
{
    visit->state = VISIT_LINGERING;
    text_unref(visit->text);
    visit->text = NULL;
    shutdown(visit->io.fd, SHUT_WR);
    watch(visit, EV_READ);
}

/* One send() a turn: as much as the socket takes, which the kernel bounds. */
static void write_some(struct visit *visit)
{
    size_t n_text = visit->text != NULL ? buf_len(&visit->text->buf) : 0;
    size_t n_all = visit->n_head + n_text, sent = visit->n_sent;
    struct iovec parts[2];
    struct msghdr message = {.msg_iov = parts};
    ssize_t n;

    if (sent < visit->n_head)
        parts[message.msg_iovlen++] =
            (struct iovec){visit->head + sent, visit->n_head - sent};
    sent = sent > visit->n_head ? sent - visit->n_head : 0;
    if (sent < n_text)
        parts[message.msg_iovlen++] =
            (struct iovec){buf_head(&visit->text->buf) + sent, n_text - sent};
    n = sendmsg(visit->io.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == -1 && errno != EAGAIN && errno != EINTR) {
        visit_destroy(visit);
        return;
    }
    visit->n_sent += n > 0 ? (size_t)n : 0;
    if (visit->n_sent == n_all) {
        linger(visit);
    } else if (visit->state == VISIT_READING) {
        visit->state = VISIT_WRITING;
        watch(visit, EV_WRITE);
    }
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {{200, "OK"},
                {400, "Bad Request"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {431, "Request Header Fields Too Large"},
                {503, "Service Unavailable"},
                {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (rows[i].status == status)
            return rows[i].reason;
    }
    return "Error";
}

/* Puts the head into visit, and behind it a line that says the status; n_body != 0: the
 * body comes from elsewhere. */
static void put_head(struct visit *visit, int status, size_t n_body, bool is_head)
{
    const char *reason = status == 200 ? "ok" : reason_of(status);
    size_t n_line = strlen(reason) + 1;
    int n = snprintf(
        visit->head, sizeof(visit->head),
        "HTTP/1.1 %d %s\r\nContent-Type: text/plain%s; charset=utf-8\r\n"
        "Content-Length: %zu\r\nCache-Control: no-store\r\n%s%sConnection: close\r\n"
        "\r\n%s%s",
        status, reason_of(status), n_body != 0 ? "; version=0.0.4" : "",
        n_body != 0 ? n_body : n_line, status == 405 ? "Allow: GET, HEAD\r\n" : "",
        status == 503 ? "Retry-After: 1\r\n" : "", n_body != 0 || is_head ? "" : reason,
        n_body != 0 || is_head ? "" : "\n");

    visit->n_head = (size_t)n;
}

/* text: the body, taken; NULL: a line. The visit may be gone then. */
static void answer(struct visit *visit, int status, struct text *text, bool is_head)
{
    struct metrics_http_figures *figures = &visit->http->figures;

    put_head(visit, status, text != NULL ? buf_len(&text->buf) : 0, is_head);
    if (is_head)
        text_unref(text);
    else
        visit->text = text;
    if (status == 200)
        figures->n_answered++;
    else
        figures->n_refused++;
    write_some(visit);
}

static bool has_path(const struct http_head *head, const char *path)
{
    return head->path.n == strlen(path) &&
           memcmp(head->path.data, path, head->path.n) == 0;
}

static void answer_head(struct visit *visit, const struct http_head *head)
{
    bool is_head = head->method == HTTP_HEAD;
    struct text *text;

    if (!has_path(head, "/metrics") && !has_path(head, "/livez")) {
        answer(visit, 404, NULL, is_head);
    } else if (head->method == HTTP_OTHER) {
        answer(visit, 405, NULL, false);
    } else if (has_path(head, "/livez")) {
        answer(visit, 200, NULL, is_head);
    } else {
        text = get_text(visit->http);
        answer(visit, text != NULL ? 200 : 503, text, is_head);
    }
}

static void read_some(struct visit *visit)
{
    ssize_t n = recv(visit->io.fd, visit->in + visit->n_in,
                     sizeof(visit->in) - visit->n_in, MSG_DONTWAIT);
    struct http_head head;
    size_t n_head;
    int status;

    if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
        visit_destroy(visit);
        return;
    }
    if (n < 0)
        return;
    visit->n_in += (size_t)n;
    n_head =
        http_head_find_end((struct bytes){visit->in, visit->n_in}, &visit->n_searched);
    if (n_head == 0) {
        if (visit->n_in == sizeof(visit->in))
            answer(visit, 431, NULL, false);
        return;
    }
    status = http_head_parse((struct bytes){visit->in, n_head}, &head);
    if (status != 0)
        answer(visit, status, NULL, false);
    else
        answer_head(visit, &head);
}

static void discard_some(struct visit *visit)
{
    ssize_t n = recv(visit->io.fd, visit->in, sizeof(visit->in), MSG_DONTWAIT);

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    visit->n_discarded += n > 0 ? (size_t)n : 0;
    if (n <= 0 || visit->n_discarded > LINGER_MOST_BYTES)
        visit_destroy(visit);
}

static void on_visit_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
    struct visit *visit = container_of(io, struct visit, io);

    (void)loop, (void)revents;
    switch (visit->state) {
    case VISIT_READING:
        read_some(visit);
        break;
    case VISIT_WRITING:
        write_some(visit);
        break;
    case VISIT_LINGERING:
        discard_some(visit);
        break;
    }
}

/* Who is still there is told why; whether he hears it is his affair. */
static void give_up_on(struct visit *visit)
{
    if (visit->state != VISIT_LINGERING) /* else he has had his answer */
        visit->http->figures.n_cut_off++;
    if (visit->state == VISIT_READING && visit->n_in != 0) {
        put_head(visit, 408, 0, false);
        (void)!send(visit->io.fd, visit->head, visit->n_head,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    visit_destroy(visit);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    give_up_on(container_of(timer, struct visit, deadline));
}

/* ---- letting them in ------------------------------------------------------------- */

/* The one who has been longest without saying what he wants. */
static bool make_room(struct metrics_http *http)
{
    LIST_FOREACH (node, &http->visits) {
        struct visit *visit = container_of(node, struct visit, in_visits);

        if (visit->state != VISIT_WRITING) {
            give_up_on(visit);
            return true;
        }
    }
    return false;
}

static void admit(struct metrics_http *http, int fd)
{
    struct visit *visit;

    if (http->figures.n_connections >= METRICS_HTTP_MOST && !make_room(http)) {
        http->figures.n_cut_off++;
        close(fd);
        return;
    }
    visit = xmalloc(sizeof(*visit));
    memset(visit, 0, offsetof(struct visit, in));
    visit->http = http;
    list_append(&http->visits, &visit->in_visits);
    http->figures.n_connections++;
    ev_io_init(&visit->io, on_visit_io, fd, EV_READ);
    ev_set_priority(&visit->io, EV_MINPRI); /* whoever works here goes first */
    ev_io_start(http->sup->loop, &visit->io);
    ev_timer_init(&visit->deadline, on_deadline, http->timeout_s, 0);
    ev_timer_start(http->sup->loop, &visit->deadline);
}

static void on_acceptable(struct ev_loop *loop, struct ev_io *io, int revents)
{
    struct metrics_http *http = container_of(io, struct metrics_http, acceptor);

    (void)revents;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd != -1) {
            admit(http, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                   errno == ENOBUFS) {
            ev_io_stop(loop, io);
            ev_timer_start(loop, &http->pause);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct metrics_http *http = container_of(timer, struct metrics_http, pause);

    (void)revents;
    ev_io_start(loop, &http->acceptor);
}

/* ---- life ------------------------------------------------------------------------ */

struct metrics_http *metrics_http_create(struct supervisor *sup, const char *address,
                                         uint64_t timeout_ms, struct err *err)
{
    struct metrics_http *http;
    int fd = metrics_address_listen(address, METRICS_HTTP_MOST, err);

    if (fd == -1)
        return NULL;
    http = xcalloc(1, sizeof(*http));
    http->sup = sup;
    http->timeout_s = (double)timeout_ms / 1e3;
    list_init(&http->visits);
    metrics_address_name(fd, http->address);
    ev_io_init(&http->acceptor, on_acceptable, fd, EV_READ);
    ev_set_priority(&http->acceptor, EV_MINPRI);
    ev_io_start(sup->loop, &http->acceptor);
    ev_timer_init(&http->pause, on_pause_over, ACCEPT_PAUSE_S, 0);
    ev_timer_init(&http->latest_ages, on_latest_old, 0, 0);
    log_info("figures are served", "url=http://%s/metrics", http->address);
    return http;
}

void metrics_http_destroy(struct metrics_http *http)
{
    if (http == NULL)
        return;
    LIST_FOREACH_SAFE (node, &http->visits)
        visit_destroy(container_of(node, struct visit, in_visits));
    forget_latest(http);
    ev_timer_stop(http->sup->loop, &http->pause);
    ev_io_stop(http->sup->loop, &http->acceptor);
    close(http->acceptor.fd);
    free(http);
}

const char *metrics_http_address(const struct metrics_http *http)
{
    return http->address;
}

void metrics_http_get_figures(const struct metrics_http *http,
                              struct metrics_http_figures *out)
{
    *out = http->figures;
}
