#include <stdio.h>
#include <string.h>

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/channel.h"
#include "worker/vm.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

/* Each body runs as a process that mostly sends to itself. */
#define HELP                                                                           \
    "local self = process.pid() local function send(t, ...) "                          \
    "eq(process.send(self, t, ...), true) end "                                        \
    "local function take(ch) local r = channel.select{ch:case_receive(), "             \
    "default = true} if r.default then return nil end return r.value end "

static const struct {
    const char *title, *body;
} cases[] = {
    {"MB-1 order of one sender whatever the topics",
     HELP "for i = 1, 100 do send('t' .. i % 3, i) end local inbox = process.inbox() "
          "for i = 1, 100 do local m = inbox:receive() eq(m:payload():data(), i) "
          "eq(m:topic(), 't' .. i % 3) end"},
    {"MB-1 order by name and pid",
     HELP "process.registry.register('me') for i = 1, 20 do "
          "process.send(i % 2 == 0 and 'me' or self, 't', i) end "
          "for i = 1, 20 do eq(process.inbox():receive():payload():data(), i) end"},
    {"MB-2 a listener of just that topic", HELP
     "local a = process.listen('a') send('a', 1) send('a.b', 2) send('A', 3) "
     "eq(take(a), 1) eq(take(a), nil) eq(process.inbox():receive():topic(), 'a.b') "
     "eq(process.inbox():receive():topic(), 'A')"},
    {"MB-2 no wildcards",
     HELP "local a = process.listen('*') send('x', 1) send('*', 2) eq(take(a), 2)"},
    {"MB-2 what has no taker stays, in order",
     HELP "send('a', 1) send('b', 2) send('a', 3) time.sleep('1ms') "
          "local b = process.listen('b') eq(take(b), 2) eq(take(b), nil) "
          "local inbox = process.inbox() eq(inbox:receive():payload():data(), 1) "
          "eq(inbox:receive():payload():data(), 3) eq(take(inbox), nil)"},
    {"MB-2 the inbox gets what no listener takes",
     HELP "local inbox, a = process.inbox(), process.listen('a') send('b', 1) "
          "send('a', 2) eq(take(a), 2) eq(take(inbox):topic(), 'b') "
          "eq(take(inbox), nil)"},
    {"MB-2 a topic that nobody reads holds no other back",
     HELP "local a, b = process.listen('a'), process.listen('b') for i = 1, 50 do "
          "send('a', i) send('b', i) end for i = 1, 50 do eq(b:receive(), i) end "
          "for i = 1, 50 do eq(a:receive(), i) end"},
    {"MB-2 after unlisten the inbox takes over",
     HELP "local a, inbox = process.listen('a'), process.inbox() send('a', 1) "
          "eq(process.unlisten(a), true) send('a', 2) local v, ok = a:receive() "
          "eq(v, 1) eq(ok, true) v, ok = a:receive() eq(v, nil) eq(ok, false) "
          "eq(inbox:receive():payload():data(), 2)"},
    {"PR-18 unlisten frees who waits",
     HELP "local a, got = process.listen('a') coroutine.spawn(function() "
          "got = select(2, a:receive()) end) process.unlisten(a) time.sleep(0) "
          "eq(got, false)"},
    {"PR-18 unlisten of what is no listener",
     HELP "local ok, err = process.unlisten(channel.new()) eq(ok, false) "
          "eq(err:kind(), 'Invalid') eq(process.unlisten(process.inbox()), false) "
          "eq(process.unlisten(5), false) local a = process.listen('a') "
          "process.unlisten(a) eq(process.unlisten(a), false)"},
    {"PR-17 raw payloads",
     HELP "local a = process.listen('a') send('a') send('a', nil) send('a', 1, nil, 3) "
          "send('a', {k = 'v'}) local v, ok = a:receive() eq(v, nil) eq(ok, true) "
          "v, ok = a:receive() eq(v, nil) eq(ok, true) local t = a:receive() "
          "eq(t[1], 1) eq(t[2], nil) eq(t[3], 3) eq(a:receive().k, 'v')"},
    {"PR-17 messages on demand",
     HELP "local a = process.listen('a', {message = true}) send('a', 5) "
          "eq(a:receive():payload():data(), 5)"},
    {"PR-17 refused topics",
     "fails('Invalid', 'topic cannot be empty', process.listen('')) "
     "fails('Invalid', 'cannot listen to @ topics', process.listen('@pid/inbox')) "
     "raises('bad argument', process.listen)"},
    {"MB-3 @ topics can't be sent to",
     "fails('Invalid', 'cannot send to @ topics', process.send(process.pid(), "
     "'@pid/inbox', 1))"},
    {"MB-4 a message",
     HELP "send('t', 'v') local m = process.inbox():receive() eq(m:topic(), 't') "
          "eq(m:from(), self) eq(tostring(m), 'process.Message{topic=t}') "
          "local p = m:payload() eq(p:data(), 'v') eq(p:get_format(), 'lua/any') "
          "eq(tostring(p), 'payload{format=lua/any}') eq(p.x, nil) eq(m.x, nil)"},
    {"MB-4 no payload, several payloads",
     HELP "send('t') eq(process.inbox():receive():payload(), nil) send('t', 1, 'x', "
          "nil) local list = process.inbox():receive():payload() eq(#list, 3) "
          "eq(list[1]:data(), 1) eq(list[2]:data(), 'x') eq(list[3]:data(), nil)"},
    {"MB-4 topics of any bytes",
     HELP "local topic = 'a\\0b\\xff' send(topic, 1) "
          "eq(process.inbox():receive():topic(), topic) "
          "local l = process.listen(topic) send(topic, 2) send('a', 3) eq(take(l), 2)"},
    {"T-4 1000 on 3 topics before inbox()",
     HELP "for i = 1, 1000 do send('t' .. i % 3, i) end for i = 1, 1000 do "
          "eq(process.inbox():receive():payload():data(), i) end"},
    {"T-5 the same with a listener",
     HELP "for i = 1, 1000 do send(i % 3 == 0 and 'b' or 'a' .. i % 3, i) end "
          "local inbox, b = process.inbox(), process.listen('b') for i = 1, 1000 do "
          "if i % 3 == 0 then eq(b:receive(), i) else "
          "eq(inbox:receive():payload():data(), i) end end"},
    {"MB-6 subscribe ties an own channel",
     HELP "local ch = channel.new(4) send('t', 0) eq(subscribe('t', ch) == ch, true) "
          "eq(subscribe('t', ch) == ch, true) send('t', 1) eq(ch:receive(), 0) "
          "eq(ch:receive(), 1) fails('AlreadyExists', 'topic \"t\" already "
          "subscribed', subscribe('t', channel.new())) eq(unsubscribe(ch), true) "
          "eq(select(2, ch:receive()), false) eq(unsubscribe(ch), false)"},
    {"MB-6 subscribe wakes who waits already", HELP
     "local ch, got = channel.new(), {} for i = 1, 3 do coroutine.spawn(function() "
     "got[i] = ch:receive() end) end send('t', 1) send('t', 2) "
     "subscribe('t', ch) send('t', 3) time.sleep(0) "
     "eq(table.concat(got, ' '), '1 2 3')"},
    {"MB-6 subscribe refuses a used channel",
     "local ch = channel.new(1) ch:send(1) "
     "eq(select(2, subscribe('t', ch)):kind(), 'InvalidState') local c = channel.new() "
     "coroutine.spawn(function() c:send(1) end) "
     "eq(select(2, subscribe('t', c)):kind(), 'InvalidState') local d = channel.new() "
     "d:close() eq(select(2, subscribe('t', d)):kind(), 'InvalidState') "
     "raises('channel expected', subscribe, 't', 5)"},
    {"MB-6, CH-7 a send case made before sends on what is a queue by then",
     HELP "local ch = channel.new(1) local case = ch:case_send(1) subscribe('t', ch) "
          "eq(channel.select{case, default = true}.ok, true) "
          "eq(channel.select{ch:case_receive()}.value, 1) "
          "coroutine.spawn(function() time.sleep(0) send('t', 5) end) "
          "eq(channel.select{ch:case_receive()}.value, 5)"},
    {"MB-6 a subscribed channel outlives nothing it shouldn't",
     HELP "for i = 1, 200 do local ch = channel.new() subscribe('t' .. i, ch) "
          "if i % 2 == 0 then unsubscribe(ch) end ch = nil local t = {} "
          "for j = 1, 500 do t[j] = {} end end for i = 1, 200 do send('t' .. i, i) "
          "end eq(process.inbox():receive():topic(), 't2')"},
    {"PR-3 what a send refuses",
     "fails('Invalid', 'send requires at least destination and topic arguments', "
     "process.send('x')) fails('NotFound', \"could not resolve 'no one' as PID or "
     "registered name\", process.send('no one', 't')) "
     "fails('NotFound', 'process not found', process.send('{t:host|0x1c00fff}', 't')) "
     "raises('bad argument', process.send, {}, 't')"},
    {"EV-3, EV-4 events: patterns, order, close",
     "local s = events.subscribe('a*') local t = events.subscribe('a.b', 'k') "
     "eq(events.send('a.b', 'k', 'p', {n = 1}), true) events.send('a', 'x', 'q') "
     "events.send('b', 'k', 'r') local e = s:channel():receive() eq(e.system, 'a.b') "
     "eq(e.kind, 'k') eq(e.path, 'p') eq(e.data.n, 1) e = s:channel():receive() "
     "eq(e.path, 'q') eq(e.data, nil) eq(t:channel():receive().path, 'p') "
     "eq(s:channel() == s:channel(), true) eq(s:close(), true) eq(s:close(), true) "
     "eq(select(2, s:channel():receive()), false) events.send('a', 'k', 'p') "
     "time.sleep('1ms') eq(channel.select{t:channel():case_receive(), "
     "default = true}.default, true) s = nil for i = 1, 50 do local t = {} "
     "for j = 1, 1000 do t[j] = {} end end process.listen('x')"},
    {"EV-1, EV-2 events: what is refused",
     "fails('Invalid', 'system is required', events.send('', 'k', 'p')) "
     "fails('Invalid', 'kind is required', events.send('s', '', 'p')) "
     "fails('Invalid', 'path is required', events.send('s', 'k', '')) "
     "fails('Invalid', 'system pattern is required', events.subscribe(''))"},
    {"TM-2 after fires once and closes",
     "local ch = time.after('1ms') local v, ok = ch:receive() eq(ok, true) "
     "eq(type(v), 'userdata') v, ok = ch:receive() eq(v, nil) eq(ok, false)"},
    {"TM-3 a timer stopped, fired, reset",
     "local t = time.timer('1h') eq(t:stop(), true) eq(t:stop(), false) "
     "eq(t:reset('1ms'), false) eq(select(2, t:response():receive()), false) "
     "t = time.timer('1h') eq(t:reset('1ms'), true) "
     "eq(select(2, t:response():receive()), true) eq(t:reset('1ms'), false) "
     "eq(t:stop(), false) raises('duration must be > 0', t.reset, t, 0)"},
    {"TM-4 a ticker drops what nobody reads, and stops",
     "local t = time.ticker('100us') for i = 1, 40 do time.sleep('1ms') end local n = "
     "0 while not "
     "channel.select{t:response():case_receive(), default = true}.default do n = n + 1 "
     "end eq(n >= 16 and n <= 17, true, n) eq(t:stop(), true) "
     "while t:response():receive() do end eq(t:stop(), true)"},
    {"timers of every kind, dropped at once, fire into nothing",
     "for i = 1, 100 do time.after('1ms') time.timer('1ms') local t = "
     "time.ticker('1ms') if i % 2 == 0 then t:stop() end end "
     "for i = 1, 20 do time.sleep('1ms') local t = {} for j = 1, 1000 do t[j] = {} end "
     "end"},
};

