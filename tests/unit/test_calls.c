#include "supervisor/calls.h"

#include <ev.h>

#include "common/clock.h"

#include "proto/value_codec.h"

#include "tests/unit/calls_fake.h"
#include "tests/unit/unit.h"

static int answer(struct worker *from, uint64_t number, uint8_t status,
                  const char *result)
{
    struct err err = {0};

    return fake_answer(from, number, status, bytes_of_text(result), &err);
}

START_TEST(calls_pass_both_ways_with_their_own_numbers)
{
    struct frame_reply reply;
    uint64_t number;

    fake_begin();
    fake_ask(77, 0);
    number = fake_number_at_callee();
    ck_assert_uint_ne(number, 77);
    ck_assert_int_eq(answer(&fake.answerer.worker, number, REPLY_OK, "result"), 0);
    reply = fake_reply_at_caller();
    ck_assert_uint_eq(reply.call, 77);
    ck_assert_uint_eq(reply.status, REPLY_OK);
    ck_assert(bytes_equal_text(reply.result, "result"));
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    fake_end();
}
END_TEST

START_TEST(calls_refuse_answers_of_strangers)
{
    struct bytes body;
    uint64_t number;

    fake_begin();
    fake_ask(1, 0);
    number = fake_number_at_callee();
    ck_assert_int_eq(answer(&fake.asker.worker, number, REPLY_OK, ""), -1);
    ck_assert_int_eq(answer(&fake.answerer.worker, number + 1, REPLY_OK, ""), -1);
    ck_assert_int_eq(answer(&fake.answerer.worker, number + (1ull << 32), REPLY_OK, ""),
                     -1);
    ck_assert_int_eq(answer(&fake.answerer.worker, 0, REPLY_OK, ""), -1);
    ck_assert_int_eq(answer(&fake.answerer.worker, UINT64_MAX, REPLY_OK, ""), -1);
    ck_assert_int_eq(answer(&fake.answerer.worker, number, 7, ""), -1);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    ck_assert_int_eq(answer(&fake.answerer.worker, number, REPLY_OK, ""), 0);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), FRAME_REPLY);
    /* The slot has another generation now. */
    ck_assert_int_eq(answer(&fake.answerer.worker, number, REPLY_OK, ""), -1);
    fake_end();
}
END_TEST

START_TEST(calls_cancel_answers_at_once_and_tells_the_callee)
{
    struct origin origin = fake_origin(5);
    struct frame_cancel frame;
    struct bytes body;
    uint64_t number;

    fake_begin();
    fake_ask(5, 0);
    fake_ask(6, 0);
    number = fake_number_at_callee();
    fake_number_at_callee();
    ck_assert(calls_cancel(fake.sup.calls, &origin));
    fake_check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), FRAME_CANCEL);
    ck_assert_int_eq(frame_decode_cancel(body, &frame, NULL), 0);
    ck_assert_uint_eq(frame.call, number);
    ck_assert(!calls_cancel(fake.sup.calls, &origin)); /* once is enough */
    ck_assert_int_eq(answer(&fake.answerer.worker, number, REPLY_OK, "late"), 0);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 1);
    fake_end();
}
END_TEST

START_TEST(calls_cancelled_in_a_queue_leave_it)
{
    struct origin origin = fake_origin(5);
    struct err err = {0};
    struct bytes body;
    struct call *call;

    fake_begin();
    call = calls_open(fake.sup.calls, &origin, FRAME_CALL, 0, &err);
    call->pool = (struct pool *)(uintptr_t)16; /* only handed back */
    ck_assert(calls_cancel(fake.sup.calls, &origin));
    fake_check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), 0);
    ck_assert_int_eq(fake.n_left_queue, 1);
    ck_assert_int_eq(fake.n_places_free, 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    fake_end();
}
END_TEST

