#include "worker/modules/mod_funcs.h"

#include <stdlib.h>
#include <string.h>

#include "proto/conn.h"
#include "proto/frame.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

/* ---- F-12, F-16 to F-18 ---- */

static const struct {
    const char *title, *body;
} futures[] = {
    {"pending", "local f = funcs.async('t:slow', 1) eq(f:is_complete(), false) "
                "eq(f:is_canceled(), false) local v, err = f:result() eq(v, nil) "
                "eq(err, nil) local err, has = f:error() eq(err, nil) eq(has, false)"},
    {"success",
     "local f = funcs.async('t:echo', 'v') local p, ok = f:response():receive() "
     "eq(ok, true) eq(p:data(), 'v') eq(select(2, f:response():receive()), false) "
     "eq(f:is_complete(), true) local r, err = f:result() eq(r:data(), 'v') "
     "eq(err, nil) eq(f:result() == f:result(), true) eq(select(2, f:error()), false)"},
    {"success with nothing",
     "local f = funcs.async('t:echo') local p, ok = f:channel():receive() "
     "eq(ok, true) eq(p:data(), nil) eq(f:result():data(), nil)"},
    {"failure",
     "local f = funcs.async('t:fail') local e, ok = f:response():receive() "
     "eq(ok, true) eq(e:kind(), 'Conflict') eq(e:message(), 'm') "
     "eq(select(2, f:response():receive()), false) eq(f:is_complete(), true) "
     "local v, err = f:result() eq(v, nil) eq(err:kind(), 'Conflict') "
     "local err, has = f:error() eq(err:kind(), 'Conflict') eq(has, true)"},
    {"cancelled while pending",
     "local f = funcs.async('t:slow') eq(f:cancel(), true) "
     "local v, ok = f:response():receive() eq(v, nil) eq(ok, false) "
     "eq(f:is_complete(), false) eq(f:is_canceled(), true) "
     "fails('Canceled', 'canceled', f:result()) eq(select(2, f:error()), false) "
     "eq(f:cancel(), true) time.sleep('2ms') eq(f:is_complete(), false)"},
    {"cancelled after completion", "local f = funcs.async('t:echo', 1) "
                                   "while not f:is_complete() do time.sleep('1ms') end "
                                   "eq(f:cancel(), true) eq(f:is_complete(), true) "
                                   "eq(f:response():receive():data(), 1) "
                                   "eq(select(2, f:response():receive()), false) "
                                   "fails('Canceled', 'canceled', f:result())"},
    {"cancelling wakes who waits",
     "local f = funcs.async('t:slow') local got coroutine.spawn(function() "
     "got = select(2, f:response():receive()) end) f:cancel() time.sleep(0) "
     "eq(got, false)"},
    {"an unknown target (F-12)",
     "fails('NotFound', 'no handler registered for target', funcs.call('t:none')) "
     "local f, err = funcs.async('t:none') eq(err, nil) "
     "eq(f:response():receive():message(), 'no handler registered for target') "
     "eq(select(2, f:result()):kind(), 'NotFound')"},
    {"malformed targets (F-11)",
     "fails('Invalid', 'function ID required', funcs.call('')) "
     "fails('Invalid', 'namespace required in function ID', funcs.call('x')) "
     "fails('Invalid', 'namespace required in function ID', funcs.call(':x')) "
     "fails('Invalid', 'name required in function ID', funcs.async('x:')) "
     "raises('bad argument', funcs.call) raises('bad argument', funcs.call, {})"},
    {"select over futures and a timer",
     "local f, g = funcs.async('t:slow'), funcs.async('t:echo', 7) "
     "local r = channel.select{f:response():case_receive(), "
     "g:response():case_receive(), time.after('5s'):case_receive()} "
     "eq(r.channel == g:response(), true) eq(r.value:data(), 7) eq(r.ok, true)"},
    {"thousands of them cost nothing when they are over",
     "for i = 1, 3000 do local f = funcs.async('t:echo', i) "
     "eq(f:response():receive():data(), i) end"},
    {"thousands under way", "local t = {} for i = 1, 2000 do t[i] = "
                            "funcs.async('t:echo', i) end for i = 2000, 1, -1 do "
                            "eq(t[i]:response():receive():data(), i) end"},
    {"a channel outlives its future",
     "local ch = funcs.async('t:echo', 'v'):response() time.sleep('2ms') "
     "for i = 1, 100 do local t = {} for j = 1, 1000 do t[j] = {} end end "
     "eq(ch:receive():data(), 'v')"},
    {"a dropped future is forgotten",
     "for i = 1, 500 do funcs.async('t:echo', i) end "
     "for i = 1, 100 do local t = {} for j = 1, 1000 do t[j] = {} end end "
     "time.sleep('5ms') for i = 1, 100 do local t = {} for j = 1, 1000 do t[j] = {} "
     "end end"},
    {"context travels, arguments are copied",
     "local t = {1} local e = funcs.new():with_context{k = 'v', [1] = 'dropped'} "
     "eq(e:call('t:ctx', 'k'), 'v') eq(e:with_context{k = 'w'}:call('t:ctx', 'k'), "
     "'w') eq(e:call('t:ctx', 'k'), 'v') "
     "eq(funcs.new():with_context(table.freeze{k = {1, 2}}):call('t:ctx', 'k')[2], 2)"},
    {"context that can't travel leaves nothing behind",
     "local deep = {} deep.deep = deep local ok, err = pcall(function() return "
     "funcs.new():with_context{x = deep} end) eq(ok, false) "
     "eq(funcs.call('t:echo', 3), 3)"},
    {"arguments that can't travel leave nothing behind",
     "local t = {} for i = 1, 100 do t = {t} end local v, err = funcs.call('t:echo', "
     "t) eq(v, nil) eq(err:kind(), 'Invalid') local f, err = funcs.async('t:echo', t) "
     "eq(f, nil) eq(err:kind(), 'Invalid') eq(funcs.call('t:echo', 3), 3)"},
};

