/*
 * pool_queue -- calls that wait for a slot, and workers that hold calls for us.
 *
 * The queue is bounded in calls and bytes. What doesn't fit stays with the worker that
 * asked: it is told HOLD and counted as a holder, and RESUME goes out when half of the
 * places are free again. While somebody holds calls, new ones from workers are held too
 * (they would overtake) unless they answer a RESUME.
 *
 * Counts of held calls are exact, or somebody would wait behind calls that will never
 * come: a worker that stops holding one without a RESUME says so (UNHOLD), and what was
 * granted to one that dies is free for the others. So that nobody holds for ever, the
 * owner calls pool_queue_resume() whenever a slot becomes free.
 */
#ifndef TROUPE_SUPERVISOR_POOL_QUEUE_H
#define TROUPE_SUPERVISOR_POOL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"

struct call;
struct origin;
struct worker;

#define POOL_QUEUE_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct pool_queue {
    struct list calls; /* struct call, by `to` */
    uint32_t n, max;
    size_t n_bytes;
    struct list holders;
    uint32_t n_held;
    const char *name; /* borrowed; what HOLD and RESUME call it */
};

void pool_queue_init(struct pool_queue *queue, const char *name, uint32_t max);
void pool_queue_finish(struct pool_queue *queue); /* of an empty queue; frees holders */

/* May a call of origin be queued now? Uses up a grant of RESUME if it has one. */
bool pool_queue_admits(struct pool_queue *queue, const struct origin *origin);

/* A call of origin needs no place. false: it had no grant of RESUME to use up. */
bool pool_queue_use_grant(struct pool_queue *queue, const struct origin *origin);

void pool_queue_added(struct pool_queue *queue, uint32_t body_bytes);
/* A call has left, for a worker or otherwise. */
void pool_queue_removed(struct pool_queue *queue, uint32_t body_bytes);

/* The oldest call, still in the queue; NULL if there is none. */
struct call *pool_queue_first(const struct pool_queue *queue);

/* worker has been told to hold one more call. */
void pool_queue_held(struct pool_queue *queue, struct worker *worker);

/* n of those that worker holds wait no more. */
void pool_queue_unhold(struct pool_queue *queue, struct worker *worker, uint32_t n);

/* Lets holders send again as far as there is room (or all of them: the pool closes). */
void pool_queue_resume(struct pool_queue *queue);
void pool_queue_resume_all(struct pool_queue *queue);

/* The worker is dead: no queue waits for it any more, others may have its places. */
void pool_queue_forget_worker(struct worker *worker);

#endif
