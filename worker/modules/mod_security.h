/*
 * mod_security -- the module `security`: who acts, and what may be done (security.md 3,
 * 4).
 *
 * Its objects are userdata and cross no border (S-2); what crosses is bytes, the
 * `actor` and `scope` of proto/context_map.h. An Actor keeps its bytes as they are, a
 * Scope is a list of policy ids, a Policy is one id: so each evaluation sees the
 * policies of now.
 */
#ifndef TROUPE_WORKER_MODULES_MOD_SECURITY_H
#define TROUPE_WORKER_MODULES_MOD_SECURITY_H

#include <stdbool.h>

#include <lua.h>

#include "common/buf.h"
#include "common/value.h"

int mod_security_open(lua_State *L);

/* Push what a frame carries of the Actor or Scope at idx, as a string; raise for
 * anything else (`actor cannot be nil`, `Actor expected`). */
void security_push_actor_bytes(lua_State *L, int idx);
void security_push_scope_bytes(lua_State *L, int idx);

/* ---- Between mod_security.c, security_actor.c, security_scope.c, security_policy.c
 * and token_store.c ---- */

void security_actor_open(lua_State *L); /* each makes its metatable */
void security_scope_open(lua_State *L);
void security_policy_open(lua_State *L);
void token_store_open(lua_State *L);

/* Pushes an Actor of the bytes that a frame carries; false: they are none. */
bool security_push_actor(lua_State *L, struct bytes actor);

/* Replaces id and meta (a table or nil) on top by an Actor. */
void security_make_actor(lua_State *L);

/* Pushes the id of the Actor at idx; raises when it is none. Borrowed from it. */
const char *security_push_actor_id(lua_State *L, int idx);

/* Pushes a fresh table of the meta of the Actor at idx; raises when it is none. */
void security_push_actor_meta(lua_State *L, int idx);

/* The actor at idx as {id, meta}; the caller owns it. Raises when it is none. */
struct value security_read_actor(lua_State *L, int idx);

/* Replaces the list of ids on top by a Scope of the policies among them that exist. */
void security_make_scope(lua_State *L);

/* Pushes the list of ids of the Scope at idx; raises when it is none. */
void security_push_scope_ids(lua_State *L, int idx);

/* Pushes a Policy of the id on top instead of it. */
void security_make_policy(lua_State *L);

/* Pushes the id of the Policy at idx; false: it is none. */
bool security_push_policy_id(lua_State *L, int idx);

/* Pushes the id that the reference at idx means: a text, a Policy or {ns, name};
 * anything else raises. */
void security_push_reference(lua_State *L, int idx);

/* The methods policy:evaluate and scope:evaluate of the policies whose ids are in the
 * list at ids: actor, action, resource and meta are arguments 2 to 5. Pushes "allow",
 * "deny" or "undefined". */
int security_evaluate(lua_State *L, int ids);

/* security.token_store(id) */
int token_store_acquire(lua_State *L);

#endif
