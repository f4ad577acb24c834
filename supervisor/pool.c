#include "supervisor/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/conn.h"
#include "proto/frame.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/pool_private.h"
#include "supervisor/worker.h"

#define QUICK_DEATH_MS        5000u /* it never did a job and died before this age */
#define FIRST_DELAY_MS        250u
#define MAX_DELAY_MS          30000u
#define PATIENCE_MS           1000u /* calls wait for a restart that is this near */
#define OUT_OF_TOKENS_MS      50u
#define CONGESTED_RETRY_MS    10u
#define IDLE_DRAIN_MS         10000u
#define UNLIMITED_SLOTS       UINT32_MAX
#define MIN_REAPER_TIMEOUT_MS 10u

static uint64_t now_ns(void)
{
    return (uint64_t)clock_monotonic_ns();
}

static bool is_host(const struct pool *pool)
{
    return pool->spec.kind == POOL_KIND_HOST || pool->spec.kind == POOL_KIND_TERMINAL;
}

static const char *role_of(const struct pool *pool)
{
    if (pool->spec.kind == POOL_KIND_TERMINAL)
        return "terminal";
    return is_host(pool) ? "host" : "pool";
}

static struct worker *worker_at(struct list *node)
{
    return container_of(node, struct worker, in_pool);
}

static void arm(struct pool *pool, ev_timer *timer, uint64_t delay_ms)
{
    ev_timer_stop(pool->pools->sup->loop, timer);
    ev_timer_set(timer, (double)delay_ms / 1e3, 0.);
    ev_timer_start(pool->pools->sup->loop, timer);
}

/* ---- handing out work --------------------------------------------------------------
 */

static bool can_take(const struct worker *worker)
{
    return worker_takes_work(worker) && worker->n_busy < worker->n_slots &&
           !conn_is_congested(worker->conn) && !conn_is_closed(worker->conn);
}

static uint32_t load_of(const struct pool *pool, const struct worker *worker)
{
    return is_host(pool) ? worker->n_actors : worker->n_busy;
}

/* The least busy process with a free slot; the first idle one is good enough. */
static struct worker *choose(struct pool *pool)
{
    struct worker *best = NULL;

