#include "supervisor/service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/log.h"
#include "common/mem.h"

#include "supervisor/bus.h"
#include "supervisor/core.h"
#include "supervisor/registry.h"
#include "supervisor/registry_config.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/registry_order.h"
#include "supervisor/service_glue.h"
#include "supervisor/service_order.h"
#include "supervisor/service_set.h"

/* ---- the clock and the loop --------------------------------------------------- */

static uint64_t env_now_ms(void)
{
    return clock_monotonic_ms();
}

/* Spreads restarts: two supervisors that failed together must not agree. */
static double env_random(void)
{
    uint32_t bits;

    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
        return 0.5;
    return bits / (UINT32_MAX + 1.0);
}

static void on_service_timer(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    service_on_timer(container_of(timer, struct service, timer));
}

static void env_clear_timer(struct service *service)
{
    ev_timer_stop(service->services->sup->loop, &service->timer);
}

static void env_set_timer(struct service *service, uint64_t after_ms)
{
    struct ev_loop *loop = service->services->sup->loop;

    /* The loop's idea of now may be older than the event that we are in. */
    ev_now_update(loop);
    ev_timer_init(&service->timer, on_service_timer, (double)after_ms / 1e3, 0);
    ev_timer_start(loop, &service->timer);
}

static void on_kick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    services_settle(container_of(timer, struct services, kick_timer));
}

static void env_kick(struct services *services)
{
    if (!ev_is_active(&services->kick_timer))
        ev_timer_start(services->sup->loop, &services->kick_timer);
}

static void log_change(const struct service *service, enum service_state state)
{
    const char *details = service_shown_details(service);

    switch (state) {
    case SERVICE_RUNNING:
        log_info("service is running", "service=%s kind=%s", service->id,
                 service->kind);
        break;
    case SERVICE_STOPPED:
        log_info("service stopped", "service=%s", service->id);
        break;
    case SERVICE_EXITED:
        if (service->machine.ended_well)
            log_info("service has done its work and exited", "service=%s", service->id);
        else
            log_error("service exited, it will not be restarted",
                      "service=%s reason=%s", service->id, details);
        break;
    case SERVICE_FAILED:
        if (service->machine.state == MS_BACKOFF)
            log_warn(
                "service failed, it will be restarted",
                "service=%s reason=%s retry=%u restart_in_ms=%llu", service->id,
                details, service->machine.n_failures,
                (unsigned long long)(service->machine.next_try_at_ms - env_now_ms()));
        else if (service->blocked != NULL && service->impossible == NULL)
            log_warn("service has to wait, it starts when what it needs does",
                     "service=%s reason=%s", service->id, details);
        else if (service->machine.stop_timed_out)
            log_warn("service did not stop in time, ending it", "service=%s reason=%s",
                     service->id, details);
        else
            log_error("service failed, it stays down", "service=%s reason=%s",
                      service->id, details);
        break;
    default:
        log_debug("service changes its state", "service=%s state=%s", service->id,
                  service_state_name(state));
    }
}

static void env_changed(struct service *service)
{
    enum service_state state = service_shown_state(service);
    struct value record;

    service->changed_at_wall_ns = clock_wall_ns();
    if (state == SERVICE_RUNNING)
        service->started_at_wall_ns = service->changed_at_wall_ns;
    log_change(service, state);
    record = service_describe(service);
    value_put(&record, "status", value_string(service_state_name(state))); /* SY-11 */
    if (state == SERVICE_STARTING || state == SERVICE_STOPPING)
        bus_publish(service->services->sup, "supervisor",
                    state == SERVICE_STARTING ? "service.start" : "service.stop",
                    service->id, NULL);
    bus_publish(service->services->sup, "supervisor", "service.update", service->id,
                &record);
    value_finish(&record);
}

static void env_added(struct service *service)
{
    bus_publish(service->services->sup, "supervisor", "service.register", service->id,
                NULL);
}

static void env_removed(struct service *service)
{
    bus_publish(service->services->sup, "supervisor", "service.remove", service->id,
                NULL);
}

static const struct services_env env = {
    .now_ms = env_now_ms,
    .random = env_random,
    .set_timer = env_set_timer,
    .clear_timer = env_clear_timer,
    .kick = env_kick,
    .changed = env_changed,
    .added = env_added,
    .removed = env_removed,
};