/* An actor that is being started is so, whoever asked, unless its spawn is given up. */
START_TEST(calls_cancelled_spawns_are_not_told)
{
    struct origin origin = fake_origin(5);
    struct bytes body;

    fake_begin();
    fake_ask(5, 0)->type = FRAME_SPAWN;
    fake_number_at_callee();
    ck_assert(calls_cancel(fake.sup.calls, &origin));
    fake_check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 1);
    fake_end();
}
END_TEST

START_TEST(calls_given_up_wait_for_the_callee)
{
    struct origin origin = fake_origin(5), queued = fake_origin(6);
    struct err err = {0};
    struct bytes body;

    fake_begin();
    fake_ask(5, 0)->type = FRAME_SPAWN;
    fake_number_at_callee();
    calls_give_up(fake.sup.calls, &origin);
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), FRAME_CANCEL);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0); /* it may still answer */
    calls_open(fake.sup.calls, &queued, FRAME_CALL, 0, &err);
    calls_give_up(fake.sup.calls, &queued);
    fake_check_failed(6, ERR_CANCELED, "context canceled");
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 1);
    fake_end();
}
END_TEST

START_TEST(calls_linger_until_free)
{
    struct frame_free frame;
    struct frame_reply reply;
    struct err err = {0};
    struct call *call;
    struct buf buf;

    fake_begin();
    call = fake_ask(9, 0);
    frame.call = fake_number_at_callee();
    call->pool = (struct pool *)(uintptr_t)16; /* only handed back */
    fake.answerer.worker.n_busy = 1;
    ck_assert_int_eq(
        answer(&fake.answerer.worker, frame.call, REPLY_OK | REPLY_LINGERS, "x"), 0);
    reply = fake_reply_at_caller();
    ck_assert_uint_eq(reply.status, REPLY_OK);
    ck_assert_int_eq(fake.n_places_free, 0);
    ck_assert_uint_eq(fake.answerer.worker.n_busy, 1);
    ck_assert_int_eq(answer(&fake.answerer.worker, frame.call, REPLY_OK, "y"), -1);
    buf_init(&buf, 0);
    frame_encode_free(&buf, &frame);
    buf_consume(&buf, FRAME_HEADER_BYTES);
    ck_assert_int_eq(
        calls_on_free(fake.sup.calls, &fake.answerer.worker, buf_bytes(&buf), &err), 0);
    buf_finish(&buf);
    ck_assert_int_eq(fake.n_places_free, 1);
    ck_assert_uint_eq(fake.answerer.worker.n_busy, 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    fake_end();
}
END_TEST

/* A slot is left to others for as long as its call waits for some, however many. */
START_TEST(calls_count_who_waits_for_others)
{
    struct worker *callee = &fake.answerer.worker;

    fake_begin();
    for (int n_nested = 0; n_nested < 3; n_nested++) {
        struct call *call = fake_ask(9, 0);

        call->pool = (struct pool *)(uintptr_t)16; /* only handed back */
        callee->n_busy = 1;
        for (int i = 0; i < n_nested; i++)
            call_begin_nested(call);
        ck_assert_uint_eq(callee->n_waiting, n_nested != 0);
        if (n_nested == 2) {
            call_end_nested(call);
            ck_assert_uint_eq(callee->n_waiting, 1);
        }
        ck_assert_int_eq(answer(callee, fake_number_at_callee(), REPLY_OK, "x"), 0);
        ck_assert_uint_eq(callee->n_busy, 0);
        ck_assert_uint_eq(callee->n_waiting, 0);
    }
    ck_assert_int_eq(fake.n_places_free, 3);
    fake_end();
}
END_TEST

START_TEST(calls_death_of_the_callee_answers_all)
{
    struct bytes body;

    fake_begin();
    for (uint64_t i = 1; i <= 100; i++)
        fake_ask(i, 0);
    calls_worker_stops_answering(fake.sup.calls, &fake.answerer.worker,
                                 "was killed by signal 11 (SIGSEGV)");
    for (uint64_t i = 1; i <= 100; i++)
        fake_check_failed(i, ERR_UNAVAILABLE,
                          "worker of app:f was killed by signal 11 (SIGSEGV)");
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    fake_end();
}
END_TEST

/* L6: who runs and doesn't hear has less time than who hears, or can't run. */
START_TEST(calls_cancelled_callee_has_its_grace)
{
    static const struct {
        enum worker_hearing hearing;
        uint32_t grace_ms;
        uint64_t least_ms;
    } rows[] = {{WORKER_IS_DEAF, 3600000, 10},
                {WORKER_SILENT, 200, 200},
                {WORKER_HEARS, 200, 200}};
    struct origin origin = fake_origin(5);
    struct call *call;
    uint64_t began_ns;

    fake_begin();
    fake.hearing = rows[_i].hearing;
    calls_set_grace_ms(fake.sup.calls, rows[_i].grace_ms, 10);
    call = fake_ask(5, 0);
    call->pool = (struct pool *)&fake.sup; /* any will do: nobody looks into it */
    began_ns = (uint64_t)clock_monotonic_ns();
    ck_assert(calls_cancel(fake.sup.calls, &origin));
    ck_assert_int_eq(fake.n_asked_hearing, 1);
    while (fake.killed_why == NULL)
        ev_run(fake.sup.loop, EVRUN_ONCE);
    ck_assert_uint_ge((uint64_t)clock_monotonic_ns() - began_ns,
                      rows[_i].least_ms * 1000000);
    fake_end();
}
END_TEST

START_TEST(calls_death_of_the_caller_cancels)
{
    struct bytes body;
    uint64_t number;

    fake_begin();
    fake_ask(1, 0);
    number = fake_number_at_callee();
    calls_worker_stops_asking(fake.sup.calls, &fake.asker.worker);
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), FRAME_CANCEL);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 1); /* the callee is still at it */
    ck_assert_int_eq(answer(&fake.answerer.worker, number, REPLY_OK, ""), 0);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    fake_end();
}
END_TEST

