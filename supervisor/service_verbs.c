#include "supervisor/service_set.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

/* ---- what others see ---------------------------------------------------------- */

enum service_state service_shown_state(const struct service *service)
{
    if (service->blocked != NULL && !machine_is_active(&service->machine))
        return SERVICE_FAILED;
    return machine_shown_state(&service->machine);
}

const char *service_shown_details(const struct service *service)
{
    return service->blocked != NULL ? service->blocked : service->machine.details;
}

static bool is_state(const struct service *service, enum machine_state state)
{
    return service->machine.state == state;
}

static bool is_active(const struct service *service)
{
    return machine_is_active(&service->machine);
}

/* Its start has come to an end, one way or the other. */
static bool has_settled(const struct service *service)
{
    if (service->again)
        return false;
    if (service->start_due)
        return service->blocked != NULL;
    return !is_state(service, MS_STARTING) && !is_state(service, MS_ABORTING) &&
           !is_state(service, MS_STOPPING);
}

/* ---- which may start ---------------------------------------------------------- */

static void set_blocked(struct service *service, char *why)
{
    bool same = service->blocked != NULL ? why != NULL && !strcmp(why, service->blocked)
                                         : why == NULL;

    free(service->blocked);
    service->blocked = why;
    if (same)
        return;
    service->services->env->changed(service);
    service->services->dirty = true;
}

enum verdict { NEED_MET, NEED_WAIT, NEED_FAILED };

static enum verdict judge_need(const struct service *need)
{
    if (need->again || (need->start_due && need->blocked == NULL))
        return NEED_WAIT;
    if (is_state(need, MS_RUNNING))
        return need->wanted ? NEED_MET : NEED_WAIT;
    if (is_active(need))
        return NEED_WAIT;
    if (is_state(need, MS_EXITED) && need->machine.ended_well)
        return NEED_MET;
    return need->optional ? NEED_MET : NEED_FAILED;
}

/* One that has failed beats all that may yet come up: what is blocked anyway is told at
 * once. */
static enum verdict judge_needs(const struct service *service,
                                const struct service **failed_out)
{
    enum verdict verdict = NEED_MET;

    for (size_t i = 0; i < service->n_needs; i++) {
        enum verdict one = judge_need(service->needs[i]);

        if (one == NEED_FAILED) {
            *failed_out = service->needs[i];
            return NEED_FAILED;
        }
        if (one == NEED_WAIT)
            verdict = NEED_WAIT;
    }
    return verdict;
}

/* "is unknown" would read as if there were none. */
static const char *how_it_is(const struct service *service)
{
    static const char *const texts[] = {
        [SERVICE_UNKNOWN] = "nobody has started", [SERVICE_STARTING] = "is starting",
        [SERVICE_RUNNING] = "is running",         [SERVICE_STOPPING] = "is stopping",
        [SERVICE_STOPPED] = "is stopped",         [SERVICE_EXITED] = "is exited",
        [SERVICE_FAILED] = "is failed",
    };

    return texts[service_shown_state(service)];
}

static void try_start(struct service *service)
{
    const struct service *failed = NULL;

    if (is_active(service)) {
        if (is_state(service, MS_STARTING) || is_state(service, MS_RUNNING))
            service->start_due = false;
        return;
    }
    if (service->impossible != NULL) {
        set_blocked(service, xstrdup(service->impossible));
        return;
    }
    switch (judge_needs(service, &failed)) {
    case NEED_WAIT:
        set_blocked(service, NULL);
        break;
    case NEED_FAILED:
        set_blocked(service, xasprintf("not started: it needs %s, which %s", failed->id,
                                       how_it_is(failed)));
        break;
    case NEED_MET:
        set_blocked(service, NULL);
        service->start_due = false;
        machine_step(&service->machine, ME_START, NULL);
        break;
    }
}

/* ---- which may stop ----------------------------------------------------------- */

static bool is_needed(const struct service *service)
{
    for (size_t i = 0; i < service->n_needed_by; i++)
        if (is_active(service->needed_by[i]))
            return true;
    return false;
}

static void try_stop(struct service *service)
{
    if (is_state(service, MS_BACKOFF) || (is_active(service) && !is_needed(service)))
        machine_step(&service->machine, ME_STOP, NULL);
}

/* The way up of a restart; judge_need() sees to it that it begins from below. */
static void try_again(struct service *service)
{
    if (is_active(service))
        return;
    service->again = false;
    service->wanted = true;
    service->start_due = true;
    service->services->dirty = true;
}

