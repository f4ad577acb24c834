#include "supervisor/status.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/exit.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/calls.h"
#include "supervisor/config.h"
#include "supervisor/control.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/function_stats.h"
#include "supervisor/metrics_http.h"
#include "supervisor/pool.h"
#include "supervisor/pool_setup.h"
#include "supervisor/registry.h"
#include "supervisor/service.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

#define MAX_SLOTS 10000

/* How many calls the pools of an entry have done in the last second. */
struct rate {
    char *entry;
    uint64_t n_done;
    int64_t per_second;
};

struct status {
    struct supervisor *sup;
    const char *phase;
    uint64_t started_at_ns;
    struct map rates; /* entry -> struct rate */
    struct ev_timer tick;
};

/* ---- rates ----------------------------------------------------------------------- */

static struct rate *make_rate(const char *entry, uint64_t n_done)
{
    struct rate *rate = xcalloc(1, sizeof(*rate));

    rate->entry = xstrdup(entry);
    rate->n_done = n_done;
    return rate;
}

static void free_rates(struct map *rates)
{
    MAP_FOREACH (row, rates) {
        struct rate *rate = row->value;

        free(rate->entry);
        free(rate);
    }
    map_finish(rates);
}

/* Calls of an inline pool run, and end, in the workers of others. */
static uint64_t count_calls_done(const struct pool *pool,
                                 const struct pool_figures *figures)
{
    const struct function_stats *stats = pool_stats(pool);
    uint64_t n = 0;

    if (pool_kind(pool) != POOL_KIND_INLINE || stats == NULL)
        return figures->n_calls_done;
    for (unsigned i = 0; i < FUNCTION_N_OUTCOMES; i++)
        n += stats->n_ended[i];
    return n;
}

/* A pool that is replaced, or runs what clients call inline, isn't the only one of its
 * entry: what they have in common tells of all. A host is alone. */
static uint64_t count_done_of_entry(const struct pool *pool)
{
    const struct function_stats *stats = pool_stats(pool);
    struct pool_figures figures;

    if (stats != NULL)
        return stats->n_ended[FUNCTION_OK] + stats->n_ended[FUNCTION_ERROR];
    pool_get_figures(pool, &figures);
    return figures.n_calls_done;
}

/* before: the rates of the last second. */
static void sample(struct status *status, const struct pool *pool, struct map *before)
{
    const char *entry = pool_entry(pool);
    size_t n_bytes = strlen(entry);
    struct rate *rate;
    uint64_t n_done;

    if (map_find(&status->rates, entry, n_bytes) != NULL)
        return;
    n_done = count_done_of_entry(pool);
    rate = map_remove(before, entry, n_bytes);
    if (rate == NULL)
        rate = make_rate(entry, n_done);
    map_put(&status->rates, rate->entry, n_bytes, rate);
    /* a host that was made anew counts from zero again */
    rate->per_second = n_done >= rate->n_done ? (int64_t)(n_done - rate->n_done) : 0;
    rate->n_done = n_done;
}

/* Those whose pools are gone go, too. */
static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct status *status = container_of(timer, struct status, tick);
    struct map before = status->rates;

    (void)loop, (void)revents;
    map_init(&status->rates);
    POOLS_FOREACH (pool, status->sup->pools)
        sample(status, pool, &before);
    free_rates(&before);
}

static int64_t rate_of(const struct status *status, const char *entry)
{
    const struct rate *rate = map_find(&status->rates, entry, strlen(entry));

    return rate != NULL ? rate->per_second : 0;
}

/* ---- processes ------------------------------------------------------------------- */

int64_t status_rss_bytes(pid_t os_pid)
{
    char path[48];
    long long n_pages = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)os_pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %lld", &n_pages) != 1)
        n_pages = 0;
    fclose(file);
    return n_pages * sysconf(_SC_PAGESIZE);
}

static int64_t count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int64_t n = -3; /* ".", ".." and the folder itself */

    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static int64_t ms_since(uint64_t at_ns)
{
    return at_ns == 0 ? 0
                      : (int64_t)(((uint64_t)clock_monotonic_ns() - at_ns) / 1000000);
}

/* 0 = no limit. */
static int64_t max_fds(void)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur <= INT64_MAX ? (int64_t)limit.rlim_cur : 0;
}

void status_get_process(const struct status *status, struct status_process *out)
{
    *out = (struct status_process){
        .uptime_s = (double)ms_since(status->started_at_ns) / 1e3,
        .rss_bytes = status_rss_bytes(getpid()),
        .n_fds = count_fds(),
        .max_fds = max_fds(),
    };
}

