#include "supervisor/service_set.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#include "supervisor/entry.h"
#include "supervisor/service_order.h"

/* ---- the machine's view ------------------------------------------------------- */

static struct service *service_of(struct machine *machine)
{
    return container_of(machine, struct service, machine);
}

void services_ask_to_settle(struct services *services)
{
    services->dirty = true;
    if (!services->settling)
        services->env->kick(services);
}

static void op_set_timer(struct machine *machine, uint64_t after_ms)
{
    struct service *service = service_of(machine);

    service->services->env->set_timer(service, after_ms);
}

static void op_clear_timer(struct machine *machine)
{
    struct service *service = service_of(machine);

    service->services->env->clear_timer(service);
}

static uint64_t op_now_ms(struct machine *machine)
{
    return service_of(machine)->services->env->now_ms();
}

static double op_random(struct machine *machine)
{
    return service_of(machine)->services->env->random();
}

static void op_start(struct machine *machine)
{
    struct service *service = service_of(machine);

    service->backend->start(service);
}

static void op_stop(struct machine *machine)
{
    struct service *service = service_of(machine);

    service->backend->stop(service, machine->policy.stop_timeout_ms);
}

static void op_kill(struct machine *machine)
{
    struct service *service = service_of(machine);

    service->backend->kill(service);
}

static void op_changed(struct machine *machine, enum machine_state old)
{
    struct service *service = service_of(machine);

    (void)old;
    service->services->env->changed(service);
    services_ask_to_settle(service->services);
}

static const struct machine_ops machine_ops = {
    .now_ms = op_now_ms,
    .random = op_random,
    .set_timer = op_set_timer,
    .clear_timer = op_clear_timer,
    .start = op_start,
    .stop = op_stop,
    .kill = op_kill,
    .changed = op_changed,
};

void service_on_timer(struct service *service)
{
    machine_step(&service->machine, ME_TIMEOUT, NULL);
}

void service_on_started(struct service *service)
{
    machine_step(&service->machine, ME_STARTED, NULL);
}

void service_on_start_failed(struct service *service, const struct err *err)
{
    machine_step(&service->machine, ME_START_FAILED, err);
}

void service_on_ended(struct service *service, const struct err *err)
{
    machine_step(&service->machine, ME_ENDED, err);
}

void services_reset_failed(struct service *service)
{
    machine_step(&service->machine, ME_RESET, NULL);
}

/* ---- the set itself ----------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const struct service *const *left = a, *const *right = b;

    return strcmp((*left)->id, (*right)->id);
}

static int compare_with_id(const void *id, const void *item)
{
    const struct service *const *service = item;

    return strcmp(id, (*service)->id);
}

struct service *services_find(const struct services *services, const char *id)
{
    struct service **found;

    if (services->n == 0)
        return NULL;
    found = bsearch(id, services->items, services->n, sizeof(services->items[0]),
                    compare_with_id);
    return found != NULL ? *found : NULL;
}

static bool backend_takes(const struct service_backend *backend, const char *kind)
{
    size_t n = strlen(backend->kind);

    if (n != 0 && backend->kind[n - 1] == '*')
        return strncmp(backend->kind, kind, n - 1) == 0;
    return strcmp(backend->kind, kind) == 0;
}

/* The one that was added last goes first, so that "*" may stand for the rest. */
static const struct service_backend *find_backend(const struct services *services,
                                                  const char *kind)
{
    for (size_t i = services->n_backends; i > 0; i--)
        if (backend_takes(services->backends[i - 1], kind))
            return services->backends[i - 1];
    return NULL;
}

void services_add_backend(struct services *services,
                          const struct service_backend *backend)
{
    services->backends = xrealloc(
        services->backends, (services->n_backends + 1) * sizeof(services->backends[0]));
    services->backends[services->n_backends++] = backend;
}

static void free_service(struct service *service)
{
    service->services->env->clear_timer(service);
    if (service->backend->forget != NULL)
        service->backend->forget(service);
    free(service->id);
    free(service->kind);
    free(service->blocked);
    free(service->impossible);
    free(service->needs);
    free(service->needed_by);
    free(service->actor_host);
    entry_unref(service->security_of);
    buf_finish(&service->security);
    free(service);
}

