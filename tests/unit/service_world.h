/*
 * service_world -- services on a back end and a clock that do nothing by themselves.
 *
 * Each service answers what it was asked only when the test says so (or at once, if it
 * is told to be quick). What happens is written down as "+a" (start) "-a" (stop) "!a"
 * (kill).
 */
#ifndef TROUPE_TESTS_SERVICE_WORLD_H
#define TROUPE_TESTS_SERVICE_WORLD_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#include "supervisor/service_set.h"

#define MAX_FAKES 16

struct fake {
    char id[8];
    uint64_t due_at_ms; /* of its timer, 0 = none */
    bool starts, stops; /* asked to, not answered */
};

extern struct world {
    struct services services;
    struct fake fakes[MAX_FAKES];
    size_t n_fakes;
    uint64_t now_ms;
    bool quick, kicked;
    char trace[512];
} world;

void world_setup(void);
void world_teardown(void);

/* Edges as in test_service_order: "A!b" required, "A>b" derived. ids: one letter each;
 * upper case has auto_start, '?' before makes it optional. */
void world_load(const char *ids, const char *const *edges);

/* ---- time and what the back end says ---- */

void world_settle(void);

/* Lets time pass, firing timers in their order. */
void world_pass(uint64_t ms);

void world_started(const char *id);
void world_start_fails(const char *id, enum err_kind kind);
void world_ended(const char *id);
void world_crashes(const char *id, enum err_retry retryable);

/* ---- asking ---- */

struct service *world_get(const char *id); /* it must be there */
struct fake *world_fake_of(const struct service *service);
const char *world_state_of(const char *id);

struct answer {
    int n;
    bool failed;
    struct err err;
};

/* A services_begin() callback; context is a struct answer. */
void world_on_answer(void *context, const struct service *service,
                     const struct err *err);
void world_begin(const char *id, enum verb_kind kind, struct answer *answer);

/* A callback that counts; context is an int. */
void world_count_call(void *context);
void world_boot(int *done);

/* What happened since the last time. */
#define ck_trace(want)                                                                 \
    do {                                                                               \
        ck_assert_str_eq(world.trace, (want));                                         \
        world.trace[0] = '\0';                                                         \
    } while (0)

#endif
