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
 * One order to a pool. Its answer may come when the service has long moved on: then
 * `service` is NULL and the answer is nobody's.
 */
struct errand {
    struct service *service;
};

static struct errand *errand_create(struct service *service)
{
    struct errand *errand = xcalloc(1, sizeof(*errand)), *old;

    old = service_backend_state(service);
    if (old != NULL)
        old->service = NULL;
    errand->service = service;
    service_set_backend_state(service, errand);
    return errand;
}

/* Its service, if that still waits for this errand; frees it. */
static struct service *errand_finish(struct errand *errand)
{
    struct service *service = errand->service;

    if (service != NULL)
        service_set_backend_state(service, NULL);
    free(errand);
    return service;
}

static void on_pool_started(void *context, const struct err *err)
{
    struct service *service = errand_finish(context);

    if (service == NULL)
        return;
    if (err != NULL)
        service_on_start_failed(service, err);
    else
        service_on_started(service);
}

static void on_pool_stopped(void *context)
{
    struct service *service = errand_finish(context);

    if (service != NULL)
        service_on_ended(service, NULL);
}

static struct pool *find_pool(const struct service *service)
{
    return pools_find(service_supervisor(service)->pools, service->id,
                      strlen(service->id));
}

static void host_start(struct service *service)
{
    struct pool *pool = find_pool(service);
    struct err err = {0};

    if (pool != NULL) {
        pool_start(pool, on_pool_started, errand_create(service));
        return;
    }
    err_set(&err, ERR_NOT_FOUND, "host not found: %s", service->id);
    service_on_start_failed(service, &err);
}

static void stop_within(struct service *service, uint64_t timeout_ms)
{
    struct pool *pool = find_pool(service);

    if (pool != NULL)
        pool_stop(pool, (uint64_t)clock_monotonic_ns() + timeout_ms * 1000000,
                  on_pool_stopped, errand_create(service));
    else
        service_on_ended(service, NULL);
}

/* The machine has moved on before this is called, so the end that follows is ignored.
 */
static void host_kill(struct service *service)
{
    stop_within(service, 0);
}

static void host_forget(struct service *service)
{
    struct errand *errand = service_backend_state(service);

    if (errand != NULL)
        errand->service = NULL;
}

#define HOST_BACKEND(name)                                                             \
    {                                                                                  \
        .kind = (name), .start = host_start, .stop = stop_within, .kill = host_kill,   \
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
