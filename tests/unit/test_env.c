#include "supervisor/env.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ev.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/env_file.h"
#include "supervisor/offload.h"
#include "supervisor/registry.h"
#include "supervisor/system.h"

#include "tests/unit/unit.h"

static char folder[64];
static struct registry *registry;
static struct supervisor sup;
static struct env *env;
static struct err err;

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* ---- the text of a file (ENV-02) ---- */

static const char file_text[] = "# comment\n"
                                "\n"
                                "  A = one  \n"
                                "B=two # note\n"
                                "no equals sign\n"
                                "A=second\n"
                                "C=\"quo#ted\"\r\n"
                                "=empty key\n"
                                "D=";

START_TEST(env_file_reads_lines_ENV_02)
{
    struct bytes text = bytes_of(file_text), key, value;
    char all[200] = "";
    size_t at = 0;

    while (env_file_next(text, &at, &key, &value)) {
        size_t n = strlen(all);

        snprintf(all + n, sizeof(all) - n, "[%.*s|%.*s]", (int)key.n, (char *)key.data,
                 (int)value.n, (char *)value.data);
    }
    ck_assert_str_eq(all, "[A|one][B|two][A|second][C|\"quo][D|]");
}
END_TEST

static const struct {
    const char *before, *key, *value, *after;
} edits[] = {
    {"", "A", "1", "A=1\n"},
    {"X=1", "A", "2", "X=1\nA=2\n"},
    {"X=1\nA=old # why\nY=2\n", "A", "new", "X=1\nA=new # why\nY=2\n"},
    {"  A =  old\n\n# c\nA=other\n", "A", "new", "A=new\n\n# c\nA=other\n"},
    {"AB=1\nA=", "A", "x", "AB=1\nA=x"},
    {"# A=1\n", "A", "x", "# A=1\nA=x\n"},
};

START_TEST(env_file_edits_one_line_ENV_02)
{
    struct buf out;

    buf_init(&out, 0);
    env_file_edit(bytes_of(edits[_i].before), edits[_i].key, edits[_i].value, &out);
    ck_assert_uint_eq(buf_len(&out), strlen(edits[_i].after));
    ck_assert_mem_eq(buf_head(&out), edits[_i].after, buf_len(&out));
    buf_finish(&out);
}
END_TEST

/* ---- variables ---- */

static void apply(enum change_op op, const char *id, const char *kind, const char *data)
{
    struct operation operation = {.op = op, .id = id};
    struct value value;
    struct changeset *changeset;

    if (op != CHANGE_DELETE) {
        ck_assert_int_eq(value_read_json(data, strlen(data), &value, &err), 0);
        operation.entry = entry_create(id, strlen(id), kind, value_map(), value);
    }
    changeset = registry_prepare(registry, &operation, 1, NULL, &err);
    entry_unref(operation.entry);
    ck_assert_msg(changeset != NULL, "%s", err.text);
    ck_assert_int_eq(registry_commit(registry, changeset, NULL, &err), 0);
    memset(&err, 0, sizeof(err));
}

static void add(const char *id, const char *kind, const char *data)
{
    apply(CHANGE_CREATE, id, kind, data);
}

static void start(void)
{
    char data[200];

    strcpy(folder, "/tmp/test_env.XXXXXX");
    ck_assert_ptr_ne(mkdtemp(folder), NULL);
    log_set_fd(-1);
    memset(&err, 0, sizeof(err));
    registry = registry_create();
    env = env_create(registry);
    sup.loop = ev_default_loop(0);
    sup.env = env;
    sup.offload = offload_create(sup.loop);
    sup.system = system_create(&sup);
    env_add_targets(sup.system);
    setenv("TROUPE_TEST_OS", "from os", 1);
    add("app:os", "env.storage.os", "{}");
    add("app:mem", "env.storage.memory", "{}");
    add("app:static", "env.storage.static",
        "{\"values\": {\"S\": \"stat\", \"N\": 5}}");
    snprintf(data, sizeof(data),
             "{\"file_path\": \"%s/deep/config.env\", \"auto_create\": true, "
             "\"file_mode\": 384}",
             folder);
    add("app:file", "env.storage.file", data);
    snprintf(data, sizeof(data), "{\"file_path\": \"%s/none.env\"}", folder);
    add("app:fixed", "env.storage.file", data);
    add("app:router", "env.storage.router",
        "{\"storages\": [\"mem\", \"app:static\", \"app:os\"]}");
}

