/*
 * registry_store -- the registry's history in a file (registry.history_type: sqlite).
 *
 * What is kept is what was changed at run time: by apps and by `supctl registry apply`.
 * Files are version 0 of every start, whatever they said when a version was made; a
 * reload is remembered as "as the files say". So a restart gives the state that was
 * left, on top of files as they are by then.
 *
 * A version is in the file, synced, before it is committed (WAL, synchronous=FULL). A
 * file is one supervisor's: it stays locked. Versions that the registry has forgotten
 * are merged into their successors with the next write.
 *
 * open() and restore() block: they are for the boot. write() works on the offload
 * thread. Errors: UNAVAILABLE (locked, no space, no file), PERMISSION_DENIED
 * (read-only), INVALID (damaged, not ours, or it doesn't fit the files any more).
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_STORE_H
#define TROUPE_SUPERVISOR_REGISTRY_STORE_H

#include <stdint.h>

struct changeset;
struct err;
struct offload;
struct problems;
struct registry;
struct registry_store;

/* Opens the file, makes it (and its folder) where it is missing. */
struct registry_store *registry_store_open(const char *path, struct err *err);
void registry_store_close(struct registry_store *store); /* NULL is fine */

/* Brings back the versions, and the state at the one that was present. The registry
 * holds version 0 and nothing else. */
int registry_store_restore(struct registry_store *store, struct registry *registry,
                           struct err *err);

/* Writes what changeset will be as the next version of registry, or the switch that it
 * makes. done comes once, from the loop; err NULL: it is safe. */
void registry_store_write(struct registry_store *store, struct offload *offload,
                          const struct registry *registry,
                          const struct changeset *changeset,
                          void (*done)(void *context, const struct err *err),
                          void *context);

#endif
