#include "supervisor/service_glue.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include "supervisor/core.h"
#include "supervisor/pool.h"

/* How long a pool takes to kill and reap what its deadline has left over. */
#define HOST_STOP_GRACE_MS 5000

/*
 * A host's pool takes its time over both of its orders, and may be asked to start while
 * it still stops. Whoever no longer waits for an answer clears its `wanted`.
 */
struct host {
    struct service *service; /* NULL: forgotten, to be freed with the last answer */
    bool starting, stopping; /* the pool owes an answer */
    bool start_wanted, stop_wanted;
};

static struct host *get_host(struct service *service)
{
    struct host *host = service_backend_state(service);

    if (host == NULL) {
        host = xcalloc(1, sizeof(*host));
        host->service = service;
        service_set_backend_state(service, host);
    }
    return host;
}

static bool free_if_forgotten(struct host *host)
{
    if (host->service != NULL)
        return false;
    if (!host->starting && !host->stopping)
        free(host);
    return true;
}

static struct pool *find_pool(const struct service *service)
{
    return pools_find(service_supervisor(service)->pools, service->id,
                      strlen(service->id));
}

static void on_pool_started(void *context, const struct err *err)
{
    struct host *host = context;

    host->starting = false;
    if (free_if_forgotten(host) || !host->start_wanted)
        return;
    host->start_wanted = false;
    if (err != NULL)
        service_on_start_failed(host->service, err);
    else
        service_on_started(host->service);
}

static void start_pool(struct host *host)
{
    struct pool *pool = find_pool(host->service);
    struct err err = {0};

    if (pool != NULL) {
        host->starting = true;
        pool_start(pool, on_pool_started, host);
        return;
    }
    host->start_wanted = false;
    err_set(&err, ERR_NOT_FOUND, "host not found: %s", host->service->id);
    service_on_start_failed(host->service, &err);
}

static void on_pool_stopped(void *context)
{
    struct host *host = context;

    host->stopping = false;
    if (free_if_forgotten(host))
        return;
    if (host->stop_wanted) {
        host->stop_wanted = false;
        service_on_ended(host->service, NULL);
    } else if (host->start_wanted) {
        start_pool(host);
    }
}

static void host_start(struct service *service)
{
    struct host *host = get_host(service);

    host->start_wanted = true;
    host->stop_wanted = false;
    if (!host->stopping)
        start_pool(host);
}

/* The answer that the pool owed before is forgotten, so there is only ever one. */
static void stop_pool(struct host *host, uint64_t timeout_ms)
{
    struct pool *pool = find_pool(host->service);
    bool owed = host->stopping;

    if (pool != NULL && pool_forget(pool, host))
        host->starting = false;
    host->stopping = true;
    if (pool != NULL)
        pool_stop(pool, (uint64_t)clock_monotonic_ns() + timeout_ms * 1000000,
                  on_pool_stopped, host);
    else if (!owed)
        on_pool_stopped(host);
}

static void host_stop(struct service *service, uint64_t timeout_ms)
{
    struct host *host = get_host(service);

    host->start_wanted = false;
    host->stop_wanted = true;
    stop_pool(host, timeout_ms);
}

static void host_kill(struct service *service)
{
    struct host *host = get_host(service);

    host->start_wanted = host->stop_wanted = false;
    stop_pool(host, 0);
}

static void host_forget(struct service *service)
{
    struct host *host = service_backend_state(service);
    struct pool *pool = find_pool(service);

    if (host == NULL)
        return;
    host->service = NULL;
    if (pool != NULL && pool_forget(pool, host)) /* else it is one that was replaced */
        host->starting = host->stopping = false;
    free_if_forgotten(host);
}

#define HOST_BACKEND(name)                                                             \
    {                                                                                  \
        .kind = (name), .start = host_start, .stop = host_stop, .kill = host_kill,     \
        .forget = host_forget, .stop_grace_ms = HOST_STOP_GRACE_MS,                    \
    }

const struct service_backend service_host_backends[2] = {
    HOST_BACKEND("process.host"),
    HOST_BACKEND("terminal.host"),
};

/* ---- what needs nothing done --------------------------------------------------- */

static void passive_start(struct service *service)
{
    service_on_started(service);
}

static void passive_stop(struct service *service, uint64_t timeout_ms)
{
    (void)timeout_ms;
    service_on_ended(service, NULL);
}

static void passive_kill(struct service *service)
{
    (void)service;
}

const struct service_backend service_passive_backend = {
    .kind = "*",
    .start = passive_start,
    .stop = passive_stop,
    .kill = passive_kill,
};
