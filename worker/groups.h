/*
 * groups -- this worker's part in process groups: who watches them, what comes for its
 * members.
 *
 * The table is the supervisor's. A watch counts from the moment in which the answer
 * with its snapshot is read from the uplink, not from when its task runs again: every
 * GROUP frame behind that answer is news, every one before it is in the snapshot
 * (PG-2).
 */
#ifndef TROUPE_WORKER_GROUPS_H
#define TROUPE_WORKER_GROUPS_H

#include <stdbool.h>

#include "common/buf.h"

#include "worker/actor.h"

struct channel;
struct err;
struct runtime;
struct task;
struct value;

/* A subscription object: userdata, uservalue 1 its channel. */
struct group_watch {
    struct resource resource;
    struct list node; /* among all, while it is active */
    struct actor *actor;
    struct channel *channel;
    struct group_request *request; /* until the supervisor has answered */
    char *scope, *group;           /* malloc'ed; group NULL: all of the scope */
    size_t group_bytes;
    bool active;
};

struct group_watches *groups_create(void);
void groups_destroy(struct group_watches *watches);

/* Asks for the snapshot; the task is woken with it (WAKE_REPLY). Before
 * task_block(). */
void groups_start_watch(struct group_watch *watch, struct task *task);

/* It gets nothing any more; the supervisor hears of it. Frees scope and group. */
void groups_end_watch(struct group_watch *watch);

/* The frame GROUP. */
int groups_on_group(struct runtime *rt, struct bytes body, struct err *err);

/* The call "@pg.deliver" [from, host, topic, payload, pids as bytes], or with
 * [traceparent of the sender, spans of the first pids as bytes] behind that. */
int groups_deliver(struct runtime *rt, const struct value *args, struct value *result,
                   struct err *err);

#endif
