#include "supervisor/router_spawn.h"

#include "common/id.h"

#include "supervisor/problems.h"

#include "tests/unit/floor.h"
#include "tests/unit/unit.h"

#define HOST "app:host"

static void add_entry(const char *id, const char *kind)
{
    struct value data = value_map();
    struct changeset *changeset;
    struct operation operation = {.op = CHANGE_CREATE};
    struct err err = {0};

    if (strcmp(kind, "process.lua") == 0) {
        value_put(&data, "source", value_string("return {}"));
        value_put(&data, "method", value_string("main"));
    }
    operation.entry = entry_create(id, strlen(id), kind, value_map(), data);
    changeset = registry_prepare(sup.registry, &operation, 1, NULL, &err);
    ck_assert_msg(changeset != NULL, "%s", err.text);
    ck_assert_int_eq(registry_commit(sup.registry, changeset, NULL, &err), 0);
    entry_unref(operation.entry);
}

static void on_started(void *context, const struct err *err)
{
    *(int *)context = err == NULL ? 1 : -1;
}

static struct pool *open_host(void)
{
    struct pool *pool;
    int started = 0;

    floor_open();
    add_entry("app:worker", "process.lua");
    add_entry(HOST, "process.host");
    pool = floor_add_pool(HOST, POOL_KIND_HOST, UINT32_MAX, 2, 64);
    pool_start(pool, on_started, &started);
    FLOOR_UNTIL(started == 1);
    return pool;
}

static void spawn(struct asked *asked, const char *entry, const char *host,
                  const char *name)
{
    struct origin origin = floor_origin(asked);

    memset(asked, 0, sizeof(*asked));
    calls_spawn_internal(&sup, &origin, entry, host, name, NULL, (struct bytes){0}, 0);
}

static uint64_t pid_of(struct asked *asked)
{
    uint64_t pid;

    FLOOR_UNTIL(asked->n_answers != 0);
    pid = (uint64_t)floor_first(asked)->as.integer;
    ck_assert_uint_eq(asked->list.as.list.n, 2);
    ck_assert_str_eq(value_text(&asked->list.as.list.items[1]), HOST);
    value_finish(&asked->list);
    return pid;
}

START_TEST(spawn_goes_to_the_least_loaded_process)
{
    struct asked asked[10];
    struct pool *pool = open_host();

    for (int i = 0; i < 10; i++)
        spawn(&asked[i], "app:worker", HOST, "");
    for (int i = 0; i < 10; i++)
        pid_of(&asked[i]);
    ck_assert_uint_eq(floor_worker(pool, 0)->n_actors, 5);
    ck_assert_uint_eq(floor_worker(pool, 1)->n_actors, 5);
    floor_close();
}
END_TEST

/* PR-4 */
static const struct {
    const char *entry, *host, *want;
    enum err_kind kind;
} refused[] = {
    {"app:worker", "app:nowhere", "host not found", ERR_NOT_FOUND},
    {"app:worker", "app:worker", "host does not implement process.Host", ERR_INTERNAL},
    {"app:worker", "app:idle", "host is not running", ERR_UNAVAILABLE},
    {"app:nothing", HOST, "factory not found", ERR_NOT_FOUND},
    {HOST, HOST, "factory not found", ERR_NOT_FOUND},
};

START_TEST(spawn_refuses)
{
    struct asked asked;

    open_host();
    add_entry("app:idle", "process.host");
    floor_add_pool("app:idle", POOL_KIND_HOST, UINT32_MAX, 1, 64);
    spawn(&asked, refused[_i].entry, refused[_i].host, "");
    ck_assert_int_eq(asked.n_answers, 1);
    ck_assert_str_eq(asked.err.text, refused[_i].want);
    ck_assert_int_eq(asked.err.kind, refused[_i].kind);
    floor_close();
}
END_TEST

