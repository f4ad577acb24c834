#include "worker/functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/conn.h"
#include "proto/frame.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

/* ---- F-20 to F-22: what goes in and what comes out ---- */

static const struct {
    const char *title, *body, *args, *want;
} results[] = {
    {"nothing", "return", NULL, "null"},
    {"nil", "return nil", NULL, "null"},
    {"a value", "return 5", NULL, "5"},
    {"false", "return false", NULL, "false"},
    {"an integer and a float stay what they are",
     "return {math.type(...), math.type((select(2, ...)))}", "[3, 3.5]",
     "[\"integer\",\"float\"]"},
    {"arguments in order, nil included",
     "return select('#', ...) .. tostring((select(2, ...)))", "[1, null, 3, null]",
     "\"4nil\""},
    {"a value and nil", "return 5, nil", NULL, "5"},
    {"text in second place", "return 5, 'bad'", NULL, "Internal: bad"},
    {"empty text in second place", "return 5, ''", NULL, "Internal: "},
    {"an Error in second place",
     "return 5, errors.new{message = 'm', kind = 'Conflict', retryable = true}", NULL,
     "Conflict: m (retryable)"},
    {"an Error of no kind", "return nil, errors.new('m')", NULL, "Internal: m"},
    {"a table in second place", "return 5, {}", NULL, "5"},
    {"a number in second place", "return 5, 1", NULL, "5"},
    {"third and later values", "return 5, nil, 'x'", NULL, "5"},
    {"a raised text", "error('boom')", NULL, "Internal: t:f:1: boom"},
    {"a raised Error", "error(errors.new{message = 'm', kind = 'NotFound'})", NULL,
     "NotFound: m"},
    {"a raised table with __tostring",
     "error(setmetatable({}, {__tostring = function() return 'shown' end}))", NULL,
     "Internal: shown"},
    {"a __tostring that raises (L11)",
     "error(setmetatable({}, {__tostring = function() error('no') end}))", NULL,
     "Internal: (error object is a table value)"},
    {"a __tostring that yields (L11)",
     "error(setmetatable({}, {__tostring = function() coroutine.yield() end}))", NULL,
     "Internal: (error object is a table value)"},
    {"a __tostring that waits (L11)",
     "local ch = channel.new() error(setmetatable({}, {__tostring = function() "
     "time.sleep('1ms') end}))",
     NULL, "Internal: (error object is a table value)"},
    {"an object whose text has no end",
     "error(setmetatable({}, {__tostring = function() while true do end end}))", NULL,
     "Internal: (error object is a table value)"},
    {"one behind what can't be left in the middle",
     "local function object(f) return setmetatable({}, {__tostring = f}) end "
     "local endless = object(function() while true do end end) "
     "error(object(function() return tostring(endless) end))",
     NULL, "Internal: (error object is a table value)"},
    {"one in a coroutine",
     "local co = coroutine.create(function() while true do end end) "
     "error(setmetatable({}, {__tostring = function() coroutine.resume(co) "
     "return 'text' end}))",
     NULL, "Internal: (error object is a table value)"},
    {"an object's text that isn't short",
     "error(setmetatable({}, {__tostring = function() local n = 0 "
     "for i = 1, 1000 do n = n + i end return 'sum ' .. n end}))",
     NULL, "Internal: sum 500500"},
    {"a __tostring that uses what is there no more (L11)",
     "local ch = channel.new(1) ch:send(1) local inbox = process.inbox() "
     "process.send(process.pid(), 't', 1) error(setmetatable({}, {__tostring = "
     "function() pcall(ch.receive, ch) pcall(inbox.receive, inbox) "
     "pcall(process.pid) pcall(channel.new) pcall(coroutine.spawn, print) "
     "pcall(process.listen, 'x') pcall(time.after, '1ms') "
     "return 'survived' end}))",
     NULL, "Internal: survived"},
    {"a raised nil", "error(nil)", NULL, "Internal: nil"},
    {"a fault", "local x = nil + 1", NULL,
     "Internal: t:f:1: attempt to perform arithmetic on a nil value"},
    {"an error in a coroutine it spawned",
     "coroutine.spawn(function() error('inner', 0) end) time.sleep('1h')", NULL,
     "Internal: inner"},
    {"a result nested too deeply",
     "local t = {} for i = 1, 100 do t = {t} end return t", NULL,
     "Invalid: value nested too deeply"},
    {"functions, channels, coroutines become nil",
     "return {print, channel.new(), coroutine.create(print), 7}", NULL,
     "[null,null,null,7]"},
    {"its id", "return process.id()", NULL, "\"t:f\""},
    {"its pid is of the function", "return (process.pid():gsub('0x%x+', 'N'))", NULL,
     "\"{t:f|N}\""},
    {"it has an inbox (PM-6)",
     "process.send(process.pid(), 't', 5) "
     "return process.inbox():receive():payload():data()",
     NULL, "5"},
    {"no context", "return select('#', next(ctx.all()))", NULL, "1"},
};

