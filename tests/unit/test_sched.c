#include "worker/sched.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#include "proto/conn.h"
#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/program.h"
#include "worker/vm.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

#if defined(__SANITIZE_ADDRESS__)
#define N_ROUNDS 100000
#else
#define N_ROUNDS 500000
#endif

/* Fewer where a memory checker makes everything slow. */
static int n_rounds(void)
{
    return getenv("TROUPE_TEST_SLOWLY") != NULL ? 2000 : N_ROUNDS;
}

/* Two messages a round; nobody may sleep for ever over a wake-up that got lost (P7). */
START_TEST(sched_plays_ping_pong_a_million_times)
{
    struct bench bench;
    char json[32];

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:pong", "process.lua", "",
              "return {main = function() local inbox = process.inbox() while true do "
              "local m = inbox:receive() process.send(m:from(), 'pong', "
              "m:payload():data()) end end}");
    bench_add(&bench, "t:ping", "process.lua", "",
              "return {main = function(n) local inbox = process.inbox() "
              "local pid = process.spawn_linked('t:pong', 't:host') for i = 1, n do "
              "process.send(pid, 'ping', i) local got = "
              "inbox:receive():payload():data() if got ~= i then error(got) end end "
              "return n end}");
    snprintf(json, sizeof(json), "[%d]", n_rounds());
    bench.guard_s = 55;
    bench_spawn(&bench, "t:ping", json);
    json[strlen(json) - 1] = '\0';
    ck_assert_str_eq(bench_await_exit(&bench, bench.last_pid), json + 1);
    bench_end(&bench);
}
END_TEST

#define KILLED "Internal: process terminated"

static const struct {
    const char *title, *body, *want;
} cases[] = {
    /* Only other actors' time: within one, nobody runs between two yields (CO-2). */
    {"a loop in a coroutine leaves time to other actors",
     "killed_soon() coroutine.spawn(function() while true do end end)", KILLED},
    {"a loop that swallows errors leaves time to other actors",
     "killed_soon() while true do pcall(function() while true do end end) end", KILLED},
    {"a loop within three coroutines leaves time to other actors",
     "killed_soon() local function deep(n) if n == 0 then while true do end end "
     "coroutine.wrap(function() deep(n - 1) end)() end deep(3)",
     KILLED},
    {"a loop in a metamethod leaves time to other actors",
     "killed_soon() local t = setmetatable({}, {__index = function() while true do end "
     "end}) return t.x",
     KILLED},
    {"a loop in an iterator leaves time to other actors",
     "killed_soon() for _ in function() while true do end end do end", KILLED},
    {"a loop of one coroutine keeps the others waiting",
     "local busy, seen = false, 0 coroutine.spawn(function() while true do "
     "if busy then seen = seen + 1 end time.sleep(0) end end) for _ = 1, 5 do "
     "busy = true for i = 1, 1e6 do busy = i > 0 end busy = false time.sleep(0) end "
     "return seen",
     "0"},
    {"what was interrupted goes on as if nothing had been",
     "local sums = {} for k = 1, 4 do coroutine.spawn(function() local s = 0 "
     "for i = 1, 3e6 do s = s + (i % 7) * k end sums[k] = s end) end "
     "while #sums < 4 do time.sleep('1ms') end "
     "return sums[1] * 2 == sums[2] and sums[2] * 2 == sums[4] and sums[1]",
     "8999997"},
    {"calls with open results are interrupted in between",
     "local function many(...) return ... end local n = 0 for i = 1, 4e5 do "
     "n = n + select('#', many(1, 2, many(3, 4, many(5)))) "
     "local t = {many(1, many(2, 3))} n = n + #t end return n",
     "3200000"},
    {"vararg functions, tail calls, closes are interrupted in between",
     "local function f(n, ...) if n == 0 then return ... end return f(n - 1, n, ...) "
     "end local s = 0 for i = 1, 3e4 do local a, b = f(5) s = s + a + b end return s",
     "90000"},
    {"string building is interrupted in between",
     "local n = 0 for i = 1, 2e5 do local s = 'a' .. i .. 'b' .. (i * 2) n = n + #s "
     "end return n > 0",
     "true"},
    {"garbage does not hide from the ceiling (L5)",
     "local t = {} for i = 1, 1e9 do t[i] = {i} end",
     "Internal: not enough memory: t:body2 uses more than its 65536 KiB"},
    {"who swallows the ceiling's error gets it again",
     "local n = 0 while true do local ok, err = pcall(function() local t = {} "
     "for i = 1, 1e9 do t[i] = {i} end end) n = n + 1 if n == 3 then "
     "return err:match('not enough memory') end end",
     "\"not enough memory\""},
    {"one huge string is refused (L5)",
     "local ok, err = pcall(string.rep, 'x', 1 << 40) eq(ok, false) "
     "ok = pcall(function() local s = ('x'):rep(1 << 20) while true do s = s .. s end "
     "end) return ok",
     "false"},
    {"a process that grows does not grow its neighbours",
     "local pid = process.spawn_monitored('t:neighbour', 't:host') "
     "pcall(function() local t = {} for i = 1, 1e9 do t[i] = {i} end end) "
     "process.send(pid, 'go') return process.events():receive().result.value",
     "\"fine\""},
    {"yields with no resumer take turns",
     "local n, done = 0, 0 for i = 1, 100 do coroutine.spawn(function() for j = 1, 100 "
     "do n = n + 1 coroutine.yield() end done = done + 1 end) end "
     "while done < 100 do coroutine.yield() end return n",
     "10000"},
    {"thousands of coroutines",
     "local ch, n = channel.new(), 0 for i = 1, 5000 do coroutine.spawn(function() "
     "local v = ch:receive() n = n + v end) end for i = 1, 5000 do ch:send(1) end "
     "time.sleep(0) "
     "return n",
     "5000"},
};