/* ---- records --------------------------------------------------------------------- */

static struct value describe_worker(const struct worker *worker)
{
    struct value record = value_map();

    value_put(&record, "index", value_int(worker->index));
    value_put(&record, "os_pid", value_int(worker->os_pid));
    value_put(&record, "role", value_string(worker_role(worker)));
    value_put(&record, "pool", value_string(worker_entry(worker)));
    value_put(&record, "state", value_string(worker_state_name(worker->state)));
    value_put(&record, "uptime_ms", value_int(ms_since(worker->started_at_ns)));
    if (worker->n_slots != UINT32_MAX) /* a host has no end of them */
        value_put(&record, "n_slots", value_int(worker->n_slots));
    value_put(&record, "n_busy", value_int(worker->n_busy));
    value_put(&record, "n_actors", value_int(worker->n_actors));
    value_put(&record, "n_calls_done", value_int((int64_t)worker->n_calls_done));
    value_put(&record, "rss_bytes", value_int(status_rss_bytes(worker->os_pid)));
    if (worker->figures != NULL)
        value_put(&record, "figures", value_copy(worker->figures));
    return record;
}

static struct value describe_workers(const struct supervisor *sup)
{
    struct value list = value_list();

    WORKERS_FOREACH (worker, sup->workers)
        value_append(&list, describe_worker(worker));
    return list;
}

static const char *pool_kind_name(enum pool_kind kind)
{
    static const char *const names[] = {"inline",   "static", "lazy",
                                        "adaptive", "host",   "terminal"};

    return names[kind];
}

static const char *pool_state_name(const struct pool *pool,
                                   const struct pool_figures *figures)
{
    switch (pool_state(pool)) {
    case POOL_STOPPED:
        return "stopped";
    case POOL_STOPPING:
        return "stopping";
    default:
        return figures->next_try_at_ns != 0 ? "failed" : "running";
    }
}

/* Only where calls have ended of late. */
static void put_quantiles(struct value *record, const char *prefix,
                          struct latency *latency, double now)
{
    static const struct {
        const char *name;
        double q;
    } shares[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}};
    char key[32];

    if (latency_quantile_us(latency, 0.5, now) < 0)
        return;
    for (size_t i = 0; i < N_ELEMENTS(shares); i++) {
        snprintf(key, sizeof(key), "%s%s", prefix, shares[i].name);
        value_put(record, key,
                  value_int(latency_quantile_us(latency, shares[i].q, now)));
    }
}

static void put_calls(const struct status *status, struct value *record,
                      const struct function_stats *stats)
{
    double now = ev_now(status->sup->loop);

    if (stats == NULL)
        return;
    value_put(record, "n_in_flight", value_int(stats->n_in_flight));
    for (unsigned i = FUNCTION_ERROR; i < FUNCTION_N_OUTCOMES; i++) {
        char key[32];

        snprintf(key, sizeof(key), "n_%s", function_outcome_name(i));
        value_put(record, key, value_int((int64_t)stats->n_ended[i]));
    }
    if (stats->times == NULL)
        return;
    put_quantiles(record, "", &stats->times->run, now);
    put_quantiles(record, "queue_", &stats->times->queue, now);
}

static struct value describe_pool(const struct status *status, struct pool *pool)
{
    struct value record = value_map();
    struct pool_figures figures;

    pool_get_figures(pool, &figures);
    value_put(&record, "entry", value_string(pool_entry(pool)));
    value_put(&record, "kind", value_string(pool_kind_name(pool_kind(pool))));
    value_put(&record, "state", value_string(pool_state_name(pool, &figures)));
    value_put(&record, "n_processes", value_int(figures.n_processes));
    value_put(&record, "n_ready", value_int(figures.n_ready));
    if (pool_kind(pool) < POOL_KIND_HOST)
        value_put(&record, "n_slots", value_int(figures.n_slots));
    value_put(&record, "n_busy", value_int(figures.n_busy));
    value_put(&record, "n_queued", value_int(figures.n_queued));
    value_put(&record, "n_held", value_int(figures.n_held));
    value_put(&record, "n_actors", value_int(figures.n_actors));
    value_put(&record, "n_calls_done",
              value_int((int64_t)count_calls_done(pool, &figures)));
    value_put(&record, "n_deaths", value_int((int64_t)figures.n_deaths));
    value_put(&record, "rate", value_int(rate_of(status, pool_entry(pool))));
    put_calls(status, &record, pool_stats(pool));
    if (figures.next_try_at_ns != 0)
        value_put(&record, "next_try_in_ms",
                  value_int(-ms_since(figures.next_try_at_ns)));
    return record;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(value_get_text(a, "entry"), value_get_text(b, "entry"));
}

