#include "supervisor/pool.h"

#include "tests/unit/floor.h"
#include "tests/unit/unit.h"

/* ---- calls and answers ----------------------------------------------------------- */

START_TEST(pool_static_answers_calls)
{
    struct asked asked[100];
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 8, 2, 512);
    for (int i = 0; i < 100; i++)
        floor_ask(&asked[i], "app:f", "echo", value_int(i), 0);
    for (int i = 0; i < 100; i++) {
        FLOOR_UNTIL(asked[i].n_answers != 0);
        ck_assert_int_eq(asked[i].n_answers, 1);
        ck_assert_int_eq(floor_first(&asked[i])->as.integer, i);
        value_finish(&asked[i].list);
    }
    FLOOR_UNTIL(floor_n_ready(pool) == 2);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    floor_close();
}
END_TEST

START_TEST(pool_lazy_starts_on_demand_and_reaps)
{
    struct pool_figures figures;
    struct asked asked;
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_LAZY, 4, 2, 256);
    ck_assert_ptr_null(floor_worker(pool, 0));
    floor_call(&asked, "app:f", "echo", value_int(7));
    ck_assert_int_eq(floor_first(&asked)->as.integer, 7);
    value_finish(&asked.list);
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_processes, 1);
    floor_close();

    floor_open();
    {
        static const uint8_t empty_map[] = {0x80};
        struct pool_spec spec = {.entry = "app:short",
                                 .kind = POOL_KIND_LAZY,
                                 .n_slots_max = 4,
                                 .n_processes = 2,
                                 .buffer = 8,
                                 .idle_timeout_ms = 50,
                                 .settings = {empty_map, 1}};

        pool = pools_add(sup.pools, &spec);
    }
    floor_call(&asked, "app:short", "echo", value_int(7));
    value_finish(&asked.list);
    FLOOR_UNTIL(floor_worker(pool, 0) == NULL);
    floor_call(&asked, "app:short", "echo", value_int(8));
    ck_assert_int_eq(floor_first(&asked)->as.integer, 8);
    value_finish(&asked.list);
    floor_close();
}
END_TEST

START_TEST(pool_spreads_calls_over_its_processes)
{
    struct asked asked[4];
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 4, 2, 64);
    FLOOR_UNTIL(floor_n_ready(pool) == 2);
    for (int i = 0; i < 4; i++)
        floor_ask(&asked[i], "app:f", "nothing", value_int(0), 0);
    ck_assert_uint_eq(floor_worker(pool, 0)->n_busy, 2);
    ck_assert_uint_eq(floor_worker(pool, 1)->n_busy, 2);
    floor_close();
}
END_TEST

START_TEST(pool_queue_full_refuses_the_supervisors_own)
{
    struct pool_figures figures;
    struct asked asked[4];
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 2);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    for (int i = 0; i < 4; i++)
        floor_ask(&asked[i], "app:f", "nothing", value_int(0), 0);
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_queued, 2);
    ck_assert_int_eq(asked[3].n_answers, 1);
    ck_assert_int_eq(asked[3].err.kind, ERR_RATE_LIMITED);
    ck_assert_int_eq(asked[2].n_answers, 0);
    floor_close();
}
END_TEST

/* However many calls there may be: not more than so many bytes of them. */
START_TEST(pool_queue_bounds_its_bytes)
{
    static char text[1 << 20];
    struct pool_figures figures;
    struct asked asked[66];
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 1000);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < 66; i++)
        floor_ask(&asked[i], "app:f", "nothing", value_string(text), 0);
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_queued, 64);
    ck_assert_int_eq(asked[65].err.kind, ERR_RATE_LIMITED);
    ck_assert_int_eq(asked[64].n_answers, 0);
    floor_close();
}
END_TEST

/* The answer to what worker was given first, as if it had come from there. */
static void answer_first(struct worker *worker)
{
    const struct call *call =
        container_of(list_first(&worker->calls_to), struct call, to);
    struct frame_reply frame = {.call = call->number,
                                .result = {(const uint8_t *)"\0\x90", 2}};
    struct bytes body;
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(frame_encode_reply(&buf, &frame) && frame_body(&buf, &body));
    ck_assert_int_eq(calls_on_reply(sup.calls, worker, body, &err), 0);
    buf_finish(&buf);
}

/* It has a slot again, but so much to read that it is given nothing: when it has read
 * that, nothing else tells that it could have the call. */
