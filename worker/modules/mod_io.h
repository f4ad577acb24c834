/* mod_io -- the module `io`: the terminal of a process on a terminal.host (IO-1). */
#ifndef TROUPE_WORKER_MODULES_MOD_IO_H
#define TROUPE_WORKER_MODULES_MOD_IO_H

#include <lua.h>

int mod_io_open(lua_State *L);

#endif
