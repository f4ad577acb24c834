#include "supervisor/yaml_tree.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"

#include "supervisor/problems.h"

#include "tests/unit/unit.h"

/* All problems of text as lines, "" if there are none; json_out gets the value. */
static char *parse(const char *text, size_t n, const struct yaml_limits *limits,
                   char **json_out)
{
    struct problems problems;
    struct yaml_document *document;
    struct buf buf;
    char *lines;

    problems_init(&problems);
    document = yaml_parse("x.yaml", text, n, limits, &problems);
    buf_init(&buf, 0);
    problems_format(&buf, &problems);
    lines = xstrndup((char *)buf_head(&buf), buf_len(&buf));
    ck_assert_int_eq(document == NULL, problems.n_errors != 0);
    buf_clear(&buf);
    if (document != NULL && json_out != NULL) {
        struct value value = yaml_to_value(yaml_root(document));

        ck_assert(value_write_json(&buf, &value, 0));
        *json_out = xstrndup((char *)buf_head(&buf), buf_len(&buf));
        value_finish(&value);
    }
    buf_finish(&buf);
    yaml_destroy(document);
    problems_finish(&problems);
    return lines;
}

static const struct {
    const char *text, *json;
} values[] = {
    {"", "null"},
    {"# nothing\n", "null"},
    {"a: 1\nb: [x, 2.5, null]\n", "{\"a\":1,\"b\":[\"x\",2.5,null]}"},
    /* REG-04 and the Norway problem (Y2) */
    {"[0600, 0o17, 0x1F, 0b101, -0x10, 010, 08, 1_000, +12, 00, 0]",
     "[384,15,31,5,-16,8,8,1000,12,0,0]"},
    {"[yes, no, on, off, y, n, Yes, NO]",
     "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"Yes\",\"NO\"]"},
    {"[true, True, TRUE, false, tRue]", "[true,true,true,false,\"tRue\"]"},
    {"[~, null, Null, NULL, nUll, '', \"\"]",
     "[null,null,null,null,\"nUll\",\"\",\"\"]"},
    {"[1e3, .5, -1.5e-3, 1., .inf, .nan, 1e, ., -, 1.2.3, 12:30]",
     "[1000,0.5,-0.0015,1,null,null,\"1e\",\".\",\"-\",\"1.2.3\",\"12:30\"]"},
    {"[9223372036854775807, -9223372036854775808, 9223372036854775808]",
     "[9223372036854775807,-9223372036854775808,9.223372036854776e+18]"},
    {"['0600', \"true\", !!str 5, ! 7, !!int \"5\", !!float 5]",
     "[\"0600\",\"true\",\"5\",\"7\",5,5]"},
    {"addr: :8080", "{\"addr\":\":8080\"}"},
    {"[2001-12-14, 1s, 0x, 0b2, 0xg, 0x-1, 1__0, _1]",
     "[\"2001-12-14\",\"1s\",\"0x\",\"0b2\",\"0xg\",\"0x-1\",10,\"_1\"]"},
    {"1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}"},
    {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
    {"\xef\xbb\xbf"
     "a: 1\n",
     "{\"a\":1}"},
    {"a: 1\r\nb:\r\n  - x\r\n", "{\"a\":1,\"b\":[\"x\"]}"},
    {"{\"a\":\t[1,\n\t2], \"b\": \"\\u00e4\\/\\n\"}",
     "{\"a\":[1,2],\"b\":\"\xc3\xa4/\\n\"}"},
    {"--- {a: 1}\n...\n", "{\"a\":1}"},
    {"\"a\\0b\"", "\"a\\u0000b\""},
    /* aliases and merge keys */
    {"a: &x {b: 1}\nc: *x\nd: [*x, *x]\n",
     "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"d\":[{\"b\":1},{\"b\":1}]}"},
    {"a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"},
    {"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n",
     "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"c\":3,\"b\":1}}"},
    {"- &x {a: 1}\n- &y {a: 2, b: 2}\n- {<<: [*x, *y], c: 3}\n",
     "[{\"a\":1},{\"a\":2,\"b\":2},{\"c\":3,\"a\":1,\"b\":2}]"},
    {"a: &x 1\nb: {*x : 2}", "{\"a\":1,\"b\":{\"1\":2}}"},
    {"'<<': 1", "{\"<<\":1}"},
    {"&k key: v\n*k : w\n", NULL},
};

START_TEST(yaml_reads)
{
    char *json = NULL;
    char *lines = parse(values[_i].text, strlen(values[_i].text), NULL, &json);

    if (values[_i].json == NULL) {
        ck_assert_ptr_nonnull(strstr(lines, "comes twice"));
    } else {
        ck_assert_str_eq(lines, "");
        ck_assert_str_eq(json, values[_i].json);
    }
    free(lines);
    free(json);
}
END_TEST

static const struct {
    const char *text, *want;
} refused[] = {
    {"a: 1\n  b: 2\n",
     "x.yaml:2:4: error: no valid YAML: mapping values are not allowed "
     "in this context; check the indentation"},
    {"a:\n\tb: 1\n",
     "x.yaml:2:1: error: no valid YAML: while scanning for the next token "
     "found character that cannot start any token; indent with blanks"},
    {"a: 1\nb: 2\na: 3\n", "x.yaml:3:1: error: key 'a' comes twice, first at line 1, "
                           "column 1; keep one of the two\n"},
    {"a: 1\n---\nb: 1\n", "x.yaml:2:1: error: a second document starts here; "},
    {"a: *x\n", "x.yaml:1:4: error: alias *x names no anchor; "},
    {"&a [*a]", "x.yaml:1:5: error: alias *a stands inside the value that it names"},
    {"a: !foo 1\n", "x.yaml:1:4: error: tag '!foo' doesn't fit here; "},
    {"a: !!int x\n", "x.yaml:1:4: error: tag 'tag:yaml.org,2002:int' doesn't fit"},
    {"a: !!python/object:x {}\n", "x.yaml:1:4: error: unknown tag"},
    {"{[a]: 1}", "x.yaml:1:2: error: a list or map can't be a key; "},
    {"? {a: 1}\n: 2\n", "x.yaml:1:3: error: a list or map can't be a key; "},
    {"\"a\\0\": 1\n", "x.yaml:1:1: error: a key holds a NUL byte"},
    {"a: \"x\ny: 2\n", "x.yaml:1:4: error: no valid YAML: a quoted text begins here, "
                       "found unexpected end of stream at line 3; close it"},
    {"\xc3\xa4: *\n",
     "x.yaml:1:5: error: no valid YAML: while scanning an alias did not "
     "find expected alphabetic or numeric character; put a text that "
     "starts with * or & into quotes"},
    {"a: @b\n", "x.yaml:1:4: error: no valid YAML: while scanning for the next token "
                "found character that cannot start any token; put a text that starts "
                "with this character into quotes"},
    {"a:\n  b: 'it's'\n", "x.yaml:2:10: error: no valid YAML: while parsing a block "
                          "mapping did not find expected key; check the indentation, "
                          "and the quotes"},
    {"a: b\xff", "x.yaml:1:5: error: byte 0xff is no valid UTF-8; save the file"},
    {"a: 1\n\xc3\xa4: \xed\xa0\x80\n",
     "x.yaml:2:4: error: byte 0xed is no valid UTF-8"},
    {"a: 1\nb: \x01\n", "x.yaml:2:4: error: no valid YAML: control characters are not "
                        "allowed"},
    {"<<: 5\n", "x.yaml:1:1: error: << takes a map or a list of maps; "},
    {"<<: [1]\n", "x.yaml:1:1: error: << takes a map or a list of maps; "},
    {"%YAML 9.9\n--- a\n", "x.yaml:1:1: error: no valid YAML: found incompatible YAML"},
};

START_TEST(yaml_refuses) /* Y2 */
{
    char *lines = parse(refused[_i].text, strlen(refused[_i].text), NULL, NULL);

    ck_assert_msg(strncmp(lines, refused[_i].want, strlen(refused[_i].want)) == 0,
                  "\n%s%s", lines, refused[_i].want);
    free(lines);
}
END_TEST

START_TEST(yaml_refuses_nul_bytes) /* Y2 */
{
    char *lines = parse("a: \0b\n", 6, NULL, NULL);

    ck_assert_str_eq(
        lines,
        "x.yaml:1:4: error: no valid YAML: control characters are not allowed\n");
    free(lines);
}
END_TEST

static void check_bomb(const char *text, size_t n, const char *want)
{
    clock_t before = clock();
    char *lines = parse(text, n, NULL, NULL);

    ck_assert_msg(strstr(lines, want) != NULL, "%s", lines);
    ck_assert_double_lt((double)(clock() - before) / CLOCKS_PER_SEC, 5.0);
    free(lines);
}

START_TEST(yaml_y1_laughs_are_refused)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 13; i++) {
        buf_printf(&buf, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            buf_printf(&buf, "%s*a%d", k == 0 ? "" : ", ", i - 1);
        buf_printf(&buf, "]\n");
    }
    check_bomb((char *)buf_head(&buf), buf_len(&buf),
               "error: aliases expand to more than 100000 values");
    buf_finish(&buf);
}
END_TEST

