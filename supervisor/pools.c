#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"

#include "supervisor/calls.h"
#include "supervisor/code.h"
#include "supervisor/core.h"
#include "supervisor/pool.h"
#include "supervisor/pool_private.h"
#include "supervisor/registry.h"

#define RESTART_TOKENS      100.0 /* restarts at once, of all pools together */
#define RESTARTS_PER_S      50.0
#define RETIRE_DEADLINE_MS  600000u /* accepted calls of a replaced pool */
#define GROW_AFTER_MS       2000u   /* the pool before it has let go of its places */
#define HOST_DEADLINE_MS    10000u  /* the actors of a removed host */
#define DISCARD_DEADLINE_MS 1000u   /* nothing: it never had a call */
#define CLOSING_TICK_S      0.02
#define LAST_MOMENT_NS      (uint64_t)250000000

/* A crash loop of many pools at once must leave the machine something to run on. */
bool pools_take_restart_token(struct pools *pools)
{
    uint64_t now = pool_now_ns();

    pools->restart_tokens += (double)(now - pools->tokens_at_ns) / 1e9 * RESTARTS_PER_S;
    if (pools->restart_tokens > RESTART_TOKENS)
        pools->restart_tokens = RESTART_TOKENS;
    pools->tokens_at_ns = now;
    if (pools->restart_tokens < 1)
        return false;
    pools->restart_tokens -= 1;
    return true;
}

double pools_random(void *context)
{
    struct pools *pools = context;

    return random_unit(&pools->random_state);
}

/* ---- showing and hiding ---------------------------------------------------------- */

struct pool *pools_find(const struct pools *pools, const void *entry, size_t n_bytes)
{
    return map_find(&pools->by_entry, entry, n_bytes);
}

static void hide(struct pool *pool)
{
    if (!pool->visible)
        return;
    map_remove(&pool->pools->by_entry, pool->spec.entry, strlen(pool->spec.entry));
    pool->visible = false;
}

static void end_unseen(struct pool *pool)
{
    pool->pools->n_unseen -= pool->unseen;
    pool->unseen = false;
}

static void show(struct pool *pool)
{
    end_unseen(pool);
    map_put(&pool->pools->by_entry, pool->spec.entry, strlen(pool->spec.entry), pool);
    pool->visible = true;
}

static void retire(struct pool *pool)
{
    uint64_t deadline_ms;

    hide(pool);
    end_unseen(pool);
    pool->removed = true;
    if (pool->hidden != NULL)
        pool->hidden->removed = true;
    deadline_ms =
        pool_kind_is_host(pool->spec.kind) ? HOST_DEADLINE_MS : RETIRE_DEADLINE_MS;
    pool_stop(pool, pool_now_ns() + deadline_ms * 1000000, NULL, NULL);
}

/* How many pools have that view now, after a change by one or none. */
static size_t count_views(struct pools *pools, const struct snapshot *view, int by)
{
    uintptr_t key = (uintptr_t)view;
    size_t n = (size_t)(uintptr_t)map_find_number(&pools->views, key) + (size_t)by;

    if (n == 0)
        map_remove_number(&pools->views, key);
    else
        map_put_number(&pools->views, key, (void *)(uintptr_t)n);
    return n;
}

static void set_view(struct pool *pool, struct snapshot *view)
{
    struct snapshot *old = pool->view;

    pool->view = view != NULL ? snapshot_ref(view) : NULL;
    if (view != NULL)
        count_views(pool->pools, view, 1);
    if (old != NULL)
        count_views(pool->pools, old, -1);
    snapshot_unref(old);
}

/* Whoever is the last with an old state of the registry takes its code along: one look
 * at all entries then, not one for each pool. */
static void leave_view(struct pool *pool)
{
    struct pools *pools = pool->pools;

    if (pool->view != NULL && count_views(pools, pool->view, -1) == 0)
        code_forget_outside(pools->sup->code, pool->view);
    snapshot_unref(pool->view);
    pool->view = NULL;
}

/* ---- replacing ------------------------------------------------------------------- */

/* The new one takes over once it can work; if it can't, the old one stays. */
static void take_over(struct pool *pool, const struct err *err)
{
    struct pool *old =
        pools_find(pool->pools, pool->spec.entry, strlen(pool->spec.entry));

    if (pool->removed || pool->visible)
        return;
    if (err != NULL && old != NULL) {
        if (!pool->pools->closing) /* what is taken apart starts no more */
            log_error("new pool can't start, the old one stays", "entry=%s why=%s",
                      pool->spec.entry, err->text);
        retire(pool);
        return;
    }
    if (old != NULL) {
        pool_take_queue(pool, old); /* the code is the same, there are more slots */
        retire(old);
    }
    show(pool);
}