START_TEST(pool_gives_what_waits_to_a_process_that_reads_again)
{
    static char text[9 << 20];
    struct frame_send large = {.payload = {(const uint8_t *)text, sizeof(text)}};
    struct pool_figures figures;
    struct asked asked[2];
    struct worker *worker;
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    worker = floor_worker(pool, 0);
    floor_ask(&asked[0], "app:f", "nothing", value_int(0), 0);
    floor_ask(&asked[1], "app:f", "nothing", value_int(0), 0);
    ck_assert(frame_encode_send(conn_out(worker->conn), &large));
    conn_wrote(worker->conn);
    answer_first(worker);
    ck_assert_int_eq(asked[0].n_answers, 1);
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_busy, 0);
    ck_assert_uint_eq(figures.n_queued, 1);
    FLOOR_UNTIL((pool_get_figures(pool, &figures), figures.n_queued == 0));
    ck_assert_uint_eq(figures.n_busy, 1);
    floor_close();
}
END_TEST

static struct value call_request(const char *target, int64_t n)
{
    struct value map = value_map();

    value_put(&map, "target", value_string(target));
    value_put(&map, "n", value_int(n));
    return map;
}

/* F-48: a full queue makes the caller's worker wait; nobody gets an error. */
START_TEST(pool_holds_and_resumes_workers)
{
    struct asked asked;
    struct pool_figures figures;
    struct pool *pool;
    struct worker *caller;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 2, 1, 4);
    caller = floor_worker(floor_add_pool("app:caller", POOL_KIND_STATIC, 1, 1, 4), 0);
    FLOOR_UNTIL(floor_n_ready(pool) == 1 && caller->state == WORKER_READY);
    floor_call(&asked, "app:caller", "call", call_request("app:f", 10));
    value_finish(&asked.list);
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_busy, 2);
    ck_assert_uint_eq(figures.n_queued, 4);
    ck_assert_uint_eq(figures.n_held, 4);
    /* The two that run and two of the queue end: two places are half of the queue. */
    for (int i = 0; i < 2; i++) {
        struct origin origin = {
            .type = ORIGIN_WORKER, .call = 1002 + (uint64_t)i, .who.worker = caller};

        ck_assert(calls_cancel(sup.calls, &origin));
    }
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_queued, 2);
    ck_assert_uint_eq(figures.n_held, 2);
    floor_call(&asked, "app:caller", "held", value_int(0));
    ck_assert_int_eq(value_get_int(floor_first(&asked), "held", 0), 4);
    ck_assert_int_eq(value_get_int(floor_first(&asked), "resumed", 0), 2);
    value_finish(&asked.list);
    /* What a worker stops to hold counts for that worker alone, and for no more than
     * it held. */
    pool_unhold(pool, floor_worker(pool, 0), 1);
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_held, 2);
    pool_unhold(pool, caller, UINT32_MAX);
    pool_get_figures(pool, &figures);
    ck_assert_uint_eq(figures.n_held, 0);
    ck_assert(list_empty(&caller->holders));
    /* Its death ends everything that it wanted. */
    worker_kill(caller, "was killed by the test");
    FLOOR_UNTIL((pool_get_figures(pool, &figures), figures.n_busy == 0));
    ck_assert_uint_eq(figures.n_queued, 0);
    ck_assert_uint_eq(figures.n_held, 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    floor_close();
}
END_TEST

/* What its deadline is over for gets no slot, even when there is one. */
START_TEST(pool_starts_nothing_that_is_too_late)
{
    struct frame_call frame = {.call = 7, .target = bytes_of_text("app:f")};
    struct origin origin = {.type = ORIGIN_NONE};
    struct pool *pool;
    struct call *call;
    struct bytes body;
    struct err err;
    struct buf buf;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    buf_init(&buf, 0);
    ck_assert(frame_encode_call(&buf, &frame) && frame_body(&buf, &body));
    call = calls_open(sup.calls, &origin, FRAME_CALL,
                      (uint64_t)clock_monotonic_ns() - 1, &err);
    pool_submit(pool, call, body);
    ck_assert_uint_eq(floor_worker(pool, 0)->n_busy, 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    buf_finish(&buf);
    floor_close();
}
END_TEST

START_TEST(pool_lingering_slot_stays_busy)
{
    struct asked asked;
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 2, 1, 4);
    floor_call(&asked, "app:f", "linger", value_int(1));
    value_finish(&asked.list);
    ck_assert_uint_eq(floor_worker(pool, 0)->n_busy, 1);
    floor_call(&asked, "app:f", "free", value_int(1));
    value_finish(&asked.list);
    FLOOR_UNTIL(floor_worker(pool, 0)->n_busy == 0);
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    floor_close();
}
END_TEST

/* ---- deadlines and cancellation -------------------------------------------------- */

