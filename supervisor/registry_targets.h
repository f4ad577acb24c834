/*
 * registry_targets -- the registry for apps and operators.
 *
 * Changes go through rollout.h and are answered when nobody starts old code any more.
 *
 * System targets: @registry.list [namespace], @registry.get [id], @registry.find
 * [filter, version], @registry.snapshot [version], @registry.version,
 * @registry.versions, @registry.apply [list of {kind, entry}], @registry.apply_version
 * [n]; of operators only: @registry.apply_text [text, name, {dry_run}] (see
 * registry_script.h), @registry.rollback [n, {dry_run}], @registry.changes [n]. Where a
 * version is left out, the present one is meant.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_TARGETS_H
#define TROUPE_SUPERVISOR_REGISTRY_TARGETS_H

struct supervisor;

void registry_targets_add(struct supervisor *sup);

#endif
