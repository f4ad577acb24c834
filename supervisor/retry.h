/*
 * retry -- is a failed call worth another attempt, and when (functions.md F-52).
 *
 * Pure decisions about a policy, the number of failed attempts so far, and the last
 * error as it came over the wire: no clock, no timers, no calls. calls_again.c acts on
 * them.
 *
 * Errors that a call's own deadline or cancellation makes never come here: they end the
 * call whatever its policy says.
 */
#ifndef TROUPE_SUPERVISOR_RETRY_H
#define TROUPE_SUPERVISOR_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct retry_policy;
struct value;

/* Reads the option `retry`. NULL when it asks for no second attempt. What is missing or
 * unreadable takes its default. One reference for the caller. */
struct retry_policy *retry_policy_create(const struct value *retry);
struct retry_policy *retry_policy_ref(const struct retry_policy *policy);
void retry_policy_unref(struct retry_policy *policy); /* NULL is fine */

/* Attempt number n_failed (1, 2, ...) has failed with error (one EXT_ERROR): is there
 * another one? */
bool retry_wanted(const struct retry_policy *policy, uint32_t n_failed,
                  struct bytes error);

/* The wait before it; random in [0, 1) places it within the jitter. */
uint64_t retry_delay_ns(const struct retry_policy *policy, uint32_t n_failed,
                        double random);

#endif
