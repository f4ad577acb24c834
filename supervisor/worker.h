/*
 * worker -- one child process: started, set up, watched, drained, killed, reaped.
 *
 * States: STARTING (forked; waits for HELLO) → SETUP (SETUP is sent; READY must come
 * before the readiness deadline) → READY → DRAINING → DYING (killed, reaped or at EOF,
 * waits for the other half) → DEAD. Frames that it sent before its death are routed
 * before its callers, watchers and pool are told: its liveness table is buried first,
 * then hooks->on_dead (calls, actors, names, bus, requests), then its owner.
 *
 * A worker that sends what no worker may send costs itself its life and nobody else's:
 * it is logged once and killed. Signals go through a pidfd, or to a pid that has not
 * been reaped: never to a stranger.
 */
#ifndef TROUPE_SUPERVISOR_WORKER_H
#define TROUPE_SUPERVISOR_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ev.h>

#include "common/buf.h"
#include "common/liveness.h"
#include "common/list.h"

#include "supervisor/peer_use.h"

struct conn;
struct err;
struct jail;
struct jail_settings;
struct pool;
struct supervisor;
struct value;
struct workers;

enum worker_state {
    WORKER_STARTING,
    WORKER_SETUP,
    WORKER_READY,
    WORKER_DRAINING,
    WORKER_DYING,
    WORKER_DEAD,
    WORKER_N_STATES,
};

struct worker {
    struct supervisor *sup;
    struct pool *pool; /* its owner; NULL for the compile worker */
    struct list in_pool;
    struct conn *conn;
    pid_t os_pid;
    uint32_t index; /* of its actors' pids; 1 … PID_MAX_WORKERS - 1 */
    enum worker_state state;
    liveness_word *liveness; /* read-only for us except at its death */

    uint32_t n_slots; /* calls that it takes at a time (pools) */
    uint32_t n_busy;
    /* Of those: that wait for a call which they pass on (hops.h) and so leave their
     * slot to others. */
    uint32_t n_waiting;
    uint32_t n_actors;    /* hosts: last figure plus spawns since */
    struct list calls_to; /* slots that it must answer */
    struct peer_use use;  /* by what it asks for */
    struct list holders;  /* pools for which it holds calls, see pool_queue.h */

    uint64_t started_at_ns, ready_at_ns, last_pong_at_ns;
    uint64_t n_calls_given, n_calls_done; /* spawns count as calls */
    bool drained;                         /* it was asked to end */
    bool setup_failed;                    /* it has said why, and ends */
    /* Of a host that has become smaller: gets no new actors, ends with its last one. */
    bool retiring;
    uint64_t spawned_all_at_ns; /* retiring: since then no spawn is under way, 0 = is */
    struct value *figures;      /* of its last PONG: a map, or NULL */
    struct ev_child child;
    struct ev_timer deadline; /* armed by entering a state, see worker.c */
    struct ev_timer hold;     /* runs while senders are told to wait */
    struct worker_private *priv;
};

/* What a worker's owner (pool.c, code.c) wants to know; any may be NULL. */
struct worker_owner {
    void (*on_ready)(void *context, struct worker *worker);
    /* It said that it can't be set up; it will be DEAD soon. */
    void (*on_failed)(void *context, struct worker *worker, const struct err *err);
    /* The worker is DEAD; its slots have been answered. It is freed afterwards. reason
     * is a phrase: "was killed by signal 9 (SIGKILL)", "exited with status 0", ... */
    void (*on_dead)(void *context, struct worker *worker, const char *reason);
};

struct worker_spec {
    const char *role, *entry; /* borrowed while the worker lives */
    struct bytes settings;    /* one msgpack map for SETUP, borrowed likewise */
    struct pool *pool;        /* or NULL */
    uint32_t n_slots;
    int extra_fd; /* inherited as descriptor 5, -1 = none */
    bool terminal;
    const struct worker_owner *owner; /* borrowed for ever */
    void *owner_context;
};

