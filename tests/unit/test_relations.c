#include "worker/relations.h"

#include <string.h>

#include "common/err.h"
#include "common/id.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"

#include "tests/unit/unit.h"
#include "tests/unit/worker_bench.h"

/*
 * Processes that watch each other on one host. `note` collects what a body writes down;
 * t:child does what its first argument says.
 */
#define CHILD                                                                          \
    "return {main = function(how, ...) "                                               \
    "if how == 'return' then return ... "                                              \
    "elseif how == 'error' then error(..., 0) "                                        \
    "elseif how == 'kind' then error(errors.new{message = 'm', kind = 'Conflict', "    \
    "retryable = true, details = {a = 1}}) "                                           \
    "elseif how == 'wait' then process.inbox():receive() return 'done' "               \
    "elseif how == 'cancel' then local e = process.events():receive() "                \
    "return e.kind .. ':' .. e.reason "                                                \
    "elseif how == 'spin' then while true do end "                                     \
    "elseif how == 'trap' then process.set_options{trap_links = true} "                \
    "process.send(..., 'ready') "                                                      \
    "local e = process.events():receive() return e.kind "                              \
    "end end}"

#define HELP                                                                           \
    "local function child(f, ...) return process[f]('t:child', 't:host', ...) end "    \
    "local function event() local r = "                                                \
    "channel.select{process.events():case_receive(), "                                 \
    "time.after('5s'):case_receive()} if r.channel ~= process.events() then "          \
    "error('no event', 2) end return r.value end "                                     \
    "local function no_event() time.sleep('3ms') eq(channel.select{"                   \
    "process.events():case_receive(), default = true}.default, true) end "