static void finish(void)
{
    char command[128];

    system_destroy(sup.system);
    offload_destroy(sup.offload);
    env_destroy(env);
    registry_destroy(registry);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    log_set_fd(2);
}

static void expect(const char *name, const char *space, const char *want)
{
    char *text = env_get(env, name, space, &err);

    ck_assert_msg(text != NULL, "%s: %s", name, err.text);
    ck_assert_str_eq(text, want);
    free(text);
}

static void expect_error(const char *name, const char *space, enum err_kind kind,
                         const char *text)
{
    memset(&err, 0, sizeof(err));
    ck_assert_ptr_eq(env_get(env, name, space, &err), NULL);
    ck_assert_int_eq(err.kind, kind);
    ck_assert_str_eq(err.text, text);
}

static void on_answer(void *context, uint8_t status, struct bytes result)
{
    if (status != REPLY_OK)
        error_of_bytes(result, &err);
    *(int *)context = status == REPLY_OK ? 0 : -1;
}

/* By @env.set; err says why it fails. A file takes its time. */
static int set(const char *name, const char *value)
{
    struct value args[] = {value_string(name), value_string(value)};
    int rc = 1;
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {on_answer, &rc}};
    struct buf payload;

    memset(&err, 0, sizeof(err));
    buf_init(&payload, 0);
    ck_assert(payload_encode(&payload, args, N_ELEMENTS(args)));
    system_call(sup.system, &origin, bytes_of_text("@env.set"), 0, 0,
                buf_bytes(&payload));
    while (rc == 1)
        ev_run(sup.loop, EVRUN_ONCE);
    buf_finish(&payload);
    value_finish(&args[0]);
    value_finish(&args[1]);
    return rc;
}

#define NOT_THERE "environment variable not found"

START_TEST(env_finds_by_name_id_and_own_namespace_ENV_03)
{
    add("app:v", "env.variable",
        "{\"variable\": \"TROUPE_TEST_OS\", \"storage\": \"app:os\"}");
    add("app:private", "env.variable",
        "{\"storage\": \"app:mem\", \"default\": \"d\"}");
    expect("TROUPE_TEST_OS", NULL, "from os");
    expect("app:v", NULL, "from os");
    expect("v", "app", "from os");
    expect("private", "app", "d");
    expect_error("v", "other", ERR_NOT_FOUND, NOT_THERE);
    expect_error("v", NULL, ERR_NOT_FOUND, NOT_THERE);
    expect_error("PATH", "app", ERR_NOT_FOUND, NOT_THERE);
    expect_error("", "app", ERR_INVALID, "empty key");
    ck_assert_int_eq(set("app:private", "x"), 0);
    expect("app:private", NULL, "x");
}
END_TEST

START_TEST(env_falls_back_to_defaults_ENV_03)
{
    add("app:a", "env.variable",
        "{\"variable\": \"A\", \"storage\": \"app:mem\", \"default\": \"dflt\"}");
    add("app:b", "env.variable", "{\"variable\": \"B\", \"storage\": \"app:mem\"}");
    expect("A", NULL, "dflt");
    expect_error("B", NULL, ERR_NOT_FOUND, NOT_THERE);
    ck_assert_int_eq(set("A", ""), 0);
    expect("A", NULL, "dflt");
    ck_assert_int_eq(set("B", ""), 0);
    expect_error("B", NULL, ERR_NOT_FOUND, NOT_THERE);
}
END_TEST

