/*
 * mod_json -- the Lua module `json`: encode and decode (modules.md).
 */
#ifndef TROUPE_WORKER_MODULES_MOD_JSON_H
#define TROUPE_WORKER_MODULES_MOD_JSON_H

#include <lua.h>

int json_open(lua_State *L); /* pushes the module table */

/* Lets payloads of this state read and write JSON, whether or not the module is
 * open. */
void json_add_transcoder(lua_State *L);

#endif