static void on_replacement_started(void *context, const struct err *err)
{
    take_over(context, err);
}

/* A replacement that never came to be shown. */
static void retire_unseen(struct pools *pools, const char *entry)
{
    if (pools->n_unseen == 0)
        return;
    LIST_FOREACH_SAFE (node, &pools->all) {
        struct pool *pool = container_of(node, struct pool, link);

        if (pool->unseen && strcmp(pool->spec.entry, entry) == 0)
            retire(pool);
    }
}

struct pool *pools_add(struct pools *pools, const struct pool_spec *spec)
{
    struct pool *old = pools_find(pools, spec->entry, strlen(spec->entry));
    struct pool *pool;

    retire_unseen(pools, spec->entry);
    if (old != NULL && pool_kind_is_host(spec->kind) &&
        pool_kind_is_host(old->spec.kind)) {
        pool_set_next_spec(old, spec);
        return old;
    }
    pool = pool_create(pools, spec);
    if (pool_kind_is_host(spec->kind)) { /* service.c starts and stops it */
        if (old != NULL)
            retire(old);
        show(pool);
    } else if (old == NULL) {
        show(pool);
        pool_start(pool, NULL, NULL);
    } else {
        pool->unseen = true;
        pools->n_unseen++;
        pool_start(pool, on_replacement_started, pool);
    }
    return pool;
}

/* Old calls end on old code, also in a process that is only now starting for them. */
static void retire_with_view(struct pool *pool, struct snapshot *before)
{
    set_view(pool, before);
    retire(pool);
}

void pools_remove(struct pools *pools, const char *entry, struct snapshot *before)
{
    struct pool *pool = pools_find(pools, entry, strlen(entry));

    if (pool != NULL)
        retire_with_view(pool, before);
    retire_unseen(pools, entry);
}

/* ---- staging --------------------------------------------------------------------- */

struct pool *pools_stage(struct pools *pools, const struct pool_spec *spec,
                         struct snapshot *view)
{
    struct pool *pool = pool_create(pools, spec);

    pool->staged = true;
    set_view(pool, view);
    return pool;
}

void pools_show(struct pool *pool, struct snapshot *before)
{
    struct pools *pools = pool->pools;

    pools_remove(pools, pool->spec.entry, before);
    pool->staged = false;
    set_view(pool, NULL);
    show(pool);
    if (pool->small && pool->state == POOL_RUNNING) {
        pool->small = false;
        pool->n_wanted = pool_count_first(pool);
        pool->next_try_at_ns = pool_now_ns() + (uint64_t)GROW_AFTER_MS * 1000000;
        pool_ensure_processes(pool);
    }
}

void pool_start_small(struct pool *pool)
{
    pool->small = true;
}

void pools_discard(struct pool *pool)
{
    pool->removed = true;
    pool_stop(pool, pool_now_ns() + (uint64_t)DISCARD_DEADLINE_MS * 1000000, NULL,
              NULL);
}

/* An inline function that a client calls runs in one slot that nobody sees. */
struct pool *pool_hidden(struct pool *pool)
{
    struct pool_spec spec = pool->spec;

    if (pool->hidden != NULL)
        return pool->hidden;
    if (pool->state != POOL_RUNNING) /* one that starts now would outlive it */
        return pool;
    spec.kind = POOL_KIND_LAZY;
    spec.n_slots = 0;
    spec.n_slots_max = 1;
    spec.n_processes = 1;
    pool->hidden = pool_create(pool->pools, &spec);
    pool->hidden->visible = true; /* of its owner; not in by_entry */
    pool_start(pool->hidden, NULL, NULL);
    return pool->hidden;
}

/* ---- all of them ----------------------------------------------------------------- */

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pools *pools = container_of(timer, struct pools, sweep);

    (void)loop, (void)revents;
    LIST_FOREACH_SAFE (node, &pools->all) {
        struct pool *pool = container_of(node, struct pool, link);

        if (!pool->removed || pool->state != POOL_STOPPED)
            continue;
        leave_view(pool);
        pool_destroy(pool);
    }
}

