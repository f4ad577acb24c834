#include "supervisor/service_backoff.h"

#include "tests/unit/unit.h"

static const struct backoff defaults = {
    .initial_delay_ms = 1000, .max_delay_ms = 90000, .factor = 2, .jitter = 0.1};

/* SV-7; complaint 2 of the hazards: a delay that grows, a cap, and no end. */
START_TEST(backoff_doubles_up_to_its_cap)
{
    static const uint64_t want_s[] = {1, 2, 4, 8, 16, 32, 64, 90, 90};

    for (uint32_t n = 1; n <= N_ELEMENTS(want_s); n++)
        ck_assert_uint_eq(backoff_delay_ms(&defaults, n, 0.5), want_s[n - 1] * 1000);
    ck_assert_uint_eq(backoff_delay_ms(&defaults, 4000000000u, 0.5), 90000);
}
END_TEST

START_TEST(backoff_jitter_is_applied_after_the_cap)
{
    ck_assert_uint_eq(backoff_delay_ms(&defaults, 1, 0), 900);
    ck_assert_uint_eq(backoff_delay_ms(&defaults, 1, 1), 1100);
    ck_assert_uint_eq(backoff_delay_ms(&defaults, 20, 0), 81000);
    ck_assert_uint_eq(backoff_delay_ms(&defaults, 20, 1), 99000);
}
END_TEST

START_TEST(backoff_without_growth_stays_where_it_is)
{
    struct backoff flat = defaults;

    flat.factor = 1;
    flat.jitter = 0;
    ck_assert_uint_eq(backoff_delay_ms(&flat, 4000000000u, 0.3), 1000);
}
END_TEST

/* DX-3; complaint 3: n attempts are n runs in all. */
START_TEST(backoff_counts_runs_not_restarts)
{
    struct backoff limited = defaults;

    limited.max_attempts = 3;
    ck_assert(backoff_may_restart(&limited, 1));
    ck_assert(backoff_may_restart(&limited, 2));
    ck_assert(!backoff_may_restart(&limited, 3));
    ck_assert(backoff_may_restart(&defaults, 4000000000u));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, backoff_doubles_up_to_its_cap);
    tcase_add_test(tc, backoff_jitter_is_applied_after_the_cap);
    tcase_add_test(tc, backoff_without_growth_stays_where_it_is);
    tcase_add_test(tc, backoff_counts_runs_not_restarts);
}

int main(void)
{
    return unit_main("service_backoff", fill);
}