/* Upwards; see router.h for the ones that a supervisor uses. */
struct worker_hooks {
    /* A frame that is not about the worker's own life. -1 = hostile. */
    int (*on_frame)(struct supervisor *sup, struct worker *from, uint8_t type,
                    struct bytes body, struct err *err);
    /* It is DEAD and its liveness table buried; before its owner's on_dead. */
    void (*on_dead)(struct supervisor *sup, struct worker *worker, const char *reason);
};

struct worker_times {
    uint32_t ready_timeout_ms; /* fork to READY; default 10 s */
    uint32_t ping_every_ms;    /* default 5 s */
    uint32_t pong_timeout_ms;  /* default 15 s */
};

/* worker_path is taken; NULL = look for it when the first one starts. */
struct workers *workers_create(struct supervisor *sup, char *worker_path,
                               const struct worker_hooks *hooks);
void workers_destroy(struct workers *workers); /* kills and reaps what is left */
void workers_set_times(struct workers *workers, const struct worker_times *times);

/* Those started from now on are confined like this. -1: this machine can't do that, see
 * jail.h. Default: not confined. */
int workers_confine(struct workers *workers, const struct jail_settings *settings,
                    struct err *err);
const struct jail *workers_jail(const struct workers *workers); /* NULL by default */

/* NULL when there is none of that index (or it is DEAD). */
struct worker *workers_find(const struct workers *workers, uint32_t index);
uint32_t workers_count(const struct workers *workers);

/* Visits every worker that is not DEAD, by index. */
#define WORKERS_FOREACH(w, workers)                                                    \
    for (struct worker * (w) = workers_next((workers), 0); (w) != NULL;                \
         (w) = workers_next((workers), (w)->index))
struct worker *workers_next(const struct workers *workers, uint32_t after_index);

/* Starts one; NULL with err. on_ready or on_dead follow later, never from inside. */
struct worker *worker_start(struct workers *workers, const struct worker_spec *spec,
                            struct err *err);

/* Passes a message or an event on. A worker that doesn't read, busy or stopped as it
 * may be, must not be flooded until its conn gives it up for dead: before that, senders
 * are told that the mailboxes of its actors are full, and what comes from those who go
 * on nevertheless is dropped. */
void worker_pass_message(struct worker *worker, uint8_t type, struct bytes body);

/* Are senders told so now? */
static inline bool worker_is_held(const struct worker *worker)
{
    return ev_is_active(&worker->hold);
}
/* Has it so much to read that what others ask of it is to be refused? */
bool worker_is_flooded(const struct worker *worker);

/* Messages that were dropped, since ever. */
uint64_t workers_count_dropped(const struct workers *workers);

/* Takes no new work, finishes what it has and exits; killed at the deadline. */
void worker_drain(struct worker *worker, uint64_t deadline_at_ns);

/* SIGKILL. why is logged and becomes part of the reason if it says more than the signal
 * does. Does nothing when it is dying already. */
void worker_kill(struct worker *worker, const char *why);

/* Does it still hear us? The question is a PING, behind everything that was sent
 * before; it is not asked twice before there was an answer. */
enum worker_hearing {
    WORKER_HEARS,   /* it has answered: it has read all that came before */
    WORKER_SILENT,  /* not yet, and perhaps it had no chance to run */
    WORKER_IS_DEAF, /* it ran for at least busy_ms since, and didn't look */
};
void worker_ask_hearing(struct worker *worker);
enum worker_hearing worker_hearing(const struct worker *worker, uint32_t busy_ms);

/* "starting", "setup", "ready", "draining", "dying", "dead" */
const char *worker_state_name(enum worker_state state);
const char *worker_role(const struct worker *worker);
const char *worker_entry(const struct worker *worker);

/* May it be given new work now? */
static inline bool worker_takes_work(const struct worker *worker)
{
    return worker->state == WORKER_READY;
}

/* Does an actor of this worker carry pid? */
static inline bool worker_owns_pid(const struct worker *worker, uint64_t pid)
{
    return pid_index(pid) == worker->index;
}

#endif
