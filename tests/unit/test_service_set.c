#include "supervisor/service_set.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#include "supervisor/service_order.h"

#include "tests/unit/unit.h"

/*
 * The whole lifecycle against a back end and a clock that do nothing by themselves:
 * each service answers what it was asked only when the test says so (or at once, if it
 * is told to be quick). What happens is written down as "+a" (start) "-a" (stop) "!a"
 * (kill).
 */
#define MAX_FAKES 16

struct fake {
    char id[8];
    uint64_t due_at_ms; /* of its timer, 0 = none */
    bool starts, stops; /* asked to, not answered */
};

static struct world {
    struct services services;
    struct fake fakes[MAX_FAKES];
    size_t n_fakes;
    uint64_t now_ms;
    bool quick, kicked;
    char trace[512];
} world;

static struct fake *fake_of(const struct service *service)
{
    for (size_t i = 0; i < world.n_fakes; i++)
        if (strcmp(world.fakes[i].id, service->id) == 0)
            return &world.fakes[i];
    ck_assert_uint_lt(world.n_fakes, MAX_FAKES);
    snprintf(world.fakes[world.n_fakes].id, sizeof(world.fakes[0].id), "%s",
             service->id);
    return &world.fakes[world.n_fakes++];
}

static void note(char what, const struct service *service)
{
    size_t at = strlen(world.trace);

    snprintf(world.trace + at, sizeof(world.trace) - at, "%c%s", what, service->id);
}

static uint64_t fake_now_ms(void)
{
    return world.now_ms;
}

static double fake_random(void)
{
    return 0.5;
}

static void fake_set_timer(struct service *service, uint64_t after_ms)
{
    fake_of(service)->due_at_ms = world.now_ms + after_ms;
}

static void fake_clear_timer(struct service *service)
{
    fake_of(service)->due_at_ms = 0;
}

static void fake_kick(struct services *services)
{
    (void)services;
    world.kicked = true;
}

static void fake_ignore(struct service *service)
{
    (void)service;
}

static const struct services_env fake_env = {
    .now_ms = fake_now_ms,
    .random = fake_random,
    .set_timer = fake_set_timer,
    .clear_timer = fake_clear_timer,
    .kick = fake_kick,
    .changed = fake_ignore,
    .added = fake_ignore,
    .removed = fake_ignore,
};

static void fake_start(struct service *service)
{
    note('+', service);
    fake_of(service)->starts = true;
    if (world.quick) {
        fake_of(service)->starts = false;
        service_on_started(service);
    }
}

static void fake_stop(struct service *service, uint64_t timeout_ms)
{
    ck_assert_uint_eq(timeout_ms, 10000);
    note('-', service);
    fake_of(service)->stops = true;
    if (world.quick) {
        fake_of(service)->stops = false;
        service_on_ended(service, NULL);
    }
}

static void fake_kill(struct service *service)
{
    note('!', service);
    fake_of(service)->starts = fake_of(service)->stops = false;
}

static const struct service_backend fake_backend = {
    .kind = "*", .start = fake_start, .stop = fake_stop, .kill = fake_kill};

/* ---- building ------------------------------------------------------------------ */

static const struct machine_policy policy = {
    .start_timeout_ms = 10000,
    .stop_timeout_ms = 10000,
    .stable_threshold_ms = 5000,
    .backoff = {.initial_delay_ms = 1000, .max_delay_ms = 90000, .factor = 2},
};

/* Edges as in test_service_order: "A!b" required, "A>b" derived. ids: one letter each;
 * upper case has auto_start, '?' before makes it optional. */
static void load(const char *ids, const char *const *edges)
{
    struct order *order = order_create();
    struct service_spec specs[MAX_FAKES];
    char names[MAX_FAKES][2];
    size_t n = 0;
    bool optional = false;

    for (; *ids != '\0'; ids++) {
        if (*ids == '?') {
            optional = true;
            continue;
        }
        snprintf(names[n], 2, "%c", *ids);
        specs[n] = (struct service_spec){.id = names[n],
                                         .kind = "fake",
                                         .auto_start = *ids < 'a',
                                         .optional = optional,
                                         .policy = policy};
        order_add_node(order, names[n++], true);
        optional = false;
    }
    for (; edges != NULL && *edges != NULL; edges++) {
        char from[2] = {(*edges)[0], 0}, to[2] = {(*edges)[2], 0};

        order_add_edge(order, order_add_node(order, from, false), to,
                       (*edges)[1] == '!');
    }
    order_resolve(order);
    services_load(&world.services, specs, n, order, world.services.n != 0);
    order_destroy(order);
}

