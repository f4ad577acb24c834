#include "supervisor/pool.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/hops.h"
#include "supervisor/pool_private.h"
#include "supervisor/registry.h"
#include "supervisor/worker.h"

#define PATIENCE_MS        1000u /* calls wait for a restart that is this near */
#define CONGESTED_RETRY_MS 10u

/* ---- handing out work ------------------------------------------------------------ */

static bool has_free_slot(const struct worker *worker)
{
    return worker->n_busy - worker->n_waiting < worker->n_slots;
}

bool pool_can_take(const struct worker *worker)
{
    return worker_takes_work(worker) && !worker->retiring && has_free_slot(worker) &&
           !conn_is_congested(worker->conn) && !conn_is_closed(worker->conn);
}

static uint32_t load_of(const struct pool *pool, const struct worker *worker)
{
    return pool_is_host(pool) ? worker->n_actors : worker->n_busy;
}

/* The least busy process with a free slot; the first idle one is good enough. */
static struct worker *choose(struct pool *pool)
{
    struct worker *best = NULL;

    LIST_FOREACH (node, &pool->workers) {
        struct worker *worker = pool_worker_at(node);

        if (!pool_can_take(worker))
            continue;
        if (best == NULL || load_of(pool, worker) < load_of(pool, best))
            best = worker;
        if (load_of(pool, best) == 0)
            break;
    }
    return best;
}

static void note_given(struct pool *pool, struct worker *worker)
{
    if (pool_is_host(pool))
        worker->n_actors++;
}

static void send_first_queued(struct pool *pool, struct call *call,
                              struct worker *worker)
{
    uint32_t n_bytes = call->body_bytes;

    note_given(pool, worker);
    call_send_parked(pool->pools->sup->calls, call, worker);
    pool_queue_removed(&pool->queue, n_bytes);
}

void pool_dispatch(struct pool *pool)
{
    struct call *call;
    struct worker *worker;

    while ((call = pool_queue_first(&pool->queue)) != NULL &&
           (worker = choose(pool)) != NULL)
        send_first_queued(pool, call, worker);
}

/* No REPLY will free a slot when it isn't slots that are missing. */
static void look_again_if_congested(struct pool *pool)
{
    if (pool->queue.n == 0 || ev_is_active(&pool->unclog))
        return;
    LIST_FOREACH (node, &pool->workers) {
        const struct worker *worker = pool_worker_at(node);

        if (worker_takes_work(worker) && has_free_slot(worker)) {
            pool_arm(pool, &pool->unclog, CONGESTED_RETRY_MS);
            return;
        }
    }
}

static void on_place_free(struct pool *pool, struct worker *worker, bool has_ended)
{
    struct call *call = pool_queue_first(&pool->queue);

    pool->n_finished += has_ended;
    if (call != NULL && pool_can_take(worker)) {
        send_first_queued(pool, call, worker);
    } else {
        if (pool->queue.n_held != 0)
            pool_queue_resume(&pool->queue);
        look_again_if_congested(pool);
    }
    if (pool->spec.kind == POOL_KIND_LAZY)
        pool->last_free_at_ns = 0; /* the reaper notes the time when it looks */
    if (pool->state == POOL_STOPPING)
        pool_go_on_stopping(pool);
}

static void on_left_queue(struct pool *pool, uint32_t body_bytes)
{
    pool_queue_removed(&pool->queue, body_bytes);
    if (pool->state == POOL_STOPPING)
        pool_go_on_stopping(pool);
}

const struct calls_hooks pool_calls_hooks = {.on_place_free = on_place_free,
                                             .on_left_queue = on_left_queue};

void pool_fail_queue(struct pool *pool, const struct err *err)
{
    struct call *call;

    while ((call = pool_queue_first(&pool->queue)) != NULL) {
        uint32_t n_bytes = call->body_bytes;

        call_fail(pool->pools->sup->calls, call, err);
        pool_queue_removed(&pool->queue, n_bytes);
    }
    pool_queue_resume_all(&pool->queue);
}

/* No process, and none soon: waiting would only hide it. */
bool pool_is_broken(const struct pool *pool)
{
    return pool->n_workers == 0 && pool->next_try_at_ns != 0 &&
           pool->next_try_at_ns > pool_now_ns() + (uint64_t)PATIENCE_MS * 1000000;
}

/* What runs may go on calling when everything stops; from outside comes nothing new. */
static bool is_open_to(const struct pool *pool, const struct call *call)
{
    return pool->state == POOL_RUNNING &&
           (!pool->pools->closing || call->origin.type == ORIGIN_WORKER);
}

