#include "worker/modules/calendar.h"

#include "tests/unit/unit.h"

static const struct {
    struct civil_parts parts;
    int64_t want_s;
    struct civil want;
} dates[] = {
    {{1970, 1, 1, 0, 0, 0}, 0, {1970, 1, 1, 0, 0, 0, 4, 1}},
    {{2024, 2, 29, 23, 59, 59}, 1709251199, {2024, 2, 29, 23, 59, 59, 4, 60}},
    {{2024, 13, 0, 0, 0, 0}, 1735603200, {2024, 12, 31, 0, 0, 0, 2, 366}},
    {{2024, 0, 1, 0, 0, 0}, 1701388800, {2023, 12, 1, 0, 0, 0, 5, 335}},
    {{2024, -11, 31, 0, 0, 0}, 1675123200, {2023, 1, 31, 0, 0, 0, 2, 31}},
    {{2023, 2, 29, 0, 0, 0}, 1677628800, {2023, 3, 1, 0, 0, 0, 3, 60}},
    {{1, 1, 1, 0, 0, 0}, -62135596800, {1, 1, 1, 0, 0, 0, 1, 1}},
    {{0, 3, 1, 0, 0, 0}, -62162035200, {0, 3, 1, 0, 0, 0, 3, 61}},
    {{-1, 12, 31, 0, 0, 0}, -62167305600, {-1, 12, 31, 0, 0, 0, 5, 365}},
    {{-400, 2, 29, 0, 0, 0}, -74784902400, {-400, 2, 29, 0, 0, 0, 2, 60}},
    {{9999, 12, 31, 23, 59, 59}, 253402300799, {9999, 12, 31, 23, 59, 59, 5, 365}},
    {{1900, 2, 29, 0, 0, 0}, -2203891200, {1900, 3, 1, 0, 0, 0, 4, 60}},
    {{2000, 2, 29, 0, 0, 0}, 951782400, {2000, 2, 29, 0, 0, 0, 2, 60}},
    {{2024, 1, 366, 0, 0, 0}, 1735603200, {2024, 12, 31, 0, 0, 0, 2, 366}},
    {{2024, 1, 1, -1, -1, -1}, 1704063539, {2023, 12, 31, 22, 58, 59, 0, 365}},
    {{2024, 1, 1, 0, 0, 100000}, 1704167200, {2024, 1, 2, 3, 46, 40, 2, 2}},
};

START_TEST(calendar_converts_and_normalises)
{
    struct civil got = civil_from_seconds(dates[_i].want_s), want = dates[_i].want;

    ck_assert_int_eq(civil_to_seconds(&dates[_i].parts), dates[_i].want_s);
    ck_assert_int_eq(got.year, want.year);
    ck_assert_int_eq(got.month, want.month);
    ck_assert_int_eq(got.day, want.day);
    ck_assert_int_eq(got.hour, want.hour);
    ck_assert_int_eq(got.minute, want.minute);
    ck_assert_int_eq(got.second, want.second);
    ck_assert_int_eq(got.weekday, want.weekday);
    ck_assert_int_eq(got.year_day, want.year_day);
}
END_TEST

/* Day by day over eight centuries: no gap, no repetition, and back again. */
START_TEST(calendar_counts_every_day_once)
{
    struct civil last = civil_from_seconds(-400LL * 366 * 86400), day;

    for (int64_t d = -400LL * 366 + 1; d < 400LL * 366; d++) {
        day = civil_from_seconds(d * 86400);
        if (day.day == 1)
            ck_assert_int_eq(last.day, days_in_month(last.month, last.year));
        else
            ck_assert_int_eq(day.day, last.day + 1);
        ck_assert_int_eq(day.weekday, (last.weekday + 1) % 7);
        ck_assert_int_eq(civil_to_seconds(&(struct civil_parts){day.year, day.month,
                                                                day.day, 0, 0, 0}),
                         d * 86400);
        last = day;
    }
}
END_TEST

