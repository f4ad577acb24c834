#include "supervisor/service_glue.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/actors.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/lifecycle_security.h"
#include "supervisor/registry.h"
#include "supervisor/spawn_reply.h"

#define CONTROL_HOST "node:control"

/*
 * One run of a process.service. Each has a control pid of its own, which watches the
 * actor and in whose name it is cancelled, so that the end of an old run is never taken
 * for the end of the present one. service is NULL once nobody wants the run any more.
 */
struct run {
    struct services *services;
    struct service *service;
    uint64_t control;
    uint64_t actor; /* 0 until it is spawned */
};

static void on_spawned(void *context, uint8_t status, struct bytes result);

static struct origin origin_of(struct run *run)
{
    return (struct origin){.type = ORIGIN_INTERNAL,
                           .who.internal = {.done = on_spawned, .context = run}};
}

static struct run *run_create(struct service *service)
{
    struct run *run = xcalloc(1, sizeof(*run));
    uint64_t number = ++service->services->last_control;

    run->services = service->services;
    run->service = service;
    run->control = pid_make(0, (uint32_t)(number >> PID_SLOT_BITS),
                            (uint32_t)number & (PID_MAX_SLOTS - 1));
    map_put_number(&run->services->runs, run->control, run);
    service_set_backend_state(service, run);
    return run;
}

/* The service's back is turned: what comes of the run from now on is nobody's. */
static struct service *run_detach(struct run *run)
{
    struct service *service = run->service;

    run->service = NULL;
    if (service != NULL) {
        service_set_backend_state(service, NULL);
        service->actor = 0;
    }
    return service;
}

static void run_destroy(struct run *run)
{
    run_detach(run);
    map_remove_number(&run->services->runs, run->control);
    free(run);
}

static void terminate(const struct run *run, const char *reason)
{
    if (run->actor != 0)
        actors_send_signal(run->services->sup, run->actor, run->control, CONTROL_HOST,
                           SIGNAL_TERMINATE, reason);
}

static void fail_start(struct run *run, const struct err *err)
{
    struct service *service = run_detach(run);

    run_destroy(run);
    if (service != NULL)
        service_on_start_failed(service, err);
}

static void on_actor_there(struct run *run, struct bytes host)
{
    struct service *service = run->service;

    if (service == NULL) { /* nobody waited for it: its EXIT ends the run */
        terminate(run, "service stopped");
        return;
    }
    free(service->actor_host);
    service->actor_host = xstrndup((const char *)host.data, host.n);
    service->actor = run->actor;
    service_on_started(service);
}

static void on_spawned(void *context, uint8_t status, struct bytes result)
{
    struct run *run = context;
    struct value list = {0};
    struct bytes host;
    struct err err;

    if (status != REPLY_OK) {
        error_of_bytes(result, &err);
        fail_start(run, &err);
    } else if (spawn_reply_read(result, &list, &run->actor, &host, &err) == -1) {
        fail_start(run, &err);
    } else {
        on_actor_there(run, host);
    }
    value_finish(&list);
}

static int check_entry(const char *process, const char *host, struct err *err)
{
    if (process == NULL)
        return err_set(err, ERR_INVALID, "process is required");
    if (host == NULL)
        return err_set(err, ERR_INVALID, "host is required");
    if (strcmp(host, CONTROL_HOST) == 0)
        return err_set(err, ERR_INVALID, "invalid host: %s", host);
    return 0;
}

/* S-61: worked out once for an entry, so that every restart gets the same. */
static struct bytes security_of(struct service *service, const struct entry *entry)
{
    const struct registry *registry = service_supervisor(service)->registry;

    if (service->security_of != entry) {
        entry_unref(service->security_of);
        service->security_of = entry_ref(entry);
        buf_clear(&service->security);
        lifecycle_security_encode(entry, registry_state(registry), &service->security);
    }
    return buf_bytes(&service->security);
}

static void process_start(struct service *service)
{
    struct supervisor *sup = service_supervisor(service);
    const struct entry *entry =
        registry_find(sup->registry, service->id, strlen(service->id));
    const struct value none = value_list();
    struct origin origin;
    const struct value *input = NULL;
    char *process = NULL, *host = NULL;
    struct err err = {0};

    if (entry == NULL) {
        err_set(&err, ERR_NOT_FOUND, "entry not found: %s", service->id);
    } else {
        process = entry_get_reference(entry, "process");
        host = entry_get_reference(entry, "host");
        input = value_get(entry_fields(entry), "input");
    }
    if (entry == NULL || check_entry(process, host, &err) != 0) {
        service_on_start_failed(service, &err);
    } else {
        origin = origin_of(run_create(service));
        calls_spawn_internal(sup, &origin, process, host, "",
                             input != NULL && input->type == VALUE_LIST ? input : &none,
                             security_of(service, entry),
                             ((struct run *)origin.who.internal.context)->control);
    }
    free(process);
    free(host);
}

/* An actor that loads knows no CANCEL yet. Answered perhaps before this returns. */
static void give_up_start(struct run *run)
{
    struct origin origin = origin_of(run);

    calls_give_up(run->services->sup->calls, &origin);
}

/* CT-2: a polite request; the actor's EXIT is the end of the stop. */
static void process_stop(struct service *service, uint64_t timeout_ms)
{
    struct run *run = service_backend_state(service);

    (void)timeout_ms;
    if (run == NULL) {
        service_on_ended(service, NULL);
        return;
    }
    if (run->actor == 0) {
        give_up_start(run);
        return;
    }
    actors_send_signal(service_supervisor(service), run->actor, run->control,
                       CONTROL_HOST, SIGNAL_CANCEL, "service stopping");
}

static void process_kill(struct service *service)
{
    struct run *run = service_backend_state(service);

    if (run == NULL)
        return;
    run_detach(run); /* it stays until its EXIT, or until its spawn is answered */
    if (run->actor != 0)
        terminate(run, "service stopped");
    else
        give_up_start(run);
}

/* result is [value] or, when it failed, one error. */
static const struct err *why_it_ended(const struct frame_exit *frame, struct err *why)
{
    if (frame->failed == 0)
        return NULL;
    error_of_bytes(frame->result, why);
    return why;
}

void services_on_exit(struct supervisor *sup, const struct frame_exit *frame)
{
    struct run *run = map_find_number(&sup->services->runs, frame->to);
    struct service *service;
    struct err why = {0};

    if (run == NULL) {
        if (sup->on_exit != NULL)
            sup->on_exit(sup, frame);
        return;
    }
    service = run_detach(run);
    run_destroy(run);
    if (service != NULL)
        service_on_ended(service, why_it_ended(frame, &why));
}

bool services_has_actor(const struct services *services, uint64_t pid)
{
    for (size_t i = 0; pid != 0 && i < services->n; i++)
        if (services->items[i]->actor == pid)
            return true;
    return false;
}

static void process_forget(struct service *service)
{
    struct run *run = service_backend_state(service);

    if (run != NULL)
        run_detach(run);
}

const struct service_backend service_process_backend = {
    .kind = "process.service",
    .start = process_start,
    .stop = process_stop,
    .kill = process_kill,
    .forget = process_forget,
};
