/*
 * contracts -- what functions promise: definitions, and bindings that keep them
 * (functions.md F-60 to F-62).
 *
 * A contract.definition lists methods with schemas, a contract.binding says which
 * function runs each method of one or more of them. Both are data; workers ask for them
 * (contract_targets.c) and hold calls against the schemas. What is here is read from
 * entries as they are: there is no second copy that could be stale. The registry lets
 * no change through after which a definition has an unusable schema, a binding doesn't
 * fit its definitions, or a contract has two defaults.
 */
#ifndef TROUPE_SUPERVISOR_CONTRACTS_H
#define TROUPE_SUPERVISOR_CONTRACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/value.h"

struct changeset;
struct entry;
struct problems;
struct snapshot;

bool is_contract_definition(const struct entry *entry);
bool is_contract_binding(const struct entry *entry);

/* Adds what is wrong with a change, in the entries that change and beside them. */
void contracts_check(const struct changeset *set, struct problems *problems);

/* Did the change touch any definition or binding? */
bool contracts_changed(const struct changeset *set);

/* ---- reading ---- */

/* NULL unless there is a definition, or a binding, of that id. Borrowed from state. */
const struct entry *contract_find_definition(const struct snapshot *state,
                                             const char *id);
const struct entry *contract_find_binding(const struct snapshot *state, const char *id);

/* The methods of a definition: a list of maps, perhaps empty. Borrowed. */
const struct value *contract_methods(const struct entry *definition);

/* One contract of a binding; everything is borrowed but id, which
 * contract_part_finish() frees. */
struct contract_part {
    char *id; /* of the definition, resolved; NULL: it is no reference */
    const struct value *methods;          /* map method → function, or NULL */
    const struct value *context_required; /* list of texts, or NULL */
    bool is_default;
};

/* The i-th; false behind the last. */
bool contract_part_read(const struct entry *binding, size_t i,
                        struct contract_part *out);
void contract_part_finish(struct contract_part *part);

/* The binding that is the contract's default, NULL if there is none. */
const struct entry *contract_find_default(const struct snapshot *state, const char *id);

/* Calls found for each binding of the contract, by id. */
void contract_each_binding(const struct snapshot *state, const char *id,
                           void (*found)(void *context, const struct entry *binding,
                                         const struct contract_part *part),
                           void *context);

#endif
