/*
 * contracts -- the definitions and bindings that this worker has asked for, compiled
 * (functions.md F-60, F-61, F-70).
 *
 * They come from the supervisor as plain data (@contract.*) and stay until any contract
 * of the registry changes; then all are let go of at once, for that is rare, and what
 * somebody still holds (an open instance) lives on as it was. Everything here is
 * immutable and counted. No Lua: whoever asks and waits is modules/mod_contract.c.
 */
#ifndef TROUPE_WORKER_CONTRACTS_H
#define TROUPE_WORKER_CONTRACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"
#include "common/value.h"

#include "worker/modules/call.h"

struct contracts;
struct err;
struct runtime;
struct schema;

/* One method of a definition, and how calls of it are checked. */
struct contract_method {
    struct call_check check; /* given to call.h */
    struct contract *contract;
    const char *name;
    struct schema **inputs; /* NULL where there is none to check against */
    uint32_t n_inputs;
    struct schema *output;
};

struct contract {
    unsigned n_refs;
    char *id;
    struct value methods; /* as they were declared */
    struct contract_method *rows;
    uint32_t n_rows;
    struct map by_name; /* → contract_method */
};

/* One contract that a binding keeps. */
struct bound_contract {
    struct contract *contract;
    struct value methods;  /* map method → function id */
    struct value required; /* list of context keys */
};

/* What a method of an instance comes to. */
struct bound_method {
    const struct contract_method *method;
    const struct bound_contract *of;
    const char *function; /* NULL: nobody runs it */
};

struct binding_record {
    unsigned n_refs;
    char *id;
    struct bound_contract *contracts;
    uint32_t n_contracts;
};

struct contracts *contracts_create(void);
void contracts_destroy(struct contracts *contracts); /* NULL is fine */

/* Some contract has changed. */
void contracts_forget(struct contracts *contracts);

/* ---- what is here already; NULL: ask. Borrowed until the next forget ---- */

struct contract *contracts_find(const struct contracts *contracts, const char *id);
struct binding_record *contracts_find_binding(const struct contracts *contracts,
                                              const char *id);
const char *contracts_find_default(const struct contracts *contracts, const char *id);

/* ---- what the supervisor answered; NULL and err when it can't be used ---- */

struct contract *contracts_add(struct contracts *contracts, const struct value *record,
                               struct err *err);
struct binding_record *contracts_add_binding(struct contracts *contracts,
                                             const struct value *record,
                                             struct err *err);
const char *contracts_add_default(struct contracts *contracts, const char *id,
                                  const char *binding);

/* ---- counting ---- */

struct contract *contract_ref(struct contract *contract);
void contract_unref(struct contract *contract);
struct binding_record *binding_ref(struct binding_record *binding);
void binding_unref(struct binding_record *binding);

/* ---- looking inside ---- */

/* NULL if it has no such method. */
const struct contract_method *contract_find_method(const struct contract *contract,
                                                   const char *name, size_t n_bytes);

/* The first contract of the binding that has the method counts; false: none has. */
bool binding_find_method(const struct binding_record *binding, const char *name,
                         size_t n_bytes, struct bound_method *out);

#endif
