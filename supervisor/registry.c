#include "supervisor/registry.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include "supervisor/interpolate.h"
#include "supervisor/registry_history.h"

#define MAX_OBSERVERS 32

struct registry {
    struct snapshot *state;
    struct history history;
    struct registry_observer observers[MAX_OBSERVERS];
    size_t n_observers;
    struct env_lookup env; /* all NULL: no variables */
};

/* ---- snapshots ------------------------------------------------------------------- */

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    snapshot->n_refs++;
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || --snapshot->n_refs != 0)
        return;
    for (size_t i = 0; i < snapshot->n; i++)
        entry_unref(snapshot->entries[i]);
    free(snapshot->entries);
    free(snapshot);
}

/* id comes from peers too: with a NUL byte in it, it is longer than what it equals. */
static int compare_id(const struct entry *entry, const void *id, size_t n)
{
    int order = strncmp(entry->id, id, n);

    if (order != 0)
        return order;
    return strnlen(entry->id, n) < n ? -1 : entry->id[n] != '\0';
}

const struct entry *snapshot_find(const struct snapshot *snapshot, const void *id,
                                  size_t n_bytes)
{
    size_t low = 0, high = snapshot->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_id(snapshot->entries[middle], id, n_bytes);

        if (order == 0)
            return snapshot->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- the registry ---------------------------------------------------------------- */

struct registry *registry_create(void)
{
    struct registry *registry = xcalloc(1, sizeof(*registry));

    registry->state = xcalloc(1, sizeof(*registry->state));
    registry->state->n_refs = 1;
    history_init(&registry->history, REGISTRY_MAX_VERSIONS, REGISTRY_MAX_VERSION_BYTES);
    return registry;
}

void registry_destroy(struct registry *registry)
{
    if (registry == NULL)
        return;
    snapshot_unref(registry->state);
    history_finish(&registry->history);
    free(registry);
}

const struct entry *registry_find(const struct registry *registry, const void *id,
                                  size_t n_bytes)
{
    return snapshot_find(registry->state, id, n_bytes);
}

struct snapshot *registry_snapshot(struct registry *registry)
{
    return snapshot_ref(registry->state);
}

const struct snapshot *registry_state(const struct registry *registry)
{
    return registry->state;
}

uint64_t registry_version(const struct registry *registry)
{
    return registry->history.current;
}

struct history *registry_history(struct registry *registry)
{
    return &registry->history;
}

uint64_t registry_next_id(const struct registry *registry)
{
    return registry->history.next;
}

void registry_keep_no_history(struct registry *registry)
{
    registry->history.max_versions = 1;
}

const struct version *registry_find_version(const struct registry *registry,
                                            uint64_t id)
{
    return history_find(&registry->history, id);
}

uint64_t registry_oldest_version(const struct registry *registry)
{
    const struct history *history = &registry->history;

    for (size_t i = 1; i < history->n; i++)
        if (history->versions[i].id != history->current)
            return history->versions[i].id;
    return history->next;
}

size_t registry_count_versions(const struct registry *registry)
{
    return registry->history.n;
}

size_t registry_version_bytes(const struct registry *registry)
{
    return registry->history.n_bytes;
}

const struct version *registry_next_version(const struct registry *registry,
                                            const struct version *after)
{
    return history_next(&registry->history, after);
}

const struct env_lookup *registry_env(const struct registry *registry)
{
    return &registry->env;
}

void registry_set_env(struct registry *registry, const struct env_lookup *lookup)
{
    registry->env = *lookup;
}

void registry_add_observer(struct registry *registry,
                           const struct registry_observer *observer)
{
    if (registry->n_observers == MAX_OBSERVERS)
        abort(); /* a constant of ours is too small */
    registry->observers[registry->n_observers++] = *observer;
}

static void tell_observers(struct registry *registry, const struct changeset *set)
{
    for (size_t i = 0; i < registry->n_observers; i++)
        registry->observers[i].changed(registry->observers[i].context, set);
}

bool changeset_concerns(const struct changeset *changeset,
                        bool (*is_one)(const struct entry *entry))
{
    for (size_t i = 0; i < changeset->n; i++) {
        const struct change *change = &changeset->changes[i];

        if ((change->before != NULL && is_one(change->before)) ||
            (change->after != NULL && is_one(change->after)))
            return true;
    }
    return false;
}

/* Nothing is told when nothing changed, but a switch of versions still counts. */
static void adopt(struct registry *registry, struct changeset *set)
{
    if (set->switches)
        registry->history.current = set->target;
    else
        history_add(&registry->history, set->changes, set->n, clock_wall_ns());
    snapshot_unref(registry->state);
    registry->state = snapshot_ref(set->result);
    registry->state->version = registry->history.current;
    if (set->n != 0)
        tell_observers(registry, set);
}

int registry_commit(struct registry *registry, struct changeset *set,
                    uint64_t *version_out, struct err *err)
{
    int rc = 0;

    if (set->base != registry->history.current) {
        rc = err_set(err, ERR_CONFLICT, "registry changed during apply");
        if (err != NULL)
            err->retryable = RETRY_YES;
    } else {
        adopt(registry, set);
        if (version_out != NULL)
            *version_out = registry->history.current;
    }
    changeset_destroy(set);
    return rc;
}

const char *change_op_name(enum change_op op)
{
    static const char *const names[] = {[CHANGE_CREATE] = "entry.create",
                                        [CHANGE_UPDATE] = "entry.update",
                                        [CHANGE_DELETE] = "entry.delete"};

    return names[op];
}
