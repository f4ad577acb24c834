#include "supervisor/pool.h"

#include <fcntl.h>
#include <signal.h>

#include "tests/unit/floor.h"
#include "tests/unit/unit.h"

/* ---- deaths ---------------------------------------------------------------------- */

START_TEST(pool_death_answers_and_replaces)
{
    struct asked asked, next;
    struct pool *pool;
    uint64_t killed_at;
    pid_t old;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 2, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    floor_ask(&asked, "app:f", "nothing", value_int(0), 0);
    ev_run(sup.loop, EVRUN_NOWAIT);
    old = floor_worker(pool, 0)->os_pid;
    killed_at = (uint64_t)clock_monotonic_ns();
    kill(old, SIGKILL);
    FLOOR_UNTIL(asked.n_answers != 0);
    ck_assert_int_eq(asked.err.kind, ERR_UNAVAILABLE);
    ck_assert_int_eq(asked.err.retryable, RETRY_YES);
    ck_assert_str_eq(asked.err.text,
                     "worker of app:f was killed by signal 9 (SIGKILL)");
    floor_call(&next, "app:f", "pid", value_int(0));
    ck_assert_int_ne(floor_first(&next)->as.integer, old);
    ck_assert_uint_lt(next.answered_at_ns - killed_at, 1000000000);
    value_finish(&next.list);
    floor_close();
}
END_TEST

START_TEST(pool_frames_before_death_count)
{
    struct asked asked;

    floor_open();
    floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 4);
    floor_call(&asked, "app:f", "reply and die", value_int(42));
    ck_assert_int_eq(floor_first(&asked)->as.integer, 42);
    value_finish(&asked.list);
    floor_close();
}
END_TEST

START_TEST(pool_exit_status_is_named)
{
    struct asked asked;

    floor_open();
    floor_add_pool("app:f", POOL_KIND_LAZY, 1, 1, 4);
    floor_call(&asked, "app:f", "exit", value_int(0));
    ck_assert_str_eq(asked.err.text, "worker of app:f exited with status 3");
    floor_close();
}
END_TEST

