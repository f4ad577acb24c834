/*
 * call_target -- who answers calls to an id, and how a call gets there.
 *
 * Either the workers of a pool do or, for kinds of processes with a default host, an
 * actor that is started for the call (process_calls.h). Whatever else there is under an
 * id, a host or an interceptor, is no target.
 */
#ifndef TROUPE_SUPERVISOR_CALL_TARGET_H
#define TROUPE_SUPERVISOR_CALL_TARGET_H

#include <stdbool.h>

#include "common/buf.h"

struct call;
struct call_options;
struct entry;
struct err;
struct pool;
struct supervisor;
struct value;
struct worker;

struct call_target {
    struct pool *pool;         /* or NULL */
    const struct entry *entry; /* or NULL; borrowed until the registry changes */
};

/* false when id is no target. */
bool call_target_find(const struct supervisor *sup, struct bytes id,
                      struct call_target *out);

/* NotFound, for a call whose target was there when it began. Always -1. */
int call_target_is_gone(struct bytes id, struct err *err);

/* call was just opened, body is its frame. home: the worker that inline functions run
 * in, NULL = none. */
void call_target_give(struct supervisor *sup, struct call *call,
                      const struct call_target *target, struct worker *home,
                      struct bytes body);

/* The same call is to be tried again as options say; body is its frame, target what it
 * is for (in the log, when there is no room to keep it). */
void call_keep_for_retry(struct supervisor *sup, struct call *call,
                         const struct call_options *options, struct bytes target,
                         struct bytes body);

/* The target's own options, overlaid by the caller's map (NULL: none). Finish *out. */
void call_target_options(const struct call_target *target, const struct value *given,
                         struct call_options *out);

#endif
