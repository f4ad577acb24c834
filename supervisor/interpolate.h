/*
 * interpolate -- placeholders for environment variables in entries (ENV-06).
 *
 *     ${env:NAME}           the variable; it must have a value
 *     ${env:NAME|default}   the variable, else the default
 *     ${NAME|default}       the same, NAME of A-Z, 0-9 and _ only
 *     $${                   a literal ${
 *
 * Anything else that starts with ${ stays as it is. A text that is one placeholder and
 * nothing else takes the type of the default (boolean, integer, float); the variable's
 * own default counts before the one in the placeholder. In a longer text everything is
 * text. What a variable holds is never searched for placeholders again.
 *
 * What is resolved is bounded, each text and all of an entry. The registry keeps the
 * raw text of entries; what handlers read is entry_fields().
 */
#ifndef TROUPE_SUPERVISOR_INTERPOLATE_H
#define TROUPE_SUPERVISOR_INTERPOLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/value.h"

struct entry;
struct err;
struct problems;
struct snapshot;

/* Where variables come from: those that are declared in state. Returns owned text, NULL
 * with err (NOT_FOUND, or what reading the storage said). type_out: the type of the
 * variable's own default, VALUE_NIL when it has none. space: the namespace of who
 * asks. */
struct env_lookup {
    char *(*get)(void *context, const struct snapshot *state, const char *name,
                 const char *space, enum value_type *type_out, struct err *err);
    void *context;
};

/* Makes entry_fields() of an entry that is about to enter the registry as state has it.
 * What can't be resolved is a problem, and the answer false. */
bool interpolate_entry(struct entry *entry, const struct env_lookup *lookup,
                       const struct snapshot *state, struct problems *problems);

#endif
