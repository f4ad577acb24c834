/* pool_private -- what pool.c and pools.c share. */
#ifndef TROUPE_SUPERVISOR_POOL_PRIVATE_H
#define TROUPE_SUPERVISOR_POOL_PRIVATE_H

#include <ev.h>

#include "common/err.h"
#include "common/list.h"
#include "common/map.h"
#include "supervisor/pool.h"
#include "supervisor/pool_adaptive.h"
#include "supervisor/pool_queue.h"

struct pools {
    struct supervisor *sup;
    struct map by_entry; /* the visible ones */
    struct list all;
    double restart_tokens; /* the common budget of restarts */
    uint64_t tokens_at_ns;
    uint64_t random_state;
    ev_timer sweep; /* frees what is removed and stopped, from the loop */
    void (*stopped)(void *context);
    void *stopped_context;
};

struct pool {
    struct list link; /* in pools->all */
    struct pools *pools;
    struct pool_spec spec; /* owns entry and settings */
    struct pool_spec
        *next_spec; /* hosts: what counts from the next start on, or NULL */
    enum pool_state state;
    bool visible;        /* in by_entry */
    bool removed;        /* freed as soon as it is stopped */
    struct pool *hidden; /* inline: the one slot for callers that aren't workers */

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

    void (*started)(void *context, const struct err *err);
    void *started_context;
    struct list stop_waiters; /* struct stop_waiter of pool.c */
    uint64_t stop_at_ns;
    ev_timer stop_timer;
};

/* pool.c, for pools.c */
struct pool *pool_create(struct pools *pools, const struct pool_spec *spec);
/* A host that runs goes on as it is: spec (copied) counts from its next start on. */
void pool_set_next_spec(struct pool *pool, const struct pool_spec *spec);
void pool_destroy(
    struct pool *pool); /* its workers are gone or going with everything */

/* pools.c, for pool.c */
bool pools_take_restart_token(struct pools *pools);
double pools_random(void *pools);         /* uniform in [0, 1) */
void pools_on_stopped(struct pool *pool); /* a removed one is freed later */

#endif