    LIST_FOREACH (node, &pool->workers) {
        struct worker *worker = worker_at(node);

        if (!can_take(worker))
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
    if (is_host(pool))
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

static void ensure_processes(struct pool *pool);
static void go_on_stopping(struct pool *pool);

static void dispatch(struct pool *pool)
{
    struct call *call;
    struct worker *worker;

    while ((call = pool_queue_first(&pool->queue)) != NULL &&
           (worker = choose(pool)) != NULL)
        send_first_queued(pool, call, worker);
}

static void on_place_free(struct pool *pool, struct worker *worker)
{
    struct call *call = pool_queue_first(&pool->queue);

    pool->n_finished++;
    if (call != NULL && can_take(worker))
        send_first_queued(pool, call, worker);
    else if (pool->queue.n_held != 0)
        pool_queue_resume(&pool->queue);
    if (pool->spec.kind == POOL_KIND_LAZY)
        pool->last_free_at_ns = 0; /* the reaper notes the time when it looks */
    if (pool->state == POOL_STOPPING)
        go_on_stopping(pool);
}

static void on_left_queue(struct pool *pool, uint32_t body_bytes)
{
    pool_queue_removed(&pool->queue, body_bytes);
    if (pool->state == POOL_STOPPING)
        go_on_stopping(pool);
}

const struct calls_hooks pool_calls_hooks = {on_place_free, on_left_queue};

static void fail_queue(struct pool *pool, const struct err *err)
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
static bool is_broken(const struct pool *pool)
{
    return pool->n_workers == 0 && pool->next_try_at_ns != 0 &&
           pool->next_try_at_ns > now_ns() + (uint64_t)PATIENCE_MS * 1000000;
}

static int refusal(const struct pool *pool, struct err *err)
{
    if (pool->state == POOL_RUNNING && is_broken(pool)) {
        *err = pool->last_error;
        return -1;
    }
    if (pool->state == POOL_RUNNING)
        return 0;
    err_set(err, ERR_UNAVAILABLE, "%s",
            !is_host(pool)                 ? "pool is closed"
            : pool->state == POOL_STOPPING ? "host is shutting down"
                                           : "host is not running");
    err->retryable = RETRY_NO;
    return -1;
}

/* A lazy pool grows while nobody in it is idle. */
static void grow_on_demand(struct pool *pool)
{
    uint32_t n_starting = pool->n_workers - pool->n_ready;

    if (pool->spec.kind != POOL_KIND_LAZY || pool->state == POOL_STOPPED ||
        pool->n_wanted == pool->spec.n_processes || n_starting != 0)
        return;
    LIST_FOREACH (node, &pool->workers)
        if (worker_at(node)->n_busy == 0 && can_take(worker_at(node)))
            return;
    pool->n_wanted = pool->n_workers + 1;
    ensure_processes(pool);
}

static void start_ticking(struct pool *pool)
{
    uint64_t every_ms = ADAPTIVE_TICK_MS;

    if (ev_is_active(&pool->tick))
        return;
    if (pool->spec.kind == POOL_KIND_LAZY) {
        every_ms = pool->spec.idle_timeout_ms / 2;
        every_ms = every_ms < MIN_REAPER_TIMEOUT_MS ? MIN_REAPER_TIMEOUT_MS : every_ms;
        pool->last_free_at_ns = 0;
    } else if (pool->spec.kind == POOL_KIND_ADAPTIVE) {
        adaptive_resume(&pool->adaptive, now_ns(), pool->n_finished);
    } else {
        return;
    }
    pool->tick.repeat = (double)every_ms / 1e3;
    ev_timer_again(pool->pools->sup->loop, &pool->tick);
}

/* No REPLY will free a slot when it isn't slots that are missing. */
static void look_again_if_congested(struct pool *pool)
{
    if (pool->queue.n == 0 || ev_is_active(&pool->unclog))
        return;
    LIST_FOREACH (node, &pool->workers) {
        const struct worker *worker = worker_at(node);

        if (worker_takes_work(worker) && worker->n_busy < worker->n_slots) {
            arm(pool, &pool->unclog, CONGESTED_RETRY_MS);
            return;
        }
    }
}

static void on_unclog(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pool *pool = container_of(timer, struct pool, unclog);

    (void)loop, (void)revents;
    dispatch(pool);
    look_again_if_congested(pool);
}

static void queue_or_hold(struct pool *pool, struct call *call, struct bytes body)
{
    struct calls *calls = pool->pools->sup->calls;
    struct err err = {0};

    if (pool_queue_admits(&pool->queue, &call->origin)) {
        if (call_park(call, pool, &pool->queue.calls, body, &err)) {
            pool_queue_added(&pool->queue, call->body_bytes);
            grow_on_demand(pool);
            look_again_if_congested(pool);
            return;
        }
    } else if (call->origin.type == ORIGIN_WORKER && call->type == FRAME_CALL) {
        struct worker *worker = call->origin.who.worker;

        call_hold(calls, call, body);
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

    if (refusal(pool, &err) == -1) {
        call_fail(pool->pools->sup->calls, call, &err);
        return;
    }
    worker = pool->queue.n == 0 ? choose(pool) : NULL;
    if (worker == NULL) {
        queue_or_hold(pool, call, body);
    } else {
        bool was_busy = worker->n_busy != 0;

        call->pool = pool;
        note_given(pool, worker);
        call_send(pool->pools->sup->calls, call, worker, body);
        if (was_busy)
            grow_on_demand(pool);
    }
    start_ticking(pool);
}

/* ---- how many processes, with how many slots each ----------------------------------
 */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What one process is set up for. */
static uint32_t capacity(const struct pool *pool)
{
    uint32_t n = pool->spec.n_processes;

    if (is_host(pool))
        return UNLIMITED_SLOTS;
    return (pool->spec.n_slots_max + n - 1) / n;
}

/* The slots of the n-th process of the pool. */
static uint32_t quota(const struct pool *pool, uint32_t nth)
{
    uint32_t n_processes = min_u32(pool->n_slots, pool->spec.n_processes);

    if (is_host(pool))
        return UNLIMITED_SLOTS;
    if (nth >= n_processes)
        return 0;
    return pool->n_slots / n_processes + (nth < pool->n_slots % n_processes ? 1 : 0);
}

static void share_slots(struct pool *pool)
{
    uint32_t nth = 0;

    LIST_FOREACH (node, &pool->workers) {
        struct worker *worker = worker_at(node);

        if (!worker->drained)
            worker->n_slots = quota(pool, nth++);
    }
}

static void drain_worker(struct pool *pool, struct worker *worker, uint64_t deadline_ns)
{
    if (worker->drained)
        return;
    if (worker->ready_at_ns != 0)
        pool->n_ready--;
    pool->n_workers--;
    pool->n_draining++;
    worker_drain(worker, deadline_ns);
    worker->drained = true;
}

/* The last ones of the list go when fewer are wanted. */
static void drain_surplus(struct pool *pool)
{
    uint64_t deadline_ns = now_ns() + (uint64_t)IDLE_DRAIN_MS * 1000000;

    for (struct list *node = pool->workers.prev;
         node != &pool->workers && pool->n_workers > pool->n_wanted; node = node->prev)
        drain_worker(pool, worker_at(node), deadline_ns);
}

static void set_slots(struct pool *pool, uint32_t n_slots)
{
    pool->n_slots = n_slots;
    pool->n_wanted = min_u32(n_slots, pool->spec.n_processes);
    ensure_processes(pool);
    drain_surplus(pool);
    share_slots(pool);
    dispatch(pool);
}

/* ---- start and start again ---------------------------------------------------------
 */

static uint64_t delay_ms_after(uint32_t n_quick_deaths)
{
    uint64_t delay = FIRST_DELAY_MS;

    if (n_quick_deaths <= 1)
        return 0;
    for (uint32_t i = 2; i < n_quick_deaths && delay < MAX_DELAY_MS; i++)
        delay *= 2;
    return delay < MAX_DELAY_MS ? delay : MAX_DELAY_MS;
}

static void tell_started(struct pool *pool, const struct err *err)
{
    void (*started)(void *, const struct err *) = pool->started;

    pool->started = NULL;
    if (started != NULL)
        started(pool->started_context, err);
}

static void wait_before_retry(struct pool *pool, uint64_t delay_ms)
{
    pool->next_try_at_ns = now_ns() + delay_ms * 1000000;
    if (pool->n_workers < pool->n_wanted)
        arm(pool, &pool->retry, delay_ms);
    if (is_broken(pool))
        fail_queue(pool, &pool->last_error);
}

/* A start that was asked for has failed: the one who asked decides what is next. */
static void give_up_start(struct pool *pool)
{
    struct err err = pool->last_error;

    pool->n_wanted = 0;
    drain_surplus(pool);
    fail_queue(pool, &err);
    pool->state = pool->n_draining != 0 ? POOL_STOPPING : POOL_STOPPED;
    tell_started(pool, &err);
}

static void on_start_failed(struct pool *pool)
{
    pool->n_quick_deaths++;
    if (pool->started != NULL && is_host(pool)) {
        give_up_start(pool);
        return;
    }
    /* One failure may be bad luck. After that the next call tries again. */
    if (pool->spec.kind == POOL_KIND_LAZY && pool->n_quick_deaths > 1) {
        pool->n_wanted = pool->n_workers;
        if (pool->n_workers == 0)
            fail_queue(pool, &pool->last_error);
    }
    tell_started(pool, &pool->last_error);
}

static const struct worker_owner owner;

static bool start_one(struct pool *pool)
{
    struct worker_spec spec = {.role = role_of(pool),
                               .entry = pool->spec.entry,
                               .settings = pool->spec.settings,
                               .pool = pool,
                               .n_slots = capacity(pool),
                               .extra_fd = -1,
                               .terminal = pool->spec.kind == POOL_KIND_TERMINAL,
                               .owner = &owner,
                               .owner_context = pool};
    struct worker *worker =
        worker_start(pool->pools->sup->workers, &spec, &pool->last_error);

    if (worker == NULL) {
        log_error("can't start a worker", "entry=%s why=%s", pool->spec.entry,
                  pool->last_error.text);
        return false;
    }
    list_append(&pool->workers, &worker->in_pool);
    pool->n_workers++;
    return true;
}

static void ensure_processes(struct pool *pool)
{
    while (pool->state != POOL_STOPPED && pool->n_workers < pool->n_wanted) {
        uint64_t now = now_ns();

        if (pool->next_try_at_ns > now) {
            if (!ev_is_active(&pool->retry))
                arm(pool, &pool->retry,
                    (pool->next_try_at_ns - now + 999999) / 1000000);
            return;
        }
        pool->next_try_at_ns = 0;
        if (pool->n_deaths != 0 && !pools_take_restart_token(pool->pools)) {
            wait_before_retry(pool, OUT_OF_TOKENS_MS);
            return;
        }
        if (!start_one(pool)) {
            on_start_failed(pool);
            wait_before_retry(pool, delay_ms_after(pool->n_quick_deaths + 1));
            return;
        }
        share_slots(pool);
    }
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pool *pool = container_of(timer, struct pool, retry);

    (void)loop, (void)revents;
    if (pool->next_try_at_ns <= now_ns())
        pool->next_try_at_ns = 0;
    ensure_processes(pool);
}

static uint32_t first_processes(const struct pool *pool)
{
    if (pool->spec.kind == POOL_KIND_LAZY)
        return (pool->spec.n_slots + capacity(pool) - 1) / capacity(pool);
    if (pool->spec.kind == POOL_KIND_INLINE)
        return 0;
    if (is_host(pool))
        return pool->spec.n_processes;
    return min_u32(pool->n_slots, pool->spec.n_processes);
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
    pool->n_wanted = first_processes(pool);
    pool->next_try_at_ns = 0;
    pool->n_quick_deaths = 0;
    if (pool->spec.kind == POOL_KIND_ADAPTIVE)
        adaptive_init(&pool->adaptive, 1, pool->spec.n_slots_max, pools_random,
                      pool->pools);
    ensure_processes(pool);
    if (pool->n_ready >= pool->n_wanted)
        tell_started(pool, NULL);
}

/* ---- what workers tell -------------------------------------------------------------
 */

static void on_ready(void *context, struct worker *worker)
{
    struct pool *pool = context;

    if (worker->drained)
        return;
    pool->n_ready++;
    dispatch(pool);
    if (pool->n_ready >= pool->n_wanted)
        tell_started(pool, NULL);
    if (pool->state == POOL_STOPPING)
        go_on_stopping(pool);
}

static void on_failed(void *context, struct worker *worker, const struct err *err)
{
    struct pool *pool = context;

    (void)worker;
    log_error("worker can't be set up", "entry=%s why=%s", pool->spec.entry, err->text);
    pool->last_error = *err;
    if (pool->n_ready == 0)
        fail_queue(pool, err);
}

static bool died_quickly(const struct worker *worker)
{
    return worker->ready_at_ns == 0 ||
           (worker->n_calls_given == 0 &&
            now_ns() - worker->ready_at_ns < (uint64_t)QUICK_DEATH_MS * 1000000);
}

static void on_unexpected_death(struct pool *pool, const struct worker *worker,
                                const char *reason)
{
    bool never_ready = worker->ready_at_ns == 0;
    uint64_t delay_ms;

    pool->n_deaths++;
    if (strncmp(reason, "failed to start: ", 17) != 0)
        err_set(&pool->last_error, ERR_UNAVAILABLE, "worker of %s %s", pool->spec.entry,
                reason);
    if (never_ready)
        on_start_failed(pool);
    else
        pool->n_quick_deaths = died_quickly(worker) ? pool->n_quick_deaths + 1 : 0;
    delay_ms = delay_ms_after(pool->n_quick_deaths);
    if (delay_ms != 0)
        pool->next_try_at_ns = now_ns() + delay_ms * 1000000;
    log_warn(pool->state == POOL_RUNNING && pool->n_wanted > pool->n_workers
                 ? "worker died, restarting"
                 : "worker died",
             "entry=%s pid=%d reason=\"%s\" uptime_ms=%llu restart_in_ms=%llu",
             pool->spec.entry, (int)worker->os_pid, reason,
             (unsigned long long)(now_ns() - worker->started_at_ns) / 1000000,
             (unsigned long long)delay_ms);
    if (pool->state == POOL_STOPPED || pool->n_workers >= pool->n_wanted)
        return;
    if (delay_ms != 0)
        wait_before_retry(pool, delay_ms);
    else
        ensure_processes(pool);
}

static void on_dead(void *context, struct worker *worker, const char *reason)
{
    struct pool *pool = context;

    list_remove(&worker->in_pool);
    if (worker->drained) {
        pool->n_draining--;
    } else {
        pool->n_workers--;
        if (worker->ready_at_ns != 0)
            pool->n_ready--;
        on_unexpected_death(pool, worker, reason);
        share_slots(pool);
    }
    if (pool->state == POOL_STOPPING)
        go_on_stopping(pool);
}

static const struct worker_owner owner = {on_ready, on_failed, on_dead};

/* ---- ticks: the reaper of lazy pools, the controller of adaptive ones --------------
 */

static uint32_t count_busy(const struct pool *pool)
{
    uint32_t n = 0;

    LIST_FOREACH (node, &pool->workers)
        n += worker_at(node)->n_busy;
    return n;
}

static void reap_if_idle(struct pool *pool)
{
    uint64_t now = now_ns();

    if (pool->n_workers == 0 && pool->queue.n == 0) {
        ev_timer_stop(pool->pools->sup->loop, &pool->tick);
        return;
    }
    if (count_busy(pool) != 0 || pool->queue.n != 0) {
        pool->last_free_at_ns = 0;
        return;
    }
    if (pool->last_free_at_ns == 0) {
        pool->last_free_at_ns = now;
        return;
    }
    if (now - pool->last_free_at_ns < (uint64_t)pool->spec.idle_timeout_ms * 1000000)
        return;
    pool->n_wanted = 0;
    drain_surplus(pool);
    ev_timer_stop(pool->pools->sup->loop, &pool->tick);
}

static void control_size(struct pool *pool)
{
    struct adaptive_input in = {.now_ns = now_ns(),
                                .n_finished = pool->n_finished,
                                .n_slots = pool->n_slots,
                                .n_busy = count_busy(pool),
                                .n_queued = pool->queue.n};
    uint32_t n_slots = adaptive_tick(&pool->adaptive, &in);

    if (n_slots != pool->n_slots) {
        log_debug("adaptive pool changes its size", "entry=%s slots=%u was=%u",
                  pool->spec.entry, n_slots, pool->n_slots);
        set_slots(pool, n_slots);
    }
    if (pool->n_slots == pool->adaptive.min && in.n_busy == 0 && in.n_queued == 0)
        ev_timer_stop(pool->pools->sup->loop, &pool->tick);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pool *pool = container_of(timer, struct pool, tick);

    (void)loop, (void)revents;
    if (pool->state != POOL_RUNNING)
        ev_timer_stop(loop, timer);
    else if (pool->spec.kind == POOL_KIND_LAZY)
        reap_if_idle(pool);
    else
        control_size(pool);
}

/* ---- stop --------------------------------------------------------------------------
 */

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
static void go_on_stopping(struct pool *pool)
{
    if (pool->queue.n != 0)
        return;
    pool->n_wanted = 0;
    LIST_FOREACH (node, &pool->workers)
        drain_worker(pool, worker_at(node), pool->stop_at_ns);
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
    fail_queue(pool, &err);
    if (pool->state == POOL_STOPPING)
        go_on_stopping(pool);
}

void pool_stop(struct pool *pool, uint64_t deadline_at_ns, void (*done)(void *context),
               void *context)
{
    uint64_t now = now_ns();
    struct err err;

    if (pool->hidden != NULL)
        pool_stop(pool->hidden, deadline_at_ns, NULL, NULL);
    await_stop(pool, done, context);
    if (pool->state == POOL_STOPPED) {
        tell_stopped(pool);
        return;
    }
    pool->state = POOL_STOPPING;
    pool->stop_at_ns = deadline_at_ns;
    err_set(&err, ERR_UNAVAILABLE, "%s",
            is_host(pool) ? "host is shutting down" : "pool is closed");
    tell_started(pool, &err);
    if (is_host(pool) || pool->n_workers == 0)
        fail_queue(pool, &err);
    pool_queue_resume_all(&pool->queue);
    LIST_FOREACH (node, &pool->workers)
        if (worker_at(node)->drained) /* perhaps with a later deadline */
            worker_drain(worker_at(node), deadline_at_ns);
    arm(pool, &pool->stop_timer,
        deadline_at_ns > now ? (deadline_at_ns - now) / 1000000 : 0);
    go_on_stopping(pool);
}

/* ---- life and figures --------------------------------------------------------------
 */

/* The copy owns its settings; entry is the caller's business. */
static struct pool_spec copy_spec(const struct pool_spec *spec)
{
    struct pool_spec copy = *spec;
    uint8_t *settings = xmalloc(spec->settings.n + 1);

    if (spec->settings.n != 0)
        memcpy(settings, spec->settings.data, spec->settings.n);
    copy.settings.data = settings;
    return copy;
}

static void free_settings(struct pool_spec *spec)
{
    free((void *)(uintptr_t)spec->settings.data);
}

void pool_set_next_spec(struct pool *pool, const struct pool_spec *spec)
{
    if (pool->next_spec != NULL)
        free_settings(pool->next_spec);
    else
        pool->next_spec = xmalloc(sizeof(*pool->next_spec));
    *pool->next_spec = copy_spec(spec);
}

static void take_next_spec(struct pool *pool)
{
    const char *entry = pool->spec.entry;

    if (pool->next_spec == NULL || !list_empty(&pool->workers))
        return;
    free_settings(&pool->spec);
    pool->spec = *pool->next_spec;
    pool->spec.entry = entry;
    free(pool->next_spec);
    pool->next_spec = NULL;
}

struct pool *pool_create(struct pools *pools, const struct pool_spec *spec)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));

