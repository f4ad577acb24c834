/*
 * mod_json -- the Lua module `json`: encode and decode (modules.md).
 */
#ifndef TROUPE_WORKER_MODULES_MOD_JSON_H
#define TROUPE_WORKER_MODULES_MOD_JSON_H

#include <lua.h>

int json_open(lua_State *L); /* pushes the module table */

#endif
