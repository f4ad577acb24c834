#include "proto/value_codec.h"

#include <string.h>

#include "common/err.h"

#include "proto/value_skip.h"

#include "tests/unit/unit.h"

/* A literal with its length: the bytes may hold NULs. */
#define BYTES(text) text, sizeof(text) - 1

static void check_json(const struct value *value, const char *want)
{
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(value_write_json(&buf, value, 0));
    ck_assert(buf_append(&buf, "", 1));
    ck_assert_str_eq((char *)buf_head(&buf), want);
    buf_finish(&buf);
}

static const struct {
    const char *bytes;
    size_t n;
    const char *want;
} accepted[] = {
    {BYTES("\xc0"), "null"},
    {BYTES("\xc3"), "true"},
    {BYTES("\x7f"), "127"},
    {BYTES("\xe0"), "-32"},
    {BYTES("\xcc\xff"), "255"},
    {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807"},
    {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "1.8446744073709552e+19"},
    {BYTES("\xd0\x80"), "-128"},
    {BYTES("\xd3\x80\0\0\0\0\0\0\0"), "-9223372036854775808"},
    {BYTES("\xca\x3f\xc0\0\0"), "1.5"},
    {BYTES("\xa3"
           "abc"),
     "\"abc\""},
    {BYTES("\xc4\x02hi"), "\"hi\""},
    {BYTES("\xd9\x01x"), "\"x\""},
    {BYTES("\x92\x01\x90"), "[1,[]]"},
    {BYTES("\xdc\0\x01\x05"), "[5]"},
    {BYTES("\x82\xa1k\x01\x07\x80"), "{\"k\":1,\"7\":{}}"},
    {BYTES("\x82\xa1k\x01\xa1k\x02"), "{\"k\":2}"},
    {BYTES("\xc7\x0d\x01\x94\xa7Invalid\xa1m\xc2\xc0"),
     "{\"kind\":\"Invalid\",\"message\":\"m\",\"retryable\":false,\"details\":null}"},
    /* {{x = 1}, ref to the inner table, ref again} */
    {BYTES("\x93\x81\xa1x\x01\xd6\x02\0\0\0\x01\xd6\x02\0\0\0\x01"),
     "[{\"x\":1},{\"x\":1},{\"x\":1}]"},
    /* {{{}, ref to it}, ref to that} */
    {BYTES("\x92\x92\x90\xd6\x02\0\0\0\x02\xd6\x02\0\0\0\x01"), "[[[],[]],[[],[]]]"},
};

START_TEST(value_decode_reads)
{
    struct value value = {0};
    struct err err = {0};

    ck_assert_msg(value_decode((const uint8_t *)accepted[_i].bytes, accepted[_i].n,
                               NULL, &value, &err) == 0,
                  "%s: %s", accepted[_i].want, err.text);
    check_json(&value, accepted[_i].want);
    value_finish(&value);
}
END_TEST

/* Every proper prefix is cut off. */
START_TEST(value_decode_refuses_prefixes)
{
    for (size_t n = 0; n < accepted[_i].n; n++) {
        struct value value = {0};
        struct err err = {0};
        uint8_t *copy = malloc(n == 0 ? 1 : n); /* for ASan: ends where it ends */

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, accepted[_i].bytes, n);
        ck_assert_int_eq(value_decode(copy, n, NULL, &value, &err), -1);
        ck_assert_int_eq(value.type, VALUE_NIL);
        free(copy);
    }
}
END_TEST

static const struct {
    const char *bytes;
    size_t n;
    const char *want;
} refused[] = {
    {BYTES("\xdd\xff\xff\xff\xff"), "declares more"}, /* M1 */
    {BYTES("\xdf\x05\xf5\xe1\0"), "declares more"},
    {BYTES("\xdb\xff\xff\xff\xff"), "declares more"},
    {BYTES("\xc6\0\x01\x86\xa0x"), "declares more"},
    {BYTES("\xc9\xff\xff\xff\xff\x01"), "declares more"},
    {BYTES("\xc1"), "no type"},
    {BYTES("\x01\x01"), "left over"},
    {BYTES("\x81\x90\x01"), "neither text nor an integer"},
    {BYTES("\x81\xc3\x01"), "neither text nor an integer"},
    {BYTES("\x81\xa2k\0\x01"), "NUL"},
    {BYTES("\xd4\x05x"), "unknown ext"},
    {BYTES("\x91\xd6\x02\0\0\0\0"), "contains itself"},
    {BYTES("\x91\xd6\x02\0\0\0\x09"), "isn't there"},
    {BYTES("\xd5\x01\x90\x01"), "four fields"},
    {BYTES("\x92\xc7\x05\x01\x94\xc0\xc0\xc0\xc0\x01\x02"), "left over"},
    {BYTES("\x92\xc7\x06\x01\x94\xc0\xc0\xc0\xc0\x02"), "ends where"},
};

