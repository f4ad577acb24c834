#include "supervisor/registry_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>
#include <sqlite3.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/offload.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_history.h"

#include "tests/unit/unit.h"

static char folder[64], path[96];
static struct ev_loop *loop;
static struct offload *offload;
static struct registry_store *store;
static struct registry *registry;
static struct err err;

/* ---- a supervisor's life, without one -------------------------------------------- */

static struct entry *make(const char *id, int64_t v)
{
    struct value data = value_map();

    value_put(&data, "v", value_int(v));
    return entry_create(id, strlen(id), "registry.entry", value_map(), data);
}

/* Files that say app:a is v; gone: app:b isn't in them. */
static void read_files(int64_t v, bool gone)
{
    struct entry *entries[2] = {make("app:a", v), make("app:b", v)};
    struct problems problems;
    struct changeset *set;

    problems_init(&problems);
    entries[0]->origin.file = xstrdup("x.yaml");
    entries[1]->origin.file = xstrdup("x.yaml");
    set = registry_prepare_reload(registry, entries, gone ? 1 : 2, &problems, &err);
    ck_assert_ptr_nonnull(set);
    ck_assert_int_eq(registry_commit(registry, set, NULL, &err), 0);
    entry_unref(entries[0]);
    entry_unref(entries[1]);
    problems_finish(&problems);
}

static void start(int64_t v, bool gone)
{
    loop = ev_default_loop(0);
    offload = offload_create(loop);
    registry = registry_create();
    read_files(v, gone);
    store = registry_store_open(path, &err);
    ck_assert_msg(store != NULL, "%s", err.text);
    ck_assert_msg(registry_store_restore(store, registry, &err) == 0, "%s", err.text);
}

static void stop(void)
{
    registry_store_close(store);
    offload_destroy(offload);
    registry_destroy(registry);
    store = NULL;
}

static void on_written(void *context, const struct err *why)
{
    int *done = context;

    *done = why == NULL ? 1 : -1;
    if (why != NULL)
        err = *why;
}

/* Takes set: writes it, and commits it if that went well. */
static int apply(struct changeset *set)
{
    int done = 0;

    ck_assert_msg(set != NULL, "%s", err.text);
    registry_store_write(store, offload, registry, set, on_written, &done);
    ev_ref(loop); /* nothing else keeps this loop alive */
    while (done == 0)
        ev_run(loop, EVRUN_ONCE);
    ev_unref(loop);
    if (done == -1) {
        changeset_destroy(set);
        return -1;
    }
    return registry_commit(registry, set, NULL, &err);
}

static int put(const char *id, int64_t v)
{
    struct operation operation = {.op = registry_find(registry, id, strlen(id)) != NULL
                                            ? CHANGE_UPDATE
                                            : CHANGE_CREATE};
    int rc;

    operation.entry = make(id, v);
    rc = apply(registry_prepare(registry, &operation, 1, NULL, &err));
    entry_unref(operation.entry);
    return rc;
}

static int delete (const char *id)
{
    struct operation operation = {.op = CHANGE_DELETE, .id = id};

    return apply(registry_prepare(registry, &operation, 1, NULL, &err));
}

static int go_to(uint64_t version)
{
    return apply(registry_prepare_version(registry, version, &err));
}

/* "a=1 b=2 @3" */
static const char *state(void)
{
    static char text[200];
    const struct snapshot *snapshot = registry_state(registry);
    size_t n = 0;

    for (size_t i = 0; i < snapshot->n; i++)
        n += (size_t)snprintf(
            text + n, sizeof(text) - n, "%s=%lld ", snapshot->entries[i]->name,
            (long long)value_get_int(&snapshot->entries[i]->data, "v", -1));
    snprintf(text + n, sizeof(text) - n, "@%llu",
             (unsigned long long)registry_version(registry));
    return text;
}

static const char *restarted(int64_t v, bool gone)
{
    stop();
    start(v, gone);
    return state();
}

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/new/registry.db", folder);
    err = (struct err){0};
}

static void tear_down(void)
{
    char command[120];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c) */
}

/* ---- what is kept ---------------------------------------------------------------- */

START_TEST(store_brings_back_what_apps_changed)
{
    start(1, false);
    ck_assert_int_eq(put("app:a", 5), 0);
    ck_assert_int_eq(delete ("app:b"), 0);
    ck_assert_int_eq(put("app:c", 7), 0);
    ck_assert_str_eq(restarted(1, false), "a=5 c=7 @3");
    ck_assert_int_eq(go_to(1), 0);
    ck_assert_str_eq(restarted(1, false), "a=5 b=1 @1");
    ck_assert_int_eq(put("app:d", 1), 0);
    ck_assert_uint_eq(registry_find_version(registry, 4)->parent, 1);
    ck_assert_int_eq(go_to(3), 0);
    ck_assert_str_eq(restarted(1, false), "a=5 c=7 @3");
    ck_assert_int_eq(go_to(0), 0);
    ck_assert_str_eq(restarted(1, false), "a=1 b=1 @0");
    ck_assert_uint_eq(registry_next_id(registry), 5);
    stop();
}
END_TEST

