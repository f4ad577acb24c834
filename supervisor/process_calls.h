/*
 * process_calls -- processes that are called like functions (functions.md F-6,
 * processes.md PM-6b).
 *
 * A process entry whose meta names a default host is a call target: each call starts an
 * actor of it there with the call's arguments and context, watched by a control pid of
 * the call's own, and that actor's EXIT is the answer. A caller that wants the answer
 * no more (cancelled, past its deadline, gone) has the watch taken back and the actor
 * sent CANCEL; what the actor makes of that is its own business.
 */
#ifndef TROUPE_SUPERVISOR_PROCESS_CALLS_H
#define TROUPE_SUPERVISOR_PROCESS_CALLS_H

#include <stdbool.h>

#include "common/buf.h"

struct call;
struct entry;
struct frame_exit;
struct process_calls;
struct supervisor;

struct process_calls *process_calls_create(struct supervisor *sup);
void process_calls_destroy(struct process_calls *process_calls); /* NULL is fine */

/* The process of that id if it can be called, else NULL. Borrowed. */
const struct entry *process_calls_find(const struct supervisor *sup, struct bytes id);

/* call was just opened; body is that of its frame. */
void process_calls_start(struct supervisor *sup, struct call *call,
                         const struct entry *entry, struct bytes body);

/* false when the EXIT isn't for a control pid of ours. */
bool process_calls_on_exit(struct supervisor *sup, const struct frame_exit *frame);

#endif