START_TEST(value_decode_refuses)
{
    struct value value = value_int(7);
    struct err err = {0};

    ck_assert_int_eq(value_decode((const uint8_t *)refused[_i].bytes, refused[_i].n,
                                  NULL, &value, &err),
                     -1);
    ck_assert_msg(strstr(err.text, refused[_i].want) != NULL, "%s", err.text);
    ck_assert_int_eq(value.as.integer, 7);
}
END_TEST

START_TEST(value_decode_bounds_depth) /* M2 */
{
    uint8_t bytes[VALUE_MAX_DEPTH + 2];
    struct value value = {0};
    struct err err = {0};

    memset(bytes, 0x91, sizeof(bytes));
    bytes[VALUE_MAX_DEPTH] = 0xc0;
    ck_assert_int_eq(value_decode(bytes, VALUE_MAX_DEPTH + 1, NULL, &value, &err), 0);
    value_finish(&value);
    bytes[VALUE_MAX_DEPTH] = 0x91;
    bytes[VALUE_MAX_DEPTH + 1] = 0xc0;
    ck_assert_int_eq(value_decode(bytes, VALUE_MAX_DEPTH + 2, NULL, &value, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "too deep"));
}
END_TEST

/* Shared tables that double at each step: 2^60 values if nobody counted. */
START_TEST(value_decode_counts_copies_too)
{
    struct buf buf;
    struct value value = {0};
    struct err err = {0};

    buf_init(&buf, 0);
    buf_append(&buf, "\xdc\0\x3c\x91\x01", 5);
    for (uint8_t i = 1; i < 60; i++) {
        const uint8_t both[] = {0x92, 0xd6, 2, 0, 0, 0, i, 0xd6, 2, 0, 0, 0, i};

        buf_append(&buf, both, sizeof(both));
    }
    ck_assert_int_eq(value_decode(buf_head(&buf), buf_len(&buf), NULL, &value, &err),
                     -1);
    ck_assert_ptr_nonnull(strstr(err.text, "too "));
    buf_finish(&buf);
}
END_TEST

/* Six bytes each that stand for a long text. */
START_TEST(value_decode_counts_the_bytes_of_copies_too) /* M1 */
{
    static const uint8_t reference[] = {0xd6, 2, 0, 0, 0, 1};
    static const uint8_t zeros[1 << 16];
    struct value value = {0};
    struct err err = {0};
    struct buf buf;

    buf_init(&buf, 0);
    buf_append(&buf, "\xdc\x7f\xff\x91\xc6\0\x01\0\0", 9);
    buf_append(&buf, zeros, sizeof(zeros));
    for (int i = 1; i < 0x7fff; i++)
        buf_append(&buf, reference, sizeof(reference));
    ck_assert_int_eq(value_decode(buf_head(&buf), buf_len(&buf), NULL, &value, &err),
                     -1);
    ck_assert_ptr_nonnull(strstr(err.text, "by reference"));
    buf_finish(&buf);
}
END_TEST

START_TEST(value_decode_bounded_tells_too_large_from_wrong)
{
    static const uint8_t three[] = {0x93, 1, 2, 0xa3, 'a', 'b', 'c'};
    struct bytes bytes = {three, sizeof(three)};
    struct value value = {0};
    struct err err = {0};

    ck_assert_int_eq(value_decode_bounded(bytes, 4 * VALUE_WEIGHT + 3, &value, &err),
                     0);
    check_json(&value, "[1,2,\"abc\"]");
    value_finish(&value);
    ck_assert_int_eq(value_decode_bounded(bytes, 4 * VALUE_WEIGHT + 2, &value, &err),
                     -1);
    ck_assert_int_eq(err.kind, ERR_LIMIT_EXCEEDED);
    bytes.n--;
    ck_assert_int_eq(value_decode_bounded(bytes, 4 * VALUE_WEIGHT + 3, &value, &err),
                     -1);
    ck_assert_int_eq(err.kind, ERR_INVALID);
}
END_TEST

