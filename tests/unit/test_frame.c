#include "proto/frame.h"

#include "tests/unit/unit.h"

#include "common/err.h"

static struct bytes text(const char *data)
{
    return bytes_of_text(data);
}

/* The body of the first frame in buf. */
static struct bytes body_of(struct buf *buf, uint8_t *type_out)
{
    uint32_t n = 0;

    ck_assert_int_eq(
        frame_peek(buf_head(buf), buf_len(buf), 1 << 20, type_out, &n, NULL), 1);
    ck_assert_uint_eq(buf_len(buf), n + FRAME_HEADER_BYTES);
    return (struct bytes){buf_head(buf) + FRAME_HEADER_BYTES, n};
}

static void encode_call(struct buf *buf)
{
    struct frame_call call = {.call = 7,
                              .deadline_at_ns = UINT64_MAX,
                              .caller = 0x0102030405060708,
                              .target = text("app:add"),
                              .context = text(""),
                              .options = text("\x01"),
                              .args = text("\x00\x92\x01\x02")};

    call.args.n = 4;
    buf_init(buf, 0);
    ck_assert(frame_encode_call(buf, &call));
}

START_TEST(frame_gives_back_what_was_encoded)
{
    struct frame_call got;
    struct err err;
    struct buf buf;
    uint8_t type;

    encode_call(&buf);
    ck_assert_int_eq(frame_decode_call(body_of(&buf, &type), &got, &err), 0);
    ck_assert_int_eq(type, FRAME_CALL);
    ck_assert_uint_eq(got.call, 7);
    ck_assert(got.deadline_at_ns == UINT64_MAX && got.caller == 0x0102030405060708);
    ck_assert(bytes_equal_text(got.target, "app:add"));
    ck_assert_uint_eq(got.context.n, 0);
    ck_assert(bytes_equal_text(got.options, "\x01"));
    ck_assert_uint_eq(got.args.n, 4);
    ck_assert_uint_eq(wire_get_u64(body_of(&buf, &type).data + FRAME_FIRST_U64), 7);
    buf_finish(&buf);
}
END_TEST

START_TEST(frame_refuses_every_cut_and_every_surplus_byte)
{
    struct frame_watch watch = {1, 2, 3, WATCH_LINK, text("app:host"), 0}, got;
    struct err err;
    struct bytes body;
    struct buf buf;
    uint8_t type;

    buf_init(&buf, 0);
    ck_assert(frame_encode_watch(&buf, &watch));
    ck_assert(buf_append(&buf, "x", 1));
    body = (struct bytes){buf_head(&buf) + FRAME_HEADER_BYTES,
                          buf_len(&buf) - FRAME_HEADER_BYTES - 1};
    ck_assert_int_eq(
        frame_peek(buf_head(&buf), buf_len(&buf), 4096, &type, &(uint32_t){0}, NULL),
        1);
    ck_assert_int_eq(frame_decode_watch(body, &got, &err), 0);
    got.call = 99;
    for (size_t n = 0; n <= body.n + 1; n++) {
        /* Of its size: what is read behind it is seen by whoever watches memory. */
        uint8_t *cut = xmalloc(n + (n == 0));

        memcpy(cut, body.data, n);
        if (n != body.n) {
            ck_assert_int_eq(frame_decode_watch((struct bytes){cut, n}, &got, &err),
                             -1);
            ck_assert_int_eq(err.kind, ERR_INVALID);
        }
        ck_assert_uint_eq(got.call, 99); /* outputs stay untouched on failure */
        free(cut);
    }
    buf_finish(&buf);
}
END_TEST

START_TEST(frame_refuses_fields_of_another_type)
{
    static const struct {
        size_t at;
        const char *field;
    } markers[] = {
        {0, "'call'"}, {9, "'watcher'"},       {18, "'target'"},
        {27, "'op'"},  {29, "'watcher_host'"},
    };
    struct frame_watch watch = {1, 2, 3, WATCH_LINK, text("app:host"), 0}, got;
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(frame_encode_watch(&buf, &watch));
    buf_consume(&buf, FRAME_HEADER_BYTES);
    for (size_t i = 0; i < N_ELEMENTS(markers); i++) {
        struct err err = {0};

        buf_head(&buf)[markers[i].at] ^= 1;
        ck_assert_int_eq(frame_decode_watch(buf_bytes(&buf), &got, &err), -1);
        ck_assert_msg(strstr(err.text, markers[i].field) != NULL, "%s", err.text);
        buf_head(&buf)[markers[i].at] ^= 1;
    }
    ck_assert_int_eq(frame_decode_watch(buf_bytes(&buf), &got, NULL), 0);
    buf_finish(&buf);
}
END_TEST

static const struct {
    const char *why, *bytes, *want;
    size_t n;
} refused[] = {
    {"M1: array of 10^8", "\xdd\x05\xf5\xe1\x00\x00", "not a frame", 6},
    {"M1: map of 2^32-1", "\xdf\xff\xff\xff\xff\x00", "not a frame", 6},
    {"M1: text of 2^32-1", "\xdb\xff\xff\xff\xff\x00", "not a frame", 6},
    {"M1: bin, seen from its first byte", "\xc6", "not a frame", 1},
    {"a frame of 4 GB", "\xc9\xff\xff\xff\xff\x10", "over the limit", 6},
    {"one byte too long", "\xc9\x00\x10\x00\x01\x10", "over the limit", 6},
};

START_TEST(frame_peek_refuses)
{
    struct err err = {0};
    uint8_t type = 0xee;
    uint32_t n = 77;

    ck_assert_int_eq(frame_peek((const uint8_t *)refused[_i].bytes, refused[_i].n,
                                1 << 20, &type, &n, &err),
                     -1);
    ck_assert_msg(strstr(err.text, refused[_i].want), "%s: %s", refused[_i].why,
                  err.text);
    ck_assert_uint_eq(type, 0xee);
    ck_assert_uint_eq(n, 77);
}
END_TEST

START_TEST(frame_peek_waits_for_six_bytes)
{
    struct buf buf;
    uint8_t type;
    uint32_t n;

    encode_call(&buf);
    for (size_t i = 0; i < FRAME_HEADER_BYTES; i++)
        ck_assert_int_eq(frame_peek(buf_head(&buf), i, 1 << 20, &type, &n, NULL), 0);
    buf_finish(&buf);
}
END_TEST

START_TEST(frame_encode_refuses_long_text)
{
    static char big[STR_MAX_BYTES + 2];
    struct frame_send send = {.topic = {(const uint8_t *)big, STR_MAX_BYTES + 1}};
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(!frame_encode_send(&buf, &send));
    ck_assert_uint_eq(buf_len(&buf), 0);
    send.topic.n--;
    ck_assert(frame_encode_send(&buf, &send));
    buf_finish(&buf);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, frame_gives_back_what_was_encoded);
    tcase_add_test(tc, frame_refuses_every_cut_and_every_surplus_byte);
    tcase_add_test(tc, frame_refuses_fields_of_another_type);
    tcase_add_loop_test(tc, frame_peek_refuses, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, frame_peek_waits_for_six_bytes);
    tcase_add_test(tc, frame_encode_refuses_long_text);
}

int main(void)
{
    return unit_main("frame", fill);
}