static void setup(void)
{
    memset(&world, 0, sizeof(world));
    world.now_ms = 1000000;
    services_init(&world.services, NULL, &fake_env);
    services_add_backend(&world.services, &fake_backend);
}

static void teardown(void)
{
    services_finish(&world.services);
}

/* ---- playing ------------------------------------------------------------------- */

static struct service *get(const char *id)
{
    struct service *service = services_find(&world.services, id);

    ck_assert_msg(service != NULL, "no service %s", id);
    return service;
}

static const char *state_of(const char *id)
{
    static const char *const names[] = {"unknown", "starting", "running", "stopping",
                                        "stopped", "failed",   "exited"};

    return names[service_shown_state(get(id))];
}

static void settle(void)
{
    while (world.kicked) {
        world.kicked = false;
        services_settle(&world.services);
    }
}

/* Lets time pass, firing timers in their order. */
static void pass(uint64_t ms)
{
    uint64_t until = world.now_ms + ms;

    for (;;) {
        struct fake *next = NULL;

        settle();
        for (size_t i = 0; i < world.n_fakes; i++) {
            struct fake *fake = &world.fakes[i];

            if (fake->due_at_ms != 0 && fake->due_at_ms <= until &&
                (next == NULL || fake->due_at_ms < next->due_at_ms))
                next = fake;
        }
        if (next == NULL)
            break;
        world.now_ms = next->due_at_ms;
        next->due_at_ms = 0;
        service_on_timer(get(next->id));
    }
    world.now_ms = until;
    settle();
}

static void started(const char *id)
{
    ck_assert_msg(fake_of(get(id))->starts, "%s was not asked to start", id);
    fake_of(get(id))->starts = false;
    service_on_started(get(id));
    settle();
}

static void start_fails(const char *id, enum err_kind kind)
{
    struct err err = {0};

    err_set(&err, kind, "no such luck");
    ck_assert_msg(fake_of(get(id))->starts, "%s was not asked to start", id);
    fake_of(get(id))->starts = false;
    service_on_start_failed(get(id), &err);
    settle();
}

static void ended(const char *id)
{
    fake_of(get(id))->stops = false;
    service_on_ended(get(id), NULL);
    settle();
}

static void crashes(const char *id, enum err_retry retryable)
{
    struct err err = {0};

    err_set(&err, ERR_INTERNAL, "boom");
    err.retryable = retryable;
    fake_of(get(id))->stops = false;
    service_on_ended(get(id), &err);
    settle();
}

struct answer {
    int n;
    bool failed;
    struct err err;
};

static void on_answer(void *context, const struct service *service,
                      const struct err *err)
{
    struct answer *answer = context;

    (void)service;
    answer->n++;
    answer->failed = err != NULL;
    if (err != NULL)
        answer->err = *err;
}

static void begin(const char *id, enum verb_kind kind, struct answer *answer)
{
    struct err err = {0};

    if (answer != NULL)
        *answer = (struct answer){0};
    services_begin(&world.services, get(id), kind, answer != NULL ? on_answer : NULL,
                   answer, &err);
    ck_assert_str_eq(err.text, "");
}

static void count_call(void *context)
{
    (*(int *)context)++;
}

static void boot(int *done)
{
    services_begin_boot(&world.services, count_call, done);
    settle();
}

#define ck_trace(want)                                                                 \
    do {                                                                               \
        ck_assert_str_eq(world.trace, (want));                                         \
        world.trace[0] = '\0';                                                         \
    } while (0)

/* ---- starting (SV-4, SV-5, SV-8) ------------------------------------------------ */

/* Complaint 1: what is needed must be ready, not merely on its way. */
START_TEST(sv8_starts_after_all_needs_run)
{
    static const char *const edges[] = {"A!b", "A>c", "b>c", NULL};
    int done = 0;

    load("Abc", edges);
    boot(&done);
    ck_trace("+c");
    started("c");
    ck_trace("+b");
    ck_assert_str_eq(state_of("A"), "unknown");
    started("b");
    ck_trace("+A");
    ck_assert_int_eq(done, 0);
    started("A");
    ck_assert_int_eq(done, 1);
    ck_assert_str_eq(state_of("A"), "running");
}
END_TEST