START_TEST(functions_return)
{
    struct bench bench;
    const char *got;

    bench_begin(&bench, "pool");
    got = bench_call_body(&bench, results[_i].body, results[_i].args);
    ck_assert_msg(strncmp(got, results[_i].want, strlen(results[_i].want)) == 0,
                  "%s: %s", results[_i].title, got);
    bench_end(&bench);
}
END_TEST

/* What is done with an outcome needs room of its own. */
START_TEST(functions_return_as_many_values_as_a_stack_holds)
{
    char args[20];
    struct bench bench;
    const char *got;

    bench_begin(&bench, "pool");
    bench_add_function(
        &bench, "t:f",
        bench_main("return table.unpack({1, errors.new('m')}, 1, (...))"));
    for (int n = 999930; n < 1000000; n++) {
        snprintf(args, sizeof(args), "[%d]", n);
        got = bench_call(&bench, "t:f", args);
        ck_assert_msg(strcmp(got, "Internal: m") == 0 ||
                          strstr(got, "too many results"),
                      "%d: %s", n, got);
    }
    bench_end(&bench);
}
END_TEST

/* ---- F-3: loading ---- */

static const struct {
    const char *source, *want;
} chunks[] = {
    {"return {main = function() return 1 end}", "1"},
    {"return function() return 2 end", "2"},
    {"return {}", "NotFound: method \"main\" not found in module"},
    {"return", "NotFound: method \"main\" not found in module"},
    {"return 5", "NotFound: method \"main\" not found in module"},
    {"return {main = 5}", "NotFound: method \"main\" not found in module"},
    {"return setmetatable({}, {__index = {main = print}})",
     "NotFound: method \"main\" not found in module"},
    {"error('x')", "Internal: failed to execute script: t:f:1: x"},
    {"error(errors.new{message = 'm', kind = 'NotFound'})",
     "Internal: failed to execute script: m"},
    {"error({})", "Internal: failed to execute script: table: "},
    {"time.sleep('1ms') return {main = print}",
     "Internal: failed to execute script: t:f:1: attempt to block at file level"},
    {"funcs.call('t:f') return {main = print}",
     "Internal: failed to execute script: t:f:1: attempt to block at file level"},
    {"channel.new():receive() return {main = print}",
     "Internal: failed to execute script: t:f:1: attempt to block at file level"},
    {"coroutine.spawn(function() end) return {main = print}",
     "Internal: failed to execute script: t:f:1: attempt to block at file level"},
    {"coroutine.yield() return {main = function() return 3 end}", "3"},
    {"local n = 0 for i = 1, 3e7 do n = n + 1 end return {main = function() return n "
     "end}",
     "30000000"},
    {"local x = = 1", "Invalid: "},
};

START_TEST(functions_load)
{
    struct bench bench;
    const char *got;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:f", chunks[_i].source);
    for (int i = 0; i < 2; i++) { /* a failed instance fails again, it doesn't hang */
        got = bench_call(&bench, "t:f", NULL);
        ck_assert_msg(strncmp(got, chunks[_i].want, strlen(chunks[_i].want)) == 0,
                      "%s: %s", chunks[_i].source, got);
    }
    bench_end(&bench);
}
END_TEST

