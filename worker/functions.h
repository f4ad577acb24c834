/*
 * functions -- the callee's side of calls: instances of function entries.
 *
 * Where the registry says worker or slot, this is an *instance*: an actor whose chunk
 * has been run once and whose method is called again and again, one call at a time,
 * with its globals and upvalues kept (LUA-31). Everything else of a call is fresh: pid,
 * mailbox, channels, tasks, context. After the method's return spawned tasks may linger
 * (F-4).
 *
 * With the setting `shared` (interceptors with an inline pool) all instances run the
 * method that the first one, the home, has loaded, and so share its upvalues and
 * globals. One that is preempted runs on before any other then (sched.c).
 */
#ifndef TROUPE_WORKER_FUNCTIONS_H
#define TROUPE_WORKER_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct actor;
struct err;
struct outcome;
struct program;
struct runtime;

struct functions *functions_create(struct runtime *rt);
void functions_destroy(struct functions *functions);

/* Makes n instances of a pool's function and runs their file, but not the method
 * (functions.md F-41, warm_start). loaded (may be NULL: errors are logged) comes for
 * each, now or later; error is empty, or the EXT_ERROR that says why not. */
void functions_warm_up(struct runtime *rt, struct program *program, uint32_t n,
                       void (*loaded)(struct runtime *rt, struct bytes error));

int functions_on_call(struct runtime *rt, struct bytes body, struct err *err);
void functions_cancel(struct runtime *rt, uint64_t call);

/* Calls under way, lingering ones included. */
uint32_t functions_n_busy(const struct functions *functions);

/* By when the call that actor runs must be answered (monotonic); 0 = no such call. */
uint64_t functions_deadline(const struct actor *actor);

/* The number of the call that the actor has still to answer; 0 = none. */
uint64_t functions_open_call(const struct actor *actor);

/* The call's actor has ended: answers it. */
void functions_ended(struct actor *actor, const struct outcome *outcome);

/* Its main has returned: true when the call is answered now but tasks of it run on. */
bool functions_lingers(struct actor *actor, const struct outcome *outcome);

/* A call's actor has nothing to run right now: if it lingers and nothing will ever wake
 * it, it is over. */
void functions_came_to_rest(struct actor *actor);

/* Ends the calls that linger and what only warms up: a drain waits only for those that
 * somebody waits for. */
void functions_drain(struct functions *functions);

/* After programs_forget(): the next calls of what is stale start anew. */
void functions_forget_stale(struct functions *functions);

/* A buried instance is ready for its next call (or is let go: its code is stale). */
void functions_instance_free(struct actor *actor);

#endif