START_TEST(calls_numbers_stay_apart_when_there_are_many)
{
    static uint64_t numbers[5000];
    struct bytes body;

    fake_begin();
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i++) {
        struct call *call = fake_ask(i, 0);

        numbers[i] = call->number;
    }
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i += 2) {
        struct origin origin = fake_origin(i);

        ck_assert(calls_cancel(fake.sup.calls, &origin));
    }
    for (uint64_t i = 1; i < N_ELEMENTS(numbers); i += 2)
        ck_assert_int_eq(answer(&fake.answerer.worker, numbers[i], REPLY_OK, ""), 0);
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i += 2)
        ck_assert_int_eq(answer(&fake.answerer.worker, numbers[i], REPLY_ERROR, ""), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    for (uint64_t i = 0; i < N_ELEMENTS(numbers); i++)
        fake_reply_at_caller();
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    fake_end();
}
END_TEST

/* However late the machine is: what was asked for is told, not what was left of it. */
START_TEST(calls_tell_the_timeout_that_was_asked_for)
{
    static const struct {
        uint64_t deadline_ms, timeout_ms, due_ms;
        const char *text;
    } rows[] = {
        {0, 7, 7, "function execution timed out after 7ms"},
        {3600000, 7, 7, "function execution timed out after 7ms"},
        {5, 20, 5, "function execution timed out after 20ms"}, /* held for 15 ms */
        {5, 0, 5, NULL},
    };
    uint64_t start = (uint64_t)clock_monotonic_ns(), deadline;
    struct origin origin = fake_origin(6);
    struct frame_reply reply;
    struct err why, err;
    struct call *call;

    fake_begin();
    deadline = rows[_i].deadline_ms ? start + rows[_i].deadline_ms * 1000000 : 0;
    call = calls_open_within(fake.sup.calls, &origin, deadline,
                             rows[_i].timeout_ms * 1000000, &err);
    ck_assert_ptr_nonnull(call);
    ck_assert_uint_ge(call->due_at_ns, start + rows[_i].due_ms * 1000000);
    call->state = CALL_AWAY;
    while (calls_n_open(fake.sup.calls) != 0)
        ev_run(fake.sup.loop, EVRUN_ONCE);
    reply = fake_reply_at_caller();
    ck_assert_int_eq(error_decode(reply.result, &why, &err), 0);
    if (rows[_i].text != NULL)
        ck_assert_str_eq(why.text, rows[_i].text);
    else
        ck_assert_msg(unit_tells_timeout(why.text, 5), "%s", why.text);
    fake_end();
}
END_TEST

