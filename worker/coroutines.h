/*
 * coroutines -- the app's own coroutines, transparent to the scheduler.
 *
 * A blocking call inside any depth of coroutine.resume and wrap suspends the whole
 * task: each layer sees that the yield under way is the scheduler's and yields itself,
 * and resumes its inner one when it runs again (processes.md CO-5, MP-9).
 */
#ifndef TROUPE_WORKER_COROUTINES_H
#define TROUPE_WORKER_COROUTINES_H

#include <lua.h>

/* Adds create, resume, wrap, yield, status, running, isyieldable, spawn to the global
 * table `coroutine` of the sandbox, which is not sealed yet. */
void coroutines_open(lua_State *L);

#endif