START_TEST(sv8_independent_ones_start_in_parallel_by_id)
{
    int done = 0;

    load("CABd", NULL);
    boot(&done);
    ck_trace("+A+B+C");
    ck_assert_str_eq(state_of("d"), "unknown");
}
END_TEST

START_TEST(sv8_a_failed_need_blocks_dependents_only)
{
    static const char *const edges[] = {"A!B", "C!D", NULL};
    int done = 0;

    load("ABCD", edges);
    boot(&done);
    start_fails("B", ERR_NOT_FOUND);
    started("D");
    started("C");
    ck_assert_int_eq(done, 1);
    ck_assert_str_eq(state_of("B"), "exited");
    ck_assert_str_eq(state_of("A"), "failed");
    ck_assert_str_eq(service_shown_details(get("A")),
                     "not started: it needs B, which is exited");
    ck_assert_str_eq(state_of("C"), "running");
    ck_trace("+B+D+C");
}
END_TEST

START_TEST(sv8_a_blocked_one_starts_when_its_need_comes_up)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    load("AB", edges);
    boot(&done);
    start_fails("B", ERR_UNAVAILABLE);
    ck_assert_str_eq(state_of("A"), "failed");
    pass(1000);
    started("B");
    started("A");
    ck_assert_str_eq(state_of("A"), "running");
    ck_assert_str_eq(service_shown_details(get("A")), "");
    ck_trace("+B+B+A");
}
END_TEST

START_TEST(life01_an_optional_need_blocks_nobody)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    load("A?B", edges);
    boot(&done);
    ck_trace("+B");
    start_fails("B", ERR_INVALID);
    started("A");
    ck_assert_int_eq(done, 1);
    ck_trace("+A");
}
END_TEST

START_TEST(sv8_missing_dependency_is_told)
{
    static const char *const edges[] = {"A!x", NULL};
    struct answer answer;
    int done = 0;

    load("A", edges);
    boot(&done);
    ck_assert_int_eq(done, 1);
    begin("A", VERB_START, &answer);
    settle();
    ck_assert_int_eq(answer.n, 1);
    ck_assert_int_eq(answer.err.kind, ERR_INVALID);
    ck_assert_str_eq(answer.err.text, "service startup blocked by missing "
                                      "dependencies: A requires x");
    ck_trace("");
}
END_TEST

START_TEST(sv8_a_cycle_fails_all_on_it_and_those_behind)
{
    static const char *const edges[] = {"A!B", "B!A", "C!A", NULL};
    int done = 0;

    load("ABCD", edges);
    boot(&done);
    started("D");
    ck_assert_int_eq(done, 1);
    ck_assert_str_eq(service_shown_details(get("A")),
                     "service startup blocked by a cycle: A -> B -> A");
    ck_assert_str_eq(state_of("C"), "failed");
    ck_trace("+D");
}
END_TEST

START_TEST(sv8_a_need_that_exited_well_is_met)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    load("ABc", edges);
    world.quick = true;
    begin("B", VERB_START, NULL);
    settle();
    ended("B");
    ck_assert_str_eq(state_of("B"), "exited");
    begin("A", VERB_START, NULL);
    settle();
    ck_assert_str_eq(state_of("A"), "running");
    ck_trace("+B+A"); /* it isn't run twice */
    (void)done;
}
END_TEST

START_TEST(sv8_a_need_that_fails_later_touches_nobody)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    world.quick = true;
    load("AB", edges);
    boot(&done);
    crashes("B", RETRY_UNKNOWN);
    ck_assert_str_eq(state_of("A"), "running");
    ck_assert_str_eq(state_of("B"), "failed");
    ck_trace("+B+A");
}
END_TEST