START_TEST(mailbox_does)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_check_body(&bench, cases[_i].title, cases[_i].body, "null");
    bench_end(&bench);
}
END_TEST

/* Takes item. */
static void send_value_from_far(struct bench *bench, uint64_t to, const char *topic,
                                struct value item)
{
    struct frame_send frame = {.to = to,
                               .from = BENCH_PID,
                               .from_host = bytes_of_text("t:far"),
                               .topic = bytes_of_text(topic)};
    struct buf payload;

    buf_init(&payload, 0);
    payload_encode(&payload, &item, 1);
    frame.payload = buf_bytes(&payload);
    frame_encode_send(conn_out(bench->conn), &frame);
    conn_wrote(bench->conn);
    buf_finish(&payload);
    value_finish(&item);
}

static void send_from_far(struct bench *bench, uint64_t to, const char *topic,
                          size_t n_bytes)
{
    char *text = calloc(1, n_bytes + 1);

    send_value_from_far(bench, to, topic, value_bytes(text, n_bytes));
    free(text);
}

static bool says_that_it_is_full(struct bench *bench, void *pid)
{
    return liveness_is_full(bench->rt.liveness, *(uint64_t *)pid);
}

static bool takes_more(struct bench *bench, void *pid)
{
    return !says_that_it_is_full(bench, pid);
}