/* Back-off begins with the second quick death; a call doesn't wait for ever. */
START_TEST(pool_crash_loop_is_throttled)
{
    static const char *const entries[] = {"app:dies_early", "app:dies_ready"};
    struct pool_figures figures;
    struct asked asked;
    struct pool *pool;

    floor_open();
    pool = floor_add_pool(entries[_i], POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL((pool_get_figures(pool, &figures), figures.n_deaths == 2));
    ck_assert_uint_ne(figures.next_try_at_ns, 0);
    ck_assert_uint_gt(figures.next_try_at_ns,
                      (uint64_t)clock_monotonic_ns() + 100000000);
    FLOOR_UNTIL((pool_get_figures(pool, &figures), figures.n_deaths == 4));
    ck_assert_uint_gt(figures.next_try_at_ns,
                      (uint64_t)clock_monotonic_ns() + 800000000);
    floor_ask(&asked, entries[_i], "echo", value_int(0),
              (uint64_t)clock_monotonic_ns() + 10000000000);
    FLOOR_UNTIL(asked.n_answers != 0);
    ck_assert_int_eq(asked.status, REPLY_ERROR);
    ck_assert_int_eq(asked.err.kind, ERR_UNAVAILABLE);
    floor_close();
}
END_TEST

START_TEST(pool_failed_setup_fails_the_call)
{
    struct asked asked;

    floor_open();
    floor_add_pool("app:fails", POOL_KIND_LAZY, 1, 1, 4);
    floor_call(&asked, "app:fails", "echo", value_int(0));
    ck_assert_str_eq(asked.err.text, "not in the mood");
    floor_close();
}
END_TEST

START_TEST(pool_kills_what_is_not_ready_in_time)
{
    static const char *const entries[] = {"app:mute", "app:never_ready"};
    struct worker_times times = {
        .ready_timeout_ms = 50, .ping_every_ms = 5000, .pong_timeout_ms = 15000};
    struct pool_figures figures;
    struct pool *pool;

    floor_open();
    workers_set_times(sup.workers, &times);
    pool = floor_add_pool(entries[_i], POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL((pool_get_figures(pool, &figures), figures.n_deaths == 1));
    floor_close();
}
END_TEST

/* M1, M3, M4: it costs the worker its life and nobody else anything. */
START_TEST(pool_hostile_worker_dies_alone)
{
    static const char *const deeds[] = {
        "forge reply",  "forge generation", "reply twice",        "forge sender",
        "forge caller", "unknown frame",    "supervisor's frame", "size bomb",
        "short frame",  "hello again"};
    struct asked asked, other, bystander;
    struct pool *pool, *good;
    pid_t old, good_pid;

    floor_open();
    pool = floor_add_pool("app:bad", POOL_KIND_STATIC, 2, 1, 4);
    good = floor_add_pool("app:good", POOL_KIND_STATIC, 2, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1 && floor_n_ready(good) == 1);
    old = floor_worker(pool, 0)->os_pid;
    good_pid = floor_worker(good, 0)->os_pid;
    floor_ask(&bystander, "app:good", "nothing", value_int(0), 0);
    floor_ask(&other, "app:bad", "nothing", value_int(0), 0);
    floor_ask(&asked, "app:bad", deeds[_i], value_int(0), 0);
    FLOOR_UNTIL(other.n_answers != 0);
    ck_assert_int_eq(other.err.kind, ERR_UNAVAILABLE);
    ck_assert_msg(strstr(other.err.text, "worker of app:bad was killed: ") != NULL,
                  "%s: %s", deeds[_i], other.err.text);
    FLOOR_UNTIL(floor_worker(pool, 0) != NULL &&
                floor_worker(pool, 0)->state == WORKER_READY);
    ck_assert_int_ne(floor_worker(pool, 0)->os_pid, old);
    ck_assert_int_eq(floor_worker(good, 0)->os_pid, good_pid);
    ck_assert_int_eq(asked.n_answers, 1);
    ck_assert_int_eq(bystander.n_answers, 0);
    if (asked.status == REPLY_OK)
        value_finish(&asked.list);
    floor_close();
}
END_TEST

START_TEST(pool_silent_worker_is_killed)
{
    struct worker_times times = {
        .ready_timeout_ms = 10000, .ping_every_ms = 20, .pong_timeout_ms = 60};
    struct asked asked;
    struct pool *pool;

    floor_open();
    workers_set_times(sup.workers, &times);
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    floor_call(&asked, "app:f", "freeze", value_int(0));
    ck_assert_int_eq(asked.err.kind, ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(asked.err.text, "heartbeat"));
    floor_close();
}
END_TEST

/* F4: somebody who stops a worker from outside doesn't kill it. */
START_TEST(pool_stopped_worker_is_spared)
{
    struct worker_times times = {
        .ready_timeout_ms = 10000, .ping_every_ms = 10, .pong_timeout_ms = 30};
    struct asked asked;
    struct pool *pool;
    uint64_t start;
    pid_t pid;

    floor_open();
    workers_set_times(sup.workers, &times);
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 4);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    pid = floor_worker(pool, 0)->os_pid;
    kill(pid, SIGSTOP);
    start = clock_monotonic_ms();
    FLOOR_UNTIL(clock_monotonic_ms() > start + 200);
    kill(pid, SIGCONT);
    floor_call(&asked, "app:f", "pid", value_int(0));
    ck_assert_int_eq(floor_first(&asked)->as.integer, pid);
    value_finish(&asked.list);
    floor_close();
}
END_TEST

/* Invariant 4, with workers that die at any moment. */
START_TEST(pool_answers_each_call_once_through_kills)
{
    static struct asked asked[2000];
    static const char *const targets[] = {"app:static", "app:lazy", "app:adaptive"};
    unsigned n_asked = 0, n_open, n_kills = 0, n_answered = 0;
    uint64_t seed = 42;

    floor_open();
    floor_add_pool(targets[0], POOL_KIND_STATIC, 8, 2, 64);
    floor_add_pool(targets[1], POOL_KIND_LAZY, 8, 2, 64);
    floor_add_pool(targets[2], POOL_KIND_ADAPTIVE, 8, 2, 64);
    do {
        n_answered = 0;
        for (unsigned i = 0; i < n_asked; i++)
            n_answered += asked[i].n_answers != 0;
        n_open = n_asked - n_answered;
        while (n_open < 48 && n_asked < N_ELEMENTS(asked)) {
            floor_ask(&asked[n_asked], targets[n_asked % 3], "echo", value_int(n_asked),
                      0);
            n_asked++;
            n_open++;
        }
        if (n_asked / 50 > n_kills) {
            unsigned nth;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            nth = (unsigned)(seed >> 33) % (workers_count(sup.workers) + 1);
            n_kills++;
            WORKERS_FOREACH (w, sup.workers)
                if (nth-- == 0)
                    kill(w->os_pid, SIGKILL);
        }
        ev_run(sup.loop, EVRUN_ONCE);
    } while (n_answered < N_ELEMENTS(asked));
    for (unsigned i = 0; i < n_asked; i++) {
        ck_assert_int_eq(asked[i].n_answers, 1);
        if (asked[i].status == REPLY_OK)
            ck_assert_int_eq(floor_first(&asked[i])->as.integer, i);
        else
            ck_assert_int_eq(asked[i].err.kind, ERR_UNAVAILABLE);
        value_finish(&asked[i].list);
    }
    ck_assert_uint_eq(calls_n_open(sup.calls), 0);
    floor_close();
}
END_TEST

/* ---- processes ------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* P2, P4, P5, S3: what a worker inherits. */
START_TEST(spawn_hands_down_nothing_else)
{
    const struct value *map, *fds, *names;
    struct asked asked;
    sigset_t mask;

    setenv("SECRET_TOKEN", "planted", 1);
    setenv("TROUPE_TEST", "yes", 1);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_ne(dup2(0, 200), -1); /* not close-on-exec */
    floor_open();
    floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 8);
    floor_call(&asked, "app:f", "inherited", value_int(3));
    map = floor_first(&asked);
    fds = value_get(map, "fds");
    for (size_t i = 0; i < fds->as.list.n; i++)
        ck_assert_int_le(fds->as.list.items[i].as.integer, 4);
    ck_assert_uint_eq(fds->as.list.n, 5);
    names = value_get(map, "env");
    for (size_t i = 0; i < names->as.list.n; i++) {
        const char *name = value_text(&names->as.list.items[i]);

        ck_assert_msg(strstr(name, "planted") == NULL, "%s", name);
        ck_assert_msg(starts_with(name, "TROUPE_") || starts_with(name, "TZ=") ||
                          starts_with(name, "L") || strstr(name, "SAN_OPTIONS="),
                      "%s", name);
    }
    ck_assert_int_eq(value_get_int(map, "blocked", -1), 0);
    ck_assert_int_eq(value_get_int(map, "death_signal", -1), SIGKILL);
    ck_assert_int_eq(value_get_int(map, "no_new_privs", -1), 1);
    value_finish(&asked.list);
    floor_close();
}
END_TEST