static const struct {
    const char *title, *body;
} cases[] = {
    {"T-1 a value returned",
     HELP "local pid = child('spawn_monitored', 'return', 7) local e = event() "
          "eq(e.kind, 'pid.exit') eq(e.from, pid) eq(e.result.value, 7) "
          "eq(math.type(e.result.value), 'integer') eq(e.result.error, nil) "
          "eq(math.type(e.at), 'integer')"},
    {"T-2 an error returned",
     HELP "child('spawn_monitored', 'return', nil, 'x') local e = event() "
          "eq(tostring(e.result.error), 'x') eq(e.result.error:retryable(), false) "
          "eq(e.result.value, nil)"},
    {"an error raised keeps what it is",
     HELP "child('spawn_monitored', 'kind') local err = event().result.error "
          "eq(err:kind(), 'Conflict') eq(err:retryable(), true) "
          "eq(err:details().a, 1) eq(err:message(), 'm')"},
    {"T-6 a monitor of the dead is an error, no event",
     HELP "local pid = child('spawn_monitored', 'return') event() "
          "local ok, err = process.monitor(pid) eq(ok, nil) "
          "eq(err:kind(), 'NotFound') eq(err:message(), 'pid not registered') "
          "eq(err:details().operation, 'monitor') eq(err:details().pid, pid) "
          "no_event()"},
    {"T-7 a send to the dead is an error",
     HELP "local pid = child('spawn_monitored', 'return') event() "
          "fails('NotFound', 'process not found', process.send(pid, 't'))"},
    {"T-8 a linked family dies together",
     HELP "local a = child('spawn_monitored', 'wait') "
          "local b = child('spawn_monitored', 'wait') "
          "local c = child('spawn_monitored', 'wait') "
          "local l = process.spawn_linked_monitored('t:linker', 't:host', {a, b, c}) "
          "time.sleep('1ms') eq(process.terminate(b), true) local n = {} "
          "process.set_options{trap_links = true} "
          "for i = 1, 5 do local e = event() n[e.from .. e.kind] = "
          "tostring(e.result.error) end "
          "eq(n[b .. 'pid.exit'], 'process terminated') "
          "eq(n[a .. 'pid.exit'], 'linked process failed') "
          "eq(n[c .. 'pid.exit'], 'linked process failed') "
          "eq(n[l .. 'pid.link.down'], 'linked process failed') no_event()"},
    {"T-9 who traps lives on",
     HELP "local a = child('spawn_monitored', 'trap', process.pid()) "
          "process.inbox():receive() "
          "local l = process.spawn_monitored('t:linker', 't:host', {a}) "
          "time.sleep('1ms') process.terminate(l) local n = {} "
          "for i = 1, 2 do local e = event() n[e.from] = e.result end "
          "eq(n[a].value, 'pid.link.down') eq(tostring(n[l].error), "
          "'process terminated')"},
    {"T-10 a busy loop is terminated and starves nobody",
     HELP "local spin = child('spawn_monitored', 'spin') local n = 0 "
          "while n < 20 do time.sleep('1ms') n = n + 1 end "
          "eq(process.terminate(spin), true) "
          "eq(tostring(event().result.error), 'process terminated')"},
    {"T-11 cancel is an event with its reason",
     HELP "local pid = child('spawn_monitored', 'cancel') "
          "eq(process.cancel(pid, 'why'), true) "
          "eq(event().result.value, 'pid.cancel:why')"},
    {"cancel without a reason has an empty one",
     HELP "local pid = child('spawn_monitored', 'cancel') process.cancel(pid) "
          "eq(event().result.value, 'pid.cancel:')"},
    {"EX-1 success is silent to links",
     HELP "child('spawn_linked', 'return', 1) no_event()"},
    {"EX-1 who links and monitors hears EXIT first",
     HELP "process.set_options{trap_links = true} "
          "child('spawn_linked_monitored', 'error', 'e') "
          "eq(event().kind, 'pid.exit') local e = event() "
          "eq(e.kind, 'pid.link.down') eq(tostring(e.result.error), 'e') no_event()"},
    {"EX-1 events come after the messages of the dying",
     HELP "local pid = process.spawn_monitored('t:sender', 't:host', process.pid()) "
          "event() for i = 1, 100 do eq(process.inbox():receive():payload():data(), i) "
          "end"},
    {"EX-3 events wait for events() to be called",
     HELP "child('spawn_monitored', 'return', 3) time.sleep('2ms') "
          "eq(event().result.value, 3)"},
    {"a second monitor is refused, until EXIT",
     HELP "local pid = child('spawn', 'wait') eq(process.monitor(pid), true) "
          "fails('AlreadyExists', 'already monitoring pid', process.monitor(pid)) "
          "process.send(pid, 'go') eq(event().result.value, 'done') no_event()"},
    {"unmonitor is true in every case",
     HELP "local pid = child('spawn_monitored', 'wait') "
          "eq(process.unmonitor(pid), true) eq(process.unmonitor(pid), true) "
          "process.send(pid, 'go') no_event() eq(process.unmonitor(pid), true)"},
    {"unlink parts both ways",
     HELP "local pid = child('spawn_linked_monitored', 'wait') "
          "eq(process.unlink(pid), true) process.terminate(pid) "
          "eq(event().kind, 'pid.exit') no_event() eq(process.unlink(pid), true)"},
    {"linking oneself does nothing",
     HELP "eq(process.link(process.pid()), true) "
          "eq(process.unlink(process.pid()), true) "
          "eq(process.monitor(process.pid()), true) no_event()"},
    {"link of the dead",
     HELP "local pid = child('spawn_monitored', 'return') event() "
          "local ok, err = process.link(pid) eq(err:kind(), 'NotFound') "
          "eq(err:details().operation, 'link')"},
    {"terminate twice: the second finds nobody",
     HELP "local pid = child('spawn_monitored', 'wait') "
          "eq(process.terminate(pid), true) "
          "fails('NotFound', 'process not found', process.terminate(pid)) "
          "fails('NotFound', 'process not found', process.cancel(pid)) "
          "fails('NotFound', 'process not found', process.send(pid, 't')) "
          "eq(process.monitor(pid), nil) event() no_event()"},
    {"T-16 10,000 children, each watched",
     HELP "local sum = 0 for i = 1, 10000 do child('spawn_monitored', 'return', i) end "
          "for i = 1, 10000 do sum = sum + event().result.value end "
          "eq(sum, 50005000) no_event()"},
    {"who waits for the start of a process elsewhere may be ended",
     HELP "local pid = process.spawn_monitored('t:execs', 't:host') "
          "time.sleep('1ms') process.terminate(pid) "
          "eq(tostring(event().result.error), 'process terminated') no_event()"},
    {"nobody is given more values than there may be",
     HELP "local many = {} for i = 1, 10000 do many[i] = i end "
          "local refused = '10001 values where at most 10000 are allowed' "
          "for _, f in ipairs{'spawn', 'spawn_monitored', 'exec'} do "
          "fails('Invalid', refused, child(f, 0, table.unpack(many))) end "
          "fails('Invalid', refused, "
          "process.send(process.pid(), 't', 0, table.unpack(many))) "
          "raises(refused, function() process.with_options({}):with_message('t', 0, "
          "table.unpack(many)) end) "
          "many[1] = 'return' eq(child('exec', table.unpack(many)), 2) no_event()"},
    {"who is terminated while it loads a child leaves no trace",
     HELP "local pid = process.spawn_monitored('t:parent', 't:host') "
          "time.sleep('1ms') process.terminate(pid) "
          "eq(tostring(event().result.error), 'process terminated') "
          "time.sleep('2ms') no_event()"},
};

