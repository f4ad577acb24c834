/*
 * service_order -- which services must run before which (SV-8).
 *
 * Nodes are registry entries, some of which are services. An edge says "from needs to".
 * An edge to an entry that is no service is followed through that entry's own edges
 * until services are reached. Pure: no registry, no clock.
 */
#ifndef TROUPE_SUPERVISOR_SERVICE_ORDER_H
#define TROUPE_SUPERVISOR_SERVICE_ORDER_H

#include <stdbool.h>
#include <stddef.h>

struct order *order_create(void);
void order_destroy(struct order *order);

/* Adds a node or finds it; id is copied. A later call may turn it into a service. */
size_t order_add_node(struct order *order, const char *id, bool is_service);

/* required: `requires` or `depends_on`, whose target must lead to a service. */
void order_add_edge(struct order *order, size_t from, const char *to_id, bool required);

/* Works everything below out. Call once, after the last edge. */
void order_resolve(struct order *order);

/* The services that `node` needs, without doubles, sorted by id. Borrowed. */
const size_t *order_needs(const struct order *order, size_t node, size_t *n_out);

/* "A requires B, A requires C" for targets that lead to no service, NULL if none. */
const char *order_missing(const struct order *order, size_t node);

/* "A -> B -> A" when node lies on a cycle, else NULL. */
const char *order_cycle(const struct order *order, size_t node);

bool order_is_service(const struct order *order, size_t node);
const char *order_id(const struct order *order, size_t node);
size_t order_count(const struct order *order);

#endif
