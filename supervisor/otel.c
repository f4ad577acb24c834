#include "supervisor/otel.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ev.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/spans_private.h"
#include "supervisor/spawn.h"

#define SPAN_MOST_BYTES 1024 /* of a frame, with all its texts */
#define FIRST_PAUSE_S   1.
#define LONGEST_PAUSE_S 60.
#define LAST_GRACE_S    0.5 /* for an exporter that has flushed, to end */
#define FLUSH_LOOK_S    0.005
#define PATH            "/v1/traces"

struct otel {
    struct supervisor *sup;
    char *program, *url;
    struct conn *conn; /* NULL: none runs */
    pid_t os_pid;
    int pidfd;
    struct ev_timer pause; /* before the next one is started */
    double pause_s;
    struct otel_figures figures;
    void (*done)(void *context); /* of a flush; NULL: there is none */
    void *done_context;
    double flush_until; /* time of the loop */
    struct ev_timer flush;
};

/* ---- one exporter ---------------------------------------------------------------- */

/* By pidfd only: libev reaps whatever ends, and then the number may be another's. */
static void send_signal(const struct otel *otel, int number)
{
    if (otel->pidfd != -1)
        pidfd_send_signal(otel->pidfd, number, NULL, 0);
}

/* It is of no use any more. libev reaps it, or, when the loop has ended, we do. */
static void end_exporter(struct otel *otel, bool reap)
{
    siginfo_t info;

    conn_destroy(otel->conn);
    otel->conn = NULL;
    send_signal(otel, SIGKILL);
    if (reap && otel->pidfd != -1)
        waitid(P_PIDFD, (id_t)otel->pidfd, &info, WEXITED);
    if (otel->pidfd != -1)
        close(otel->pidfd);
    otel->pidfd = -1;
}

static void end_flush(struct otel *otel)
{
    void (*done)(void *context) = otel->done;

    ev_timer_stop(otel->sup->loop, &otel->flush);
    otel->done = NULL;
    if (done != NULL)
        done(otel->done_context);
}

/* Nobody knows what became of what it had. */
static void lose_waiting(struct otel *otel, const char *event, const char *why)
{
    struct otel_figures *figures = &otel->figures;

    if (figures->n_waiting != 0 || otel->done == NULL)
        log_warn(event, "spans_lost=%" PRIu64 " url=%s why=%s", figures->n_waiting,
                 otel->url, why);
    figures->n_failed += figures->n_waiting;
    figures->n_waiting = 0;
}

static void pause_starts(struct otel *otel)
{
    ev_timer_set(&otel->pause, otel->pause_s, 0);
    ev_timer_start(otel->sup->loop, &otel->pause);
    otel->pause_s =
        otel->pause_s * 2 < LONGEST_PAUSE_S ? otel->pause_s * 2 : LONGEST_PAUSE_S;
}

static void on_closed(void *context, const struct err *reason)
{
    struct otel *otel = context;

    lose_waiting(otel, "the exporter of spans died, a later span starts another",
                 reason != NULL ? reason->text : "");
    end_exporter(otel, false);
    if (otel->done != NULL)
        end_flush(otel);
    else
        pause_starts(otel);
}

static int on_exported(struct otel *otel, struct bytes body, struct err *err)
{
    struct otel_figures *figures = &otel->figures;
    struct frame_exported frame;

    if (frame_decode_exported(body, &frame, err) == -1)
        return -1;
    if (frame.n_sent > figures->n_waiting ||
        frame.n_failed > figures->n_waiting - frame.n_sent)
        return err_set(err, ERR_INVALID, "it tells of spans that it never had");
    figures->n_waiting -= frame.n_sent + frame.n_failed;
    figures->n_sent += frame.n_sent;
    figures->n_failed += frame.n_failed;
    if (frame.n_failed != 0)
        log_warn("spans can't be exported, they are lost",
                 "spans=%" PRIu64 " url=%s why=%.*s", frame.n_failed, otel->url,
                 (int)frame.problem.n, (const char *)frame.problem.data);
    else
        otel->pause_s = FIRST_PAUSE_S;
    return 0;
}

static int on_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    if (type == FRAME_EXPORTED)
        return on_exported(context, body, err);
    return err_set(err, ERR_INVALID, "it sent a frame of type %u", type);
}

static void send_setup(struct otel *otel)
{
    const struct config *config = otel->sup->config;
    const char *service = config_get_text(config, "otel.service_name");
    struct frame_exporter frame = {
        .url = bytes_of_text(otel->url),
        .headers = bytes_of_text(config_get_text(config, "otel.headers")),
        .service = bytes_of_text(service[0] != '\0' ? service : config->app),
        .batch_size = (uint32_t)config_get_int(config, "otel.batch_size"),
        .delay_ms = (uint32_t)config_get_ms(config, "otel.delay"),
        .timeout_ms = (uint32_t)config_get_ms(config, "otel.timeout"),
        .flush_ms = (uint32_t)config_get_ms(config, "otel.flush_timeout")};

    if (frame_encode_exporter(conn_out(otel->conn), &frame))
        conn_wrote(otel->conn);
}

static int start(struct otel *otel, struct err *err)
{
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct conn_limits limits = conn_limits_default;
    struct spawn_spec child = {.path = otel->program,
                               .role = "exporter",
                               .entry = "",
                               .liveness_fd = -1,
                               .extra_fd = -1};
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
        return err_set(err, ERR_UNAVAILABLE, "socketpair: %s", strerror(errno));
    child.socket_fd = fds[1];
    if (spawn_worker(&child, &otel->os_pid, &otel->pidfd, err) == -1) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    close(fds[1]);
    limits.out_max_bytes =
        ((size_t)otel->figures.n_waiting_max + 64) * SPAN_MOST_BYTES + 262144;
    otel->conn = conn_create(&otel->sup->conns, fds[0], &limits, &callbacks, otel);
    send_setup(otel);
    return 0;
}

