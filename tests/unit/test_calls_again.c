#include "supervisor/retry.h"

#include <ev.h>

#include "common/clock.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "tests/unit/calls_fake.h"
#include "tests/unit/unit.h"

/* At once, or (slow) after an hour. */
static struct retry_policy *policy_of(int64_t max_attempts, bool slow)
{
    struct value retry = value_map();
    struct retry_policy *policy;

    value_put(&retry, "max_attempts", value_int(max_attempts));
    value_put(&retry, "initial_delay", value_int(slow ? 3600000 : 1));
    value_put(&retry, "max_delay", value_int(slow ? 3600000 : 1));
    policy = retry_policy_create(&retry);
    value_finish(&retry);
    return policy;
}

static void answer_failed(uint64_t number, enum err_kind kind)
{
    struct err why, err = {0};
    struct buf error;

    err_set(&why, kind, "it failed");
    buf_init(&error, 0);
    error_encode(&error, &why);
    ck_assert_int_eq(fake_answer(&fake.answerer.worker, number, REPLY_ERROR,
                                 buf_bytes(&error), &err),
                     0);
    buf_finish(&error);
}

static int answer(uint64_t number, const char *text)
{
    struct err err = {0};

    return fake_answer(&fake.answerer.worker, number, REPLY_OK, bytes_of_text(text),
                       &err);
}

static void run_until_again(int n)
{
    while (fake.n_again < n)
        ev_run(fake.sup.loop, EVRUN_ONCE);
}