START_TEST(yaml_y1_aliases_of_a_long_text_are_refused)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf, "- &a %01000000d\n", 1);
    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "- *a\n");
    check_bomb((char *)buf_head(&buf), buf_len(&buf), "or 16777216 bytes");
    buf_finish(&buf);
}
END_TEST

START_TEST(yaml_y1_merges_are_counted)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf, "a: &a\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "  k%d: 1\n", i);
    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "b%d: {<<: *a}\n", i);
    check_bomb((char *)buf_head(&buf), buf_len(&buf), "aliases expand to more than");
    buf_finish(&buf);
}
END_TEST

START_TEST(yaml_y1_aliases_count_as_depth)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_printf(&buf, "a0: &a0 []\n");
    for (int i = 1; i < 100; i++)
        buf_printf(&buf, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    check_bomb((char *)buf_head(&buf), buf_len(&buf),
               "x.yaml:64:12: error: alias *a62");
    buf_finish(&buf);
}
END_TEST

/* 10 s with libyaml's own document loader. */
START_TEST(yaml_y1_takes_sixty_thousand_anchors)
{
    clock_t before = clock();
    struct buf buf;
    char *lines;

    buf_init(&buf, 0);
    for (int i = 0; i < 60000; i++)
        buf_printf(&buf, "&k%d k%d: v\n", i, i);
    lines = parse((char *)buf_head(&buf), buf_len(&buf), NULL, NULL);
    ck_assert_str_eq(lines, "");
    ck_assert_double_lt((double)(clock() - before) / CLOCKS_PER_SEC, 5.0);
    free(lines);
    buf_finish(&buf);
}
END_TEST

