#include "supervisor/worker_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#include "proto/conn.h"

#include "supervisor/core.h"

/* A process that somebody stopped (SIGSTOP, a debugger) can't answer and isn't
 * stuck. */
static bool is_stopped(const struct worker *w)
{
    char path[64], text[512];
    const char *after;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)w->os_pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    after = strrchr(text, ')');
    return after != NULL && after[1] == ' ' && strchr("Tt", after[2]) != NULL;
}

static void check_pulse(struct worker *w, uint64_t now)
{
    uint64_t timeout_ns = (uint64_t)w->priv->workers->times.pong_timeout_ms * 1000000;

    if (now < w->last_pong_at_ns + timeout_ns)
        return;
    if (!is_stopped(w)) {
        worker_kill(w, "was killed: it did not answer its heartbeat");
        return;
    }
    if (!w->priv->stopped_seen)
        log_warn("worker is stopped from outside, waiting for it",
                 "role=%s entry=%s pid=%d", w->priv->role, w->priv->entry,
                 (int)w->os_pid);
    w->priv->stopped_seen = true;
    w->last_pong_at_ns = now;
}

static void beat(struct worker *w, uint64_t seq)
{
    struct frame_ping frame = {.seq = seq};

    if (!conn_is_closed(w->conn) && frame_encode_ping(conn_out(w->conn), &frame))
        conn_wrote(w->conn);
}

static void on_heartbeat(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct workers *workers = container_of(timer, struct workers, heartbeat);
    uint64_t now = worker_now_ns(),
             every_ns = (uint64_t)workers->times.ping_every_ms * 1000000;
    /* We slept ourselves (suspend, SIGSTOP): the silence says nothing about others. */
    bool late = now > workers->last_beat_at_ns + 2 * every_ns;

    (void)loop, (void)revents;
    workers->last_beat_at_ns = now;
    workers->beat++;
    WORKERS_FOREACH (w, workers) {
        if (w->state != WORKER_READY && w->state != WORKER_DRAINING)
            continue;
        if (late)
            w->last_pong_at_ns = now;
        check_pulse(w, now);
        beat(w, workers->beat);
    }
    if (workers->n == 0)
        ev_timer_stop(workers->sup->loop, &workers->heartbeat);
}

/* What its process has used; -1 when nobody knows. */
static int64_t used_cpu_ns(const struct worker *w)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(w->os_pid, &clock) != 0 ||
        clock_gettime(clock, &used) == -1)
        return -1;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

void worker_ask_hearing(struct worker *worker)
{
    struct worker_private *priv = worker->priv;

    if (priv->asked_at_ns != 0 && priv->asked_at_ns > worker->last_pong_at_ns)
        return;
    beat(worker, priv->workers->beat);
    priv->asked_at_ns = worker_now_ns();
    priv->asked_cpu_ns = used_cpu_ns(worker);
}

enum worker_hearing worker_hearing(const struct worker *worker, uint32_t busy_ms)
{
    const struct worker_private *priv = worker->priv;
    int64_t used_ns;

    if (worker->last_pong_at_ns >= priv->asked_at_ns)
        return WORKER_HEARS;
    used_ns = used_cpu_ns(worker);
    return priv->asked_cpu_ns != -1 && used_ns != -1 &&
                   used_ns - priv->asked_cpu_ns >= (int64_t)busy_ms * 1000000
               ? WORKER_IS_DEAF
               : WORKER_SILENT;
}

void workers_start_pulse(struct workers *workers)
{
    if (ev_is_active(&workers->heartbeat))
        return;
    workers->last_beat_at_ns = worker_now_ns();
    workers->heartbeat.repeat = (double)workers->times.ping_every_ms / 1e3;
    ev_timer_again(workers->sup->loop, &workers->heartbeat);
}

void workers_init_pulse(struct workers *workers)
{
    ev_init(&workers->heartbeat, on_heartbeat);
}
