#include "supervisor/spans_private.h"

#include <ev.h>

#include "common/buf.h"
#include "common/err.h"

#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/system.h"

#include "tests/unit/unit.h"

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static struct supervisor sup;

static void setup(void)
{
    sup = (struct supervisor){.loop = ev_loop_new(0)};
    sup.system = system_create(&sup);
    sup.spans = spans_create(&sup, 3, 0);
}

static void teardown(void)
{
    spans_destroy(sup.spans);
    system_destroy(sup.system);
    ev_loop_destroy(sup.loop);
}

static uint64_t begin(const char *name)
{
    struct bytes text = {(const uint8_t *)name, strlen(name)};

    return spans_begin_call(sup.spans, text, (const uint8_t *)PARENT);
}

START_TEST(spans_tell_where_time_went)
{
    uint64_t handle = begin("app:f");
    const struct span *span = spans_find(sup.spans, handle);
    struct buf error;
    struct err err;

    ck_assert_uint_eq(span->parent, 0x00f067aa0ba902b7);
    ck_assert_str_eq(span->trace, "4bf92f3577b34da6a3ce929d0e0e4736");
    ck_assert_uint_eq(spans_note_sent(sup.spans, handle, NULL), span->id);
    ck_assert_ptr_eq(spans_find_id(sup.spans, span->id), span);
    err_set(&err, ERR_TIMEOUT, "too late");
    buf_init(&error, 0);
    error_encode(&error, &err);
    spans_end_call(sup.spans, handle, "error", buf_bytes(&error));
    spans_end_call(sup.spans, handle, "ok", (struct bytes){NULL, 0});
    ck_assert(span->ended);
    ck_assert_str_eq(span->outcome, "error");
    ck_assert_str_eq(span->error, "Timeout: too late");
    ck_assert_int_le(span->started_at_ns, span->sent_at_ns);
    ck_assert_int_le(span->sent_at_ns, span->ended_at_ns);
    buf_finish(&error);
}
END_TEST

START_TEST(spans_survive_being_overwritten)
{
    uint64_t first = begin("a"), second, id = spans_find(sup.spans, first)->id;

    second = begin("b");
    begin("c");
    ck_assert_ptr_nonnull(spans_find(sup.spans, first));
    begin("d");
    ck_assert_ptr_null(spans_find(sup.spans, first));
    ck_assert_ptr_null(spans_find_id(sup.spans, id));
    ck_assert_uint_eq(spans_note_sent(sup.spans, first, NULL), 0);
    spans_end_call(sup.spans, first, "ok", (struct bytes){NULL, 0});
    ck_assert(!spans_find(sup.spans, second)->ended);
    ck_assert_ptr_null(spans_find(sup.spans, 0));
}
END_TEST

START_TEST(spans_lost_are_those_that_had_not_ended)
{
    struct spans_figures figures;
    uint64_t second;

    begin("a");
    second = begin("b");
    begin("c");
    spans_get_figures(sup.spans, &figures);
    ck_assert_uint_eq(figures.n_lost, 0);
    begin("d"); /* there is room for three */
    spans_end_call(sup.spans, second, "ok", (struct bytes){NULL, 0});
    begin("e");
    spans_get_figures(sup.spans, &figures);
    ck_assert_uint_eq(figures.n_lost, 1);
}
END_TEST

START_TEST(spans_cut_long_names_at_characters)
{
    char name[SPAN_NAME_BYTES + 10];
    const struct span *span;

    memset(name, 'x', sizeof(name));
    memcpy(name + SPAN_NAME_BYTES - 2, "\xc3\xa9", 3);
    span = spans_find(sup.spans, begin(name));
    ck_assert_uint_eq(strlen(span->name), SPAN_NAME_BYTES - 2);
}
END_TEST

START_TEST(spans_draw_their_share)
{
    static const double shares[] = {0, 0.25, 1};
    struct supervisor other = {.loop = sup.loop, .system = system_create(&other)};
    struct spans *spans = spans_create(&other, 3, shares[_i]);
    int n = 0;

    for (int i = 0; i < 10000; i++)
        n += spans_draw(spans);
    ck_assert_int_eq(spans_draw_at_all(spans), shares[_i] > 0);
    ck_assert_msg(n >= 9000 * shares[_i] && n <= 11000 * shares[_i], "%d", n);
    ck_assert(!spans_draw(NULL));
    spans_destroy(spans);
    system_destroy(other.system);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, spans_tell_where_time_went);
    tcase_add_test(tc, spans_survive_being_overwritten);
    tcase_add_test(tc, spans_lost_are_those_that_had_not_ended);
    tcase_add_test(tc, spans_cut_long_names_at_characters);
    tcase_add_loop_test(tc, spans_draw_their_share, 0, 3);
}

int main(void)
{
    return unit_main("spans", fill);
}
