#include "tests/unit/service_world.h"

#include <string.h>

#include "tests/unit/unit.h"

/* Every verb in every state a service can be in (P6). */

static void no_way(void)
{
}

static void to_starting(void)
{
    world_begin("a", VERB_START, NULL);
    world_settle();
}

static void to_aborting(void)
{
    to_starting();
    world_begin("a", VERB_STOP, NULL);
    world_settle();
}

static void to_running(void)
{
    to_starting();
    world_started("a");
}

static void to_stopping(void)
{
    to_running();
    world_begin("a", VERB_STOP, NULL);
    world_settle();
}

static void to_stopped(void)
{
    to_stopping();
    world_ended("a");
}

static void to_failed(void)
{
    to_stopping();
    world_pass(10000);
}

static void to_backoff(void)
{
    to_running();
    world_crashes("a", RETRY_YES);
}

static void to_exited(void)
{
    to_running();
    world_ended("a");
}

enum p6_verb { P6_START, P6_STOP, P6_RESTART, P6_RESET, P6_SHUTDOWN, P6_N_VERBS };

/* Where each verb leads from each state once the back end has had its say. */
static const struct {
    void (*reach)(void);
    enum machine_state state;
    const char *after[P6_N_VERBS];
} p6[] = {
    // clang-format off
    /*                           start      stop       restart    reset      shutdown */
    {no_way,      MS_UNKNOWN,  {"running", "unknown", "running", "unknown", "unknown"}},
    {to_starting, MS_STARTING, {"running", "stopped", "running", "running", "stopped"}},
    {to_aborting, MS_ABORTING, {"running", "stopped", "running", "stopped", "stopped"}},
    {to_running,  MS_RUNNING,  {"running", "stopped", "running", "running", "stopped"}},
    {to_stopping, MS_STOPPING, {"running", "stopped", "running", "stopped", "stopped"}},
    {to_stopped,  MS_STOPPED,  {"running", "stopped", "running", "stopped", "stopped"}},
    {to_failed,   MS_FAILED,   {"running", "failed",  "running", "stopped", "failed"}},
    {to_backoff,  MS_BACKOFF,  {"running", "stopped", "running", "running", "stopped"}},
    {to_exited,   MS_EXITED,   {"running", "exited",  "running", "exited",  "exited"}},
    // clang-format on
};

static void do_verb(enum p6_verb verb, struct answer *answer)
{
    static const enum verb_kind kinds[] = {VERB_START, VERB_STOP, VERB_RESTART};
    struct err err = {0};

    *answer = (struct answer){0};
    if (verb == P6_RESET) {
        services_reset_failed(world_get("a"));
        answer->n = 1;
    } else if (verb == P6_SHUTDOWN) {
        services_begin_stop(&world.services, world_count_call, &answer->n);
    } else if (services_begin(&world.services, world_get("a"), kinds[verb],
                              world_on_answer, answer, &err) == NULL) {
        answer->n = 1;
        answer->failed = true;
    }
}

/* The back end answers everything that it was asked, well. */
static void be_good(void)
{
    struct fake *fake = world_fake_of(world_get("a"));

    for (int i = 0; i < 10; i++) {
        world_settle();
        if (fake->starts)
            world_started("a");
        if (fake->stops)
            world_ended("a");
    }
}

/* It never answers; timeouts do it all. */
static void be_dead(void)
{
    world_pass(100000);
}

static void check_not_stuck(const struct answer *answer)
{
    const struct service *service = world_get("a");

    ck_assert_msg(answer->n == 1, "answered %d times", answer->n);
    ck_assert(list_empty(&world.services.verbs));
    ck_assert(!service->start_due && !service->again);
}

START_TEST(p6_one_verb)
{
    enum p6_verb verb = (enum p6_verb)(_i % P6_N_VERBS);
    size_t row = (size_t)_i / P6_N_VERBS;
    struct answer answer;

    world_load("a", NULL);
    p6[row].reach();
    ck_assert_int_eq(world_get("a")->machine.state, p6[row].state);
    do_verb(verb, &answer);
    be_good();
    ck_assert_str_eq(world_state_of("a"), p6[row].after[verb]);
    check_not_stuck(&answer);
    ck_assert_uint_eq(world_fake_of(world_get("a"))->due_at_ms, 0);
}
END_TEST

