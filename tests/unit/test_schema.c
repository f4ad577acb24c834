#include "common/schema.h"

#include <stdio.h>

#include "common/err.h"
#include "common/flat.h"
#include "common/value.h"

#include "tests/unit/unit.h"

/* Cases are data: tests/schema/ *.json, a list of {what, schema, valid, invalid} each,
 * where an invalid row is the data, then path and part of the text of each error. */
static const char *const files[] = {"types",  "values",  "numbers",      "strings",
                                    "arrays", "objects", "combinations", "references"};

static struct value read_cases(const char *name)
{
    const char *root = getenv("TROUPE_SOURCE_ROOT");
    struct value cases = {0};
    struct err err = {0};
    char path[400], *text = calloc(1, 1 << 20);
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "%s/tests/schema/%s.json", root == NULL ? "." : root,
             name);
    file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    n = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    ck_assert_msg(value_read_json(text, n, &cases, &err) == 0, "%s: %s", path,
                  err.text);
    free(text);
    return cases;
}

static bool check(const struct schema *schema, const struct value *data,
                  struct schema_report *report)
{
    struct flat flat;
    bool ok;

    flat_init(&flat);
    ck_assert_int_eq(flat_add_value(&flat, data), 0);
    ok = schema_check(schema, &flat, report);
    ck_assert_int_eq(schema_check(schema, &flat, NULL), ok);
    flat_finish(&flat);
    return ok;
}

static void check_invalid(const char *what, const struct schema *schema,
                          const struct value *row)
{
    const struct value *items = row->as.list.items;
    struct schema_report report;

    ck_assert_msg(!check(schema, &items[0], &report), "%s: accepts %s", what,
                  report.errors[0].text);
    ck_assert_msg(report.n == (row->as.list.n - 1) / 2, "%s: %zu errors, %s: %s", what,
                  report.n, report.errors[0].path, report.errors[0].text);
    for (size_t i = 0; i < report.n; i++) {
        ck_assert_str_eq(report.errors[i].path, value_text(&items[1 + 2 * i]));
        ck_assert_msg(strstr(report.errors[i].text, value_text(&items[2 + 2 * i])) !=
                          NULL,
                      "%s: %s instead of %s", what, report.errors[i].text,
                      value_text(&items[2 + 2 * i]));
    }
}

START_TEST(schema_keeps_its_keywords)
{
    struct value cases = read_cases(files[_i]);

    for (size_t i = 0; i < cases.as.list.n; i++) {
        const struct value *row = &cases.as.list.items[i];
        const char *what = value_get_text(row, "what");
        const struct value *valid = value_get(row, "valid");
        const struct value *invalid = value_get(row, "invalid");
        struct schema_report report;
        struct err err = {0};
        struct schema *schema = schema_create(value_get(row, "schema"), &err);

        ck_assert_msg(schema != NULL, "%s: %s", what, err.text);
        for (size_t k = 0; k < valid->as.list.n; k++) {
            bool ok = check(schema, &valid->as.list.items[k], &report);

            ck_assert_msg(ok, "%s, valid %zu: %s: %s", what, k, report.errors[0].path,
                          report.errors[0].text);
            ck_assert_uint_eq(report.n, 0);
        }
        for (size_t k = 0; k < invalid->as.list.n; k++)
            check_invalid(what, schema, &invalid->as.list.items[k]);
        schema_destroy(schema);
    }
    value_finish(&cases);
}
END_TEST

START_TEST(schema_that_is_unusable_is_refused_with_the_place)
{
    struct value cases = read_cases("unusable");

    for (size_t i = 0; i < cases.as.list.n; i++) {
        const struct value *row = &cases.as.list.items[i];
        const char *want = value_text(&row->as.list.items[1]);
        struct err err = {0};
        struct schema *schema = schema_create(&row->as.list.items[0], &err);

        ck_assert_msg((schema == NULL) == (want != NULL), "case %zu: %s", i, err.text);
        schema_destroy(schema);
        if (want == NULL)
            continue;
        ck_assert_int_eq(err.kind, ERR_INVALID);
        ck_assert_msg(strstr(err.text, want) != NULL, "%s instead of %s", err.text,
                      want);
    }
    value_finish(&cases);
}
END_TEST

static struct schema *compile(const char *text)
{
    struct value definition = value_string(text);
    struct err err = {0};
    struct schema *schema = schema_create(&definition, &err);

    ck_assert_msg(schema != NULL, "%s", err.text);
    value_finish(&definition);
    return schema;
}

struct verdict {
    const char *schema;
    bool ok;
};

/* What each schema says of a lone value of that type. */
static void check_each(const struct verdict *rows, size_t n, enum flat_type type)
{
    for (size_t i = 0; i < n; i++) {
        struct schema *schema = compile(rows[i].schema);
        struct flat flat;

        flat_init(&flat);
        flat_add(&flat, type);
        ck_assert_msg(schema_check(schema, &flat, NULL) == rows[i].ok, "%s",
                      rows[i].schema);
        flat_finish(&flat);
        schema_destroy(schema);
    }
}