/* ---- what the registry says --------------------------------------------------- */

struct reading {
    struct order *order;
    const struct snapshot *state;
    struct service_spec *specs;
    size_t n_specs;
    size_t node; /* of the entry whose dependencies are told */
};

static bool is_service(const struct entry *entry)
{
    if (entry->type != NULL && (entry->type->flags & KIND_SERVICE) != 0)
        return true;
    return value_get(entry_fields(entry), "lifecycle") != NULL &&
           value_get(entry_fields(entry), "lifecycle")->type == VALUE_MAP;
}

static void add_derived_edge(void *context, const struct entry *dependency)
{
    struct reading *reading = context;

    order_add_edge(reading->order, reading->node, dependency->id, false);
}

/* "ns:x" and "group:x" stand for many entries, which are told as dependencies. */
static bool is_group(const struct reading *reading, const char *id)
{
    return (strncmp(id, "ns:", 3) == 0 || strncmp(id, "group:", 6) == 0) &&
           snapshot_find(reading->state, id, strlen(id)) == NULL;
}

static uint64_t positive(int64_t ms)
{
    return ms > 0 ? (uint64_t)ms : 0;
}

static void read_service(struct reading *reading, const struct entry *entry)
{
    struct service_spec *spec = &reading->specs[reading->n_specs++];
    struct lifecycle_config config;

    lifecycle_config_read(entry, &config, NULL);
    *spec = (struct service_spec){
        .id = entry->id,
        .kind = entry->kind,
        .auto_start = config.auto_start,
        .optional = config.optional,
        .policy =
            {
                .start_timeout_ms = positive(config.start_timeout_ms),
                .stop_timeout_ms = positive(config.stop_timeout_ms),
                .stable_threshold_ms = positive(config.stable_threshold_ms),
                .backoff =
                    {
                        .initial_delay_ms = positive(config.initial_delay_ms),
                        .max_delay_ms = positive(config.max_delay_ms),
                        .factor = config.backoff_factor,
                        .jitter = config.jitter,
                        .max_attempts = config.max_attempts,
                    },
            },
    };
    for (size_t i = 0; i < config.n_requires; i++)
        if (!is_group(reading, config.requires[i]))
            order_add_edge(reading->order, reading->node, config.requires[i], true);
    lifecycle_config_finish(&config);
}

static void load(struct supervisor *sup, bool start_new)
{
    struct reading reading = {.order = order_create(),
                              .state = registry_state(sup->registry)};
    struct needs needs;

    needs_init(&needs, reading.state);
    reading.specs = xcalloc(reading.state->n + 1, sizeof(*reading.specs));
    for (size_t i = 0; i < reading.state->n; i++) {
        const struct entry *entry = reading.state->entries[i];

        reading.node = order_add_node(reading.order, entry->id, is_service(entry));
        entry_each_dependency(entry, &needs, add_derived_edge, &reading);
        if (is_service(entry))
            read_service(&reading, entry);
    }
    needs_finish(&needs);
    order_resolve(reading.order);
    services_load(sup->services, reading.specs, reading.n_specs, reading.order,
                  start_new);
    order_destroy(reading.order);
    free(reading.specs);
}

/* ---- boot, reload, shutdown --------------------------------------------------- */

void services_start_all(struct supervisor *sup, void (*done)(void *context),
                        void *context)
{
    load(sup, false);
    services_begin_boot(sup->services, done, context);
}

void services_refresh(struct supervisor *sup)
{
    load(sup, true);
}

static void on_stop_deadline(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct services *services = container_of(timer, struct services, stop_timer);
    size_t n_left = 0;

    (void)loop, (void)revents;
    for (size_t i = 0; i < services->n; i++)
        n_left += machine_is_active(&services->items[i]->machine);
    if (n_left == 0) /* whatever still stops, it is no service */
        return;
    log_warn("shutdown takes too long, what is left is killed", "services=%zu", n_left);
    services_kill_all(services);
}

void services_stop_all(struct supervisor *sup, uint64_t deadline_ms,
                       void (*done)(void *context), void *context)
{
    struct services *services = sup->services;

    ev_now_update(sup->loop);
    ev_timer_stop(sup->loop, &services->stop_timer);
    ev_timer_set(&services->stop_timer, (double)deadline_ms / 1e3, 0);
    ev_timer_start(sup->loop, &services->stop_timer);
    services_begin_stop(services, done, context);
}

