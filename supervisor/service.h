/*
 * service -- lifecycle of everything that is supervised (processes.md section 16).
 *
 * A service is a registry entry with a lifecycle: process.service, process.host,
 * terminal.host and every other kind that a backend is registered for. Here is decided
 * *when* something starts, stops and starts again; *how* is its backend's business.
 *
 * Three layers. service_machine.c moves one service through its states by a table;
 * service_set.c holds them all: what each needs, what is desired, which may begin now,
 * who waits for which verb. service.c gives them a clock, the registry and their
 * backends. No verb waits for another: each marks what is desired, and every change of
 * state makes the next steps possible.
 *
 *   start    pulls in what the service needs; answered when it runs, failed or exited
 *   stop     takes along what needs it, dependents first; answered when it has stopped
 *   restart  stop, then start of everything that the stop took down
 *   reset    clears the retry counter; failed -> stopped; a wait for a restart ends now
 *
 * A verb that a later one contradicts is answered with Conflict.
 *
 * System targets: @services.list, @services.get [id], @services.start|stop|restart
 * [id, no_wait], @services.reset_failed [id]. Records: {id, kind, state, desired,
 * details, auto_start, retry_count, restarts, started_at, last_update (wall ns),
 * uptime_ms while it runs, next_try_at (wall ns) while it waits, pid}.
 */
#ifndef TROUPE_SUPERVISOR_SERVICE_H
#define TROUPE_SUPERVISOR_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/value.h"

struct err;
struct frame_exit;
struct service;
struct supervisor;

enum service_state {
    SERVICE_UNKNOWN,
    SERVICE_STARTING,
    SERVICE_RUNNING,
    SERVICE_STOPPING,
    SERVICE_STOPPED,
    SERVICE_FAILED, /* may be waiting for its restart */
    SERVICE_EXITED,
};
const char *service_state_name(enum service_state state);

struct services *services_create(struct supervisor *sup);
void services_destroy(struct services *services);

/*
 * How one kind is started and stopped. start() and stop() return at once; the outcome
 * comes later (or from inside) through service_on_started/_start_failed/_ended. kill()
 * must end it without further ado; service_on_ended() may follow or not. stop() and
 * kill() may come while start() is under way: it is then abandoned, and whatever it
 * still brings about must be undone by the backend.
 */
struct service_backend {
    const char *kind; /* "http.service"; a trailing '*' matches a prefix */
    void (*start)(struct service *service);
    void (*stop)(struct service *service, uint64_t timeout_ms);
    void (*kill)(struct service *service);
    void (*forget)(struct service *service); /* it is freed; may be NULL */
    uint64_t stop_grace_ms; /* how long after its timeout stop() may still take */
};
void services_add_backend(struct services *services,
                          const struct service_backend *backend);

/* For backends. */
void service_on_started(struct service *service);
void service_on_start_failed(struct service *service, const struct err *err);
/* It has ended; err = NULL when it ended well. */
void service_on_ended(struct service *service, const struct err *err);
struct supervisor *service_supervisor(const struct service *service);
void *service_backend_state(const struct service *service);
void service_set_backend_state(struct service *service, void *state);

/* An EXIT frame for a control pid (worker index 0). */
void services_on_exit(struct supervisor *sup, const struct frame_exit *frame);

/* Is pid the process of a process.service? */
bool services_has_actor(const struct services *services, uint64_t pid);

/* Boot: reads the registry and starts what has auto_start. done comes once, when each
 * of them runs, failed, exited or is blocked (also when there are none). */
void services_start_all(struct supervisor *sup, void (*done)(void *context),
                        void *context);

/* Shutdown: no more starts; everything stops, dependents first; what is left after
 * deadline_ms is killed. done comes once, when nothing is active any more. Called again
 * it sets a new deadline and a new done. */
void services_stop_all(struct supervisor *sup, uint64_t deadline_ms,
                       void (*done)(void *context), void *context);

/* The registry has changed: new services appear (and start if auto_start), removed ones
 * stop and go, changed ones take their new settings at their next start (SV-11). */
void services_refresh(struct supervisor *sup);

/* Calls done once when id runs (err NULL) or can't. Starts it if need be. */
void services_start(struct supervisor *sup, const char *id,
                    void (*done)(void *context, const struct err *err), void *context);

/* A list of records (status). */
struct value services_describe(const struct supervisor *sup);

#endif
