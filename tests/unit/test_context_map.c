#include "proto/context_map.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "tests/unit/unit.h"

static struct bytes bytes(const char *data, size_t n)
{
    return (struct bytes){(const uint8_t *)data, n};
}

#define BYTES(text) bytes(text, sizeof(text) - 1)

/* {values = {a = 1}, odd = true, 7 = 8} */
#define SAMPLE "\0\x91\x83\xa6values\x81\xa1\x61\x01\xa3odd\xc3\x07\x08"

START_TEST(find_returns_the_bytes_of_one_key)
{
    struct bytes value;

    ck_assert(context_map_find(BYTES(SAMPLE), "values", &value));
    ck_assert_uint_eq(value.n, 4);
    ck_assert_mem_eq(value.data, "\x81\xa1\x61\x01", 4);
    ck_assert(context_map_find(BYTES(SAMPLE), "odd", &value));
    ck_assert(bytes_equal_text(value, "\xc3"));
    ck_assert(!context_map_find(BYTES(SAMPLE), "actor", &value));
    ck_assert(!context_map_find(BYTES(SAMPLE), "value", &value));
    ck_assert(!context_map_find(BYTES(SAMPLE), "", &value));
}
END_TEST

START_TEST(what_is_malformed_reads_as_empty)
{
    const struct bytes bad[] = {
        BYTES(""),
        BYTES("\0"),
        BYTES("\0\x91"),
        BYTES("\0\x90"),
        BYTES("\0\x91\x01"),
        BYTES("\0\x92\x81\xa1k\x01\x01"),
        BYTES("\x01\x91\x81\xa1k\x01"), /* back references */
        BYTES("\0\x91\x81\xa1k"),
        BYTES("\0\x91\xde\0"),
        BYTES("\0\x91\xdf\xff\xff\xff\xff"),
        BYTES("\0\x91\x81\xa9k\x01"),
    };
    struct bytes value;
    struct buf out;

    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        ck_assert_msg(!context_map_find(bad[i], "k", &value), "row %zu", i);
        buf_init(&out, 0);
        ck_assert(context_map_begin(&out, bad[i], NULL, 0));
        ck_assert_uint_eq(buf_len(&out), 3);
        ck_assert_mem_eq(buf_head(&out), "\0\x91\x80", 3);
        buf_finish(&out);
    }
}
END_TEST

static void append_true(struct buf *out, const char *key)
{
    ck_assert(context_map_append_key(out, key));
    ck_assert(buf_append(out, "\xc3", 1));
}

START_TEST(replacing_one_key_leaves_the_others_alone)
{
    static const char *const keys[] = {"values", "actor"};
    struct bytes value;
    struct buf out;

    buf_init(&out, 0);
    ck_assert(context_map_begin(&out, BYTES(SAMPLE), keys, 2));
    append_true(&out, "actor");
    append_true(&out, "values");
    ck_assert(context_map_find(buf_bytes(&out), "values", &value));
    ck_assert(bytes_equal_text(value, "\xc3"));
    ck_assert(context_map_find(buf_bytes(&out), "actor", &value));
    ck_assert(context_map_find(buf_bytes(&out), "odd", &value));
    ck_assert_uint_eq(buf_head(&out)[2], 0x84);
    buf_finish(&out);
}
END_TEST

START_TEST(many_keys_keep_their_number)
{
    struct bytes value, context;
    struct value list;
    struct buf out[2];
    char key[8];

    buf_init(&out[0], 0);
    ck_assert(context_map_begin(&out[0], BYTES(""), NULL, 0));
    for (int i = 0; i < 20; i++) {
        const char *keys[] = {key};

        snprintf(key, sizeof(key), "k%d", i);
        buf_init(&out[1], 0);
        context = buf_bytes(&out[0]);
        ck_assert(context_map_begin(&out[1], context, keys, 1));
        append_true(&out[1], key);
        buf_finish(&out[0]);
        out[0] = out[1];
    }
    ck_assert(context_map_find(buf_bytes(&out[0]), "k0", &value));
    ck_assert(context_map_find(buf_bytes(&out[0]), "k19", &value));
    ck_assert_int_eq(payload_decode(buf_bytes(&out[0]), &list, NULL), 0);
    ck_assert_uint_eq(list.as.list.items[0].as.map.n, 20);
    value_finish(&list);
    buf_finish(&out[0]);
}
END_TEST

START_TEST(a_buffer_without_room_is_told)
{
    static const char *const keys[] = {"x"};
    struct buf out;

    buf_init(&out, 4);
    ck_assert(!context_map_begin(&out, BYTES(SAMPLE), keys, 1));
    buf_finish(&out);
}
END_TEST

/* Of every form that a text's head has, written and read. */
START_TEST(texts_are_read_and_replaced)
{
    static const size_t sizes[] = {0, 31, 32, 255, 256, 70000};
    char *text = calloc(1, 70001);
    struct bytes wanted, found;
    struct buf out[2];

    memset(text, 'a', 70000);
    wanted = (struct bytes){(const uint8_t *)text, sizes[_i]};
    buf_init(&out[0], 0);
    buf_init(&out[1], 0);
    ck_assert(context_map_put_text(&out[0], BYTES(SAMPLE), "via", BYTES("app:x\n")));
    ck_assert(context_map_put_text(&out[1], buf_bytes(&out[0]), "via", wanted));
    found = context_map_find_text(buf_bytes(&out[1]), "via");
    ck_assert_uint_eq(found.n, sizes[_i]);
    ck_assert(found.n == 0 || memcmp(found.data, text, found.n) == 0);
    ck_assert(context_map_find(buf_bytes(&out[1]), "odd", &found));
    ck_assert_uint_eq(context_map_find_text(buf_bytes(&out[1]), "vi").n, 0);
    ck_assert_uint_eq(context_map_find_text(buf_bytes(&out[1]), "values").n, 0);
    buf_finish(&out[0]);
    buf_finish(&out[1]);
    free(text);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, texts_are_read_and_replaced, 0, 6);
    tcase_add_test(tc, find_returns_the_bytes_of_one_key);
    tcase_add_test(tc, what_is_malformed_reads_as_empty);
    tcase_add_test(tc, replacing_one_key_leaves_the_others_alone);
    tcase_add_test(tc, many_keys_keep_their_number);
    tcase_add_test(tc, a_buffer_without_room_is_told);
}

int main(void)
{
    return unit_main("context_map", fill);
}