START_TEST(pool_call_times_out)
{
    struct asked asked;
    struct pool *pool;
    uint64_t start;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    start = (uint64_t)clock_monotonic_ns();
    floor_ask(&asked, "app:f", "nothing", value_int(0), start + 50000000);
    FLOOR_UNTIL(asked.n_answers != 0);
    ck_assert_int_eq(asked.err.kind, ERR_TIMEOUT);
    ck_assert_int_eq(asked.err.retryable, RETRY_YES);
    ck_assert_msg(unit_tells_timeout(asked.err.text, 50), "%s", asked.err.text);
    ck_assert_uint_ge(asked.answered_at_ns - start, 50000000);
    FLOOR_UNTIL(calls_n_open(sup.calls) == 0); /* it answers CANCEL */
    ck_assert_int_eq(asked.n_answers, 1);
    ck_assert_uint_eq(floor_worker(pool, 0)->n_busy, 0);
    floor_close();
}
END_TEST

START_TEST(pool_deadline_covers_the_queue)
{
    struct asked first, second;
    struct pool *pool;
    uint64_t start;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    floor_ask(&first, "app:f", "nothing", value_int(0), 0);
    start = (uint64_t)clock_monotonic_ns();
    floor_ask(&second, "app:f", "echo", value_int(0), start + 20000000);
    FLOOR_UNTIL(second.n_answers != 0);
    ck_assert_int_eq(second.err.kind, ERR_TIMEOUT);
    ck_assert_uint_eq(calls_n_open(sup.calls), 1);
    ck_assert_int_eq(first.n_answers, 0);
    floor_close();
}
END_TEST

/* L6: what doesn't end when cancelled ends with its process, and only that. */
START_TEST(pool_deaf_callee_is_killed_after_grace)
{
    struct asked asked, next;
    struct pool *pool;
    pid_t old;

    floor_open();
    calls_set_grace_ms(sup.calls, 50, 50);
    pool = floor_add_pool("app:deaf", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    old = floor_worker(pool, 0)->os_pid;
    floor_ask(&asked, "app:deaf", "freeze", value_int(0),
              (uint64_t)clock_monotonic_ns() + 10000000);
    floor_call(&next, "app:deaf", "echo", value_int(5));
    ck_assert_int_eq(asked.err.kind, ERR_TIMEOUT);
    ck_assert_int_eq(floor_first(&next)->as.integer, 5);
    ck_assert_int_ne(floor_worker(pool, 0)->os_pid, old);
    value_finish(&next.list);
    floor_close();
}
END_TEST

/* L6: no need to wait for one that can't even hear that it was cancelled. */
START_TEST(pool_busy_and_deaf_callee_is_killed_before_its_grace_is_over)
{
    struct asked asked, next;
    struct pool *pool;

    floor_open();
    calls_set_grace_ms(sup.calls, 3600000, 20);
    pool = floor_add_pool("app:deaf", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    floor_ask(&asked, "app:deaf", "spin", value_int(0),
              (uint64_t)clock_monotonic_ns() + 10000000);
    floor_call(&next, "app:deaf", "echo", value_int(5));
    ck_assert_int_eq(asked.err.kind, ERR_TIMEOUT);
    ck_assert_int_eq(floor_first(&next)->as.integer, 5);
    value_finish(&next.list);
    floor_close();
}
END_TEST

/* ---- stop and replacement -------------------------------------------------------- */

static void count_done(void *context)
{
    ++*(int *)context;
}

START_TEST(pool_stop_runs_the_queue_first)
{
    struct asked asked[6], late;
    struct pool *pool;
    int n_stopped = 0;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 8);
    for (int i = 0; i < 6; i++)
        floor_ask(&asked[i], "app:f", "echo", value_int(i), 0);
    pool_stop(pool, (uint64_t)clock_monotonic_ns() + 10000000000, count_done,
              &n_stopped);
    floor_ask(&late, "app:f", "echo", value_int(0), 0);
    ck_assert_str_eq(late.err.text, "pool is closed");
    ck_assert_int_eq(late.err.retryable, RETRY_NO);
    FLOOR_UNTIL(n_stopped == 1);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(floor_first(&asked[i])->as.integer, i);
        value_finish(&asked[i].list);
    }
    ck_assert_ptr_null(floor_worker(pool, 0));
    floor_close();
}
END_TEST

START_TEST(pool_stop_kills_at_the_deadline)
{
    struct asked running, queued;
    struct pool *pool;
    int n_stopped = 0;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 8);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    floor_ask(&running, "app:f", "freeze", value_int(0), 0);
    floor_ask(&queued, "app:f", "echo", value_int(0), 0);
    pool_stop(pool, (uint64_t)clock_monotonic_ns() + 50000000, count_done, &n_stopped);
    FLOOR_UNTIL(n_stopped == 1);
    ck_assert_int_eq(running.n_answers, 1);
    ck_assert_int_eq(running.err.kind, ERR_UNAVAILABLE);
    ck_assert_str_eq(queued.err.text, "pool is closed");
    floor_close();
}
END_TEST

