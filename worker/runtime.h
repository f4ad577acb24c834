/*
 * runtime -- everything a worker process has; main.c makes it and hands it on.
 */
#ifndef TROUPE_WORKER_RUNTIME_H
#define TROUPE_WORKER_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "common/list.h"

#include "proto/conn.h"

#include "worker/sched.h"
#include "worker/slots.h"

enum role { ROLE_POOL, ROLE_HOST, ROLE_TERMINAL, ROLE_COMPILE };

/* What happens when data doesn't fit a schema (contract.validation). */
enum validation { VALIDATION_ENFORCE, VALIDATION_WARN, VALIDATION_OFF };

/* From SETUP; see proto/frames.def. */
struct settings {
    enum role role;
    char entry[256]; /* the pool's function or the host */
    uint32_t index;
    uint32_t vm_actors;    /* actors sharing one lua_State */
    uint64_t vm_max_bytes; /* soft ceiling of one lua_State */
    uint64_t mailbox_max_bytes;
    int log_level;    /* what is below it isn't sent */
    uint32_t n_warm;  /* instances of the pool's function to load at the start */
    bool probe;       /* READY only when they (at least one) have been loaded */
    bool shared;      /* all calls run on one loaded instance, see functions.c */
    bool strict_mode; /* security.strict_mode */
    enum validation validation;
};

struct runtime {
    struct ev_loop *loop;
    struct conn_set conns;
    struct uplink *uplink;
    struct sched sched;
    struct slots slots;
    liveness_word *liveness; /* this worker's own table */
    struct programs *programs;
    struct peers *peers; /* liveness tables of other workers */
    struct functions *functions;
    struct policies *policies;
    struct list births;                  /* spawns under way, see spawn.c */
    struct contracts *contracts;         /* definitions and bindings in use */
    struct subscriptions *subscriptions; /* of the event bus */
    struct metrics *metrics;
    struct group_watches *group_watches; /* see groups.h */
    struct terminal *terminal;           /* role terminal, else NULL */
    struct settings settings;
    uint32_t n_probing; /* instances that READY waits for */
    bool set_up, draining, stop;
    ev_timer drain_timer; /* of a host: who is left then is terminated */
    int exit_status;
    uint64_t n_mailbox_drops; /* messages that a full mailbox didn't take */
    struct buf record;        /* fields of a log record, before it goes out */
    struct buf scratch;       /* for one encoding at a time, never across a yield */
};

/* Makes what every role has. rt is all zero but for its loop and its liveness table,
 * which stay the caller's; takes fd, the socket to the supervisor. */
void runtime_init(struct runtime *rt, int fd);

/* Ends every actor and frees the rest. */
void runtime_finish(struct runtime *rt);

#endif
