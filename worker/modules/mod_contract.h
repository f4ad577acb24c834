/*
 * mod_contract -- the module `contract`: what functions promise, and calls that are
 * held to it (functions.md F-63 to F-70).
 *
 * A Contract is a definition with settings for calls, an Instance an open binding with
 * its scope; both are immutable userdata and cross no border. Definitions and bindings
 * are fetched once per worker (worker/contracts.h); whoever needs one that isn't here
 * waits for the supervisor. Calls leave by modules/call.h like those of funcs.
 */
#ifndef TROUPE_WORKER_MODULES_MOD_CONTRACT_H
#define TROUPE_WORKER_MODULES_MOD_CONTRACT_H

#include <stdbool.h>

#include <lua.h>

#include "common/buf.h"
#include "common/err.h"

int mod_contract_open(lua_State *L);

/* ---- Between mod_contract.c, contract_object.c, contract_open.c, contract_instance.c,
 * contract_query.c ---- */

struct binding_record;
struct contract;
struct value;

void contract_object_open(lua_State *L); /* each makes its metatable */
void contract_instance_open(lua_State *L);

/* Pushes a Contract without settings; counts the definition. */
void contract_push_object(lua_State *L, struct contract *contract);

/* The definition of the Contract at idx, NULL when it is none. Borrowed. */
struct contract *contract_test_object(lua_State *L, int idx);

/* Pushes an Instance without settings; counts the binding. */
void contract_push_instance(lua_State *L, struct binding_record *binding);

/* Is the value at idx an Instance; of which binding (borrowed)? */
bool contract_test_instance(lua_State *L, int idx, struct binding_record **binding_out);

/* `return` it: the method on top (popped) of the Instance at 1, arguments behind. */
int contract_call_method(lua_State *L, bool async);

/* The key at idx without "_async"; *async_out says whether it was there. */
const char *contract_method_key(lua_State *L, int idx, size_t *n_out, bool *async_out);

/* What an opening starts from; see contract_open.c. */
enum {
    OPEN_SETTINGS = 1, /* a Contract, or nil */
    OPEN_BINDING,      /* text with a query, or nil: the Contract's default */
    OPEN_SCOPE,        /* table or nil */
    OPEN_OPTIONS,      /* table or nil */
    OPEN_N_ARGS = OPEN_OPTIONS
};

/* What becomes of the instance. */
enum open_purpose { OPEN_RETURN, OPEN_CALL, OPEN_CALL_ASYNC };

/* `return` it: the stack holds the arguments above; with a purpose of calling those of
 * the method behind them, and the method's name is the first upvalue. */
int contract_open_binding(lua_State *L, enum open_purpose purpose);

/* "@contract.implementations" of the id at idx, with its permission. `return` it. */
int contract_list_implementations(lua_State *L, int idx);

/* Replaces the text "ns:name?a=1" at idx by "ns:name" and pushes a table of the query's
 * values. 0, or nil and an Error (2). */
int contract_split_query(lua_State *L, int idx);

/* The first value of a reply that is a result; the caller owns it. */
int contract_read_reply(struct bytes result, struct value *out, struct err *err);

/* Pushes nil and an Error with details; takes details. Always 2. */
int contract_return_details(lua_State *L, enum err_kind kind, const char *message,
                            struct value *details);

#endif