/* In the order of their ids: a reload puts new pools behind the others. */
static struct value describe_pools(const struct status *status)
{
    struct value list = value_list();

    POOLS_FOREACH (pool, status->sup->pools)
        value_append(&list, describe_pool(status, pool));
    if (list.as.list.n > 1)
        qsort(list.as.list.items, list.as.list.n, sizeof(list.as.list.items[0]),
              compare_entries);
    return list;
}

static struct value describe_supervisor(const struct status *status)
{
    const struct supervisor *sup = status->sup;
    struct value record = value_map();

    value_put(&record, "app", value_string(sup->config->app));
    value_put(&record, "pid", value_int(getpid()));
    value_put(&record, "version", value_string(TROUPE_VERSION));
    value_put(&record, "state", value_string(status->phase));
    value_put(&record, "uptime_ms", value_int(ms_since(status->started_at_ns)));
    value_put(&record, "root", value_string(sup->config->root));
    value_put(&record, "state_dir", value_string(sup->config->state_dir));
    value_put(&record, "control", value_string(sup->config->control_path));
    if (sup->metrics_http != NULL)
        value_put(&record, "metrics",
                  value_string(metrics_http_address(sup->metrics_http)));
    value_put(&record, "rss_bytes", value_int(status_rss_bytes(getpid())));
    value_put(&record, "n_fds", value_int(count_fds()));
    value_put(&record, "max_fds", value_int(max_fds()));
    value_put(&record, "n_entries",
              value_int((int64_t)registry_state(sup->registry)->n));
    value_put(&record, "registry_version",
              value_int((int64_t)registry_version(sup->registry)));
    value_put(&record, "calls_open", value_int(calls_n_open(sup->calls)));
    value_put(
        &record, "n_clients",
        value_int(sup->control != NULL ? control_count_clients(sup->control) : 0));
    return record;
}

/* ---- targets --------------------------------------------------------------------- */

static void handle_ping(struct request *request)
{
    struct value result = value_map();

    value_put(&result, "pid", value_int(getpid()));
    value_put(&result, "version", value_string(TROUPE_VERSION));
    request_reply_taken(request, result);
}

static void handle_status(struct request *request)
{
    const struct status *status = request->sup->status;
    struct value result = value_map();

    value_put(&result, "supervisor", describe_supervisor(status));
    value_put(&result, "services", services_describe(request->sup));
    value_put(&result, "pools", describe_pools(status));
    value_put(&result, "workers", describe_workers(request->sup));
    request_reply_taken(request, result);
}

/* With no_wait it is answered now; otherwise the end of the connection is the
 * answer. */
static void handle_stop(struct request *request)
{
    struct supervisor *sup = request->sup;
    bool now = value_get_bool(request_arg(request, 0), "now", false);

    if (value_get_bool(request_arg(request, 0), "no_wait", false))
        request_reply_taken(request, value_bool(true));
    if (sup->stop != NULL)
        sup->stop(sup, EXIT_KEPT, now);
}

static void handle_exit(struct request *request)
{
    struct supervisor *sup = request->sup;
    const struct value *code = request_arg(request, 0);

    if (sup->stop != NULL)
        sup->stop(sup,
                  code != NULL && code->type == VALUE_INT
                      ? (int)(code->as.integer & 0xff)
                      : EXIT_OK,
                  false);
    request_reply_taken(request, value_bool(true));
}

static void handle_workers_list(struct request *request)
{
    request_reply_taken(request, describe_workers(request->sup));
}

static void handle_pools_list(struct request *request)
{
    request_reply_taken(request, describe_pools(request->sup->status));
}

/* The pool that the first argument names; NULL = answered. */
static struct pool *get_pool(struct request *request)
{
    const char *id = request_text(request, 0);
    struct pool *pool = NULL;
    struct err err = {0};

    if (id == NULL)
        err_set(&err, ERR_INVALID, "pool ID required");
    else if ((pool = pools_find(request->sup->pools, id, strlen(id))) == NULL)
        err_set(&err, ERR_NOT_FOUND, "no such pool: %s", id);
    if (pool == NULL)
        request_fail(request, &err);
    return pool;
}

