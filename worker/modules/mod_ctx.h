/* mod_ctx -- the module `ctx`: context values of the running frame (F-31). */
#ifndef TROUPE_WORKER_MODULES_MOD_CTX_H
#define TROUPE_WORKER_MODULES_MOD_CTX_H

#include <lua.h>

int mod_ctx_open(lua_State *L);

#endif