START_TEST(sched_does)
{
    struct bench bench;
    char body[2048];

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:neighbour", "process.lua", "",
              "return {main = function() process.inbox():receive() return 'fine' end}");
    bench_add(&bench, "t:killer", "process.lua", "time",
              "return {main = function(pid) time.sleep('10ms') process.terminate(pid) "
              "end}");
    snprintf(body, sizeof(body), "%s%s",
             "local function killed_soon() process.spawn('t:killer', 't:host', "
             "process.pid()) end ",
             cases[_i].body);
    bench_check_body(&bench, cases[_i].title, body, cases[_i].want);
    bench_end(&bench);
}
END_TEST

START_TEST(sched_starves_nobody_beside_busy_loops)
{
    struct bench bench;
    int64_t start_ns;
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:spin", "process.lua", "",
              "return {main = function() while true do end end}");
    bench_add(&bench, "t:quick", "process.lua", "time",
              "return {main = function() for i = 1, 5 do time.sleep('1ms') end "
              "return 'done' end}");
    for (int i = 0; i < 3; i++)
        bench_spawn(&bench, "t:spin", NULL);
    start_ns = clock_monotonic_ns();
    pid = bench_spawn(&bench, "t:quick", NULL);
    ck_assert_str_eq(bench_await_exit(&bench, pid), "\"done\"");
    /* six turns of at most three slices of 8 ms each, and a lot to spare */
    ck_assert_int_lt((clock_monotonic_ns() - start_ns) / 1000000, 5000);
    bench_end(&bench);
}
END_TEST

#define N_ANSWERERS 998
#define N_QUESTIONS 20

static struct actor *find_actor(struct bench *bench, const char *id)
{
    for (uint32_t slot = 1; slot < bench->rt.slots.n_used; slot++) {
        struct actor *actor = slots_at(&bench->rt.slots, slot);

        if (actor != NULL && strcmp(actor->vm->program->id, id) == 0)
            return actor;
    }
    return NULL;
}