static void drop_pointer(struct service **array, size_t *n, const struct service *gone)
{
    for (size_t i = 0; i < *n; i++)
        if (array[i] == gone) {
            memmove(&array[i], &array[i + 1], (*n - i - 1) * sizeof(array[0]));
            (*n)--;
            return;
        }
}

static bool is_awaited(const struct services *services, const struct service *service)
{
    LIST_FOREACH (node, &services->verbs)
        if (container_of(node, struct verb, in_services)->service == service)
            return true;
    return false;
}

static void remove_at(struct services *services, size_t at)
{
    struct service *gone = services->items[at];

    memmove(&services->items[at], &services->items[at + 1],
            (services->n - at - 1) * sizeof(services->items[0]));
    services->n--;
    services->env->removed(gone);
    for (size_t i = 0; i < services->n; i++) {
        drop_pointer(services->items[i]->needs, &services->items[i]->n_needs, gone);
        drop_pointer(services->items[i]->needed_by, &services->items[i]->n_needed_by,
                     gone);
    }
    free_service(gone);
}

void services_sweep_removed(struct services *services)
{
    for (size_t i = services->n; i > 0; i--) {
        const struct service *service = services->items[i - 1];

        if (service->removed && !machine_is_active(&service->machine) &&
            !is_awaited(services, service))
            remove_at(services, i - 1);
    }
}

/* At the end; services_load() sorts. */
static struct service *add_service(struct services *services,
                                   const struct service_spec *spec)
{
    struct service *service = xcalloc(1, sizeof(*service));

    service->services = services;
    service->id = xstrdup(spec->id);
    buf_init(&service->security, 0);
    machine_init(&service->machine, &machine_ops, &spec->policy);
    if (services->n == services->size) {
        services->size = services->size == 0 ? 32 : 2 * services->size;
        services->items =
            xrealloc(services->items, services->size * sizeof(services->items[0]));
    }
    services->items[services->n++] = service;
    service->kind = xstrdup(spec->kind);
    services->env->added(service);
    return service;
}

/* The kind of something active can't change under it: that waits for the next load. */
static void set_spec(struct service *service, const struct service_spec *spec)
{
    service->auto_start = spec->auto_start;
    service->optional = spec->optional;
    service->removed = false;
    if (!machine_is_active(&service->machine)) {
        char *kind = xstrdup(spec->kind);

        free(service->kind);
        service->kind = kind;
        service->backend = find_backend(service->services, spec->kind);
    }
    service->machine.policy = spec->policy;
    service->machine.policy.stop_grace_ms = service->backend->stop_grace_ms;
}

static void set_needs(struct service *service, const struct order *order, size_t node)
{
    const char *missing = order_missing(order, node);
    const char *cycle = order_cycle(order, node);
    size_t n;
    const size_t *needs = order_needs(order, node, &n);

    free(service->impossible);
    service->impossible = NULL;
    if (missing != NULL)
        service->impossible =
            xasprintf("service startup blocked by missing dependencies: %s", missing);
    else if (cycle != NULL)
        service->impossible =
            xasprintf("service startup blocked by a cycle: %s", cycle);
    free(service->needs);
    service->needs = xcalloc(n + 1, sizeof(struct service *));
    service->n_needs = 0;
    for (size_t i = 0; i < n; i++) {
        struct service *need =
            services_find(service->services, order_id(order, needs[i]));

        if (need != NULL)
            service->needs[service->n_needs++] = need;
    }
}

static void set_needed_by(struct services *services)
{
    for (size_t i = 0; i < services->n; i++)
        services->items[i]->n_needed_by = 0;
    for (size_t i = 0; i < services->n; i++)
        for (size_t j = 0; j < services->items[i]->n_needs; j++)
            services->items[i]->needs[j]->n_needed_by++;
    for (size_t i = 0; i < services->n; i++) {
        struct service *service = services->items[i];

        free(service->needed_by);
        service->needed_by =
            xcalloc(service->n_needed_by + 1, sizeof(struct service *));
        service->n_needed_by = 0;
    }
    for (size_t i = 0; i < services->n; i++)
        for (size_t j = 0; j < services->items[i]->n_needs; j++) {
            struct service *need = services->items[i]->needs[j];

            need->needed_by[need->n_needed_by++] = services->items[i];
        }
}

