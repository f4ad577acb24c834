/*
 * service_machine -- the states of one service, as a table (SV-3 … SV-9).
 *
 * Pure: time, timer and what is started come through struct machine_ops. Two states are
 * told apart here that look the same from outside: ABORTING (a stop came while the
 * start was under way) shows as stopping, BACKOFF (a restart is due) as failed.
 *
 * Every event has a cell in every state, so that any verb at any time ends in a state
 * that is meant. Entering a state is the only thing that sets the timer.
 */
#ifndef TROUPE_SUPERVISOR_SERVICE_MACHINE_H
#define TROUPE_SUPERVISOR_SERVICE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/service.h"
#include "supervisor/service_backoff.h"

struct err;
struct machine;

enum machine_state {
    MS_UNKNOWN,
    MS_STARTING,
    MS_ABORTING,
    MS_RUNNING,
    MS_STOPPING,
    MS_STOPPED,
    MS_FAILED,
    MS_BACKOFF,
    MS_EXITED,
    MS_N_STATES,
};

enum machine_event {
    ME_START,        /* somebody wants it to run, all its needs are met */
    ME_STARTED,      /* backend */
    ME_START_FAILED, /* backend; err */
    ME_ENDED,        /* backend; err, or NULL when it ended well */
    ME_STOP,         /* somebody wants it stopped, nothing that needs it is active */
    ME_KILL,         /* no more patience at shutdown */
    ME_TIMEOUT,      /* of the state's timer */
    ME_RESET,        /* reset-failed */
    ME_N_EVENTS,
};

struct machine_policy {
    uint64_t start_timeout_ms, stop_timeout_ms, stable_threshold_ms;
    uint64_t
        stop_grace_ms; /* on top of stop_timeout_ms, for a backend that kills itself */
    struct backoff backoff;
};

struct machine_ops {
    uint64_t (*now_ms)(struct machine *machine);                   /* monotonic */
    double (*random)(struct machine *machine);                     /* [0, 1) */
    void (*set_timer)(struct machine *machine, uint64_t after_ms); /* ME_TIMEOUT then */
    void (*clear_timer)(struct machine *machine);
    /* As in struct service_backend; may step the machine from inside. */
    void (*start)(struct machine *machine);
    void (*stop)(struct machine *machine);
    void (*kill)(struct machine *machine);
    void (*changed)(struct machine *machine,
                    enum machine_state old); /* must not step */
};

struct machine {
    const struct machine_ops *ops;
    struct machine_policy policy;
    enum machine_state state;
    uint32_t n_failures;       /* in a row: the retry count of SV-7 */
    uint32_t n_restarts;       /* automatic ones, ever */
    uint64_t running_since_ms; /* of the last time that it ran, 0 = never */
    uint64_t next_try_at_ms;   /* BACKOFF only, else 0 */
    bool ended_well;           /* EXITED only */
    bool stop_timed_out;       /* FAILED only */
    char details[512];
};

void machine_init(struct machine *machine, const struct machine_ops *ops,
                  const struct machine_policy *policy);
void machine_step(struct machine *machine, enum machine_event event,
                  const struct err *err);

enum service_state machine_shown_state(const struct machine *machine);
/* It occupies something: starting, running or on its way down. */
bool machine_is_active(const struct machine *machine);

#endif
