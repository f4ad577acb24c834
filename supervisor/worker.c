#include "supervisor/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "common/exit.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "supervisor/core.h"
#include "supervisor/jail.h"
#include "supervisor/policies.h"
#include "supervisor/spawn.h"
#include "supervisor/worker_private.h"

#define LAST_WORDS_MS  1000   /* FAILED to exit */
#define HOST_GRACE_MS  1000   /* a host's own end of its actors, after the deadline */
#define LAST_FRAMES_MS 250    /* what a socket holds takes much less, of the honest */
#define DROPS_PER_LINE 100000 /* in the log */

/* Half of what a conn holds at most: the rest is for what senders had under way, and
 * for all that isn't a message. */
#define HOLD_ABOVE_BYTES ((size_t)128 * 1024 * 1024)
#define HOLD_LOOK_S      0.02

/* Nobody who does as he is told sends so much more: it would cost its receiver its
 * life. What is left is for frames that must not be lost. */
#define DROP_ABOVE_BYTES (HOLD_ABOVE_BYTES + HOLD_ABOVE_BYTES / 2)

static const struct worker_times default_times = {
    .ready_timeout_ms = 10000, .ping_every_ms = 5000, .pong_timeout_ms = 15000};

const char *worker_state_name(enum worker_state state)
{
    static const char *const names[WORKER_N_STATES] = {"starting", "setup", "ready",
                                                       "draining", "dying", "dead"};

    return names[state];
}

const char *worker_role(const struct worker *worker)
{
    return worker->priv->role;
}

const char *worker_entry(const struct worker *worker)
{
    return worker->priv->entry;
}

/* ---- states ---------------------------------------------------------------------- */

static void bury(struct worker *w);

/* Reaped or not: the loop reaps all children that have ended before it tells of any. */
static bool is_our_child(pid_t pid)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Never to a reaped pid: that may be somebody else's by now (P3). */
static void send_kill(struct worker *w)
{
    if (w->priv->reaped)
        return;
    if (w->priv->pidfd != -1)
        pidfd_send_signal(w->priv->pidfd, SIGKILL, NULL, 0);
    else if (is_our_child(w->os_pid))
        kill(w->os_pid, SIGKILL);
}

static void arm(struct worker *w, uint64_t delay_ms)
{
    ev_timer_stop(w->sup->loop, &w->deadline);
    ev_now_update(w->sup->loop);
    ev_timer_set(&w->deadline, (double)delay_ms / 1e3, 0.);
    ev_timer_start(w->sup->loop, &w->deadline);
}

static void act_ignore(struct worker *w)
{
    (void)w;
}

static void act_refuse(struct worker *w)
{
    w->priv->refused = true;
}

static void act_set_up(struct worker *w)
{
    struct workers *workers = w->priv->workers;
    struct frame_setup frame = {.index = w->index, .settings = w->priv->settings};

    if (workers->jail != NULL)
        jail_fill_setup(workers->jail, &frame);
    if (!frame_encode_setup(conn_out(w->conn), &frame))
        return;
    conn_wrote(w->conn);
    if (w->sup->policies != NULL)
        policy_spread_to(w->sup->policies, w);
}

static void act_ready(struct worker *w)
{
    ev_timer_stop(w->sup->loop, &w->deadline);
    w->ready_at_ns = w->last_pong_at_ns = worker_now_ns();
    log_debug("worker is ready", "role=%s entry=%s pid=%d index=%u after_ms=%llu",
              w->priv->role, w->priv->entry, (int)w->os_pid, w->index,
              (unsigned long long)(w->ready_at_ns - w->started_at_ns) / 1000000);
    if (w->priv->owner->on_ready != NULL)
        w->priv->owner->on_ready(w->priv->owner_context, w);
}

static void act_await_end(struct worker *w)
{
    arm(w, LAST_WORDS_MS);
}

/* What is left of a host at the deadline, it terminates by itself (PH-4). */
static uint64_t grace_ms(const struct worker *w)
{
    return strcmp(w->priv->role, "host") == 0 || strcmp(w->priv->role, "terminal") == 0
               ? HOST_GRACE_MS
               : 0;
}

