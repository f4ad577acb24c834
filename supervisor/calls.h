/*
 * calls -- requests under way: who asked, who answers, until when.
 *
 * Every CALL, SPAWN, WATCH and SIGNAL that expects a REPLY occupies one slot here from
 * acceptance until its one answer has been handed to its origin: by the callee's REPLY,
 * by the death of the callee (Unavailable), by its deadline (Timeout), by cancellation
 * (Canceled). Slots are numbered `generation << 32 | slot`; that number replaces the
 * origin's own when the frame is passed on, so a late or forged REPLY finds no slot of its
 * generation, or one that belongs to another worker, and is refused.
 *
 * Invariant: a call is answered exactly once; after that its slot may still be waiting for
 * the callee (state CANCELLED or LINGERING) so that the callee's place counts as busy.
 */
#ifndef TROUPE_SUPERVISOR_CALLS_H
#define TROUPE_SUPERVISOR_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/list.h"

struct client;
struct err;
struct pool;
struct supervisor;
struct worker;

/* Whoever asked, and how to tell it. */
struct origin {
    enum { ORIGIN_NONE, ORIGIN_WORKER, ORIGIN_CLIENT, ORIGIN_INTERNAL } type;
    uint64_t call; /* the number that it chose */
    union {
        struct worker *worker;
        struct client *client;
        struct { /* the supervisor itself; result is borrowed, status as in REPLY */
            void (*done)(void *context, uint8_t status, struct bytes result);
            void *context;
        } internal;
    } who;
};

/* Answers an origin without (or instead of) a slot. result = REST of REPLY. */
void origin_reply(const struct origin *origin, uint8_t status, struct bytes result);
void origin_fail(const struct origin *origin, const struct err *err);
/* Streams one item (FRAME_ITEM) to a worker or client origin; item = one msgpack value.
 * false when its peer is gone or too slow. */
bool origin_item(const struct origin *origin, struct bytes item);

#endif
