/*
 * service_set -- all services with what each needs, and what is wanted of them.
 *
 * Private to service*.c and their tests; the clock, the timers and the loop come
 * through struct services_env, so that every order of events can be played without
 * waiting.
 *
 * Nothing here waits. A verb marks what is desired, of its service and of those that it
 * drags along, and asks for a settle; settling starts and stops what may start and stop
 * now, and again after each change of state, until nothing more is possible. Then verbs
 * whose service has arrived are answered.
 *
 * start_due: a start is owed as soon as the needs are met; `blocked` says why they
 * can't be for now (the debt stays, so that the service starts when they can). again:
 * it is being stopped for a restart; start_due follows when it and what it needs have
 * stopped.
 */
#ifndef TROUPE_SUPERVISOR_SERVICE_SET_H
#define TROUPE_SUPERVISOR_SERVICE_SET_H

#include <ev.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/map.h"

#include "supervisor/service.h"
#include "supervisor/service_machine.h"

struct entry;
struct err;
struct order;
struct services;

struct services_env {
    uint64_t (*now_ms)(void);
    double (*random)(void);
    void (*set_timer)(struct service *service,
                      uint64_t after_ms); /* service_on_timer */
    void (*clear_timer)(struct service *service);
    void (*kick)(struct services *services); /* services_settle soon, not now */
    void (*changed)(
        struct service *service); /* its shown state; for logs and the bus */
    void (*added)(struct service *service);
    void (*removed)(struct service *service);
};

struct service {
    struct machine machine;
    struct services *services;
    char *id, *kind;
    const struct service_backend *backend;
    void *backend_state;
    bool auto_start, optional;
    bool wanted; /* desired: running (else stopped) */
    bool start_due, again, removed;
    bool bereft;      /* it was up when one that it needs was removed */
    char *blocked;    /* why start_due can't be met, NULL = it can or isn't due */
    char *impossible; /* the same, by the graph itself */
    struct service **needs, **needed_by; /* sorted by id */
    size_t n_needs, n_needed_by;
    int64_t started_at_wall_ns, changed_at_wall_ns;
    uint64_t actor; /* pid of a process.service while it lives, else 0 */
    char *actor_host;
    struct entry
        *security_of;    /* whose lifecycle.security `security` is; NULL: none's */
    struct buf security; /* the context that its runs start with */
    struct ev_timer timer;
};

/* What service.c reads from the registry. Strings are borrowed. */
struct service_spec {
    const char *id, *kind;
    bool auto_start, optional;
    struct machine_policy policy;
};

enum verb_kind { VERB_START, VERB_STOP, VERB_RESTART };

/* Somebody waits for a service to arrive somewhere. */
struct verb {
    struct list in_services;
    struct service *service;
    enum verb_kind kind;
    /* err NULL = there. The verb is freed afterwards. */
    void (*done)(void *context, const struct service *service, const struct err *err);
    void *context;
};

struct services {
    struct supervisor *sup;
    const struct services_env *env;
    struct service **items; /* sorted by id */
    size_t n, size;
    const struct service_backend **backends;
    size_t n_backends;
    struct list verbs;
    struct map runs; /* process.service: control pid -> run */
    uint64_t last_control;
    bool settling, dirty;
    bool closing; /* shutdown has begun */
    void (*boot_done)(void *context);
    void *boot_context;
    void (*stop_done)(void *context);
    void *stop_context;
    struct ev_timer kick_timer, stop_timer;
};

void services_init(struct services *services, struct supervisor *sup,
                   const struct services_env *env);
void services_finish(struct services *services);

/* Makes the set equal to specs; order holds every spec's id as a service. What is new
 * and has auto_start is due for a start when start_new. */
void services_load(struct services *services, const struct service_spec *specs,
                   size_t n, const struct order *order, bool start_new);

struct service *services_find(const struct services *services, const char *id);

/* Returns NULL and sets err when the verb is refused; done may be NULL (nobody waits,
 * NULL is returned without err). The answer comes from services_settle(). */
struct verb *services_begin(struct services *services, struct service *service,
                            enum verb_kind kind,
                            void (*done)(void *, const struct service *,
                                         const struct err *),
                            void *context, struct err *err);
void services_drop_verb(struct verb *verb); /* it isn't answered */
void services_reset_failed(struct service *service);

void services_begin_boot(struct services *services, void (*done)(void *context),
                         void *context);
void services_begin_stop(struct services *services, void (*done)(void *context),
                         void *context);
void services_kill_all(struct services *services);

/* Between service_set.c and service_verbs.c. */
void services_ask_to_settle(struct services *services);
void services_sweep_removed(struct services *services);
void service_mark_start(struct service *service);
/* Does one that needs it, directly or not, want to start, and can't without it? */
bool service_is_waited_for(struct service *service);
void service_mark_stop(struct service *service, bool again);

void services_settle(struct services *services);
void service_on_timer(struct service *service);

enum service_state service_shown_state(const struct service *service);
const char *service_shown_details(const struct service *service);

#endif