START_TEST(value_decode_merges_keys_of_large_maps)
{
    struct buf buf;
    struct value value = {0};
    struct err err = {0};

    buf_init(&buf, 0);
    buf_append(&buf, "\xdf\0\0\x9c\x40", 5); /* 40000 */
    for (int i = 0; i < 40000; i++) {
        const uint8_t pair[] = {0xa2, 'a' + i % 20, 'a' + i / 20 % 10, i & 0x7f};

        buf_append(&buf, pair, sizeof(pair));
    }
    ck_assert_int_eq(value_decode(buf_head(&buf), buf_len(&buf), NULL, &value, &err),
                     0);
    ck_assert_uint_eq(value.as.map.n, 200);
    ck_assert_int_eq(value_get_int(&value, "tj", 0), 39999 & 0x7f);
    buf_finish(&buf);
    value_finish(&value);
}
END_TEST

START_TEST(value_encode_makes_the_round_trip)
{
    static const char text[] =
        "{\"a\":[0,127,128,255,256,65535,65536,-1,-32,-33,-128,-129,-32768,-32769,"
        "2147483647,2147483648,-2147483648,-2147483649,9223372036854775807,1.5,null,"
        "true,false,\"0123456789012345678901234567890\","
        "\"01234567890123456789012345678901\"],\"b\":{\"c\":{}},"
        "\"list\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}";
    static const char zeros[70000];
    struct value value, back = {0};
    struct err err = {0};
    struct buf buf;

    ck_assert_int_eq(value_read_json(text, strlen(text), &value, &err), 0);
    value_append(value_get(&value, "list"), value_bytes(zeros, sizeof(zeros)));
    buf_init(&buf, 0);
    ck_assert(value_encode(&buf, &value));
    ck_assert_msg(value_decode(buf_head(&buf), buf_len(&buf), NULL, &back, &err) == 0,
                  "%s", err.text);
    ck_assert(value_equal(&value, &back));
    value_finish(&value);
    value_finish(&back);
    buf_finish(&buf);
}
END_TEST

START_TEST(value_encode_leaves_nothing_when_there_is_no_room)
{
    struct value value = value_list();
    struct buf buf;

    for (int i = 0; i < 100; i++)
        value_append(&value, value_int(1000000));
    buf_init(&buf, 64);
    buf_append(&buf, "xy", 2);
    ck_assert(!value_encode(&buf, &value));
    ck_assert(!payload_encode(&buf, &value, 1));
    ck_assert_uint_eq(buf_len(&buf), 2);
    buf_finish(&buf);
    value_finish(&value);
}
END_TEST

START_TEST(payload_makes_the_round_trip)
{
    struct value items[2] = {value_int(3), value_string("x")}, list = {0};
    struct err err = {0};
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(payload_encode(&buf, items, 2));
    ck_assert_int_eq(payload_decode(buf_bytes(&buf), &list, &err), 0);
    check_json(&list, "[3,\"x\"]");
    value_finish(&list);
    ck_assert_int_eq(payload_decode((struct bytes){NULL, 0}, &list, &err), 0);
    check_json(&list, "[]");
    value_finish(&list);
    ck_assert_int_eq(
        payload_decode((struct bytes){(const uint8_t *)"\x02\x90", 2}, &list, &err),
        -1);
    ck_assert_int_eq(
        payload_decode((struct bytes){(const uint8_t *)"\0\x80", 2}, &list, &err), -1);
    value_finish(&items[1]);
    buf_finish(&buf);
}
END_TEST

START_TEST(errors_make_the_round_trip)
{
    struct err why, back = {0}, err = {0};
    struct buf buf;

    buf_init(&buf, 0);
    err_set(&why, ERR_UNAVAILABLE, "worker '%s' died", "app:math");
    ck_assert(error_encode(&buf, &why));
    ck_assert_int_eq(error_decode(buf_bytes(&buf), &back, &err), 0);
    ck_assert_int_eq(back.kind, ERR_UNAVAILABLE);
    ck_assert_int_eq(back.retryable, RETRY_YES);
    ck_assert_str_eq(back.text, "worker 'app:math' died");
    ck_assert_int_eq(
        error_decode((struct bytes){(const uint8_t *)"\x90", 1}, &back, &err), -1);
    buf_finish(&buf);
}
END_TEST

/* ---- skipping -------------------------------------------------------------------- */

START_TEST(value_skip_finds_the_end)
{
    uint8_t bytes[64];
    size_t n = accepted[_i].n;
    struct bytes rest = {bytes, n + 3}, value = {0};

    memcpy(bytes, accepted[_i].bytes, n);
    memcpy(bytes + n, "\x93\xff\xc1", 3); /* not its business */
    ck_assert(value_skip(&rest, &value));
    ck_assert_ptr_eq(value.data, bytes);
    ck_assert_uint_eq(value.n, n);
    ck_assert_ptr_eq(rest.data, bytes + n);
    ck_assert_uint_eq(rest.n, 3);
    for (size_t cut = 0; cut < n; cut++) {
        rest = (struct bytes){bytes, cut};
        ck_assert(!value_skip(&rest, &value));
        ck_assert_uint_eq(rest.n, cut);
    }
}
END_TEST