static unsigned count_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

/* P2: the supervisor's own descriptors stay flat over restarts. */
START_TEST(worker_restarts_leak_nothing)
{
    struct asked asked;
    struct pool *pool;
    unsigned n_fds;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 1, 1, 8);
    FLOOR_UNTIL(floor_n_ready(pool) == 1);
    n_fds = count_fds();
    for (int i = 0; i < 30; i++) {
        floor_call(&asked, "app:f", "exit", value_int(0));
        FLOOR_UNTIL(floor_n_ready(pool) == 1);
    }
    ck_assert_uint_eq(count_fds(), n_fds);
    floor_close();
}
END_TEST

START_TEST(worker_many_start_quickly)
{
    struct pool *pool;

    floor_open();
    pool = floor_add_pool("app:f", POOL_KIND_STATIC, 100, 100, 8);
    FLOOR_UNTIL(floor_n_ready(pool) == 100);
    floor_close();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, pool_death_answers_and_replaces);
    tcase_add_test(tc, pool_frames_before_death_count);
    tcase_add_test(tc, pool_exit_status_is_named);
    tcase_add_loop_test(tc, pool_crash_loop_is_throttled, 0, 2);
    tcase_add_test(tc, pool_failed_setup_fails_the_call);
    tcase_add_loop_test(tc, pool_kills_what_is_not_ready_in_time, 0, 2);
    tcase_add_loop_test(tc, pool_hostile_worker_dies_alone, 0, 10);
    tcase_add_test(tc, pool_silent_worker_is_killed);
    tcase_add_test(tc, pool_stopped_worker_is_spared);
    tcase_add_test(tc, pool_answers_each_call_once_through_kills);
    tcase_add_test(tc, spawn_hands_down_nothing_else);
    tcase_add_test(tc, worker_restarts_leak_nothing);
    tcase_add_test(tc, worker_many_start_quickly);
}

int main(void)
{
    return unit_main("pool_deaths", fill);
}
