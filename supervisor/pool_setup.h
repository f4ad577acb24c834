/*
 * pool_setup -- from entries to pools: what the registry says a function or host needs.
 *
 * At boot every function and host gets its pool. A later change brings those of its
 * functions along, staged and started before it is committed (rollout.h); afterwards
 * pools_follow() does the rest: hosts, and what was removed.
 */
#ifndef TROUPE_SUPERVISOR_POOL_SETUP_H
#define TROUPE_SUPERVISOR_POOL_SETUP_H

#include <stdbool.h>

#include "common/buf.h"

#include "supervisor/pool.h"

struct changeset;
struct config;
struct entry;
struct snapshot;
struct supervisor;

/* Call once, when the registry holds its first version. */
void pools_load(struct supervisor *sup);

/* Makes the pool that entry asks for and starts it, in the place of the one there is;
 * NULL when it needs none. */
struct pool *pool_add_entry(struct supervisor *sup, const struct entry *entry);

/* The pool of a function as entry will have it when view is the registry's state: made,
 * not started, not shown. NULL when entry is no function. */
struct pool *pool_stage_entry(struct supervisor *sup, const struct entry *entry,
                              struct snapshot *view);

/* After a commit and before the staged pools are shown. before: the state until
 * then. */
void pools_follow(struct supervisor *sup, const struct changeset *changeset,
                  struct snapshot *before);

/* What pool this entry asks for; false when it is of no kind that has one. settings
 * must be initialised; spec_out borrows from it and from entry. app: NULL = all
 * settings of the application have their defaults. */
bool pool_spec_of_entry(const struct config *app, const struct entry *entry,
                        struct pool_spec *spec_out, struct buf *settings);

/* CPUs that this process may use. */
unsigned count_cpus(void);

#endif