START_TEST(functions_name_the_dependency_that_failed)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:f", "return function() return lib end");
    bench_add(&bench, "t:lib", "library.lua", "", "error('no')");
    bench_add_import(&bench, "t:f", "lib", "t:lib");
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL),
                     "Internal: failed to load dependency lib: t:lib:1: no");
    bench_end(&bench);
}
END_TEST

START_TEST(functions_keep_their_state_from_call_to_call)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    bench_add_function(&bench, "t:f",
                       "local n = 0 g = 0 return function(how) n = n + 1 g = g + 1 "
                       "if how == 'error' then error('e', 0) end if how == 'wait' then "
                       "time.sleep('1h') end return n * 100 + g end");
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL), "101");
    ck_assert_str_eq(bench_call(&bench, "t:f", "[\"error\"]"), "Internal: e");
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL), "303");
    uint64_t call = bench_start_call(&bench, "t:f", "[\"wait\"]");
    bench_settle(&bench);
    bench_cancel(&bench, call);
    ck_assert_str_eq(bench_await(&bench, call), "Canceled: context canceled");
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL), "505");
    bench_end(&bench);
}
END_TEST

/* Inline functions in the worker of a pool whose calls share one loaded instance. */
START_TEST(functions_run_new_code_beside_a_call_that_runs_the_old)
{
    struct bench bench;
    uint64_t call;

    bench_begin(&bench, "pool");
    bench.rt.settings.shared = true;
    bench_add_function(
        &bench, "t:f",
        "return function(wait) if wait then time.sleep('1h') end return 'old' end");
    call = bench_start_call(&bench, "t:f", "[true]");
    bench_settle(&bench);
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL), "\"old\"");
    bench_call(&bench, "@code.forget", "[\"t:f\"]");
    bench_add_function(&bench, "t:f", "return function() return 'new' end");
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL), "\"new\"");
    bench_cancel(&bench, call);
    ck_assert_str_eq(bench_await(&bench, call), "Canceled: context canceled");
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL), "\"new\"");
    bench_end(&bench);
}
END_TEST

/* What one call waits for may have been made by another, which ends first. */
START_TEST(functions_hear_of_a_channel_whose_call_ended)
{
    static const char *const waits[] = {
        "return tostring(select(2, ch:receive()))",
        "return tostring(channel.select{ch:case_receive()}.ok)"};
    struct bench bench;
    char source[400];
    uint64_t call;

    bench_begin(&bench, "pool");
    bench.rt.settings.shared = true;
    snprintf(source, sizeof(source),
             "local ch return function(how) if how == 'make' then "
             "ch = time.ticker('1h'):response() time.sleep('5ms') return 'made' end "
             "%s end",
             waits[_i]);
    bench_add_function(&bench, "t:f", source);
    call = bench_start_call(&bench, "t:f", "[\"make\"]");
    bench_settle(&bench);
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL), "\"false\"");
    ck_assert_str_eq(bench_await(&bench, call), "\"made\"");
    bench_end(&bench);
}
END_TEST

/* Its instance may be gone as well: the one who fills the memory takes all idle ones
 * with it. */
static const struct {
    const char *make, *use, *want;
} left_channels[] = {
    {"time.after('1h')", "return tostring(select(2, ch:receive()))", "\"false\""},
    {"channel.new()",
     "subscribe('x', ch) process.send(process.pid(), 'x', 5) return ch:receive()", "5"},
};

START_TEST(functions_may_use_a_channel_whose_instance_is_gone)
{
    struct bench bench;
    char source[600];
    uint64_t call;

    bench_begin(&bench, "pool");
    bench.rt.settings.shared = true;
    bench.rt.settings.vm_max_bytes = 4 << 20;
    snprintf(source, sizeof(source),
             "local ch, kept = nil, {} return function(how) if how == 'make' then "
             "ch = %s elseif how == 'fill' then for i = 1, 1e9 do kept[i] = {i} end "
             "else time.sleep('50ms') kept = nil %s end end",
             left_channels[_i].make, left_channels[_i].use);
    bench_add_function(&bench, "t:f", source);
    call = bench_start_call(&bench, "t:f", "[\"wait\"]");
    bench_settle(&bench);
    ck_assert_str_eq(bench_call(&bench, "t:f", "[\"make\"]"), "null");
    ck_assert_ptr_nonnull(
        strstr(bench_call(&bench, "t:f", "[\"fill\"]"), "not enough memory"));
    ck_assert_str_eq(bench_await(&bench, call), left_channels[_i].want);
    bench_end(&bench);
}
END_TEST

