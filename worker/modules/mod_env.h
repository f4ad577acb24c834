/* mod_env -- the module `env`: environment variables that the registry declares. */
#ifndef TROUPE_WORKER_MODULES_MOD_ENV_H
#define TROUPE_WORKER_MODULES_MOD_ENV_H

#include <lua.h>

int mod_env_open(lua_State *L);

#endif
