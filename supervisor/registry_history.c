#include "supervisor/registry_history.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"

#include "supervisor/registry.h"

/* Of one change, besides the entry that it makes. What was before is what another
 * version made, or v0. */
#define CHANGE_BYTES sizeof(struct change)

void history_init(struct history *history, size_t max_versions, size_t max_bytes)
{
    *history = (struct history){.max_versions = max_versions, .max_bytes = max_bytes};
}

/* v0 holds what is there anyway. */
static void count_bytes(struct history *history, struct version *version)
{
    size_t n_bytes = 0;

    if (version == history->versions)
        return;
    for (size_t i = 0; i < version->n; i++) {
        const struct entry *made = version->changes[i].after;

        n_bytes += CHANGE_BYTES + (made != NULL ? entry_count_bytes(made) : 0);
    }
    history->n_bytes += n_bytes - version->n_bytes;
    version->n_bytes = n_bytes;
}

static void free_version(struct version *version)
{
    for (size_t i = 0; i < version->n; i++) {
        entry_unref(version->changes[i].before);
        entry_unref(version->changes[i].after);
    }
    free(version->changes);
}

void history_finish(struct history *history)
{
    for (size_t i = 0; i < history->n; i++)
        free_version(&history->versions[i]);
    free(history->versions);
    *history = (struct history){0};
}

static struct change copy_change(const struct change *change)
{
    struct change copy = *change;

    if (copy.before != NULL)
        entry_ref(copy.before);
    if (copy.after != NULL)
        entry_ref(copy.after);
    return copy;
}

static struct version *find(const struct history *history, uint64_t id)
{
    size_t low = 0, high = history->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (history->versions[middle].id == id)
            return &history->versions[middle];
        if (history->versions[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct version *history_find(const struct history *history, uint64_t id)
{
    return find(history, id);
}

const struct version *history_next(const struct history *history,
                                   const struct version *after)
{
    const struct version *next = after == NULL ? history->versions : after + 1;

    return history->n == 0 || next == history->versions + history->n ? NULL : next;
}

/* Puts the changes of a version that goes away before those of its child. */
static void merge_into(const struct version *gone, struct version *child)
{
    struct map rows;
    struct change *changes =
        xcalloc(gone->n + child->n + 1, sizeof(*changes)); /* gone's, then child's */
    size_t n = 0;

    map_init(&rows);
    for (size_t i = 0; i < gone->n; i++) {
        changes[n] = copy_change(&gone->changes[i]);
        map_put(&rows, changes[n].of_id, strlen(changes[n].of_id), &changes[n]);
        n++;
    }
    for (size_t i = 0; i < child->n; i++) {
        struct change *change = &child->changes[i], *first;

        first = map_find(&rows, change->of_id, strlen(change->of_id));
        if (first == NULL) {
            changes[n++] = *change;
            continue;
        }
        map_remove(&rows, first->of_id, strlen(first->of_id));
        entry_unref(first->after);
        entry_unref(change->before);
        first->after = change->after;
        first->op = first->before == NULL  ? CHANGE_CREATE
                    : first->after == NULL ? CHANGE_DELETE
                                           : CHANGE_UPDATE;
        /* Created and deleted again: nothing is left to tell. */
        first->of_id = first->after != NULL    ? first->after->id
                       : first->before != NULL ? first->before->id
                                               : NULL;
        if (first->of_id != NULL)
            map_put(&rows, first->of_id, strlen(first->of_id), first);
    }
    free(child->changes);
    child->changes = changes;
    child->n = 0;
    for (size_t i = 0; i < n; i++)
        if (changes[i].of_id != NULL)
            changes[child->n++] = changes[i];
    child->parent = gone->parent;
    map_finish(&rows);
}

/* Drops the oldest version that is neither v0 nor the present one. */
static void drop_oldest(struct history *history)
{
    size_t at = history->versions[1].id == history->current ? 2 : 1;
    struct version *gone = &history->versions[at];

    for (size_t i = at + 1; i < history->n; i++) {
        struct version *child = &history->versions[i];

        if (child->parent != gone->id)
            continue;
        merge_into(gone, child);
        count_bytes(history, child);
    }
    history->n_bytes -= gone->n_bytes;
    free_version(gone);
    history->n--;
    memmove(gone, gone + 1, (history->n - at) * sizeof(*gone));
}

static struct version *append(struct history *history, const struct change *changes,
                              size_t n)
{
    struct version *version;

    if (history->n == history->size) {
        history->size = history->size == 0 ? 16 : history->size * 2;
        history->versions =
            xrealloc(history->versions, history->size * sizeof(*version));
    }
    version = &history->versions[history->n++];
    *version = (struct version){.changes = xcalloc(n + 1, sizeof(*changes)), .n = n};
    for (size_t i = 0; i < n; i++)
        version->changes[i] = copy_change(&changes[i]);
    count_bytes(history, version);
    return version;
}

/* No history is kept: nobody can go back. */
static void keep_last(struct history *history)
{
    struct version last = history->versions[history->n - 1];

    for (size_t i = 0; i + 1 < history->n; i++)
        free_version(&history->versions[i]);
    history->versions[0] = last;
    history->versions[0].n_bytes = 0;
    history->n_bytes = 0;
    history->n = 1;
}

static void keep_bounds(struct history *history)
{
    if (history->max_versions == 1)
        keep_last(history);
    while (history->n > 3 && (history->n > history->max_versions ||
                              history->n_bytes > history->max_bytes))
        drop_oldest(history);
}

void history_add(struct history *history, const struct change *changes, size_t n,
                 int64_t at_ns)
{
    struct version *version = append(history, changes, n);

    version->id = history->next++;
    version->parent = history->current;
    version->at_ns = at_ns;
    history->current = version->id;
    keep_bounds(history);
}

void history_restore(struct history *history, uint64_t id, uint64_t parent,
                     const struct change *changes, size_t n, int64_t at_ns)
{
    struct version *version = append(history, changes, n);

    version->id = id;
    version->parent = parent;
    version->at_ns = at_ns;
    history->next = id + 1;
}

/* Ids grow from parent to child, so the larger of two is never an ancestor. */
static const struct version *common_ancestor(const struct history *history,
                                             const struct version *a,
                                             const struct version *b)
{
    while (a != b) {
        if (a->id > b->id)
            a = find(history, a->parent);
        else
            b = find(history, b->parent);
    }
    return a;
}

int history_path(const struct history *history, uint64_t version,
                 void (*step)(void *context, const char *id, struct entry *entry),
                 void *context, struct err *err)
{
    const struct version *from = find(history, history->current);
    const struct version *to = find(history, version), *fork;
    const struct version **way;
    size_t n = 0;

    if (to == NULL || from == NULL)
        return err_set(err, ERR_NOT_FOUND, "version not found in history");
    fork = common_ancestor(history, from, to);
    for (; from != fork; from = find(history, from->parent))
        for (size_t i = from->n; i-- > 0;)
            step(context, from->changes[i].of_id, from->changes[i].before);
    way = xcalloc(history->n + 1, sizeof(void *));
    for (; to != fork; to = find(history, to->parent))
        way[n++] = to;
    while (n-- > 0)
        for (size_t i = 0; i < way[n]->n; i++)
            step(context, way[n]->changes[i].of_id, way[n]->changes[i].after);
    free(way);
    return 0;
}