static void act_drain(struct worker *w)
{
    struct frame_drain frame = {.deadline_at_ns = w->priv->drain_until_ns};
    uint64_t now = worker_now_ns();
    uint64_t left_ms =
        w->priv->drain_until_ns > now ? (w->priv->drain_until_ns - now) / 1000000 : 0;

    w->drained = true;
    if (frame_encode_drain(conn_out(w->conn), &frame))
        conn_wrote(w->conn);
    arm(w, left_ms + grace_ms(w));
}

static void act_drain_early(struct worker *w)
{
    w->drained = true;
    ev_timer_stop(w->sup->loop, &w->deadline);
    send_kill(w);
}

static void act_kill(struct worker *w)
{
    ev_timer_stop(w->sup->loop, &w->deadline);
    send_kill(w);
}

static void act_too_late(struct worker *w)
{
    snprintf(w->priv->why, sizeof(w->priv->why),
             "was killed: it was not ready within %u ms",
             w->priv->workers->times.ready_timeout_ms);
    log_warn("worker was not ready in time, killing it", "role=%s entry=%s pid=%d",
             w->priv->role, w->priv->entry, (int)w->os_pid);
    act_kill(w);
}

static void act_drained_too_long(struct worker *w)
{
    snprintf(w->priv->why, sizeof(w->priv->why),
             "was killed: it did not end within its stop timeout");
    log_warn("worker did not end in time, killing it", "role=%s entry=%s pid=%d",
             w->priv->role, w->priv->entry, (int)w->os_pid);
    act_kill(w);
}

/* What it sent before its end comes before the news of its end. */
static void act_last_frames(struct worker *w)
{
    uint64_t until_ns = worker_now_ns() + LAST_FRAMES_MS * 1000000ull;

    ev_timer_stop(w->sup->loop, &w->deadline);
    while (conn_poll(w->conn) != 0 && worker_now_ns() < until_ns)
        ;
    bury(w);
}

static void act_bury_if_reaped(struct worker *w)
{
    if (w->priv->reaped)
        bury(w);
}

static const struct {
    void (*run)(struct worker *w);
    enum worker_state next;
} table[WORKER_DEAD][WEV_N_EVENTS] = {
    [WORKER_STARTING] = {[WEV_HELLO] = {act_set_up, WORKER_SETUP},
                         [WEV_READY] = {act_refuse, WORKER_STARTING},
                         [WEV_FAILED] = {act_await_end, WORKER_DYING},
                         [WEV_TIMEOUT] = {act_too_late, WORKER_DYING},
                         [WEV_DRAIN] = {act_drain_early, WORKER_DYING},
                         [WEV_KILL] = {act_kill, WORKER_DYING},
                         [WEV_EOF] = {act_kill, WORKER_DYING},
                         [WEV_REAPED] = {act_last_frames, WORKER_DYING}},
    [WORKER_SETUP] = {[WEV_HELLO] = {act_refuse, WORKER_SETUP},
                      [WEV_READY] = {act_ready, WORKER_READY},
                      [WEV_FAILED] = {act_await_end, WORKER_DYING},
                      [WEV_TIMEOUT] = {act_too_late, WORKER_DYING},
                      [WEV_DRAIN] = {act_drain_early, WORKER_DYING},
                      [WEV_KILL] = {act_kill, WORKER_DYING},
                      [WEV_EOF] = {act_kill, WORKER_DYING},
                      [WEV_REAPED] = {act_last_frames, WORKER_DYING}},
    [WORKER_READY] = {[WEV_HELLO] = {act_refuse, WORKER_READY},
                      [WEV_READY] = {act_refuse, WORKER_READY},
                      [WEV_FAILED] = {act_refuse, WORKER_READY},
                      [WEV_TIMEOUT] = {act_ignore, WORKER_READY},
                      [WEV_DRAIN] = {act_drain, WORKER_DRAINING},
                      [WEV_KILL] = {act_kill, WORKER_DYING},
                      [WEV_EOF] = {act_kill, WORKER_DYING},
                      [WEV_REAPED] = {act_last_frames, WORKER_DYING}},
    [WORKER_DRAINING] = {[WEV_HELLO] = {act_refuse, WORKER_DRAINING},
                         [WEV_READY] = {act_refuse, WORKER_DRAINING},
                         [WEV_FAILED] = {act_refuse, WORKER_DRAINING},
                         [WEV_TIMEOUT] = {act_drained_too_long, WORKER_DYING},
                         [WEV_DRAIN] = {act_drain, WORKER_DRAINING},
                         [WEV_KILL] = {act_kill, WORKER_DYING},
                         [WEV_EOF] = {act_kill, WORKER_DYING},
                         [WEV_REAPED] = {act_last_frames, WORKER_DYING}},
    [WORKER_DYING] = {[WEV_HELLO] = {act_ignore, WORKER_DYING},
                      [WEV_READY] = {act_ignore, WORKER_DYING},
                      [WEV_FAILED] = {act_ignore, WORKER_DYING},
                      [WEV_TIMEOUT] = {act_kill, WORKER_DYING},
                      [WEV_DRAIN] = {act_ignore, WORKER_DYING},
                      [WEV_KILL] = {act_kill, WORKER_DYING},
                      [WEV_EOF] = {act_bury_if_reaped, WORKER_DYING},
                      [WEV_REAPED] = {act_last_frames, WORKER_DYING}},
};

