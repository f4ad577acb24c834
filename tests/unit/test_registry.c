#include "supervisor/registry.h"
#include "supervisor/registry_history.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"

#include "supervisor/registry_order.h"

#include "tests/unit/registry_script.h"
#include "tests/unit/unit.h"

static const char *data_of(struct registry *registry, const char *id)
{
    const struct entry *entry = registry_find(registry, id, strlen(id));

    return entry == NULL ? NULL : value_get_text(&entry->data, "v");
}

static void create_plain(struct script *script, const char *id, const char *data)
{
    add(script, CHANGE_CREATE, make(id, "registry.entry", data, NULL));
}

START_TEST(registry_counts_versions) /* REG-20 */
{
    struct registry *registry = registry_create();
    struct script script = {0};

    ck_assert_ptr_null(registry_next_version(registry, NULL));
    create_plain(&script, "app:b", "{'v': '1'}");
    create_plain(&script, "app:a", "{'v': '1'}");
    must_apply(registry, &script);
    ck_assert_uint_eq(registry_version(registry), 0);
    ck_assert_ptr_nonnull(registry_next_version(registry, NULL));
    ck_assert_str_eq(registry_state(registry)->entries[0]->id, "app:a");
    create_plain(&script, "app:c", "{'v': '1'}");
    must_apply(registry, &script);
    add(&script, CHANGE_UPDATE, make("app:c", "registry.entry", "{'v': '2'}", NULL));
    drop(&script, "app:a");
    must_apply(registry, &script);
    ck_assert_uint_eq(registry_version(registry), 2);
    ck_assert_str_eq(data_of(registry, "app:c"), "2");
    ck_assert_ptr_null(registry_find(registry, "app:a", 5));
    ck_assert_uint_eq(registry_find_version(registry, 2)->parent, 1);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_refuses_operations) /* REG-21 */
{
    struct registry *registry = registry_create();
    struct script script = {0};

    create_plain(&script, "app:a", "{}");
    must_apply(registry, &script);
    create_plain(&script, "app:a", "{}");
    must_fail(registry, &script,
              "failed to apply changes: invalid operation: entry already exists: "
              "{ns: app, name: a}");
    add(&script, CHANGE_UPDATE, make("app:x", "registry.entry", "{}", NULL));
    create_plain(&script, "app:y", "{}");
    must_fail(registry, &script,
              "failed to apply changes: unresolved dependencies after retry: app:x: "
              "invalid operation: entry does not exist: {ns: app, name: x}");
    ck_assert_ptr_null(registry_find(registry, "app:y", 5)); /* all or nothing */
    add(&script, CHANGE_UPDATE, make("app:a", "ns.definition", "{}", NULL));
    must_fail(
        registry, &script,
        "failed to apply changes: invalid operation: cannot change entry kind from "
        "registry.entry to ns.definition for {ns: app, name: a}");
    drop(&script, "app:x");
    must_fail(
        registry, &script,
        "failed to apply changes: unresolved dependencies after retry: app:x: "
        "invalid operation: cannot delete non-existent entry: {ns: app, name: x}");
    add(&script, CHANGE_CREATE, make("app:f", "function.lua", NULL, NULL));
    must_fail(
        registry, &script,
        "failed to apply changes: operation failed for entry app:f: configuration "
        "data is required");
    add(&script, CHANGE_CREATE, make("app:f", "functon.lua", "{}", NULL));
    must_fail(
        registry, &script,
        "failed to apply changes: event handler timeout after 30s for entry app:f "
        "(kind: functon.lua): no listener responded - check if listener is "
        "registered for this kind; did you mean function.lua?");
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_changes_a_kind_by_delete_and_create) /* REG-21 */
{
    struct registry *registry = registry_create();
    struct script script = {0};
    const struct version *version;

    create_plain(&script, "app:a", "{}");
    must_apply(registry, &script);
    add(&script, CHANGE_CREATE, make("app:a", "ns.definition", "{}", NULL));
    drop(&script, "app:a");
    must_apply(registry, &script);
    ck_assert_str_eq(registry_find(registry, "app:a", 5)->kind, "ns.definition");
    version = registry_find_version(registry, 1);
    ck_assert_uint_eq(version->n, 2);
    ck_assert_int_eq(version->changes[0].op, CHANGE_DELETE);
    ck_assert_int_eq(version->changes[1].op, CHANGE_CREATE);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_snapshots_are_frozen)
{
    struct registry *registry = registry_create();
    struct script script = {0};
    struct snapshot *snapshot;

    create_plain(&script, "app:a", "{'v': '1'}");
    must_apply(registry, &script);
    snapshot = registry_snapshot(registry);
    add(&script, CHANGE_UPDATE, make("app:a", "registry.entry", "{'v': '2'}", NULL));
    must_apply(registry, &script);
    ck_assert_str_eq(value_get_text(&snapshot_find(snapshot, "app:a", 5)->data, "v"),
                     "1");
    ck_assert_uint_eq(snapshot->version, 0);
    registry_destroy(registry);
    snapshot_unref(snapshot);
}
END_TEST

