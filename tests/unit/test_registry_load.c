#include "supervisor/registry_load.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"

#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_files.h"
#include "supervisor/registry_disable.h"
#include "supervisor/registry_link.h"
#include "supervisor/registry_override.h"

#include "tests/unit/unit.h"

/* A folder of this test alone; tests run in processes of their own. */
static char *make_folder(void)
{
    char template[] = "/tmp/troupe-registry-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(template));
    ck_assert_int_eq(chdir(template), 0);
    return xstrdup(template);
}

static void remove_folder(char *folder)
{
    char *command = xasprintf("rm -rf '%s'", folder);

    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
    free(command);
    free(folder);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* Loads; the problems as lines. registry_out gets the registry if it worked. */
static char *load(const struct load_options *options, struct registry **registry_out)
{
    struct registry *registry = registry_create();
    struct problems problems;
    struct changeset *set;
    struct buf buf;
    struct err err = {0};
    char *lines;

    problems_init(&problems);
    set = registry_load(registry, options, NULL, &problems, &err);
    buf_init(&buf, 0);
    problems_format(&buf, &problems);
    lines = xstrndup((char *)buf_head(&buf), buf_len(&buf));
    ck_assert_int_eq(set == NULL, problems.n_errors != 0);
    buf_finish(&buf);
    problems_finish(&problems);
    if (set != NULL)
        ck_assert_int_eq(registry_commit(registry, set, NULL, &err), 0);
    if (registry_out != NULL)
        *registry_out = registry;
    else
        registry_destroy(registry);
    return lines;
}

static char *load_path(const char *path, struct registry **registry_out)
{
    return load(&(struct load_options){.paths = &path, .n_paths = 1}, registry_out);
}

static void check_field(struct registry *registry, const char *id, const char *path,
                        const char *want_json)
{
    const struct entry *entry = registry_find(registry, id, strlen(id));
    const struct value *value;
    struct buf buf;

    ck_assert_msg(entry != NULL, "%s", id);
    value = strncmp(path, "meta.", 5) == 0 ? value_get(&entry->meta, path + 5)
            : path[0] == '\0'              ? &entry->data
                                           : value_get_path(&entry->data, path);
    ck_assert_msg(value != NULL, "%s: %s", id, path);
    buf_init(&buf, 0);
    ck_assert(value_write_json(&buf, value, 0));
    ck_assert(buf_append(&buf, "", 1));
    ck_assert_str_eq((char *)buf_head(&buf), want_json);
    buf_finish(&buf);
}

/* ---- the fixtures ---------------------------------------------------------------- */

static void enter_apps(void)
{
    const char *root = getenv("TROUPE_SOURCE_ROOT");
    char *apps = xasprintf("%s/tests/apps/registry", root == NULL ? "." : root);

    ck_assert_msg(chdir(apps) == 0, "%s", apps);
    free(apps);
}

START_TEST(registry_loads_a_whole_app)
{
    struct registry *registry;
    char *lines;
    const struct entry *entry;
    struct problem_at at;

    enter_apps();
    lines = load_path("whole", &registry);
    ck_assert_str_eq(lines, "");
    ck_assert_uint_eq(registry_state(registry)->n, 7);
    ck_assert_uint_eq(registry_version(registry), 0);
    check_field(registry, "app:double", "meta.tier", "\"own\"");
    check_field(registry, "app:double", "meta.team", "\"core\"");
    check_field(registry, "app:double", "modules", "[\"json\",\"time\"]");
    check_field(registry, "app.lib:tools", "source", "\"return {}\\n\"");
    check_field(registry, "app:note", "",
                "{\"text\":\"just a note\\n\",\"mode\":384,\"answer\":\"yes\","
                "\"graph.rule\":\"true\"}");
    check_field(registry, "app:single", "value", "[1,2.5,null,\"\xc3\xa4\"]");
    entry = registry_find(registry, "app:double", 10);
    at = entry_source_at(entry, 2, 3);
    ck_assert_str_eq(at.file, "whole/src/lib/double.lua");
    ck_assert_uint_eq(at.line, 2);
    at = entry_at(entry, "pool.type");
    ck_assert_str_eq(at.file, "whole/src/_index.yaml");
    ck_assert_uint_eq(at.line, 21);
    ck_assert_uint_eq(at.column, 7);
    free(lines);
    registry_destroy(registry);
}
END_TEST

static const char *const broken_lines[] = {
    "broken/src/a.yaml:4:5: error: app:typo: unknown kind: functon.lua; did you mean "
    "function.lua?\n",
    "broken/src/a.yaml:7:5: error: app:no_method: method is required; name the "
    "function "
    "of the source that is to run\n",
    "broken/src/a.yaml:10:15: error: app:no_method: node with ID :jsn not found; did "
    "you "
    "mean json?\n",
    "broken/src/a.yaml:10:20: error: app:no_method: module cannot be empty; write the "
    "name of a module, for example json\n",
    "broken/src/a.yaml:10:30: error: app:no_method: dependency from app:no_method to "
    ":json already exists; list each module and each import once\n",
    "broken/src/a.yaml:12:7: error: app:no_method: node with ID app:libb not found; "
    "did "
    "you mean app:lib?\n",
    "broken/src/a.yaml:13:5: error: entry[2].name: name is required and must be a "
    "non-empty string\n",
    "broken/src/a.yaml:14:11: error: entry[3].name: name is required and must be a "
    "non-empty string; put it into quotes if it looks like a number\n",
    "broken/src/a.yaml:18:13: error: failed to read file nowhere.lua: No such file or "
    "directory; the path counts from the folder of this file\n",
    "broken/src/a.yaml:21:13: error: path traversal detected in file path: "
    "../../secret.lua; keep it inside the source folder\n",
    "broken/src/a.yaml:25:15: error: app:lib: adding dependency would create a cycle: "
    "app:lib imports app:lib; take one of the imports of the circle out\n",
    "broken/src/a.yaml:28:5: warning: app:slow: process names app:non_method, which "
    "does "
    "not exist; declare that entry or correct the id\n",
    "broken/src/a.yaml:29:5: warning: app:slow: host names app:hosts, which does not "
    "exist; declare that entry or correct the id\n",
    "broken/src/a.yaml:31:7: error: app:slow: lifecycle.stop_timeout must be a "
    "duration "
    "with a unit; write for example \"500ms\", \"10s\" or \"1m30s\"\n",
    "broken/src/a.yaml:32:17: error: app:slow: lifecycle.restart.max_attempts must be "
    "an "
    "integer\n",
    "broken/src/a.yaml:37:12: error: app:pooled: unknown pool type: elastic; it must "
    "be "
    "inline, lazy, static or adaptive\n",
    "broken/src/a.yaml:37:27: error: app:pooled: pool.size is -1; it must be between 0 "
    "and 65536\n",
    "broken/src/a.yaml:39:5: warning: app:later: kind temporal.client is not supported "
    "by "
    "this build, keeping the entry as plain data\n",
    "broken/src/a.yaml:42:12: error: app:get: router not found: app:api; declare that "
    "entry or correct the id\n",
    "broken/src/a.yaml:43:5: error: app:get: invalid HTTP method: get; write one of "
    "GET "
    "POST PUT DELETE PATCH HEAD OPTIONS TRACE\n",
    "broken/src/b.yaml:3:5: error: app:lib: declared twice, first at "
    "broken/src/a.yaml:22:5; rename one of the two\n",
    "broken/src/b.yaml:6:5: error: an entry must be a map; an entry starts with - "
    "name: "
    "...\n",
};

/* Which kinds this build lacks is no matter of this test. */
static void drop_line(char *lines, const char *about)
{
    char *start = strstr(lines, about), *end;

    if (start == NULL)
        return;
    end = strchr(start, '\n') + 1;
    while (start > lines && start[-1] != '\n')
        start--;
    memmove(start, end, strlen(end) + 1);
}

START_TEST(registry_tells_all_problems_of_a_load)
{
    struct registry *registry;
    char *lines;
    const char *at;

    enter_apps();
    at = lines = load_path("broken", &registry);
    drop_line(lines, "kind http.endpoint is not supported");
    for (size_t i = 0; i < N_ELEMENTS(broken_lines); i++) {
        size_t n = strlen(broken_lines[i]);

        ck_assert_msg(strncmp(at, broken_lines[i], n) == 0, "\nhave %swant %s", at,
                      broken_lines[i]);
        at += n;
    }
    ck_assert_str_eq(at, "");
    ck_assert_ptr_null(registry_next_version(registry, NULL)); /* nothing was started */
    free(lines);
    registry_destroy(registry);
}
END_TEST

START_TEST(registry_misses_nothing_that_stands_in_a_broken_file)
{
    char *lines;

    enter_apps();
    lines = load_path("unreadable", NULL);
    ck_assert_ptr_nonnull(strstr(lines, "a.yaml:8:15: error: app:f: node with ID "
                                        ":nonsense_module not found"));
    ck_assert_ptr_nonnull(strstr(lines, "c.yaml:3:1: error: no valid YAML"));
    ck_assert_ptr_nonnull(strstr(lines, "d.yaml:1:12: error: a namespace can't hold"));
    ck_assert_ptr_nonnull(strstr(lines, "e.json:1:49: error: key 'name' comes twice"));
    ck_assert_ptr_null(strstr(lines, "app.sub:x"));
    free(lines);
}
END_TEST

START_TEST(registry_follows_a_lock_file) /* REG-01, REG-13 */
{
    struct registry *registry;
    char *lines;

    enter_apps();
    lines = load_path("locked", &registry);
    ck_assert_str_eq(lines,
                     "locked/mods/vendor/acme/gone: warning: no such module, going "
                     "on without it; install the module\n");
    check_field(registry, "acme.other:config", "greeting", "\"hello\"");
    check_field(registry, "acme.other:config", "meta.note", "\"hello\"");
    check_field(registry, "acme.other:config", "list",
                "[\"first\",\"second\",\"third\"]");
    check_field(registry, "acme.other:config", "deep", "{\"er\":\"\"}");
    free(lines);
    registry_destroy(registry);
}
END_TEST

/* ---- finding files --------------------------------------------------------------- */

#define ENTRY(name) "namespace: a\nentries: [{name: " name ", kind: registry.entry}]\n"

START_TEST(registry_walks_folders) /* REG-02 */
{
    char *folder = make_folder(), *lines;
    struct registry *registry;

    mkdir("app", 0755);
    mkdir("app/node_modules", 0755);
    mkdir("app/.hidden", 0755);
    mkdir("app/deep", 0755);
    mkdir("app/dir.yaml", 0755);
    write_file("app/one.yaml", ENTRY("one"));
    write_file("app/deep/two.yml", ENTRY("two"));
    write_file("app/dir.yaml/three.json", ENTRY("three"));
    write_file("app/node_modules/x.yaml", ENTRY("x"));
    write_file("app/.hidden/y.yaml", ENTRY("y"));
    write_file("app/readme.txt", ENTRY("z"));
    write_file("elsewhere.yaml", ENTRY("linked"));
    ck_assert_int_eq(symlink("..", "app/deep/loop"), 0);
    ck_assert_int_eq(symlink("../elsewhere.yaml", "app/linked.yaml"), 0);
    ck_assert_int_eq(symlink("gone.yaml", "app/gone.yaml"), 0);
    ck_assert_int_eq(mkfifo("app/pipe.yaml", 0644), 0);
    lines = load_path("app", &registry);
    ck_assert_str_eq(lines, "");
    ck_assert_uint_eq(registry_state(registry)->n, 4);
    ck_assert_ptr_nonnull(registry_find(registry, "a:linked", 8));
    ck_assert_ptr_nonnull(registry_find(registry, "a:three", 7));
    free(lines);
    registry_destroy(registry);
    remove_folder(folder);
}
END_TEST

START_TEST(registry_takes_src_of_the_present_folder) /* REG-01 */
{
    char *folder = make_folder(), *lines;
    struct registry *registry;

    mkdir("src", 0755);
    write_file("src/_index.yaml", ENTRY("in_src"));
    write_file("config.yaml", "a: 1\n");
    lines = load(&(struct load_options){0}, &registry);
    ck_assert_str_eq(lines, "");
    ck_assert_str_eq(registry_state(registry)->entries[0]->origin.file,
                     "src/_index.yaml");
    free(lines);
    registry_destroy(registry);
    remove_folder(folder);
}
END_TEST

START_TEST(registry_takes_single_files) /* REG-07 */
{
    char *folder = make_folder(), *lines;
    const char *paths[] = {"one.yaml", "./sub/two.yaml"};
    struct registry *registry;

    mkdir("sub", 0755);
    write_file("one.yaml", ENTRY("one"));
    write_file("sub/two.yaml",
               "namespace: a\nentries:\n- {name: two, kind: library.lua, "
               "source: 'file://two.lua'}\n");
    write_file("sub/two.lua", "return 2");
    lines = load(&(struct load_options){.paths = paths, .n_paths = 2}, &registry);
    ck_assert_str_eq(lines, "");
    check_field(registry, "a:two", "source", "\"return 2\"");
    ck_assert_str_eq(registry_find(registry, "a:two", 5)->origin.source_file,
                     "sub/two.lua");
    free(lines);
    registry_destroy(registry);
    remove_folder(folder);
}
END_TEST

static const struct {
    const char *text, *want;
} files[] = {
    {"", "x.yaml:1:1: error: namespace is required; write namespace: app at the top\n"},
    {"a: 1", "x.yaml:1:1: error: namespace is required"},
    {"namespace: ''\nentries: []", "x.yaml:1:12: error: namespace is required"},
    {"namespace: 5\nentries: []", "x.yaml:1:12: error: namespace must be a text"},
    {"namespace: a", "x.yaml:1:1: error: either entries array or single entry"},
    {"namespace: a\nentries: x", "x.yaml:2:10: error: entries must be a list"},
    {"namespace: a\nname: x", "x.yaml:1:1: error: entry[0].kind: kind is required"},
    {"namespace: a\nentries: [{name: '', kind: k}]",
     "x.yaml:2:18: error: entry[0].name"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: 'file://'}]",
     "x.yaml:2:46: error: empty file path in file:// URL"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: [{b: "
     "'file://../x'}]}]",
     "x.yaml:2:51: error: path traversal detected in file path: ../x"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: "
     "'file:///etc/passwd'}]",
     "x.yaml:2:46: error: failed to read file etc/passwd: No such file"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: 'file://out/x'}]",
     "x.yaml:2:46: error: path traversal detected in file path: out/x"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: 'file://pipe'}]",
     "x.yaml:2:46: error: failed to read file pipe: it is no regular file"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: 'file://sub'}]",
     "x.yaml:2:46: error: failed to read file sub: it is no regular file"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: \"file://a\\0b\"}]",
     "x.yaml:2:46: error: the path of a file:// text holds a NUL byte"},
    {"namespace: a\nentries: [{name: x, kind: registry.entry, a: 'file://big'}]",
     "x.yaml:2:46: error: file big has 2000 bytes, more than 1000"},
    {"namespace: a\nentries: []", ""},
    {"namespace: a\nentries:", ""},
};

