#include "supervisor/registry.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"

#include "supervisor/registry_config.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/registry_order.h"

#include "tests/unit/unit.h"

/* An entry of JSON data (quotes as '), meta may be NULL. */
static struct entry *make(const char *id, const char *kind, const char *data,
                          const char *meta)
{
    struct value values[2] = {{0}};
    const char *texts[2] = {data, meta};

    for (int i = 0; i < 2; i++) {
        char *json = texts[i] == NULL ? NULL : xstrdup(texts[i]);
        struct err err;

        for (char *at = json; at != NULL && *at != '\0'; at++)
            if (*at == '\'')
                *at = '"';
        if (json != NULL)
            ck_assert_msg(value_read_json(json, strlen(json), &values[i], &err) == 0,
                          "%s: %s", texts[i], err.text);
        free(json);
    }
    return entry_create(id, strlen(id), kind, values[1], values[0]);
}

struct script {
    struct operation operations[16];
    size_t n;
};

static void add(struct script *script, enum change_op op, struct entry *entry)
{
    script->operations[script->n++] = (struct operation){.op = op, .entry = entry};
}

static void drop(struct script *script, const char *id)
{
    script->operations[script->n++] = (struct operation){.op = CHANGE_DELETE, .id = id};
}

/* Prepares and commits; -1 with err. The script is empty afterwards. */
static int apply(struct registry *registry, struct script *script, struct err *err)
{
    struct changeset *set =
        registry_prepare(registry, script->operations, script->n, NULL, err);

    for (size_t i = 0; i < script->n; i++)
        entry_unref(script->operations[i].entry);
    script->n = 0;
    return set == NULL ? -1 : registry_commit(registry, set, NULL, err);
}

static void must_apply(struct registry *registry, struct script *script)
{
    struct err err = {0};

    ck_assert_msg(apply(registry, script, &err) == 0, "%s", err.text);
}

static void must_fail(struct registry *registry, struct script *script,
                      const char *want)
{
    uint64_t version = registry_version(registry);
    struct err err = {0};

    ck_assert_int_eq(apply(registry, script, &err), -1);
    ck_assert_str_eq(err.text, want);
    ck_assert_int_eq(err.kind, ERR_INTERNAL);
    ck_assert_uint_eq(registry_version(registry), version);
}

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

struct watch {
    char text[400];
    bool refuse;
};

static int on_check(void *context, const struct changeset *set, struct err *err)
{
    struct watch *watch = context;

    (void)set;
    return watch->refuse ? err_set(err, ERR_INVALID, "I won't have it") : 0;
}

static void on_changed(void *context, const struct changeset *set)
{
    struct watch *watch = context;

    watch->text[0] = '\0';
    for (size_t i = 0; i < set->n; i++) {
        size_t n = strlen(watch->text);

        snprintf(watch->text + n, sizeof(watch->text) - n, "%s %s, ",
                 change_op_name(set->changes[i].op) + 6, set->changes[i].of_id);
    }
    for (size_t i = 0; i < set->n_affected; i++) {
        size_t n = strlen(watch->text);

        snprintf(watch->text + n, sizeof(watch->text) - n, "affected %s, ",
                 set->affected[i]->id);
    }
}

static struct registry *watched(struct watch *watch)
{
    struct registry *registry = registry_create();

    registry_add_observer(registry, &(struct registry_observer){.check = on_check,
                                                                .changed = on_changed,
                                                                .context = watch});
    return registry;
}

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

START_TEST(registry_observers_may_refuse)
{
    struct watch watch = {.refuse = true};
    struct registry *registry = watched(&watch);
    struct script script = {0};
    struct err err = {0};

    create_plain(&script, "app:a", "{}");
    ck_assert_int_eq(apply(registry, &script, &err), -1);
    ck_assert_str_eq(err.text, "I won't have it");
    ck_assert_ptr_null(registry_next_version(registry, NULL));
    ck_assert_str_eq(watch.text, "");
    registry_destroy(registry);
}
END_TEST

/* ---- KIND-02, F-2 ---------------------------------------------------------------- */

#define LUA "'source': 'return {}', 'method': 'main'"

