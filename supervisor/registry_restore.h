/*
 * registry_restore -- versions of an earlier run, put back on top of version 0.
 *
 * Whoever keeps them tells one version after the other, in ascending order, and what
 * each left at the ids that it touched; what was there before follows from its parent.
 * The present version stays v0: when all are there, registry_prepare_version()
 * switches.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_RESTORE_H
#define TROUPE_SUPERVISOR_REGISTRY_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

struct entry;
struct registry;
struct restoring;

/* Begins a version. NULL: there is no such parent, or id isn't larger than all. */
struct restoring *restoring_begin(struct registry *registry, uint64_t id,
                                  uint64_t parent, int64_t at_ns);

/* What it left at id: after (counted anew), NULL nothing; of_files: what v0 has. */
void restoring_add(struct restoring *restoring, const char *id, struct entry *after,
                   bool of_files);

/* The version is complete; restoring is freed. */
void restoring_finish(struct restoring *restoring);
void restoring_drop(struct restoring *restoring); /* it is not; NULL is fine */

/* No new version gets an id below that. */
void registry_restore_next(struct registry *registry, uint64_t next);

#endif
