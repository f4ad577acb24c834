/*
 * mod_system -- the module `system` (processes.md SY-*): the program looks at itself.
 *
 * Where the runtime that the names come from has one process with a collector of its
 * own, here are many processes with Lua states: figures are sums over all of them, and
 * what has no equivalent is 0. Functions whose answer lies elsewhere block.
 */
#ifndef TROUPE_WORKER_MODULES_MOD_SYSTEM_H
#define TROUPE_WORKER_MODULES_MOD_SYSTEM_H

#include <lua.h>

int mod_system_open(lua_State *L);

/* ---- between its files ----------------------------------------------------------- */

/* nil and err pushed (2) when the frame may not do that, else 0. */
int system_refuse(lua_State *L, const char *action, const char *resource);

/* Each pushes a table. */
void system_push_memory(lua_State *L); /* system_memory.c */
void system_push_gc(lua_State *L);
void system_push_hosts(lua_State *L); /* system_parts.c */
void system_push_supervisor(lua_State *L);
void system_push_node(lua_State *L);
void system_push_cluster(lua_State *L);
void system_push_raft(lua_State *L);
void system_push_lock(lua_State *L);

#endif