static bool is_done(struct bench *bench, void *context)
{
    (void)context;
    return find_actor(bench, "t:done") != NULL;
}

static void add_crowd(struct bench *bench)
{
    bench_add(bench, "t:busy", "process.lua", "",
              "return {main = function() while true do end end}");
    bench_add(bench, "t:done", "process.lua", "",
              "return {main = function() process.inbox():receive() end}");
    bench_add(bench, "t:answerer", "process.lua", "",
              "return {main = function() local inbox = process.inbox() while true do "
              "process.send(inbox:receive():from(), 'answer', 1) end end}");
    bench_add(bench, "t:asker", "process.lua", "",
              "return {main = function(pids, rounds) local inbox = process.inbox() "
              "process.spawn('t:busy', 't:host') for i = 1, rounds do "
              "for _, pid in ipairs(pids) do process.send(pid, 'ask', i) end "
              "for _ = 1, #pids do inbox:receive() end end "
              "process.spawn('t:done', 't:host') inbox:receive() end}");
    bench_add(bench, "t:crowd", "process.lua", "",
              "return {main = function(n, rounds) local pids = {} for i = 1, n do "
              "pids[i] = process.spawn('t:answerer', 't:host') end "
              "process.spawn('t:asker', 't:host', pids, rounds) end}");
}

/* Turns are counted, not timed. The busy one is somewhere in the queue, so it has at
 * most one turn until a question is answered and one until the answer is taken, however
 * many others are asked at the same time. */
START_TEST(sched_gives_a_busy_one_of_a_thousand_one_turn_a_round)
{
    const struct actor *busy, *asker;
    struct bench bench;
    char json[32];

    bench_begin(&bench, NULL);
    add_crowd(&bench);
    bench.guard_s = 55;
    snprintf(json, sizeof(json), "[%d,%d]", N_ANSWERERS, N_QUESTIONS);
    bench_spawn(&bench, "t:crowd", json);
    bench_until(&bench, is_done, NULL);
    busy = find_actor(&bench, "t:busy");
    asker = find_actor(&bench, "t:asker");
    ck_assert_uint_ge(busy->n_steps, N_QUESTIONS);
    ck_assert_uint_le(busy->n_steps, 2 * asker->n_steps + 2);
    bench_end(&bench);
}
END_TEST

/* A chunk that loops is preempted like anything else, and can be ended meanwhile: who
 * spawned it hears so. */
START_TEST(sched_ends_who_loads_for_ever)
{
    struct frame_signal signal = {.op = SIGNAL_TERMINATE};
    struct bench bench;
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:stuck", "process.lua", "", "while true do end");
    bench_add(&bench, "t:parent", "process.lua", "time",
              "return {main = function() local pid, err = process.spawn('t:stuck', "
              "'t:host') return tostring(pid) .. ' ' .. err:message() end}");
    pid = bench_spawn(&bench, "t:parent", NULL);
    for (int i = 0; i < 10; i++)
        bench_turn(&bench, false);
    for (uint32_t slot = 1; slot < bench.rt.slots.n_used; slot++) {
        struct actor *actor = slots_at(&bench.rt.slots, slot);

        if (actor != NULL && actor->pid != pid)
            signal.to = actor->pid;
    }
    ck_assert_uint_ne(signal.to, 0);
    frame_encode_signal(conn_out(bench.conn), &signal);
    conn_wrote(bench.conn);
    ck_assert_str_eq(bench_await_exit(&bench, pid), "\"nil process terminated\"");
    ck_assert_uint_eq(bench.rt.slots.n_live, 0);
    bench_end(&bench);
}
END_TEST

START_TEST(sched_hears_of_a_chunk_that_fails_late)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:late", "process.lua", "",
              "for i = 1, 3e7 do end error('late')");
    ck_assert_str_eq(bench_run(&bench, "t:late", NULL),
                     "spawn: Internal: failed to execute script: t:late:1: late");
    ck_assert_uint_eq(bench.rt.slots.n_live, 0);
    bench_end(&bench);
}
END_TEST

