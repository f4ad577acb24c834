/*
 * mod_registry -- the module `registry`: what exists, and changing it (REG-30 to 34).
 *
 * The registry is the supervisor's; every function asks it and waits. A snapshot
 * fetches all entries once and keeps them encoded, so that each entry given out is a
 * fresh table; a Changes object keeps its operations the same way.
 */
#ifndef TROUPE_WORKER_MODULES_MOD_REGISTRY_H
#define TROUPE_WORKER_MODULES_MOD_REGISTRY_H

#include <stdint.h>

#include <lua.h>

int mod_registry_open(lua_State *L);

/* ---- Between mod_registry.c, registry_version.c, registry_snapshot.c and
 * registry_changes.c ---- */

void registry_version_open(lua_State *L); /* each makes its metatables */
void registry_snapshot_open(lua_State *L);
void registry_changes_open(lua_State *L);

struct registry_version {
    uint64_t id, parent;
};
void registry_push_version(lua_State *L, struct registry_version version);

/* The Version at idx, NULL if it is none. */
const struct registry_version *registry_test_version(lua_State *L, int idx);

/* In k: pushes the Version that the record {id, parent} of the reply is, and nil; or
 * nil and Error. Always 2. */
int registry_version_result(lua_State *L, int status, lua_KContext ctx);

int registry_versions(lua_State *L); /* the Lua functions versions and history */
int registry_history(lua_State *L);

/* Blocks; the caller's result is a Snapshot, nil. version < 0: the present one. */
int registry_fetch_snapshot(lua_State *L, int64_t version);

/* Blocks; what the filter table at idx finds, at a version if that isn't negative. */
int registry_find(lua_State *L, int idx, int64_t version, lua_KFunction k);

/* Takes the entries that the frame may not see out of the list at idx (S-81). */
void registry_filter(lua_State *L, int idx);

void registry_push_changes(lua_State *L);

/* registry.build_delta(from, to) */
int registry_build_delta(lua_State *L);

#endif