/* F-5 */
START_TEST(pool_replacement_takes_over_when_it_works)
{
    struct asked old_call, new_call;
    struct pool *old, *new;
    pid_t old_pid;

    floor_open();
    old = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 8);
    FLOOR_UNTIL(floor_n_ready(old) == 1);
    old_pid = floor_worker(old, 0)->os_pid;
    floor_ask(&old_call, "app:f", "pid", value_int(0), 0);
    new = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 8);
    ck_assert_ptr_eq(pools_find(sup.pools, "app:f", 5), old);
    FLOOR_UNTIL(pools_find(sup.pools, "app:f", 5) == new);
    floor_ask(&new_call, "app:f", "pid", value_int(0), 0);
    FLOOR_UNTIL(old_call.n_answers != 0 && new_call.n_answers != 0);
    ck_assert_int_eq(floor_first(&old_call)->as.integer, old_pid);
    ck_assert_int_ne(floor_first(&new_call)->as.integer, old_pid);
    value_finish(&old_call.list);
    value_finish(&new_call.list);
    FLOOR_UNTIL(workers_count(sup.workers) == 1);
    floor_close();
}
END_TEST

START_TEST(pool_unknown_target_is_not_found)
{
    struct asked asked;

    floor_open();
    floor_ask(&asked, "app:none", "echo", value_int(0), 0);
    ck_assert_int_eq(asked.err.kind, ERR_NOT_FOUND);
    ck_assert_str_eq(asked.err.text, "no handler registered for target");
    ck_assert_int_eq(asked.err.retryable, RETRY_NO);
    floor_close();
}
END_TEST

START_TEST(pool_inline_serves_non_workers_in_a_hidden_slot)
{
    struct asked asked;

    floor_open();
    floor_add_pool("app:f", POOL_KIND_INLINE, 1, 1, 8);
    floor_call(&asked, "app:f", "echo", value_int(3));
    ck_assert_int_eq(floor_first(&asked)->as.integer, 3);
    value_finish(&asked.list);
    floor_close();
}
END_TEST

START_TEST(pool_inline_makes_no_slot_once_it_is_stopped)
{
    struct asked asked;
    struct pool *pool;
    int n_stopped = 0;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_INLINE, 1, 1, 8);
    pools_stop(sup.pools, (uint64_t)clock_monotonic_ns() + 10000000000, count_done,
               &n_stopped);
    ck_assert_int_eq(n_stopped, 1);
    floor_ask(&asked, "app:f", "echo", value_int(3), 0);
    ck_assert_int_eq(asked.n_answers, 1);
    ck_assert_str_eq(asked.err.text, "pool is closed");
    ck_assert_ptr_eq(pools_next(sup.pools, pool), NULL);
    floor_close();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, pool_static_answers_calls);
    tcase_add_test(tc, pool_lazy_starts_on_demand_and_reaps);
    tcase_add_test(tc, pool_spreads_calls_over_its_processes);
    tcase_add_test(tc, pool_queue_full_refuses_the_supervisors_own);
    tcase_add_test(tc, pool_queue_bounds_its_bytes);
    tcase_add_test(tc, pool_gives_what_waits_to_a_process_that_reads_again);
    tcase_add_test(tc, pool_holds_and_resumes_workers);
    tcase_add_test(tc, pool_starts_nothing_that_is_too_late);
    tcase_add_test(tc, pool_lingering_slot_stays_busy);
    tcase_add_test(tc, pool_call_times_out);
    tcase_add_test(tc, pool_deadline_covers_the_queue);
    tcase_add_test(tc, pool_deaf_callee_is_killed_after_grace);
    tcase_add_test(tc, pool_busy_and_deaf_callee_is_killed_before_its_grace_is_over);
    tcase_add_test(tc, pool_stop_runs_the_queue_first);
    tcase_add_test(tc, pool_stop_kills_at_the_deadline);
    tcase_add_test(tc, pool_replacement_takes_over_when_it_works);
    tcase_add_test(tc, pool_unknown_target_is_not_found);
    tcase_add_test(tc, pool_inline_serves_non_workers_in_a_hidden_slot);
    tcase_add_test(tc, pool_inline_makes_no_slot_once_it_is_stopped);
}

int main(void)
{
    return unit_main("pool", fill);
}