START_TEST(mailbox_says_when_it_is_full)
{
    struct bench bench;
    char json[64];
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench.rt.settings.mailbox_max_bytes = 1 << 20;
    bench_add(&bench, "t:lazy", "process.lua", "time",
              "return {main = function(max) local l = process.listen('go') l:receive() "
              "local n, inbox = 0, process.inbox() while true do local r = "
              "channel.select{inbox:case_receive(), default = true} if r.default then "
              "return n end n = n + 1 end end}");
    pid = bench_spawn(&bench, "t:lazy", NULL);
    for (int i = 0; i < 100001; i++)
        send_from_far(&bench, pid, "t", 0);
    bench_until(&bench, says_that_it_is_full, &pid);
    /* a neighbour is told so */
    bench_add(
        &bench, "t:sender", "process.lua", "",
        bench_main("local pid = ... local ok, err = process.send(pid, 'x') eq(ok, nil) "
                   "eq(err:kind(), 'RateLimited') eq(err:message(), 'mailbox full') "
                   "eq(err:retryable(), true)"));
    snprintf(json, sizeof(json), "[\"{t:host|0x%05llx}\"]", (unsigned long long)pid);
    ck_assert_str_eq(bench_run(&bench, "t:sender", json), "null");
    bench_end(&bench);
}
END_TEST