START_TEST(registry_reads_files) /* REG-03 … REG-05 */
{
    char *folder = make_folder(), *lines;
    const char *path = "x.yaml";

    mkdir("sub", 0755);
    ck_assert_int_eq(mkfifo("pipe", 0644), 0);
    ck_assert_int_eq(symlink("/etc", "out"), 0);
    write_file("big", "");
    ck_assert_int_eq(truncate("big", 2000), 0);
    write_file("x.yaml", files[_i].text);
    lines = load(
        &(struct load_options){.paths = &path, .n_paths = 1, .max_source_bytes = 1000},
        NULL);
    ck_assert_msg(strncmp(lines, files[_i].want, strlen(files[_i].want)) == 0 &&
                      (files[_i].want[0] != '\0' || lines[0] == '\0'),
                  "\n%s%s", lines, files[_i].want);
    free(lines);
    remove_folder(folder);
}
END_TEST

START_TEST(registry_reads_surrogates_of_json)
{
    char *folder = make_folder(), *lines;
    struct registry *registry;

    write_file("x.json", "{\"namespace\": \"a\", \"name\": \"x\", \"kind\": "
                         "\"registry.entry\",\n\"v\": \"\\ud83d\\uDE00 \\\\ud83d\"}");
    lines = load_path("x.json", &registry);
    ck_assert_str_eq(lines, "");
    check_field(registry, "a:x", "v", "\"\xf0\x9f\x98\x80 \\\\ud83d\"");
    free(lines);
    registry_destroy(registry);
    write_file("x.json", "{\"namespace\": \"a\",\n\"v\": \"\\ud83d\"}");
    lines = load_path("x.json", NULL);
    ck_assert_ptr_nonnull(strstr(lines, "x.json:2:9: error: no valid YAML"));
    free(lines);
    remove_folder(folder);
}
END_TEST