START_TEST(sv4_start_timeout_fails_and_tries_again)
{
    int done = 0;

    load("A", NULL);
    boot(&done);
    pass(9999);
    ck_assert_str_eq(state_of("A"), "starting");
    pass(1);
    ck_assert_str_eq(state_of("A"), "failed");
    ck_assert_str_eq(service_shown_details(get("A")), "start timeout");
    ck_assert_int_eq(done, 1);
    ck_trace("+A!A");
    pass(1000);
    ck_assert_str_eq(service_shown_details(get("A")), "attempt 2");
    started("A");
    ck_assert_str_eq(state_of("A"), "running");
}
END_TEST

/* ---- ends and restarts (SV-6, SV-7) --------------------------------------------- */

static const struct {
    bool fails;
    enum err_retry retryable;
    const char *state;
    bool restarts;
} ends[] = {
    {false, RETRY_UNKNOWN, "exited", false},
    {true, RETRY_NO, "exited", false},
    {true, RETRY_UNKNOWN, "failed", true},
    {true, RETRY_YES, "failed", true},
};

START_TEST(sv6_end_decides_on_restart)
{
    int done = 0;

    world.quick = true;
    load("A", NULL);
    boot(&done);
    if (ends[_i].fails)
        crashes("A", ends[_i].retryable);
    else
        ended("A");
    ck_assert_str_eq(state_of("A"), ends[_i].state);
    if (ends[_i].restarts)
        ck_assert_str_eq(service_shown_details(get("A")), "process failed: boom");
    pass(1000000);
    ck_trace(ends[_i].restarts ? "+A+A" : "+A");
}
END_TEST

/* Complaint 2 and 13: the delays as they can be observed; no wall clock involved. */
START_TEST(sv7_delays_double_and_never_end)
{
    static const uint64_t want_s[] = {1, 2, 4, 8, 16, 32, 64, 90, 90, 90};
    int done = 0;

    load("A", NULL);
    boot(&done);
    started("A");
    for (size_t i = 0; i < N_ELEMENTS(want_s); i++) {
        crashes("A", RETRY_YES);
        ck_assert_uint_eq(get("A")->machine.n_failures, i + 1);
        ck_assert_uint_eq(get("A")->machine.next_try_at_ms,
                          world.now_ms + want_s[i] * 1000);
        pass(want_s[i] * 1000 - 1);
        ck_assert_str_eq(state_of("A"), "failed");
        pass(1);
        started("A");
    }
    ck_assert_uint_eq(get("A")->machine.n_restarts, N_ELEMENTS(want_s));
}
END_TEST

START_TEST(sv7_a_stable_run_resets_the_count)
{
    int done = 0;

    load("A", NULL);
    boot(&done);
    started("A");
    for (int i = 0; i < 3; i++) {
        crashes("A", RETRY_YES);
        pass(1000 << i);
        started("A");
    }
    ck_assert_uint_eq(get("A")->machine.n_failures, 3);
    pass(4999);
    crashes("A", RETRY_YES);
    ck_assert_uint_eq(get("A")->machine.n_failures, 4);
    pass(8000);
    started("A");
    pass(5000);
    crashes("A", RETRY_YES);
    ck_assert_uint_eq(get("A")->machine.n_failures, 1);
}
END_TEST

/* T-19, complaint 3 (and OTP's hanging_restart_loop: it ends). */
START_TEST(sv7_max_attempts_are_runs_in_all)
{
    int done = 0;

    world.quick = true;
    load("A", NULL);
    get("A")->machine.policy.backoff.max_attempts = 3;
    boot(&done);
    for (int i = 0; i < 3; i++) {
        crashes("A", RETRY_YES);
        pass(i == 2 ? 1000000 : 1000 << i);
    }
    ck_assert_str_eq(state_of("A"), "failed");
    ck_trace("+A+A+A");
    services_reset_failed(get("A"));
    ck_assert_str_eq(state_of("A"), "stopped");
    ck_assert_uint_eq(get("A")->machine.n_failures, 0);
}
END_TEST

/* ---- stopping (SV-9, SV-10) ----------------------------------------------------- */

START_TEST(sv9_stops_dependents_first_level_by_level)
{
    static const char *const edges[] = {"A!c", "B!c", "c!d", NULL};
    int done = 0, stopped = 0;

    world.quick = true;
    load("ABcd", edges);
    boot(&done);
    ck_trace("+d+c+A+B");
    world.quick = false;
    services_begin_stop(&world.services, count_call, &stopped);
    settle();
    ck_trace("-A-B");
    ended("A");
    ck_trace("");
    ended("B");
    ck_trace("-c");
    ended("c");
    ck_trace("-d");
    ck_assert_int_eq(stopped, 0);
    ended("d");
    ck_assert_int_eq(stopped, 1);
}
END_TEST

