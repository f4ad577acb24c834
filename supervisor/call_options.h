/*
 * call_options -- what a call's options ask of the supervisor: a time limit, retries.
 *
 * A target's own options stand in its meta.options; a caller may override each of them
 * for one call (with_options), key by key: a `retry` of the caller replaces the whole
 * `retry` of the target (functions.md F-15, F-51). Keys that nobody here knows are
 * ignored, values that nobody can read count as absent.
 */
#ifndef TROUPE_SUPERVISOR_CALL_OPTIONS_H
#define TROUPE_SUPERVISOR_CALL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct err;
struct retry_policy;
struct value;

struct call_options {
    uint64_t timeout_ns;        /* 0 = none */
    struct retry_policy *retry; /* NULL = one attempt; owned */
};

/* The `options` field of a CALL: a list (the caller finishes it) of one map, or of
 * nothing. */
int call_options_decode(struct bytes field, struct value *list_out, struct err *err);

/* own: the target's options or NULL (none); given: the caller's map or NULL. Finish
 * *out. */
void call_options_read(struct call_options *out, const struct value *own);
void call_options_overlay(struct call_options *out, const struct call_options *own,
                          const struct value *given);
struct call_options call_options_copy(const struct call_options *options);
void call_options_finish(struct call_options *options);

static inline bool call_options_are_empty(const struct call_options *options)
{
    return options->timeout_ns == 0 && options->retry == NULL;
}

/* A span of time as options write it: a number of milliseconds, or a duration as text.
 * 0 when value is NULL, unreadable or not positive. */
uint64_t call_option_span_ns(const struct value *value);

#endif
