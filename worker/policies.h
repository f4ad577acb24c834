/*
 * policies -- the security policies of the application, compiled, in every worker.
 *
 * The supervisor sends all of them behind SETUP, and again after every change of one,
 * by the target @policies.set: [id, policy block, [group ids]] each. Frames come in
 * order, so that nothing runs before they are there.
 */
#ifndef TROUPE_WORKER_POLICIES_H
#define TROUPE_WORKER_POLICIES_H

#include <stddef.h>

struct err;
struct policy;
struct policies;
struct runtime;
struct value;

struct policies *policies_create(void);
void policies_destroy(struct policies *policies); /* NULL is fine */

/* NULL if there is none. Borrowed until the next @policies.set. */
const struct policy *policies_find(const struct policies *policies, const char *id,
                                   size_t n_bytes);

/* The ids of a group's policies, a list; NULL when there is no such group. Borrowed. */
const struct value *policies_group(const struct policies *policies, const char *id,
                                   size_t n_bytes);

/* The target. */
int policies_set(struct runtime *rt, const struct value *args, struct value *result,
                 struct err *err);

#endif
