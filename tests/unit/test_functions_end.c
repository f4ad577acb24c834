#include "worker/functions.h"

#include <stdlib.h>

#include "common/clock.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

/* ---- F-4: coroutines that outlive their call ---- */

static bool is_free(struct bench *bench, void *context)
{
    (void)context;
    return functions_n_busy(bench->rt.functions) == 0;
}

static void assert_lingered(struct bench *bench, bool lingered)
{
    struct bench_frame *frame;

    bench_until(bench, is_free, NULL);
    bench_settle(bench);
    frame = bench_take(bench, FRAME_FREE);
    ck_assert_int_eq(frame != NULL, lingered);
    free(frame);
    ck_assert_uint_eq(bench->rt.slots.n_live, 0);
}

START_TEST(functions_answer_at_once_and_linger)
{
    struct bench bench;
    uint64_t call;
    struct frame_reply reply;
    struct bench_frame *frame;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:f",
                       "return function() coroutine.spawn(function() time.sleep('5ms') "
                       "logger:info('late') end) return 'early' end");
    call = bench_start_call(&bench, "t:f", NULL);
    while (!bench_has_reply(&bench, call))
        bench_turn(&bench, true);
    frame = bench_take(&bench, FRAME_REPLY);
    frame_decode_reply(frame->body, &reply, NULL);
    ck_assert_uint_eq(reply.status, REPLY_OK | REPLY_LINGERS);
    free(frame);
    ck_assert_ptr_null(bench_take(&bench, FRAME_FREE));
    assert_lingered(&bench, true);
    ck_assert_mem_eq(buf_head(&bench.logs), "late\n", 5);
    bench_end(&bench);
}
END_TEST

static const struct {
    const char *title, *body;
    bool lingers;
} lingering[] = {
    {"who waits on a channel only is dropped",
     "coroutine.spawn(function() channel.new():receive() end)", false},
    {"who waits in the inbox only is dropped",
     "coroutine.spawn(function() process.inbox():receive() end)", false},
    {"who waits in a select of both is dropped",
     "coroutine.spawn(function() channel.select{process.inbox():case_receive(), "
     "channel.new():case_send(1)} end)",
     false},
    {"who waits for a timer lingers",
     "coroutine.spawn(function() time.after('2ms'):receive() end)", true},
    {"who selects over a timer lingers",
     "coroutine.spawn(function() channel.select{process.inbox():case_receive(), "
     "time.after('2ms'):case_receive()} end)",
     true},
    {"who waits for one that lingers is woken",
     "local ch = channel.new() coroutine.spawn(function() ch:receive() "
     "logger:info('woken') end) coroutine.spawn(function() time.sleep('2ms') "
     "ch:send(1) end)",
     true},
    {"who waits for one that has gone is dropped then",
     "coroutine.spawn(function() channel.new():receive() end) "
     "coroutine.spawn(function() time.sleep('2ms') end)",
     true},
    {"who goes on to wait in vain is dropped then",
     "coroutine.spawn(function() time.sleep('1ms') channel.new():receive() end)", true},
    {"who makes a call lingers",
     "coroutine.spawn(function() funcs.call('t:sleeper') end)", true},
    {"nobody lingers after an error",
     "coroutine.spawn(function() time.sleep('1h') end) error('e')", false},
};

START_TEST(functions_linger)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:sleeper", "return function() time.sleep('1ms') end");
    bench_call_body(&bench, lingering[_i].body, NULL);
    assert_lingered(&bench, lingering[_i].lingers);
    bench_end(&bench);
}
END_TEST

START_TEST(functions_log_what_fails_late)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    ck_assert_str_eq(bench_call_body(&bench,
                                     "coroutine.spawn(function() time.sleep('1ms') "
                                     "error('too late', 0) end) return 1",
                                     NULL),
                     "1");
    assert_lingered(&bench, true);
    ck_assert_mem_eq(buf_head(&bench.logs), "too late\n", 9);
    bench_end(&bench);
}
END_TEST

