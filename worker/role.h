/*
 * role -- what this process is for: settings, heartbeat, drain, calls to the worker
 * itself.
 */
#ifndef TROUPE_WORKER_ROLE_H
#define TROUPE_WORKER_ROLE_H

#include "common/buf.h"

struct err;
struct frame_call;
struct runtime;

int role_on_setup(struct runtime *rt, struct bytes body, struct err *err);
int role_on_ping(struct runtime *rt, struct bytes body, struct err *err);
int role_on_drain(struct runtime *rt, struct bytes body, struct err *err);

/* Answers the CALL of an @target that workers have, see the table in role.c. */
void role_on_system_call(struct runtime *rt, const struct frame_call *frame);

/* Called between turns of the loop: a draining worker that has nothing left ends. */
void role_check_drained(struct runtime *rt);

#endif
