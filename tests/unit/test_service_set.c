#include "tests/unit/service_world.h"

#include <string.h>

#include "tests/unit/unit.h"

/* How services start, end, restart and stop, one need after the other. */

/* ---- starting (SV-4, SV-5, SV-8) ------------------------------------------------ */

/* Complaint 1: what is needed must be ready, not merely on its way. */
START_TEST(sv8_starts_after_all_needs_run)
{
    static const char *const edges[] = {"A!b", "A>c", "b>c", NULL};
    int done = 0;

    world_load("Abc", edges);
    world_boot(&done);
    ck_trace("+c");
    world_started("c");
    ck_trace("+b");
    ck_assert_str_eq(world_state_of("A"), "unknown");
    world_started("b");
    ck_trace("+A");
    ck_assert_int_eq(done, 0);
    world_started("A");
    ck_assert_int_eq(done, 1);
    ck_assert_str_eq(world_state_of("A"), "running");
}
END_TEST

START_TEST(sv8_independent_ones_start_in_parallel_by_id)
{
    int done = 0;

    world_load("CABd", NULL);
    world_boot(&done);
    ck_trace("+A+B+C");
    ck_assert_str_eq(world_state_of("d"), "unknown");
}
END_TEST

START_TEST(sv8_a_failed_need_blocks_dependents_only)
{
    static const char *const edges[] = {"A!B", "C!D", NULL};
    int done = 0;

    world_load("ABCD", edges);
    world_boot(&done);
    world_start_fails("B", ERR_NOT_FOUND);
    world_started("D");
    world_started("C");
    ck_assert_int_eq(done, 1);
    ck_assert_str_eq(world_state_of("B"), "exited");
    ck_assert_str_eq(world_state_of("A"), "failed");
    ck_assert_str_eq(service_shown_details(world_get("A")),
                     "not started: it needs B, which is exited");
    ck_assert_str_eq(world_state_of("C"), "running");
    ck_trace("+B+D+C");
}
END_TEST

START_TEST(sv8_a_blocked_one_starts_when_its_need_comes_up)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    world_load("AB", edges);
    world_boot(&done);
    world_start_fails("B", ERR_UNAVAILABLE);
    ck_assert_str_eq(world_state_of("A"), "failed");
    world_pass(1000);
    world_started("B");
    world_started("A");
    ck_assert_str_eq(world_state_of("A"), "running");
    ck_assert_str_eq(service_shown_details(world_get("A")), "");
    ck_trace("+B+B+A");
}
END_TEST

START_TEST(life01_an_optional_need_blocks_nobody)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    world_load("A?B", edges);
    world_boot(&done);
    ck_trace("+B");
    world_start_fails("B", ERR_INVALID);
    world_started("A");
    ck_assert_int_eq(done, 1);
    ck_trace("+A");
}
END_TEST

START_TEST(sv8_missing_dependency_is_told)
{
    static const char *const edges[] = {"A!x", NULL};
    struct answer answer;
    int done = 0;

    world_load("A", edges);
    world_boot(&done);
    ck_assert_int_eq(done, 1);
    world_begin("A", VERB_START, &answer);
    world_settle();
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

    world_load("ABCD", edges);
    world_boot(&done);
    world_started("D");
    ck_assert_int_eq(done, 1);
    ck_assert_str_eq(service_shown_details(world_get("A")),
                     "service startup blocked by a cycle: A -> B -> A");
    ck_assert_str_eq(world_state_of("C"), "failed");
    ck_trace("+D");
}
END_TEST

START_TEST(sv8_a_need_that_exited_well_is_met)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    world_load("ABc", edges);
    world.quick = true;
    world_begin("B", VERB_START, NULL);
    world_settle();
    world_ended("B");
    ck_assert_str_eq(world_state_of("B"), "exited");
    world_begin("A", VERB_START, NULL);
    world_settle();
    ck_assert_str_eq(world_state_of("A"), "running");
    ck_trace("+B+A"); /* it isn't run twice */
    (void)done;
}
END_TEST

START_TEST(sv8_a_need_that_fails_later_touches_nobody)
{
    static const char *const edges[] = {"A!B", NULL};
    int done = 0;

    world.quick = true;
    world_load("AB", edges);
    world_boot(&done);
    world_crashes("B", RETRY_UNKNOWN);
    ck_assert_str_eq(world_state_of("A"), "running");
    ck_assert_str_eq(world_state_of("B"), "failed");
    ck_trace("+B+A");
}
END_TEST