START_TEST(functions_run_concurrent_calls_on_instances_of_their_own)
{
    struct bench bench;
    uint64_t calls[20];

    bench_begin(&bench, "pool");
    bench_add_function(
        &bench, "t:f",
        "local n = 0 return function(x) n = n + 1 time.sleep('1ms') return n * 100 + x "
        "end");
    for (size_t i = 0; i < N_ELEMENTS(calls); i++)
        calls[i] = bench_start_call(&bench, "t:f", "[7]");
    for (size_t i = 0; i < N_ELEMENTS(calls); i++)
        ck_assert_str_eq(bench_await(&bench, calls[i]), "107");
    ck_assert_str_eq(bench_call(&bench, "t:f", NULL),
                     "Internal: t:f:1: attempt to perform arithmetic on a nil value "
                     "(local 'x')");
    ck_assert_uint_eq(functions_n_busy(bench.rt.functions), 0);
    bench_end(&bench);
}
END_TEST

/* What a call leaves in module-level variables is dead, but harmless. */
START_TEST(functions_may_touch_what_an_earlier_call_left)
{
    struct bench bench;

    bench_begin(&bench, "pool");
    bench.linger_ms = 0;
    bench_add_function(
        &bench, "t:f",
        "local kept return function(how) if how == 'leave' then kept = {"
        "inbox = process.inbox(), events = process.events(), "
        "listen = process.listen('x'), plain = channel.new(2), "
        "timer = time.timer('1h'), ticker = time.ticker('1h'), "
        "after = time.after('1h'), future = funcs.async('t:slow'), "
        "co = coroutine.wrap(function() time.sleep('1h') end), "
        "task = coroutine.spawn(function() channel.new():receive() end)} "
        "kept.plain:send(1) coroutine.spawn(kept.co) time.sleep(0) return 'left' end "
        "local out = {} local function try(f, ...) local r = {pcall(f, ...)} "
        "out[#out + 1] = tostring(r[2]) end "
        "try(kept.inbox.receive, kept.inbox) try(kept.events.receive, kept.events) "
        "try(kept.listen.receive, kept.listen) try(process.unlisten, kept.listen) "
        "try(kept.plain.receive, kept.plain) try(kept.timer.stop, kept.timer) "
        "try(kept.timer.reset, kept.timer, '1s') "
        "try(kept.ticker.stop, kept.ticker) try(kept.after.receive, kept.after) "
        "try(kept.future.is_complete, kept.future) "
        "try(kept.future.result, kept.future) try(kept.future.cancel, kept.future) "
        "try(function() return kept.future:response():receive() end) "
        "try(kept.co) try(coroutine.status, kept.task) "
        "try(function() return select(2, coroutine.resume(kept.task)) end) "
        "kept = nil for i = 1, 100 do local t = {} for j = 1, 1000 do t[j] = {} end "
        "end return table.concat(out, ' ') end");
    bench_add_function(&bench, "t:slow", "return function() time.sleep('1h') end");
    ck_assert_str_eq(bench_call(&bench, "t:f", "[\"leave\"]"), "\"left\"");
    ck_assert_str_eq(bench_call(&bench, "t:f", "[\"touch\"]"),
                     "\"nil nil nil false 1 false false true nil false nil true nil "
                     "cannot resume non-suspended coroutine suspended cannot resume "
                     "non-suspended coroutine\"");
    bench_end(&bench);
}
END_TEST