/* ---- verbs -------------------------------------------------------------------- */

/* In the middle of a restart it will run again anyway, and must come down first. */
static void want_running(struct service *service)
{
    if (service->again)
        return;
    service->wanted = true;
    service->bereft = false;
    if (is_state(service, MS_RUNNING) || is_state(service, MS_STARTING))
        return;
    set_blocked(service, NULL);
    service->start_due = true;
}

static void want_stopped(struct service *service)
{
    service->wanted = service->bereft = false;
    service->again = false;
    service->start_due = false;
    set_blocked(service, NULL);
}

/* Service and everything that it needs or that needs it, itself first. The caller frees
 * the array; a service is in it once. */
static struct service **collect(struct service *service, bool upwards, size_t *n_out)
{
    struct services *services = service->services;
    struct service **found = xcalloc(services->n, sizeof(struct service *));
    struct map seen;
    size_t n = 0;

    map_init(&seen);
    found[n++] = service;
    map_put_number(&seen, (uintptr_t)service, service);
    for (size_t i = 0; i < n; i++) {
        struct service **next = upwards ? found[i]->needed_by : found[i]->needs;
        size_t n_next = upwards ? found[i]->n_needed_by : found[i]->n_needs;

        for (size_t j = 0; j < n_next; j++)
            if (map_put_number(&seen, (uintptr_t)next[j], next[j]) == NULL)
                found[n++] = next[j];
    }
    map_finish(&seen);
    *n_out = n;
    return found;
}

static bool needs_one_again(const struct service *service)
{
    for (size_t i = 0; i < service->n_needs; i++)
        if (service->needs[i]->again)
            return true;
    return false;
}

/* What is up on a need that restarts must come down with it, or that never could: such
 * a one is left by a stop that a start has overtaken. */
static void join_restarts(struct service **found, size_t n)
{
    bool changed;

    do {
        changed = false;
        for (size_t i = 0; i < n; i++) {
            if (found[i]->again || !is_active(found[i]) || !needs_one_again(found[i]))
                continue;
            want_stopped(found[i]);
            found[i]->again = changed = true;
        }
    } while (changed);
}

bool service_is_waited_for(struct service *service)
{
    size_t n;
    struct service **dependents = collect(service, true, &n);
    bool found = false;

    for (size_t i = 1; i < n && !found; i++)
        found = dependents[i]->wanted && dependents[i]->start_due;
    free(dependents);
    return found;
}

void service_mark_start(struct service *service)
{
    size_t n;
    struct service **needed = collect(service, false, &n);

    for (size_t i = 1; i < n; i++)
        if (!is_state(needed[i], MS_EXITED) || !needed[i]->machine.ended_well)
            want_running(needed[i]);
    want_running(service);
    join_restarts(needed, n);
    free(needed);
}

static bool is_up_or_due(const struct service *service)
{
    return is_active(service) || is_state(service, MS_BACKOFF) || service->start_due ||
           service->again;
}

void service_mark_stop(struct service *service, bool again)
{
    size_t n;
    struct service **dependents = collect(service, true, &n);

    for (size_t i = 0; i < n; i++) {
        bool up = is_up_or_due(dependents[i]);

        if (i != 0 && !up)
            continue;
        want_stopped(dependents[i]);
        dependents[i]->again = again;
    }
    free(dependents);
}

static struct verb *add_verb(struct services *services, struct service *service,
                             enum verb_kind kind)
{
    struct verb *verb = xcalloc(1, sizeof(*verb));

    verb->service = service;
    verb->kind = kind;
    list_init(&verb->in_services);
    list_append(&services->verbs, &verb->in_services);
    return verb;
}

struct verb *services_begin(struct services *services, struct service *service,
                            enum verb_kind kind,
                            void (*done)(void *, const struct service *,
                                         const struct err *),
                            void *context, struct err *err)
{
    struct verb *verb = NULL;

    if (kind != VERB_STOP && services->closing) {
        err_set(err, ERR_UNAVAILABLE, "the supervisor is shutting down");
        return NULL;
    }
    if (kind != VERB_STOP && service->removed) {
        err_set(err, ERR_NOT_FOUND, "service %s is being removed", service->id);
        return NULL;
    }
    if (done != NULL) {
        verb = add_verb(services, service, kind);
        verb->done = done;
        verb->context = context;
    }
    if (kind == VERB_START) {
        service_mark_start(service);
    } else if (kind == VERB_STOP) {
        service_mark_stop(service, false);
    } else {
        service_mark_stop(service, true);
        for (size_t i = 0; i < service->n_needs; i++)
            service_mark_start(service->needs[i]);
    }
    services_ask_to_settle(services);
    return verb;
}