START_TEST(sv4_start_timeout_fails_and_tries_again)
{
    int done = 0;

    world_load("A", NULL);
    world_boot(&done);
    world_pass(9999);
    ck_assert_str_eq(world_state_of("A"), "starting");
    world_pass(1);
    ck_assert_str_eq(world_state_of("A"), "failed");
    ck_assert_str_eq(service_shown_details(world_get("A")), "start timeout");
    ck_assert_int_eq(done, 1);
    ck_trace("+A!A");
    world_pass(1000);
    ck_assert_str_eq(service_shown_details(world_get("A")), "attempt 2");
    world_started("A");
    ck_assert_str_eq(world_state_of("A"), "running");
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
    world_load("A", NULL);
    world_boot(&done);
    if (ends[_i].fails)
        world_crashes("A", ends[_i].retryable);
    else
        world_ended("A");
    ck_assert_str_eq(world_state_of("A"), ends[_i].state);
    if (ends[_i].restarts)
        ck_assert_str_eq(service_shown_details(world_get("A")), "process failed: boom");
    world_pass(1000000);
    ck_trace(ends[_i].restarts ? "+A+A" : "+A");
}
END_TEST

/* Complaint 2 and 13: the delays as they can be observed; no wall clock involved. */
START_TEST(sv7_delays_double_and_never_end)
{
    static const uint64_t want_s[] = {1, 2, 4, 8, 16, 32, 64, 90, 90, 90};
    int done = 0;

    world_load("A", NULL);
    world_boot(&done);
    world_started("A");
    for (size_t i = 0; i < N_ELEMENTS(want_s); i++) {
        world_crashes("A", RETRY_YES);
        ck_assert_uint_eq(world_get("A")->machine.n_failures, i + 1);
        ck_assert_uint_eq(world_get("A")->machine.next_try_at_ms,
                          world.now_ms + want_s[i] * 1000);
        world_pass(want_s[i] * 1000 - 1);
        ck_assert_str_eq(world_state_of("A"), "failed");
        world_pass(1);
        world_started("A");
    }
    ck_assert_uint_eq(world_get("A")->machine.n_restarts, N_ELEMENTS(want_s));
}
END_TEST

START_TEST(sv7_a_stable_run_resets_the_count)
{
    int done = 0;

    world_load("A", NULL);
    world_boot(&done);
    world_started("A");
    for (int i = 0; i < 3; i++) {
        world_crashes("A", RETRY_YES);
        world_pass(1000 << i);
        world_started("A");
    }
    ck_assert_uint_eq(world_get("A")->machine.n_failures, 3);
    world_pass(4999);
    world_crashes("A", RETRY_YES);
    ck_assert_uint_eq(world_get("A")->machine.n_failures, 4);
    world_pass(8000);
    world_started("A");
    world_pass(5000);
    world_crashes("A", RETRY_YES);
    ck_assert_uint_eq(world_get("A")->machine.n_failures, 1);
}
END_TEST

/* T-19, complaint 3 (and OTP's hanging_restart_loop: it ends). */
START_TEST(sv7_max_attempts_are_runs_in_all)
{
    int done = 0;

    world.quick = true;
    world_load("A", NULL);
    world_get("A")->machine.policy.backoff.max_attempts = 3;
    world_boot(&done);
    for (int i = 0; i < 3; i++) {
        world_crashes("A", RETRY_YES);
        world_pass(i == 2 ? 1000000 : 1000 << i);
    }
    ck_assert_str_eq(world_state_of("A"), "failed");
    ck_trace("+A+A+A");
    services_reset_failed(world_get("A"));
    ck_assert_str_eq(world_state_of("A"), "stopped");
    ck_assert_uint_eq(world_get("A")->machine.n_failures, 0);
}
END_TEST

/* ---- stopping (SV-9, SV-10) ----------------------------------------------------- */

START_TEST(sv9_stops_dependents_first_level_by_level)
{
    static const char *const edges[] = {"A!c", "B!c", "c!d", NULL};
    int done = 0, stopped = 0;

    world.quick = true;
    world_load("ABcd", edges);
    world_boot(&done);
    ck_trace("+d+c+A+B");
    world.quick = false;
    services_begin_stop(&world.services, world_count_call, &stopped);
    world_settle();
    ck_trace("-A-B");
    world_ended("A");
    ck_trace("");
    world_ended("B");
    ck_trace("-c");
    world_ended("c");
    ck_trace("-d");
    ck_assert_int_eq(stopped, 0);
    world_ended("d");
    ck_assert_int_eq(stopped, 1);
}
END_TEST

START_TEST(sv9_stop_timeout_kills_and_goes_on)
{
    static const char *const edges[] = {"A!b", NULL};
    struct answer answer;
    int done = 0;

    world.quick = true;
    world_load("Ab", edges);
    world_boot(&done);
    world.quick = false;
    world.trace[0] = '\0';
    world_begin("b", VERB_STOP, &answer);
    world_pass(9999);
    ck_trace("-A");
    world_pass(1);
    ck_trace("!A-b");
    ck_assert_str_eq(world_state_of("A"), "failed");
    ck_assert_str_eq(service_shown_details(world_get("A")), "stop timeout after 10s");
    ck_assert_int_eq(answer.n, 0);
    world_pass(10000);
    ck_assert_int_eq(answer.n, 1);
    ck_assert_int_eq(answer.err.kind, ERR_TIMEOUT);
}
END_TEST

