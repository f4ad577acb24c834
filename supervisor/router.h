/*
 * router -- frame in, target, frame out.
 *
 * One table says for each frame type which function of which module takes it. A handler
 * returns -1 with err when no honest worker would have sent that frame: its sender is
 * killed then. Everything else that is wrong with a request is an answer to its origin.
 * The payload (REST) is passed on untouched.
 */
#ifndef TROUPE_SUPERVISOR_ROUTER_H
#define TROUPE_SUPERVISOR_ROUTER_H

#include <stdint.h>

#include "common/buf.h"

struct client;
struct err;
struct origin;
struct supervisor;
struct worker;

/*
 * Makes workers, calls, pools and code of sup and wires their hooks. sup's loop and
 * conns must be there, system too (the @targets are added to it); worker_path is taken,
 * NULL = look for it.
 */
void router_create(struct supervisor *sup, char *worker_path);
void router_destroy(struct supervisor *sup); /* kills what workers are left */

/* Whatever a worker sends that isn't about its own life; for its hook, and for those
 * who try it with rubbish. -1 = end that worker. */
int router_on_worker_frame(struct supervisor *sup, struct worker *from, uint8_t type,
                           struct bytes body, struct err *err);

/* Only CALL and CANCEL may come from a client. -1 = close its connection. */
int router_on_client_frame(struct supervisor *sup, struct client *from, uint8_t type,
                           struct bytes body, struct err *err);

/* The client's connection is gone: its calls are cancelled, its requests dropped. */
void router_on_client_gone(struct supervisor *sup, struct client *client);

/* A CALL of the supervisor itself: args = payload. origin is answered exactly once. */
void router_call_internal(struct supervisor *sup, const struct origin *origin,
                          const char *target, struct bytes args,
                          uint64_t deadline_at_ns);

/* Routes a SPAWN (whole body) for origin: host and entry are looked up here. */
void router_spawn(struct supervisor *sup, const struct origin *origin,
                  struct bytes body);

#endif