static bool is_known(const struct map *known, const struct service *service)
{
    return map_find(known, service->id, strlen(service->id)) != NULL;
}

/* While the old edges are there. Who ends because its host goes has ended well, and
 * would stay down when that comes back. */
static void note_bereft(struct services *services, const struct map *known)
{
    for (size_t i = 0; i < services->n; i++) {
        struct service *gone = services->items[i];

        for (size_t j = 0; j < gone->n_needed_by && !is_known(known, gone); j++) {
            struct service *service = gone->needed_by[j];

            service->bereft = service->bereft || machine_is_active(&service->machine) ||
                              service->machine.state == MS_BACKOFF;
        }
    }
}

static void start_bereft(const struct service *come)
{
    for (size_t i = 0; i < come->n_needed_by; i++)
        if (come->needed_by[i]->bereft && come->needed_by[i]->wanted)
            service_mark_start(come->needed_by[i]);
}

static void mark_removed(struct services *services, const struct map *known)
{
    for (size_t i = 0; i < services->n; i++) {
        struct service *service = services->items[i];

        if (is_known(known, service))
            continue;
        service->removed = true;
        service_mark_stop(service, false);
    }
}

/* Finds or makes the service of each spec; is_new says which ones weren't there. */
static struct service **take_specs(struct services *services,
                                   const struct service_spec *specs, size_t n,
                                   bool *is_new)
{
    struct service **taken = xcalloc(n + 1, sizeof(struct service *));

    for (size_t i = 0; i < n; i++) {
        taken[i] = services_find(services, specs[i].id);
        is_new[i] = taken[i] == NULL || taken[i]->removed;
    }
    for (size_t i = 0; i < n; i++) {
        if (taken[i] == NULL)
            taken[i] = add_service(services, &specs[i]);
        set_spec(taken[i], &specs[i]);
    }
    if (services->n > 1)
        qsort(services->items, services->n, sizeof(services->items[0]), compare_ids);
    return taken;
}

static void take_order(struct services *services, const struct order *order)
{
    for (size_t i = 0; i < order_count(order); i++) {
        struct service *service = services_find(services, order_id(order, i));

        if (service != NULL && order_is_service(order, i))
            set_needs(service, order, i);
    }
    set_needed_by(services);
}

void services_load(struct services *services, const struct service_spec *specs,
                   size_t n, const struct order *order, bool start_new)
{
    bool *is_new = xcalloc(n + 1, sizeof(*is_new));
    struct service **taken = take_specs(services, specs, n, is_new);
    struct map known;

    map_init(&known);
    for (size_t i = 0; i < n; i++)
        map_put(&known, specs[i].id, strlen(specs[i].id), taken[i]);
    note_bereft(services, &known);
    take_order(services, order);
    mark_removed(services, &known);
    for (size_t i = 0; i < n && start_new && !services->closing; i++)
        if (is_new[i] && (specs[i].auto_start || service_is_waited_for(taken[i])))
            service_mark_start(taken[i]);
    for (size_t i = 0; i < n && start_new && !services->closing; i++)
        if (is_new[i])
            start_bereft(taken[i]);
    map_finish(&known);
    free(taken);
    free(is_new);
    services_ask_to_settle(services);
}

void services_init(struct services *services, struct supervisor *sup,
                   const struct services_env *env)
{
    *services = (struct services){.sup = sup, .env = env};
    list_init(&services->verbs);
    map_init(&services->runs);
}

void services_finish(struct services *services)
{
    struct list *node;

    while ((node = list_first(&services->verbs)) != NULL)
        services_drop_verb(container_of(node, struct verb, in_services));
    for (size_t i = 0; i < services->n; i++)
        free_service(services->items[i]);
    /* Runs whose spawn or EXIT is still to come; those who would tell are gone too. */
    MAP_FOREACH (row, &services->runs)
        free(row->value);
    free(services->items);
    free(services->backends);
    map_finish(&services->runs);
}
