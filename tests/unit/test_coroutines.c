#include <string.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

#define NOTES                                                                          \
    "local notes = {} local function note(...) for i = 1, select('#', ...) do "        \
    "notes[#notes + 1] = tostring((select(i, ...))) end end "                          \
    "local function noted() return table.concat(notes, ' ') end "

/* Each body runs as a process; want is its outcome. */
static const struct {
    const char *title, *body, *want;
} cases[] = {
    /* CO-1 */
    {"CO-1 a new one runs before its spawner goes on",
     NOTES "coroutine.spawn(function() note('new') end) note('spawner') return noted()",
     "\"new spawner\""},
    {"CO-1 returns a thread",
     "local t = coroutine.spawn(function() end) return type(t)", "\"thread\""},
    {"CO-1 takes one function",
     "raises('function expected', coroutine.spawn) raises('function expected', "
     "coroutine.spawn, 5) raises('function expected', coroutine.spawn, "
     "coroutine.create(print))",
     "null"},
    {"CO-1 passes no arguments, drops results",
     NOTES "coroutine.spawn(function(...) note(select('#', ...)) return 1, 2 end, 7) "
           "return noted()",
     "\"0\""},
    /* CO-2 */
    {"CO-2 runs in the order in which they became ready",
     NOTES "for i = 1, 4 do coroutine.spawn(function() for j = 1, 3 do note(i .. j) "
           "time.sleep(0) end end) end time.sleep('1ms') return noted()",
     "\"11 12 21 13 22 31 23 32 41 33 42 43\""},
    {"CO-2 switches at no other point",
     "local n, max = 0, 0 local function enter() n = n + 1 max = math.max(max, n) "
     "local ch = channel.new(1) ch:send(1) ch:receive() n = n - 1 end "
     "for i = 1, 10 do coroutine.spawn(enter) end return max",
     "1"},
    /* CO-3 */
    {"CO-3 an error in one is the process's",
     "coroutine.spawn(function() error('boom', 0) end) time.sleep('1h')",
     "Internal: boom"},
    {"CO-3 an Error in one keeps its kind",
     "coroutine.spawn(function() error(errors.new{message = 'm', kind = 'Conflict'}) "
     "end) time.sleep('1h')",
     "Conflict: m"},
    {"CO-3 pcall works across yields",
     NOTES "local ch = channel.new() coroutine.spawn(function() note(pcall(function() "
           "time.sleep('1ms') error('e', 0) end)) note(select(2, xpcall(function() "
           "time.sleep(0) error('f', 0) end, function(m) return m .. '!' end))) "
           "ch:send(1) end) ch:receive() return noted()",
     "\"false e f!\""},
    /* CO-4 */
    {"CO-4 the others are gone when main returns",
     "coroutine.spawn(function() time.sleep('1ms') error('still here') end) "
     "coroutine.spawn(function() channel.new():receive() end) return 5",
     "5"},
    /* CO-5 */
    {"CO-5 resume, yield, status",
     NOTES "local co = coroutine.create(function(a, b) note(a, b) "
           "note(coroutine.yield('y', 1)) return 'r' end) note(coroutine.status(co)) "
           "note(coroutine.resume(co, 'a', 'b')) note(coroutine.status(co)) "
           "note(coroutine.resume(co, 'c')) note(coroutine.status(co)) "
           "note(coroutine.resume(co)) return noted()",
     "\"suspended a b true y 1 suspended c true r dead false cannot resume dead "
     "coroutine\""},
    {"CO-5 status of who resumed, and of oneself",
     NOTES "local outer outer = coroutine.create(function() local inner = "
           "coroutine.create(function() note(coroutine.status(outer)) "
           "note(coroutine.resume(outer)) end) coroutine.resume(inner) "
           "note(coroutine.status(outer)) end) coroutine.resume(outer) return noted()",
     "\"normal false cannot resume non-suspended coroutine running\""},
    {"CO-5 an error ends a coroutine",
     NOTES "local co = coroutine.create(function() error('e', 0) end) "
           "note(coroutine.resume(co)) note(coroutine.status(co)) "
           "note(coroutine.resume(co)) return noted()",
     "\"false e dead false cannot resume dead coroutine\""},
    {"CO-5 wrap says where an error passed through",
     "local f = coroutine.wrap(function() error('e') end) local ok, err = pcall("
     "function() f() end) return (err:gsub('t:body%d+', 'x'))",
     "\"x:1: x:1: e\""},
    {"CO-5 wrap of a dead one",
     "local f = coroutine.wrap(function() end) f() local ok, err = pcall(f) return "
     "err:match('cannot.*')",
     "\"cannot resume dead coroutine\""},
    {"CO-5 wrap keeps error objects whole",
     "local t = {} local f = coroutine.wrap(function() error(t) end) "
     "return select(2, pcall(f)) == t",
     "true"},
    {"CO-5 running",
     NOTES "local main, is = coroutine.running() note(type(main), is) "
           "coroutine.wrap(function() local co, is = coroutine.running() "
           "note(co ~= main, is) end)() coroutine.spawn(function() "
           "note(select(2, coroutine.running())) end) return noted()",
     "\"thread true true false false\""},
    {"CO-5 isyieldable", "return coroutine.isyieldable()", "true"},
    {"CO-5 yield with no resumer lets others run",
     NOTES "coroutine.spawn(function() note('a') note(coroutine.yield(1, 2)) note('c') "
           "end) note('b') coroutine.yield() note(select('#', coroutine.yield(5))) "
           "return noted()",
     "\"a b c 0\""},
    {"CO-5 a generator that sleeps shows its resumer its own yields only (T-14)",
     NOTES "local gen = coroutine.wrap(function() for i = 1, 3 do time.sleep('1ms') "
           "coroutine.yield(i) end end) for v in gen do note(v) end return noted()",
     "\"1 2 3\""},
    {"CO-5 a generator that receives, below two more",
     NOTES "local ch = channel.new() local function layer(f) return coroutine.wrap("
           "function() for v in f do coroutine.yield(v * 2) end end) end "
           "local gen = coroutine.wrap(function() for i = 1, 3 do "
           "coroutine.yield((ch:receive())) end end) coroutine.spawn(function() "
           "for i = 1, 3 do ch:send(i) end end) for v in layer(layer(gen)) do note(v) "
           "end return noted()",
     "\"4 8 12\""},
    {"CO-5 select, send and call within resume",
     NOTES
     "local ch = channel.new() coroutine.spawn(function() note(ch:receive()) "
     "ch:send('back') end) local co = coroutine.create(function() ch:send('there') "
     "local r = channel.select{ch:case_receive()} note(r.value) return 'end' end) "
     "note(coroutine.resume(co)) note(coroutine.status(co)) return noted()",
     "\"there true back true end dead\""},
    {"CO-5 who is blocked within can't be resumed by another",
     NOTES "local co = coroutine.create(function() time.sleep('2ms') note('woke') end) "
           "coroutine.spawn(function() coroutine.resume(co) end) "
           "note(coroutine.status(co)) note(coroutine.resume(co)) time.sleep('5ms') "
           "note(coroutine.status(co)) return noted()",
     "\"normal false cannot resume non-suspended coroutine woke dead\""},
    {"CO-5 a wrap that is blocked within can't be called by another",
     "local f = coroutine.wrap(function() time.sleep('2ms') end) "
     "coroutine.spawn(function() f() end) raises('cannot resume non.suspended', f) "
     "time.sleep('5ms') raises('cannot resume dead', f)",
     "null"},
    {"CO-5 a task is the scheduler's: resume refuses it in every state",
     NOTES "local main = coroutine.running() local ch = channel.new() local "
           "a = coroutine.spawn(function() ch:receive() end) "
           "local b = coroutine.spawn(function() channel.select{ch:case_receive()} "
           "end) local c = coroutine.spawn(function() return print end) "
           "note(coroutine.status(a), coroutine.resume(a, 1)) "
           "note(coroutine.resume(b, 1)) note(coroutine.status(c), "
           "coroutine.resume(c)) coroutine.spawn(function() "
           "note(coroutine.status(main), coroutine.resume(main)) end) return noted()",
     "\"suspended false cannot resume non-suspended coroutine false cannot resume "
     "non-suspended coroutine dead false cannot resume dead coroutine suspended false "
     "cannot resume non-suspended coroutine\""},
    {"LUA-34 a comparator and a function for gsub may block",
     NOTES "local t = {5, 2, 4, 1, 3} table.sort(t, function(a, b) time.sleep('1ms') "
           "return a < b end) note(table.concat(t)) "
           "local n = 0 note(string.gsub('a1b22', '%d+', function(d) time.sleep('1ms') "
           "n = n + 1 return '<' .. d .. n .. '>' end)) return noted()",
     "\"12345 a<11>b<222> 2\""},
    {"LUA-34 so may coroutines that they run",
     NOTES "local gen = coroutine.wrap(function() while true do time.sleep('1ms') "
           "coroutine.yield('v') end end) "
           "local t = {3, 2, 1} table.sort(t, function(a, b) gen() return a < b end) "
           "note(table.concat(t)) note((string.gsub('xy', '.', function() "
           "return gen() end))) "
           "local ch = channel.new() coroutine.spawn(function() time.sleep('3ms') "
           "ch:send('fine') end) note((string.gsub('z', 'z', function() "
           "return (ch:receive()) end))) return noted()",
     "\"123 vv fine\""},
    {"LUA-34 errors go through a sort that has waited",
     NOTES
     "local t = {3, 2, 1} local ok, err = pcall(table.sort, t, function(a, b) "
     "time.sleep('1ms') error('no', 0) end) note(ok, err, table.concat(t)) "
     "note(pcall(string.gsub, 'x', 'x', function() time.sleep('1ms') error('e', 0) "
     "end)) return noted()",
     "\"false no 321 false e\""},
    {"CO-5 a generator below a C function may yield its own",
     "local gen = coroutine.wrap(function() while true do coroutine.yield('v') end end)"
     " return (string.gsub('xx', 'x', function() return gen() end))",
     "\"vv\""},
    {"CO-5 metamethods and iterators may block",
     NOTES
     "local t = setmetatable({}, {__index = function(_, k) time.sleep('1ms') "
     "return k .. '!' end, __add = function(a, b) time.sleep(0) return 7 end, "
     "__lt = function() time.sleep(0) return true end, __call = function(_, x) "
     "time.sleep(0) return x end, __concat = function() time.sleep(0) return 'c' "
     "end}) note(t.k, t + 1, t < t, t(5), t .. 'x') for v in function(_, v) "
     "time.sleep(0) v = (v or 0) + 1 return v < 3 and v or nil end do note(v) end "
     "return noted()",
     "\"k! 7 true 5 c 1 2\""},
    {"a loop in a generator below table.sort is sliced after it (L6)",
     "local gen = coroutine.wrap(function() local n = 0 while true do for i = 1, 1e5 "
     "do n = n + 1 end coroutine.yield(n) end end) local t = {} for i = 1, 300 do "
     "t[i] = -i end table.sort(t, function(a, b) gen() return a < b end) return t[1]",
     "-300"},
    {"a coroutine may resume very deep chains or fail, but not crash (L7)",
     "local function deep(n) if n == 0 then return 0 end return "
     "coroutine.wrap(function() return 1 + deep(n - 1) end)() end "
     "local ok, err = pcall(deep, 10000) eq(ok, false) return deep(100)",
     "100"},
    {"what sleeps at the bottom of a chain wakes all of it",
     "local function deep(n) if n == 0 then time.sleep('1ms') return 0 end return "
     "coroutine.wrap(function() return 1 + deep(n - 1) end)() end return deep(150)",
     "150"},
    {"many results travel through a resume",
     "local co = coroutine.wrap(function() return table.unpack({}, 1, 5000) end) "
     "return select('#', co())",
     "5000"},
    {"too many results to travel are an error",
     "local co = coroutine.create(function() return table.unpack({}, 1, 999000) end) "
     "local function n(...) return select('#', ...) end "
     "local function f(...) return pcall(coroutine.resume, co) end "
     "local ok = pcall(f, table.unpack({}, 1, 500000)) return type(ok)",
     "\"boolean\""},
};

START_TEST(coroutines_do)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_check_body(&bench, cases[_i].title, cases[_i].body, cases[_i].want);
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, coroutines_do, 0, N_ELEMENTS(cases));
}

int main(void)
{
    return unit_main("coroutines", fill);
}
