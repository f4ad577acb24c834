/*
 * policy -- one rule about who may do what: actions, resources, effect, conditions
 * (security.md section 2).
 *
 * A policy says allow or deny where its action and its resource match and all of its
 * conditions hold, or its expression is true; in all other cases, errors included, it
 * says nothing. Several together deny if one denies, else allow if one allows; their
 * order never matters.
 *
 * The same code compiles policies in the supervisor, which refuses what is wrong at
 * load, and in workers, which ask them.
 */
#ifndef TROUPE_COMMON_POLICY_H
#define TROUPE_COMMON_POLICY_H

#include "common/value.h"

struct err;
struct policy;

enum policy_effect { POLICY_UNDEFINED, POLICY_ALLOW, POLICY_DENY };

enum policy_form {
    POLICY_CONDITIONS, /* security.policy */
    POLICY_EXPRESSION, /* security.policy.expr */
};

/* fields: the entry's `policy` block. NULL and err (INVALID) when it is wrong. */
struct policy *policy_compile(const struct value *fields, enum policy_form form,
                              struct err *err);
void policy_destroy(struct policy *policy); /* NULL is fine */

/* What is asked. actor is a map {id, meta}; meta may be NULL. All borrowed. */
struct policy_check {
    const struct value *actor;
    const char *action, *resource;
    const struct value *meta;
};

enum policy_effect policy_evaluate(const struct policy *policy,
                                   const struct policy_check *check);

/* What two together say. */
static inline enum policy_effect policy_join(enum policy_effect a, enum policy_effect b)
{
    return a > b ? a : b;
}

#endif