START_TEST(functions_give_futures)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add_function(&bench, "t:echo", "return function(v) return v end");
    bench_add_function(&bench, "t:slow", "return function() time.sleep('1h') end");
    bench_add_function(
        &bench, "t:fail",
        "return function() return nil, errors.new{message = 'm', kind = 'Conflict'} "
        "end");
    bench_add_function(&bench, "t:ctx", "return function(k) return ctx.get(k) end");
    bench_check_body(&bench, futures[_i].title, futures[_i].body, "null");
    bench_end(&bench);
}
END_TEST

/* What a process keeps doing must not make it grow (F-16). */
START_TEST(functions_called_in_a_loop_keep_the_caller_small)
{
    struct bench bench;
    const char *outcome;

    bench_begin(&bench, NULL);
    bench_add_function(&bench, "t:echo", "return function(v) return v end");
    bench.rt.settings.vm_max_bytes = 2 << 20;
    outcome =
        bench_run_body(&bench, "for i = 1, 20000 do local f = funcs.async('t:echo', i) "
                               "f:response():receive() end");
    ck_assert_str_eq(outcome, "null");
    bench_end(&bench);
}
END_TEST

/* ---- held calls ---- */

/* So many held calls have stopped waiting. */
static void assert_unheld(struct bench *bench, unsigned n)
{
    struct bench_frame *kept;
    struct frame_unhold frame;
    unsigned n_unheld = 0;

    while ((kept = bench_take(bench, FRAME_UNHOLD)) != NULL) {
        ck_assert_int_eq(frame_decode_unhold(kept->body, &frame, NULL), 0);
        ck_assert(bytes_equal_text(frame.queue, "t:f"));
        n_unheld += frame.n;
        free(kept);
    }
    ck_assert_uint_eq(n_unheld, n);
}

START_TEST(functions_are_called_again_when_the_queue_has_room)
{
    struct frame_resume resume = {.n = 1, .queue = bytes_of_text("t:f")};
    struct bench bench;
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench_add_function(&bench, "t:f", "return function(v) return v end");
    bench_add(&bench, "t:caller", "process.lua", BENCH_MODULES,
              "return {main = function() local a, b = funcs.async('t:f', 1), "
              "funcs.async('t:f', 2) b:cancel() return funcs.call('t:f', 3) end}");
    bench.holds_calls = true;
    pid = bench_spawn(&bench, "t:caller", NULL);
    bench_settle(&bench);
    bench.holds_calls = false;
    assert_unheld(&bench, 1);
    for (int i = 0; i < 3; i++) {
        frame_encode_resume(conn_out(bench.conn), &resume);
        conn_wrote(bench.conn);
        bench_settle(&bench);
    }
    ck_assert_str_eq(bench_await_exit(&bench, pid), "3");
    bench_end(&bench);
}
END_TEST

static bool has_unheld(struct bench *bench, void *context)
{
    (void)context;
    LIST_FOREACH (node, &bench->frames)
        if (container_of(node, struct bench_frame, node)->type == FRAME_UNHOLD)
            return true;
    return false;
}

/* F-33: a future that is cancelled while its call is held leaves at once. */
START_TEST(functions_let_go_of_held_calls_that_are_cancelled)
{
    struct bench bench;
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench_add_function(&bench, "t:f", "return function(v) return v end");
    bench_add(&bench, "t:caller", "process.lua", BENCH_MODULES,
              "return {main = function() local f = {} "
              "for i = 1, 3 do f[i] = funcs.async('t:f', i) end "
              "time.sleep('1ms') f[2]:cancel() time.sleep('200ms') end}");
    bench.holds_calls = true;
    pid = bench_spawn(&bench, "t:caller", NULL);
    bench_until(&bench, has_unheld, NULL);
    assert_unheld(&bench, 1);
    bench_await_exit(&bench, pid);
    bench_settle(&bench);
    assert_unheld(&bench, 2); /* a process takes along what it has called */
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, functions_give_futures, 0, N_ELEMENTS(futures));
    tcase_add_test(tc, functions_called_in_a_loop_keep_the_caller_small);
    tcase_add_test(tc, functions_let_go_of_held_calls_that_are_cancelled);
    tcase_add_test(tc, functions_are_called_again_when_the_queue_has_room);
}

int main(void)
{
    return unit_main("future", fill);
}
