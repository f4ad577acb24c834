/*
 * held -- calls that wait in this worker because the queue they go to is full
 * (functions.md F-48).
 *
 * The supervisor gives such a call back (HOLD) and forgets it, but for the number of
 * those that wait. RESUME says how many may be sent again. What stops waiting before
 * that is told (UNHOLD), so that the number stays right: a call that nobody wants any
 * more, and one whose deadline passes, which is sent again to be answered.
 */
#ifndef TROUPE_WORKER_HELD_H
#define TROUPE_WORKER_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct conn;
struct err;
struct ev_loop;
struct frame_hold;
struct held;

/* conn: to the supervisor; borrowed. */
struct held *held_create(struct ev_loop *loop, struct conn *conn);
void held_destroy(struct held *held); /* NULL is fine */

/* Keeps a copy. -1 (UNAVAILABLE) without memory. */
int held_add(struct held *held, const struct frame_hold *frame, struct err *err);

/* Nobody wants that call any more; false: it isn't held. */
bool held_drop(struct held *held, uint64_t call);

/* Sends up to n of those that wait for that queue again, oldest first. */
void held_resume(struct held *held, struct bytes queue, uint32_t n);

#endif