START_TEST(registry_refuses_a_file_of_a_hundred_megabytes)
{
    char *folder = make_folder(), *lines;

    write_file("big.yaml", ENTRY("x"));
    write_file("other.yaml", "just: data\n");
    ck_assert_int_eq(truncate("big.yaml", 100 * 1024 * 1024), 0);
    ck_assert_int_eq(truncate("other.yaml", 100 * 1024 * 1024), 0);
    lines = load_path(".", NULL);
    ck_assert_str_eq(lines,
                     "big.yaml: error: file big.yaml has 104857600 bytes, more than "
                     "16777216; split it, or keep long texts in files named by "
                     "file://\n");
    free(lines);
    remove_folder(folder);
}
END_TEST

START_TEST(registry_names_missing_paths)
{
    char *folder = make_folder(), *lines = load_path("nowhere", NULL);

    ck_assert_str_eq(lines,
                     "nowhere: error: No such file or directory; name a registry "
                     "file or a folder of them\n");
    free(lines);
    remove_folder(folder);
}
END_TEST

START_TEST(registry_loads_ten_thousand_entries)
{
    char *folder = make_folder(), *lines;
    FILE *file = fopen("x.yaml", "w");
    struct registry *registry;
    clock_t before;

    ck_assert_ptr_nonnull(file);
    fputs("namespace: app\nentries:\n", file);
    for (int i = 0; i < 10000; i++)
        fprintf(file,
                "  - name: f%d\n    kind: function.lua\n    meta: {type: job, n: %d}\n"
                "    source: |\n      local function main() return %d end\n"
                "      return { main = main }\n    method: main\n"
                "    modules: [json, time]\n%s"
                "    pool: {type: lazy, max_size: 4}\n",
                i, i, i, i == 0 ? "" : "    imports: {first: app:f0}\n");
    fclose(file);
    before = clock();
    lines = load_path("x.yaml", &registry);
    ck_assert_str_eq(lines, "");
    ck_assert_uint_eq(registry_state(registry)->n, 10000);
    if (!unit_is_slowed())
        ck_assert_double_lt((double)(clock() - before) / CLOCKS_PER_SEC, 5.0);
    free(lines);
    registry_destroy(registry);
    remove_folder(folder);
}
END_TEST