START_TEST(functions_linger_for_a_bounded_time)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    bench.linger_ms = 5;
    ck_assert_str_eq(bench_call_body(&bench,
                                     "coroutine.spawn(function() while true do "
                                     "time.sleep('1ms') end end) return 1",
                                     NULL),
                     "1");
    assert_lingered(&bench, true);
    bench_end(&bench);
    bench_begin(&bench, "pool");
    bench.linger_ms = 0; /* as the reference does */
    ck_assert_str_eq(
        bench_call_body(&bench,
                        "coroutine.spawn(function() time.sleep('1ms') end) "
                        "return 1",
                        NULL),
        "1");
    assert_lingered(&bench, false);
    bench_end(&bench);
}
END_TEST

/* ---- F-33: cancellation ---- */

static const char *const to_cancel[] = {
    "time.sleep('1h')",
    "channel.new():receive()",
    "process.inbox():receive()",
    "channel.select{time.after('1h'):case_receive()}",
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do coroutine.yield() end",
    "local f = coroutine.wrap(function() while true do end end) f()",
    "local f = coroutine.wrap(function() time.sleep('1h') end) f()",
    ("table.sort({1, 2, 3}, function() for i = 1, 1e9 do end return true end) "
     "time.sleep('1h')"),
    "coroutine.spawn(function() time.sleep('1h') end) time.sleep('1h')",
    "pcall(time.sleep, '1h') return 1",
    "funcs.call('t:sleeper')",
};

START_TEST(functions_are_cancelled)
{
    struct bench bench;
    uint64_t call;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:sleeper", "return function() time.sleep('1h') end");
    bench_add_function(&bench, "t:f", bench_main(to_cancel[_i]));
    call = bench_start_call(&bench, "t:f", NULL);
    for (int i = 0; i < 20; i++)
        bench_turn(&bench, false);
    ck_assert(!bench_has_reply(&bench, call));
    bench_cancel(&bench, call);
    ck_assert_str_eq(bench_await(&bench, call), "Canceled: context canceled");
    assert_lingered(&bench, false); /* nested ones are gone as well */
    bench_end(&bench);
}
END_TEST

START_TEST(functions_are_cancelled_while_their_code_is_fetched)
{
    struct bench bench;
    uint64_t call;

    bench_begin(&bench, "pool");
    call = bench_start_call(&bench, "t:never", NULL);
    bench_settle(&bench);
    ck_assert_uint_eq(functions_n_busy(bench.rt.functions), 1);
    bench_cancel(&bench, call);
    ck_assert_str_eq(bench_await(&bench, call), "Canceled: context canceled");
    ck_assert_uint_eq(functions_n_busy(bench.rt.functions), 0);
    bench_end(&bench);
}
END_TEST

START_TEST(functions_are_cancelled_while_they_load)
{
    struct bench bench;
    uint64_t call;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:f",
                       "first = true for i = 1, 1e12 do end return print");
    call = bench_start_call(&bench, "t:f", NULL);
    for (int i = 0; i < 20; i++)
        bench_turn(&bench, false);
    bench_cancel(&bench, call);
    ck_assert_str_eq(bench_await(&bench, call), "Canceled: context canceled");
    bench_settle(&bench);
    call = bench_start_call(&bench, "t:f", NULL); /* on the same instance */
    for (int i = 0; i < 20; i++)
        bench_turn(&bench, false);
    bench_cancel(&bench, call);
    ck_assert_str_eq(bench_await(&bench, call), "Canceled: context canceled");
    bench_end(&bench);
}
END_TEST

static bool has_logged(struct bench *bench, void *context)
{
    (void)context;
    return buf_len(&bench->logs) != 0;
}

START_TEST(functions_let_async_calls_go_on_after_they_return)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    bench_add_function(
        &bench, "t:slow",
        "return function() time.sleep('5ms') logger:info('went on') end");
    ck_assert_str_eq(bench_call_body(&bench, "funcs.async('t:slow') return 1", NULL),
                     "1");
    bench_until(&bench, has_logged, NULL);
    ck_assert_mem_eq(buf_head(&bench.logs), "went on\n", 8);
    bench_end(&bench);
}
END_TEST

