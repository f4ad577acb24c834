#include "common/value.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/utf8.h"

#include "tests/unit/unit.h"

static struct value read_json(const char *text)
{
    struct value value = {0};
    struct err err;

    ck_assert_msg(value_read_json(text, strlen(text), &value, &err) == 0, "%s: %s",
                  text, err.text);
    return value;
}

static void check_json(const struct value *value, int indent, const char *want)
{
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(value_write_json(&buf, value, indent));
    ck_assert(buf_append(&buf, "", 1));
    ck_assert_str_eq((char *)buf_head(&buf), want);
    buf_finish(&buf);
}

static const struct {
    const char *in, *out;
} round_trips[] = {
    {"null", "null"},
    {"[]", "[]"},
    {"{}", "{}"},
    {" { \"b\" : [1, 2.5, {}], \"a\" : {\"x\": null} } ",
     "{\"b\":[1,2.5,{}],\"a\":{\"x\":null}}"},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"1.0", "1"},
    {"0.1", "0.1"},
    {"1e300", "1e+300"},
    {"\"a\\u0000b\\u001f\\\"\\\\/\\n\"", "\"a\\u0000b\\u001f\\\"\\\\/\\n\""},
    {"\"\\ud83d\\ude00 \xc3\xa4\"", "\"\xf0\x9f\x98\x80 \xc3\xa4\""},
};

START_TEST(value_json_makes_the_round_trip)
{
    struct value value = read_json(round_trips[_i].in);

    check_json(&value, 0, round_trips[_i].out);
    value_finish(&value);
}
END_TEST

START_TEST(value_json_indents)
{
    struct value value = read_json("{\"a\":[1,{}],\"b\":[]}");

    check_json(&value, 2, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
    value_finish(&value);
}
END_TEST

/* Overlong, surrogate, beyond the last code point, cut off, a lone tail. */
static const char *const malformed[] = {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                        "\xe2\x82", "\x80",         "\xff"};

START_TEST(value_json_replaces_what_is_no_utf8)
{
    struct value value = value_string(malformed[_i]);
    struct buf buf;

    ck_assert_uint_eq(utf8_valid_bytes(malformed[_i], strlen(malformed[_i])), 0);
    buf_init(&buf, 0);
    ck_assert(value_write_json(&buf, &value, 0));
    ck_assert_uint_eq(utf8_valid_bytes((char *)buf_head(&buf), buf_len(&buf)),
                      buf_len(&buf));
    ck_assert_int_eq(memcmp(buf_head(&buf), "\"\\ufffd", 7), 0);
    buf_finish(&buf);
    value_finish(&value);
}
END_TEST

START_TEST(value_json_stops_at_the_bound_of_its_buffer)
{
    struct value value = read_json("[\"0123456789012345678901234567890123456789\"]");
    struct buf buf;

    buf_init(&buf, 16);
    ck_assert(!value_write_json(&buf, &value, 0));
    buf_finish(&buf);
    value_finish(&value);
}
END_TEST

static const struct {
    const char *text, *want;
} refused[] = {
    {"", "line 1"},      {"{\"a\":1,\n \"a\":2}", "line 2"},      {"[1,]", "column"},
    {"[1] 2", "line 1"}, {"18446744073709551616", "big integer"}, {"\"\xff\"", "0xff"},
};

START_TEST(value_json_refuses)
{
    struct value value = value_int(7);
    struct err err = {0};

    ck_assert_int_eq(
        value_read_json(refused[_i].text, strlen(refused[_i].text), &value, &err), -1);
    ck_assert_msg(strstr(err.text, refused[_i].want) != NULL, "%s", err.text);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_int_eq(value.as.integer, 7);
}
END_TEST

START_TEST(value_json_bounds_nesting)
{
    char text[2 * (VALUE_MAX_DEPTH + 1)];
    struct value value = {0};
    struct err err;

    memset(text, '[', VALUE_MAX_DEPTH);
    memset(text + VALUE_MAX_DEPTH, ']', VALUE_MAX_DEPTH);
    ck_assert_int_eq(value_read_json(text, 2 * VALUE_MAX_DEPTH, &value, &err), 0);
    value_finish(&value);
    memset(text, '[', VALUE_MAX_DEPTH + 1);
    memset(text + VALUE_MAX_DEPTH + 1, ']', VALUE_MAX_DEPTH + 1);
    ck_assert_int_eq(value_read_json(text, sizeof(text), &value, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "nested"));
}
END_TEST

START_TEST(value_containers_work)
{
    struct value map = value_map(), *place;

    value_put(&map, "a", value_int(1));
    value_put(&map, "b", value_string("x"));
    value_put(&map, "a", value_bool(true));
    ck_assert_uint_eq(map.as.map.n, 2);
    ck_assert(value_get_bool(&map, "a", false));
    ck_assert_int_eq(value_get_int(&map, "a", -3), -3);
    ck_assert_str_eq(value_get_text(&map, "b"), "x");
    ck_assert_ptr_null(value_get_text(&map, "a"));
    ck_assert_ptr_null(value_get(NULL, "a"));
    place = value_put_n(&map, "chop", 1, value_map());
    value_put(place, "d", value_int(5));
    ck_assert_int_eq(value_get_path(&map, "c.d")->as.integer, 5);
    ck_assert_ptr_null(value_get_path(&map, "c.d.e"));
    ck_assert_ptr_null(value_get_path(&map, "b.d"));
    ck_assert(value_remove(&map, "a"));
    ck_assert(!value_remove(&map, "a"));
    check_json(&map, 0, "{\"b\":\"x\",\"c\":{\"d\":5}}");
    value_finish(&map);
    ck_assert_int_eq(map.type, VALUE_NIL);
}
END_TEST

START_TEST(value_copies_are_equal_and_apart)
{
    struct value a = read_json("{\"a\":[1,[2,{\"x\":\"y\"}],null,true],\"b\":{}}");
    struct value b = value_copy(&a);
    struct value c = read_json("{\"b\":{},\"a\":[1,[2,{\"x\":\"y\"}],null,true]}");

    ck_assert(value_equal(&a, &b));
    ck_assert(value_equal(&a, &c));
    value_put(&value_get(&b, "a")->as.list.items[1].as.list.items[1], "x",
              value_string("z"));
    ck_assert(!value_equal(&a, &b));
    value_put(&c, "d", value_int(1));
    ck_assert(!value_equal(&a, &c));
    value_finish(&a);
    value_finish(&b);
    value_finish(&c);
}
END_TEST

/* As deep as no stack would be. */
START_TEST(value_trees_may_be_deep)
{
    struct value root = value_list(), *at = &root, copy;

    for (int i = 0; i < 200000; i++)
        at = value_append(at, value_list());
    copy = value_copy(&root);
    ck_assert(value_equal(&root, &copy));
    value_finish(&root);
    value_finish(&copy);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, value_json_makes_the_round_trip, 0,
                        N_ELEMENTS(round_trips));
    tcase_add_test(tc, value_json_indents);
    tcase_add_loop_test(tc, value_json_replaces_what_is_no_utf8, 0,
                        N_ELEMENTS(malformed));
    tcase_add_test(tc, value_json_stops_at_the_bound_of_its_buffer);
    tcase_add_loop_test(tc, value_json_refuses, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, value_json_bounds_nesting);
    tcase_add_test(tc, value_containers_work);
    tcase_add_test(tc, value_copies_are_equal_and_apart);
    tcase_add_test(tc, value_trees_may_be_deep);
}

int main(void)
{
    return unit_main("value", fill);
}