static int refusal(const struct pool *pool, const struct call *call, struct err *err)
{
    if (pool->state == POOL_RUNNING && pool_is_broken(pool)) {
        *err = pool->last_error;
        return -1;
    }
    if (is_open_to(pool, call))
        return 0;
    err_set(err, ERR_UNAVAILABLE, "%s",
            !pool_is_host(pool)            ? "pool is closed"
            : pool->state == POOL_STOPPING ? "host is shutting down"
                                           : "host is not running");
    err->retryable = RETRY_NO;
    return -1;
}

static void on_unclog(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pool *pool = container_of(timer, struct pool, unclog);

    (void)loop, (void)revents;
    pool_dispatch(pool);
    look_again_if_congested(pool);
}

/* What went through an interceptor isn't the frame that its origin sent, nor is it the
 * target of that, so that it can't be given back. */
static bool has_room_in_bytes(const struct pool *pool)
{
    return pool->queue.n_bytes < POOL_QUEUE_MAX_BYTES;
}

/* A call that was admitted once doesn't go back to the end of the waiting. */
static bool may_wait(struct pool *pool, const struct call *call)
{
    if (call_was_tried(call))
        return true;
    if (call->hop == NULL)
        return pool_queue_admits(&pool->queue, &call->origin);
    return has_room_in_bytes(pool) && (pool->queue.n < pool->queue.max ||
                                       !hops_are_from_outside(pool->pools->sup, call));
}

static void queue_or_hold(struct pool *pool, struct call *call, struct bytes body)
{
    struct calls *calls = pool->pools->sup->calls;
    struct err err = {0};

    if (may_wait(pool, call)) {
        if (call_park(call, pool, &pool->queue.calls, body, &err)) {
            pool_queue_added(&pool->queue, call->body_bytes);
            pool_grow_on_demand(pool);
            look_again_if_congested(pool);
            return;
        }
    } else if (call->origin.type == ORIGIN_WORKER && call->type == FRAME_CALL &&
               call->hop == NULL) {
        struct worker *worker = call->origin.who.worker;

        call_hold(calls, call, pool->spec.entry, body);
        pool_queue_held(&pool->queue, worker);
        return;
    } else {
        err_set(&err, ERR_RATE_LIMITED, "queue of %s is full", pool->spec.entry);
    }
    call_fail(calls, call, &err);
}

void pool_submit(struct pool *pool, struct call *call, struct bytes body)
{
    struct worker *worker;
    struct err err;

    if (call_is_too_late(pool->pools->sup->calls, call))
        return;
    if (refusal(pool, call, &err) == -1) {
        call_fail(pool->pools->sup->calls, call, &err);
        return;
    }
    worker = pool->queue.n == 0 ? choose(pool) : NULL;
    if (worker == NULL) {
        queue_or_hold(pool, call, body);
    } else {
        bool was_busy = worker->n_busy != 0;

        pool_queue_use_grant(&pool->queue, &call->origin);
        call->pool = pool;
        note_given(pool, worker);
        call_send(pool->pools->sup->calls, call, worker, body);
        if (was_busy)
            pool_grow_on_demand(pool);
    }
    pool_start_ticking(pool);
}

void pool_take_queue(struct pool *pool, struct pool *from)
{
    struct call *call;

    while ((call = pool_queue_first(&from->queue)) != NULL) {
        list_remove(&call->to);
        call->pool = pool;
        list_append(&pool->queue.calls, &call->to);
        pool_queue_added(&pool->queue, call->body_bytes);
        pool_queue_removed(&from->queue, call->body_bytes);
    }
    pool_dispatch(pool);
    pool_grow_on_demand(pool);
    look_again_if_congested(pool);
    pool_start_ticking(pool);
}

/* ---- start and stop -------------------------------------------------------------- */

void pool_tell_started(struct pool *pool, const struct err *err)
{
    void (*started)(void *, const struct err *) = pool->started;

    pool->started = NULL;
    if (started != NULL)
        started(pool->started_context, err);
}

static void take_next_spec(struct pool *pool);

void pool_start(struct pool *pool, void (*done)(void *context, const struct err *err),
                void *context)
{
    struct err err;

    if (pool->state == POOL_STOPPING || pool->started != NULL) {
        err_set(&err, ERR_INVALID_STATE, "%s is %s already", pool->spec.entry,
                pool->state == POOL_STOPPING ? "stopping" : "starting");
        if (done != NULL)
            done(context, &err);
        return;
    }
    take_next_spec(pool);
    pool->state = POOL_RUNNING;
    pool->started = done;
    pool->started_context = context;
    pool->n_slots =
        pool->spec.kind == POOL_KIND_LAZY ? pool->spec.n_slots_max : pool->spec.n_slots;
    pool->n_wanted = pool_count_first(pool);
    if (pool->small && pool->n_wanted > 1)
        pool->n_wanted = 1;
    pool->next_try_at_ns = 0;
    pool->n_quick_deaths = 0;
    if (pool->spec.kind == POOL_KIND_ADAPTIVE)
        adaptive_init(&pool->adaptive, 1, pool->spec.n_slots_max, pools_random,
                      pool->pools);
    pool_ensure_processes(pool);
    if (pool->n_ready >= pool->n_wanted)
        pool_tell_started(pool, NULL);
}

