#include "supervisor/interceptors.h"

#include <string.h>

#include "common/err.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"

#include "tests/unit/unit.h"

static struct supervisor sup;
static struct interceptors *set;

static struct value read_json(const char *json)
{
    struct value value = {0};
    struct err err = {0};

    ck_assert_msg(value_read_json(json, strlen(json), &value, &err) == 0, "%s",
                  err.text);
    return value;
}

static struct entry *make_interceptor(const char *id, const char *json)
{
    struct value data = read_json(json);

    value_put(&data, "source", value_string("return {}"));
    value_put(&data, "method", value_string("handle"));
    return entry_create(id, strlen(id), "interceptor.lua", value_map(), data);
}

static struct entry *make_target(const char *meta)
{
    struct entry *entry =
        entry_create("app:f", 5, "function.lua", read_json(meta), value_map());

    entry->type = kind_find("function.lua");
    return entry;
}

static void apply(enum change_op op, struct entry *entry, const char *id)
{
    struct operation operation = {.op = op, .entry = entry, .id = id};
    struct changeset *changeset;
    struct err err = {0};

    changeset = registry_prepare(sup.registry, &operation, 1, NULL, &err);
    ck_assert_msg(changeset != NULL, "%s", err.text);
    ck_assert_int_eq(registry_commit(sup.registry, changeset, NULL, &err), 0);
    entry_unref(entry);
}

static void add(const char *id, const char *json)
{
    apply(CHANGE_CREATE, make_interceptor(id, json), NULL);
}

static void open_set(void)
{
    sup.registry = registry_create();
    apply(CHANGE_CREATE,
          entry_create("app:x", 5, "registry.entry", value_map(), value_map()), NULL);
    set = interceptors_create(&sup);
    interceptors_load(set);
}

static void close_set(void)
{
    registry_destroy(sup.registry);
    interceptors_destroy(set);
}

/* The names of the links, each one letter. */
static const char *chain_of(const char *target, const char *meta)
{
    static char names[64];
    struct entry *entry = make_target(meta);
    const struct chain *chain = interceptors_chain(set, bytes_of_text(target), entry);
    size_t n = 0;

    for (size_t i = 0; i < chain->n; i++) {
        if (i == chain->n_outer)
            names[n++] = '|';
        names[n++] = chain->links[i].id[4];
    }
    names[n] = '\0';
    entry_unref(entry);
    return names;
}

START_TEST(f50_links_stand_by_order_then_id)
{
    open_set();
    ck_assert(!interceptors_exist(set));
    add("app:d", "{}");
    add("app:c", "{\"order\": 50}");
    add("app:b", "{\"order\": 20}");
    add("app:a", "{\"order\": 19}");
    add("app:e", "{\"order\": -1000}");
    ck_assert(interceptors_exist(set));
    ck_assert_str_eq(chain_of("app:f", "{}"), "ea|bcd");
    close_set();
}
END_TEST

START_TEST(f54_matches_by_id_and_meta)
{
    open_set();
    add("app:a", "{\"match\": {\"functions\": [\"app:f\", \"*.read\"]}}");
    add("app:b", "{\"match\": {\"functions\": []}}");
    add("app:c", "{\"match\": {\"meta\": {\"x\": 1, \"y\": [true]}}}");
    add("app:d", "{\"match\": {\"functions\": [\"ap*\"], \"meta\": {\"x\": 1}}}");
    ck_assert_str_eq(chain_of("app:f", "{}"), "|a");
    ck_assert_str_eq(chain_of("doc.read", "{\"x\": 1}"), "|a");
    ck_assert_str_eq(chain_of("doc", "{\"x\": 1, \"y\": [true], \"z\": 2}"), "|c");
    ck_assert_str_eq(chain_of("app:g", "{\"x\": 1, \"y\": [false]}"), "|d");
    ck_assert_str_eq(chain_of("other", "{\"x\": 2}"), "");
    close_set();
}
END_TEST