START_TEST(calls_are_tried_again_with_new_numbers)
{
    struct retry_policy *policy = policy_of(3, false);
    struct bytes body;
    uint64_t first, second;

    fake_begin();
    fake_ask_with(5, 0, policy);
    first = fake_number_at_callee();
    answer_failed(first, ERR_UNAVAILABLE);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    /* Between attempts nobody has the call. */
    ck_assert_int_eq(answer(first, "late"), -1);
    run_until_again(1);
    second = fake_number_at_callee();
    ck_assert_uint_ne(first, second);
    ck_assert_int_eq(answer(first, "late"), -1);
    ck_assert_int_eq(answer(second, "good"), 0);
    ck_assert(bytes_equal_text(fake_reply_at_caller().result, "good"));
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

START_TEST(calls_give_the_last_error_when_attempts_are_used_up)
{
    struct retry_policy *policy = policy_of(3, false);
    struct bytes body;

    fake_begin();
    fake_ask_with(5, 0, policy);
    answer_failed(fake_number_at_callee(), ERR_UNAVAILABLE);
    run_until_again(1);
    answer_failed(fake_number_at_callee(), ERR_TIMEOUT);
    run_until_again(2);
    answer_failed(fake_number_at_callee(), ERR_RATE_LIMITED);
    fake_check_failed(5, ERR_RATE_LIMITED, "it failed");
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    ck_assert_int_eq(fake.n_again, 2);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

START_TEST(calls_keep_only_so_many_bytes_for_further_attempts)
{
    struct retry_policy *policy = policy_of(3, false);
    size_t n = CALLS_KEPT_MAX_BYTES / 5 * 2;
    struct bytes body = {xcalloc(1, n), n};

    fake_begin();
    for (uint64_t i = 0; i < 3; i++)
        ck_assert(call_may_retry(fake.sup.calls, fake_ask(i, 0), policy, body) ==
                  (i < 2));
    ck_assert_uint_eq(calls_kept_bytes(fake.sup.calls), 2 * n);
    for (int i = 0; i < 3; i++) { /* who has an answer needs no other attempt */
        uint64_t number = fake_number_at_callee();

        ck_assert_int_eq(answer(number, "good"), 0);
    }
    ck_assert_uint_eq(calls_kept_bytes(fake.sup.calls), 0);
    free((void *)body.data);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

/* As when the interceptor that the first attempt was made to has gone. */
START_TEST(calls_keep_no_more_when_one_has_grown_beyond_the_bound)
{
    struct retry_policy *policy = policy_of(3, false);
    size_t n = CALLS_KEPT_MAX_BYTES + 1;
    struct bytes large = {xcalloc(1, n), n}, small = {large.data, 1};
    struct err err = {0};
    struct call *call;

    fake_begin();
    call = fake_ask(0, 0);
    ck_assert(call_may_retry(fake.sup.calls, call, policy, small));
    ck_assert_int_eq(call_keep_other_body(fake.sup.calls, call, large, &err), 0);
    ck_assert_uint_eq(calls_kept_bytes(fake.sup.calls), n);
    ck_assert(!call_may_retry(fake.sup.calls, fake_ask(1, 0), policy, small));
    free((void *)large.data);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

START_TEST(calls_of_a_dead_callee_are_tried_again)
{
    struct retry_policy *policy = policy_of(2, false);

    fake_begin();
    fake_ask_with(5, 0, policy);
    fake_ask(6, 0);
    fake_number_at_callee();
    fake_number_at_callee();
    calls_worker_stops_answering(fake.sup.calls, &fake.answerer.worker,
                                 "exited with status 1");
    fake_check_failed(6, ERR_UNAVAILABLE, "worker of app:f exited with status 1");
    run_until_again(1);
    ck_assert_int_eq(answer(fake_number_at_callee(), "x"), 0);
    ck_assert_uint_eq(fake_reply_at_caller().call, 5);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

START_TEST(calls_that_wait_for_an_attempt_can_be_cancelled)
{
    struct retry_policy *policy = policy_of(9, true);
    struct origin origin = fake_origin(5);
    struct bytes body;

    fake_begin();
    fake_ask_with(5, 0, policy);
    answer_failed(fake_number_at_callee(), ERR_UNAVAILABLE);
    ck_assert(calls_cancel(fake.sup.calls, &origin));
    fake_check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    ck_assert_int_eq(fake.n_left_queue, 0);

    fake_ask_with(6, 0, policy);
    answer_failed(fake_number_at_callee(), ERR_UNAVAILABLE);
    calls_worker_stops_asking(fake.sup.calls, &fake.asker.worker);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

START_TEST(calls_deadline_ends_the_waiting)
{
    struct retry_policy *policy = policy_of(9, true);
    struct frame_reply reply;
    struct err why, err;

    fake_begin();
    fake_ask_with(5, (uint64_t)clock_monotonic_ns() + 20000000, policy);
    answer_failed(fake_number_at_callee(), ERR_UNAVAILABLE);
    while (calls_n_open(fake.sup.calls) != 0)
        ev_run(fake.sup.loop, EVRUN_ONCE);
    reply = fake_reply_at_caller();
    ck_assert_int_eq(error_decode(reply.result, &why, &err), 0);
    ck_assert_int_eq(why.kind, ERR_TIMEOUT);
    ck_assert_msg(unit_tells_timeout(why.text, 20), "%s", why.text);
    ck_assert_int_eq(fake.n_again, 0);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

START_TEST(calls_cancelled_while_they_run_are_not_tried_again)
{
    struct retry_policy *policy = policy_of(9, false);
    struct origin origin = fake_origin(5);
    struct frame_cancel frame;
    struct bytes body;
    uint64_t number;

    fake_begin();
    fake_ask_with(5, 0, policy);
    number = fake_number_at_callee();
    ck_assert(calls_cancel(fake.sup.calls, &origin));
    fake_check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), FRAME_CANCEL);
    ck_assert_int_eq(frame_decode_cancel(body, &frame, NULL), 0);
    ck_assert_uint_eq(frame.call, number);
    answer_failed(number, ERR_UNAVAILABLE);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    retry_policy_unref(policy);
    fake_end();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, calls_are_tried_again_with_new_numbers);
    tcase_add_test(tc, calls_give_the_last_error_when_attempts_are_used_up);
    tcase_add_test(tc, calls_keep_only_so_many_bytes_for_further_attempts);
    tcase_add_test(tc, calls_keep_no_more_when_one_has_grown_beyond_the_bound);
    tcase_add_test(tc, calls_of_a_dead_callee_are_tried_again);
    tcase_add_test(tc, calls_that_wait_for_an_attempt_can_be_cancelled);
    tcase_add_test(tc, calls_deadline_ends_the_waiting);
    tcase_add_test(tc, calls_cancelled_while_they_run_are_not_tried_again);
}

int main(void)
{
    return unit_main("calls_again", fill);
}