START_TEST(registry_commit_refuses_what_is_stale) /* REG-20 */
{
    struct registry *registry = registry_create();
    struct script script = {0};
    struct changeset *set;
    struct err err;

    create_plain(&script, "app:a", "{}");
    must_apply(registry, &script);
    create_plain(&script, "app:b", "{}");
    set = registry_prepare(registry, script.operations, 1, NULL, &err);
    ck_assert_ptr_nonnull(set);
    entry_unref(script.operations[0].entry);
    script.n = 0;
    create_plain(&script, "app:c", "{}");
    must_apply(registry, &script);
    ck_assert_int_eq(registry_commit(registry, set, NULL, &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFLICT);
    ck_assert_int_eq(err.retryable, RETRY_YES);
    ck_assert_str_eq(err.text, "registry changed during apply");
    registry_destroy(registry);
}
END_TEST

static int switch_to(struct registry *registry, uint64_t version)
{
    struct err err = {0};
    struct changeset *set = registry_prepare_version(registry, version, &err);

    return set == NULL ? -1 : registry_commit(registry, set, NULL, &err);
}

/* v0 {a=1}, v1 {a=2, b}, back to v0, v2 (child of v0) {a=1, c}, across to v1. */
/* Ids come from workers: any bytes, of any length. */
START_TEST(registry_finds_whole_ids_only)
{
    static const char longer[64] = "app:a";
    struct registry *registry = registry_create();
    struct script script = {.n = 0};

    create_plain(&script, "app:a", "{}");
    must_apply(registry, &script);
    ck_assert_ptr_nonnull(registry_find(registry, longer, 5));
    for (size_t n = 0; n <= sizeof(longer); n++)
        if (n != 5)
            ck_assert_ptr_null(registry_find(registry, longer, n));
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_switches_versions) /* REG-22 */
{
    struct registry *registry = registry_create();
    struct script script = {0};
    struct snapshot *snapshot;
    struct err err = {0};

    create_plain(&script, "app:a", "{'v': '1'}");
    must_apply(registry, &script);
    add(&script, CHANGE_UPDATE, make("app:a", "registry.entry", "{'v': '2'}", NULL));
    create_plain(&script, "app:b", "{}");
    must_apply(registry, &script);
    ck_assert_int_eq(switch_to(registry, 0), 0);
    ck_assert_uint_eq(registry_version(registry), 0);
    ck_assert_str_eq(data_of(registry, "app:a"), "1");
    ck_assert_ptr_null(registry_find(registry, "app:b", 5));
    create_plain(&script, "app:c", "{}");
    must_apply(registry, &script);
    ck_assert_uint_eq(registry_version(registry), 2);
    ck_assert_uint_eq(registry_find_version(registry, 2)->parent, 0);
    snapshot = registry_snapshot_at(registry, 1, &err);
    ck_assert_str_eq(value_get_text(&snapshot_find(snapshot, "app:a", 5)->data, "v"),
                     "2");
    ck_assert_ptr_null(snapshot_find(snapshot, "app:c", 5));
    snapshot_unref(snapshot);
    ck_assert_int_eq(switch_to(registry, 1), 0);
    ck_assert_str_eq(data_of(registry, "app:a"), "2");
    ck_assert_ptr_nonnull(registry_find(registry, "app:b", 5));
    ck_assert_ptr_null(registry_find(registry, "app:c", 5));
    ck_assert_int_eq(switch_to(registry, 7), -1);
    ck_assert_ptr_null(registry_snapshot_at(registry, 7, &err));
    ck_assert_str_eq(err.text, "version not found in history");
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_history_is_bounded)
{
    struct registry *registry = registry_create();
    struct script script = {0};
    size_t n = 0;

    create_plain(&script, "app:a", "{'v': 'first'}");
    must_apply(registry, &script);
    for (int i = 1; i < REGISTRY_MAX_VERSIONS + 50; i++) {
        char data[30], id[30];

        snprintf(data, sizeof(data), "{'v': '%d'}", i);
        add(&script, CHANGE_UPDATE, make("app:a", "registry.entry", data, NULL));
        snprintf(id, sizeof(id), "app:n%d", i / 2);
        if (i % 2 == 0)
            create_plain(&script, id, "{}");
        else if (i > 1)
            drop(&script, id);
        must_apply(registry, &script);
    }
    for (const struct version *v = NULL;
         (v = registry_next_version(registry, v)) != NULL;)
        n++;
    ck_assert_uint_eq(n, REGISTRY_MAX_VERSIONS);
    ck_assert_int_eq(switch_to(registry, 0), 0);
    ck_assert_str_eq(data_of(registry, "app:a"), "first");
    ck_assert_uint_eq(registry_state(registry)->n, 1);
    ck_assert_int_eq(switch_to(registry, REGISTRY_MAX_VERSIONS), 0);
    ck_assert_str_eq(data_of(registry, "app:a"), "1000");
    ck_assert_uint_eq(registry_state(registry)->n, 2);
    registry_destroy(registry);
}
END_TEST

/* An app that keeps something large in an entry, and changes it all the time. */
START_TEST(registry_history_is_bounded_in_bytes)
{
    struct registry *registry = registry_create();
    struct history *history = registry_history(registry);
    struct script script = {0};
    char data[1100];

    history->max_bytes = 100 * sizeof(data);
    create_plain(&script, "app:a", "{'v': 'first'}");
    must_apply(registry, &script);
    for (int i = 1; i <= 300; i++) {
        snprintf(data, sizeof(data), "{'v': '%01000d'}", i);
        add(&script, CHANGE_UPDATE, make("app:a", "registry.entry", data, NULL));
        must_apply(registry, &script);
    }
    ck_assert_uint_le(registry_version_bytes(registry), history->max_bytes);
    ck_assert_uint_gt(registry_version_bytes(registry), history->max_bytes / 2);
    ck_assert_uint_gt(registry_count_versions(registry), 50);
    ck_assert_uint_le(registry_count_versions(registry), 101);
    ck_assert_uint_eq(registry_oldest_version(registry),
                      302 - registry_count_versions(registry));
    ck_assert_int_eq(switch_to(registry, registry_oldest_version(registry)), 0);
    ck_assert_int_eq(switch_to(registry, 0), 0);
    ck_assert_str_eq(data_of(registry, "app:a"), "first");
    ck_assert_int_eq(switch_to(registry, 300), 0);
    drop(&script, "app:a");
    must_apply(registry, &script);
    /* What no later version says again stays with its successor. */
    for (int i = 1; i <= 5; i++) {
        char id[20];

        snprintf(id, sizeof(id), "app:n%d", i);
        history->max_bytes = 1;
        create_plain(&script, id, "{}");
        must_apply(registry, &script);
    }
    ck_assert_uint_eq(registry_count_versions(registry), 3);
    ck_assert_uint_eq(registry_state(registry)->n, 5);
    ck_assert_int_eq(switch_to(registry, 0), 0);
    ck_assert_uint_eq(registry_state(registry)->n, 1);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_tells_changes_in_order_of_need) /* REG-14 */
{
    struct watch watch = {0};
    struct registry *registry = watched(&watch);
    struct script script = {0};

    add(&script, CHANGE_CREATE,
        make("app:a", "registry.entry", "{'config': 'c', 'x': 1}", NULL));
    create_plain(&script, "app:b", "{'lifecycle': {'requires': ['a', 'zz:none']}}");
    create_plain(&script, "app:c", "{}");
    add(&script, CHANGE_CREATE,
        make("app:d", "registry.entry", "{}", "{'depends_on': ['ns:lib']}"));
    create_plain(&script, "lib:x", "{'storages': [{'ns': 'lib', 'name': 'y'}]}");
    create_plain(&script, "lib:y", "{'foo_env': 'app:b'}");
    must_apply(registry, &script);
    ck_assert_str_eq(watch.text, "create app:c, create app:a, create app:b, "
                                 "create lib:y, create lib:x, create app:d, ");
    drop(&script, "app:c");
    drop(&script, "app:a");
    drop(&script, "app:b");
    create_plain(&script, "app:e", "{}");
    must_apply(registry, &script);
    ck_assert_str_eq(watch.text,
                     "delete app:b, delete app:a, delete app:c, create app:e, ");
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_takes_cycles_by_id) /* REG-14 */
{
    struct watch watch = {0};
    struct registry *registry = watched(&watch);
    struct script script = {0};

    log_set_level(LOG_OFF);
    create_plain(&script, "app:b", "{'config': 'a'}");
    create_plain(&script, "app:a", "{'config': 'b'}");
    create_plain(&script, "app:z", "{}");
    must_apply(registry, &script);
    ck_assert_str_eq(watch.text, "create app:z, create app:a, create app:b, ");
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_keeps_kinds_that_it_lacks)
{
    struct registry *registry = registry_create();
    struct problems problems;
    struct operation operation = {.op = CHANGE_CREATE};
    struct changeset *set;
    struct err err;

    problems_init(&problems);
    operation.entry = make("app:t", "temporal.client", "{}", NULL);
    set = registry_prepare(registry, &operation, 1, &problems, &err);
    entry_unref(operation.entry);
    ck_assert_ptr_nonnull(set);
    ck_assert_uint_eq(problems.n_warnings, 1);
    ck_assert_ptr_nonnull(strstr(problems.rows[0].text, "temporal.client"));
    changeset_destroy(set);
    problems_finish(&problems);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_reloads_what_came_from_files)
{
    struct watch watch = {0};
    struct registry *registry = watched(&watch);
    struct script script = {0};
    struct entry *entries[2] = {make("app:a", "registry.entry", "{'v': '1'}", NULL),
                                make("app:b", "registry.entry", "{'v': '1'}", NULL)};
    struct problems problems;
    struct err err;

    problems_init(&problems);
    entries[0]->origin.file = xstrdup("x.yaml");
    entries[1]->origin.file = xstrdup("x.yaml");
    for (int round = 0; round < 3; round++) {
        /* everything; b only; the same again */
        struct changeset *set = registry_prepare_reload(
            registry, entries + (round != 0), round == 0 ? 2 : 1, &problems, &err);

        ck_assert_ptr_nonnull(set);
        ck_assert_int_eq(registry_commit(registry, set, NULL, &err), 0);
        if (round == 0) {
            ck_assert_str_eq(watch.text, "create app:a, create app:b, ");
            create_plain(&script, "app:live", "{}");
            must_apply(registry, &script);
        } else {
            ck_assert_str_eq(watch.text, "delete app:a, ");
        }
    }
    ck_assert_ptr_nonnull(registry_find(registry, "app:live", 8));
    entry_unref(entries[0]);
    entry_unref(entries[1]);
    problems_finish(&problems);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_takes_ten_thousand_entries)
{
    static const char first[] = "{'source': 'return {}', 'method': 'main'}";
    static const char other[] = "{'source': 'return {}', 'method': 'main', 'modules': "
                                "['json'], 'imports': {'l': 'app:f0'}}";
    struct registry *registry = registry_create();
    size_t n = 10000;
    struct operation *operations = xcalloc(n, sizeof(*operations));
    struct changeset *set;
    struct err err;
    char id[32];

    log_set_level(LOG_OFF);
    for (size_t i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "app:f%zu", i);
        operations[i].entry = make(id, "function.lua", i == 0 ? first : other, NULL);
    }
    set = registry_prepare(registry, operations, n, NULL, &err);
    ck_assert_ptr_nonnull(set);
    ck_assert_int_eq(registry_commit(registry, set, NULL, &err), 0);
    ck_assert_uint_eq(registry_state(registry)->n, n);
    ck_assert_ptr_nonnull(registry_find(registry, "app:f9999", 9));
    ck_assert_ptr_null(registry_find(registry, "app:f99999", 10));
    for (size_t i = 0; i < n; i++)
        entry_unref(operations[i].entry);
    free(operations);
    registry_destroy(registry);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, registry_counts_versions);
    tcase_add_test(tc, registry_refuses_operations);
    tcase_add_test(tc, registry_changes_a_kind_by_delete_and_create);
    tcase_add_test(tc, registry_snapshots_are_frozen);
    tcase_add_test(tc, registry_commit_refuses_what_is_stale);
    tcase_add_test(tc, registry_finds_whole_ids_only);
    tcase_add_test(tc, registry_switches_versions);
    tcase_add_test(tc, registry_history_is_bounded);
    tcase_add_test(tc, registry_history_is_bounded_in_bytes);
    tcase_add_test(tc, registry_tells_changes_in_order_of_need);
    tcase_add_test(tc, registry_takes_cycles_by_id);
    tcase_add_test(tc, registry_keeps_kinds_that_it_lacks);
    tcase_add_test(tc, registry_reloads_what_came_from_files);
    tcase_add_test(tc, registry_takes_ten_thousand_entries);
}

int main(void)
{
    return unit_main("registry", fill);
}
