/*
 * registry_query -- registry.find: which entries does a filter mean? (REG-32)
 *
 * A filter is a map of criteria that must all be met:
 *   .kind .ns .name .id     equality, or a glob with one '*'
 *   meta.X                  equality with meta's flat key X (which may hold dots)
 *   ~meta.X                 a regular expression finds something in the text
 *   *meta.X ^meta.X $meta.X contains, starts with, ends with
 * Bare kind, ns, name and id mean the root fields and any other bare key X means
 * meta.X, with a warning that says how to write it. A criterion that makes no sense is
 * dropped.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_QUERY_H
#define TROUPE_SUPERVISOR_REGISTRY_QUERY_H

#include <stdbool.h>

struct entry;
struct query;
struct snapshot;
struct value;

/* filter is borrowed while the query lives. Warnings are logged. */
struct query *query_create(const struct value *filter);
void query_destroy(struct query *query); /* NULL is fine */

/* Calls found for every entry that matches, sorted by id. */
void query_run(const struct query *query, const struct snapshot *state,
               void (*found)(void *context, const struct entry *entry), void *context);

#endif
