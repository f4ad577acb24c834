/* worker_private -- what worker.c, worker_frames.c and worker_pulse.c share. */
#ifndef TROUPE_SUPERVISOR_WORKER_PRIVATE_H
#define TROUPE_SUPERVISOR_WORKER_PRIVATE_H

#include "common/buf.h"
#include "common/clock.h"

#include "proto/frame.h"

#include "supervisor/worker.h"
#include "supervisor/worker_table.h"

#define REASON_BYTES 256

struct workers {
    struct supervisor *sup;
    struct worker_hooks hooks;
    struct worker_times times;
    struct jail *jail; /* NULL: they are not confined */
    char *path;
    struct worker *by_index[PID_MAX_WORKERS];
    struct worker_table tables[PID_MAX_WORKERS]; /* kept for ever */
    uint32_t n;
    ev_timer heartbeat;
    uint64_t last_beat_at_ns, beat;
    uint64_t n_dropped; /* messages to those that are flooded */
};

struct worker_private {
    struct workers *workers;
    const struct worker_owner *owner;
    void *owner_context;
    const char *role, *entry;
    struct bytes settings;
    int pidfd; /* -1 = none */
    bool reaped, refused, stopped_seen;
    int status;             /* of waitpid, once reaped */
    char why[REASON_BYTES]; /* we killed it; "" = we didn't */
    uint64_t drain_until_ns;
    uint64_t asked_at_ns; /* worker_ask_hearing(); 0 = never */
    int64_t asked_cpu_ns; /* that it had used by then */
};

enum worker_event {
    WEV_HELLO,
    WEV_READY,
    WEV_FAILED,
    WEV_TIMEOUT, /* of the state's own timer */
    WEV_DRAIN,
    WEV_KILL,
    WEV_EOF,    /* its socket is closed */
    WEV_REAPED, /* its process has ended */
    WEV_N_EVENTS,
};

/* Moves w to the next state and does what that asks for; w may be gone then. */
void worker_step(struct worker *w, enum worker_event event);

/* conn's on_frame: frames about the worker's own life, all others to the hook. */
int worker_on_frame(void *context, uint8_t type, struct bytes body, struct err *err);

/* PINGs go out while there is a worker. */
void workers_init_pulse(struct workers *workers);
void workers_start_pulse(struct workers *workers);

static inline uint64_t worker_now_ns(void)
{
    return (uint64_t)clock_monotonic_ns();
}

#endif
