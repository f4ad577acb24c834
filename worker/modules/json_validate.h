/*
 * json_validate -- json.validate and json.validate_string (modules.md json.validate).
 *
 * Schemas are compiled by common/schema.h and kept, the last JSON_VALIDATE_KEPT of each
 * Lua state, by what they say: asking twice for the same schema compiles it once.
 */
#ifndef TROUPE_WORKER_MODULES_JSON_VALIDATE_H
#define TROUPE_WORKER_MODULES_JSON_VALIDATE_H

#include <lua.h>

#define JSON_VALIDATE_KEPT 100

/* Adds both functions to the module's table, which is on top. */
void json_validate_open(lua_State *L);

#endif
