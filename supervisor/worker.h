/*
 * worker -- one child process: started, set up, watched, drained, killed, reaped.
 *
 * States: STARTING (forked; HELLO then READY must come before the readiness deadline) →
 * READY → DRAINING → DEAD. It is DEAD when it is reaped *and* its socket is at EOF,
 * whichever came first; frames that it sent before its death are routed before its
 * callers, watchers and pool are told.
 */
#ifndef TROUPE_SUPERVISOR_WORKER_H
#define TROUPE_SUPERVISOR_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <ev.h>

#include "common/liveness.h"
#include "common/list.h"

struct conn;
struct err;
struct pool;
struct supervisor;
struct value;

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_DRAINING, WORKER_DEAD };

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
    uint32_t n_actors; /* hosts: last figure plus spawns since */
    struct list calls_to;   /* slots that it must answer */
    struct list calls_from; /* slots that it waits for */

    uint64_t started_at_ns, ready_at_ns, last_pong_at_ns;
    uint64_t n_calls_done;
    struct value *figures; /* of its last PONG: a map, or NULL */
    struct ev_child child;
    struct ev_timer deadline; /* armed by entering a state, see worker.c */
    /* further private fields may follow */
    struct worker_private *priv;
};

/* What a worker's owner (pool.c, code.c) wants to know; any may be NULL. */
struct worker_owner {
    void (*on_ready)(void *context, struct worker *worker);
    /* The worker is DEAD; its slots have been answered. It is freed afterwards. reason is
     * a sentence: "killed by signal 9 (SIGKILL)", "exited with status 0", ... */
    void (*on_dead)(void *context, struct worker *worker, const char *reason);
};

#endif
