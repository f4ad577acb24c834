/*
 * conn -- one peer on a libev loop: frames in, frames out, both bounded.
 *
 * Reads drain the socket into one buffer and hand out every complete frame in it, up to
 * a budget of bytes per conn and of time for all of a turn; the rest comes in the next.
 * Writes gather in one buffer and leave in one write at the end of the loop's turn
 * (conn_flush_all from the owner's ev_prepare), however many frames went in: waking the
 * peer costs more than the work. Above the high-water mark conn_is_congested() is true:
 * the owner stops giving this peer new work; what must be told is still queued up to
 * the hard bound, beyond which the peer counts as dead.
 *
 * Within a turn everybody is read before any timer rings: a process that got no
 * processor for a while (a busy machine, SIGSTOP) must not find a time over for which
 * the answer lies there already.
 *
 * The callbacks are on_frame (body is borrowed until it returns; returning -1 closes
 * the conn with err's text as the reason) and on_closed, which comes exactly once, at
 * the end, never from inside a conn_ function that the owner calls; the owner then
 * destroys it.
 */
#ifndef TROUPE_PROTO_CONN_H
#define TROUPE_PROTO_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/list.h"

struct conn;
struct err;

struct conn_limits {
    uint32_t frame_max_bytes; /* longest body accepted */
    size_t high_water_bytes;  /* out buffer: congested above it */
    size_t out_max_bytes;     /* out buffer: hard bound */
    size_t read_budget_bytes; /* per turn, so that one peer can't hold the loop */
    bool takes_fds; /* else the kernel drops descriptors that the peer sends */
};
extern const struct conn_limits conn_limits_default;

struct conn_callbacks {
    int (*on_frame)(void *context, uint8_t type, struct bytes body, struct err *err);
    void (*on_closed)(void *context, const struct err *reason);
};

/* One per loop: the conns that have something to write. */
struct conn_set {
    struct ev_loop *loop;
    struct list dirty;
    struct ev_prepare prepare;
    int64_t turn_ends_at_ns;          /* 0 = nobody has read in this turn */
    bool is_slow;                     /* see conn_set_take_time() */
    uint64_t n_bytes_in, n_bytes_out; /* of all there have been */
};
void conn_set_init(struct conn_set *set, struct ev_loop *loop);
void conn_set_finish(struct conn_set *set);

#define CONN_TURN_NS 1500000 /* of reading, for all conns of a set */

/* What a callback is about to do may take long: the turn's time begins now, at the
 * latest, and whether it is over is looked at before the next frame. */
static inline void conn_set_take_time(struct conn_set *set)
{
    if (set->turn_ends_at_ns == 0)
        set->turn_ends_at_ns = clock_monotonic_ns() + CONN_TURN_NS;
    set->is_slow = true;
}

/* Takes fd (made nonblocking). limits NULL = default. */
struct conn *conn_create(struct conn_set *set, int fd, const struct conn_limits *limits,
                         const struct conn_callbacks *callbacks, void *context);
/* NULL is fine. Closes fd, on_closed won't come. */
void conn_destroy(struct conn *conn);

/* The buffer to encode frames into; call conn_wrote() after it. */
struct buf *conn_out(struct conn *conn);
void conn_wrote(struct conn *conn);

/* Appends a frame whose body exists already (routing). type may differ from the
 * original's. false when the peer is gone or over its bound, or the frame is larger
 * than any may be. */
bool conn_forward(struct conn *conn, uint8_t type, struct bytes body);

/* Sends fd (dup'ed) along with the next frame encoded, one for each frame: another call
 * before that frame takes its place. At most 16 pending. */
bool conn_attach_fd(struct conn *conn, int fd);

/* The oldest descriptor received and not yet taken, -1 if none. */
int conn_take_fd(struct conn *conn);

bool conn_is_congested(const struct conn *conn);
/* It takes no more frames. What its peer sent before its end may still be read. */
bool conn_is_closed(const struct conn *conn);
size_t conn_pending_bytes(const struct conn *conn); /* waiting to be written */

/* Writes now as much as the socket takes (before exec, exit, or a long computation). */
void conn_flush(struct conn *conn);
void conn_flush_all(struct conn_set *set);

/* Closes after what is queued has been written, or two seconds later where the peer
 * doesn't read; on_closed follows then. */
void conn_shutdown(struct conn *conn);

int conn_fd(const struct conn *conn);

/* Reads what is there now without waiting for the loop (workers poll between slices).
 * Returns the number of frames handled. */
int conn_poll(struct conn *conn);

#endif
