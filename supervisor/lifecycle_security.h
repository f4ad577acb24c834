/*
 * lifecycle_security -- in whose name a supervised entry runs (security.md S-61).
 *
 * lifecycle.security = {actor: {id, meta}, policies: [id], groups: [id]}: what is
 * started by the entry gets that actor, and as scope the policies listed and those of
 * the groups. A bare name is of the entry's namespace. Names of what doesn't exist are
 * skipped; when nothing is left there is no scope.
 */
#ifndef TROUPE_SUPERVISOR_LIFECYCLE_SECURITY_H
#define TROUPE_SUPERVISOR_LIFECYCLE_SECURITY_H

#include <stdbool.h>

#include "common/buf.h"

struct entry;
struct problems;
struct snapshot;

/* Appends the context of frames (proto/context_map.h); nothing when the block names
 * nobody and nothing. What doesn't exist is logged. false: no memory. */
bool lifecycle_security_encode(const struct entry *entry, const struct snapshot *state,
                               struct buf *out);

/* Adds what is wrong with the block, warnings for what doesn't exist. */
void lifecycle_security_check(const struct entry *entry, const struct snapshot *state,
                              struct problems *problems);

/* The id of a policy group that a name in an entry means (S-30); the caller frees. */
char *security_group_id(const struct entry *entry, const char *name);

#endif