/* ---- overrides and the rest ------------------------------------------------------ */

static const struct {
    const char *override, *path, *want;
} overrides[] = {
    /* REG-11 */
    {"a:x:n=5", "n", "5"},
    {"a:x:n=05", "n", "\"05\""},
    {"a:x:n=TRUE", "n", "true"},
    {"a:x:n=1.5e2", "n", "150"},
    {"a:x:n=1e3x", "n", "\"1e3x\""},
    {"a:x:n=", "n", "\"\""},
    {"a:x:n=a=b", "n", "\"a=b\""},
    {"a:x:.data.deep.er=x", "deep", "{\"er\":\"x\"}"},
    {"a:x:data.list.k=1", "list", "{\"k\":1}"},
    {"a:x:meta.tag=y", "meta.tag", "\"y\""},
    {"a:x:n=1,2", "n", "\"1,2\""},
    {"a:x:n=say \"hi\"", "n", "\"say \\\"hi\\\"\""},
};

START_TEST(registry_overrides_fields)
{
    char *folder = make_folder(), *lines;
    const char *path = "x.yaml";
    struct registry *registry;

    write_file("x.yaml", "namespace: a\nname: x\nkind: registry.entry\nlist: [1]\n");
    lines = load(&(struct load_options){.paths = &path,
                                        .n_paths = 1,
                                        .overrides = &overrides[_i].override,
                                        .n_overrides = 1},
                 &registry);
    ck_assert_str_eq(lines, "");
    check_field(registry, "a:x", overrides[_i].path, overrides[_i].want);
    free(lines);
    registry_destroy(registry);
    remove_folder(folder);
}
END_TEST