    pool->pools = pools;
    pool->spec = copy_spec(spec);
    pool->spec.entry = xstrdup(spec->entry);
    list_init(&pool->workers);
    list_init(&pool->stop_waiters);
    pool_queue_init(&pool->queue, pool->spec.entry, spec->buffer);
    ev_timer_init(&pool->retry, on_retry, 0., 0.);
    ev_timer_init(&pool->unclog, on_unclog, 0., 0.);
    ev_timer_init(&pool->stop_timer, on_stop_timer, 0., 0.);
    ev_init(&pool->tick, on_tick);
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
    if (pool->next_spec != NULL)
        free_settings(pool->next_spec);
    free(pool->next_spec);
    free_settings(&pool->spec);
    free((void *)(uintptr_t)pool->spec.entry);
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

const char *pool_entry(const struct pool *pool)
{
    return pool->spec.entry;
}

struct list *pool_workers(struct pool *pool)
{
    return &pool->workers;
}

void pool_get_figures(const struct pool *pool, struct pool_figures *out)
{
    *out = (struct pool_figures){.n_processes = pool->n_workers + pool->n_draining,
                                 .n_ready = pool->n_ready,
                                 .n_slots = is_host(pool) ? 0 : pool->n_slots,
                                 .n_busy = count_busy(pool),
                                 .n_queued = pool->queue.n,
                                 .n_held = pool->queue.n_held,
                                 .n_calls_done = pool->n_finished,
                                 .n_deaths = pool->n_deaths,
                                 .next_try_at_ns = pool->next_try_at_ns};
    LIST_FOREACH (node, &pool->workers)
        out->n_actors += worker_at(node)->n_actors;
}
