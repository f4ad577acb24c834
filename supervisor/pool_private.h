/* pool_private -- what pool.c, pool_processes.c and pools.c share. */
#ifndef TROUPE_SUPERVISOR_POOL_PRIVATE_H
#define TROUPE_SUPERVISOR_POOL_PRIVATE_H

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"

#include "supervisor/call_options.h"
#include "supervisor/core.h"
#include "supervisor/function_stats.h"
#include "supervisor/pool.h"
#include "supervisor/pool_adaptive.h"
#include "supervisor/pool_queue.h"
#include "supervisor/worker.h"

struct pools {
    struct supervisor *sup;
    struct map by_entry; /* the visible ones */
    struct list all;
    size_t n_unseen;       /* replacements that aren't shown yet */
    struct map views;      /* snapshot -> how many pools have it as their view */
    double restart_tokens; /* the common budget of restarts */
    uint64_t tokens_at_ns;
    uint64_t random_state;
    ev_timer sweep; /* frees what is removed and stopped, from the loop */
    /* Everything stops, but not before the calls that are under way have ended. */
    bool closing;
    uint64_t close_at_ns; /* ... or it is that late */
    ev_timer closing_tick;
    void (*stopped)(void *context);
    void *stopped_context;
};

struct pool {
    struct list link; /* in pools->all */
    struct pools *pools;
    struct pool_spec spec; /* its entry, settings and options are the ones below */
    char *entry;
    uint8_t *settings, *probe;
    struct call_options options;
    struct pool_spec next_spec; /* hosts: what counts from the next start on */
    uint8_t *next_settings;     /* of next_spec; NULL = there is none */
    enum pool_state state;
    bool visible;          /* in by_entry */
    bool removed;          /* freed as soon as it is stopped */
    bool small;            /* staged: starts with one process */
    bool staged;           /* not visible until a change is through */
    bool unseen;           /* a replacement on its way */
    struct snapshot *view; /* of staged and of replaced ones, else NULL */
    struct pool *hidden;   /* inline: the one slot for callers that aren't workers */

    struct list workers;
    uint32_t n_workers, n_ready; /* not counting those that drain */
    uint32_t n_draining;
    uint32_t n_wanted; /* processes */
    uint32_t n_slots;  /* now; adaptive changes it */
    struct pool_queue queue;

    uint32_t n_quick_deaths; /* in a row, before a first job */
    uint64_t next_try_at_ns; /* 0 = no restart is waiting */
    struct err last_error;   /* of the last death or failed start */
    ev_timer retry;
    ev_timer unclog; /* somebody has a free slot, but its socket is full */

    ev_timer tick; /* lazy: the reaper; adaptive: the controller */
    struct adaptive adaptive;
    uint64_t last_free_at_ns, n_finished, n_deaths;
    struct function_stats *stats; /* NULL: a host */

    void (*started)(void *context, const struct err *err);
    void *started_context;
    struct list stop_waiters; /* struct stop_waiter of pool.c */
    uint64_t stop_at_ns;
    ev_timer stop_timer;
};

/* pool.c, for pools.c */
struct pool *pool_create(struct pools *pools, const struct pool_spec *spec);
/* A host that runs changes the number of its processes; the rest of spec (copied)
 * counts from its next start on. */
void pool_set_next_spec(struct pool *pool, const struct pool_spec *spec);
/* Its workers are gone, or going with everything. */
void pool_destroy(struct pool *pool);

void pool_tell_started(struct pool *pool, const struct err *err);
void pool_go_on_stopping(struct pool *pool);
void pool_dispatch(struct pool *pool);
void pool_fail_queue(struct pool *pool, const struct err *err);
/* The calls that wait in from, which has the same entry, wait in pool from now on, also
 * when they are more than it would queue. */
void pool_take_queue(struct pool *pool, struct pool *from);
bool pool_can_take(const struct worker *worker);
/* No process, and none soon: waiting would only hide it. */
bool pool_is_broken(const struct pool *pool);
uint32_t pool_count_busy(const struct pool *pool);

/* pool_processes.c: which there are, and what becomes of them */
void pool_ensure_processes(struct pool *pool);
void pool_grow_on_demand(struct pool *pool);
void pool_drain_worker(struct pool *pool, struct worker *worker, uint64_t deadline_ns);
/* Of a host that runs: what is too much ends with its last actor. */
void pool_rescale(struct pool *pool, uint32_t n_processes);
void pool_start_ticking(struct pool *pool);
void pool_on_retry(struct ev_loop *loop, ev_timer *timer, int revents);
void pool_on_tick(struct ev_loop *loop, ev_timer *timer, int revents);

static inline bool pool_is_host(const struct pool *pool)
{
    return pool_kind_is_host(pool->spec.kind);
}

static inline struct worker *pool_worker_at(struct list *node)
{
    return container_of(node, struct worker, in_pool);
}

/* It counts among those that drain. */
static inline bool pool_is_leaving(const struct worker *worker)
{
    return worker->drained || worker->retiring;
}

static inline uint64_t pool_now_ns(void)
{
    return (uint64_t)clock_monotonic_ns();
}

static inline void pool_arm(struct pool *pool, ev_timer *timer, uint64_t delay_ms)
{
    ev_timer_stop(pool->pools->sup->loop, timer);
    ev_timer_set(timer, (double)delay_ms / 1e3, 0.);
    ev_timer_start(pool->pools->sup->loop, timer);
}

/* pools.c */
bool pools_take_restart_token(struct pools *pools);
double pools_random(void *context);       /* uniform in [0, 1) */
void pools_on_stopped(struct pool *pool); /* a removed one is freed later */

#endif