START_TEST(calendar_saturates_at_the_ends)
{
    struct civil_parts huge = {INT64_MAX, INT64_MAX, INT64_MAX,
                               INT64_MAX, INT64_MAX, INT64_MAX};
    struct civil_parts tiny = {INT64_MIN, INT64_MIN, INT64_MIN,
                               INT64_MIN, INT64_MIN, INT64_MIN};
    struct instant end = {INT64_MAX, NS_PER_S - 1}, start = {INT64_MIN, 0};

    ck_assert_int_eq(civil_to_seconds(&huge), INT64_MAX);
    ck_assert_int_eq(civil_to_seconds(&tiny), INT64_MIN);
    ck_assert_int_gt(civil_from_seconds(INT64_MAX).year, 292000000000);
    ck_assert_int_lt(civil_from_seconds(INT64_MIN).year, -292000000000);
    ck_assert_int_eq(instant_add(end, INT64_MAX).s, INT64_MAX);
    ck_assert_int_eq(instant_add(start, INT64_MIN).s, INT64_MIN);
    ck_assert_int_eq(instant_sub(end, start), INT64_MAX);
    ck_assert_int_eq(instant_sub(start, end), INT64_MIN);
    ck_assert_int_ge(instant_modulo(end, INT64_MAX), 0);
    ck_assert_int_ge(instant_modulo(start, INT64_MAX), 0);
}
END_TEST

START_TEST(calendar_keeps_nanoseconds_in_their_second)
{
    struct instant at = instant_from_ns(-1);

    ck_assert_int_eq(at.s, -1);
    ck_assert_int_eq(at.ns, 999999999);
    ck_assert_int_eq(instant_to_ns(at), -1);
    at = instant_add(at, 1);
    ck_assert_int_eq(at.s, 0);
    ck_assert_int_eq(at.ns, 0);
    at = instant_add(at, INT64_MIN);
    ck_assert_int_eq(instant_to_ns(at), INT64_MIN);
    at = instant_make(5, -2500000000);
    ck_assert_int_eq(at.s, 2);
    ck_assert_int_eq(at.ns, 500000000);
    ck_assert_int_eq(instant_compare(at, instant_add(at, 1)), -1);
    ck_assert_int_eq(instant_compare(at, at), 0);
    ck_assert_int_eq(instant_sub(instant_add(at, 7), at), 7);
}
END_TEST

static const struct {
    struct instant at;
    int64_t step_ns, want_ns;
} rests[] = {
    {{1700000000, 123456789}, 1, 0},
    {{1700000000, 123456789}, 3, 2},
    {{1700000000, 123456789}, 7, 5},
    {{1700000000, 123456789}, 1000, 789},
    {{1700000000, 123456789}, 1001, 481},
    {{1700000000, 123456789}, 1000000000, 123456789},
    {{1700000000, 123456789}, 1500000000, 623456789},
    {{1700000000, 123456789}, 60000000000, 20123456789},
    {{1700000000, 123456789}, 3600000000000, 800123456789},
    {{1700000000, 123456789}, 86400000000000, 80000123456789},
    {{1700000000, 123456789}, 123456789012345, 41819088252329},
    {{-1, 999999999}, 1, 0},
    {{-1, 999999999}, 3, 2},
    {{-1, 999999999}, 7, 2},
    {{-1, 999999999}, 1000, 999},
    {{-1, 999999999}, 1001, 723},
    {{-1, 999999999}, 1000000000, 999999999},
    {{-1, 999999999}, 1500000000, 1499999999},
    {{-1, 999999999}, 60000000000, 59999999999},
    {{-1, 999999999}, 3600000000000, 3599999999999},
    {{-1, 999999999}, 86400000000000, 86399999999999},
    {{-1, 999999999}, 123456789012345, 41803664786189},
    {{-62135596801, 5}, 1, 0},
    {{-62135596801, 5}, 3, 1},
    {{-62135596801, 5}, 7, 6},
    {{-62135596801, 5}, 1000, 5},
    {{-62135596801, 5}, 1001, 6},
    {{-62135596801, 5}, 1000000000, 5},
    {{-62135596801, 5}, 1500000000, 500000005},
    {{-62135596801, 5}, 60000000000, 59000000005},
    {{-62135596801, 5}, 3600000000000, 3599000000005},
    {{-62135596801, 5}, 86400000000000, 86399000000005},
    {{-62135596801, 5}, 123456789012345, 123455789012350},
};

START_TEST(calendar_counts_steps_from_year_one)
{
    ck_assert_int_eq(instant_modulo(rests[_i].at, rests[_i].step_ns),
                     rests[_i].want_ns);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, calendar_converts_and_normalises, 0, N_ELEMENTS(dates));
    tcase_add_test(tc, calendar_counts_every_day_once);
    tcase_add_test(tc, calendar_saturates_at_the_ends);
    tcase_add_test(tc, calendar_keeps_nanoseconds_in_their_second);
    tcase_add_loop_test(tc, calendar_counts_steps_from_year_one, 0, N_ELEMENTS(rests));
}

int main(void)
{
    return unit_main("calendar", fill);
}
