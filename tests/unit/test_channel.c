#include <string.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

/* Each body runs as a process; what it raises is the failure. log(x) notes things down,
 * logged() is all of them as one text. */
#define NOTES                                                                          \
    "local notes = {} local function note(x) notes[#notes + 1] = tostring(x) end "     \
    "local function noted() return table.concat(notes, ' ') end "

static const struct {
    const char *title, *body;
} cases[] = {
    /* CH-1, CH-2 */
    {"CH-1 passes through another channel and keys a table",
     "local a, b = channel.new(), channel.new(1) b:send(a) local c = b:receive() "
     "eq(c == a, true) eq(({[a] = 5})[c], 5)"},
    {"CH-2 takes no negative size for a buffer",
     "local ch = channel.new(-3) coroutine.spawn(function() ch:send(1) end) "
     "eq(ch:receive(), 1)"},
    {"CH-2 refuses what is no number",
     "raises('bad argument #1', channel.new, 'x') raises('bad argument #1', "
     "channel.new, {}) raises('buffer too large', channel.new, 1e18)"},
    /* CH-3 */
    {"CH-3 send is true, receive is value and true",
     "local ch = channel.new(2) eq(ch:send(1), true) eq(ch:send(nil), true) "
     "local v, ok = ch:receive() eq(v, 1) eq(ok, true) "
     "v, ok = ch:receive() eq(v, nil) eq(ok, true)"},
    {"CH-3 closing twice is no error",
     "local ch = channel.new() ch:close() ch:close() eq(select('#', ch:close()), 0)"},
    {"CH-3 refuses what is no channel",
     "local ch = channel.new() raises('channel expected', ch.send, {}, 1) "
     "raises('channel expected', ch.receive, nil) raises('channel expected', "
     "ch.close, channel) raises('channel expected', ch.case_send, 1)"},
    {"CH-3 send without a value sends nil",
     "local ch = channel.new(1) ch:send() local v, ok = ch:receive() eq(v, nil) "
     "eq(ok, true)"},
    /* CH-4 */
    {"CH-4 send on a closed channel raises, with its position",
     "local ch = channel.new(1) ch:close() local ok, err = pcall(function() "
     "ch:send(1) end) eq(ok, false) eq(err:find('send on closed channel') ~= nil, "
     "true) eq(err:find('^t:body%d+:1: ') ~= nil, true)"},
    {"CH-4 a blocked sender resumes with nil and an error",
     NOTES "local ch = channel.new() coroutine.spawn(function() local ok, err = "
           "ch:send(1) note(ok) note(err:message()) end) ch:close() time.sleep(0) "
           "eq(noted(), 'nil send on closed channel')"},
    {"CH-4 buffered values come first",
     "local ch = channel.new(3) ch:send('a') ch:send('b') ch:close() "
     "eq(ch:receive(), 'a') eq(ch:receive(), 'b') local v, ok = ch:receive() "
     "eq(v, nil) eq(ok, false)"},
    {"CH-4 blocked receivers get nil and false in order",
     NOTES "local ch = channel.new() for i = 1, 3 do coroutine.spawn(function() "
           "local v, ok = ch:receive() note(i .. tostring(v) .. tostring(ok)) end) end "
           "ch:close() time.sleep(0) eq(noted(), '1nilfalse 2nilfalse 3nilfalse')"},
    {"CH-4 select finds a closed receive case ready",
     "local ch = channel.new() ch:close() local r = channel.select{ch:case_receive()} "
     "eq(r.channel == ch, true) eq(r.value, nil) eq(r.ok, false)"},
    {"CH-4 select never finds a closed send case ready",
     "local ch, other = channel.new(1), channel.new(1) ch:close() "
     "eq(channel.select{ch:case_send(1), default = true}.default, true) "
     "other:send(5) local r = channel.select{ch:case_send(1), other:case_receive()} "
     "eq(r.value, 5)"},
    {"CH-4 select waits on its others when a send case is closed",
     "local ch, other = channel.new(), channel.new() ch:close() "
     "coroutine.spawn(function() time.sleep('1ms') other:send(7) end) "
     "local r = channel.select{ch:case_send(1), other:case_receive()} eq(r.value, 7)"},
    {"CH-4 closing the channel of a blocked send case",
     NOTES "local ch, other = channel.new(), channel.new() "
           "coroutine.spawn(function() local r, err = channel.select{"
           "other:case_receive(), ch:case_send(1)} note(r) note(err:message()) end) "
           "ch:close() time.sleep(0) eq(noted(), 'nil send on closed channel') "
           "eq(channel.select{other:case_send(1), default = true}.default, true)"},
    {"CH-4 closing the channel of a blocked receive case",
     NOTES "local ch, other = channel.new(), channel.new() "
           "coroutine.spawn(function() local r = channel.select{other:case_receive(), "
           "ch:case_receive()} note(r.channel == ch) note(r.value) note(r.ok) end) "
           "ch:close() time.sleep(0) eq(noted(), 'true nil false')"},
    /* CH-5 */
    {"CH-5 values in order", "local ch = channel.new(100) for i = 1, 100 do ch:send(i) "
                             "end for i = 1, 100 do eq(ch:receive(), i) end"},
    {"CH-5 a ring that wraps keeps the order",
     "local ch = channel.new(3) local n = 0 for i = 1, 100 do ch:send(2 * i - 1) "
     "ch:send(2 * i) n = n + 1 eq(ch:receive(), n) n = n + 1 eq(ch:receive(), n) end"},
    {"CH-5 waiting receivers in order",
     NOTES "local ch = channel.new() for i = 1, 3 do coroutine.spawn(function() "
           "note(i .. ch:receive()) end) end for _, v in ipairs{'a', 'b', 'c'} do "
           "ch:send(v) end time.sleep(0) eq(noted(), '1a 2b 3c')"},
    {"CH-5 waiting senders in order",
     NOTES "local ch = channel.new() for i = 1, 3 do coroutine.spawn(function() "
           "ch:send(i) end) end for i = 1, 3 do note(ch:receive()) end "
           "eq(noted(), '1 2 3')"},
    {"CH-5 a freed place takes the first waiting sender's value",
     NOTES "local ch = channel.new(1) ch:send(0) for i = 1, 3 do "
           "coroutine.spawn(function() ch:send(i) note('sent' .. i) end) end "
           "for i = 0, 3 do note(ch:receive()) end time.sleep(0) "
           "eq(noted(), '0 1 2 3 sent1 sent2 sent3')"},
    {"CH-5 a receive that completes at once goes on",
     NOTES "local ch = channel.new() coroutine.spawn(function() ch:send(1) "
           "note('sender') end) ch:receive() note('receiver') time.sleep(0) "
           "eq(noted(), 'receiver sender')"},
    {"CH-5 a send that completes at once goes on",
     NOTES "local ch = channel.new(3) coroutine.spawn(function() for i = 1, 3 do "
           "note('got' .. ch:receive()) end end) for i = 1, 3 do ch:send(i) "
           "note('sent' .. i) end time.sleep(0) "
           "eq(noted(), 'sent1 sent2 sent3 got1 got2 got3')"},
    /* CH-6 */
    {"CH-6 receive case", "local ch = channel.new(1) ch:send('v') local r = "
                          "channel.select{ch:case_receive()} eq(r.channel == ch, true) "
                          "eq(r.value, 'v') eq(r.ok, true) eq(r.default, nil)"},
    {"CH-6 send case",
     "local ch = channel.new(1) local r = channel.select{ch:case_send('v')} "
     "eq(r.channel == ch, true) eq(r.value, 'v') eq(r.ok, true) eq(ch:receive(), 'v')"},
    {"CH-6 default", "local ch = channel.new() local r = channel.select{"
                     "ch:case_receive(), default = true} eq(r.default, true) "
                     "eq(r.ok, true) eq(r.channel, nil) "
                     "eq(channel.select({ch:case_receive()}, true).default, true)"},
    {"CH-6 first ready wins, always (T-12)",
     "local a, b = channel.new(100), channel.new(100) for i = 1, 100 do a:send(i) "
     "b:send(i) end for i = 1, 100 do local r = channel.select{a:case_receive(), "
     "b:case_receive()} eq(r.channel == a, true) eq(r.value, i) end"},
    {"CH-6 the same channel twice: lowest index",
     "local ch = channel.new(1) local one, two = ch:case_send(1), ch:case_send(2) "
     "eq(channel.select{one, two}.value, 1)"},
    {"CH-6 ignores what is no case",
     "local ch = channel.new(1) ch:send(1) "
     "eq(channel.select{'x', 5, ch, ch:case_receive()}.value, 1) "
     "coroutine.spawn(function() ch:send(2) end) "
     "eq(channel.select{'x', {}, ch:case_receive(), false}.value, 2)"},
    {"CH-6 losing cases are withdrawn", NOTES
     "local a, b, c = channel.new(), channel.new(), channel.new() "
     "coroutine.spawn(function() note(channel.select{a:case_receive(), "
     "b:case_send('lost'), c:case_receive()}.value) end) c:send('won') "
     "time.sleep(0) eq(noted(), 'won') "
     "eq(channel.select{a:case_send(1), b:case_receive(), default = true}.default,"
     " true)"},
    {"CH-6 a closed receive case beats the default",
     "local ch = channel.new() ch:close() "
     "eq(channel.select{ch:case_receive(), default = true}.ok, false)"},
    {"CH-6 two selects meet",
     NOTES "local ch, d = channel.new(), channel.new() coroutine.spawn(function() "
           "local r = channel.select{d:case_receive(), ch:case_send('x')} "
           "note(r.value) note(r.channel == ch) end) local r = channel.select{"
           "d:case_receive(), ch:case_receive()} note(r.value) time.sleep(0) "
           "eq(noted(), 'x x true')"},
    {"CH-6 both sides of one channel in one select meet nobody",
     NOTES "local ch = channel.new() coroutine.spawn(function() note(channel.select{"
           "ch:case_send(1), ch:case_receive()}.value) end) "
           "eq(ch:receive(), 1) time.sleep(0) eq(noted(), '1')"},
    {"CH-6 a case may be used again", "local ch = channel.new(2) local c = "
                                      "ch:case_send(1) channel.select{c} "
                                      "channel.select{c} ch:receive() "
                                      "eq(ch:receive(), 1)"},
    {"CH-6 zero cases with a default", "eq(channel.select{default = true}.default, "
                                       "true)"},
    {"CH-6 refuses 4097 cases",
     "local ch = channel.new() local t = {} for i = 1, 4096 do "
     "t[i] = ch:case_receive() end coroutine.spawn(function() ch:send(1) end) "
     "eq(channel.select(t).value, 1) t[4097] = ch:case_receive() "
     "raises('too many cases', channel.select, t)"},
    {"CH-6 the app's table may change while it waits",
     "local ch = channel.new() local t = {ch:case_receive()} "
     "coroutine.spawn(function() time.sleep(0) t[1] = nil t = nil for i = 1, 2000 do "
     "local x = {} "
     "end ch:send(1) end) eq(channel.select(t).value, 1)"},
    {"CH-6 accessors give the same object every time",
     "eq(process.inbox() == process.inbox(), true) "
     "eq(process.events() == process.events(), true) local t = time.timer('1h') "
     "eq(t:response() == t:channel(), true) t:stop() "
     "eq(process.listen('a') == process.listen('a'), true)"},
    /* CH-7 */
    {"CH-7 what an app sends on a fed channel is received behind the messages",
     "local ch = process.listen('t') eq(ch:send('own'), true) eq(ch:send(nil), true) "
     "process.send(process.pid(), 't', 'message') "
     "eq(channel.select{ch:case_send({1})}.ok, true) eq(ch:receive(), 'message') "
     "eq(channel.select{ch:case_receive()}.value, 'own') local v, ok = ch:receive() "
     "eq(v, nil) eq(ok, true) eq(ch:receive()[1], 1) "
     "eq(channel.select{ch:case_receive(), default = true}.default, true)"},
    {"CH-7 who waits for a fed channel gets what an app sends on it",
     NOTES "local inbox, events = process.inbox(), process.events() "
           "coroutine.spawn(function() note((inbox:receive())) end) "
           "coroutine.spawn(function() "
           "note(channel.select{events:case_receive()}.value) end) "
           "inbox:send('a') events:send('b') time.sleep(0) eq(noted(), 'a b')"},
    {"CH-7 what was sent on a fed channel outlives its close, and goes with it",
     "local ch = process.listen('t') ch:send(1) ch:close() eq(ch:receive(), 1) "
     "local v, ok = ch:receive() eq(v, nil) eq(ok, false) "
     "raises('send on closed', function() ch:send(2) end) "
     "for i = 1, 100 do local c = process.listen('u' .. i) c:send({c}) c:send(i) "
     "process.unlisten(c) end for i = 1, 20000 do local x = {i} end"},
    {"CH-7 a fed channel may be closed",
     "local ch = process.listen('t') ch:close() local v, ok = ch:receive() "
     "eq(v, nil) eq(ok, false) process.send(process.pid(), 't', 1) "
     "eq(process.listen('t') ~= ch, true) eq(process.listen('t'):receive(), 1)"},
    /* T-13 */
    {"T-13 one close frees sender, receiver and select",
     NOTES "local a, b = channel.new(), channel.new() "
           "coroutine.spawn(function() note(a:send(1)) end) "
           "coroutine.spawn(function() note(select(2, b:receive())) end) "
           "coroutine.spawn(function() note(channel.select{b:case_receive()}.ok) end) "
           "coroutine.spawn(function() note(channel.select{a:case_send(2)}) end) "
           "a:close() b:close() time.sleep(0) eq(noted(), 'nil nil false false')"},
    /* what the collector may take */
    {"a dropped timer's channel is nobody's any more (L8)",
     "for i = 1, 300 do time.after('1us') local t = {} for j = 1, 100 do t[j] = {} end "
     "if i % 10 == 0 then time.sleep('1ms') end end "
     "for i = 1, 50 do local c = process.listen('x' .. i) process.unlisten(c) "
     "local t = {} for j = 1, 1000 do t[j] = {} end end "
     "process.send(process.pid(), 'hello', 1) "
     "eq(process.inbox():receive():topic(), 'hello')"},
    {"dropped channels with tasks that wait in them",
     "for i = 1, 500 do coroutine.spawn(function() channel.new():receive() end) "
     "coroutine.spawn(function() channel.select{channel.new():case_send({}), "
     "channel.new():case_receive()} end) local t = {} for j = 1, 50 do t[j] = {} end "
     "end"},
    {"a wait for ever on no case ends with the process",
     "coroutine.spawn(function() channel.select{} end) "
     "coroutine.spawn(function() channel.select{1, 2, 3} end) time.sleep(0)"},
};

START_TEST(channel_does)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_check_body(&bench, cases[_i].title, cases[_i].body, "null");
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, channel_does, 0, N_ELEMENTS(cases));
}

int main(void)
{
    return unit_main("channel", fill);
}