static const struct {
    const char *override, *want;
} bad_overrides[] = {
    {"a:y:n=5", "-o: error: override errors: [no entry found for a:y]; "},
    {"a:x=5", "-o: error: override 'a:x' names no field; "},
    {"nothing", "-o: error: override 'nothing' has no =; "},
    {"a:x:data=5", "-o: error: override of a:x: data can't be replaced; "},
    {"a:x:b..c=5", "-o: error: override of a:x: bad path 'b..c'; "},
    {"a:x:kind= ", "-o: error: override of a:x: kind must be a non-empty string"},
    {"a:x:kind=registry.enty", "x.yaml:3:1: error: a:x: unknown kind: registry.enty; "
                               "did you mean registry.entry?"},
};

START_TEST(registry_refuses_overrides)
{
    char *folder = make_folder(), *lines;
    const char *path = "x.yaml";

    write_file("x.yaml", "namespace: a\nname: x\nkind: registry.entry\n");
    lines = load(&(struct load_options){.paths = &path,
                                        .n_paths = 1,
                                        .overrides = &bad_overrides[_i].override,
                                        .n_overrides = 1},
                 NULL);
    ck_assert_msg(
        strncmp(lines, bad_overrides[_i].want, strlen(bad_overrides[_i].want)) == 0,
        "%s", lines);
    free(lines);
    remove_folder(folder);
}
END_TEST

