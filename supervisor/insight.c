#include "supervisor/insight.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/names.h"
#include "supervisor/pool.h"
#include "supervisor/status.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

/* ---- figures --------------------------------------------------------------------- */

static void put_host(struct value *record, const struct supervisor *sup)
{
    char name[HOST_NAME_MAX + 1] = "";

    gethostname(name, sizeof(name) - 1);
    value_put(record, "hostname", value_string(name));
    value_put(record, "cwd", value_string(sup->config->root));
    value_put(record, "cpus", value_int(sysconf(_SC_NPROCESSORS_ONLN)));
}

static void handle_figures(struct request *request)
{
    struct supervisor *sup = request->sup;
    int64_t heap_bytes = 0, rss_bytes = status_rss_bytes(getpid()), n_actors = 0;
    struct value record = value_map();

    WORKERS_FOREACH (worker, sup->workers) {
        rss_bytes += status_rss_bytes(worker->os_pid);
        if (request->origin.type == ORIGIN_WORKER &&
            request->origin.who.worker == worker)
            continue;
        heap_bytes += value_get_int(worker->figures, "heap_bytes", 0);
        n_actors += worker->n_actors;
    }
    value_put(&record, "other_heap_bytes", value_int(heap_bytes));
    value_put(&record, "other_actors", value_int(n_actors));
    value_put(&record, "rss_bytes", value_int(rss_bytes));
    put_host(&record, sup);
    request_reply_taken(request, record);
}

/* ---- hosts ----------------------------------------------------------------------- */

static struct value describe_host(struct pool *pool)
{
    struct value record = value_map();
    struct pool_figures figures;
    int64_t n_slices = 0;

    pool_get_figures(pool, &figures);
    LIST_FOREACH (node, pool_workers(pool))
        n_slices += value_get_int(container_of(node, struct worker, in_pool)->figures,
                                  "slices", 0);
    value_put(&record, "id", value_string(pool_entry(pool)));
    value_put(&record, "workers", value_int(figures.n_processes));
    value_put(&record, "processes", value_int(figures.n_actors));
    value_put(&record, "executed", value_int(n_slices));
    value_put(&record, "stolen", value_int(0));
    value_put(&record, "queue_depth", value_int(figures.n_queued));
    return record;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(value_get_text(a, "id"), value_get_text(b, "id"));
}

static void handle_hosts(struct request *request)
{
    struct value list = value_list();

    POOLS_FOREACH (pool, request->sup->pools)
        if (pool_kind(pool) == POOL_KIND_HOST)
            value_append(&list, describe_host(pool));
    if (list.as.list.n > 1)
        qsort(list.as.list.items, list.as.list.n, sizeof(struct value), compare_ids);
    request_reply_taken(request, list);
}

/* ---- locks ----------------------------------------------------------------------- */

/* Only the actor that asks can hold a lock. */
static void handle_acquire(struct request *request)
{
    const struct value *name = request_arg_as(request, 0, VALUE_STRING);
    struct err err = {0};

    if (name == NULL || request->caller == 0)
        request_refuse(request, ERR_INVALID,
                       "locks.acquire takes a name, from a process");
    else if (names_register(request->sup->locks, value_to_bytes(name), request->caller,
                            (struct bytes){NULL, 0}, &err) == 0)
        request_reply_taken(request, value_bool(true));
    else if (err.kind == ERR_ALREADY_EXISTS)
        request_refuse(request, ERR_ALREADY_EXISTS, "lock held: %.200s",
                       value_text(name));
    else
        request_fail(request, &err);
}

static void handle_release(struct request *request)
{
    const struct value *name = request_arg_as(request, 0, VALUE_STRING);

    request_reply_taken(request,
                        value_bool(name != NULL && names_release(request->sup->locks,
                                                                 value_to_bytes(name),
                                                                 request->caller)));
}

static const struct system_target targets[] = {
    {"locks.acquire", handle_acquire, ALLOW_WORKER},
    {"locks.release", handle_release, ALLOW_WORKER},
    {"system.figures", handle_figures, ALLOW_WORKER},
    {"system.hosts", handle_hosts, ALLOW_WORKER},
};

void insight_add_targets(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
