/*
 * errors -- the Error object of apps, and the Lua module `errors`.
 *
 * What a fallible function returns as its second value (processes.md C-1). An Error is
 * immutable userdata that holds its kind as text, because kinds that only an app knows
 * travel too; its details are kept as the bytes of one msgpack value (see codec.h), so
 * that every details() gives a fresh copy and an Error crosses a process boundary by
 * copying bytes. The two modules know each other: an Error contains a value, and a
 * value may be an Error.
 *
 * All functions need a protected call around them, as anything that allocates in Lua.
 */
#ifndef TROUPE_WORKER_MODULES_ERRORS_H
#define TROUPE_WORKER_MODULES_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "common/buf.h"
#include "common/err.h"

/* Everything an Error crosses a border with. All bytes are borrowed. */
struct error_view {
    struct bytes kind;
    struct bytes message;
    enum err_retry retryable;
    struct bytes details; /* one msgpack value; n = 0: none */
};

/* Pushes the module table: new, wrap, is, call_stack and the constants. */
int errors_open(lua_State *L);

/* Pushes an Error. */
void errors_push(lua_State *L, enum err_kind kind, enum err_retry retryable,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void errors_push_struct(lua_State *L, const struct err *err);
void errors_push_view(lua_State *L, const struct error_view *view);

/* `return errors_return(L, ERR_NOT_FOUND, "no such key '%s'", key);` from a C function:
 * pushes nil and an Error that isn't retryable; always 2. */
int errors_return(lua_State *L, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for an err that somebody filled; keeps its retryable. */
int errors_return_struct(lua_State *L, const struct err *err);

/* Pushes the Error that a raised value at idx becomes for whoever is outside (LUA-54).
 * Raises nothing but lack of memory, whatever the value's __tostring does; messages of
 * other values than Errors are cut at ERRORS_RAISED_MAX_BYTES. */
#define ERRORS_RAISED_MAX_BYTES ((size_t)16 * 1024)
void errors_push_raised(lua_State *L, int idx);

/* Gives the Error on top of L the stack of L: what has called the C function that runs,
 * or waits. (It becomes another object; values that are no Errors stay as they are.) */
void errors_add_stack(lua_State *L);

/* Is the value at idx an Error? */
bool errors_test(lua_State *L, int idx);

/* false when the value at idx is no Error; else fills view_out with bytes that live as
 * long as the object. */
bool errors_view(lua_State *L, int idx, struct error_view *view_out);

/* Of the Error at idx (it must be one); end with an uncounted NUL. n_out may be
 * NULL. */
const char *errors_kind(lua_State *L, int idx, size_t *n_out);
const char *errors_message(lua_State *L, int idx, size_t *n_out);
enum err_retry errors_retryable(lua_State *L, int idx);

/* The Error at idx as a struct err: unknown kinds become ERR_UNKNOWN, long messages are
 * cut. */
void errors_to_struct(lua_State *L, int idx, struct err *err_out);

#endif