static const struct {
    const char *pattern, *text;
    bool matches;
} matches[] = {
    {"app", "app", true},
    {"app", "app.x", false},
    {"app.*", "app.x", true},
    {"app.*", "app", false},
    {"app.*", "app.x.y", false},
    {"app.**", "app", true},
    {"app.**", "app.x.y", true},
    {"**", "", true},
    {"**.test", "a.b.test", true},
    {"**.test", "test", true},
    {"**.test", "a.test.b", false},
    {"app:(a|b)", "app:b", true},
    {"app:(a|b)", "app:c", false},
    {"**.x.**.y", "a.x.b.x.y", true},
    {"**.x.**.y", "a.x.b.z", false},
    {"*:f", "app:f", true},
    {"", "", true},
    {"", "a", false},
};

START_TEST(disable_patterns_match) /* REG-12 */
{
    ck_assert_int_eq(pattern_matches(matches[_i].pattern, matches[_i].text),
                     matches[_i].matches);
}
END_TEST

START_TEST(registry_disables_entries) /* REG-12 */
{
    static const char text[] =
        "{\"namespaces\": [\"old.**\"], \"entries\": \"app:(x|y)\", "
        "\"meta\": {\"type\": [\"test\", \"demo\"]}}";
    char *folder = make_folder(), *lines;
    const char *paths[] = {"a.yaml", "b.yaml"};
    struct registry *registry;
    struct value disable;

    write_file("a.yaml", "namespace: app\nentries:\n- {name: x, kind: registry.entry}\n"
                         "- {name: z, kind: registry.entry, meta: {type: prod}}\n"
                         "- {name: t, kind: registry.entry, meta: {type: demo}}\n");
    write_file("b.yaml", "namespace: old.one\nentries: [{name: z, kind: nonsense}]");
    ck_assert_int_eq(value_read_json(text, strlen(text), &disable, NULL), 0);
    lines =
        load(&(struct load_options){.paths = paths, .n_paths = 2, .disable = &disable},
             &registry);
    ck_assert_str_eq(lines, "");
    ck_assert_uint_eq(registry_state(registry)->n, 1);
    ck_assert_str_eq(registry_state(registry)->entries[0]->id, "app:z");
    free(lines);
    value_finish(&disable);
    registry_destroy(registry);
    remove_folder(folder);
}
END_TEST

