/*
 * hops -- how a call walks through the interceptors that stand around its target.
 *
 * Each interceptor's handler is called like a function, in its own pool, as (call,
 * next). When it says next(), its worker makes a call to "@next.<number>", which is the
 * number of the call that it is handling; here that becomes the call to the next link
 * of the chain, or to the target. So every hop is a slot of the call table whose origin
 * is the worker of the hop before: answers, cancellation, deadlines and deaths go along
 * the chain as along any nested calls, and a handler may say next() as often as it
 * likes.
 *
 * The hop that comes to the first link from RETRY_ORDER on (or to the target) has the
 * attempts of the option `retry`: what is inside runs once for each of them.
 *
 * What travels: arguments, options and context as the handler before left them. A
 * handler's own calls carry, as `via` in their context, the interceptors that they are
 * below of, and skip those; what is called through next() carries what the first call
 * had. A call that comes from outside is marked with its `root`.
 *
 * Handlers with an inline pool share one instance and so its upvalues: counters,
 * caches. Those of other pools are as many as their slots, which one that waits for
 * next() doesn't count against; so neither recursion through a chain nor a slow target
 * can use them up. An intercepted call isn't given back to its worker when a queue is
 * full (HOLD): the frame isn't the one that the worker sent. It waits in the queue, up
 * to POOL_QUEUE_MAX_BYTES of them.
 */
#ifndef TROUPE_SUPERVISOR_HOPS_H
#define TROUPE_SUPERVISOR_HOPS_H

#include <stdbool.h>

#include "common/buf.h"

struct call;
struct call_target;
struct frame_call;
struct hop;
struct origin;
struct supervisor;

#define NEXT_TARGET "@next."

/* Starts the walk of a call to target, when interceptors stand around it; false: none
 * does, route it as usual. */
bool hops_begin(struct supervisor *sup, const struct origin *origin,
                const struct frame_call *frame, const struct call_target *target);

/* A CALL to NEXT_TARGET and a number. */
void hops_next(struct supervisor *sup, const struct origin *origin,
               const struct frame_call *frame);

/* calls_hooks: another attempt at a call that has a hop, and the end of one. */
void hops_again(struct supervisor *sup, struct call *call, struct bytes body);
void hops_over(struct supervisor *sup, struct hop *hop);

/* The context of a call that comes from origin, with its root: out is used when it has
 * to be changed for that (and may fail to grow: then it isn't). */
struct bytes hops_mark_root(const struct supervisor *sup, const struct origin *origin,
                            const struct frame_call *frame, struct buf *out);

/* Did a client make the call that call is a hop of? */
bool hops_are_from_outside(const struct supervisor *sup, const struct call *call);

/* What a new process inherits: it is a root itself, and below of no interceptor. */
struct bytes hops_unmark(struct bytes context, struct buf *out);

/* Adds @calls.caller. */
void hops_add_targets(struct supervisor *sup);

#endif
