/*
 * registry_order -- which entry needs which (REG-14), and orders that respect it.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_ORDER_H
#define TROUPE_SUPERVISOR_REGISTRY_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/map.h"

struct entry;
struct snapshot;

/* A state of the registry, and who is in which group there: worked out when somebody
 * first asks, for all who do. */
struct needs {
    const struct snapshot *state; /* borrowed */
    struct map groups;            /* name -> struct group; borrows names */
    bool has_groups;
};
void needs_init(struct needs *needs, const struct snapshot *state);
void needs_finish(struct needs *needs);

/* Calls found for each entry of the state that entry refers to; the same one may come
 * more than once. Bare names get entry's namespace; "ns:<namespace>" and
 * "group:<name>" inside depends_on lists stand for all entries of it. */
void entry_each_dependency(const struct entry *entry, struct needs *needs,
                           void (*found)(void *context, const struct entry *dependency),
                           void *context);

/* Sorts entries so that each comes after those of them that it needs; ties by id. What
 * lies on a cycle comes last, by id. Returns the number of those. */
size_t entries_sort_by_need(struct entry **entries, size_t n,
                            const struct snapshot *state);

#endif
