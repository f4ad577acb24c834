/*
 * check_fit -- does a value of one type fit where another is wanted?
 *
 * Strictness ends where people's habits begin: a whole float is an integer, a string
 * may be one of the strings that a union names, a table with a metatable may be called.
 * Beyond a bounded depth everything fits.
 */
#ifndef TROUPE_WORKER_CHECK_FIT_H
#define TROUPE_WORKER_CHECK_FIT_H

#include "worker/check_type.h"

#define NO_PLACE UINT32_MAX

/* Why something doesn't fit, when that is a part of it. */
struct misfit {
    uint32_t at;    /* where that part stands; NO_PLACE: the whole */
    char text[200]; /* empty: nothing to add */
};

/* misfit may be NULL; filled only when it doesn't fit. */
bool type_fits(struct type_store *types, const struct type *value,
               const struct type *wanted, struct misfit *misfit);

/* What a place of a declared type is once it has such a value. */
const struct type *type_assigned(struct type_store *types, const struct type *declared,
                                 const struct type *value);

/* Of a record or a table as it is written; NULL: it has none of that name. */
const struct type_field *type_find_field(const struct type *record, const char *name,
                                         size_t n);

/* Can it be nil, as far as anybody knows? */
bool type_accepts_nil(struct type_store *types, const struct type *type);

#endif
