/*
 * check_field -- what can be done with a value of a type: its fields, and which
 * operators take it.
 *
 * A table that is no literal may have a metatable, so that any operator may take it; a
 * slot of an array or a map is there.
 */
#ifndef TROUPE_WORKER_CHECK_FIELD_H
#define TROUPE_WORKER_CHECK_FIELD_H

#include "worker/check_type.h"

enum field_found {
    FIELD_ANY,  /* nobody knows */
    FIELD_TYPE, /* *type_out */
    FIELD_NONE, /* it is sealed and has no such field */
    FIELD_BAD,  /* such a value has no fields */
};

/* A field by name, or by any key with name NULL. *set_out is what may be put there,
 * *type_out what comes out (weak: it may not be there). */
enum field_found type_field(struct type_store *types, const struct type *type,
                            const char *name, size_t n, const struct type **type_out,
                            const struct type **set_out);

/* The name that a record has and that is nearest to the one that it hasn't, or NULL. */
const char *type_nearest_field(struct type_store *types, const struct type *type,
                               const char *name, size_t n);

/* What an operator wants of an operand. */
enum operand_use { USE_NUMBER, USE_BITS, USE_CONCAT, USE_LENGTH, USE_CALL, USE_ORDER };
bool type_can(struct type_store *types, const struct type *type, enum operand_use use);

#endif