START_TEST(mailbox_takes_more_once_it_is_read)
{
    struct bench bench;
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench.rt.settings.mailbox_max_bytes = 1 << 20;
    bench_add(&bench, "t:reader", "process.lua", "time",
              "return {main = function() time.sleep('1ms') local n, inbox = 0, "
              "process.inbox() while n < 100101 do inbox:receive() n = n + 1 end "
              "return n end}");
    pid = bench_spawn(&bench, "t:reader", NULL);
    for (int i = 0; i < 100001; i++)
        send_from_far(&bench, pid, "t", 0);
    bench_settle(&bench);
    while (liveness_is_full(bench.rt.liveness, pid))
        bench_turn(&bench, true);
    for (int i = 0; i < 100; i++)
        send_from_far(&bench, pid, "t", 100);
    ck_assert_str_eq(bench_await_exit(&bench, pid), "100101");
    bench_end(&bench);
}
END_TEST

/* Not with each message that is read: with a quarter of the bytes. */
START_TEST(mailbox_stays_full_until_a_quarter_is_read)
{
    struct bench bench;
    uint64_t pid;
    int n = 0;

    bench_begin(&bench, NULL);
    bench.rt.settings.mailbox_max_bytes = 24 << 20;
    bench_add(&bench, "t:reader", "process.lua", "",
              "return {main = function() local inbox, go = process.inbox(), "
              "process.listen('go') while true do for i = 1, go:receive() do "
              "inbox:receive() end end end}");
    pid = bench_spawn(&bench, "t:reader", NULL);
    for (; !liveness_is_full(bench.rt.liveness, pid); n++) {
        send_from_far(&bench, pid, "t", 0);
        if (n % 1000 == 0)
            bench_settle(&bench);
        ck_assert_int_lt(n, 1000000);
    }
    ck_assert_int_gt(n, 150000); /* what is left then are more than 100,000 */
    send_value_from_far(&bench, pid, "go", value_int(n / 8));
    bench_settle(&bench);
    ck_assert(liveness_is_full(bench.rt.liveness, pid));
    send_value_from_far(&bench, pid, "go", value_int(n / 3));
    bench_until(&bench, takes_more, &pid);
    bench_end(&bench);
}
END_TEST

