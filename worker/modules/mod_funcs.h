/* mod_funcs -- the module `funcs`: calls to functions anywhere (functions.md 2, 3). */
#ifndef TROUPE_WORKER_MODULES_MOD_FUNCS_H
#define TROUPE_WORKER_MODULES_MOD_FUNCS_H

#include <stdint.h>

#include <lua.h>

#include "common/buf.h"

int mod_funcs_open(lua_State *L);

/* ---- Between mod_funcs.c, call.c and future.c ---- */

struct call_check;

void future_open(lua_State *L); /* makes the metatable */

/* Pushes a Future of a request that has been sent; returns what uplink_expect() takes
 * as context for future_done(), before the number is known. */
struct future;
struct future *future_push(lua_State *L);
/* The Future is on top; the result will be held against check, which the object at
 * owner keeps alive. */
void future_set_check(lua_State *L, struct future *future,
                      const struct call_check *check, int owner);
void future_set_call(struct future *future, uint64_t call);
void future_settle(struct future *future); /* no REPLY will come for it */
void future_done(void *context, uint8_t status, struct bytes result);

#endif
