/*
 * calls -- requests under way: who asked, who answers, until when.
 *
 * Every CALL, SPAWN, WATCH and SIGNAL that expects a REPLY occupies one slot here from
 * acceptance until its one answer has been handed to its origin: by the callee's REPLY,
 * by the death of the callee (Unavailable), by its deadline (Timeout), by cancellation
 * (Canceled). Slots are numbered `generation << 32 | slot`; that number replaces the
 * origin's own when the frame is passed on, so a late or forged REPLY finds no slot of
 * its generation, or one that belongs to another worker, and is refused.
 *
 * Invariant: a call is answered exactly once; after that its slot may still be waiting
 * for the callee (state CANCELLED or LINGERING) so that the callee's place counts as
 * busy.
 *
 * A call with a retry policy (functions.md F-52) keeps a copy of its frame. When an
 * attempt fails with an error that the policy wants tried again, the origin hears
 * nothing: the slot gets a new number, waits its delay (state DELAYED) and is handed to
 * hooks.again, which routes it as if it had just come. Its deadline covers all of that.
 *
 * A call that an interceptor handles (hops.h) waits for another one as long as it has
 * the rest of its chain run. It takes no slot of its pool then: or calls that pass the
 * same interceptor several times would wait for their own outer ends.
 *
 * Pools learn through calls_hooks that a place is free or a queued call has left; the
 * hot path allocates nothing and touches a timer only for calls that have a deadline.
 */
#ifndef TROUPE_SUPERVISOR_CALLS_H
#define TROUPE_SUPERVISOR_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/list.h"

#include "supervisor/function_stats.h"
#include "supervisor/peer_use.h"

struct calls;
struct client;
struct conn;
struct err;
struct hop;
struct pool;
struct retry_policy;
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

/* Who that is, whatever it asks; NULL: nobody. */
static inline const void *origin_party(const struct origin *origin)
{
    switch (origin->type) {
    case ORIGIN_WORKER:
        return origin->who.worker;
    case ORIGIN_CLIENT:
        return origin->who.client;
    case ORIGIN_INTERNAL:
        return origin->who.internal.context;
    case ORIGIN_NONE:
        break;
    }
    return NULL;
}

/* The same number from the same party? */
static inline bool origin_is_same(const struct origin *a, const struct origin *b)
{
    return a->type == b->type && a->call == b->call &&
           origin_party(a) == origin_party(b);
}

/* What struct client (control.c) starts with, so that answers find their way to it. */
struct client_head {
    struct conn *conn;
    struct peer_use use; /* initialised by control.c */
};

/* Answers an origin without (or instead of) a slot. result = REST of REPLY. */
void origin_reply(const struct origin *origin, uint8_t status, struct bytes result);
void origin_fail(const struct origin *origin, const struct err *err);
/* Streams one item (FRAME_ITEM) to a worker or client origin; item = one msgpack value.
 * false when its peer is gone or too slow. */
bool origin_item(const struct origin *origin, struct bytes item);
/* Its connection; NULL when it is the supervisor itself or nobody. */
struct conn *origin_conn(const struct origin *origin);

enum call_state {
    CALL_UNUSED,
    CALL_QUEUED,    /* waits in its pool's queue; owns a copy of its frame's body */
    CALL_SENT,      /* the callee has it */
    CALL_CANCELLED, /* answered; the callee's REPLY is still to come */
    CALL_LINGERING, /* answered by the callee, whose place is busy until FREE */
    CALL_DELAYED,   /* an attempt has failed, the next one is still to come */
    CALL_AWAY,      /* no worker answers it: call_answer() does */
};