static const struct {
    const char *base, *path, *want;
} paths[] = {
    {"", "a.lua", "a.lua"},      {"x/y", "a.lua", "x/y/a.lua"}, {"x/y", "../a", "x/a"},
    {"x/y", "../../a", "a"},     {"x/y", "../../../a", NULL},   {"", "..", NULL},
    {"", "/etc/x", "etc/x"},     {"x", "./././a", "x/a"},       {"x", "a//b/", "x/a/b"},
    {"x", "b/../../../x", NULL},
};

START_TEST(paths_stay_below_the_root) /* REG-05 */
{
    char *got = path_resolve(paths[_i].base, paths[_i].path);

    if (paths[_i].want == NULL)
        ck_assert_ptr_null(got);
    else
        ck_assert_str_eq(got, paths[_i].want);
    free(got);
}
END_TEST

static void fill(TCase *tc)
{
    log_set_level(LOG_OFF);
    tcase_add_test(tc, registry_loads_a_whole_app);
    tcase_add_test(tc, registry_tells_all_problems_of_a_load);
    tcase_add_test(tc, registry_misses_nothing_that_stands_in_a_broken_file);
    tcase_add_test(tc, registry_follows_a_lock_file);
    tcase_add_test(tc, registry_walks_folders);
    tcase_add_test(tc, registry_takes_src_of_the_present_folder);
    tcase_add_test(tc, registry_takes_single_files);
    tcase_add_loop_test(tc, registry_reads_files, 0, N_ELEMENTS(files));
    tcase_add_test(tc, registry_reads_surrogates_of_json);
    tcase_add_test(tc, registry_refuses_a_file_of_a_hundred_megabytes);
    tcase_add_test(tc, registry_names_missing_paths);
    tcase_add_test(tc, registry_loads_ten_thousand_entries);
    tcase_add_loop_test(tc, registry_overrides_fields, 0, N_ELEMENTS(overrides));
    tcase_add_loop_test(tc, registry_refuses_overrides, 0, N_ELEMENTS(bad_overrides));
    tcase_add_loop_test(tc, disable_patterns_match, 0, N_ELEMENTS(matches));
    tcase_add_test(tc, registry_disables_entries);
    tcase_add_loop_test(tc, paths_stay_below_the_root, 0, N_ELEMENTS(paths));
}

int main(void)
{
    return unit_main("registry_load", fill);
}
