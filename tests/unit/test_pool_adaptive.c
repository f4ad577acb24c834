#include "supervisor/pool_adaptive.h"

#include "tests/unit/unit.h"

#define MS 1000000ull

static double no_jitter(void *context)
{
    (void)context;
    return 0.5;
}

/* A pool under the controller's hand; each tick is half a second. */
struct rig {
    struct adaptive adaptive;
    struct adaptive_input in;
};

static void begin(struct rig *rig, uint32_t max)
{
    adaptive_init(&rig->adaptive, 1, max, no_jitter, NULL);
    rig->in = (struct adaptive_input){.n_slots = 1};
    adaptive_tick(&rig->adaptive, &rig->in);
}

static uint32_t tick(struct rig *rig, uint32_t n_finished, uint32_t n_busy,
                     uint32_t n_queued)
{
    rig->in.now_ns += ADAPTIVE_TICK_MS * MS;
    rig->in.n_finished += n_finished;
    rig->in.n_busy = n_busy;
    rig->in.n_queued = n_queued;
    rig->in.n_slots = adaptive_tick(&rig->adaptive, &rig->in);
    return rig->in.n_slots;
}

START_TEST(adaptive_probes_when_all_are_busy_and_calls_wait)
{
    struct rig rig;

    begin(&rig, 16);
    ck_assert_uint_eq(tick(&rig, 10, 1, 0), 1); /* nobody waits */
    ck_assert_uint_eq(tick(&rig, 10, 0, 5), 1); /* not all busy */
    ck_assert_uint_eq(tick(&rig, 10, 1, 3), 4); /* 3 wait for 1: three more */
}
END_TEST

START_TEST(adaptive_probe_is_capped_by_a_quarter_of_max)
{
    struct rig rig;

    begin(&rig, 16);
    ck_assert_uint_eq(tick(&rig, 10, 1, 1000), 5);
    begin(&rig, 2);
    ck_assert_uint_eq(tick(&rig, 10, 1, 1000), 2);
    begin(&rig, 1);
    ck_assert_uint_eq(tick(&rig, 10, 1, 1000), 1);
}
END_TEST

START_TEST(adaptive_keeps_slots_that_help)
{
    struct rig rig;

    begin(&rig, 16);
    for (int i = 0; i < 10; i++)
        tick(&rig, 100, 1, 0);
    ck_assert_uint_eq(tick(&rig, 100, 1, 1), 2);
    for (int i = 0; i < 8; i++) /* twice the throughput, nearly no noise */
        tick(&rig, 200, 2, 0);
    ck_assert_uint_eq(rig.in.n_slots, 2);
    ck_assert(!rig.adaptive.probe.open);
    ck_assert_uint_eq(rig.adaptive.fails, 0);
    ck_assert_double_gt(rig.adaptive.peak, 0);
}
END_TEST

START_TEST(adaptive_takes_back_slots_that_do_not_help)
{
    struct rig rig;
    uint64_t first_wait, second_wait;

    begin(&rig, 16);
    for (int i = 0; i < 10; i++)
        tick(&rig, 100, 1, 0);
    ck_assert_uint_eq(tick(&rig, 100, 1, 1), 2);
    for (int i = 0; rig.adaptive.probe.open && i < 100; i++)
        tick(&rig, 100, 2, 5); /* the same throughput, a longer queue */
    ck_assert_uint_eq(rig.in.n_slots, 1);
    ck_assert_uint_eq(rig.adaptive.fails, 1);
    first_wait = rig.adaptive.cooldown_until_ns - rig.in.now_ns;
    ck_assert_uint_eq(first_wait, 4000 * MS); /* 2 s, doubled once */
    while (!rig.adaptive.probe.open)
        tick(&rig, 100, 1, 1);
    for (int i = 0; rig.adaptive.probe.open && i < 100; i++)
        tick(&rig, 100, 2, 5);
    ck_assert_uint_eq(rig.adaptive.fails, 2);
    second_wait = rig.adaptive.cooldown_until_ns - rig.in.now_ns;
    ck_assert_uint_eq(second_wait, 8000 * MS);
}
END_TEST

START_TEST(adaptive_waits_before_it_judges)
{
    struct rig rig;

    begin(&rig, 16);
    for (int i = 0; i < 10; i++)
        tick(&rig, 100, 1, 0);
    tick(&rig, 100, 1, 1);
    for (int i = 0; i < 3; i++) { /* 1.5 s of at least 2 s */
        tick(&rig, 100, 2, 5);
        ck_assert(rig.adaptive.probe.open);
    }
}
END_TEST

START_TEST(adaptive_shrinks_after_eight_idle_ticks)
{
    struct rig rig;

    begin(&rig, 16);
    rig.in.n_slots = 8;
    for (int i = 0; i < 7; i++)
        ck_assert_uint_eq(tick(&rig, 5, 2, 0), 8);
    ck_assert_uint_eq(tick(&rig, 5, 2, 0), 7);
    tick(&rig, 5, 6, 0); /* one busy tick starts the count anew */
    for (int i = 0; i < 7; i++)
        ck_assert_uint_eq(tick(&rig, 5, 2, 0), 7);
    ck_assert_uint_eq(tick(&rig, 5, 2, 0), 6);
}
END_TEST

START_TEST(adaptive_never_shrinks_below_one)
{
    struct rig rig;

    begin(&rig, 16);
    rig.in.n_slots = 2;
    for (int i = 0; i < 100; i++)
        tick(&rig, 0, 0, 0);
    ck_assert_uint_eq(rig.in.n_slots, 1);
}
END_TEST

START_TEST(adaptive_skips_ticks_that_come_too_soon)
{
    struct rig rig;

    begin(&rig, 16);
    tick(&rig, 10, 1, 0);
    rig.in.now_ns += 49 * MS;
    rig.in.n_queued = 9;
    ck_assert_uint_eq(adaptive_tick(&rig.adaptive, &rig.in), 1);
    rig.in.now_ns += 1 * MS;
    ck_assert_uint_gt(adaptive_tick(&rig.adaptive, &rig.in), 1);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, adaptive_probes_when_all_are_busy_and_calls_wait);
    tcase_add_test(tc, adaptive_probe_is_capped_by_a_quarter_of_max);
    tcase_add_test(tc, adaptive_keeps_slots_that_help);
    tcase_add_test(tc, adaptive_takes_back_slots_that_do_not_help);
    tcase_add_test(tc, adaptive_waits_before_it_judges);
    tcase_add_test(tc, adaptive_shrinks_after_eight_idle_ticks);
    tcase_add_test(tc, adaptive_never_shrinks_below_one);
    tcase_add_test(tc, adaptive_skips_ticks_that_come_too_soon);
}

int main(void)
{
    return unit_main("pool_adaptive", fill);
}