static uint32_t n_vms(struct bench *bench, const char *id, uint32_t *n_actors_out)
{
    struct program *program = bench_program(bench, id);
    uint32_t n = 0;

    *n_actors_out = program->n_actors;
    LIST_FOREACH (node, &program->vms)
        n++;
    return n;
}

static bool is_deserted(struct bench *bench, void *context)
{
    (void)context;
    return bench->rt.slots.n_live == 0;
}

START_TEST(sched_closes_deserted_vms)
{
    struct bench bench;
    struct bench_frame *frame;
    uint32_t n_actors;

    bench_begin(&bench, NULL);
    bench.rt.settings.vm_actors = 10;
    bench_add(&bench, "t:one", "process.lua", "time",
              "return {main = function() time.sleep('500ms') end}");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 95; i++)
            bench_spawn(&bench, "t:one", NULL);
        ck_assert_uint_eq(n_vms(&bench, "t:one", &n_actors), 10);
        ck_assert_uint_eq(n_actors, 95);
        bench_until(&bench, is_deserted, NULL);
        bench_settle(&bench);
        ck_assert_uint_eq(n_vms(&bench, "t:one", &n_actors), 1);
        ck_assert_uint_eq(n_actors, 0);
    }
    while ((frame = bench_take(&bench, FRAME_EXIT)) != NULL)
        free(frame);
    bench_end(&bench);
}
END_TEST

START_TEST(sched_keeps_no_large_empty_vm)
{
    struct bench bench;
    uint32_t n_actors;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:big", "process.lua", "",
              "return {main = function() local t = {} for i = 1, 2e5 do t[i] = {i} end "
              "return #t end}");
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(bench_run(&bench, "t:big", NULL), "200000");
        bench_settle(&bench);
        ck_assert_uint_eq(n_vms(&bench, "t:big", &n_actors), 0);
    }
    bench_end(&bench);
}
END_TEST

/* Globals and coroutines of one run must not show in the next, which gets its
 * memory. */
START_TEST(sched_starts_each_process_from_nothing)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:p", "process.lua", "time",
              "n = (n or 0) + 1 local seen = {process.get_options().trap_links} "
              "return {main = function(how) if how == 'leave' then "
              "process.set_options{trap_links = true} process.inbox() "
              "process.events() process.listen('x') time.timer('1h') "
              "coroutine.spawn(function() channel.new():receive() end) "
              "process.send(process.pid(), 'old', 1) "
              "if math.random(2) == 1 then error('e') end return n end "
              "local r = channel.select{process.inbox():case_receive(), "
              "process.listen('x'):case_receive(), "
              "process.events():case_receive(), default = true} "
              "return {n, seen[1], r.default} end}");
    for (int i = 0; i < 100; i++) {
        bench_run(&bench, "t:p", "[\"leave\"]");
        ck_assert_str_eq(bench_run(&bench, "t:p", "[\"look\"]"), "[1,false,true]");
    }
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, sched_plays_ping_pong_a_million_times);
    tcase_add_loop_test(tc, sched_does, 0, N_ELEMENTS(cases));
    tcase_add_test(tc, sched_starves_nobody_beside_busy_loops);
    tcase_add_test(tc, sched_gives_a_busy_one_of_a_thousand_one_turn_a_round);
    tcase_add_test(tc, sched_ends_who_loads_for_ever);
    tcase_add_test(tc, sched_hears_of_a_chunk_that_fails_late);
    tcase_add_test(tc, sched_closes_deserted_vms);
    tcase_add_test(tc, sched_keeps_no_large_empty_vm);
    tcase_add_test(tc, sched_starts_each_process_from_nothing);
}

int main(void)
{
    return unit_main("sched", fill);
}
