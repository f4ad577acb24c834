/*
 * system -- targets that start with '@': what the supervisor itself answers.
 *
 * Everything that is not the hot path comes in here, from workers and from supctl
 * alike: one sorted table, one place to check permissions. A handler gets its decoded
 * arguments and answers through its request exactly once, now or later; a request that
 * outlives its handler is kept by it (it owns a copy of the origin) and must end in an
 * answer.
 */
#ifndef TROUPE_SUPERVISOR_SYSTEM_H
#define TROUPE_SUPERVISOR_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/value.h"

#include "supervisor/calls.h"

struct supervisor;
struct system;

struct request {
    struct supervisor *sup;
    struct origin origin;
    uint64_t caller;         /* pid of the calling actor, 0 = none (supctl) */
    uint64_t deadline_at_ns; /* monotonic, 0 = none */
    const char *target;      /* "names.register", without '@' */
    struct value args;       /* a list; freed by request_reply_* */
    /* The origin was answered (Canceled, Timeout) or is gone. true: the handler has let
     * go of the request, which is freed; NULL or false: it answers later, to nobody. */
    bool (*on_cancel)(struct request *request);
    /* The supervisor ends without an answer: frees state. NULL: nothing to free. */
    void (*on_drop)(struct request *request);
    void *state; /* the handler's own */
};

/* The argument i, counted from 0; NULL when there is none, or none of that type. */
const struct value *request_arg(const struct request *request, size_t i);
const struct value *request_arg_as(const struct request *request, size_t i,
                                   enum value_type type);
const char *request_text(const struct request *request, size_t i); /* of a string */

/* Each takes the request, answers its origin and frees it. */
void request_reply(struct request *request,
                   const struct value *result);                         /* NULL = nil */
void request_reply_taken(struct request *request, struct value result); /* takes it */
void request_reply_raw(struct request *request, struct bytes payload);
void request_fail(struct request *request, const struct err *err);
void request_refuse(struct request *request, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with details, a map, which is taken. */
void request_fail_with(struct request *request, const struct err *err,
                       struct value details);
/* Streaming handlers: one more item; false = the peer is gone, end it. */
bool request_item(struct request *request, const struct value *item);

struct system_target {
    const char *name;                        /* without '@', e.g. "names.register" */
    void (*handle)(struct request *request); /* takes request */
    enum { ALLOW_WORKER = 1, ALLOW_CLIENT = 2, ALLOW_ANY = 3 } allow;
};

/* Modules register their const tables at start-up (names, bus, registry, ...). */
void system_add_targets(struct system *system, const struct system_target *targets,
                        unsigned n_targets);

struct system *system_create(struct supervisor *sup);
void system_destroy(struct system *system);

/* The router hands a CALL whose target starts with '@' over; args is its REST. Answers
 * NotFound for an unknown target, Invalid for malformed args, Timeout at the
 * deadline. */
void system_call(struct system *system, const struct origin *origin,
                 struct bytes target, uint64_t caller, uint64_t deadline_at_ns,
                 struct bytes args);

/* CANCEL of a request under way, or its origin's death (origin is then not
 * answered). */
void system_cancel(struct system *system, const struct origin *origin);
void system_origin_gone(struct system *system, const void *worker_or_client);

#define SYSTEM_MAX_OPEN 100000 /* requests that wait, of all peers together */
unsigned system_count_open(const struct system *system);

#endif
