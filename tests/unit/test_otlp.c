#include "supervisor/otlp.h"

#include "common/err.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "tests/unit/unit.h"

static struct frame_span example(void)
{
    return (struct frame_span){.trace =
                                   bytes_of_text("4bf92f3577b34da6a3ce929d0e0e4736"),
                               .id = 0xab,
                               .parent = 0xcd,
                               .started_at_ns = 1000000000000000001,
                               .sent_at_ns = 1000000000000000003,
                               .ran_at_ns = 1000000000000000002,
                               .ended_at_ns = 1000000000000000009,
                               .name = bytes_of_text("app:\"f\"\n"),
                               .pid = bytes_of_text("{app:f|0x1}"),
                               .outcome = bytes_of_text("ok")};
}

static struct value read_back(const struct buf *text)
{
    struct value value;
    struct err err;

    ck_assert_msg(
        value_read_json((const char *)buf_head(text), buf_len(text), &value, &err) == 0,
        "%s", err.text);
    return value;
}

static struct value written(const struct frame_span *span)
{
    struct value value;
    struct buf text;

    buf_init(&text, 0);
    ck_assert(otlp_put_span(&text, span));
    value = read_back(&text);
    buf_finish(&text);
    return value;
}

static void assert_text(const struct value *map, const char *key, const char *want)
{
    ck_assert_msg(value_get_text(map, key) != NULL, "%s", key);
    ck_assert_str_eq(value_get_text(map, key), want);
}

/* The text of an attribute of either type; NULL: there is none. */
static const char *attribute(const struct value *span, const char *key)
{
    const struct value *list = value_get(span, "attributes");

    for (size_t i = 0; i < list->as.list.n; i++) {
        const struct value *value = value_get(&list->as.list.items[i], "value");

        if (strcmp(value_get_text(&list->as.list.items[i], "key"), key) == 0)
            return value_get_text(value, "stringValue") != NULL
                       ? value_get_text(value, "stringValue")
                       : value_get_text(value, "intValue");
    }
    return NULL;
}

