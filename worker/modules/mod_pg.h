/* mod_pg -- the module `pg`: process groups (processes.md PG-1 to PG-3). */
#ifndef TROUPE_WORKER_MODULES_MOD_PG_H
#define TROUPE_WORKER_MODULES_MOD_PG_H

#include <stdbool.h>

#include <lua.h>

/* Pushes the module table. */
int mod_pg_open(lua_State *L);

/* ---- Between mod_pg.c and pg_watch.c ---- */

/* The instance at 1 is open and the frame may do method to resource. false: nil and an
 * Error are pushed. */
bool pg_allows(lua_State *L, const char *method, const char *resource);

/* Pushes the id of the scope of the instance at 1. */
void pg_push_scope(lua_State *L);

/* The group's name at 2; NULL: nil and an Error are pushed. Raises if it is no text. */
const char *pg_check_group(lua_State *L);

/* Replaces the table {hosts, members} on top by a list of pids; see the supervisor's
 * groups.h. */
void pg_expand_members(lua_State *L);

void pg_watch_open(lua_State *L); /* makes the class of subscriptions */
int pg_monitor(lua_State *L);
int pg_events(lua_State *L);

#endif