/* 37 s with libyaml's own document loader. */
START_TEST(yaml_y2_depth_is_bounded)
{
    static const char *const openers[] = {"[", "{a: ", "- ", "a: [{"};
    struct buf buf;

    buf_init(&buf, 0);
    for (int i = 0; i < 100000; i++)
        buf_append_text(&buf, openers[_i]);
    check_bomb((char *)buf_head(&buf), buf_len(&buf), "nested too deep; 64 levels");
    buf_finish(&buf);
}
END_TEST

START_TEST(yaml_y2_takes_a_scalar_of_ten_megabytes)
{
    struct buf buf;
    struct problems problems;
    struct yaml_document *document;
    size_t n = 10 * 1024 * 1024;

    buf_init(&buf, 0);
    buf_append_text(&buf, "a: ");
    memset(buf_reserve(&buf, n), 'x', n);
    buf.end += n;
    problems_init(&problems);
    document = yaml_parse("x", (char *)buf_head(&buf), buf_len(&buf), NULL, &problems);
    ck_assert_ptr_nonnull(document);
    ck_assert_uint_eq(yaml_find(yaml_root(document), "a")->node->n_text, n);
    yaml_destroy(document);
    problems_finish(&problems);
    buf_finish(&buf);
}
END_TEST

START_TEST(yaml_bounds_size_and_number)
{
    struct yaml_limits limits = {.max_bytes = 30, .max_nodes = 5};
    char *lines = parse("[1, 2, 3, 4]", 12, &limits, NULL);

    ck_assert_str_eq(lines, "");
    free(lines);
    lines = parse("[1, 2, 3, 4, 5]", 15, &limits, NULL);
    ck_assert_str_eq(lines, "x.yaml:1:14: error: the file holds more than 5 values; "
                            "split it into several files\n");
    free(lines);
    lines = parse("# 0123456789012345678901234567890", 33, &limits, NULL);
    ck_assert_str_eq(lines,
                     "x.yaml: error: the file has 33 bytes, more than 30; split it "
                     "into several files\n");
    free(lines);
}
END_TEST