START_TEST(otlp_writes_a_call_F_53)
{
    struct frame_span span = example();
    struct value got = written(&span);

    assert_text(&got, "traceId", "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_text(&got, "spanId", "00000000000000ab");
    assert_text(&got, "parentSpanId", "00000000000000cd");
    assert_text(&got, "name", "app:\"f\"\n");
    assert_text(&got, "startTimeUnixNano", "1000000000000000001");
    assert_text(&got, "endTimeUnixNano", "1000000000000000009");
    ck_assert_int_eq(value_get_int(&got, "kind", 0), 1);
    ck_assert_int_eq(value_get_int(value_get(&got, "status"), "code", 0), 1);
    ck_assert_str_eq(attribute(&got, "process.pid"), "{app:f|0x1}");
    ck_assert_str_eq(attribute(&got, "frame.id"), "app:\"f\"\n");
    ck_assert_str_eq(attribute(&got, "troupe.queue_ns"), "2");
    ck_assert_str_eq(attribute(&got, "troupe.transit_ns"), "0"); /* never less */
    ck_assert_ptr_null(attribute(&got, "troupe.worker"));
    value_finish(&got);
}
END_TEST

START_TEST(otlp_writes_who_has_no_parent)
{
    struct frame_span span = example();
    struct value got;

    span.parent = 0;
    got = written(&span);
    ck_assert_ptr_null(value_get(&got, "parentSpanId"));
    ck_assert_int_eq(value_get_int(&got, "kind", 0), 2);
    value_finish(&got);
    span.kind = OTLP_MESSAGE;
    got = written(&span);
    ck_assert_int_eq(value_get_int(&got, "kind", 0), 5);
    ck_assert_ptr_null(attribute(&got, "frame.id"));
    value_finish(&got);
}
END_TEST

START_TEST(otlp_writes_single_values_of_the_context_F_53)
{
    static const char big[] = "9223372036854775807";
    struct frame_span span = example();
    struct value values = value_map(), got;
    struct buf bytes;

    value_put(&values, "tenant", value_string("a\"b"));
    value_put(&values, "n", value_int(INT64_MAX));
    value_put(&values, "list", value_list());
    value_put(&values, "not a number", value_float(__builtin_nan("")));
    buf_init(&bytes, 0);
    ck_assert(value_encode(&bytes, &values));
    span.values = buf_bytes(&bytes);
    got = written(&span);
    ck_assert_str_eq(attribute(&got, "ctx.tenant"), "a\"b");
    ck_assert_str_eq(attribute(&got, "ctx.n"), big);
    ck_assert_ptr_null(attribute(&got, "ctx.list"));
    ck_assert_ptr_null(attribute(&got, "ctx.not a number"));
    value_finish(&got);
    span.values.n--; /* malformed: none of them */
    got = written(&span);
    ck_assert_ptr_null(attribute(&got, "ctx.tenant"));
    value_finish(&got);
    value_finish(&values);
    buf_finish(&bytes);
}
END_TEST

START_TEST(otlp_writes_failures)
{
    struct frame_span span = example();
    struct value got;

    span.failed = 1;
    span.outcome = bytes_of_text("timeout");
    span.ended_at_ns = 5; /* a clock that was set back */
    got = written(&span);
    ck_assert_int_eq(value_get_int(value_get(&got, "status"), "code", 0), 2);
    assert_text(value_get(&got, "status"), "message", "timeout");
    assert_text(&got, "endTimeUnixNano", "1000000000000000001");
    value_finish(&got);
}
END_TEST

START_TEST(otlp_writes_requests_within_a_bound)
{
    struct frame_span span = example();
    struct buf spans, request;
    struct value got, *list;
    size_t n = 0, before;

    buf_init(&spans, 8192);
    while (otlp_put_span(&spans, &span))
        n++;
    ck_assert_uint_gt(n, 1);
    before = buf_len(&spans);
    ck_assert(!otlp_put_span(&spans, &span));
    ck_assert_uint_eq(buf_len(&spans), before);
    buf_init(&request, 0);
    ck_assert(otlp_put_request(&request, buf_bytes(&spans), "sh\"op"));
    got = read_back(&request);
    list = value_get(&got, "resourceSpans");
    assert_text(value_get(&value_get(value_get(&list->as.list.items[0], "resource"),
                                     "attributes")
                               ->as.list.items[0],
                          "value"),
                "stringValue", "sh\"op");
    list = value_get(&list->as.list.items[0], "scopeSpans");
    list = value_get(&list->as.list.items[0], "spans");
    ck_assert_uint_eq(list->as.list.n, n);
    value_finish(&got);
    buf_finish(&request);
    buf_finish(&spans);
}
END_TEST

START_TEST(otlp_counts_what_was_refused)
{
    static const struct {
        const char *text;
        uint64_t want;
    } rows[] = {{"", 0},
                {"{}", 0},
                {"nonsense", 0},
                {"[]", 0},
                {"{\"partialSuccess\":{}}", 0},
                {"{\"partialSuccess\":{\"rejectedSpans\":\"7\"}}", 7},
                {"{\"partialSuccess\":{\"rejectedSpans\":7}}", 7},
                {"{\"partialSuccess\":{\"rejectedSpans\":-7}}", 0},
                {"{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}", 0},
                {"{\"partialSuccess\":{\"rejectedSpans\":[7]}}", 0}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        ck_assert_uint_eq(otlp_count_rejected(bytes_of_text(rows[i].text)),
                          rows[i].want);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, otlp_writes_a_call_F_53);
    tcase_add_test(tc, otlp_writes_who_has_no_parent);
    tcase_add_test(tc, otlp_writes_failures);
    tcase_add_test(tc, otlp_writes_single_values_of_the_context_F_53);
    tcase_add_test(tc, otlp_writes_requests_within_a_bound);
    tcase_add_test(tc, otlp_counts_what_was_refused);
}

int main(void)
{
    return unit_main("otlp", fill);
}
