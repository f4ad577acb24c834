/*
 * worker_ask -- questions that the supervisor itself has for a worker.
 *
 * They are calls to the worker's own targets ("@actors.list", "@code.forget") with a
 * slot of the call table like any other: a worker that dies or takes too long answers
 * with an error.
 */
#ifndef TROUPE_SUPERVISOR_WORKER_ASK_H
#define TROUPE_SUPERVISOR_WORKER_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct value;
struct worker;

/* done comes exactly once, perhaps before this returns; status is a reply_status,
 * result a payload of one value or an error. args are borrowed. */
void worker_ask(struct worker *worker, const char *target, const struct value *args,
                size_t n_args, uint64_t timeout_ms,
                void (*done)(void *context, uint8_t status, struct bytes result),
                void *context);

#endif