/* SP-6 */
START_TEST(spawn_with_a_name_makes_one_actor)
{
    struct asked first, second, third;
    uint64_t pid;

    open_host();
    spawn(&first, "app:worker", HOST, "boss");
    spawn(&second, "app:worker", HOST, "boss"); /* waits for the first */
    pid = pid_of(&first);
    ck_assert_uint_eq(pid_of(&second), pid);
    spawn(&third, "app:worker", HOST, "boss");
    ck_assert_uint_eq(pid_of(&third), pid);
    ck_assert_uint_eq(names_find(sup.names, bytes_of_text("boss"), NULL), pid);
    floor_close();
}
END_TEST

START_TEST(spawn_that_fails_gives_its_name_back)
{
    struct asked asked;
    struct pool *pool = open_host();

    spawn(&asked, "app:worker", HOST, "boss");
    worker_kill(floor_worker(pool, 0), "was killed by the test");
    worker_kill(floor_worker(pool, 1), "was killed by the test");
    FLOOR_UNTIL(asked.n_answers != 0);
    if (asked.status == REPLY_OK) { /* it was quicker than the kill */
        value_finish(&asked.list);
    } else {
        ck_assert_int_eq(asked.err.kind, ERR_UNAVAILABLE);
        ck_assert_uint_eq(names_find(sup.names, bytes_of_text("boss"), NULL), 0);
    }
    FLOOR_UNTIL(floor_n_ready(pool) == 2);
    spawn(&asked, "app:worker", HOST, "boss");
    pid_of(&asked);
    floor_close();
}
END_TEST

START_TEST(host_that_cannot_start_says_so)
{
    struct pool *pool;
    int started = 0;

    floor_open();
    pool = floor_add_pool("app:fails", POOL_KIND_HOST, UINT32_MAX, 2, 64);
    pool_start(pool, on_started, &started);
    FLOOR_UNTIL(started != 0);
    ck_assert_int_eq(started, -1);
    FLOOR_UNTIL(pool_state(pool) == POOL_STOPPED);
    floor_close();
}
END_TEST

static void count_stop(void *context)
{
    ++*(int *)context;
}

START_TEST(host_stop_and_start_again)
{
    struct asked asked;
    struct pool *pool = open_host();
    int stopped = 0, started = 0;

    pool_stop(pool, (uint64_t)clock_monotonic_ns() + 5000000000, count_stop, &stopped);
    spawn(&asked, "app:worker", HOST, "");
    ck_assert_str_eq(asked.err.text, "host is shutting down");
    FLOOR_UNTIL(stopped == 1);
    ck_assert_uint_eq(workers_count(sup.workers), 0);
    pool_start(pool, on_started, &started);
    FLOOR_UNTIL(started == 1);
    spawn(&asked, "app:worker", HOST, "");
    pid_of(&asked);
    floor_close();
}
END_TEST

START_TEST(host_process_that_dies_is_replaced)
{
    struct pool *pool = open_host();
    struct pool_figures figures;
    struct asked asked;
    uint64_t pid;

    spawn(&asked, "app:worker", HOST, "");
    pid = pid_of(&asked);
    ck_assert(actors_alive(&sup, pid));
    worker_kill(floor_worker(pool, 0), "was killed by the test");
    FLOOR_UNTIL((pool_get_figures(pool, &figures), figures.n_deaths == 1));
    ck_assert(!actors_alive(&sup, pid));
    FLOOR_UNTIL(floor_n_ready(pool) == 2);
    floor_close();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, spawn_goes_to_the_least_loaded_process);
    tcase_add_loop_test(tc, spawn_refuses, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, spawn_with_a_name_makes_one_actor);
    tcase_add_test(tc, spawn_that_fails_gives_its_name_back);
    tcase_add_test(tc, host_that_cannot_start_says_so);
    tcase_add_test(tc, host_stop_and_start_again);
    tcase_add_test(tc, host_process_that_dies_is_replaced);
}

int main(void)
{
    return unit_main("router_spawn", fill);
}
