/*
 * interceptor -- handlers of interceptor.lua entries: what they are given, and next()
 * (functions.md F-54).
 *
 * The supervisor calls a handler like any function, with one argument before those of
 * the intercepted call: a map of all that it knows about that call. Here they become
 * the table `call` and the function `next`, which calls the supervisor's "@next.<number
 * of the call being handled>" and gives back what comes of it. What is costly and
 * seldom wanted is looked up when it is read: call.context and call.caller.
 *
 * next() belongs to its handler's run: once that has answered, it returns an error.
 */
#ifndef TROUPE_WORKER_INTERCEPTOR_H
#define TROUPE_WORKER_INTERCEPTOR_H

#include <lua.h>

struct actor;
struct err;

/* Replaces the n values on top of co, the arguments as they came, by `call` and `next`.
 * Returns 2; -1 (INVALID: they aren't what the supervisor sends; UNAVAILABLE). */
int interceptor_enter(struct actor *actor, lua_State *co, int n, struct err *err);

#endif
