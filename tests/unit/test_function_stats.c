#include "supervisor/function_stats.h"

#include <stdio.h>

#include "tests/unit/unit.h"

START_TEST(function_stats_count_each_call_once)
{
    struct function_table *table = function_table_create();
    struct function_stats *stats = function_stats_get(table, "a:b");
    struct function_count ok, refused, held;

    ck_assert_ptr_eq(function_stats_get(table, "a:b"), stats);
    function_count_begin(&ok, stats, 100);
    function_count_begin(&refused, stats, 100);
    function_count_begin(&held, stats, 100);
    ck_assert_uint_eq(stats->n_in_flight, 3);
    function_count_drop(&held);
    function_count_end(&held, FUNCTION_OK, 101);
    ok.sent_at = 100.25;
    function_count_end(&ok, FUNCTION_OK, 101.25);
    function_count_end(&ok, FUNCTION_ERROR, 102);
    function_count_end(&refused, FUNCTION_UNAVAILABLE, 102);
    ck_assert_uint_eq(stats->n_in_flight, 0);
    ck_assert_uint_eq(stats->n_ended[FUNCTION_OK], 1);
    ck_assert_uint_eq(stats->n_ended[FUNCTION_ERROR], 0);
    ck_assert_uint_eq(stats->n_ended[FUNCTION_UNAVAILABLE], 1);
    ck_assert_double_eq_tol(stats->times->queue.sum_s, 2.25, 1e-9);
    ck_assert_double_eq_tol(stats->times->run.sum_s, 1, 1e-9); /* one never ran */
    ck_assert_double_eq_tol(stats->times->sum_s, 3.25, 1e-9);
    ck_assert_uint_eq(stats->times->counts[8], 2); /* 1 to 2.5 s */
    function_table_destroy(table);
}
END_TEST

/* A sum that falls is a counter that began anew, for who reads it. */
START_TEST(function_stats_take_a_clock_that_was_set_back_for_no_time_F_53)
{
    struct function_table *table = function_table_create();
    struct function_stats *stats = function_stats_get(table, "a:b");
    struct function_count count;

    function_count_begin(&count, stats, 5000);
    count.sent_at = 5000;
    function_count_end(&count, FUNCTION_OK, 1400);
    ck_assert_double_eq(stats->times->sum_s, 0);
    ck_assert_double_eq(stats->times->run.sum_s, 0);
    ck_assert_uint_eq(stats->times->counts[0], 1);
    function_table_destroy(table);
}
END_TEST

START_TEST(function_stats_are_bounded)
{
    struct function_table *table = function_table_create();
    struct function_count count;
    char id[16];

    for (int i = 0; i < FUNCTION_ROWS_MAX; i++) {
        snprintf(id, sizeof(id), "a:%d", i);
        ck_assert_ptr_nonnull(function_stats_get(table, id));
    }
    ck_assert_ptr_null(function_stats_get(table, "b:x"));
    ck_assert_ptr_nonnull(function_stats_get(table, "a:0"));
    ck_assert_uint_eq(table->n_refused, 1);
    function_count_begin(&count, NULL, 1); /* counts nothing, crashes nothing */
    function_count_end(&count, FUNCTION_OK, 2);
    function_count_drop(&count);
    function_table_destroy(table);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, function_stats_count_each_call_once);
    tcase_add_test(tc, function_stats_take_a_clock_that_was_set_back_for_no_time_F_53);
    tcase_add_test(tc, function_stats_are_bounded);
}

int main(void)
{
    return unit_main("function_stats", fill);
}
