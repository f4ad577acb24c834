#include "proto/metric_change.h"

#include <math.h>

#include "common/err.h"

#include "tests/unit/unit.h"

static const uint8_t name[] = "series";
static const struct bytes series = {name, sizeof(name) - 1};

static const struct metric_change changes[] = {
    {.type = METRIC_COUNTER, .value = 3.5},
    {.type = METRIC_GAUGE, .is_set = true, .value = -1},
    {.type = METRIC_GAUGE, .value = INFINITY},
    {.type = METRIC_HISTOGRAM, .value = -2, .counts = {1, 0, 7, [11] = 9}},
};

START_TEST(metric_change_survives_the_wire)
{
    struct value value = metric_change_to_value(&changes[_i], series);
    struct metric_change out = {0};
    struct bytes text;

    ck_assert(metric_change_from_value(&value, &out, &text));
    ck_assert_int_eq(out.type, changes[_i].type);
    ck_assert_int_eq(out.is_set, changes[_i].is_set);
    ck_assert(out.value == changes[_i].value);
    ck_assert_mem_eq(out.counts, changes[_i].counts, sizeof(out.counts));
    ck_assert_mem_eq(text.data, series.data, text.n);
    ck_assert_uint_eq(text.n, series.n);
    value_finish(&value);
}
END_TEST

static const char *const malformed[] = {
    "1",
    "[]",
    "[0,\"x\"]",
    "[0,\"x\",1]",
    "[0,\"x\",1.5,2]",
    "[0,\"x\",-1.5]",
    "[0,1,1.5]",
    "[-1,\"x\",1.5]",
    "[3,\"x\",1.5]",
    "[\"0\",\"x\",1.5]",
    "[1,\"x\",1.5]",
    "[1,\"x\",1,1.5]",
    "[1,\"x\",true,\"1.5\"]",
    "[2,\"x\",1.5,0,0,0,0,0,0,0,0,0,0,0]",
    "[2,\"x\",1.5,0,0,0,0,0,0,0,0,0,0,0,-1]",
    "[2,\"x\",1.5,0,0,0,0,0,0,0,0,0,0,0,1.5]",
    "[2,\"x\",1.5,0,0,0,0,0,0,0,0,0,0,0,9223372036854775807]",
};

START_TEST(metric_change_refuses)
{
    struct metric_change out = {.value = 77};
    struct value value;
    struct bytes text;
    struct err err;

    ck_assert_int_eq(
        value_read_json(malformed[_i], strlen(malformed[_i]), &value, &err), 0);
    ck_assert(!metric_change_from_value(&value, &out, &text));
    ck_assert(out.value == 77);
    value_finish(&value);
}
END_TEST

START_TEST(metric_change_refuses_infinite_counters)
{
    struct metric_change change = {.type = METRIC_COUNTER, .value = INFINITY};
    struct value value = metric_change_to_value(&change, series);
    struct bytes text;

    ck_assert(!metric_change_from_value(&value, &change, &text));
    value_finish(&value);
}
END_TEST

static const struct {
    double observed;
    unsigned bucket;
} observations[] = {{-1, 0},   {.005, 0}, {.0051, 1},    {1, 7},
                    {9.9, 10}, {10, 10},  {10.1, 11},    {INFINITY, 11},
                    {NAN, 11}, {0, 0},    {-INFINITY, 0}};

START_TEST(metric_change_finds_buckets)
{
    ck_assert_uint_eq(metric_bucket_of(observations[_i].observed),
                      observations[_i].bucket);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, metric_change_survives_the_wire, 0, N_ELEMENTS(changes));
    tcase_add_loop_test(tc, metric_change_refuses, 0, N_ELEMENTS(malformed));
    tcase_add_test(tc, metric_change_refuses_infinite_counters);
    tcase_add_loop_test(tc, metric_change_finds_buckets, 0, N_ELEMENTS(observations));
}

int main(void)
{
    return unit_main("metric_change", fill);
}