/* With zeros behind it: a value that begins with any marker ends where the decoder
 * says it does. */
START_TEST(value_skip_knows_every_marker)
{
    uint8_t bytes[64] = {(uint8_t)_i};
    struct bytes rest = {bytes, sizeof(bytes)}, value = {0};
    struct value decoded = {0};
    size_t used = 0;
    bool is_ext = (_i >= 0xc7 && _i <= 0xc9) || (_i >= 0xd4 && _i <= 0xd8);

    ck_assert(value_skip(&rest, &value) == (_i != 0xc1));
    if (_i == 0xc1 || is_ext ||
        value_decode(bytes, sizeof(bytes), &used, &decoded, NULL) == -1)
        return;
    ck_assert_uint_eq(value.n, used);
    value_finish(&decoded);
}
END_TEST

static const struct {
    const char *bytes;
    size_t n;
} not_whole[] = {
    {BYTES("")},
    {BYTES("\xc1")},
    {BYTES("\xdd\xff\xff\xff\xff\x01")},
    {BYTES("\xdf\xff\xff\xff\xff\x01\x01")},
    {BYTES("\xdb\xff\xff\xff\xffx")},
    {BYTES("\xc9\xff\xff\xff\xff\x01x")},
    {BYTES("\x91\x91\x91\x91")},
    {BYTES("\xd8\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
};

START_TEST(value_skip_refuses)
{
    struct bytes rest = {(const uint8_t *)not_whole[_i].bytes, not_whole[_i].n};
    struct bytes value = {0};

    ck_assert(!value_skip(&rest, &value));
    ck_assert_ptr_null(value.data);
    ck_assert_uint_eq(rest.n, not_whole[_i].n);
}
END_TEST

START_TEST(payload_splits)
{
    struct bytes values;
    uint8_t graph = 9;
    uint32_t n = 9;

    ck_assert(payload_split((struct bytes){NULL, 0}, &graph, &n, &values));
    ck_assert(graph == 0 && n == 0 && values.n == 0);
    ck_assert(payload_split((struct bytes){(const uint8_t *)"\x01\x92\x05\x06", 4},
                            &graph, &n, &values));
    ck_assert(graph == 1 && n == 2 && values.n == 2);
    ck_assert(payload_split((struct bytes){(const uint8_t *)"\0\xdc\0\x01\x05", 5},
                            &graph, &n, &values));
    ck_assert(graph == 0 && n == 1 && values.n == 1);
    ck_assert(!payload_split((struct bytes){(const uint8_t *)"\x02\x90", 2}, &graph, &n,
                             &values));
    ck_assert(!payload_split((struct bytes){(const uint8_t *)"\0\x80", 2}, &graph, &n,
                             &values));
    ck_assert(!payload_split((struct bytes){(const uint8_t *)"\0\xdd\0", 3}, &graph, &n,
                             &values));
    ck_assert(
        !payload_split((struct bytes){(const uint8_t *)"\0", 1}, &graph, &n, &values));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, value_decode_reads, 0, N_ELEMENTS(accepted));
    tcase_add_loop_test(tc, value_decode_refuses_prefixes, 0, N_ELEMENTS(accepted));
    tcase_add_loop_test(tc, value_decode_refuses, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, value_decode_bounds_depth);
    tcase_add_test(tc, value_decode_counts_copies_too);
    tcase_add_test(tc, value_decode_counts_the_bytes_of_copies_too);
    tcase_add_test(tc, value_decode_bounded_tells_too_large_from_wrong);
    tcase_add_test(tc, value_decode_merges_keys_of_large_maps);
    tcase_add_test(tc, value_encode_makes_the_round_trip);
    tcase_add_test(tc, value_encode_leaves_nothing_when_there_is_no_room);
    tcase_add_test(tc, payload_makes_the_round_trip);
    tcase_add_test(tc, errors_make_the_round_trip);
    tcase_add_loop_test(tc, value_skip_finds_the_end, 0, N_ELEMENTS(accepted));
    tcase_add_loop_test(tc, value_skip_knows_every_marker, 0, 256);
    tcase_add_loop_test(tc, value_skip_refuses, 0, N_ELEMENTS(not_whole));
    tcase_add_test(tc, payload_splits);
}

int main(void)
{
    return unit_main("value_codec", fill);
}
