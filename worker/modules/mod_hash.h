/*
 * mod_hash -- the Lua module `hash`: digests, HMACs and FNV-1 (modules.md).
 */
#ifndef TROUPE_WORKER_MODULES_MOD_HASH_H
#define TROUPE_WORKER_MODULES_MOD_HASH_H

#include <lua.h>

int hash_open(lua_State *L); /* pushes the module table */

#endif
