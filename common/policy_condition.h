/*
 * policy_condition -- one `{field, operator, value | value_from}` of a policy
 * (security.md S-12 to S-15).
 */
#ifndef TROUPE_COMMON_POLICY_CONDITION_H
#define TROUPE_COMMON_POLICY_CONDITION_H

#include <stdbool.h>

#include "common/value.h"

struct err;
struct policy_check;

enum condition_operator {
    CONDITION_EQ,
    CONDITION_NE,
    CONDITION_LT,
    CONDITION_GT,
    CONDITION_LTE,
    CONDITION_GTE,
    CONDITION_IN,
    CONDITION_NIN,
    CONDITION_EXISTS,
    CONDITION_NEXISTS,
    CONDITION_CONTAINS,
    CONDITION_NCONTAINS,
    CONDITION_MATCHES,
    CONDITION_NMATCHES,
};

struct regex;

struct condition {
    char *field;
    enum condition_operator test;
    struct value value;  /* nil when value_from is there */
    char *value_from;    /* NULL: value */
    struct regex *regex; /* MATCHES, NMATCHES with a value */
};

/* number counts from 0, for errors. On -1 nothing is to be finished. */
int condition_compile(const struct value *fields, size_t number,
                      struct condition *condition_out, struct err *err);
void condition_finish(struct condition *condition);

/* false also when it can't be told (S-3). */
bool condition_holds(const struct condition *condition,
                     const struct policy_check *check);

#endif
