#include "proto/flat_codec.h"

#include "common/err.h"
#include "common/flat.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "tests/unit/unit.h"

struct sample {
    const char *what;
    const char *bytes;
    size_t n;
    const char *want; /* a letter for each node, NULL: refused */
};

#define BYTES(text) text, sizeof(text) - 1

static const struct sample samples[] = {
    {"nil", BYTES("\xc0"), "n"},
    {"booleans", BYTES("\x92\xc2\xc3"), "lbb"},
    {"numbers", BYTES("\x93\x01\xff\xcb\x3f\xf8\0\0\0\0\0\0"), "liif"},
    {"a string", BYTES("\xa2xy"), "s"},
    {"an empty list", BYTES("\x90"), "l"},
    {"an empty table of Lua", BYTES("\x80"), "e"},
    {"a map",
     BYTES("\x82\xa1"
           "a\x01\xa1"
           "b\x91\xc0"),
     "msisln"},
    {"a key that is a number", BYTES("\x81\x07\xc3"), "msb"},
    {"a key that is a boolean", BYTES("\x81\xc3\xc3"), "msb"},
    {"a key that is a table", BYTES("\x82\x92\x01\x02\xc3\xa1z\x03"), "msbsi"},
    {"a key that is nested tables", BYTES("\x81\x91\x81\x01\x90\xc3"), "msb"},
    {"an error", BYTES("\xc7\x01\x01\xc0"), "o"},
    {"a table twice", BYTES("\x92\x91\x01\xd6\x02\0\0\0\x01"), "lliS"},
    {"a table that was a key", BYTES("\x81\x91\x01\xd6\x02\0\0\0\x01"), "mso"},
    {"a table in itself", BYTES("\x91\xd6\x02\0\0\0\0"), NULL},
    {"a reference to nothing", BYTES("\x91\xd6\x02\0\0\0\x05"), NULL},
    {"a short reference", BYTES("\x91\xd5\x02\0\0"), NULL},
    {"no bytes", BYTES(""), NULL},
    {"cut off", BYTES("\x92\x01"), NULL},
    {"more declared than there", BYTES("\xdd\xff\xff\xff\xff\x01"), NULL},
    {"bytes left over", BYTES("\x01\x02"), NULL},
    {"no type", BYTES("\xc1"), NULL},
};

START_TEST(flat_codec_makes_nodes_of_bytes)
{
    static const char letters[] = {
        [FLAT_NULL] = 'n',   [FLAT_BOOL] = 'b', [FLAT_INT] = 'i', [FLAT_FLOAT] = 'f',
        [FLAT_STRING] = 's', [FLAT_LIST] = 'l', [FLAT_MAP] = 'm', [FLAT_EMPTY] = 'e',
        [FLAT_OTHER] = 'o',  [FLAT_SAME] = 'S'};
    const struct sample *row = &samples[_i];
    struct bytes data = {(const uint8_t *)row->bytes, row->n};
    char got[32] = "";
    struct flat flat;
    struct err err = {0};
    int rc;

    flat_init(&flat);
    rc = flat_decode(data, &flat, &err);
    ck_assert_msg(rc == (row->want == NULL ? -1 : 0), "%s: %s", row->what, err.text);
    for (uint32_t i = 0; rc == 0 && i < flat.n; i++)
        got[i] = letters[flat.nodes[i].type];
    if (rc == 0) {
        ck_assert_msg(strcmp(got, row->want) == 0, "%s: %s", row->what, got);
        ck_assert_uint_eq(flat.nodes[0].next, flat.n);
    } else {
        ck_assert_int_eq(err.kind, ERR_INVALID);
    }
    flat_finish(&flat);
}
END_TEST

START_TEST(flat_codec_gives_keys_their_text)
{
    static const char bytes[] = "\x83\x07\x01\xc2\x01\xcb\x3f\xf8\0\0\0\0\0\0\x01";
    static const char *const want[] = {"7", "false", "1.5"};
    struct bytes data = {(const uint8_t *)bytes, sizeof(bytes) - 1};
    struct flat flat;

    flat_init(&flat);
    ck_assert_int_eq(flat_decode(data, &flat, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) {
        const struct flat_node *key = &flat.nodes[1 + 2 * i];

        ck_assert_uint_eq(key->n, strlen(want[i]));
        ck_assert_mem_eq(key->as.text, want[i], key->n);
    }
    flat_finish(&flat);
}
END_TEST

/* What both ways make of the same tree is the same. */
START_TEST(flat_codec_agrees_with_the_tree)
{
    static const char text[] = "{\"a\": [1, -2, 3.5, \"x\", null, true, [[]]], \"b\": "
                               "{\"c\": {\"d\": 1e300}}}";
    struct value value = {0};
    struct flat tree, bytes;
    uint64_t steps = 1000;
    struct buf buf;

    ck_assert_int_eq(value_read_json(text, sizeof(text) - 1, &value, NULL), 0);
    buf_init(&buf, 0);
    ck_assert(value_encode(&buf, &value));
    flat_init(&tree);
    flat_init(&bytes);
    ck_assert_int_eq(flat_add_value(&tree, &value), 0);
    ck_assert_int_eq(flat_decode(buf_bytes(&buf), &bytes, NULL), 0);
    ck_assert(flat_equal(&tree, 0, &bytes, 0, &steps));
    flat_finish(&tree);
    flat_finish(&bytes);
    buf_finish(&buf);
    value_finish(&value);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, flat_codec_makes_nodes_of_bytes, 0, N_ELEMENTS(samples));
    tcase_add_test(tc, flat_codec_gives_keys_their_text);
    tcase_add_test(tc, flat_codec_agrees_with_the_tree);
}

int main(void)
{
    return unit_main("flat_codec", fill);
}