START_TEST(sv10_the_shutdown_deadline_kills_the_rest)
{
    int done = 0, stopped = 0;

    world_load("AB", NULL);
    world_boot(&done);
    world_started("A");
    services_begin_stop(&world.services, world_count_call, &stopped);
    world_settle();
    ck_assert_int_eq(done, 1); /* nothing is wanted any more: the boot is over */
    world.trace[0] = '\0';
    services_kill_all(&world.services);
    world_settle();
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

    world_load("A", NULL);
    services_begin_stop(&world.services, world_count_call, &stopped);
    ck_assert_ptr_null(services_begin(&world.services, world_get("A"), VERB_START,
                                      world_on_answer, &answer, &err));
    ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
    world_settle();
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
    world_load("AbCD", edges);
    world_boot(&done);
    world_begin("D", VERB_STOP, NULL);
    world_settle();
    world.trace[0] = '\0';
    world_begin("b", VERB_RESTART, &answer);
    world_settle();
    ck_trace("-C-A-b+b+A+C"); /* D was down and stays down */
    ck_assert_int_eq(answer.n, 1);
    ck_assert(!answer.failed);
}
END_TEST

/* c stops slowly when b is stopped and started again: b runs still and may not stay up
 * on an a that is to come down. */
START_TEST(a_start_amid_a_restart_of_its_need_comes_down_too)
{
    struct answer restart = {0}, start = {0};

    world_load("abc", (const char *const[]){"b!a", "c!b", NULL});
    world.quick = true;
    world_begin("c", VERB_START, &start);
    world_settle();
    world.quick = false;
    world.trace[0] = '\0';
    world_begin("a", VERB_RESTART, &restart);
    world_begin("b", VERB_STOP, NULL);
    world_begin("b", VERB_START, &start);
    world_settle();
    world_ended("c");
    ck_assert_str_eq(world.trace, "-c-b");
    world_ended("b");
    world_ended("a");
    world_started("a");
    world_started("b");
    ck_assert_str_eq(world.trace, "-c-b-a+a+b");
    ck_assert_int_eq(restart.n, 1);
    ck_assert_str_eq(world_state_of("a"), "running");
    ck_assert_str_eq(world_state_of("b"), "running");
}
END_TEST

/* Complaint 10. */
START_TEST(a_slow_verb_delays_no_other)
{
    struct answer slow, fast;

    world_load("ab", NULL);
    world_begin("a", VERB_RESTART, &slow);
    world_settle();
    world_begin("b", VERB_START, &fast);
    world_settle();
    world_started("b");
    ck_assert_int_eq(fast.n, 1);
    ck_assert_int_eq(slow.n, 0);
}
END_TEST

/* ---- changes of the registry (SV-11) -------------------------------------------- */

START_TEST(sv11_new_ones_start_removed_ones_stop_and_go)
{
    static const char *const before[] = {"A!b", NULL}, *const after[] = {"C!b", NULL};
    int done = 0;

    world.quick = true;
    world_load("Ab", before);
    world_boot(&done);
    world.trace[0] = '\0';
    world_load("bC", after);
    world_settle();
    world_settle();
    ck_trace("-A+C");
    ck_assert_ptr_null(services_find(&world.services, "A"));
    world_load("C", NULL);
    world_settle();
    ck_trace("-b");
    ck_assert_str_eq(world_state_of("C"), "running"); /* its needs are its own affair */
    ck_assert_uint_eq(world.services.n, 1);
}
END_TEST

START_TEST(sv11_a_removed_one_that_comes_back_starts_again)
{
    int done = 0;

    world.quick = true;
    world_load("A", NULL);
    world_boot(&done);
    world.quick = false;
    world_load("", NULL);
    world_settle();
    ck_assert(world_get("A")->removed);
    world_load("A", NULL);
    world_settle();
    world_ended("A");
    world_started("A");
    ck_assert_str_eq(world_state_of("A"), "running");
    ck_trace("+A-A+A");
}
END_TEST

START_TEST(sv11_who_lost_its_host_starts_again_with_it)
{
    static const char *const edges[] = {"A>h", "B>h", NULL};
    int done = 0;

    world.quick = true;
    world_load("ABh", edges);
    world_boot(&done);
    world_ended("B"); /* it has done its work before */
    world_settle();
    world_load("AB", NULL);
    world_ended("A"); /* as processes do that are asked to end */
    world_settle();
    ck_assert_str_eq(world_state_of("A"), "exited");
    world.trace[0] = '\0';
    world_load("ABh", edges);
    world_settle();
    ck_trace("+h+A");
    ck_assert_str_eq(world_state_of("B"), "exited");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, world_setup, world_teardown);
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
    tcase_add_test(tc, sv11_new_ones_start_removed_ones_stop_and_go);
    tcase_add_test(tc, sv11_who_lost_its_host_starts_again_with_it);
    tcase_add_test(tc, sv11_a_removed_one_that_comes_back_starts_again);
}

int main(void)
{
    return unit_main("service_set", fill);
}
