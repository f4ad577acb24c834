/*
 * mod_uuid -- the Lua module `uuid` (modules.md).
 */
#ifndef TROUPE_WORKER_MODULES_MOD_UUID_H
#define TROUPE_WORKER_MODULES_MOD_UUID_H

#include <lua.h>

int uuid_open(lua_State *L); /* pushes the module table */

#endif