static void add_entries(struct bench *bench)
{
    bench_add(bench, "t:child", "process.lua", "", CHILD);
    bench_add(bench, "t:linker", "process.lua", "",
              "return {main = function(pids) for _, pid in ipairs(pids) do "
              "assert(process.link(pid)) end process.inbox():receive() end}");
    bench_add(bench, "t:sender", "process.lua", "",
              "return {main = function(pid) for i = 1, 100 do "
              "process.send(pid, 't' .. i % 3, i) end end}");
    bench_add(bench, "t:execs", "process.lua", "",
              "return {main = function() process.exec('t:child', 't:other') end}");
    bench_add(bench, "t:parent", "process.lua", "time",
              "return {main = function() process.spawn_monitored('t:never', "
              "'t:host') end}");
}

START_TEST(relations_do)
{
    struct bench bench;

    bench_begin(&bench, NULL);
    add_entries(&bench);
    bench_check_body(&bench, cases[_i].title, cases[_i].body, "null");
    bench_end(&bench);
}
END_TEST

static bool is_empty(struct bench *bench, void *context)
{
    (void)context;
    return bench->rt.slots.n_live == 0;
}

static bool has_10001(struct bench *bench, void *context)
{
    (void)context;
    return bench->rt.slots.n_live == 10001;
}

static void terminate(struct bench *bench, uint64_t pid)
{
    struct frame_signal signal = {.op = SIGNAL_TERMINATE, .to = pid};

    frame_encode_signal(conn_out(bench->conn), &signal);
    conn_wrote(bench->conn);
}

START_TEST(relations_end_a_chain_of_10000_links_without_recursion)
{
    struct bench bench;
    struct bench_frame *frame;
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:link", "process.lua", "",
              "return {main = function(n) if n > 0 then "
              "process.spawn_linked('t:link', 't:host', n - 1) end "
              "process.inbox():receive() end}");
    pid = bench_spawn(&bench, "t:link", "[10000]");
    bench_until(&bench, has_10001, NULL);
    terminate(&bench, pid);
    bench_until(&bench, is_empty, NULL);
    ck_assert_str_eq(bench_await_exit(&bench, pid), "Internal: process terminated");
    while ((frame = bench_take(&bench, FRAME_EXIT)) != NULL)
        free(frame);
    bench_end(&bench);
}
END_TEST

/* The answer to the worker's only open request. */
static void answer_with_unit(struct bench *bench, const char *id)
{
    struct frame_reply reply = {.call = map_next(&bench->open, NULL)->number};
    struct buf payload;

    buf_init(&payload, 0);
    payload_encode(&payload, value_get(&bench->units, id), 1);
    reply.result = buf_bytes(&payload);
    frame_encode_reply(conn_out(bench->conn), &reply);
    conn_wrote(bench->conn);
    buf_finish(&payload);
}

