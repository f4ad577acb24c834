/*
 * mod_base64 -- the Lua module `base64`: standard alphabet, padded (modules.md).
 */
#ifndef TROUPE_WORKER_MODULES_MOD_BASE64_H
#define TROUPE_WORKER_MODULES_MOD_BASE64_H

#include <lua.h>

int base64_open(lua_State *L); /* pushes the module table */

#endif
