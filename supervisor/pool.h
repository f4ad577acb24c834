/*
 * pool -- the workers behind one entry: a function's slots, or a host's processes.
 *
 * The router submits a call; the least busy process with a free slot gets it at once,
 * else it waits in a queue of at most `buffer` calls until a slot frees up, its
 * deadline passes or it is cancelled. With the queue full a worker's call goes back to
 * it (HOLD) until there is room again (RESUME); a client's or our own is refused
 * (RateLimited).
 *
 * Slots are spread over `n_processes` processes. A static pool and a host have all of
 * them from the start, a lazy pool starts them on demand and ends them when idle, an
 * adaptive one has as many slots as its controller (pool_adaptive.h) finds useful. What
 * dies is replaced at once; a process that dies before its first job waits 0, 250,
 * 500 ms ... 30 s before the next try, and all pools share one budget of restarts.
 *
 * Invariants: a call is in this queue or in a worker's list, never in both.
 *             The slots of the workers that live never exceed n_slots_max.
 */
#ifndef TROUPE_SUPERVISOR_POOL_H
#define TROUPE_SUPERVISOR_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/list.h"

struct call;
struct call_options;
struct calls_hooks;
struct err;
struct function_stats;
struct pool;
struct pools;
struct snapshot;
struct supervisor;
struct worker;

/* Who gives it work. */
enum pool_use {
    POOL_FOR_CALLS,
    POOL_FOR_METHODS,      /* a module: called by its methods, never itself */
    POOL_FOR_INTERCEPTION, /* hops.c alone */
};

enum pool_kind {
    POOL_KIND_INLINE,
    POOL_KIND_STATIC,
    POOL_KIND_LAZY,
    POOL_KIND_ADAPTIVE,
    POOL_KIND_HOST,
    POOL_KIND_TERMINAL,
};

/* Those that spawns go to; a service starts and stops them. */
static inline bool pool_kind_is_host(enum pool_kind kind)
{
    return kind == POOL_KIND_HOST || kind == POOL_KIND_TERMINAL;
}

/* What to build; every default is resolved (0 is 0). */
struct pool_spec {
    const char *entry; /* id of the function or host; copied */
    enum pool_kind kind;
    enum pool_use use;
    uint32_t n_slots;     /* static: all; lazy, adaptive: at the start */
    uint32_t n_slots_max; /* lazy, adaptive */
    uint32_t n_processes;
    uint32_t buffer; /* places in the queue */
    uint64_t idle_timeout_ms;
    struct bytes settings;              /* msgpack map for SETUP; copied */
    struct bytes probe;                 /* the same while it is staged; copied */
    const struct call_options *options; /* of calls to it; copied; NULL = none */
};

enum pool_state { POOL_STOPPED, POOL_RUNNING, POOL_STOPPING };

/* How calls.c tells the pools; for calls_create(), which wants `again` besides. */
extern const struct calls_hooks pool_calls_hooks;

struct pools *pools_create(struct supervisor *sup);
void pools_destroy(struct pools *pools);

/* The pool that calls to (or spawns on) this entry go to; NULL if none. */
struct pool *pools_find(const struct pools *pools, const void *entry, size_t n_bytes);

/* Makes one pool and shows it under its entry. A function's starts at once; if there
 * was one before, that serves until the new one works and then drains in the
 * background. A host's waits for pool_start(); one that exists already takes the
 * number of processes now and the rest of spec at its next start. */
struct pool *pools_add(struct pools *pools, const struct pool_spec *spec);

/* before: what the processes that its accepted calls may still need run the code of. */
void pools_remove(struct pools *pools, const char *entry, struct snapshot *before);

/* Makes a function's pool that nobody finds yet, for a change that may still come to
 * nothing. Its processes run the code of view (counted anew), and are ready only when
 * that has been loaded. pool_start() is the caller's, then one of the two below. */
struct pool *pools_stage(struct pools *pools, const struct pool_spec *spec,
                         struct snapshot *view);

/* How many processes pool_start() will start. */
uint32_t pool_count_first(const struct pool *pool);

/* A staged pool starts with one process; the others come when it is shown. */
void pool_start_small(struct pool *pool);

/* From now on it serves its entry. The one before, if any, drains in the background;
 * processes that it still has to start run the code of before. */
void pools_show(struct pool *pool, struct snapshot *before);
void pools_discard(struct pool *pool);

/* What a process of the pool that isn't ready yet takes its code from; NULL: from the
 * registry. Borrowed. */
const struct snapshot *pool_view(const struct pool *pool);

/* Drains every pool, functions' when no call is under way any more (or it is too late):
 * what runs may need others to come to its end. done(context) once the last worker is
 * gone. */
void pools_stop(struct pools *pools, uint64_t deadline_at_ns,
                void (*done)(void *context), void *context);

/* Starts the processes. done comes exactly once, later or now: err NULL when as many as
 * a start needs are READY, else why not. done may be NULL. */
void pool_start(struct pool *pool, void (*done)(void *context, const struct err *err),
                void *context);

/* Drains: no new work; queued and running calls finish until the deadline, then the
 * workers are killed. done may be NULL. */
void pool_stop(struct pool *pool, uint64_t deadline_at_ns, void (*done)(void *context),
               void *context);

/* Whoever is behind context waits for no answer to a start or stop any more. false:
 * there was none to come. */
bool pool_forget(struct pool *pool, const void *context);

/* Takes a CALL or SPAWN (body as it came): it is sent, queued, held or failed. */
void pool_submit(struct pool *pool, struct call *call, struct bytes body);

/* So many of the calls that the worker holds for this pool have stopped waiting. */
void pool_unhold(struct pool *pool, struct worker *worker, uint32_t n);

enum pool_state pool_state(const struct pool *pool);
enum pool_kind pool_kind(const struct pool *pool);
enum pool_use pool_use(const struct pool *pool);
const char *pool_entry(const struct pool *pool);

/* What its entry's meta.options ask for; borrowed until the next loop turn. */
const struct call_options *pool_options(const struct pool *pool);

struct pool_figures {
    uint32_t n_processes, n_ready, n_slots, n_busy, n_queued, n_queue_max, n_held,
        n_actors;
    uint64_t n_calls_done, n_deaths, next_try_at_ns; /* 0 = no restart pending */
};
void pool_get_figures(const struct pool *pool, struct pool_figures *out);

/* What became of calls to its entry; NULL for a host. */
struct function_stats *pool_stats(const struct pool *pool);

struct pool *pools_next(const struct pools *pools, const struct pool *after);
#define POOLS_FOREACH(p, pools)                                                        \
    for (struct pool * (p) = pools_next((pools), NULL); (p) != NULL;                   \
         (p) = pools_next((pools), (p)))

/* The one slot of an inline function for callers that are no workers; made if need be.
 * The pool itself, which refuses calls, once it stops. */
struct pool *pool_hidden(struct pool *pool);

/* Every worker process of the pool is in this list (worker->in_pool). */
struct list *pool_workers(struct pool *pool);

#endif
