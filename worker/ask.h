/*
 * ask -- C functions of apps that ask the supervisor and wait for its answer.
 */
#ifndef TROUPE_WORKER_ASK_H
#define TROUPE_WORKER_ASK_H

#include <stdbool.h>

#include <lua.h>

#include "common/buf.h"

struct err;
struct task;

/* `return ask_system(L, "@names.lookup", first, n, ctx, k);` sends the n values from
 * stack index first on and blocks; k finds the answer with ask_result() or ask_reply().
 * Raises when it can't block; returns nil and an Error when the values can't be
 * sent. */
int ask_system(lua_State *L, const char *target, int first, int n, lua_KContext ctx,
               lua_KFunction k);

/* The same with the arguments as a payload (see frames.def), which the caller has made
 * small enough for a frame. */
int ask_system_encoded(lua_State *L, const char *target, struct bytes payload,
                       lua_KContext ctx, lua_KFunction k);

/* Only the sending of that, for who has something to free before
 * `return task_block(L, ctx, k);`. -1: larger than a frame may be. */
int ask_send_encoded(lua_State *L, const char *target, struct bytes payload);

/* A CALL for another function; rt->scratch holds its context and, behind it, its
 * options. */
struct ask_call {
    struct bytes target;
    size_t context_bytes;
    int first_arg; /* its arguments: from there up to the top */
};

/* Writes it with that number, which the caller expects an answer to. -1 and err, then
 * nothing was written. Nested calls inherit the deadline, which the options may only
 * make earlier (F-34). */
int ask_send_call(lua_State *L, uint64_t number, const struct ask_call *call,
                  struct err *err);

/* `return` it: calls and blocks; k finds the answer. task is the running one, which
 * task_begin_block() gave. Returns nil and an Error when the call can't be sent. */
int ask_call(lua_State *L, struct task *task, const struct ask_call *call,
             lua_KContext ctx, lua_KFunction k);

/* In k: pushes value, nil or nil, Error; always 2. Frees the reply. */
int ask_result(lua_State *L);

/* A k that does just that. */
int ask_result_k(lua_State *L, int status, lua_KContext ctx);

/* In k: the bytes of the reply; true = it is a result, false = an error. They live
 * until ask_done(). */
bool ask_reply(lua_State *L, struct bytes *result_out);
void ask_done(lua_State *L);

#endif