void worker_step(struct worker *w, enum worker_event event)
{
    enum worker_state old = w->state;

    assert(old != WORKER_DEAD && table[old][event].run != NULL);
    w->state = table[old][event].next;
    table[old][event].run(w); /* last: the action may free w */
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct worker *w = container_of(timer, struct worker, deadline);

    (void)loop, (void)revents;
    worker_step(w, WEV_TIMEOUT);
}

/* ---- its end --------------------------------------------------------------------- */

static void describe_end(const struct worker *w, char out[REASON_BYTES])
{
    int status = w->priv->status;
    const char *name;

    if (w->priv->why[0] != '\0') {
        snprintf(out, REASON_BYTES, "%s", w->priv->why);
    } else if (WIFSIGNALED(status)) {
        name = sigabbrev_np(WTERMSIG(status));
        snprintf(out, REASON_BYTES, "was killed by signal %d (SIG%s)", WTERMSIG(status),
                 name != NULL ? name : "?");
    } else if (WEXITSTATUS(status) == EXIT_BUG) { /* mem_give_up(), nothing else */
        snprintf(out, REASON_BYTES, "ran out of memory");
    } else {
        snprintf(out, REASON_BYTES, "exited with status %d", WEXITSTATUS(status));
    }
}

/* ---- messages to its actors ------------------------------------------------------ */

static void on_hold_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct worker *w = container_of(timer, struct worker, hold);

    (void)revents;
    if (conn_pending_bytes(w->conn) > HOLD_ABOVE_BYTES / 2)
        return;
    liveness_set_bit(w->liveness, LIVENESS_HELD_BIT, false);
    ev_timer_stop(loop, timer);
}

static void hold(struct worker *w)
{
    if (ev_is_active(&w->hold) || w->liveness == NULL)
        return;
    log_warn("a worker doesn't read what its actors are sent, senders have to wait",
             "role=%s entry=%s pid=%d", w->priv->role, w->priv->entry, (int)w->os_pid);
    liveness_set_bit(w->liveness, LIVENESS_HELD_BIT, true);
    ev_timer_set(&w->hold, HOLD_LOOK_S, HOLD_LOOK_S);
    ev_timer_start(w->sup->loop, &w->hold);
}

bool worker_is_flooded(const struct worker *worker)
{
    return worker->conn != NULL && conn_pending_bytes(worker->conn) > DROP_ABOVE_BYTES;
}

static void note_drop(const struct worker *worker)
{
    if (worker->priv->workers->n_dropped++ % DROPS_PER_LINE == 0)
        log_warn("a worker is flooded, what it is sent is dropped",
                 "role=%s entry=%s pid=%d dropped=%llu", worker->priv->role,
                 worker->priv->entry, (int)worker->os_pid,
                 (unsigned long long)worker->priv->workers->n_dropped);
}

void worker_pass_message(struct worker *worker, uint8_t type, struct bytes body)
{
    size_t pending = conn_pending_bytes(worker->conn);

    if (__builtin_expect(pending <= DROP_ABOVE_BYTES, 1))
        conn_forward(worker->conn, type, body);
    else
        note_drop(worker);
    if (__builtin_expect(pending + body.n > HOLD_ABOVE_BYTES, 0))
        hold(worker);
}