/* ---- for others --------------------------------------------------------------- */

struct start_wait {
    void (*done)(void *context, const struct err *err);
    void *context;
};

static void on_start_settled(void *context, const struct service *service,
                             const struct err *err)
{
    struct start_wait *wait = context;

    (void)service;
    wait->done(wait->context, err);
    free(wait);
}

void services_start(struct supervisor *sup, const char *id,
                    void (*done)(void *context, const struct err *err), void *context)
{
    struct service *service = services_find(sup->services, id);
    struct start_wait *wait;
    struct err err = {0};

    if (service == NULL) {
        err_set(&err, ERR_NOT_FOUND, "service not found: %s", id);
        done(context, &err);
        return;
    }
    wait = xcalloc(1, sizeof(*wait));
    wait->done = done;
    wait->context = context;
    if (services_begin(sup->services, service, VERB_START, on_start_settled, wait,
                       &err) == NULL) {
        free(wait);
        done(context, &err);
    }
}

/* Monotonic "in so many ms" as a point of the wall clock, for people. */
static int64_t wall_ns_of(uint64_t monotonic_ms)
{
    int64_t in_ms = (int64_t)monotonic_ms - (int64_t)clock_monotonic_ms();

    return clock_wall_ns() + in_ms * 1000000;
}

struct value service_describe(const struct service *service)
{
    const struct machine *machine = &service->machine;
    bool wanted = service->wanted || service->again;
    struct value record = value_map();
    char text[PID_TEXT_MAX];

    value_put(&record, "id", value_string(service->id));
    value_put(&record, "kind", value_string(service->kind));
    value_put(&record, "state",
              value_string(service_state_name(service_shown_state(service))));
    value_put(&record, "desired", value_string(wanted ? "running" : "stopped"));
    value_put(&record, "details", value_string(service_shown_details(service)));
    value_put(&record, "auto_start", value_bool(service->auto_start));
    value_put(&record, "retry_count", value_int(machine->n_failures));
    value_put(&record, "restarts", value_int(machine->n_restarts));
    value_put(&record, "started_at", value_int(service->started_at_wall_ns));
    if (machine->state == MS_RUNNING)
        value_put(&record, "uptime_ms",
                  value_int((int64_t)(env_now_ms() - machine->running_since_ms)));
    value_put(&record, "last_update", value_int(service->changed_at_wall_ns));
    if (machine->next_try_at_ms != 0)
        value_put(&record, "next_try_at",
                  value_int(wall_ns_of(machine->next_try_at_ms)));
    if (service->actor != 0) {
        pid_format(text, service->actor_host, strlen(service->actor_host),
                   service->actor);
        value_put(&record, "pid", value_string(text));
    }
    return record;
}

struct value services_describe(const struct supervisor *sup)
{
    struct value list = value_list();

    for (size_t i = 0; i < sup->services->n; i++)
        value_append(&list, service_describe(sup->services->items[i]));
    return list;
}

struct supervisor *service_supervisor(const struct service *service)
{
    return service->services->sup;
}

void *service_backend_state(const struct service *service)
{
    return service->backend_state;
}

void service_set_backend_state(struct service *service, void *state)
{
    service->backend_state = state;
}

struct services *services_create(struct supervisor *sup)
{
    struct services *services = xcalloc(1, sizeof(*services));

    services_init(services, sup, &env);
    ev_timer_init(&services->kick_timer, on_kick, 0, 0);
    ev_timer_init(&services->stop_timer, on_stop_deadline, 0, 0);
    services_add_backend(services, &service_passive_backend);
    services_add_backend(services, &service_process_backend);
    for (size_t i = 0; i < N_ELEMENTS(service_host_backends); i++)
        services_add_backend(services, &service_host_backends[i]);
    service_targets_add(sup);
    return services;
}

void services_destroy(struct services *services)
{
    if (services == NULL)
        return;
    ev_timer_stop(services->sup->loop, &services->kick_timer);
    ev_timer_stop(services->sup->loop, &services->stop_timer);
    services_finish(services);
    free(services);
}