struct stop_waiter {
    struct list link;
    void (*done)(void *context);
    void *context;
};

static void await_stop(struct pool *pool, void (*done)(void *context), void *context)
{
    struct stop_waiter *waiter;

    if (done == NULL)
        return;
    waiter = xmalloc(sizeof(*waiter));
    waiter->done = done;
    waiter->context = context;
    list_append(&pool->stop_waiters, &waiter->link);
}

bool pool_forget(struct pool *pool, const void *context)
{
    bool any = pool->started != NULL && pool->started_context == context;

    if (any)
        pool->started = NULL;
    LIST_FOREACH_SAFE (node, &pool->stop_waiters) {
        struct stop_waiter *waiter = container_of(node, struct stop_waiter, link);

        if (waiter->context != context)
            continue;
        list_remove(node);
        free(waiter);
        any = true;
    }
    return any;
}

static void tell_stopped(struct pool *pool)
{
    struct list waiters, *node;

    ev_timer_stop(pool->pools->sup->loop, &pool->stop_timer);
    pool->state = POOL_STOPPED;
    /* A waiter may start the pool again, and stop it again. */
    list_init(&waiters);
    while ((node = list_take_first(&pool->stop_waiters)) != NULL)
        list_append(&waiters, node);
    while ((node = list_take_first(&waiters)) != NULL) {
        struct stop_waiter *waiter = container_of(node, struct stop_waiter, link);

        waiter->done(waiter->context);
        free(waiter);
    }
    pools_on_stopped(pool);
}

/* Queued calls run first, then the processes drain, then it is over. */
void pool_go_on_stopping(struct pool *pool)
{
    if (pool->queue.n != 0)
        return;
    pool->n_wanted = 0;
    LIST_FOREACH (node, &pool->workers)
        pool_drain_worker(pool, pool_worker_at(node), pool->stop_at_ns);
    if (pool->n_workers == 0 && pool->n_draining == 0)
        tell_stopped(pool);
}

static void on_stop_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pool *pool = container_of(timer, struct pool, stop_timer);
    struct err err;

    (void)loop, (void)revents;
    err_set(&err, ERR_UNAVAILABLE, "pool is closed");
    err.retryable = RETRY_NO;
    pool_fail_queue(pool, &err);
    if (pool->state == POOL_STOPPING)
        pool_go_on_stopping(pool);
}

static void stop_one(struct pool *pool, uint64_t deadline_at_ns,
                     void (*done)(void *context), void *context)
{
    uint64_t now = pool_now_ns();
    struct err err;

    await_stop(pool, done, context);
    if (pool->state == POOL_STOPPED) {
        tell_stopped(pool);
        return;
    }
    pool->state = POOL_STOPPING;
    pool->stop_at_ns = deadline_at_ns;
    err_set(&err, ERR_UNAVAILABLE, "%s",
            pool_is_host(pool) ? "host is shutting down" : "pool is closed");
    pool_tell_started(pool, &err);
    if (pool_is_host(pool) || pool->n_workers == 0)
        pool_fail_queue(pool, &err);
    pool_queue_resume_all(&pool->queue);
    LIST_FOREACH (node, &pool->workers)
        if (pool_is_leaving(pool_worker_at(node))) /* perhaps with a later deadline */
            worker_drain(pool_worker_at(node), deadline_at_ns);
    pool_arm(pool, &pool->stop_timer,
             deadline_at_ns > now ? (deadline_at_ns - now) / 1000000 : 0);
    pool_go_on_stopping(pool);
}

void pool_stop(struct pool *pool, uint64_t deadline_at_ns, void (*done)(void *context),
               void *context)
{
    if (pool->hidden != NULL)
        stop_one(pool->hidden, deadline_at_ns, NULL, NULL);
    stop_one(pool, deadline_at_ns, done, context);
}

/* ---- life and figures ------------------------------------------------------------ */

static uint8_t *copy_settings(struct bytes settings)
{
    uint8_t *copy = xmalloc(settings.n + 1);

    if (settings.n != 0)
        memcpy(copy, settings.data, settings.n);
    return copy;
}