/* ---- without memory (L8) --------------------------------------------------------- */

static struct vm *vm_of_pid(struct bench *bench, uint64_t pid)
{
    return slots_find(&bench->rt.slots, pid)->vm;
}

static void cancel(struct bench *bench, uint64_t pid)
{
    static const uint8_t reason[] = {0xa3, 'w', 'h', 'y'};
    struct frame_signal signal = {
        .op = SIGNAL_CANCEL, .to = pid, .reason = {reason, sizeof(reason)}};
    struct buf body;

    buf_init(&body, 0);
    frame_encode_signal(&body, &signal);
    buf_consume(&body, FRAME_HEADER_BYTES);
    bench_send(bench, FRAME_SIGNAL, buf_bytes(&body));
    buf_finish(&body);
}

/* It asks for its channels with only so much memory left; true: it lived on. */
static bool ask_for_channels(struct bench *bench, size_t room)
{
    uint64_t pid = bench_spawn(bench, "t:asks", NULL);
    struct vm *vm = vm_of_pid(bench, pid);
    size_t hard = vm->hard_bytes;
    const char *outcome;
    bool lives;

    bench_settle(bench);
    vm->hard_bytes = vm->used_bytes + room;
    send_from_far(bench, pid, "go", 0);
    bench_settle(bench);
    vm->hard_bytes = hard;
    lua_gc(vm->L, LUA_GCCOLLECT);
    lives = slots_find(&bench->rt.slots, pid) != NULL;
    cancel(bench, pid);
    send_from_far(bench, pid, "go", 0);
    outcome = bench_await_exit(bench, pid);
    ck_assert_msg(lives ? strcmp(outcome, "\"pid.cancel\"") == 0
                        : strstr(outcome, "memory") != NULL,
                  "with %zu: %s", room, outcome);
    return lives;
}

START_TEST(mailbox_loses_no_channel_that_memory_was_refused_for)
{
    struct bench bench;
    int n_lived = 0;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:asks", "process.lua", "",
              "return {main = function() local inbox = process.inbox() inbox:receive() "
              "pcall(process.events) pcall(process.listen, 'topic') inbox:receive() "
              "process.send(process.pid(), 'topic', 1) "
              "assert(process.listen('topic'):receive() == 1) "
              "return process.events():receive().kind end}");
    for (size_t room = 0; room < 3000; room += 16)
        n_lived += ask_for_channels(&bench, room);
    ck_assert_int_gt(n_lived, 60);
    bench_end(&bench);
}
END_TEST

static void send_traced(struct bench *bench, uint64_t to)
{
    static const uint8_t no_args[] = {0x00, 0x90};
    struct frame_send_traced frame = {
        .to = to,
        .from = BENCH_PID,
        .from_host = bytes_of_text("t:far"),
        .topic = bytes_of_text("t"),
        .trace =
            bytes_of_text("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        .payload = {no_args, sizeof(no_args)}};
    struct buf body;

    buf_init(&body, 0);
    frame_encode_send_traced(&body, &frame);
    buf_consume(&body, FRAME_HEADER_BYTES);
    bench_send(bench, FRAME_SEND_TRACED, buf_bytes(&body));
    buf_finish(&body);
}

/* A coroutine that memory was refused for keeps nothing of the message's trace. */
START_TEST(mailbox_forgets_the_trace_of_what_could_not_be_started)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:spawns", "process.lua", "",
              "return {main = function() local inbox = process.inbox() "
              "local f = function() end inbox:receive() pcall(coroutine.spawn, f) "
              "end}");
    for (size_t room = 0; room < 3000; room += 16) {
        uint64_t pid = bench_spawn(&bench, "t:spawns", NULL);
        struct vm *vm = vm_of_pid(&bench, pid);
        size_t hard = vm->hard_bytes;

        bench_settle(&bench);
        lua_gc(vm->L, LUA_GCCOLLECT);
        vm->hard_bytes = vm->used_bytes + room;
        send_traced(&bench, pid);
        bench_await_exit(&bench, pid);
        vm->hard_bytes = hard;
    }
    bench_end(&bench);
}
END_TEST