struct call {
    uint64_t number; /* generation << 32 | slot: what the callee sees */
    struct origin origin;
    struct worker *callee; /* once sent */
    struct pool *pool;     /* whose queue or place it takes; NULL = none */
    struct list from;      /* in its peer's list */
    struct list to;        /* in callee->calls_to, or in the pool's queue */
    uint64_t due_at_ns; /* deadline, or the next look at a cancelled callee; 0 = none */
    struct function_count count;
    uint64_t span; /* handle of spans.h; 0: it belongs to no recorded trace */
    union {
        uint64_t opened_at_ns;   /* set only when there is a deadline */
        uint64_t grace_until_ns; /* CANCELLED: the callee may take until then */
    };
    uint8_t *body; /* QUEUED, or attempts != NULL: the frame as it came */
    uint32_t body_bytes;
    uint32_t heap_at;        /* place in the heap of due times, 0 = none */
    uint32_t next_in_bucket; /* chain of calls with the same origin hash */
    uint8_t state;           /* enum call_state */
    uint8_t type;            /* FRAME_CALL, FRAME_SPAWN, ... */
    /* Called once with the callee's answer (or what stands for it), before the origin
     * hears of it, and also when the origin was answered before or is gone. May be
     * NULL. Takes note, which is one allocation: freed without it when all ends. */
    void (*on_outcome)(struct supervisor *sup, struct call *call, uint8_t status,
                       struct bytes result);
    void (*on_withdrawn)(void *note); /* AWAY */
    void *note;
    struct attempts *attempts; /* NULL: there is only one */
    struct hop *hop;           /* its place in a chain of interceptors; NULL: none */
    uint32_t n_nested;         /* calls that it waits for, see call_begin_nested() */
};

/* Upwards, to the pools. */
struct calls_hooks {
    /* A place of worker is free again: its call has ended (REPLY, FREE), or waits for
     * another one. */
    void (*on_place_free)(struct pool *pool, struct worker *worker, bool has_ended);
    /* A queued call has been answered elsewhere (deadline, cancel, origin's death) and
     * is out of the queue. */
    void (*on_left_queue)(struct pool *pool, uint32_t body_bytes);
    /* It is time for another attempt: call is as after calls_open(), body is borrowed
     * and the call's own. Never comes from inside a function of this module. */
    void (*again)(struct supervisor *sup, struct call *call, struct bytes body);
    /* call->hop is to be freed: the call has no origin any more. NULL: there are no
     * hops. */
    void (*on_hop_over)(struct supervisor *sup, struct hop *hop);
};

struct calls *calls_create(struct supervisor *sup, const struct calls_hooks *hooks);
void calls_destroy(struct calls *calls); /* answers nobody */

/* How long a cancelled callee in a pool may take before its worker is killed; and one
 * whose worker spends that time running and doesn't even answer a PING: it sits in code
 * that nothing can interrupt. */
void calls_set_grace_ms(struct calls *calls, uint32_t grace_ms, uint32_t busy_grace_ms);

/* Open ones at a time, and the bytes of those that may be tried again. */
#define CALLS_MAX            (1u << 20)
#define CALLS_KEPT_MAX_BYTES ((size_t)128 * 1024 * 1024)
size_t calls_kept_bytes(const struct calls *calls);
uint32_t calls_n_open(const struct calls *calls);

/* A new slot for a request of origin (copied). NULL when the table is full, or origin
 * has too much of it (RATE_LIMITED). deadline_at_ns 0 = none. Answer it, send it or
 * park it at once. */
struct call *calls_open(struct calls *calls, const struct origin *origin, uint8_t type,
                        uint64_t deadline_at_ns, struct err *err);

/* The same for a FRAME_CALL that may take timeout_ns from now, 0 = any time, and must
 * be over at deadline_at_ns in any case. */
struct call *calls_open_within(struct calls *calls, const struct origin *origin,
                               uint64_t deadline_at_ns, uint64_t timeout_ns,
                               struct err *err);

/* May a request that takes no place of a pool go to that worker? Not when it leaves too
 * many of them without an answer. */
bool calls_may_give(const struct calls *calls, const struct worker *callee);

/* Passes the request's frame on to callee with the slot's number in it. When callee
 * can't take it the call is answered (Unavailable) at once. */
void call_send(struct calls *calls, struct call *call, struct worker *callee,
               struct bytes body);

/* The call is about to be given to that function (or interceptor): stats is the row
 * that counts it, NULL: none; name: NULL = the call's target; body as it came. */
void call_observe(struct calls *calls, struct call *call, struct function_stats *stats,
                  const char *name, struct bytes body);

/* It was answered in that way: what observes it is told. error: of a REPLY, or none. */
void call_observe_end(struct calls *calls, struct call *call,
                      enum function_outcome outcome, struct bytes error);

/* Puts it into a queue (the pool's list) with a copy of body. false (err set) when
 * there is no memory; the caller still has the call then. */
