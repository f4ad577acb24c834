/* mod_time -- the module `time`: values of time_values.h, and what needs a
 * scheduler. */
#ifndef TROUPE_WORKER_MODULES_MOD_TIME_H
#define TROUPE_WORKER_MODULES_MOD_TIME_H

#include <lua.h>

/* Pushes the whole module. */
int mod_time_open(lua_State *L);

#endif
