#include "supervisor/service_outdated.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/service_set.h"

/* ---- which ----------------------------------------------------------------------- */

/* A service that has done its work isn't asked to do it again. */
static bool is_up_or_failed(const struct service *service)
{
    return !service->removed && (machine_is_active(&service->machine) ||
                                 service->machine.state == MS_BACKOFF ||
                                 service->machine.state == MS_FAILED ||
                                 service->start_due || service->again);
}

static struct value without_lifecycle(const struct entry *entry)
{
    struct value copy = value_copy(&entry->data);

    if (copy.type == VALUE_MAP)
        value_remove(&copy, "lifecycle");
    return copy;
}

/* A new lifecycle counts from the next start on by itself. */
static bool asks_for_more(const struct change *change)
{
    struct value before, after;
    bool differs;

    if (change->before == NULL || change->after == NULL)
        return false;
    before = without_lifecycle(change->before);
    after = without_lifecycle(change->after);
    differs = !value_equal(&before, &after);
    value_finish(&before);
    value_finish(&after);
    return differs;
}

struct touched {
    const struct changeset *changeset;
    struct map changes; /* id -> change */
    struct map code;    /* ids whose code isn't what it was -> entry */
};

static void read_changeset(struct touched *touched, const struct changeset *changeset)
{
    touched->changeset = changeset;
    map_init(&touched->changes);
    map_init(&touched->code);
    for (size_t i = 0; i < changeset->n; i++) {
        struct change *change = &changeset->changes[i];
        size_t n = strlen(change->of_id);

        map_put(&touched->changes, change->of_id, n, change);
        if (change->after != NULL)
            map_put(&touched->code, change->of_id, n, change->after);
    }
    for (size_t i = 0; i < changeset->n_affected; i++) {
        struct entry *entry = changeset->affected[i];

        map_put(&touched->code, entry->id, strlen(entry->id), entry);
    }
}

static bool runs_old_code(const struct touched *touched, const struct entry *entry)
{
    char *process = entry_get_reference(entry, "process");
    bool is_old =
        process != NULL && map_find(&touched->code, process, strlen(process)) != NULL;

    free(process);
    return is_old;
}

static bool is_outdated(const struct touched *touched, const struct service *service)
{
    size_t n = strlen(service->id);
    const struct entry *entry =
        snapshot_find(touched->changeset->result, service->id, n);
    const struct change *change = map_find(&touched->changes, service->id, n);

    if (entry == NULL || !is_up_or_failed(service))
        return false;
    if (entry->type != NULL && (entry->type->flags & KIND_HOST) != 0)
        return false; /* changed in place as far as it goes */
    if (change != NULL && asks_for_more(change))
        return true;
    return strcmp(entry->kind, "process.service") == 0 && runs_old_code(touched, entry);
}

struct value services_find_outdated(const struct supervisor *sup,
                                    const struct changeset *changeset)
{
    const struct services *services = sup->services;
    struct value ids = value_list();
    struct touched touched;

    read_changeset(&touched, changeset);
    for (size_t i = 0; i < services->n; i++)
        if (is_outdated(&touched, services->items[i]))
            value_append(&ids, value_string(services->items[i]->id));
    map_finish(&touched.changes);
    map_finish(&touched.code);
    return ids;
}

/* ---- restarting ------------------------------------------------------------------ */

struct service_restarts {
    size_t n_left;
    void (*told)(void *context, const char *id, bool skipped, const struct err *err);
    void (*done)(void *context);
    void *context;
};

static bool finish_one(struct service_restarts *restarts)
{
    if (--restarts->n_left != 0)
        return false;
    restarts->done(restarts->context);
    free(restarts);
    return true;
}

static void on_restarted(void *context, const struct service *service,
                         const struct err *err)
{
    struct service_restarts *restarts = context;

    restarts->told(restarts->context, service->id, false, err);
    finish_one(restarts);
}

static void restart(struct supervisor *sup, struct service_restarts *restarts,
                    const char *id, bool (*skip)(void *context, uint64_t pid))
{
    struct service *service = services_find(sup->services, id);
    struct err err = {0};

    if (service == NULL)
        return;
    if (skip != NULL && service->actor != 0 &&
        skip(restarts->context, service->actor)) {
        restarts->told(restarts->context, id, true, NULL);
        return;
    }
    restarts->n_left++;
    if (services_begin(sup->services, service, VERB_RESTART, on_restarted, restarts,
                       &err) != NULL)
        return;
    restarts->told(restarts->context, id, false, &err);
    restarts->n_left--; /* ours is still counted */
}

struct service_restarts *services_restart_outdated(
    struct supervisor *sup, const struct value *ids,
    bool (*skip)(void *context, uint64_t pid),
    void (*told)(void *context, const char *id, bool skipped, const struct err *err),
    void (*done)(void *context), void *context)
{
    struct service_restarts *restarts = xcalloc(1, sizeof(*restarts));

    *restarts = (struct service_restarts){
        .n_left = 1, .told = told, .done = done, .context = context};
    for (size_t i = 0; i < ids->as.list.n; i++)
        restart(sup, restarts, value_text(&ids->as.list.items[i]), skip);
    return finish_one(restarts) ? NULL : restarts;
}

void service_restarts_drop(struct service_restarts *restarts)
{
    free(restarts);
}