bool call_park(struct call *call, struct pool *pool, struct list *queue,
               struct bytes body, struct err *err);

/* Sends a parked call; frees its copy. */
void call_send_parked(struct calls *calls, struct call *call, struct worker *callee);

/* From now on a failed attempt at this call, which was just opened, is followed by
 * others as policy says. Keeps a copy of body; false when there is no room for it: then
 * there will be one attempt only. */
bool call_may_retry(struct calls *calls, struct call *call,
                    const struct retry_policy *policy, struct bytes body);

/* The call of that number, NULL if there is none (any more); and the same for one that
 * worker has and has not answered. */
struct call *calls_find(const struct calls *calls, uint64_t number);
struct call *calls_find_given(const struct calls *calls, const struct worker *worker,
                              uint64_t number);

/* Its callee waits for another call (or one more) until the end, and leaves its slot to
 * others meanwhile; the pool is to be told once that call is on its way. */
void call_begin_nested(struct call *call);
void call_end_nested(struct call *call);
void calls_tell_place_free(struct calls *calls, struct pool *pool,
                           struct worker *worker);

/* The next attempt at a call that may be tried again is made with this frame. */
int call_keep_other_body(struct calls *calls, struct call *call, struct bytes body,
                         struct err *err);

/* Has an attempt at it failed before? */
bool call_was_tried(const struct call *call);

/* The caller answers this call, which was just opened, itself, later.
 * on_withdrawn(note) says that nobody wants that answer any more; the call is gone
 * then. */
void call_give_away(struct call *call, void (*on_withdrawn)(void *note), void *note);
/* Ends what call_give_away() began; an error may lead to another attempt. */
void call_answer(struct calls *calls, struct call *call, uint8_t status,
                 struct bytes result);

/* Answers the origin and gives the slot back, or has it tried again. Only for calls
 * that no callee has. */
void call_fail(struct calls *calls, struct call *call, const struct err *err);

/* What waits for another attempt fails now; err must be one that isn't tried again. */
void calls_end_delayed(struct calls *calls, const struct err *err);

/* Gives it back to the worker that asked (HOLD), until RESUME names that queue; only
 * for a CALL that was just opened. */
void call_hold(struct calls *calls, struct call *call, const char *queue,
               struct bytes body);

/* Is the deadline of a call that nobody has yet over? Then it has been answered. */
bool call_is_too_late(struct calls *calls, struct call *call);

/* open + send in one: a request that needs no pool (WATCH, SIGNAL, SPAWN). */
void calls_forward(struct calls *calls, const struct origin *origin, uint8_t type,
                   struct worker *callee, struct bytes body);

/* Frames of a worker; -1 = hostile (a REPLY or FREE for what it never got). */
int calls_on_reply(struct calls *calls, struct worker *from, struct bytes body,
                   struct err *err);
int calls_on_free(struct calls *calls, struct worker *from, struct bytes body,
                  struct err *err);

/* The origin wants its request no more. false when there is no such request here. */
bool calls_cancel(struct calls *calls, const struct origin *origin);

/* The origin wants what it asked for no more, but waits for the answer: Canceled, or
 * the outcome if that was faster. For spawns, which calls_cancel() leaves to go on. */
void calls_give_up(struct calls *calls, const struct origin *origin);

/* Origin's death: its requests are dropped, their callees told. */
void calls_client_gone(struct calls *calls, struct client *client);
void calls_worker_stops_asking(struct calls *calls, struct worker *worker);
/* Callee's death: all that it had are answered; how = "was killed by signal 9". */
void calls_worker_stops_answering(struct calls *calls, struct worker *worker,
                                  const char *how);

/*
 * Starts an actor for the supervisor itself: entry on host, with args as a list.
 * watcher is a pid of worker index 0 that monitors it (its EXIT goes to
 * services_on_exit), 0 = none. context and args may be empty bytes / NULL. origin is
 * answered exactly once, with a payload [pid as integer, host text] or an error,
 * perhaps before this returns. name "" = none.
 */
struct value;
void calls_spawn_internal(struct supervisor *sup, const struct origin *origin,
                          const char *entry, const char *host, const char *name,
                          const struct value *args, struct bytes context,
                          uint64_t watcher);

#endif
