/*
 * policy_check -- is an entry that is a policy right (security.md S-10, S-20), and does
 * it say what its author means (S-15)?
 */
#ifndef TROUPE_SUPERVISOR_POLICY_CHECK_H
#define TROUPE_SUPERVISOR_POLICY_CHECK_H

#include <stdbool.h>

#define POLICY_KIND            "security.policy"
#define POLICY_KIND_EXPRESSION "security.policy.expr"

struct entry;
struct problems;

bool policy_entry_is_one(const struct entry *entry);

/* Adds what is wrong to problems. */
void policy_entry_check(const struct entry *entry, struct problems *problems);

#endif