START_TEST(sv9_stop_timeout_kills_and_goes_on)
{
    static const char *const edges[] = {"A!b", NULL};
    struct answer answer;
    int done = 0;

    world.quick = true;
    load("Ab", edges);
    boot(&done);
    world.quick = false;
    world.trace[0] = '\0';
    begin("b", VERB_STOP, &answer);
    pass(9999);
    ck_trace("-A");
    pass(1);
    ck_trace("!A-b");
    ck_assert_str_eq(state_of("A"), "failed");
    ck_assert_str_eq(service_shown_details(get("A")), "stop timeout after 10s");
    ck_assert_int_eq(answer.n, 0);
    pass(10000);
    ck_assert_int_eq(answer.n, 1);
    ck_assert_int_eq(answer.err.kind, ERR_TIMEOUT);
}
END_TEST

START_TEST(sv10_the_shutdown_deadline_kills_the_rest)
{
    int done = 0, stopped = 0;

    load("AB", NULL);
    boot(&done);
    started("A");
    services_begin_stop(&world.services, count_call, &stopped);
    settle();
    ck_assert_int_eq(done, 1); /* nothing is wanted any more: the boot is over */
    world.trace[0] = '\0';
    services_kill_all(&world.services);
    settle();
    ck_trace("!A!B");
    ck_assert_int_eq(stopped, 1);
    ck_assert_int_eq(done, 1);
}
END_TEST

START_TEST(sv10_nothing_starts_during_shutdown)
{
    struct err err = {0};
    struct answer answer = {0};
    int stopped = 0;

    load("A", NULL);
    services_begin_stop(&world.services, count_call, &stopped);
    ck_assert_ptr_null(services_begin(&world.services, get("A"), VERB_START, on_answer,
                                      &answer, &err));
    ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
    settle();
    ck_assert_int_eq(stopped, 1);
    ck_trace("");
}
END_TEST

START_TEST(restart_takes_dependents_down_and_up_again)
{
    static const char *const edges[] = {"A!b", "C!A", "D!b", NULL};
    struct answer answer;
    int done = 0;

    world.quick = true;
    load("AbCD", edges);
    boot(&done);
    begin("D", VERB_STOP, NULL);
    settle();
    world.trace[0] = '\0';
    begin("b", VERB_RESTART, &answer);
    settle();
    ck_trace("-C-A-b+b+A+C"); /* D was down and stays down */
    ck_assert_int_eq(answer.n, 1);
    ck_assert(!answer.failed);
}
END_TEST

/* Complaint 10. */
/* c stops slowly when b is stopped and started again: b runs still and may not stay up
 * on an a that is to come down. */
START_TEST(a_start_amid_a_restart_of_its_need_comes_down_too)
{
    struct answer restart = {0}, start = {0};

    load("abc", (const char *const[]){"b!a", "c!b", NULL});
    world.quick = true;
    begin("c", VERB_START, &start);
    settle();
    world.quick = false;
    world.trace[0] = '\0';
    begin("a", VERB_RESTART, &restart);
    begin("b", VERB_STOP, NULL);
    begin("b", VERB_START, &start);
    settle();
    ended("c");
    ck_assert_str_eq(world.trace, "-c-b");
    ended("b");
    ended("a");
    started("a");
    started("b");
    ck_assert_str_eq(world.trace, "-c-b-a+a+b");
    ck_assert_int_eq(restart.n, 1);
    ck_assert_str_eq(state_of("a"), "running");
    ck_assert_str_eq(state_of("b"), "running");
}
END_TEST

START_TEST(a_slow_verb_delays_no_other)
{
    struct answer slow, fast;

    load("ab", NULL);
    begin("a", VERB_RESTART, &slow);
    settle();
    begin("b", VERB_START, &fast);
    settle();
    started("b");
    ck_assert_int_eq(fast.n, 1);
    ck_assert_int_eq(slow.n, 0);
}
END_TEST

/* ---- all verbs in all states (P6) ----------------------------------------------- */

