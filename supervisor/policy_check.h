/*
 * policy_check -- is an entry of kind security.policy right (security.md S-10), and does
 * it say what its author means (S-15)?
 */
#ifndef TROUPE_SUPERVISOR_POLICY_CHECK_H
#define TROUPE_SUPERVISOR_POLICY_CHECK_H

struct entry;
struct problems;

/* Adds what is wrong to problems. */
void policy_entry_check(const struct entry *entry, struct problems *problems);

#endif
