/*
 * process_spawn -- starting processes for apps: process.spawn and its kin (PR-4 to 8).
 *
 * Where the host is this worker's own, the actor is made here and now; anywhere else
 * the supervisor is asked, and always for a spawn with a name, which is its to give.
 */
#ifndef TROUPE_WORKER_MODULES_PROCESS_SPAWN_H
#define TROUPE_WORKER_MODULES_PROCESS_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "common/buf.h"

struct actor;
struct err;

/* The process's arguments lie on the stack behind the host. Bytes are borrowed. */
struct spawn_plan {
    int id, host; /* stack indices of texts */
    int n_args;
    uint8_t flags;        /* SPAWN_MONITOR, SPAWN_LINK */
    struct bytes name;    /* none: no name */
    struct bytes context; /* none: the caller's own */
    struct bytes messages;
};

/* What the frame may not do of that, pushed as a text (PR-4, DX-17); false and nothing
 * pushed when it may. */
bool process_spawn_denied(lua_State *L, const struct spawn_plan *plan, bool is_exec);

/* Ends a C function: the pid, or nil and an Error. */
int process_spawn(lua_State *L, const struct spawn_plan *plan);

/* Ends a C function: what the process returns, or nil and an Error. */
int process_exec(lua_State *L, const struct spawn_plan *plan);

/* ---- Between process_spawn.c and process_exec.c ---- */

bool process_spawn_is_near(lua_State *L, const struct spawn_plan *plan);

/* done is called once, perhaps at once, as spawn_local() says; on -1 never. */
int process_spawn_near(lua_State *L, const struct spawn_plan *plan,
                       void (*done)(void *context, struct actor *actor,
                                    const struct err *err),
                       void *context, struct err *err);

/* Sends the request; its REPLY is a payload [pid, host]. On -1 nothing is sent. */
int process_spawn_far(lua_State *L, const struct spawn_plan *plan, uint64_t call,
                      struct err *err);

/* The watches of a spawn elsewhere exist since the supervisor saw its REPLY. */
void process_remember_watches(struct actor *self, uint64_t pid, uint8_t flags);

#endif