static void no_way(void)
{
}

static void to_starting(void)
{
    begin("a", VERB_START, NULL);
    settle();
}

static void to_aborting(void)
{
    to_starting();
    begin("a", VERB_STOP, NULL);
    settle();
}

static void to_running(void)
{
    to_starting();
    started("a");
}

static void to_stopping(void)
{
    to_running();
    begin("a", VERB_STOP, NULL);
    settle();
}

static void to_stopped(void)
{
    to_stopping();
    ended("a");
}

static void to_failed(void)
{
    to_stopping();
    pass(10000);
}

static void to_backoff(void)
{
    to_running();
    crashes("a", RETRY_YES);
}

static void to_exited(void)
{
    to_running();
    ended("a");
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
        services_reset_failed(get("a"));
        answer->n = 1;
    } else if (verb == P6_SHUTDOWN) {
        services_begin_stop(&world.services, count_call, &answer->n);
    } else if (services_begin(&world.services, get("a"), kinds[verb], on_answer, answer,
                              &err) == NULL) {
        answer->n = 1;
        answer->failed = true;
    }
}

/* The back end answers everything that it was asked, well. */
static void be_good(void)
{
    struct fake *fake = fake_of(get("a"));

    for (int i = 0; i < 10; i++) {
        settle();
        if (fake->starts)
            started("a");
        if (fake->stops)
            ended("a");
    }
}

/* It never answers; timeouts do it all. */
static void be_dead(void)
{
    pass(100000);
}

static void check_not_stuck(const struct answer *answer)
{
    const struct service *service = get("a");

    ck_assert_msg(answer->n == 1, "answered %d times", answer->n);
    ck_assert(list_empty(&world.services.verbs));
    ck_assert(!service->start_due && !service->again);
}

START_TEST(p6_one_verb)
{
    enum p6_verb verb = (enum p6_verb)(_i % P6_N_VERBS);
    size_t row = (size_t)_i / P6_N_VERBS;
    struct answer answer;

    load("a", NULL);
    p6[row].reach();
    ck_assert_int_eq(get("a")->machine.state, p6[row].state);
    do_verb(verb, &answer);
    be_good();
    ck_assert_str_eq(state_of("a"), p6[row].after[verb]);
    check_not_stuck(&answer);
    ck_assert_uint_eq(fake_of(get("a"))->due_at_ms, 0);
}
END_TEST

START_TEST(p6_one_verb_and_a_dead_back_end)
{
    enum p6_verb verb = (enum p6_verb)(_i % P6_N_VERBS);
    size_t row = (size_t)_i / P6_N_VERBS;
    struct answer answer;
    enum service_state state;

    load("a", NULL);
    get("a")->machine.policy.backoff.max_attempts = 3;
    p6[row].reach();
    do_verb(verb, &answer);
    be_dead();
    check_not_stuck(&answer);
    state = service_shown_state(get("a"));
    ck_assert_msg(state != SERVICE_STARTING && state != SERVICE_STOPPING, "stuck %s",
                  state_of("a"));
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

    load("a", NULL);
    p6[row].reach();
    do_verb(first, &one);
    if (_i % 2 == 1)
        settle();
    do_verb(second, &two);
    be_good();
    if (first == P6_SHUTDOWN && second == P6_SHUTDOWN)
        ck_assert_int_le(one.n, 1); /* the second answer takes its place */
    else
        check_not_stuck(&one);
    check_not_stuck(&two);
    state = state_of("a");
    if (first == P6_SHUTDOWN || second == P6_SHUTDOWN || second == P6_STOP)
        ck_assert_msg(strcmp(state, "running") != 0, "runs");
    else if (second == P6_START || second == P6_RESTART)
        ck_assert_str_eq(state, "running");
    else if (first == P6_START || first == P6_RESTART)
        ck_assert_str_eq(state, "running");
    ck_assert_uint_eq(fake_of(get("a"))->due_at_ms, 0);
}
END_TEST

