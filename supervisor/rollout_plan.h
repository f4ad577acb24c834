/*
 * rollout_plan -- what a change will do, told before it is done.
 *
 * The same list is what `reload --dry-run` prints and what a change answers when it is
 * through: a row for each changed entry, for each that imports a changed one, and for
 * each service that runs something of either.
 */
#ifndef TROUPE_SUPERVISOR_ROLLOUT_PLAN_H
#define TROUPE_SUPERVISOR_ROLLOUT_PLAN_H

#include <stdbool.h>

struct changeset;
struct supervisor;
struct value;

/* {changes: [{id, op, kind, effect}], affected: [{id, kind, effect}], services: [{id,
 * effect}]}. Effects are phrases for people. Services are in it when restarts. */
struct value rollout_plan(const struct supervisor *sup,
                          const struct changeset *changeset, bool restarts);

#endif
