/*
 * events -- this worker's subscriptions to the bus.
 *
 * The supervisor is the sequencer: even a sender's own subscriptions get an event only
 * when it comes back from there, so that all see one order (EV-6).
 */
#ifndef TROUPE_WORKER_EVENTS_H
#define TROUPE_WORKER_EVENTS_H

#include <lua.h>

struct frame_event;
struct runtime;

struct subscriptions *events_create(void);
void events_destroy(struct subscriptions *subscriptions);

/* Gives the event to every subscription whose patterns match. */
void events_publish(struct runtime *rt, const struct frame_event *frame);

/* Pushes the module table `events`. */
int events_open(lua_State *L);

#endif
