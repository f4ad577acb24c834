#include "supervisor/latency.h"

#include "common/mem.h"

#include "tests/unit/unit.h"

static const struct {
    double seconds;
    int64_t us;
} exact[] = {
    {0, 0},       {-5, 0},      {1e-6, 1},      {3.5e-6, 3},
    {4.5e-6, 4},  {7.5e-6, 7},  {8.5e-6, 9},    {100.5e-6, 111},
    {1e-3, 1023}, {1, 1048575}, {60, 67108863}, {1e9, 8589934591},
};

START_TEST(latency_rounds_up_to_the_end_of_a_bucket)
{
    struct latency latency = {.turned_at = 100};

    latency_note(&latency, exact[_i].seconds, 100);
    ck_assert_int_eq(latency_quantile_us(&latency, 0.99, 100), exact[_i].us);
}
END_TEST

START_TEST(latency_is_a_quarter_off_at_most)
{
    for (uint64_t i = 1; i < 8000000000; i += i / 15 + 1) {
        struct latency latency = {.turned_at = 100};
        double us = (double)i, got;

        latency_note(&latency, us / 1e6, 100);
        got = (double)latency_quantile_us(&latency, 0.5, 100) + 1;
        ck_assert_msg(got >= us * 0.999 && got <= us * 1.25 + 1, "%g: %g", us, got);
    }
}
END_TEST

START_TEST(latency_finds_quantiles)
{
    struct latency latency = {.turned_at = 100};

    ck_assert_int_eq(latency_quantile_us(&latency, 0.5, 100), -1);
    for (unsigned i = 0; i < 1000; i++)
        latency_note(&latency, i < 985 ? 1e-6 : 1e-3, 100);
    ck_assert_int_eq(latency_quantile_us(&latency, 0, 100), 1);
    ck_assert_int_eq(latency_quantile_us(&latency, 0.5, 100), 1);
    ck_assert_int_eq(latency_quantile_us(&latency, 0.98, 100), 1);
    ck_assert_int_eq(latency_quantile_us(&latency, 0.99, 100), 1023);
    ck_assert_int_eq(latency_quantile_us(&latency, 1, 100), 1023);
}
END_TEST

START_TEST(latency_forgets_after_two_minutes)
{
    struct latency latency = {.turned_at = 100};

    latency_note(&latency, 1e-3, 159);
    latency_note(&latency, 1e-6, 161);
    ck_assert_int_eq(latency_quantile_us(&latency, 1, 220), 1023);
    ck_assert_int_eq(latency_quantile_us(&latency, 1, 221), 1);
    ck_assert_int_eq(latency_quantile_us(&latency, 1, 400), -1);
    latency_note(&latency, 1e-6, 401);
    ck_assert_int_eq(latency_quantile_us(&latency, 1, 300), -1); /* set back */
}
END_TEST

START_TEST(latency_keeps_totals_for_ever)
{
    struct latency latency = {.turned_at = 100};
    uint64_t counts[LATENCY_N_BOUNDS + 1];

    latency_note(&latency, 15e-6, 100);
    latency_note(&latency, 16e-6, 100);
    latency_note(&latency, 63.9e-6, 161);
    latency_note(&latency, 1, 1000);
    latency_note(&latency, 68, 1061);
    latency_note(&latency, 1e9, 1061);
    latency_note(&latency, -1, 5000);
    latency_totals(&latency, counts);
    for (unsigned i = 0; i <= LATENCY_N_BOUNDS; i++) {
        uint64_t want = i < 2 ? 2 : i == 8 ? 1 : i == LATENCY_N_BOUNDS ? 2 : 0;

        ck_assert_msg(counts[i] == want, "bucket %u: %llu, not %llu", i,
                      (unsigned long long)counts[i], (unsigned long long)want);
    }
    ck_assert_double_eq_tol(latency.sum_s, 1000000069.0000949, 1e-6);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, latency_rounds_up_to_the_end_of_a_bucket, 0,
                        N_ELEMENTS(exact));
    tcase_add_test(tc, latency_is_a_quarter_off_at_most);
    tcase_add_test(tc, latency_finds_quantiles);
    tcase_add_test(tc, latency_keeps_totals_for_ever);
    tcase_add_test(tc, latency_forgets_after_two_minutes);
}

int main(void)
{
    return unit_main("latency", fill);
}