uint64_t workers_count_dropped(const struct workers *workers)
{
    return workers->n_dropped;
}

static void free_worker(struct worker *w)
{
    ev_child_stop(w->sup->loop, &w->child);
    if (ev_is_active(&w->hold))
        liveness_set_bit(w->liveness, LIVENESS_HELD_BIT, false);
    ev_timer_stop(w->sup->loop, &w->hold);
    ev_timer_stop(w->sup->loop, &w->deadline);
    conn_destroy(w->conn);
    if (w->priv->pidfd != -1)
        close(w->priv->pidfd);
    if (w->figures != NULL) {
        value_finish(w->figures);
        free(w->figures);
    }
    free(w->priv);
    free(w);
}

static void bury(struct worker *w)
{
    struct workers *workers = w->priv->workers;
    char reason[REASON_BYTES];

    describe_end(w, reason);
    w->state = WORKER_DEAD;
    workers->by_index[w->index] = NULL;
    workers->n--;
    worker_table_bury(&workers->tables[w->index]);
    if (workers->hooks.on_dead != NULL)
        workers->hooks.on_dead(w->sup, w, reason);
    if (w->priv->owner->on_dead != NULL)
        w->priv->owner->on_dead(w->priv->owner_context, w, reason);
    free_worker(w);
}

static void on_child(struct ev_loop *loop, ev_child *child, int revents)
{
    struct worker *w = container_of(child, struct worker, child);

    (void)revents;
    w->priv->reaped = true;
    w->priv->status = child->rstatus;
    ev_child_stop(loop, child);
    worker_step(w, WEV_REAPED);
}

static void on_conn_closed(void *context, const struct err *reason)
{
    struct worker *w = context;

    /* An ordinary end is told by its exit status; anything else was its fault. */
    if (reason->kind == ERR_INVALID && w->priv->why[0] == '\0') {
        snprintf(w->priv->why, sizeof(w->priv->why), "was killed: %.200s",
                 reason->text);
        log_error("worker broke the protocol, killing it",
                  "role=%s entry=%s pid=%d why=%s", w->priv->role, w->priv->entry,
                  (int)w->os_pid, reason->text);
    }
    worker_step(w, WEV_EOF);
}

void worker_kill(struct worker *worker, const char *why)
{
    if (worker->state == WORKER_DYING || worker->state == WORKER_DEAD)
        return;
    snprintf(worker->priv->why, sizeof(worker->priv->why), "%s", why);
    log_warn("killing a worker", "role=%s entry=%s pid=%d why=%s", worker->priv->role,
             worker->priv->entry, (int)worker->os_pid, why);
    worker_step(worker, WEV_KILL);
}

void worker_drain(struct worker *worker, uint64_t deadline_at_ns)
{
    worker->priv->drain_until_ns = deadline_at_ns;
    if (worker->state != WORKER_DEAD)
        worker_step(worker, WEV_DRAIN);
}

static const struct conn_callbacks conn_callbacks = {worker_on_frame, on_conn_closed};

/* ---- start ----------------------------------------------------------------------- */

static uint32_t free_index(const struct workers *workers)
{
    for (uint32_t i = 1; i < PID_MAX_WORKERS; i++)
        if (workers->by_index[i] == NULL)
            return i;
    return 0;
}

static int start_process(struct worker *w, const struct worker_spec *spec,
                         struct err *err)
{
    struct workers *workers = w->priv->workers;
    struct spawn_spec child = {
        .path = workers->path,
        .role = spec->role,
        .entry = spec->entry,
        .extra_fd = spec->extra_fd,
        .jail_fds = workers->jail != NULL ? jail_descriptors(workers->jail) : NULL,
        .terminal = spec->terminal};
    int fds[2];

    child.liveness_fd = worker_table_prepare(&workers->tables[w->index], err);
    if (child.liveness_fd == -1)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == -1)
        return err_set(err, ERR_UNAVAILABLE, "socketpair: %s", strerror(errno));
    child.socket_fd = fds[1];
    /* We stand still until the child's exec; who waits for what is written needn't. */
    conn_flush_all(&w->sup->conns);
    if (spawn_worker(&child, &w->os_pid, &w->priv->pidfd, err) == -1) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    close(fds[1]);
    w->liveness = workers->tables[w->index].words;
    w->conn = conn_create(&w->sup->conns, fds[0], NULL, &conn_callbacks, w);
    return 0;
}