static const struct {
    const char *kind, *data, *want;
} lua_refused[] = {
    {"function.lua", "{'method': 'm'}", "source is required"},
    {"function.lua", "{'source': '', 'method': 'm'}", "source is required"},
    {"function.lua", "{'source': 'x'}", "method is required"},
    {"process.lua", "{'source': 'x', 'method': ''}", "method is required"},
    {"workflow.lua", "{'source': 'x'}", "method is required"},
    {"function.lua", "{" LUA ", 'modules': ['json', '']}", "module cannot be empty"},
    {"function.lua", "{" LUA ", 'modules': ['a:b']}", "module cannot have a namespace"},
    {"function.lua", "{" LUA ", 'modules': ['jsn']}", "node with ID :jsn not found"},
    {"function.lua", "{" LUA ", 'modules': ['json', 'json']}",
     "dependency from app:f to :json already exists"},
    {"function.lua", "{" LUA ", 'modules': 'json'}", "modules must be a list"},
    {"function.lua", "{" LUA ", 'imports': {'': 'app:l'}}",
     "import alias cannot be empty"},
    {"function.lua", "{" LUA ", 'imports': {'x': ''}}", "import :name cannot be empty"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:'}}",
     "import :name cannot be empty"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:none'}}",
     "node with ID app:none not found"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'nomodule'}}",
     "node with ID :nomodule not found"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:lib', 'y': 'app:lib'}}",
     "dependency from app:f to app:lib already exists"},
    {"function.lua", "{" LUA ", 'imports': {'x': 'app:f'}}",
     "adding dependency would create a cycle: app:f imports app:f"},
    {"function.lua", "{" LUA ", 'modules': ['json'], 'imports': {'json': 'app:lib'}}",
     "alias 'json' collision: :json and app:lib"},
    /* app:user imports app:lib as "lib" */
    {"function.lua", "{" LUA ", 'imports': {'u': 'app:user', 'lib': 'app:other'}}",
     "alias 'lib' collision: app:other and app:lib"},
    {"function.lua", "{" LUA ", 'pool': {'type': 'elastic'}}",
     "unknown pool type: elastic; it must be inline, lazy, static or adaptive"},
    {"function.lua", "{" LUA ", 'pool': {'workers': -1}}",
     "pool.workers is -1; it must be between 0 and 65536"},
    {"process.service", "{}", "process is required"},
    {"process.service",
     "{'process': 'p', 'host': 'h', 'lifecycle': {'stop_timeout': 5}}",
     "lifecycle.stop_timeout must be a duration with a unit; write for example "
     "\"500ms\", \"10s\" or \"1m30s\""},
    {"process.service", "{'process': 'p', 'host': 'node:control'}",
     "invalid host: node:control"},
    {"process.host", "{'host': {'workers': -2}}", "workers must be greater than 0"},
    {"http.endpoint", "{'method': 'GET', 'path': 'x', 'func': 'f'}",
     "path must start with /"},
};

static void add_libraries(struct registry *registry)
{
    struct script script = {0};

    log_set_level(LOG_OFF);
    add(&script, CHANGE_CREATE,
        make("app:lib", "library.lua", "{'source': 'return {}'}", NULL));
    add(&script, CHANGE_CREATE,
        make("app:other", "library.lua", "{'source': 'return {}'}", NULL));
    add(&script, CHANGE_CREATE,
        make("app:user", "library.lua",
             "{'source': 'x', 'modules': ['json'], 'imports': {'lib': 'app:lib'}}",
             NULL));
    must_apply(registry, &script);
}