static bool all_stopped(const struct pools *pools)
{
    LIST_FOREACH (node, &pools->all)
        if (container_of(node, struct pool, link)->state != POOL_STOPPED)
            return false;
    return true;
}

void pools_on_stopped(struct pool *pool)
{
    struct pools *pools = pool->pools;
    void (*stopped)(void *) = pools->stopped;

    if (pool->removed)
        ev_timer_start(pools->sup->loop, &pools->sweep);
    if (stopped == NULL || !all_stopped(pools))
        return;
    pools->stopped = NULL;
    stopped(pools->stopped_context);
}

static bool is_answering(const struct worker *worker)
{
    LIST_FOREACH (node, &worker->calls_to)
        if (container_of(node, struct call, to)->state != CALL_LINGERING)
            return true;
    return false;
}

/* May something in it still call functions? */
static bool is_at_work(const struct pool *pool)
{
    if (pool_is_host(pool))
        return pool->state != POOL_STOPPED;
    if (pool->queue.n != 0 || pool->queue.n_held != 0)
        return true;
    LIST_FOREACH (node, &pool->workers)
        if (is_answering(pool_worker_at(node)))
            return true;
    return false;
}

/* Services may have taken all the time there was; who has nothing to do needs a moment
 * to end, and not to be killed. */
static uint64_t last_moment(const struct pools *pools)
{
    uint64_t soon = pool_now_ns() + LAST_MOMENT_NS;

    return pools->close_at_ns > soon ? pools->close_at_ns : soon;
}

static void stop_those(struct pools *pools, bool hosts)
{
    uint64_t deadline = hosts ? pools->close_at_ns : last_moment(pools);

    LIST_FOREACH_SAFE (node, &pools->all) {
        struct pool *pool = container_of(node, struct pool, link);

        if (pool->state != POOL_STOPPED && pool_is_host(pool) == hosts)
            pool_stop(pool, deadline, NULL, NULL);
    }
}

/* A call that runs may need any other function to come to its end. */
static bool close_functions(struct pools *pools)
{
    struct err err;

    if (pool_now_ns() < pools->close_at_ns)
        LIST_FOREACH (node, &pools->all)
            if (is_at_work(container_of(node, struct pool, link)))
                return false;
    ev_timer_stop(pools->sup->loop, &pools->closing_tick);
    stop_those(pools, false);
    err_set(&err, ERR_UNAVAILABLE, "pool is closed");
    err.retryable = RETRY_NO;
    calls_end_delayed(pools->sup->calls, &err);
    return true;
}

static void on_closing_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    close_functions(container_of(timer, struct pools, closing_tick));
}

void pools_stop(struct pools *pools, uint64_t deadline_at_ns,
                void (*done)(void *context), void *context)
{
    pools->closing = true;
    pools->close_at_ns = deadline_at_ns;
    stop_those(pools, true);
    if (!close_functions(pools))
        ev_timer_again(pools->sup->loop, &pools->closing_tick);
    if (all_stopped(pools)) {
        done(context);
        return;
    }
    pools->stopped = done;
    pools->stopped_context = context;
}

struct pool *pools_next(const struct pools *pools, const struct pool *after)
{
    const struct list *node = after != NULL ? after->link.next : pools->all.next;

    return node != &pools->all ? container_of(node, struct pool, link) : NULL;
}

struct pools *pools_create(struct supervisor *sup)
{
    struct pools *pools = xcalloc(1, sizeof(*pools));

    pools->sup = sup;
    map_init(&pools->by_entry);
    map_init(&pools->views);
    list_init(&pools->all);
    pools->restart_tokens = RESTART_TOKENS;
    pools->tokens_at_ns = pool_now_ns();
    pools->random_state = pools->tokens_at_ns | 1;
    ev_timer_init(&pools->sweep, on_sweep, 0., 0.);
    ev_timer_init(&pools->closing_tick, on_closing_tick, 0., CLOSING_TICK_S);
    return pools;
}

void pools_destroy(struct pools *pools)
{
    struct list *node;

    if (pools == NULL)
        return;
    ev_timer_stop(pools->sup->loop, &pools->sweep);
    ev_timer_stop(pools->sup->loop, &pools->closing_tick);
    while ((node = list_first(&pools->all)) != NULL)
        pool_destroy(container_of(node, struct pool, link));
    map_finish(&pools->by_entry);
    map_finish(&pools->views);
    free(pools);
}