void pool_set_next_spec(struct pool *pool, const struct pool_spec *spec)
{
    free(pool->next_settings);
    pool->next_settings = copy_settings(spec->settings);
    pool->next_spec = *spec;
    pool->next_spec.options = NULL; /* nobody calls a host */
    if (pool->state == POOL_RUNNING)
        pool_rescale(pool, spec->n_processes);
}

static void use_spec(struct pool *pool, const struct pool_spec *spec, uint8_t *settings)
{
    free(pool->settings);
    pool->settings = settings;
    pool->spec = *spec;
    pool->spec.entry = pool->entry;
    pool->spec.settings.data = settings;
    pool->spec.options = &pool->options;
    pool->queue.max = spec->buffer;
}

static void take_next_spec(struct pool *pool)
{
    if (pool->next_settings == NULL || !list_empty(&pool->workers))
        return;
    use_spec(pool, &pool->next_spec, pool->next_settings);
    pool->next_settings = NULL;
}

struct pool *pool_create(struct pools *pools, const struct pool_spec *spec)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));

    pool->pools = pools;
    pool->entry = xstrdup(spec->entry);
    list_init(&pool->workers);
    list_init(&pool->stop_waiters);
    pool_queue_init(&pool->queue, pool->entry, spec->buffer);
    if (spec->options != NULL)
        pool->options = call_options_copy(spec->options);
    use_spec(pool, spec, copy_settings(spec->settings));
    pool->probe = copy_settings(spec->probe);
    pool->spec.probe.data = pool->probe;
    if (!pool_is_host(pool))
        pool->stats = function_stats_get(pools->sup->functions, pool->entry);
    ev_timer_init(&pool->retry, pool_on_retry, 0., 0.);
    ev_timer_init(&pool->unclog, on_unclog, 0., 0.);
    ev_timer_init(&pool->stop_timer, on_stop_timer, 0., 0.);
    ev_init(&pool->tick, pool_on_tick);
    list_append(&pools->all, &pool->link);
    return pool;
}

void pool_destroy(struct pool *pool)
{
    struct ev_loop *loop = pool->pools->sup->loop;
    struct list *node;

    ev_timer_stop(loop, &pool->retry);
    ev_timer_stop(loop, &pool->unclog);
    ev_timer_stop(loop, &pool->tick);
    ev_timer_stop(loop, &pool->stop_timer);
    while ((node = list_take_first(&pool->stop_waiters)) != NULL)
        free(container_of(node, struct stop_waiter, link));
    pool_queue_finish(&pool->queue);
    list_remove(&pool->link);
    call_options_finish(&pool->options);
    free(pool->next_settings);
    snapshot_unref(pool->view);
    free(pool->settings);
    free(pool->probe);
    free(pool->entry);
    free(pool);
}

enum pool_state pool_state(const struct pool *pool)
{
    return pool->state;
}

enum pool_kind pool_kind(const struct pool *pool)
{
    return pool->spec.kind;
}

enum pool_use pool_use(const struct pool *pool)
{
    return pool->spec.use;
}

const char *pool_entry(const struct pool *pool)
{
    return pool->spec.entry;
}

const struct call_options *pool_options(const struct pool *pool)
{
    return &pool->options;
}

const struct snapshot *pool_view(const struct pool *pool)
{
    return pool->view;
}

struct list *pool_workers(struct pool *pool)
{
    return &pool->workers;
}

void pool_unhold(struct pool *pool, struct worker *worker, uint32_t n)
{
    pool_queue_unhold(&pool->queue, worker, n);
}

uint32_t pool_count_busy(const struct pool *pool)
{
    uint32_t n = 0;

    LIST_FOREACH (node, &pool->workers)
        n += pool_worker_at(node)->n_busy;
    return n;
}

void pool_get_figures(const struct pool *pool, struct pool_figures *out)
{
    *out = (struct pool_figures){.n_processes = pool->n_workers + pool->n_draining,
                                 .n_ready = pool->n_ready,
                                 .n_slots = pool_is_host(pool) ? 0 : pool->n_slots,
                                 .n_busy = pool_count_busy(pool),
                                 .n_queued = pool->queue.n,
                                 .n_queue_max = pool->queue.max,
                                 .n_held = pool->queue.n_held,
                                 .n_calls_done = pool->n_finished,
                                 .n_deaths = pool->n_deaths,
                                 .next_try_at_ns = pool->next_try_at_ns};
    LIST_FOREACH (node, &pool->workers)
        out->n_actors += pool_worker_at(node)->n_actors;
}

struct function_stats *pool_stats(const struct pool *pool)
{
    return pool->stats;
}