/* The supervisor takes a worker that sends more than a frame holds for a broken one. */
START_TEST(functions_refuse_what_no_frame_holds)
{
    static const struct {
        const char *body, *want;
    } rows[] = {
        {"local s = ('x'):rep(64 << 20 >> 1) return s .. s:sub(50)",
         "LimitExceeded: value too large"},
        {"local s = ('x'):rep(60 << 20) local v, err = funcs.new():with_context{s = s}:"
         "call('t:f', s) return nil, err",
         "LimitExceeded: value too large"},
        {"local s = ('x'):rep(60 << 20) local ok, err = process.send(process.pid(), "
         "'t', s, s) return nil, err",
         "LimitExceeded: value too large"},
    };
    struct bench bench;
    const char *got;

    bench_begin(&bench, "pool");
    bench.rt.settings.vm_max_bytes = (uint64_t)2 << 30;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char id[16];

        snprintf(id, sizeof(id), "t:f%zu", i);
        bench_add_function(&bench, id, bench_main(rows[i].body));
        got = bench_call(&bench, id, NULL);
        ck_assert_msg(strncmp(got, rows[i].want, strlen(rows[i].want)) == 0, "%s: %s",
                      rows[i].body, got);
    }
    ck_assert(!bench.rt.stop && !bench.closed);
    bench_end(&bench);
}
END_TEST

/* [[1, 1, 1, ...]], which takes sixteen times as much room when it is decoded. */
static uint64_t call_with_ones(struct bench *bench, const char *id, uint32_t n)
{
    static const uint8_t head[] = {0x00, 0x91, 0xdd};
    struct frame_call frame = {.call = ++bench->n_calls, .target = bytes_of_text(id)};
    uint32_t big = __builtin_bswap32(n);
    uint8_t *args = malloc(sizeof(head) + 4 + n);

    memcpy(args, head, sizeof(head));
    memcpy(args + sizeof(head), &big, 4);
    memset(args + sizeof(head) + 4, 1, n);
    frame.args = (struct bytes){args, sizeof(head) + 4 + n};
    ck_assert(frame_encode_call(conn_out(bench->conn), &frame));
    conn_wrote(bench->conn);
    free(args);
    return frame.call;
}

static long max_rss_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

START_TEST(functions_are_given_no_more_than_their_memory)
{
    struct bench bench;
    const char *outcome;
    uint64_t call;
    long before;

    bench_begin(&bench, "pool");
    bench.rt.settings.vm_max_bytes = 4 << 20;
    bench_add_function(&bench, "t:f", "return function(list) return #list end");
    ck_assert_str_eq(bench_await(&bench, call_with_ones(&bench, "t:f", 100000)),
                     "100000");
    before = max_rss_kib();
    call = call_with_ones(&bench, "t:f", 8000000);
    outcome = bench_await(&bench, call);
    ck_assert_str_eq(outcome, "Internal: not enough memory");
    ck_assert_int_lt(max_rss_kib() - before, 64 << 10);
    ck_assert_str_eq(bench_await(&bench, call_with_ones(&bench, "t:f", 100000)),
                     "100000");
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, functions_return, 0, N_ELEMENTS(results));
    tcase_add_test(tc, functions_return_as_many_values_as_a_stack_holds);
    tcase_add_loop_test(tc, functions_load, 0, N_ELEMENTS(chunks));
    tcase_add_test(tc, functions_name_the_dependency_that_failed);
    tcase_add_test(tc, functions_keep_their_state_from_call_to_call);
    tcase_add_test(tc, functions_run_new_code_beside_a_call_that_runs_the_old);
    tcase_add_loop_test(tc, functions_hear_of_a_channel_whose_call_ended, 0, 2);
    tcase_add_loop_test(tc, functions_may_use_a_channel_whose_instance_is_gone, 0,
                        N_ELEMENTS(left_channels));
    tcase_add_test(tc, functions_run_concurrent_calls_on_instances_of_their_own);
    tcase_add_test(tc, functions_may_touch_what_an_earlier_call_left);
    tcase_add_test(tc, functions_refuse_what_no_frame_holds);
    tcase_add_test(tc, functions_are_given_no_more_than_their_memory);
}

int main(void)
{
    return unit_main("functions", fill);
}
