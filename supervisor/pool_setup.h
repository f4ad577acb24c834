/*
 * pool_setup -- from entries to pools: what the registry says a function or host needs.
 *
 * At boot every function and host gets its pool; afterwards an observer of the registry
 * keeps pools (and compiled code) in step with every change: new entries get one,
 * removed ones lose theirs after the last accepted call, changed ones and those that
 * import a changed one get a new pool that takes over once it works.
 */
#ifndef TROUPE_SUPERVISOR_POOL_SETUP_H
#define TROUPE_SUPERVISOR_POOL_SETUP_H

#include <stdbool.h>

#include "common/buf.h"
#include "supervisor/pool.h"

struct config;
struct entry;
struct supervisor;

/* Call once, when the registry holds its first version. */
void pools_load(struct supervisor *sup);

/* What pool this entry asks for; false when it is of no kind that has one. settings
 * must be initialised; spec_out borrows from it and from entry. app: NULL = all
 * settings of the application have their defaults. */
bool pool_spec_of_entry(const struct config *app, const struct entry *entry,
                        struct pool_spec *spec_out, struct buf *settings);

/* CPUs that this process may use. */
unsigned count_cpus(void);

#endif