START_TEST(relations_of_the_terminated_end_when_their_new_code_comes)
{
    struct bench bench;
    uint64_t pid;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:old", "process.lua", "",
              "return {main = function() process.upgrade('t:never') end}");
    bench_add(&bench, "t:new", "process.lua", "",
              "return {main = function() return 'new' end}");
    pid = bench_spawn(&bench, "t:old", NULL);
    bench_settle(&bench);
    terminate(&bench, pid);
    answer_with_unit(&bench, "t:new"); /* in the same turn */
    ck_assert_str_eq(bench_await_exit(&bench, pid), "Internal: process terminated");
    bench_end(&bench);
}
END_TEST

START_TEST(relations_across_workers_go_through_frames)
{
    struct frame_watch watch = {.call = 900,
                                .watcher = BENCH_PID,
                                .op = WATCH_LINK,
                                .watcher_host = bytes_of_text("t:far")};
    struct frame_exit exit = {.from = BENCH_PID,
                              .what = LINK_DOWN_EVENT,
                              .failed = 1,
                              .from_host = bytes_of_text("t:far")};
    struct bench bench;
    struct bench_frame *gone;
    struct buf buf;
    struct err err;

    bench_begin(&bench, NULL);
    add_entries(&bench);
    watch.target = bench_spawn(&bench, "t:child", "[\"wait\"]");
    buf_init(&buf, 0);
    frame_encode_watch(conn_out(bench.conn), &watch);
    conn_wrote(bench.conn);
    ck_assert_str_eq(bench_await(&bench, 900), "true");
    buf_clear(&buf);
    err_set(&err, ERR_INTERNAL, "far away");
    error_encode(&buf, &err);
    exit.to = watch.target;
    exit.result = buf_bytes(&buf);
    frame_encode_exit(conn_out(bench.conn), &exit);
    conn_wrote(bench.conn);
    ck_assert_str_eq(bench_await_exit(&bench, watch.target),
                     "Internal: linked process failed");
    gone = bench_take(&bench, FRAME_GONE);
    ck_assert_ptr_nonnull(gone);
    free(gone);
    /* watching who is dead now */
    watch.call = 901;
    buf_clear(&buf);
    frame_encode_watch(conn_out(bench.conn), &watch);
    conn_wrote(bench.conn);
    ck_assert_str_eq(bench_await(&bench, 901), "NotFound: pid not registered");
    buf_finish(&buf);
    bench_end(&bench);
}
END_TEST

#define N_CROWD 5000

static bool has_crowd(struct bench *bench, void *context)
{
    (void)context;
    return bench->rt.slots.n_live == N_CROWD + 1 && !sched_has_work(&bench->rt.sched);
}

/* They are told over several turns, each of them once. */
START_TEST(relations_with_a_crowd_end_in_portions)
{
    struct bench bench;
    const struct list *endings = &bench.rt.sched.endings;
    unsigned n_turns = 0;

    bench_begin(&bench, NULL);
    bench_add(&bench, "t:watcher", "process.lua", "",
              "return {main = function(star) process.monitor(star) "
              "process.events():receive() end}");
    bench_add(&bench, "t:star", "process.lua", "",
              "return {main = function(n) for i = 1, n do "
              "process.spawn('t:watcher', 't:host', process.pid()) end "
              "process.inbox():receive() end}");
    bench_spawn(&bench, "t:star", "[5000]");
    bench_until(&bench, has_crowd, NULL);
    terminate(&bench, bench.last_pid);
    while (list_empty(endings))
        bench_turn(&bench, false);
    for (; !list_empty(endings); n_turns++)
        bench_turn(&bench, false);
    ck_assert_uint_ge(n_turns, N_CROWD / RELATIONS_PER_TURN - 1);
    bench_until(&bench, is_empty, NULL);
    bench_end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, relations_with_a_crowd_end_in_portions);
    tcase_add_loop_test(tc, relations_do, 0, N_ELEMENTS(cases));
    tcase_add_test(tc, relations_end_a_chain_of_10000_links_without_recursion);
    tcase_add_test(tc, relations_of_the_terminated_end_when_their_new_code_comes);
    tcase_add_test(tc, relations_across_workers_go_through_frames);
}

int main(void)
{
    return unit_main("relations", fill);
}