/* Nothing to do: the next span starts it. */
static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)timer, (void)revents;
}

static bool is_there(struct otel *otel)
{
    struct err err;

    if (otel->conn != NULL || otel->done != NULL)
        return otel->conn != NULL && !conn_is_closed(otel->conn) && otel->done == NULL;
    if (ev_is_active(&otel->pause))
        return false;
    if (start(otel, &err) == 0)
        return true;
    log_warn("the exporter of spans can't be started", "why=%s", err.text);
    pause_starts(otel);
    return false;
}

/* ---- spans ----------------------------------------------------------------------- */

static uint64_t time_of(int64_t at_ns)
{
    return at_ns > 0 ? (uint64_t)at_ns : 0;
}

static bool send_span(struct otel *otel, const struct span *span)
{
    struct frame_span frame = {.trace = bytes_of_text(span->trace),
                               .id = span->id,
                               .parent = span->parent,
                               .kind = (uint8_t)span->kind,
                               .failed = strcmp(span->outcome, "ok") != 0,
                               .started_at_ns = time_of(span->started_at_ns),
                               .sent_at_ns = time_of(span->sent_at_ns),
                               .ran_at_ns = time_of(span->ran_at_ns),
                               .ended_at_ns = time_of(span->ended_at_ns),
                               .worker = span->worker,
                               .name = bytes_of_text(span->name),
                               .pid = bytes_of_text(span->pid),
                               .outcome = bytes_of_text(span->outcome),
                               .error = bytes_of_text(span->error),
                               .values = {span->values, span->n_values}};

    if (!frame_encode_span(conn_out(otel->conn), &frame))
        return false;
    conn_wrote(otel->conn);
    return true;
}

void otel_take(struct otel *otel, const struct span *span)
{
    if (otel == NULL)
        return;
    if (otel->figures.n_waiting < otel->figures.n_waiting_max && is_there(otel) &&
        send_span(otel, span))
        otel->figures.n_waiting++;
    else
        otel->figures.n_dropped++;
}

/* ---- life ------------------------------------------------------------------------ */

/* A base to which the path of traces belongs, or the whole (it ends in that path). */
static char *make_url(const char *endpoint)
{
    size_t n = strlen(endpoint), n_path = strlen(PATH);

    while (n > 0 && endpoint[n - 1] == '/')
        n--;
    if (n >= n_path && memcmp(endpoint + n - n_path, PATH, n_path) == 0)
        return xstrndup(endpoint, n);
    return xasprintf("%.*s" PATH, (int)n, endpoint);
}

static void give_up(struct otel *otel)
{
    end_exporter(otel, false);
    lose_waiting(otel, "spans were not exported before the end", "too late");
}

/* The exporter's end of it comes when it has read all; its answers come still. */
static void on_flush(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct otel *otel = container_of(timer, struct otel, flush);

    (void)revents;
    if (otel->conn != NULL && ev_now(loop) < otel->flush_until) {
        if (conn_pending_bytes(otel->conn) == 0)
            shutdown(conn_fd(otel->conn), SHUT_WR);
        else
            send_signal(otel, SIGURG); /* whatever it waits for, it shall read on */
        return;
    }
    if (otel->conn != NULL)
        give_up(otel);
    end_flush(otel);
}

struct otel *otel_create(struct supervisor *sup, struct err *err)
{
    const char *endpoint = config_get_text(sup->config, "otel.endpoint");
    struct otel *otel;
    char *program;

    if (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0) {
        err_set(err, ERR_INVALID,
                "otel.endpoint must be like http://127.0.0.1:4318, not '%s'", endpoint);
        return NULL;
    }
    program = spawn_find_exporter(err);
    if (program == NULL) {
        err_wrap(err, "otel.enabled: spans can't be exported");
        return NULL;
    }
    otel = xcalloc(1, sizeof(*otel));
    otel->sup = sup;
    otel->program = program;
    otel->url = make_url(endpoint);
    otel->pidfd = -1;
    otel->pause_s = FIRST_PAUSE_S;
    otel->figures.n_waiting_max =
        (uint64_t)config_get_int(sup->config, "otel.queue_size");
    ev_timer_init(&otel->pause, on_pause_over, 0, 0);
    ev_timer_init(&otel->flush, on_flush, 0, FLUSH_LOOK_S);
    return otel;
}

void otel_destroy(struct otel *otel)
{
    if (otel == NULL)
        return;
    ev_timer_stop(otel->sup->loop, &otel->pause);
    ev_timer_stop(otel->sup->loop, &otel->flush);
    if (otel->conn != NULL)
        end_exporter(otel, true);
    free(otel->program);
    free(otel->url);
    free(otel);
}

void otel_flush(struct otel *otel, void (*done)(void *context), void *context)
{
    uint64_t most_ms = config_get_ms(otel->sup->config, "otel.flush_timeout");

    otel->done = done;
    otel->done_context = context;
    otel->flush_until = ev_now(otel->sup->loop) + (double)most_ms / 1e3 + LAST_GRACE_S;
    ev_timer_again(otel->sup->loop, &otel->flush);
}

void otel_get_figures(const struct otel *otel, struct otel_figures *out)
{
    *out = otel->figures;
}