START_TEST(yaml_finds_doubles_in_large_maps)
{
    struct buf buf;
    char *lines;

    buf_init(&buf, 0);
    for (int i = 0; i < 50000; i++)
        buf_printf(&buf, "k%d: 1\n", i);
    buf_printf(&buf, "k40000: 2\n<<: {k1: 3, new: 4}\nk3: 5\n");
    lines = parse((char *)buf_head(&buf), buf_len(&buf), NULL, NULL);
    ck_assert_str_eq(lines,
                     "x.yaml:50001:1: error: key 'k40000' comes twice, first at line "
                     "40001, column 1; keep one of the two\n"
                     "x.yaml:50003:1: error: key 'k3' comes twice, first at line 4, "
                     "column 1; keep one of the two\n");
    free(lines);
    buf_finish(&buf);
}
END_TEST

/* Around the size at which a map starts to hash its keys. */
START_TEST(yaml_merges_into_maps_of_any_size)
{
    for (int n = 10; n < 40; n++) {
        struct buf buf;
        struct problems problems;
        struct yaml_document *document;
        const struct yaml_node *map;

        buf_init(&buf, 0);
        buf_printf(&buf, "a: &a {k1: no, k2: no, z1: 1, z2: 2}\nb:\n  <<: *a\n");
        for (int i = 0; i < n; i++)
            buf_printf(&buf, "  k%d: yes\n", i);
        problems_init(&problems);
        document =
            yaml_parse("x", (char *)buf_head(&buf), buf_len(&buf), NULL, &problems);
        ck_assert_ptr_nonnull(document);
        map = yaml_find(yaml_root(document), "b")->node;
        ck_assert_uint_eq(map->n, (size_t)n + 2);
        ck_assert_str_eq(yaml_find(map, "k1")->node->text, "yes");
        ck_assert_str_eq(yaml_find(map, "z2")->node->text, "2");
        ck_assert_ptr_null(yaml_find(map, "<<"));
        yaml_destroy(document);
        problems_finish(&problems);
        buf_finish(&buf);
    }
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, yaml_reads, 0, N_ELEMENTS(values));
    tcase_add_loop_test(tc, yaml_refuses, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, yaml_refuses_nul_bytes);
    tcase_add_test(tc, yaml_y1_laughs_are_refused);
    tcase_add_test(tc, yaml_y1_aliases_of_a_long_text_are_refused);
    tcase_add_test(tc, yaml_y1_merges_are_counted);
    tcase_add_test(tc, yaml_y1_aliases_count_as_depth);
    tcase_add_test(tc, yaml_y1_takes_sixty_thousand_anchors);
    tcase_add_loop_test(tc, yaml_y2_depth_is_bounded, 0, 4);
    tcase_add_test(tc, yaml_y2_takes_a_scalar_of_ten_megabytes);
    tcase_add_test(tc, yaml_bounds_size_and_number);
    tcase_add_test(tc, yaml_finds_doubles_in_large_maps);
    tcase_add_test(tc, yaml_merges_into_maps_of_any_size);
}

int main(void)
{
    return unit_main("yaml_tree", fill);
}