START_TEST(chains_follow_the_registry)
{
    struct chain *before;
    struct entry *entry;

    open_set();
    add("app:a", "{}");
    ck_assert_str_eq(chain_of("app:f", "{}"), "|a");
    entry = make_target("{}");
    before = chain_ref(interceptors_chain(set, bytes_of_text("app:f"), entry));
    entry_unref(entry);
    add("app:b", "{\"order\": 1}");
    ck_assert_str_eq(chain_of("app:f", "{}"), "b|a");
    apply(CHANGE_UPDATE, make_interceptor("app:b", "{\"order\": 60}"), NULL);
    ck_assert_str_eq(chain_of("app:f", "{}"), "|ab");
    apply(CHANGE_DELETE, NULL, "app:a");
    ck_assert_str_eq(chain_of("app:f", "{}"), "|b");
    apply(CHANGE_DELETE, NULL, "app:b");
    ck_assert(!interceptors_exist(set));
    ck_assert_uint_eq(before->n, 1); /* a call under way keeps what it began with */
    ck_assert_str_eq(before->links[0].id, "app:a");
    chain_unref(before);
    close_set();
}
END_TEST

/* What a link's handler is told: pairs as msgpack. */
START_TEST(f54_a_link_knows_what_its_handler_is_told)
{
    struct entry *entry = make_target("{\"options\": {\"n\": 1}}");
    const struct chain *chain;
    struct value key, value;
    struct buf rest;
    size_t used;

    open_set();
    add("app:a", "{\"config\": {\"k\": \"v\"}, \"match\": {\"option\": \"cache\"}}");
    chain = interceptors_chain(set, bytes_of_text("app:f"), entry);
    ck_assert_uint_eq(chain->links[0].n_head, 3);
    ck_assert_str_eq(chain->links[0].option, "cache");
    ck_assert_int_eq(value_get_int(&chain->options, "n", 0), 1);
    rest = chain->links[0].head;
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(
            value_decode(buf_head(&rest), buf_len(&rest), &used, &key, NULL), 0);
        buf_consume(&rest, used);
        ck_assert_int_eq(
            value_decode(buf_head(&rest), buf_len(&rest), &used, &value, NULL), 0);
        if (buf_len(&rest) == used)
            rest.end = rest.start;
        else
            buf_consume(&rest, used);
        if (strcmp(value_text(&key), "config") == 0)
            ck_assert_str_eq(value_get_text(&value, "k"), "v");
        value_finish(&key);
        value_finish(&value);
    }
    ck_assert_uint_eq(buf_len(&rest), 0);
    entry_unref(entry);
    close_set();
}
END_TEST

static const struct {
    const char *data;
    size_t n_errors;
} wrong[] = {
    {"{}", 0},
    {"{\"order\": 7, \"config\": {}, \"match\": {\"functions\": [], \"meta\": {}, "
     "\"option\": \"x\"}}",
     0},
    {"{\"order\": null, \"config\": null, \"match\": null}", 0},
    {"{\"order\": \"x\"}", 1},
    {"{\"order\": 2000000000}", 1},
    {"{\"match\": 1}", 1},
    {"{\"match\": {\"functions\": [{}]}}", 1},
    {"{\"match\": {\"meta\": [], \"option\": 1, \"more\": 2}}", 3},
    {"{\"config\": \"x\"}", 1},
};

START_TEST(f54_wrong_fields_are_told)
{
    struct entry *entry = make_interceptor("app:a", wrong[_i].data);
    struct problems problems;

    problems_init(&problems);
    interceptor_check(entry, &problems);
    ck_assert_uint_eq(problems.n_errors, wrong[_i].n_errors);
    problems_finish(&problems);
    entry_unref(entry);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, f50_links_stand_by_order_then_id);
    tcase_add_test(tc, f54_matches_by_id_and_meta);
    tcase_add_test(tc, chains_follow_the_registry);
    tcase_add_test(tc, f54_a_link_knows_what_its_handler_is_told);
    tcase_add_loop_test(tc, f54_wrong_fields_are_told, 0, N_ELEMENTS(wrong));
}

int main(void)
{
    return unit_main("interceptors", fill);
}
