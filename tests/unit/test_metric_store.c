#include "supervisor/metric_store.h"

#include <math.h>
#include <stdio.h>

#include "proto/metric_change.h"

#include "tests/unit/unit.h"

static struct metric_store *store;

static enum metric_verdict change(const char *series, enum metric_type type,
                                  bool is_set, double value)
{
    struct metric_change one = {.type = type, .is_set = is_set, .value = value};

    if (type == METRIC_HISTOGRAM)
        one.counts[3] = 2;
    return metric_store_change(
        store, (struct bytes){(const uint8_t *)series, strlen(series)}, &one);
}

static void expect(const char *want)
{
    struct buf out;

    buf_init(&out, 0);
    metric_store_write(store, &out);
    buf_append(&out, "", 1);
    ck_assert_str_eq((char *)buf_head(&out), want);
    buf_finish(&out);
}

static void setup(void)
{
    store = metric_store_create(30);
}

static void teardown(void)
{
    metric_store_destroy(store);
}

#define HEAD(name, type)                                                               \
    "# HELP " name " Made by the application.\n# TYPE " name " " type "\n"

START_TEST(metric_store_adds_counters)
{
    ck_assert_int_eq(change("b", METRIC_COUNTER, false, 1), METRIC_TAKEN);
    ck_assert_int_eq(change("b", METRIC_COUNTER, false, 1.5), METRIC_TAKEN);
    ck_assert_int_eq(change("a{x=\"2\"}", METRIC_COUNTER, false, 4e15), METRIC_TAKEN);
    ck_assert_int_eq(change("a{x=\"1\"}", METRIC_COUNTER, false, 0), METRIC_TAKEN);
    expect(HEAD("a", "counter") "a{x=\"1\"} 0\na{x=\"2\"} 4000000000000000\n" HEAD(
        "b", "counter") "b 2.5\n");
}
END_TEST

START_TEST(metric_store_sets_and_adds_gauges)
{
    change("g", METRIC_GAUGE, false, 3);
    change("g", METRIC_GAUGE, true, 10);
    change("g", METRIC_GAUGE, false, -1);
    change("h", METRIC_GAUGE, true, NAN);
    change("i", METRIC_GAUGE, true, -INFINITY);
    expect(HEAD("g", "gauge") "g 9\n" HEAD("h", "gauge") "h NaN\n" HEAD(
        "i", "gauge") "i -Inf\n");
}
END_TEST

START_TEST(metric_store_writes_histograms)
{
    change("t{f=\"1\"}", METRIC_HISTOGRAM, false, .25);
    change("t{f=\"1\"}", METRIC_HISTOGRAM, false, -1);
    expect(HEAD("t", "histogram") "t_bucket{f=\"1\",le=\"0.005\"} 0\n"
                                  "t_bucket{f=\"1\",le=\"0.01\"} 0\n"
                                  "t_bucket{f=\"1\",le=\"0.025\"} 0\n"
                                  "t_bucket{f=\"1\",le=\"0.05\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"0.1\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"0.25\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"0.5\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"1\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"2.5\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"5\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"10\"} 4\n"
                                  "t_bucket{f=\"1\",le=\"+Inf\"} 4\n"
                                  "t_sum{f=\"1\"} -0.75\n"
                                  "t_count{f=\"1\"} 4\n");
    ck_assert_uint_eq(metric_store_n_samples(store), 14);
}
END_TEST

START_TEST(metric_store_keeps_a_name_to_one_type)
{
    change("x", METRIC_COUNTER, false, 1);
    ck_assert_int_eq(change("x", METRIC_GAUGE, true, 1), METRIC_CONFLICTS);
    ck_assert_int_eq(change("x{a=\"1\"}", METRIC_HISTOGRAM, false, 1),
                     METRIC_CONFLICTS);
    ck_assert_int_eq(change("troupe_workers", METRIC_GAUGE, true, 1), METRIC_CONFLICTS);
    ck_assert_int_eq(change("y_sum", METRIC_COUNTER, false, 1), METRIC_TAKEN);
    ck_assert_int_eq(change("y", METRIC_HISTOGRAM, false, 1), METRIC_CONFLICTS);
    ck_assert_int_eq(change("z", METRIC_HISTOGRAM, false, 1), METRIC_TAKEN);
    ck_assert_int_eq(change("z_bucket", METRIC_COUNTER, false, 1), METRIC_CONFLICTS);
    ck_assert_int_eq(change("z_count", METRIC_COUNTER, false, 1), METRIC_CONFLICTS);
    ck_assert_int_eq(change("_sum", METRIC_COUNTER, false, 1), METRIC_TAKEN);
}
END_TEST

START_TEST(metric_store_is_bounded)
{
    char name[16];

    for (int i = 0; i < 29; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        ck_assert_int_eq(change(name, METRIC_COUNTER, false, 1), METRIC_TAKEN);
    }
    ck_assert_int_eq(change("h", METRIC_HISTOGRAM, false, 1), METRIC_BEYOND_BOUND);
    ck_assert_int_eq(change("n0{a=\"1\"}", METRIC_COUNTER, false, 1), METRIC_TAKEN);
    ck_assert_int_eq(change("n0{a=\"2\"}", METRIC_COUNTER, false, 1),
                     METRIC_BEYOND_BOUND);
    ck_assert_int_eq(change("m", METRIC_COUNTER, false, 1), METRIC_BEYOND_BOUND);
    ck_assert_int_eq(change("n0{a=\"1\"}", METRIC_COUNTER, false, 1), METRIC_TAKEN);
    ck_assert_uint_eq(metric_store_n_samples(store), 30);
}
END_TEST

START_TEST(metric_store_refuses_what_is_no_series)
{
    ck_assert_int_eq(change("a b", METRIC_COUNTER, false, 1), METRIC_MALFORMED);
    ck_assert_int_eq(change("", METRIC_COUNTER, false, 1), METRIC_MALFORMED);
    expect("");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, metric_store_adds_counters);
    tcase_add_test(tc, metric_store_sets_and_adds_gauges);
    tcase_add_test(tc, metric_store_writes_histograms);
    tcase_add_test(tc, metric_store_keeps_a_name_to_one_type);
    tcase_add_test(tc, metric_store_is_bounded);
    tcase_add_test(tc, metric_store_refuses_what_is_no_series);
}

int main(void)
{
    return unit_main("metric_store", fill);
}
