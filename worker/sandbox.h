/*
 * sandbox -- what a chunk sees: its globals, and libraries that can't be abused.
 *
 * A lua_State has one table of shared globals, filled here and by whoever adds
 * `process`, `channel` and the like between open and seal. Every actor has an
 * environment of its own in front of it, so that globals an actor sets are its own.
 * Nothing that an app can reach is shared and writable: libraries are frozen, the
 * metatable of strings is protected.
 *
 * The libraries are stock Lua's, wrapped where the dialect of apps differs:
 * whole-number arguments are truncated (LUA-41), Errors count as their message (C-1),
 * frozen tables are respected (LUA-43). What could load code, reach the system or look
 * behind a closure isn't there at all (LUA-30, hazards L1 to L4).
 */
#ifndef TROUPE_WORKER_SANDBOX_H
#define TROUPE_WORKER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

/* Of one lua_State; may be changed at any time. */
struct sandbox_limits {
    size_t string_bytes;   /* the longest result of string.rep; default 64 MiB */
    int64_t started_at_ns; /* monotonic; zero of os.clock(); default: now at open */
};

/* Makes the shared globals, their libraries still writable. The state must be new: what
 * is in its own global table is thrown away. Left out, for the scheduler to add: print,
 * require, process, channel, subscribe, unsubscribe, coroutine.resume/wrap/spawn. */
void sandbox_open(lua_State *L);

/* Freezes every table among the shared globals, and the tables in them. Before the
 * first chunk runs. */
void sandbox_seal(lua_State *L);

/* Pushes the shared globals. No chunk may get hold of this table. */
void sandbox_push_globals(lua_State *L);

/* Pushes a new environment; with wants_G its field _G is itself. */
void sandbox_push_env(lua_State *L, bool wants_G);

/* Borrowed; lives as long as the state. */
struct sandbox_limits *sandbox_limits(lua_State *L);

#endif