START_TEST(a_verb_overtaken_by_its_opposite_is_told_so)
{
    struct answer start, stop;

    load("a", NULL);
    begin("a", VERB_START, &start);
    settle();
    begin("a", VERB_STOP, &stop);
    settle();
    ck_assert_int_eq(start.n, 1);
    ck_assert_int_eq(start.err.kind, ERR_CONFLICT);
    begin("a", VERB_START, &start);
    settle();
    ck_assert_int_eq(stop.n, 1);
    ck_assert_int_eq(stop.err.kind, ERR_CONFLICT);
    started("a"); /* of the first start, in spite of its stop: stopped once more */
    ended("a");
    started("a");
    ck_assert_int_eq(start.n, 1);
    ck_assert(!start.failed);
    ck_trace("+a-a-a+a");
}
END_TEST

/* ---- changes of the registry (SV-11) -------------------------------------------- */

START_TEST(sv11_new_ones_start_removed_ones_stop_and_go)
{
    static const char *const before[] = {"A!b", NULL}, *const after[] = {"C!b", NULL};
    int done = 0;

    world.quick = true;
    load("Ab", before);
    boot(&done);
    world.trace[0] = '\0';
    load("bC", after);
    settle();
    settle();
    ck_trace("-A+C");
    ck_assert_ptr_null(services_find(&world.services, "A"));
    load("C", NULL);
    settle();
    ck_trace("-b");
    ck_assert_str_eq(state_of("C"), "running"); /* its needs are its own affair */
    ck_assert_uint_eq(world.services.n, 1);
}
END_TEST

START_TEST(sv11_a_removed_one_that_comes_back_starts_again)
{
    int done = 0;

    world.quick = true;
    load("A", NULL);
    boot(&done);
    world.quick = false;
    load("", NULL);
    settle();
    ck_assert(get("A")->removed);
    load("A", NULL);
    settle();
    ended("A");
    started("A");
    ck_assert_str_eq(state_of("A"), "running");
    ck_trace("+A-A+A");
}
END_TEST

static void fill(TCase *tc)
{
    int n_rows = (int)N_ELEMENTS(p6);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sv8_starts_after_all_needs_run);
    tcase_add_test(tc, sv8_independent_ones_start_in_parallel_by_id);
    tcase_add_test(tc, sv8_a_failed_need_blocks_dependents_only);
    tcase_add_test(tc, sv8_a_blocked_one_starts_when_its_need_comes_up);
    tcase_add_test(tc, life01_an_optional_need_blocks_nobody);
    tcase_add_test(tc, sv8_missing_dependency_is_told);
    tcase_add_test(tc, sv8_a_cycle_fails_all_on_it_and_those_behind);
    tcase_add_test(tc, sv8_a_need_that_exited_well_is_met);
    tcase_add_test(tc, sv8_a_need_that_fails_later_touches_nobody);
    tcase_add_test(tc, sv4_start_timeout_fails_and_tries_again);
    tcase_add_loop_test(tc, sv6_end_decides_on_restart, 0, (int)N_ELEMENTS(ends));
    tcase_add_test(tc, sv7_delays_double_and_never_end);
    tcase_add_test(tc, sv7_a_stable_run_resets_the_count);
    tcase_add_test(tc, sv7_max_attempts_are_runs_in_all);
    tcase_add_test(tc, sv9_stops_dependents_first_level_by_level);
    tcase_add_test(tc, sv9_stop_timeout_kills_and_goes_on);
    tcase_add_test(tc, sv10_the_shutdown_deadline_kills_the_rest);
    tcase_add_test(tc, sv10_nothing_starts_during_shutdown);
    tcase_add_test(tc, restart_takes_dependents_down_and_up_again);
    tcase_add_test(tc, a_start_amid_a_restart_of_its_need_comes_down_too);
    tcase_add_test(tc, a_slow_verb_delays_no_other);
    tcase_add_loop_test(tc, p6_one_verb, 0, n_rows * P6_N_VERBS);
    tcase_add_loop_test(tc, p6_one_verb_and_a_dead_back_end, 0, n_rows * P6_N_VERBS);
    tcase_add_loop_test(tc, p6_two_verbs, 0, n_rows * P6_N_VERBS * P6_N_VERBS * 2);
    tcase_add_test(tc, a_verb_overtaken_by_its_opposite_is_told_so);
    tcase_add_test(tc, sv11_new_ones_start_removed_ones_stop_and_go);
    tcase_add_test(tc, sv11_a_removed_one_that_comes_back_starts_again);
}

int main(void)
{
    return unit_main("service_set", fill);
}
