/*
 * registry_check -- is an entry right, alone and among the others? (KIND-02, F-2)
 *
 * Adds to problems and stops at nothing, so that one load tells everything.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_CHECK_H
#define TROUPE_SUPERVISOR_REGISTRY_CHECK_H

#include <stddef.h>

struct changeset;
struct env_lookup;
struct problems;
struct snapshot;

/* Checks what changeset creates and updates against changeset->result, and what its
 * deletions leave behind; fills the bindings of Lua entries and changeset->affected.
 * lookup has the values of environment variables; NULL: there are none. */
void registry_check(struct changeset *changeset, const struct env_lookup *lookup,
                    struct problems *problems);

/* The id of state that id was probably meant to be; only kinds that start with
 * kind_prefix (NULL: all). NULL if none is near, or state is too large to look. */
const char *nearest_entry(const struct snapshot *state, const char *kind_prefix,
                          const char *id);

#endif
