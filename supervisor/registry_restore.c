#include "supervisor/registry_restore.h"

#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/mem.h"

#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/registry_history.h"

struct restoring {
    struct registry *registry;
    uint64_t id, parent;
    int64_t at_ns;
    struct map before; /* ids on the way from v0 to parent -> struct entry, or &gone */
    struct change *changes;
    size_t n, size;
};

static const struct entry gone; /* nothing is there; only its address counts */

static void note_before(void *context, const char *id, struct entry *entry)
{
    struct map *before = context;

    map_put(before, id, strlen(id), entry != NULL ? entry : (struct entry *)&gone);
}

struct restoring *restoring_begin(struct registry *registry, uint64_t id,
                                  uint64_t parent, int64_t at_ns)
{
    struct history *history = registry_history(registry);
    struct restoring *restoring;

    if (id < history->next || history_find(history, parent) == NULL)
        return NULL;
    restoring = xcalloc(1, sizeof(*restoring));
    restoring->registry = registry;
    restoring->id = id;
    restoring->parent = parent;
    restoring->at_ns = at_ns;
    map_init(&restoring->before);
    history_path(history, parent, note_before, &restoring->before, NULL);
    return restoring;
}

static void append(struct restoring *restoring, struct entry *before,
                   struct entry *after)
{
    if (restoring->n == restoring->size) {
        restoring->size = restoring->size == 0 ? 16 : restoring->size * 2;
        restoring->changes =
            xrealloc(restoring->changes, restoring->size * sizeof(*restoring->changes));
    }
    restoring->changes[restoring->n++] =
        (struct change){.op = before == NULL  ? CHANGE_CREATE
                              : after == NULL ? CHANGE_DELETE
                                              : CHANGE_UPDATE,
                        .of_id = after != NULL ? after->id : before->id,
                        .before = before != NULL ? entry_ref(before) : NULL,
                        .after = after != NULL ? entry_ref(after) : NULL};
}

void restoring_add(struct restoring *restoring, const char *id, struct entry *after,
                   bool of_files)
{
    size_t n = strlen(id);
    struct entry *of_v0 = (struct entry *)registry_find(restoring->registry, id, n);
    struct entry *before = map_find(&restoring->before, id, n);

    before = before == &gone ? NULL : before != NULL ? before : of_v0;
    if (of_files)
        after = of_v0;
    if (before != after)
        append(restoring, before, after);
}

void restoring_finish(struct restoring *restoring)
{
    history_restore(registry_history(restoring->registry), restoring->id,
                    restoring->parent, restoring->changes, restoring->n,
                    restoring->at_ns);
    restoring_drop(restoring);
}

void restoring_drop(struct restoring *restoring)
{
    if (restoring == NULL)
        return;
    for (size_t i = 0; i < restoring->n; i++) {
        entry_unref(restoring->changes[i].before);
        entry_unref(restoring->changes[i].after);
    }
    free(restoring->changes);
    map_finish(&restoring->before);
    free(restoring);
}

void registry_restore_next(struct registry *registry, uint64_t next)
{
    struct history *history = registry_history(registry);

    if (history->next < next)
        history->next = next;
}