START_TEST(env_refuses_what_is_read_only_ENV_01)
{
    add("app:a", "env.variable", "{\"variable\": \"A\", \"storage\": \"app:os\"}");
    add("app:b", "env.variable",
        "{\"variable\": \"B\", \"storage\": \"app:mem\", \"readonly\": true}");
    add("app:c", "env.variable",
        "{\"variable\": \"C\", \"storage\": \"app:mem\", \"read_only\": true}");
    ck_assert_int_eq(set("A", "x"), -1);
    ck_assert_str_eq(err.text, "storage is read-only");
    ck_assert_int_eq(err.kind, ERR_PERMISSION_DENIED);
    ck_assert_int_eq(set("B", "x"), -1);
    ck_assert_str_eq(err.text, "environment variable is read-only");
    ck_assert_int_eq(set("C", "x"), 0); /* ENV-05 */
    ck_assert_int_eq(set("NOPE", "x"), -1);
    ck_assert_int_eq(err.kind, ERR_NOT_FOUND);
}
END_TEST

START_TEST(env_bounds_what_one_variable_holds_ENV_01)
{
    static char value[65538];

    add("app:a", "env.variable", "{\"variable\": \"A\", \"storage\": \"app:mem\"}");
    memset(value, 'x', 65536);
    ck_assert_int_eq(set("A", value), 0);
    value[65536] = 'x';
    ck_assert_int_eq(set("A", value), -1);
    ck_assert_str_eq(err.text, "value is longer than 65536 bytes");
    ck_assert_int_eq(err.kind, ERR_INVALID);
}
END_TEST