static void handle_pools_get(struct request *request)
{
    struct pool *pool = get_pool(request);
    struct value record, workers;

    if (pool == NULL)
        return;
    workers = value_list();
    record = describe_pool(request->sup->status, pool);
    LIST_FOREACH (node, pool_workers(pool))
        value_append(&workers,
                     describe_worker(container_of(node, struct worker, in_pool)));
    value_put(&record, "workers", workers);
    request_reply_taken(request, record);
}

/* A copy of the entry that asks for n slots. */
static struct entry *entry_with_slots(const struct entry *entry, enum pool_kind kind,
                                      int64_t n)
{
    struct value data = value_copy(entry_fields(entry));
    const struct value *old = value_get(&data, "pool");
    struct value block =
        old != NULL && old->type == VALUE_MAP ? value_copy(old) : value_map();

    if (kind == POOL_KIND_STATIC) {
        value_put(&block, "type", value_string("static"));
        value_put(&block, "workers", value_int(n));
        value_put(&block, "size", value_int(n));
    } else {
        value_put(&block, "max_size", value_int(n));
    }
    value_put(&data, "pool", block);
    return entry_create(entry->id, strlen(entry->id), entry->kind,
                        value_copy(&entry->meta), data);
}

/* The pool is replaced by one of the new size that takes over once it works; it lasts
 * until the entry changes or the supervisor ends. */
static void handle_pools_scale(struct request *request)
{
    struct supervisor *sup = request->sup;
    const struct value *n = request_arg(request, 1);
    struct pool *pool = get_pool(request);
    const struct entry *entry;
    struct entry *changed;

    if (pool == NULL)
        return;
    entry = registry_find(sup->registry, pool_entry(pool), strlen(pool_entry(pool)));
    if (pool_kind(pool) == POOL_KIND_INLINE || pool_kind(pool) >= POOL_KIND_HOST ||
        entry == NULL) {
        request_refuse(request, ERR_INVALID, "%s has no slots of its own to scale",
                       pool_entry(pool));
        return;
    }
    if (n == NULL || n->type != VALUE_INT || n->as.integer < 1 ||
        n->as.integer > MAX_SLOTS) {
        request_refuse(request, ERR_INVALID, "a pool has 1 to %d slots", MAX_SLOTS);
        return;
    }
    assert(entry != NULL && n != NULL);
    changed = entry_with_slots(entry, pool_kind(pool), n->as.integer);
    changed->type = entry->type;
    pool = pool_add_entry(sup, changed);
    entry_unref(changed);
    assert(pool != NULL); /* its kind is what it was */
    request_reply_taken(request, describe_pool(sup->status, pool));
}

static const struct system_target targets[] = {
    {"pools.get", handle_pools_get, ALLOW_CLIENT},
    {"pools.list", handle_pools_list, ALLOW_CLIENT},
    {"pools.scale", handle_pools_scale, ALLOW_CLIENT},
    {"system.exit", handle_exit, ALLOW_WORKER},
    {"system.ping", handle_ping, ALLOW_ANY},
    {"system.status", handle_status, ALLOW_CLIENT},
    {"system.stop", handle_stop, ALLOW_CLIENT},
    {"workers.list", handle_workers_list, ALLOW_CLIENT},
};

/* ---- life ------------------------------------------------------------------------ */

struct status *status_create(struct supervisor *sup)
{
    struct status *status = xcalloc(1, sizeof(*status));

    status->sup = sup;
    status->phase = "starting";
    status->started_at_ns = (uint64_t)clock_monotonic_ns();
    map_init(&status->rates);
    ev_timer_init(&status->tick, on_tick, 1, 1);
    ev_timer_start(sup->loop, &status->tick);
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
    return status;
}

void status_destroy(struct status *status)
{
    if (status == NULL)
        return;
    ev_timer_stop(status->sup->loop, &status->tick);
    free_rates(&status->rates);
    free(status);
}

void status_set_phase(struct status *status, const char *phase)
{
    status->phase = phase;
}

void status_line(const struct status *status, char *out, size_t out_bytes)
{
    const struct supervisor *sup = status->sup;
    struct value services = services_describe(sup);
    unsigned n_running = 0;

    for (size_t i = 0; i < services.as.list.n; i++) {
        const char *state = value_get_text(&services.as.list.items[i], "state");

        n_running += state != NULL && strcmp(state, "running") == 0;
    }
    snprintf(out, out_bytes,
             "%s: %u of %zu services running, %u workers, %u calls open", status->phase,
             n_running, services.as.list.n, (unsigned)workers_count(sup->workers),
             (unsigned)calls_n_open(sup->calls));
    value_finish(&services);
}
