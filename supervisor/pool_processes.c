#include "common/log.h"
#include "common/min.h"

#include "supervisor/core.h"
#include "supervisor/pool_private.h"
#include "supervisor/worker.h"

#define QUICK_DEATH_MS        5000u /* it never did a job and died before this age */
#define FIRST_DELAY_MS        250u
#define MAX_DELAY_MS          30000u
#define OUT_OF_TOKENS_MS      50u
#define IDLE_DRAIN_MS         10000u
#define UNLIMITED_SLOTS       UINT32_MAX
#define MIN_REAPER_TIMEOUT_MS 10u
#define RETIRE_TICK_MS        500u

static const char *role_of(const struct pool *pool)
{
    if (pool->spec.kind == POOL_KIND_TERMINAL)
        return "terminal";
    return pool_is_host(pool) ? "host" : "pool";
}

/* ---- how many processes, with how many slots each -------------------------------- */

/* What one process is set up for. */
static uint32_t capacity(const struct pool *pool)
{
    uint32_t n = pool->spec.n_processes;

    if (pool_is_host(pool))
        return UNLIMITED_SLOTS;
    return (pool->spec.n_slots_max + n - 1) / n;
}

/* The slots of the n-th process of the pool. */
static uint32_t quota(const struct pool *pool, uint32_t nth)
{
    uint32_t n_processes = min_u32(pool->n_slots, pool->spec.n_processes);

    if (pool_is_host(pool))
        return UNLIMITED_SLOTS;
    if (nth >= n_processes)
        return 0;
    return pool->n_slots / n_processes + (nth < pool->n_slots % n_processes ? 1 : 0);
}

static void share_slots(struct pool *pool)
{
    uint32_t nth = 0;

    LIST_FOREACH (node, &pool->workers) {
        struct worker *worker = pool_worker_at(node);

        if (!worker->drained)
            worker->n_slots = quota(pool, nth++);
    }
}

static void count_as_leaving(struct pool *pool, const struct worker *worker)
{
    if (worker->ready_at_ns != 0)
        pool->n_ready--;
    pool->n_workers--;
    pool->n_draining++;
}

void pool_drain_worker(struct pool *pool, struct worker *worker, uint64_t deadline_ns)
{
    if (worker->drained)
        return;
    if (!worker->retiring)
        count_as_leaving(pool, worker);
    worker_drain(worker, deadline_ns);
    worker->drained = true;
}

/* The last ones of the list go when fewer are wanted. */
static void drain_surplus(struct pool *pool)
{
    uint64_t deadline_ns = pool_now_ns() + (uint64_t)IDLE_DRAIN_MS * 1000000;

    for (struct list *node = pool->workers.prev;
         node != &pool->workers && pool->n_workers > pool->n_wanted; node = node->prev)
        pool_drain_worker(pool, pool_worker_at(node), deadline_ns);
}

static void set_slots(struct pool *pool, uint32_t n_slots)
{
    pool->n_slots = n_slots;
    pool->n_wanted = min_u32(n_slots, pool->spec.n_processes);
    pool_ensure_processes(pool);
    drain_surplus(pool);
    share_slots(pool);
    pool_dispatch(pool);
}

/* ---- start and start again ------------------------------------------------------- */

static uint64_t delay_ms_after(uint32_t n_quick_deaths)
{
    uint64_t delay = FIRST_DELAY_MS;

    if (n_quick_deaths <= 1)
        return 0;
    for (uint32_t i = 2; i < n_quick_deaths && delay < MAX_DELAY_MS; i++)
        delay *= 2;
    return delay < MAX_DELAY_MS ? delay : MAX_DELAY_MS;
}

static void wait_before_retry(struct pool *pool, uint64_t delay_ms)
{
    pool->next_try_at_ns = pool_now_ns() + delay_ms * 1000000;
    if (pool->n_workers < pool->n_wanted)
        pool_arm(pool, &pool->retry, delay_ms);
    if (pool_is_broken(pool))
        pool_fail_queue(pool, &pool->last_error);
}