START_TEST(store_lets_files_say_the_rest)
{
    start(1, false);
    ck_assert_int_eq(put("app:a", 5), 0);
    ck_assert_str_eq(restarted(2, false), "a=5 b=2 @1");
    ck_assert_str_eq(restarted(2, true), "a=5 @1");
    /* A reload takes app:a back: from then on it is as the files say. */
    {
        struct entry *entry = make("app:a", 3);
        struct problems problems;

        problems_init(&problems);
        entry->origin.file = xstrdup("x.yaml");
        ck_assert_int_eq(
            apply(registry_prepare_reload(registry, &entry, 1, &problems, &err)), 0);
        problems_finish(&problems);
        entry_unref(entry);
    }
    ck_assert_str_eq(state(), "a=3 @2");
    ck_assert_str_eq(restarted(4, false), "a=4 b=4 @2");
    stop();
}
END_TEST

START_TEST(store_is_bounded)
{
    start(1, false);
    for (int i = 1; i <= REGISTRY_MAX_VERSIONS + 5; i++)
        ck_assert_msg(put(i == 2 ? "app:early" : "app:a", i) == 0, "%s", err.text);
    ck_assert_ptr_null(registry_find_version(registry, 2));
    ck_assert_str_eq(restarted(1, false), "a=1005 b=1 early=2 @1005");
    ck_assert_int_eq(go_to(500), 0);
    ck_assert_str_eq(state(), "a=500 b=1 early=2 @500");
    ck_assert_int_eq(go_to(0), 0);
    ck_assert_str_eq(state(), "a=1 b=1 @0");
    stop();
}
END_TEST

static int64_t count_versions(void)
{
    sqlite3 *other;
    sqlite3_stmt *statement;
    int64_t n;

    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(other, "SELECT count(*) FROM versions", -1,
                                        &statement, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    n = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(other);
    return n;
}

START_TEST(store_forgets_what_the_registry_forgot)
{
    start(1, false);
    for (int i = 1; i <= 20; i++)
        ck_assert_int_eq(put(i == 2 ? "app:early" : "app:a", i), 0);
    registry_history(registry)->max_bytes = 1; /* v0, its successor, the present one */
    ck_assert_int_eq(put("app:a", 21), 0);
    ck_assert_int_eq(put("app:a", 22), 0);
    ck_assert_uint_eq(registry_count_versions(registry), 3);
    stop();
    ck_assert_int_le(count_versions(), 4);
    start(1, false);
    ck_assert_str_eq(state(), "a=22 b=1 early=2 @22");
    ck_assert_int_eq(go_to(21), 0);
    ck_assert_str_eq(state(), "a=21 b=1 early=2 @21");
    stop();
}
END_TEST

/* ---- what goes wrong ------------------------------------------------------------- */

static void corrupt(const char *sql)
{
    sqlite3 *other;

    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

START_TEST(store_refuses_what_it_can_not_write)
{
    start(1, false);
    ck_assert_int_eq(put("app:a", 2), 0);
    stop();
    corrupt("CREATE TRIGGER t BEFORE INSERT ON changes WHEN new.id = 'app:b' "
            "BEGIN SELECT RAISE(ABORT, 'no luck'); END");
    start(1, false);
    ck_assert_int_eq(put("app:b", 3), -1);
    ck_assert_msg(strstr(err.text, "no luck") != NULL, "%s", err.text);
    ck_assert_str_eq(state(), "a=2 b=1 @1");
    ck_assert_int_eq(put("app:a", 4), 0);
    ck_assert_str_eq(restarted(1, false), "a=4 b=1 @2");
    stop();
}
END_TEST

static const struct {
    const char *sql, *wanted;
} damages[] = {
    {"UPDATE changes SET entry = x'c1'", "damaged"},
    {"UPDATE changes SET entry = x'80'", "damaged"},
    {"UPDATE versions SET parent = 77", "damaged"},
    {"UPDATE present SET version = 77", "doesn't fit"},
    {"PRAGMA user_version = 9", "format 9"},
    {"PRAGMA application_id = 9", "something else"},
};

START_TEST(store_refuses_damage)
{
    start(1, false);
    ck_assert_int_eq(put("app:a", 2), 0);
    stop();
    corrupt(damages[_i].sql);
    registry = registry_create();
    read_files(1, false);
    store = registry_store_open(path, &err);
    if (store != NULL)
        ck_assert_int_eq(registry_store_restore(store, registry, &err), -1);
    ck_assert_msg(strstr(err.text, damages[_i].wanted) != NULL, "%s", err.text);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    registry_store_close(store);
    registry_destroy(registry);
}
END_TEST

START_TEST(store_is_one_supervisors)
{
    start(1, false);
    ck_assert_int_eq(put("app:a", 2), 0);
    ck_assert_ptr_null(registry_store_open(path, &err));
    ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
    ck_assert_msg(strstr(err.text, "locked") != NULL, "%s", err.text);
    stop();
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, store_brings_back_what_apps_changed);
    tcase_add_test(tc, store_lets_files_say_the_rest);
    tcase_add_test(tc, store_is_bounded);
    tcase_add_test(tc, store_forgets_what_the_registry_forgot);
    tcase_add_test(tc, store_refuses_what_it_can_not_write);
    tcase_add_loop_test(tc, store_refuses_damage, 0, N_ELEMENTS(damages));
    tcase_add_test(tc, store_is_one_supervisors);
}

int main(void)
{
    return unit_main("registry_store", fill);
}
