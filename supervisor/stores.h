/*
 * stores -- key-value stores in the supervisor's memory: entries of kind store.memory.
 *
 * A value is what an actor sent, encoded; it ends with its time to live, with a
 * deletion, or with its store's entry. A store is bounded by `max_size` keys (default
 * 10000) and by STORE_MAX_BYTES; a new key that has no place is refused (Unavailable)
 * after expired ones were purged. `cleanup_interval` says how often that happens
 * without need.
 *
 * System targets, for workers: @store.get [id, key] → value or nil, @store.set
 * [id, key, value, ttl_ms] (0 = no end) → true, @store.delete [id, key] → was it there.
 * NotFound: no such entry; Invalid: it is no store that is kept here.
 */
#ifndef TROUPE_SUPERVISOR_STORES_H
#define TROUPE_SUPERVISOR_STORES_H

#include <stddef.h>

#define STORE_MAX_BYTES ((size_t)256 << 20) /* keys and values of one store */

struct stores;
struct supervisor;

/* Follows sup's registry; adds its targets. */
struct stores *stores_create(struct supervisor *sup);
void stores_destroy(struct stores *stores); /* NULL is fine; before the registry */

/* Of all stores together: keys, and how many there may be. */
size_t stores_count_keys(const struct stores *stores);
size_t stores_count_keys_max(const struct stores *stores);

#endif
