/* mod_logger -- the module `logger` and the global `print` (LG-*, IO-2). */
#ifndef TROUPE_WORKER_MODULES_MOD_LOGGER_H
#define TROUPE_WORKER_MODULES_MOD_LOGGER_H

#include <lua.h>

/* Pushes the logger object that `require("logger")` gives. */
int mod_logger_open(lua_State *L);

/* Pushes the function print. */
void mod_logger_open_print(lua_State *L);

#endif