/* What can't be decoded for want of memory is freed when the next one comes. */
START_TEST(mailbox_keeps_no_message_that_could_not_be_read)
{
    struct bench bench;
    struct vm *vm;
    uint64_t pid;
    size_t hard;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:reader", "process.lua", "funcs",
              "return {main = function() local inbox, n = process.inbox(), 0 "
              "for i = 1, 5 do n = n + (pcall(inbox.receive, inbox) and 1 or 0) end "
              "for i = 1, 5 do n = n + (pcall(funcs.call, 't:long') and 1 or 0) end "
              "return n end}");
    bench_add(&bench, "t:long", "function.lua", "",
              "return function() return ('x'):rep(20000) end");
    ck_assert_uint_gt(strlen(bench_call(&bench, "t:long", NULL)), 20000);
    pid = bench_spawn(&bench, "t:reader", NULL);
    bench_settle(&bench);
    vm = vm_of_pid(&bench, pid);
    hard = vm->hard_bytes;
    vm->hard_bytes = vm->used_bytes + 8000;
    for (int i = 0; i < 5; i++) {
        send_from_far(&bench, pid, "t", 20000);
        bench_settle(&bench);
    }
    ck_assert_str_eq(bench_await_exit(&bench, pid), "0");
    vm->hard_bytes = hard;
    bench_end(&bench);
}
END_TEST

static size_t count_channels(struct bench *bench, uint64_t pid)
{
    struct actor *actor = slots_find(&bench->rt.slots, pid);
    size_t n = 0;

    if (actor != NULL)
        LIST_FOREACH (node, &actor->queues)
            n++;
    return n;
}

/* A channel that the collector takes leaves its actor's list, whatever memory there is:
 * only the channels are garbage when it runs, so that it finds none before. */
START_TEST(mailbox_forgets_collected_channels_without_memory)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:drops", "process.lua", "system",
              "return {main = function() local inbox, keep = process.inbox(), {} "
              "local collect = coroutine.wrap(function() system.gc.collect() end) "
              "for i = 1, 20 do local topic = 't' .. i keep[i] = process.listen(topic) "
              "keep[-i] = topic process.unlisten(keep[i]) end "
              "local first = inbox:receive() for i = 1, 20 do keep[i] = nil end "
              "pcall(collect) inbox:receive() return first, keep end}");
    for (size_t room = 0; room < 2000; room += 16) {
        uint64_t pid = bench_spawn(&bench, "t:drops", NULL);
        struct vm *vm = vm_of_pid(&bench, pid);
        size_t hard = vm->hard_bytes;

        bench_settle(&bench);
        lua_gc(vm->L, LUA_GCCOLLECT);
        vm->hard_bytes = vm->used_bytes + room;
        send_from_far(&bench, pid, "go", 0);
        bench_settle(&bench);
        vm->hard_bytes = hard;
        lua_gc(vm->L, LUA_GCCOLLECT);
        lua_gc(vm->L, LUA_GCCOLLECT);
        ck_assert_uint_le(count_channels(&bench, pid), 1);
        send_from_far(&bench, pid, "go", 0);
        bench_await_exit(&bench, pid);
    }
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, mailbox_does, 0, N_ELEMENTS(cases));
    tcase_add_test(tc, mailbox_says_when_it_is_full);
    tcase_add_test(tc, mailbox_takes_more_once_it_is_read);
    tcase_add_test(tc, mailbox_stays_full_until_a_quarter_is_read);
    tcase_add_test(tc, mailbox_loses_no_channel_that_memory_was_refused_for);
    tcase_add_test(tc, mailbox_forgets_the_trace_of_what_could_not_be_started);
    tcase_add_test(tc, mailbox_keeps_no_message_that_could_not_be_read);
    tcase_add_test(tc, mailbox_forgets_collected_channels_without_memory);
}

int main(void)
{
    return unit_main("mailbox", fill);
}
