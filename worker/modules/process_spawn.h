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
struct task;

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

/* ---- Between process_spawn.c, process_exec.c and process_watch.c ---- */

/* A number for a request that makes the task's actor watch pid (0: whom the answer
 * names); flags = SPAWN_MONITOR, SPAWN_LINK. The task is woken with the answer. */
uint64_t process_expect_watch(struct task *task, uint64_t pid, uint8_t flags);

/* That request was never sent. */
void process_unexpect_watch(struct task *task, uint64_t call);

/* The pid in the answer to a SPAWN, 0: none. */
uint64_t process_read_spawned(struct bytes result);

bool process_spawn_is_near(lua_State *L, const struct spawn_plan *plan);

/* done is called once, perhaps at once, as spawn_local() says; on -1 never. */
int process_spawn_near(lua_State *L, const struct spawn_plan *plan,
                       void (*done)(void *context, struct actor *actor,
                                    const struct err *err),
                       void *context, struct err *err);

/* Sends the request; its REPLY is a payload [pid, host]. On -1 nothing is sent. */
int process_spawn_far(lua_State *L, const struct spawn_plan *plan, uint64_t call,
                      struct err *err);

/* The supervisor has said so: self watches pid from now on. */
void process_remember_watches(struct actor *self, uint64_t pid, uint8_t flags);

#endif
