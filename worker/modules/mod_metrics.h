/* mod_metrics -- the module `metrics` (processes.md MT-1): counts that operators
 * see. */
#ifndef TROUPE_WORKER_MODULES_MOD_METRICS_H
#define TROUPE_WORKER_MODULES_MOD_METRICS_H

#include <lua.h>

int mod_metrics_open(lua_State *L);

#endif
