#include "supervisor/registry_part.h"

#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/mem.h"

#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/registry_order.h"

struct search {
    struct map *part;
    const struct entry **found; /* in the order in which they are looked at */
    size_t n;
};

static void note(void *context, const struct entry *entry)
{
    struct search *search = context;

    if (map_find(search->part, entry->id, strlen(entry->id)) != NULL)
        return;
    map_put(search->part, entry->id, strlen(entry->id), (void *)entry);
    search->found[search->n++] = entry;
}

static int compare_ids(const void *left, const void *right)
{
    const struct entry *const *a = left, *const *b = right;

    return strcmp((*a)->id, (*b)->id);
}

void registry_part_find(struct entry *const *entries, size_t n, const char *id,
                        struct map *part)
{
    struct snapshot all = {.entries = xcalloc(n + 1, sizeof(struct entry *)), .n = n};
    struct search search = {.part = part,
                            .found = xcalloc(n + 1, sizeof(struct entry *))};
    const struct entry *first;
    struct needs needs;

    if (n != 0)
        memcpy(all.entries, entries, n * sizeof(struct entry *));
    qsort(all.entries, n, sizeof(struct entry *), compare_ids);
    needs_init(&needs, &all);
    first = snapshot_find(&all, id, strlen(id));
    if (first != NULL)
        note(&search, first);
    for (size_t i = 0; i < search.n; i++)
        entry_each_dependency(search.found[i], &needs, note, &search);
    needs_finish(&needs);
    free(search.found);
    free(all.entries);
}