START_TEST(p6_one_verb_and_a_dead_back_end)
{
    enum p6_verb verb = (enum p6_verb)(_i % P6_N_VERBS);
    size_t row = (size_t)_i / P6_N_VERBS;
    struct answer answer;
    enum service_state state;

    world_load("a", NULL);
    world_get("a")->machine.policy.backoff.max_attempts = 3;
    p6[row].reach();
    do_verb(verb, &answer);
    be_dead();
    check_not_stuck(&answer);
    state = service_shown_state(world_get("a"));
    ck_assert_msg(state != SERVICE_STARTING && state != SERVICE_STOPPING, "stuck %s",
                  world_state_of("a"));
}
END_TEST

/* The last verb wins (reset only where there is something to reset), the first is
 * answered all the same. With and without a breath in between. */
START_TEST(p6_two_verbs)
{
    size_t row = (size_t)_i / (P6_N_VERBS * P6_N_VERBS * 2);
    enum p6_verb first = (enum p6_verb)(_i / (P6_N_VERBS * 2) % P6_N_VERBS);
    enum p6_verb second = (enum p6_verb)(_i / 2 % P6_N_VERBS);
    struct answer one, two;
    const char *state;

    world_load("a", NULL);
    p6[row].reach();
    do_verb(first, &one);
    if (_i % 2 == 1)
        world_settle();
    do_verb(second, &two);
    be_good();
    if (first == P6_SHUTDOWN && second == P6_SHUTDOWN)
        ck_assert_int_le(one.n, 1); /* the second answer takes its place */
    else
        check_not_stuck(&one);
    check_not_stuck(&two);
    state = world_state_of("a");
    if (first == P6_SHUTDOWN || second == P6_SHUTDOWN || second == P6_STOP)
        ck_assert_msg(strcmp(state, "running") != 0, "runs");
    else if (second == P6_START || second == P6_RESTART)
        ck_assert_str_eq(state, "running");
    else if (first == P6_START || first == P6_RESTART)
        ck_assert_str_eq(state, "running");
    ck_assert_uint_eq(world_fake_of(world_get("a"))->due_at_ms, 0);
}
END_TEST

START_TEST(a_verb_overtaken_by_its_opposite_is_told_so)
{
    struct answer start, stop;

    world_load("a", NULL);
    world_begin("a", VERB_START, &start);
    world_settle();
    world_begin("a", VERB_STOP, &stop);
    world_settle();
    ck_assert_int_eq(start.n, 1);
    ck_assert_int_eq(start.err.kind, ERR_CONFLICT);
    world_begin("a", VERB_START, &start);
    world_settle();
    ck_assert_int_eq(stop.n, 1);
    ck_assert_int_eq(stop.err.kind, ERR_CONFLICT);
    world_started(
        "a"); /* of the first start, in spite of its stop: stopped once more */
    world_ended("a");
    world_started("a");
    ck_assert_int_eq(start.n, 1);
    ck_assert(!start.failed);
    ck_trace("+a-a-a+a");
}
END_TEST

static void fill(TCase *tc)
{
    int n_rows = (int)N_ELEMENTS(p6);

    tcase_add_checked_fixture(tc, world_setup, world_teardown);
    tcase_add_loop_test(tc, p6_one_verb, 0, n_rows * P6_N_VERBS);
    tcase_add_loop_test(tc, p6_one_verb_and_a_dead_back_end, 0, n_rows * P6_N_VERBS);
    tcase_add_loop_test(tc, p6_two_verbs, 0, n_rows * P6_N_VERBS * P6_N_VERBS * 2);
    tcase_add_test(tc, a_verb_overtaken_by_its_opposite_is_told_so);
}

int main(void)
{
    return unit_main("service_verbs", fill);
}
