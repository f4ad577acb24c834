#include "proto/trace_context.h"

#include "common/value.h"

#include "proto/context_map.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "tests/unit/unit.h"

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const struct {
    const char *text;
    bool ok;
} texts[] = {
    {PARENT, true},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", true},
    {"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false},
    {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
    {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
    {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01", false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-x1", false},
    {"", false},
};

START_TEST(trace_context_knows_what_is_recorded)
{
    ck_assert_int_eq(trace_check(bytes_of_text(texts[_i].text)), texts[_i].ok);
}
END_TEST

/* A context with n other keys, and under `trace` that text unless it is NULL. */
static struct buf context_of(int n, const char *text)
{
    struct value map = value_map();
    struct buf out;
    char key[2] = "a";

    for (int i = 0; i < n; i++, key[0]++)
        value_put(&map, key, value_string("value"));
    if (text != NULL)
        value_put(&map, TRACE_KEY, value_string(text));
    buf_init(&out, 0);
    ck_assert(payload_encode(&out, &map, 1));
    value_finish(&map);
    return out;
}

static const char *value_of(struct bytes context, const char *key)
{
    static char text[100];
    struct bytes found = context_map_find_text(context, key);

    memcpy(text, found.data, found.n);
    text[found.n] = '\0';
    return text;
}

START_TEST(trace_context_is_found_where_it_was_put)
{
    struct buf inner = context_of(_i, _i % 2 == 0 ? "something else" : NULL), out;
    struct bytes context = _i == 0 ? (struct bytes){NULL, 0} : buf_bytes(&inner);
    const uint8_t *text;

    buf_init(&out, 0);
    buf_append(&out, "before", 6);
    ck_assert_ptr_null(trace_find(context));
    ck_assert(trace_put(&out, context, (const uint8_t *)PARENT));
    buf_consume(&out, 6);
    text = trace_find(buf_bytes(&out));
    ck_assert_ptr_nonnull(text);
    ck_assert_mem_eq(text, PARENT, TRACE_TEXT_BYTES);
    ck_assert_str_eq(value_of(buf_bytes(&out), TRACE_KEY), PARENT);
    if (_i > 0)
        ck_assert_str_eq(value_of(buf_bytes(&out), "a"), "value");
    trace_set_span((uint8_t *)text, 0x123456789abcdef0);
    ck_assert_uint_eq(trace_get_span(text), 0x123456789abcdef0);
    ck_assert_ptr_nonnull(trace_find(buf_bytes(&out)));
    for (size_t n = 0; n < buf_len(&out);
         n++) { /* cut anywhere: nothing, or the same */
        uint8_t *exact = xmalloc(n == 0 ? 1 : n);
        const uint8_t *cut;

        memcpy(exact, buf_head(&out), n);
        cut = trace_find((struct bytes){exact, n});
        ck_assert(cut == NULL || cut - exact == text - buf_head(&out));
        free(exact);
    }
    buf_finish(&inner);
    buf_finish(&out);
}
END_TEST

START_TEST(trace_context_stays_first_when_others_change)
{
    struct buf context = context_of(2, NULL), traced, changed;

    buf_init(&traced, 0);
    buf_init(&changed, 0);
    ck_assert(trace_put(&traced, buf_bytes(&context), (const uint8_t *)PARENT));
    ck_assert(context_map_put_text(&changed, buf_bytes(&traced), "a",
                                   bytes_of_text("other")));
    ck_assert_ptr_nonnull(trace_find(buf_bytes(&changed)));
    buf_finish(&context);
    buf_finish(&traced);
    buf_finish(&changed);
}
END_TEST

START_TEST(trace_context_survives_more_keys_than_anybody_has)
{
    struct buf context = context_of(20, NULL), out;

    buf_init(&out, 0);
    ck_assert(trace_put(&out, buf_bytes(&context), (const uint8_t *)PARENT));
    ck_assert_ptr_null(trace_find(buf_bytes(&out)));
    ck_assert_str_eq(value_of(buf_bytes(&out), TRACE_KEY), PARENT);
    ck_assert_str_eq(value_of(buf_bytes(&out), "t"), "value");
    buf_finish(&context);
    buf_finish(&out);
}
END_TEST

START_TEST(trace_context_is_normalized)
{
    struct buf last = context_of(2, PARENT), bad = context_of(2, "00-1-2-01"), out;
    struct bytes context;

    buf_init(&out, 0);
    ck_assert_ptr_null(trace_find(buf_bytes(&last)));
    context = trace_normalize(buf_bytes(&last), &out);
    ck_assert_ptr_nonnull(trace_find(context));
    ck_assert_ptr_eq(trace_normalize(context, &out).data, context.data);
    buf_clear(&out);
    ck_assert_ptr_eq(trace_normalize(buf_bytes(&bad), &out).data, buf_head(&bad));
    buf_finish(&last);
    buf_finish(&bad);
    buf_finish(&out);
}
END_TEST

START_TEST(trace_context_is_found_in_calls)
{
    struct buf context, frame;
    struct frame_call call = {.target = bytes_of_text("app:function"),
                              .args = bytes_of_text("\0\x90")};
    struct bytes body;

    buf_init(&context, 0);
    buf_init(&frame, 0);
    call.args.n = 2;
    ck_assert(trace_put(&context, (struct bytes){NULL, 0}, (const uint8_t *)PARENT));
    call.context = buf_bytes(&context);
    ck_assert(frame_encode_call(&frame, &call));
    body = (struct bytes){buf_head(&frame) + FRAME_HEADER_BYTES,
                          buf_len(&frame) - FRAME_HEADER_BYTES};
    ck_assert_ptr_nonnull(trace_find_in_call(body));
    for (size_t n = 0; n < body.n; n++) {
        uint8_t *exact = xmalloc(n == 0 ? 1 : n);
        const uint8_t *cut;

        memcpy(exact, body.data, n);
        cut = trace_find_in_call((struct bytes){exact, n});
        ck_assert(cut == NULL || cut + TRACE_TEXT_BYTES <= exact + n);
        free(exact);
    }
    buf_clear(&frame);
    call.context.n = 0;
    ck_assert(frame_encode_call(&frame, &call));
    ck_assert_ptr_null(trace_find_in_call((struct bytes){
        buf_head(&frame) + FRAME_HEADER_BYTES, buf_len(&frame) - FRAME_HEADER_BYTES}));
    buf_finish(&context);
    buf_finish(&frame);
}
END_TEST

START_TEST(trace_context_begins_traces)
{
    uint8_t a[TRACE_TEXT_BYTES], b[TRACE_TEXT_BYTES];

    trace_begin(a);
    trace_begin(b);
    ck_assert(trace_check((struct bytes){a, sizeof(a)}));
    ck_assert(memcmp(a, b, sizeof(a)) != 0);
    ck_assert(trace_is_beginning(a));
    trace_set_span(a, trace_new_span());
    ck_assert(!trace_is_beginning(a));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, trace_context_knows_what_is_recorded, 0, N_ELEMENTS(texts));
    tcase_add_loop_test(tc, trace_context_is_found_where_it_was_put, 0, 5);
    tcase_add_test(tc, trace_context_stays_first_when_others_change);
    tcase_add_test(tc, trace_context_survives_more_keys_than_anybody_has);
    tcase_add_test(tc, trace_context_is_normalized);
    tcase_add_test(tc, trace_context_is_found_in_calls);
    tcase_add_test(tc, trace_context_begins_traces);
}

int main(void)
{
    return unit_main("trace_context", fill);
}
