#include "supervisor/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ev.h>

#include "common/err.h"

#include "tests/unit/unit.h"

static char folder[64];
static struct ev_loop *loop;
static unsigned n_changes;

static void on_changed(void *context)
{
    (void)context;
    n_changes++;
    ev_break(loop, EVBREAK_ALL);
}

static void on_over(struct ev_loop *one, struct ev_timer *timer, int revents)
{
    (void)timer, (void)revents;
    ev_break(one, EVBREAK_ALL);
}

/* Runs until something changed, or for limit_ms; says whether it did. */
static bool changes_within(unsigned limit_ms)
{
    struct ev_timer timer;
    unsigned before = n_changes;

    ev_now_update(loop);
    ev_timer_init(&timer, on_over, limit_ms / 1e3, 0);
    ev_timer_start(loop, &timer);
    ev_run(loop, 0);
    ev_timer_stop(loop, &timer);
    return n_changes != before;
}

/* Does something to the folder, by the shell. */
static void run(const char *command)
{
    char line[400];

    snprintf(line, sizeof(line), "cd %s && %s", folder, command);
    ck_assert_int_eq(system(line), 0); /* NOLINT(cert-env33-c) */
}

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/watch-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    loop = ev_default_loop(0);
    n_changes = 0;
}

static void tear_down(void)
{
    char line[100];

    snprintf(line, sizeof(line), "rm -rf %s", folder);
    ck_assert_int_eq(strncmp(folder, "/tmp/watch-", 11), 0);
    ck_assert_int_eq(system(line), 0); /* NOLINT(cert-env33-c) */
}

static struct watch *watch(const char *path)
{
    struct err err;
    struct watch *one = watch_create(loop, &path, 1, on_changed, NULL, &err);

    ck_assert_msg(one != NULL, "%s", err.text);
    return one;
}

static const struct {
    const char *before, *does;
    bool counts;
} cases[] = {
    {"true", "echo x > a.lua", true},
    {"echo x > a.lua", "echo y >> a.lua", true},
    {"echo x > a.lua", "rm a.lua", true},
    {"echo x > a.lua", "echo y > .a.swp; mv .a.swp a.lua", true},
    {"mkdir -p a/b", "echo x > a/b/c.lua", true},
    {"mkdir -p a/b", "rm -r a", true},
    {"mkdir -p a/b; echo x > a/b/c.lua", "mv a z", true},
    {"true", "mkdir -p a/b; echo x > a/b/c.lua", true},
    {"mkdir .git node_modules", "echo x > .git/a; echo x > node_modules/a.lua", false},
    {"true", "mkdir .wippy; echo x > .wippy/registry.db", false},
    {"true", "echo x > a.db; echo x > a.db-wal; echo x > a.log; echo x > 4913", false},
    {"true", "echo x > a.lua~; echo x > '#a.lua#'; echo x > .a.lua.swp", false},
    {"echo x > a.lua", "cat a.lua > /dev/null; ls > /dev/null", false},
};

START_TEST(watch_tells_what_counts)
{
    struct watch *one;

    run(cases[_i].before);
    one = watch(folder);
    run(cases[_i].does);
    ck_assert_int_eq(changes_within(cases[_i].counts ? 10000 : 300), cases[_i].counts);
    watch_destroy(one);
}
END_TEST

/* A folder that came later is watched as those that were there. */
START_TEST(watch_follows_folders)
{
    struct watch *one = watch(folder);

    run("mkdir -p a/b");
    ck_assert(changes_within(10000));
    run("echo x > a/b/c.lua");
    ck_assert(changes_within(10000));
    run("mv a/b z; echo y > z/c.lua");
    ck_assert(changes_within(10000));
    run("echo z > z/c.lua");
    ck_assert(changes_within(10000));
    run("rm -r a z");
    ck_assert(changes_within(10000));
    watch_destroy(one);
}
END_TEST

START_TEST(watch_waits_for_quiet)
{
    struct watch *one = watch(folder);

    run("for i in 1 2 3 4 5 6 7 8 9; do echo $i > a.lua; done");
    ck_assert(changes_within(10000));
    ck_assert(!changes_within(300));
    ck_assert_uint_eq(n_changes, 1);
    watch_destroy(one);
}
END_TEST

START_TEST(watch_takes_a_single_file)
{
    char path[80];
    struct watch *one;

    run("mkdir sub; echo x > app.yaml");
    snprintf(path, sizeof(path), "%s/app.yaml", folder);
    one = watch(path);
    run("echo y > sub/other.yaml");
    ck_assert(!changes_within(300));
    run("echo y > app.yaml");
    ck_assert(changes_within(10000));
    watch_destroy(one);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, watch_tells_what_counts, 0, N_ELEMENTS(cases));
    tcase_add_test(tc, watch_follows_folders);
    tcase_add_test(tc, watch_waits_for_quiet);
    tcase_add_test(tc, watch_takes_a_single_file);
}

int main(void)
{
    return unit_main("watch", fill);
}