static bool is_cancelled(struct bench *bench, void *context)
{
    struct bench_frame *frame = bench_take(bench, FRAME_CANCEL);

    (void)context;
    free(frame);
    return frame != NULL;
}

START_TEST(functions_called_by_a_process_end_with_it)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add_function(&bench, "t:slow", "return function() time.sleep('1h') end");
    ck_assert_str_eq(bench_run_body(&bench, "funcs.async('t:slow') return 1"), "1");
    bench_until(&bench, is_cancelled, NULL);
    assert_lingered(&bench, false);
    ck_assert_str_eq(
        bench_run_body(&bench, "coroutine.spawn(function() funcs.call('t:slow') end) "
                               "return 2"),
        "2");
    bench_until(&bench, is_cancelled, NULL);
    assert_lingered(&bench, false);
    bench_end(&bench);
}
END_TEST

/* ---- F-34: deadlines ---- */

/* Of the next call that the worker has made. */
static uint64_t deadline_of_call(struct bench *bench, bool *has_options_out)
{
    struct bench_frame *frame = bench_take(bench, FRAME_CALL);
    struct frame_call call;

    ck_assert_ptr_nonnull(frame);
    ck_assert_int_eq(frame_decode_call(frame->body, &call, NULL), 0);
    *has_options_out = call.options.n != 0;
    free(frame);
    return call.deadline_at_ns;
}

static void call_until(struct bench *bench, const char *id, uint64_t deadline_at_ns)
{
    static const uint8_t no_args[] = {0x00, 0x90};
    struct frame_call frame = {.call = ++bench->n_calls,
                               .deadline_at_ns = deadline_at_ns,
                               .target = bytes_of_text(id),
                               .args = {no_args, sizeof(no_args)}};

    frame_encode_call(conn_out(bench->conn), &frame);
    conn_wrote(bench->conn);
    bench_await(bench, bench->n_calls);
}

START_TEST(functions_hand_on_their_deadline)
{
    uint64_t soon = (uint64_t)clock_monotonic_ns() + 1000000000;
    struct bench bench;
    bool has_options;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:leaf", "return function() end");
    bench_add_function(&bench, "t:plain", "return function() funcs.call('t:leaf') end");
    bench_add_function(
        &bench, "t:minute",
        "return function() funcs.new():with_options{timeout = '1m'}:call('t:leaf') "
        "end");
    call_until(&bench, "t:plain", 0);
    ck_assert_uint_eq(deadline_of_call(&bench, &has_options), 0);
    ck_assert(!has_options);
    call_until(&bench, "t:plain", soon);
    ck_assert_uint_eq(deadline_of_call(&bench, &has_options), soon);
    ck_assert(!has_options);
    /* what the options say, the supervisor compares with it */
    call_until(&bench, "t:minute", soon);
    ck_assert_uint_eq(deadline_of_call(&bench, &has_options), soon);
    ck_assert(has_options);
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, functions_answer_at_once_and_linger);
    tcase_add_loop_test(tc, functions_linger, 0, N_ELEMENTS(lingering));
    tcase_add_test(tc, functions_log_what_fails_late);
    tcase_add_test(tc, functions_linger_for_a_bounded_time);
    tcase_add_loop_test(tc, functions_are_cancelled, 0, N_ELEMENTS(to_cancel));
    tcase_add_test(tc, functions_are_cancelled_while_their_code_is_fetched);
    tcase_add_test(tc, functions_are_cancelled_while_they_load);
    tcase_add_test(tc, functions_let_async_calls_go_on_after_they_return);
    tcase_add_test(tc, functions_called_by_a_process_end_with_it);
    tcase_add_test(tc, functions_hand_on_their_deadline);
}

int main(void)
{
    return unit_main("functions_end", fill);
}
