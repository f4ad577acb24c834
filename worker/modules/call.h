/*
 * call -- how apps call functions: one path for funcs, contracts, and what will come.
 *
 * Whatever says how calls are to be made (an executor, a contract, an instance) is
 * userdata whose first uservalues are settings in the order below. Context and options
 * are encoded into the runtime's scratch buffer, because that may raise; then the frame
 * is written in one go. A call may be checked: its arguments before they leave, as the
 * bytes they travel in, and its result before anybody sees it.
 */
#ifndef TROUPE_WORKER_MODULES_CALL_H
#define TROUPE_WORKER_MODULES_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "common/buf.h"

struct runtime;

/* Each is nil until it is set. */
enum call_setting {
    CALL_CONTEXT = 1, /* table laid over the caller's values */
    CALL_OPTIONS,     /* table */
    CALL_ACTOR,       /* bytes that a frame carries */
    CALL_SCOPE,
    CALL_N_SETTINGS = CALL_SCOPE
};

/* Both are given a payload; false: it is refused, *error_out is the Error, encoded. */
struct call_check {
    bool (*arguments)(const struct call_check *check, struct runtime *rt,
                      struct bytes payload, struct buf *error_out);
    bool (*result)(const struct call_check *check, struct runtime *rt,
                   struct bytes payload, struct buf *error_out);
};

/* Where a call finds what it needs on the stack; the arguments follow the target. */
struct call_plan {
    int target;                     /* stack index of the function's id */
    int settings;                   /* stack index, 0 = none */
    const struct call_check *check; /* NULL = none; settings keeps it alive */

    size_t context_bytes; /* of what is prepared; the options come after it */
};

/* Blocks; `return` it from a C function. Raises where it can't block. */
int call_sync(lua_State *L, struct call_plan *plan);

/* Pushes a Future, or nil and an Error; returns their number. */
int call_async(lua_State *L, struct call_plan *plan);

/* ---- call_settings.c: to and from are stack indexes ---- */

void call_copy_settings(lua_State *L, int from, int to);

/* Lays the table at values over the context of the object at to (a new table, the old
 * one may be shared). */
void call_merge_context(lua_State *L, int to, int values);

/* Replaces the options by a copy of the table at options. 0, or nil and an Error pushed
 * (2): one of them isn't allowed. */
int call_set_options(lua_State *L, int to, int options);

/* A class of objects with the methods with_context, with_actor, with_scope and
 * with_options: each returns a copy of its object with that setting laid over or in
 * place of its own; or nil and an Error, where that isn't allowed. */
struct call_owner {
    void (*check)(lua_State *L);     /* raises unless an object of that class is at 1 */
    void (*push_like)(lua_State *L); /* pushes another one of it, without settings */
    const char *context_right, *security_right;
    const char *use; /* "call functions": what is refused without them */
};

/* Adds these methods to the table on top; owner has static life. */
void call_add_methods(lua_State *L, const struct call_owner *owner);

#endif
