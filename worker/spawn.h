/*
 * spawn -- starting actors of this worker, whoever asked for them.
 */
#ifndef TROUPE_WORKER_SPAWN_H
#define TROUPE_WORKER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct actor;
struct context;
struct err;
struct runtime;

struct spawn_request {
    struct bytes entry;
    uint64_t parent;                      /* who monitors or links, per flags */
    uint8_t flags;                        /* SPAWN_MONITOR, SPAWN_LINK */
    bool is_known;                        /* the supervisor must hear of its end */
    struct context *inherited;            /* instead of context's bytes; referenced */
    struct bytes context, messages, args; /* as in SPAWN; copied */
    uint64_t call; /* the SPAWN's number, 0 for one from within this worker */
};

/* Loads the entry's program if need be, starts an actor, sets up watches and first
 * messages, then calls done once, perhaps at once: with the actor, which runs when the
 * scheduler gets to it, or with err (PR-4, PM-2c) and NULL. */
void spawn_local(struct runtime *rt, const struct spawn_request *request,
                 void (*done)(void *context, struct actor *actor,
                              const struct err *err),
                 void *context);

/* Nobody wants the actor of that SPAWN any more: if it still loads it ends, and done is
 * called with err (Canceled). false when no such spawn is under way. */
bool spawn_give_up(struct runtime *rt, uint64_t call);

#endif
