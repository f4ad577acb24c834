/*
 * inbound -- frames about actors that come from the supervisor.
 *
 * Each is carried out by the actor that it names, and answered where somebody waits for
 * that. An actor that has ended meanwhile is nobody's fault. -1: the frame is
 * malformed.
 */
#ifndef TROUPE_WORKER_INBOUND_H
#define TROUPE_WORKER_INBOUND_H

#include "common/buf.h"

struct err;
struct runtime;

int inbound_on_send(struct runtime *rt, struct bytes body, struct err *err);
int inbound_on_send_traced(struct runtime *rt, struct bytes body, struct err *err);
int inbound_on_spawn(struct runtime *rt, struct bytes body, struct err *err);
int inbound_on_cancel(struct runtime *rt, struct bytes body, struct err *err);
int inbound_on_watch(struct runtime *rt, struct bytes body, struct err *err);
int inbound_on_exit(struct runtime *rt, struct bytes body, struct err *err);
int inbound_on_signal(struct runtime *rt, struct bytes body, struct err *err);
int inbound_on_event(struct runtime *rt, struct bytes body, struct err *err);

#endif