static void fill_worker(struct worker *w, struct workers *workers,
                        const struct worker_spec *spec)
{
    w->sup = workers->sup;
    w->pool = spec->pool;
    w->n_slots = spec->n_slots;
    list_init(&w->in_pool);
    list_init(&w->calls_to);
    peer_use_init(&w->use);
    list_init(&w->holders);
    w->started_at_ns = worker_now_ns();
    w->priv = xcalloc(1, sizeof(*w->priv));
    w->priv->workers = workers;
    w->priv->owner = spec->owner;
    w->priv->owner_context = spec->owner_context;
    w->priv->role = spec->role;
    w->priv->entry = spec->entry;
    w->priv->settings = spec->settings;
    w->priv->pidfd = -1;
    ev_timer_init(&w->deadline, on_deadline, 0., 0.);
    ev_timer_init(&w->hold, on_hold_tick, 0., 0.);
}

struct worker *worker_start(struct workers *workers, const struct worker_spec *spec,
                            struct err *err)
{
    uint32_t index = free_index(workers);
    struct worker *w;

    if (index == 0) {
        err_set(err, ERR_UNAVAILABLE, "%d workers are running, no more can start",
                PID_MAX_WORKERS - 1);
        return NULL;
    }
    if (workers->path == NULL && (workers->path = spawn_find_worker(err)) == NULL)
        return NULL;
    w = xcalloc(1, sizeof(*w));
    w->index = index;
    fill_worker(w, workers, spec);
    if (start_process(w, spec, err) == -1) {
        free(w->priv);
        free(w);
        err_wrap(err, "start worker of %s", spec->entry);
        return NULL;
    }
    workers->by_index[index] = w;
    workers->n++;
    ev_child_init(&w->child, on_child, w->os_pid, 0);
    ev_child_start(workers->sup->loop, &w->child);
    arm(w, workers->times.ready_timeout_ms);
    workers_start_pulse(workers);
    return w;
}

/* ---- all of them ----------------------------------------------------------------- */

struct workers *workers_create(struct supervisor *sup, char *worker_path,
                               const struct worker_hooks *hooks)
{
    struct workers *workers = xcalloc(1, sizeof(*workers));

    workers->sup = sup;
    workers->hooks = *hooks;
    workers->times = default_times;
    workers->path = worker_path;
    for (size_t i = 0; i < PID_MAX_WORKERS; i++)
        worker_table_init(&workers->tables[i]);
    workers_init_pulse(workers);
    return workers;
}

void workers_destroy(struct workers *workers)
{
    if (workers == NULL)
        return;
    WORKERS_FOREACH (w, workers) {
        send_kill(w);
    }
    for (uint32_t i = 0; i < PID_MAX_WORKERS; i++) {
        if (workers->by_index[i] != NULL) {
            if (!workers->by_index[i]->priv->reaped)
                waitpid(workers->by_index[i]->os_pid, NULL, 0);
            free_worker(workers->by_index[i]);
        }
        worker_table_finish(&workers->tables[i]);
    }
    ev_timer_stop(workers->sup->loop, &workers->heartbeat);
    jail_destroy(workers->jail);
    free(workers->path);
    free(workers);
}

void workers_set_times(struct workers *workers, const struct worker_times *times)
{
    workers->times = *times;
}

int workers_confine(struct workers *workers, const struct jail_settings *settings,
                    struct err *err)
{
    struct jail *jail = jail_create(settings, err);

    if (jail == NULL)
        return -1;
    jail_destroy(workers->jail);
    workers->jail = jail;
    return 0;
}

const struct jail *workers_jail(const struct workers *workers)
{
    return workers->jail;
}

struct worker *workers_find(const struct workers *workers, uint32_t index)
{
    return index < PID_MAX_WORKERS ? workers->by_index[index] : NULL;
}

struct worker *workers_next(const struct workers *workers, uint32_t after_index)
{
    for (uint32_t i = after_index + 1; i < PID_MAX_WORKERS; i++)
        if (workers->by_index[i] != NULL)
            return workers->by_index[i];
    return NULL;
}

uint32_t workers_count(const struct workers *workers)
{
    return workers->n;
}