START_TEST(env_keeps_a_file_ENV_02)
{
    char *path = xasprintf("%s/deep/config.env", folder);
    struct stat st;
    FILE *file;

    add("app:a", "env.variable", "{\"variable\": \"A\", \"storage\": \"app:file\"}");
    add("app:b", "env.variable", "{\"variable\": \"B\", \"storage\": \"app:fixed\"}");
    expect_error("A", NULL, ERR_NOT_FOUND, NOT_THERE);
    ck_assert_int_eq(set("A", "1"), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    expect("A", NULL, "1");
    file = fopen(path, "we"); /* somebody else's edit shows at once */
    fputs("A=edited # by hand\n", file);
    fclose(file);
    expect("A", NULL, "edited");
    ck_assert_int_eq(set("A", "two\nlines"), -1);
    ck_assert_int_eq(set("B", "x"), -1); /* no auto_create */
    free(path);
}
END_TEST

START_TEST(env_routes_to_the_first_that_has_it_ENV_01)
{
    add("app:s", "env.variable", "{\"variable\": \"S\", \"storage\": \"app:router\"}");
    add("app:n", "env.variable", "{\"variable\": \"N\", \"storage\": \"app:router\"}");
    add("app:o", "env.variable",
        "{\"variable\": \"TROUPE_TEST_OS\", \"storage\": \"app:router\"}");
    expect("S", NULL, "stat");
    expect("N", NULL, "5");
    expect("TROUPE_TEST_OS", NULL, "from os");
    ck_assert_int_eq(set("S", "mine"), 0); /* into the first */
    expect("S", NULL, "mine");
    add("app:loop", "env.storage.router", "{\"storages\": [\"app:loop\"]}");
    add("app:l", "env.variable", "{\"variable\": \"L\", \"storage\": \"app:loop\"}");
    expect_error("L", NULL, ERR_NOT_FOUND, NOT_THERE);
}
END_TEST

START_TEST(env_routes_to_the_first_of_more_than_are_looked_at_ENV_01)
{
    struct buf router;

    buf_init(&router, 0);
    buf_append_text(&router, "{\"storages\": [\"app:mem\"");
    for (int i = 0; i < 100; i++)
        buf_append_text(&router, ", \"app:os\"");
    buf_append(&router, "]}", 3);
    add("app:many", "env.storage.router", (const char *)buf_head(&router));
    buf_finish(&router);
    add("app:m", "env.variable", "{\"variable\": \"M\", \"storage\": \"app:many\"}");
    ck_assert_int_eq(set("M", "mine"), 0);
    expect("M", NULL, "mine");
}
END_TEST

START_TEST(env_unites_all_storages_ENV_04)
{
    struct value all;

    add("app:a", "env.variable", "{\"variable\": \"A\", \"storage\": \"app:mem\"}");
    add("app:n", "env.variable", "{\"variable\": \"N\", \"storage\": \"app:mem\"}");
    ck_assert_int_eq(set("A", "1"), 0);
    ck_assert_int_eq(set("N", "of the first"), 0);
    all = env_get_all(env);
    ck_assert_str_eq(value_get_text(&all, "A"), "1");
    ck_assert_str_eq(value_get_text(&all, "S"), "stat");
    ck_assert_str_eq(value_get_text(&all, "N"), "of the first");
    value_remove(&all, "N");
    ck_assert_ptr_null(value_get(&all, "N")); /* it was there once */
    ck_assert_str_eq(value_get_text(&all, "TROUPE_TEST_OS"), "from os");
    value_finish(&all);
}
END_TEST

START_TEST(env_ignores_what_is_badly_declared_ENV_03)
{
    add("app:a", "env.variable", "{\"variable\": \"A\", \"storage\": \"app:static\"}");
    add("app:b", "env.variable",
        "{\"variable\": \"A\", \"storage\": \"app:mem\", \"default\": \"x\"}");
    add("app:c", "env.variable",
        "{\"variable\": \"B-C\", \"storage\": \"app:mem\", \"default\": \"x\"}");
    expect_error("app:b", NULL, ERR_NOT_FOUND, NOT_THERE);
    expect_error("app:c", NULL, ERR_NOT_FOUND, NOT_THERE);
    apply(CHANGE_DELETE, "app:a", NULL, NULL); /* the name is free now */
    expect("A", NULL, "x");
}
END_TEST

START_TEST(env_forgets_memory_that_is_replaced_REG_23)
{
    add("app:a", "env.variable", "{\"variable\": \"A\", \"storage\": \"app:mem\"}");
    ck_assert_int_eq(set("A", "1"), 0);
    apply(CHANGE_UPDATE, "app:mem", "env.storage.memory", "{\"x\": 1}");
    expect_error("A", NULL, ERR_NOT_FOUND, NOT_THERE);
}
END_TEST

/* ---- placeholders (ENV-06) ---- */

/* What data looks like when a handler reads it; NULL: the entry is refused. */
static const struct {
    const char *data, *want;
} texts[] = {
    {"{\"a\": \"${env:S}\"}", "{\"a\":\"stat\"}"},
    {"{\"a\": \"${env:app:s}\"}", "{\"a\":\"stat\"}"},
    {"{\"a\": \"x${env:S}y${env:S}\"}", "{\"a\":\"xstatystat\"}"},
    {"{\"a\": \"${env:NOPE|b c}\"}", "{\"a\":\"b c\"}"},
    {"{\"a\": \"${env:NOPE|}\"}", "{\"a\":\"\"}"},
    {"{\"a\": \"${NOPE|5}\"}", "{\"a\":5}"},
    {"{\"a\": \"${NOPE|2.5}\"}", "{\"a\":2.5}"},
    {"{\"a\": \"${NOPE|true}\"}", "{\"a\":true}"},
    {"{\"a\": \"n=${NOPE|5}\"}", "{\"a\":\"n=5\"}"},
    {"{\"a\": \"${env:N|1}\"}", "{\"a\":5}"},
    {"{\"a\": \"${env:N}\"}", "{\"a\":\"5\"}"},
    {"{\"a\": \"${env:N|1.0}\"}", "{\"a\":5}"},
    {"{\"a\": \"${env:S|1}\"}", "{\"a\":\"stat\"}"},
    {"{\"a\": \"${env:OWN|7}\"}", "{\"a\":16}"},
    {"{\"a\": \"${env:OWN}\"}", "{\"a\":16}"},
    {"{\"a\": \"$${env:S}\"}", "{\"a\":\"${env:S}\"}"},
    {"{\"a\": \"${HOME} ${lo|x} ${env:S\"}", "{\"a\":\"${HOME} ${lo|x} ${env:S\"}"},
    {"{\"a\": [1, {\"b\": \"${env:S}\"}]}", "{\"a\":[1,{\"b\":\"stat\"}]}"},
    {"{\"source\": \"${env:NOPE}\"}", NULL /* raw */},
};

START_TEST(env_fills_placeholders_ENV_06)
{
    const struct entry *entry;
    struct buf text;

    add("app:s", "env.variable", "{\"variable\": \"S\", \"storage\": \"app:static\"}");
    add("app:n", "env.variable", "{\"variable\": \"N\", \"storage\": \"app:static\"}");
    add("app:own", "env.variable",
        "{\"variable\": \"OWN\", \"storage\": \"app:mem\", \"default\": 16}");
    add("app:h", "process.host", texts[_i].data);
    entry = registry_find(registry, "app:h", 5);
    if (texts[_i].want == NULL) {
        ck_assert_ptr_eq(entry_fields(entry), &entry->data);
        return;
    }
    buf_init(&text, 0);
    value_write_json(&text, entry_fields(entry), 0);
    ck_assert_msg(buf_len(&text) == strlen(texts[_i].want) &&
                      memcmp(buf_head(&text), texts[_i].want, buf_len(&text)) == 0,
                  "%.*s", (int)buf_len(&text), (char *)buf_head(&text));
    buf_clear(&text);
    value_write_json(&text, &entry->data, 0); /* the registry shows what was written */
    ck_assert_ptr_ne(memmem(buf_head(&text), buf_len(&text), "${", 2), NULL);
    buf_finish(&text);
}
END_TEST

START_TEST(env_refuses_entries_with_unresolved_placeholders_ENV_06)
{
    struct value data = value_map();
    struct operation operation = {.op = CHANGE_CREATE};

    value_put(&data, "path", value_string("x/${env:NOPE}"));
    operation.entry = entry_create("app:h", 5, "process.host", value_map(), data);
    ck_assert_ptr_eq(registry_prepare(registry, &operation, 1, NULL, &err), NULL);
    ck_assert_ptr_ne(strstr(err.text, "path: ${env:NOPE} has no value"), NULL);
    entry_unref(operation.entry);
    memset(&err, 0, sizeof(err));
}
END_TEST

static struct value repeated(const char *text, size_t n)
{
    struct value list = value_list();

    for (size_t i = 0; i < n; i++)
        value_append(&list, value_string(text));
    return list;
}

static struct changeset *prepare_texts(struct value texts_taken)
{
    struct value data = value_map();
    struct operation operation = {.op = CHANGE_CREATE};
    struct changeset *changeset;

    value_put(&data, "texts", texts_taken);
    operation.entry = entry_create("app:h", 5, "process.host", value_map(), data);
    changeset = registry_prepare(registry, &operation, 1, NULL, &err);
    entry_unref(operation.entry);
    return changeset;
}

/* Few bytes can name many: what they become is bounded, as a text and as an entry. */
START_TEST(env_bounds_what_placeholders_expand_to_ENV_06)
{
    char *many = xcalloc(17, 12 + 1), *data = xcalloc(1, 65536 + 100);
    struct changeset *changeset;
    int n = snprintf(data, 100,
                     "{\"variable\": \"BIG\", \"storage\": \"app:mem\", "
                     "\"default\": \"");

    memset(data + n, 'x', 65536);
    strcpy(data + n + 65536, "\"}");
    add("app:big", "env.variable", data);
    for (int i = 0; i < 16; i++)
        strcat(many, "${env:BIG}");
    changeset = prepare_texts(repeated(many, 1));
    ck_assert_msg(changeset != NULL, "%s", err.text);
    changeset_destroy(changeset);
    strcat(many, ".");
    ck_assert_ptr_eq(prepare_texts(repeated(many, 1)), NULL);
    ck_assert_ptr_ne(strstr(err.text, "the text gets longer than 1048576 bytes"), NULL);
    changeset = prepare_texts(repeated("${env:BIG}", 256));
    ck_assert_msg(changeset != NULL, "%s", err.text);
    changeset_destroy(changeset);
    ck_assert_ptr_eq(prepare_texts(repeated("${env:BIG}", 257)), NULL);
    ck_assert_ptr_ne(strstr(err.text, "texts of the entry get longer than"), NULL);
    memset(&err, 0, sizeof(err));
    free(many);
    free(data);
}
END_TEST

START_TEST(env_storages_come_before_what_needs_them_ENV_06)
{
    struct operation operations[3];
    struct changeset *changeset;
    struct value data = value_map(), file = value_map(), variable = value_map();
    char *path = xasprintf("%s/it.env", folder);
    FILE *stream = fopen(path, "we");

    fputs("LATE=found\n", stream);
    fclose(stream);
    setenv("TROUPE_TEST_FOLDER", folder, 1);
    add("app:folder", "env.variable",
        "{\"variable\": \"TROUPE_TEST_FOLDER\", \"storage\": \"app:os\"}");
    value_put(&data, "x", value_string("${env:LATE}"));
    value_put(&file, "file_path", value_string("${env:TROUPE_TEST_FOLDER}/it.env"));
    value_put(&variable, "variable", value_string("LATE"));
    value_put(&variable, "storage", value_string("app:z"));
    operations[0].entry = entry_create("app:a", 5, "process.host", value_map(), data);
    operations[1].entry =
        entry_create("app:y", 5, "env.variable", value_map(), variable);
    operations[2].entry =
        entry_create("app:z", 5, "env.storage.file", value_map(), file);
    for (size_t i = 0; i < 3; i++)
        operations[i].op = CHANGE_CREATE;
    changeset = registry_prepare(registry, operations, 3, NULL, &err);
    ck_assert_msg(changeset != NULL, "%s", err.text);
    ck_assert_int_eq(registry_commit(registry, changeset, NULL, &err), 0);
    ck_assert_str_eq(value_get_text(entry_fields(operations[0].entry), "x"), "found");
    expect("LATE", NULL, "found");
    for (size_t i = 0; i < 3; i++)
        entry_unref(operations[i].entry);
    free(path);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_test(tc, env_file_reads_lines_ENV_02);
    tcase_add_loop_test(tc, env_file_edits_one_line_ENV_02, 0, N_ELEMENTS(edits));
    tcase_add_test(tc, env_finds_by_name_id_and_own_namespace_ENV_03);
    tcase_add_test(tc, env_falls_back_to_defaults_ENV_03);
    tcase_add_test(tc, env_refuses_what_is_read_only_ENV_01);
    tcase_add_test(tc, env_bounds_what_one_variable_holds_ENV_01);
    tcase_add_test(tc, env_keeps_a_file_ENV_02);
    tcase_add_test(tc, env_routes_to_the_first_that_has_it_ENV_01);
    tcase_add_test(tc, env_routes_to_the_first_of_more_than_are_looked_at_ENV_01);
    tcase_add_test(tc, env_unites_all_storages_ENV_04);
    tcase_add_test(tc, env_ignores_what_is_badly_declared_ENV_03);
    tcase_add_test(tc, env_forgets_memory_that_is_replaced_REG_23);
    tcase_add_loop_test(tc, env_fills_placeholders_ENV_06, 0, N_ELEMENTS(texts));
    tcase_add_test(tc, env_refuses_entries_with_unresolved_placeholders_ENV_06);
    tcase_add_test(tc, env_bounds_what_placeholders_expand_to_ENV_06);
    tcase_add_test(tc, env_storages_come_before_what_needs_them_ENV_06);
}

int main(void)
{
    return unit_main("env", fill);
}