void services_drop_verb(struct verb *verb)
{
    list_remove(&verb->in_services);
    free(verb);
}

static bool judge_stopped(const struct verb *verb, struct err *err)
{
    const struct service *service = verb->service;

    if (service->wanted || service->again) {
        err_set(err, ERR_CONFLICT, "the stop of %s was overtaken by a later start",
                service->id);
        return true;
    }
    if (is_active(service) || is_state(service, MS_BACKOFF))
        return false;
    if (service->machine.stop_timed_out)
        err_set(err, ERR_TIMEOUT, "%s: %s", service->id,
                service_shown_details(service));
    return true;
}

static bool judge_started(const struct verb *verb, struct err *err)
{
    const struct service *service = verb->service;

    if (!service->wanted && !service->again) {
        err_set(err, ERR_CONFLICT, "the start of %s was overtaken by a later stop",
                service->id);
        return true;
    }
    if (!has_settled(service))
        return false;
    if (service->impossible != NULL && service->blocked != NULL)
        err_set(err, ERR_INVALID, "%s", service->impossible);
    else if (service_shown_state(service) == SERVICE_FAILED ||
             (is_state(service, MS_EXITED) && !service->machine.ended_well))
        err_set(err, ERR_UNAVAILABLE, "%s: %s", service->id,
                service_shown_details(service));
    return true;
}

static void answer_verbs(struct services *services)
{
    LIST_FOREACH_SAFE (node, &services->verbs) {
        struct verb *verb = container_of(node, struct verb, in_services);
        struct err err = {0};
        bool there = verb->kind == VERB_STOP ? judge_stopped(verb, &err)
                                             : judge_started(verb, &err);

        if (!there)
            continue;
        list_remove(&verb->in_services);
        verb->done(verb->context, verb->service, err.text[0] != '\0' ? &err : NULL);
        free(verb);
    }
}

/* ---- boot and shutdown -------------------------------------------------------- */

void services_begin_boot(struct services *services, void (*done)(void *context),
                         void *context)
{
    services->boot_done = done;
    services->boot_context = context;
    for (size_t i = 0; i < services->n; i++)
        if (services->items[i]->auto_start && !services->items[i]->removed)
            service_mark_start(services->items[i]);
    services_ask_to_settle(services);
}

void services_begin_stop(struct services *services, void (*done)(void *context),
                         void *context)
{
    services->closing = true;
    services->stop_done = done;
    services->stop_context = context;
    for (size_t i = 0; i < services->n; i++)
        want_stopped(services->items[i]);
    services_ask_to_settle(services);
}

void services_kill_all(struct services *services)
{
    for (size_t i = 0; i < services->n; i++) {
        want_stopped(services->items[i]);
        machine_step(&services->items[i]->machine, ME_KILL, NULL);
    }
    services_ask_to_settle(services);
}

static void tell_boot(struct services *services)
{
    void (*done)(void *) = services->boot_done;

    if (done == NULL)
        return;
    for (size_t i = 0; i < services->n; i++)
        if (services->items[i]->wanted && !has_settled(services->items[i]))
            return;
    services->boot_done = NULL;
    done(services->boot_context);
}

static void tell_stop(struct services *services)
{
    void (*done)(void *) = services->stop_done;

    if (done == NULL)
        return;
    for (size_t i = 0; i < services->n; i++)
        if (is_active(services->items[i]) || is_state(services->items[i], MS_BACKOFF))
            return;
    services->stop_done = NULL;
    done(services->stop_context);
}

/* ---- settling ----------------------------------------------------------------- */

static void settle_one(struct service *service)
{
    if (service->again)
        try_again(service);
    if (service->wanted && service->start_due)
        try_start(service);
    else if (!service->wanted)
        try_stop(service);
}

void services_settle(struct services *services)
{
    if (services->settling)
        return;
    services->settling = true;
    do {
        services->dirty = false;
        for (size_t i = 0; i < services->n; i++)
            settle_one(services->items[i]);
        if (!services->dirty)
            answer_verbs(services); /* may begin other verbs */
    } while (services->dirty);
    services_sweep_removed(services);
    services->settling = false;
    tell_boot(services);
    tell_stop(services);
}