/* F-34: what the callee calls in turn inherits the deadline that it is told. */
START_TEST(calls_tell_the_callee_the_deadline_that_counts)
{
    uint64_t deadline_at_ns = (uint64_t)clock_monotonic_ns() + 3600000000000u;
    struct frame_call frame;
    struct bytes body;

    fake_begin();
    fake_ask(5, deadline_at_ns); /* in its frame stands none */
    ck_assert_uint_eq(fake_next_frame(&fake.answerer, &body), FRAME_CALL);
    ck_assert_int_eq(frame_decode_call(body, &frame, NULL), 0);
    ck_assert_uint_eq(frame.deadline_at_ns, deadline_at_ns);
    fake_end();
}
END_TEST

static void note_withdrawn(void *note)
{
    ++*(int *)note;
}

START_TEST(calls_given_away_are_answered_or_withdrawn)
{
    struct origin origin = fake_origin(5);
    struct err err = {0};
    int n_withdrawn = 0;
    struct bytes body;
    struct call *call;

    fake_begin();
    call = calls_open(fake.sup.calls, &origin, FRAME_CALL, 0, &err);
    call_give_away(call, note_withdrawn, &n_withdrawn);
    call_answer(fake.sup.calls, call, REPLY_OK, bytes_of_text("done"));
    ck_assert(bytes_equal_text(fake_reply_at_caller().result, "done"));
    ck_assert_int_eq(n_withdrawn, 0);

    call = calls_open(fake.sup.calls, &origin, FRAME_CALL, 0, &err);
    call_give_away(call, note_withdrawn, &n_withdrawn);
    ck_assert(calls_cancel(fake.sup.calls, &origin));
    fake_check_failed(5, ERR_CANCELED, "context canceled");
    ck_assert_int_eq(n_withdrawn, 1);

    call = calls_open(fake.sup.calls, &origin, FRAME_CALL, 0, &err);
    call_give_away(call, note_withdrawn, &n_withdrawn);
    calls_worker_stops_asking(fake.sup.calls, &fake.asker.worker);
    ck_assert_int_eq(n_withdrawn, 2);
    ck_assert_uint_eq(fake_next_frame(&fake.asker, &body), 0);
    ck_assert_uint_eq(calls_n_open(fake.sup.calls), 0);
    fake_end();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, calls_pass_both_ways_with_their_own_numbers);
    tcase_add_test(tc, calls_refuse_answers_of_strangers);
    tcase_add_test(tc, calls_cancel_answers_at_once_and_tells_the_callee);
    tcase_add_test(tc, calls_cancelled_in_a_queue_leave_it);
    tcase_add_test(tc, calls_cancelled_spawns_are_not_told);
    tcase_add_test(tc, calls_given_up_wait_for_the_callee);
    tcase_add_test(tc, calls_linger_until_free);
    tcase_add_test(tc, calls_count_who_waits_for_others);
    tcase_add_test(tc, calls_death_of_the_callee_answers_all);
    tcase_add_loop_test(tc, calls_cancelled_callee_has_its_grace, 0, 3);
    tcase_add_test(tc, calls_death_of_the_caller_cancels);
    tcase_add_test(tc, calls_numbers_stay_apart_when_there_are_many);
    tcase_add_loop_test(tc, calls_tell_the_timeout_that_was_asked_for, 0, 4);
    tcase_add_test(tc, calls_tell_the_callee_the_deadline_that_counts);
    tcase_add_test(tc, calls_given_away_are_answered_or_withdrawn);
}

int main(void)
{
    return unit_main("calls", fill);
}