START_TEST(registry_refuses_lua_entries)
{
    struct registry *registry = registry_create();
    struct script script = {0};
    struct err err = {0};

    add_libraries(registry);
    add(&script, CHANGE_CREATE,
        make("app:f", lua_refused[_i].kind, lua_refused[_i].data, NULL));
    ck_assert_int_eq(apply(registry, &script, &err), -1);
    ck_assert_msg(strstr(err.text, lua_refused[_i].want) != NULL, "%s", err.text);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_takes_lua_entries)
{
    static const char *const taken[] = {
        "{" LUA "}",
        "{" LUA ", 'modules': ['json', 'errors', 'time', 'process', 'channel']}",
        "{" LUA ", 'modules': [], 'imports': {}}",
        "{" LUA
        ", 'modules': ['json'], 'imports': {'u': 'app:user', 'o': 'app:other'}}",
        "{" LUA ", 'imports': {'u': {'ns': 'app', 'name': 'user'}, 'json': 'json'}}",
        "{" LUA ", 'imports': {'u': 'app:user', 'lib': 'app:lib'}}",
        "{" LUA ", 'pool': {'type': 'static', 'workers': 8, 'buffer': 512}}",
    };
    struct registry *registry = registry_create();
    struct script script = {0};

    add_libraries(registry);
    for (size_t i = 0; i < N_ELEMENTS(taken); i++) {
        add(&script, CHANGE_CREATE, make("app:f", "function.lua", taken[i], NULL));
        must_apply(registry, &script);
        drop(&script, "app:f");
        must_apply(registry, &script);
    }
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_finds_cycles_of_imports)
{
    struct registry *registry = registry_create();
    struct script script = {0};

    add_libraries(registry);
    add(&script, CHANGE_UPDATE,
        make("app:lib", "library.lua", "{'source': 'x', 'imports': {'u': 'app:user'}}",
             NULL));
    must_fail(registry, &script,
              "failed to apply changes: operation failed for entry app:lib: adding "
              "dependency would create a cycle: app:user imports app:lib");
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_keeps_what_is_imported) /* REG-23 */
{
    struct watch watch = {0};
    struct registry *registry = watched(&watch);
    struct script script = {0};

    add_libraries(registry);
    drop(&script, "app:lib");
    must_fail(
        registry, &script,
        "failed to apply changes: operation failed for entry app:lib: cannot remove "
        "node app:lib: it has incoming dependencies from node app:user");
    add(&script, CHANGE_CREATE,
        make("app:f", "function.lua", "{" LUA ", 'imports': {'u': 'app:user'}}", NULL));
    must_apply(registry, &script);
    add(&script, CHANGE_UPDATE,
        make("app:lib", "library.lua", "{'source': 'return {1}'}", NULL));
    must_apply(registry, &script);
    ck_assert_str_eq(watch.text, "update app:lib, affected app:f, affected app:user, ");
    drop(&script, "app:lib");
    drop(&script, "app:user");
    drop(&script, "app:f");
    must_apply(registry, &script);
    ck_assert_str_eq(watch.text, "delete app:f, delete app:user, delete app:lib, ");
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

/* ---- kinds and typed blocks ------------------------------------------------------ */

static const struct {
    const char *name, *want;
} nearest[] = {
    {"functon.lua", "function.lua"},
    {"proces.service", "process.service"},
    {"http.endpiont", "http.endpoint"},
    {"process.hosts", "process.host"},
    {"db.sqlite", "db.sql.sqlite"},
    {"zzzzzzzzzzzzzzzzzzzzz", NULL},
    {"", NULL},
};

START_TEST(kinds_name_the_nearest)
{
    const char *got = kind_nearest(nearest[_i].name);

    if (nearest[_i].want == NULL)
        ck_assert_ptr_null(got);
    else
        ck_assert_str_eq(got, nearest[_i].want);
    ck_assert_ptr_null(kind_find(nearest[_i].name));
}
END_TEST

START_TEST(kinds_are_found)
{
    ck_assert_ptr_nonnull(kind_find("function.lua"));
    ck_assert_ptr_nonnull(kind_find("cloudstorage.s3"));
    ck_assert_ptr_nonnull(kind_find("workflow.lua.bc"));
    ck_assert(module_is_known("base64"));
    ck_assert(module_is_known("yaml"));
    ck_assert(module_is_known("string"));
    ck_assert(!module_is_known("utf8"));
    ck_assert_str_eq(module_nearest("jsn"), "json");
}
END_TEST

static const struct {
    const char *data;
    enum pool_type type;
    unsigned n_workers, max_size, buffer;
} pools[] = {
    /* F-41, F-42 */
    {"{}", POOL_LAZY, 0, 100, 6400},
    {"{'pool': {}}", POOL_LAZY, 0, 100, 6400},
    {"{'pool': {'workers': 4}}", POOL_STATIC, 4, 4, 256},
    {"{'pool': {'workers': 4, 'max_size': 9}}", POOL_STATIC, 4, 4, 256},
    {"{'pool': {'max_size': 9}}", POOL_LAZY, 0, 9, 576},
    {"{'pool': {'max_size': 9, 'size': 20}}", POOL_LAZY, 9, 9, 576},
    {"{'pool': {'size': 3}}", POOL_STATIC, 3, 3, 192},
    {"{'pool': {'type': 'static'}}", POOL_STATIC, 8, 8, 512},
    {"{'pool': {'type': 'static', 'size': 2, 'buffer': 5}}", POOL_STATIC, 2, 2, 5},
    {"{'pool': {'type': 'static', 'size': 2, 'workers': 5}}", POOL_STATIC, 5, 5, 320},
    {"{'pool': {'type': 'lazy'}}", POOL_LAZY, 0, 16, 1024},
    {"{'pool': {'type': 'lazy', 'size': 2}}", POOL_LAZY, 2, 16, 1024},
    {"{'pool': {'type': 'adaptive', 'max_size': 32}}", POOL_ADAPTIVE, 1, 32, 2048},
    {"{'pool': {'type': 'inline'}}", POOL_INLINE, 1, 1, 64},
};

START_TEST(pool_config_resolves_defaults)
{
    struct entry *entry = make("app:f", "function.lua", pools[_i].data, NULL);
    struct pool_config config;

    pool_config_read(entry, &config, NULL);
    ck_assert_int_eq(config.type, pools[_i].type);
    ck_assert_uint_eq(config.n_workers, pools[_i].n_workers);
    ck_assert_uint_eq(config.max_size, pools[_i].max_size);
    ck_assert_uint_eq(config.buffer, pools[_i].buffer);
    ck_assert_int_eq(config.idle_timeout_ms, 30000);
    entry_unref(entry);
}
END_TEST

START_TEST(lifecycle_config_resolves_defaults) /* LIFE-01 */
{
    struct entry *entry = make(
        "app:s", "process.service",
        "{'lifecycle': {'auto_start': true, 'stop_timeout': '1m30s', 'start_timeout': "
        "'0s', 'requires': ['a', 'x:b'], 'depends_on': ['x:b', {'ns': 'y', 'name': "
        "'c'}],"
        "'restart': {'initial_delay': '300ms', 'jitter': 0, 'max_attempts': 7, "
        "'backoff_factor': 3}}}",
        NULL);
    struct lifecycle_config config;

    lifecycle_config_read(entry, &config, NULL);
    ck_assert(config.present && config.auto_start && !config.optional);
    ck_assert_int_eq(config.stop_timeout_ms, 90000);
    ck_assert_int_eq(config.start_timeout_ms, 10000);
    ck_assert_int_eq(config.stable_threshold_ms, 5000);
    ck_assert_int_eq(config.initial_delay_ms, 300);
    ck_assert_int_eq(config.max_delay_ms, 90000);
    ck_assert_uint_eq(config.max_attempts, 7);
    ck_assert(config.backoff_factor == 3.0 && config.jitter == 0.1);
    ck_assert_uint_eq(config.n_requires, 3);
    ck_assert_str_eq(config.requires[0], "app:a");
    ck_assert_str_eq(config.requires[1], "x:b");
    ck_assert_str_eq(config.requires[2], "y:c");
    lifecycle_config_finish(&config);
    entry_unref(entry);
}
END_TEST

START_TEST(registry_takes_ten_thousand_entries)
{
    struct registry *registry = registry_create();
    size_t n = 10000;
    struct operation *operations = xcalloc(n, sizeof(*operations));
    struct changeset *set;
    struct err err;
    char id[32];

    log_set_level(LOG_OFF);
    for (size_t i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "app:f%zu", i);
        operations[i].entry = make(id, "function.lua",
                                   i == 0 ? "{" LUA "}"
                                          : "{" LUA ", 'modules': ['json'], 'imports': "
                                            "{'l': 'app:f0'}}",
                                   NULL);
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
    tcase_add_test(tc, registry_tells_changes_in_order_of_need);
    tcase_add_test(tc, registry_takes_cycles_by_id);
    tcase_add_test(tc, registry_observers_may_refuse);
    tcase_add_loop_test(tc, registry_refuses_lua_entries, 0, N_ELEMENTS(lua_refused));
    tcase_add_test(tc, registry_takes_lua_entries);
    tcase_add_test(tc, registry_finds_cycles_of_imports);
    tcase_add_test(tc, registry_keeps_what_is_imported);
    tcase_add_test(tc, registry_keeps_kinds_that_it_lacks);
    tcase_add_test(tc, registry_reloads_what_came_from_files);
    tcase_add_loop_test(tc, kinds_name_the_nearest, 0, N_ELEMENTS(nearest));
    tcase_add_test(tc, kinds_are_found);
    tcase_add_loop_test(tc, pool_config_resolves_defaults, 0, N_ELEMENTS(pools));
    tcase_add_test(tc, lifecycle_config_resolves_defaults);
    tcase_add_test(tc, registry_takes_ten_thousand_entries);
}

int main(void)
{
    return unit_main("registry", fill);
}
