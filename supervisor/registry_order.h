/*
 * registry_order -- which entry needs which (REG-14), and orders that respect it.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_ORDER_H
#define TROUPE_SUPERVISOR_REGISTRY_ORDER_H

#include <stdbool.h>
#include <stddef.h>

struct entry;
struct snapshot;

/* Calls found for each entry of state that entry refers to; the same one may come more
 * than once. Bare names get entry's namespace; "ns:<namespace>" and "group:<name>"
 * inside depends_on lists stand for all entries of it. */
void entry_each_dependency(const struct entry *entry, const struct snapshot *state,
                           void (*found)(void *context, const struct entry *dependency),
                           void *context);

/* Sorts entries so that each comes after those of them that it needs; ties by id. What
 * lies on a cycle comes last, by id. Returns the number of those. */
size_t entries_sort_by_need(struct entry **entries, size_t n,
                            const struct snapshot *state);

#endif