/* A start that was asked for has failed: the one who asked decides what is next. */
static void give_up_start(struct pool *pool)
{
    struct err err = pool->last_error;

    pool->n_wanted = 0;
    drain_surplus(pool);
    pool_fail_queue(pool, &err);
    pool->state = pool->n_draining != 0 ? POOL_STOPPING : POOL_STOPPED;
    pool_tell_started(pool, &err);
}

static void on_start_failed(struct pool *pool)
{
    pool->n_quick_deaths++;
    if (pool->started != NULL && pool_is_host(pool)) {
        give_up_start(pool);
        return;
    }
    /* Who makes the change hears of it and takes the pool away again. */
    if (pool->staged)
        pool->n_wanted = pool->n_workers;
    /* One failure may be bad luck. After that the next call tries again. */
    if (pool->spec.kind == POOL_KIND_LAZY && pool->n_quick_deaths > 1) {
        pool->n_wanted = pool->n_workers;
        if (pool->n_workers == 0)
            pool_fail_queue(pool, &pool->last_error);
    }
    pool_tell_started(pool, &pool->last_error);
}

static const struct worker_owner owner;

static bool start_one(struct pool *pool)
{
    struct worker_spec spec = {.role = role_of(pool),
                               .entry = pool->spec.entry,
                               .settings = pool->staged ? pool->spec.probe
                                                        : pool->spec.settings,
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

void pool_ensure_processes(struct pool *pool)
{
    while (pool->state != POOL_STOPPED && pool->n_workers < pool->n_wanted) {
        uint64_t now = pool_now_ns();

        if (pool->next_try_at_ns > now) {
            if (!ev_is_active(&pool->retry))
                pool_arm(pool, &pool->retry,
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

void pool_on_retry(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pool *pool = container_of(timer, struct pool, retry);

    (void)loop, (void)revents;
    if (pool->next_try_at_ns <= pool_now_ns())
        pool->next_try_at_ns = 0;
    pool_ensure_processes(pool);
}

uint32_t pool_count_first(const struct pool *pool)
{
    if (pool->spec.kind == POOL_KIND_LAZY)
        return (pool->spec.n_slots + capacity(pool) - 1) / capacity(pool);
    if (pool->spec.kind == POOL_KIND_INLINE)
        return 0;
    if (pool_is_host(pool))
        return pool->spec.n_processes;
    return min_u32(pool->spec.n_slots, pool->spec.n_processes);
}

static bool has_idle_process(const struct pool *pool)
{
    LIST_FOREACH (node, &pool->workers)
        if (pool_worker_at(node)->n_busy == 0 && pool_can_take(pool_worker_at(node)))
            return true;
    return false;
}

/* A lazy pool grows by what its queue needs at once; before there is a queue, by one
 * process ahead while nobody in it is idle. */
void pool_grow_on_demand(struct pool *pool)
{
    uint32_t n_starting = pool->n_workers - pool->n_ready, n_needed;

    if (pool->spec.kind != POOL_KIND_LAZY || pool->state == POOL_STOPPED)
        return;
    n_needed = (pool->queue.n + capacity(pool) - 1) / capacity(pool);
    if (n_needed == 0 && !has_idle_process(pool))
        n_needed = 1;
    if (n_needed <= n_starting)
        return;
    pool->n_wanted =
        min_u32(pool->n_workers + n_needed - n_starting, pool->spec.n_processes);
    pool_ensure_processes(pool);
}

/* ---- what workers tell ----------------------------------------------------------- */

static void on_ready(void *context, struct worker *worker)
{
    struct pool *pool = context;

    if (pool_is_leaving(worker))
        return;
    pool->n_ready++;
    pool_dispatch(pool);
    if (pool->n_ready >= pool->n_wanted)
        pool_tell_started(pool, NULL);
    if (pool->state == POOL_STOPPING)
        pool_go_on_stopping(pool);
}

static void on_failed(void *context, struct worker *worker, const struct err *err)
{
    struct pool *pool = context;

    worker->setup_failed = true;
    log_error("worker can't be set up", "entry=%s why=%s", pool->spec.entry, err->text);
    pool->last_error = *err;
    if (pool->n_ready == 0)
        pool_fail_queue(pool, err);
}

static bool died_quickly(const struct worker *worker)
{
    return worker->ready_at_ns == 0 ||
           (worker->n_calls_given == 0 &&
            pool_now_ns() - worker->ready_at_ns < (uint64_t)QUICK_DEATH_MS * 1000000);
}

static void on_unexpected_death(struct pool *pool, const struct worker *worker,
                                const char *reason)
{
    bool never_ready = worker->ready_at_ns == 0;
    uint64_t delay_ms;

    pool->n_deaths++;
    if (!worker->setup_failed) /* else it has told more of it */
        err_set(&pool->last_error, ERR_UNAVAILABLE, "worker of %s %s", pool->spec.entry,
                reason);
    if (never_ready)
        on_start_failed(pool);
    else
        pool->n_quick_deaths = died_quickly(worker) ? pool->n_quick_deaths + 1 : 0;
    delay_ms = delay_ms_after(pool->n_quick_deaths);
    if (delay_ms != 0)
        pool->next_try_at_ns = pool_now_ns() + delay_ms * 1000000;
    log_warn(pool->state == POOL_RUNNING && pool->n_wanted > pool->n_workers
                 ? "worker died, restarting"
                 : "worker died",
             "entry=%s pid=%d reason=%s uptime_ms=%llu restart_in_ms=%llu",
             pool->spec.entry, (int)worker->os_pid, reason,
             (unsigned long long)(pool_now_ns() - worker->started_at_ns) / 1000000,
             (unsigned long long)delay_ms);
    if (pool->state == POOL_STOPPED || pool->n_workers >= pool->n_wanted)
        return;
    if (delay_ms != 0)
        wait_before_retry(pool, delay_ms);
    else
        pool_ensure_processes(pool);
}

static void on_dead(void *context, struct worker *worker, const char *reason)
{
    struct pool *pool = context;

    list_remove(&worker->in_pool);
    if (pool_is_leaving(worker)) {
        pool->n_draining--;
    } else {
        pool->n_workers--;
        if (worker->ready_at_ns != 0)
            pool->n_ready--;
        on_unexpected_death(pool, worker, reason);
        share_slots(pool);
    }
    if (pool->state == POOL_STOPPING)
        pool_go_on_stopping(pool);
}

static const struct worker_owner owner = {on_ready, on_failed, on_dead};

/* ---- hosts that change their size while they run --------------------------------- */

static struct worker *find_retiring(struct pool *pool)
{
    LIST_FOREACH (node, &pool->workers) {
        struct worker *worker = pool_worker_at(node);

        if (worker->retiring && !worker->drained)
            return worker;
    }
    return NULL;
}

/* It is wanted again after all. */
static void call_back(struct pool *pool, struct worker *worker)
{
    worker->retiring = false;
    worker->spawned_all_at_ns = 0;
    pool->n_workers++;
    pool->n_ready++;
    pool->n_draining--;
}

static struct worker *least_populated(struct pool *pool)
{
    struct worker *best = NULL;

    LIST_FOREACH (node, &pool->workers) {
        struct worker *worker = pool_worker_at(node);

        if (!pool_is_leaving(worker) &&
            (best == NULL || worker->n_actors < best->n_actors))
            best = worker;
    }
    return best;
}

void pool_rescale(struct pool *pool, uint32_t n_processes)
{
    struct worker *worker;

    if (n_processes == pool->spec.n_processes)
        return;
    log_info("host changes its size", "entry=%s processes=%u was=%u", pool->spec.entry,
             n_processes, pool->spec.n_processes);
    pool->spec.n_processes = pool->n_wanted = n_processes;
    while (pool->n_workers < n_processes && (worker = find_retiring(pool)) != NULL)
        call_back(pool, worker);
    while (pool->n_workers > n_processes && (worker = least_populated(pool)) != NULL) {
        if (worker->state != WORKER_READY) {
            pool_drain_worker(pool, worker, pool_now_ns());
            continue;
        }
        count_as_leaving(pool, worker);
        worker->retiring = true;
    }
    pool_ensure_processes(pool);
    pool_dispatch(pool);
    pool_start_ticking(pool);
    if (pool->n_ready >= pool->n_wanted)
        pool_tell_started(pool, NULL);
}

/* A PONG that came after the last spawn's answer counts every actor. */
static bool is_deserted(struct worker *worker)
{
    if (worker->n_busy != 0) {
        worker->spawned_all_at_ns = 0;
        return false;
    }
    if (worker->spawned_all_at_ns == 0)
        worker->spawned_all_at_ns = pool_now_ns();
    return worker->n_actors == 0 && worker->last_pong_at_ns > worker->spawned_all_at_ns;
}

static void end_deserted(struct pool *pool)
{
    uint64_t deadline_ns = pool_now_ns() + (uint64_t)IDLE_DRAIN_MS * 1000000;
    bool waits = false;

    LIST_FOREACH (node, &pool->workers) {
        struct worker *worker = pool_worker_at(node);

        if (!worker->retiring || worker->drained)
            continue;
        if (is_deserted(worker))
            pool_drain_worker(pool, worker, deadline_ns);
        else
            waits = true;
    }
    if (!waits)
        ev_timer_stop(pool->pools->sup->loop, &pool->tick);
}

/* ---- ticks: the reaper of lazy pools, the controller of adaptive ones ------------ */

static void reap_if_idle(struct pool *pool)
{
    uint64_t now = pool_now_ns();

    if (pool->n_workers == 0 && pool->queue.n == 0) {
        ev_timer_stop(pool->pools->sup->loop, &pool->tick);
        return;
    }
    if (pool_count_busy(pool) != 0 || pool->queue.n != 0) {
        pool->last_free_at_ns = 0;
        return;
    }
    if (pool->last_free_at_ns == 0) {
        pool->last_free_at_ns = now;
        return;
    }
    if (now - pool->last_free_at_ns < pool->spec.idle_timeout_ms * 1000000)
        return;
    pool->n_wanted = 0;
    drain_surplus(pool);
    ev_timer_stop(pool->pools->sup->loop, &pool->tick);
}

static void control_size(struct pool *pool)
{
    struct adaptive_input in = {.now_ns = pool_now_ns(),
                                .n_finished = pool->n_finished,
                                .n_slots = pool->n_slots,
                                .n_busy = pool_count_busy(pool),
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

void pool_on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pool *pool = container_of(timer, struct pool, tick);

    (void)loop, (void)revents;
    if (pool->state != POOL_RUNNING)
        ev_timer_stop(loop, timer);
    else if (pool_is_host(pool))
        end_deserted(pool);
    else if (pool->spec.kind == POOL_KIND_LAZY)
        reap_if_idle(pool);
    else
        control_size(pool);
}

void pool_start_ticking(struct pool *pool)
{
    uint64_t every_ms = ADAPTIVE_TICK_MS;

    if (ev_is_active(&pool->tick))
        return;
    if (pool->spec.kind == POOL_KIND_LAZY) {
        every_ms = pool->spec.idle_timeout_ms / 2;
        every_ms = every_ms < MIN_REAPER_TIMEOUT_MS ? MIN_REAPER_TIMEOUT_MS : every_ms;
        pool->last_free_at_ns = 0;
    } else if (pool->spec.kind == POOL_KIND_ADAPTIVE) {
        adaptive_resume(&pool->adaptive, pool_now_ns(), pool->n_finished);
    } else if (pool->n_draining != 0 && find_retiring(pool) != NULL) {
        every_ms = RETIRE_TICK_MS;
    } else {
        return;
    }
    pool->tick.repeat = (double)every_ms / 1e3;
    ev_timer_again(pool->pools->sup->loop, &pool->tick);
}