START_TEST(schema_takes_an_empty_lua_table_for_both)
{
    static const struct verdict rows[] = {
        {"{\"type\": \"array\"}", true},
        {"{\"type\": \"object\"}", true},
        {"{\"type\": [\"array\", \"null\"]}", true},
        {"{\"type\": \"string\"}", false},
        {"{\"const\": []}", true},
        {"{\"const\": {}}", true},
        {"{\"enum\": [[1], {\"a\": 1}]}", false},
        {"{\"type\": \"object\", \"required\": [\"a\"]}", false},
        {"{\"type\": \"array\", \"required\": [\"a\"]}", true},
        {"{\"type\": \"array\", \"minItems\": 1}", false},
        {"{\"properties\": {\"a\": false}, \"items\": false, \"uniqueItems\": true}",
         true},
        {"{\"propertyNames\": false, \"contains\": {}, \"minContains\": 0}", true},
    };

    check_each(rows, N_ELEMENTS(rows), FLAT_EMPTY);
}
END_TEST

/* What JSON can't say satisfies only what asks for nothing. */
START_TEST(schema_knows_no_type_for_other_values)
{
    static const struct verdict rows[] = {
        {"true", true},
        {"{\"minimum\": 3}", true},
        {"{\"type\": [\"string\", \"object\"]}", false},
        {"{\"enum\": [1]}", false},
        {"{\"$defs\": {\"s\": {\"type\": \"string\"}}, \"$ref\": \"#/$defs/s\"}",
         false},
        {"{\"not\": {\"type\": \"string\"}}", true}};

    check_each(rows, N_ELEMENTS(rows), FLAT_OTHER);
}
END_TEST

START_TEST(schema_compares_no_nan)
{
    static const char *const rows[] = {"{\"minimum\": 0}", "{\"maximum\": 0}",
                                       "{\"multipleOf\": 1}", "{\"type\": \"integer\"}",
                                       "{\"const\": 0}"};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct schema *schema = compile(rows[i]);
        struct value nan = value_float(__builtin_nan(""));

        ck_assert_msg(!check(schema, &nan, NULL), "%s", rows[i]);
        schema_destroy(schema);
    }
}
END_TEST

START_TEST(schema_tells_a_bounded_number_of_errors)
{
    struct schema *schema = compile("{\"items\": {\"type\": \"null\"}}");
    struct value list = value_list();
    struct schema_report report;
    char text[1000];

    for (int i = 0; i < SCHEMA_MAX_ERRORS; i++)
        value_append(&list, value_int(i));
    ck_assert(!check(schema, &list, &report));
    ck_assert_uint_eq(report.n, SCHEMA_MAX_ERRORS);
    ck_assert(!report.more);
    value_append(&list, value_int(0));
    ck_assert(!check(schema, &list, &report));
    ck_assert_uint_eq(report.n, SCHEMA_MAX_ERRORS);
    ck_assert(report.more);
    schema_report_format(&report, text, sizeof(text));
    ck_assert(strstr(text, "/0: expected null, got integer; /1: expected") == text);
    ck_assert_str_eq(text + strlen(text) - 12, "integer; ...");
    value_finish(&list);
    schema_destroy(schema);
}
END_TEST

/* Each level asks twice: 2^60 questions, if nobody counted. */
START_TEST(schema_check_ends_even_if_the_schema_explodes)
{
    struct schema *schema =
        compile("{\"items\": {\"allOf\": [{\"$ref\": \"#\"}, {\"$ref\": \"#\"}]}}");
    struct value deep = value_list();
    struct schema_report report;

    for (int i = 0; i < 60; i++) {
        struct value outer = value_list();

        value_append(&outer, deep);
        deep = outer;
    }
    ck_assert(!check(schema, &deep, &report));
    ck_assert_uint_eq(report.n, 1);
    ck_assert_str_eq(report.errors[0].text, "checking this takes too long");
    value_finish(&deep);
    schema_destroy(schema);
}
END_TEST

/* 200,000 different items: a comparison of each with each would take the whole hour. */
START_TEST(schema_unique_items_are_not_quadratic)
{
    struct schema *schema = compile("{\"uniqueItems\": true}");
    struct value list = value_list();
    struct schema_report report;

    for (int i = 0; i < 200000; i++) {
        struct value item = value_list();

        value_append(&item, value_int(i));
        value_append(&list, item);
    }
    ck_assert(check(schema, &list, &report));
    value_append(&list, value_copy(&list.as.list.items[777]));
    ck_assert(!check(schema, &list, &report));
    ck_assert_str_eq(report.errors[0].text, "item 200000 equals an earlier one");
    value_finish(&list);
    schema_destroy(schema);
}
END_TEST

START_TEST(schema_cuts_a_long_path)
{
    struct schema *schema = compile("{\"additionalProperties\": false}");
    struct value map = value_map();
    struct schema_report report;
    char key[1001];

    memset(key, 'k', 1000);
    key[1000] = '\0';
    value_put(&map, key, value_int(1));
    ck_assert(!check(schema, &map, &report));
    ck_assert_uint_eq(strlen(report.errors[0].path), sizeof(report.errors[0].path) - 1);
    ck_assert_str_eq(report.errors[0].path + sizeof(report.errors[0].path) - 5, "k...");
    value_finish(&map);
    schema_destroy(schema);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, schema_keeps_its_keywords, 0, N_ELEMENTS(files));
    tcase_add_test(tc, schema_that_is_unusable_is_refused_with_the_place);
    tcase_add_test(tc, schema_takes_an_empty_lua_table_for_both);
    tcase_add_test(tc, schema_knows_no_type_for_other_values);
    tcase_add_test(tc, schema_compares_no_nan);
    tcase_add_test(tc, schema_tells_a_bounded_number_of_errors);
    tcase_add_test(tc, schema_check_ends_even_if_the_schema_explodes);
    tcase_add_test(tc, schema_unique_items_are_not_quadratic);
    tcase_add_test(tc, schema_cuts_a_long_path);
}

int main(void)
{
    return unit_main("schema", fill);
}
