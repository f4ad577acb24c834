#include "supervisor/retry.h"

#include <string.h>

#include "common/err.h"
#include "common/random.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/call_options.h"

#include "tests/unit/unit.h"

static struct value value_of(const char *json)
{
    struct value value = {0};
    struct err err = {0};

    ck_assert_msg(value_read_json(json, strlen(json), &value, &err) == 0, "%s",
                  err.text);
    return value;
}

static struct retry_policy *policy_of(const char *json)
{
    struct value value = value_of(json);
    struct retry_policy *policy = retry_policy_create(&value);

    value_finish(&value);
    return policy;
}

/* ---- is there another attempt? --------------------------------------------------- */

#define THREE   "{\"max_attempts\": 3}"
#define ONLY(k) "{\"max_attempts\": 3, \"retry_kinds\": " k "}"
#define SKIP(k) "{\"max_attempts\": 3, \"skip_kinds\": " k "}"
#define KIND(k) "{\"kind\": \"" k "\", \"message\": \"m\"}"
#define NO(k)   "{\"kind\": \"" k "\", \"message\": \"m\", \"retryable\": false}"
#define YES(k)  "{\"kind\": \"" k "\", \"message\": \"m\", \"retryable\": true}"

/* F-52, rules 2 to 7; the first one that matches decides. */
static const struct {
    const char *retry, *error;
    uint32_t n_failed;
    bool wanted;
} decisions[] = {
    /* 2: the error says no */
    {THREE, NO("Unavailable"), 1, false},
    {ONLY("[\"Unavailable\"]"), NO("Unavailable"), 1, false},
    /* 3: used up */
    {THREE, YES("Unavailable"), 1, true},
    {THREE, YES("Unavailable"), 2, true},
    {THREE, YES("Unavailable"), 3, false},
    {THREE, YES("Unavailable"), 4, false},
    /* 4: skip_kinds, before retry_kinds */
    {SKIP("[\"Conflict\", \"Unavailable\"]"), YES("Unavailable"), 1, false},
    {SKIP("\"Unavailable\""), YES("Unavailable"), 1, false},
    {SKIP("\"Unavailable\""), YES("Timeout"), 1, true},
    {"{\"max_attempts\": 3, \"skip_kinds\": [\"A\"], \"retry_kinds\": [\"A\", \"B\"]}",
     KIND("A"), 1, false},
    {"{\"max_attempts\": 3, \"skip_kinds\": [\"A\"], \"retry_kinds\": [\"A\", \"B\"]}",
     KIND("B"), 1, true},
    /* 5: retry_kinds, and only these */
    {ONLY("[\"Internal\"]"), KIND("Internal"), 1, true},
    {ONLY("[\"Internal\"]"), YES("Unavailable"), 1, false},
    {ONLY("\"Custom\""), KIND("Custom"), 1, true},
    {ONLY("\"custom\""), KIND("Custom"), 1, false},
    {ONLY("[]"), YES("Unavailable"), 1, false},
    /* 6: hopeless */
    {THREE, KIND("Invalid"), 1, false},
    {THREE, KIND("PermissionDenied"), 1, false},
    {THREE, KIND("Internal"), 1, false},
    {THREE, YES("Internal"), 1, false},
    /* 7: all the others */
    {THREE, KIND(""), 1, true},
    {THREE, KIND("NotFound"), 1, true},
    {THREE, KIND("AlreadyExists"), 1, true},
    {THREE, KIND("Unavailable"), 1, true},
    {THREE, KIND("Canceled"), 1, true},
    {THREE, KIND("Conflict"), 1, true},
    {THREE, KIND("Timeout"), 1, true},
    {THREE, KIND("RateLimited"), 1, true},
    {THREE, KIND("OutOfPaper"), 1, true},
};

START_TEST(retry_decides)
{
    struct retry_policy *policy = policy_of(decisions[_i].retry);
    struct value fields = value_of(decisions[_i].error);
    struct buf error;

    buf_init(&error, 0);
    ck_assert(error_encode_value(&error, &fields));
    ck_assert_msg(retry_wanted(policy, decisions[_i].n_failed, buf_bytes(&error)) ==
                      decisions[_i].wanted,
                  "%s after %s, %u times", decisions[_i].retry, decisions[_i].error,
                  decisions[_i].n_failed);
    buf_finish(&error);
    value_finish(&fields);
    retry_policy_unref(policy);
}
END_TEST

START_TEST(retry_gives_up_on_what_is_no_error)
{
    struct retry_policy *policy = policy_of(THREE);

    ck_assert(!retry_wanted(policy, 1, (struct bytes){NULL, 0}));
    ck_assert(!retry_wanted(policy, 1, (struct bytes){(const uint8_t *)"\xc7\x05", 2}));
    retry_policy_unref(policy);
}
END_TEST

static const char *const off[] = {
    "null",
    "true",
    "\"3\"",
    "{}",
    "{\"max_attempts\": 0}",
    "{\"max_attempts\": 1}",
    "[3]",
    "{\"max_attempts\": -5}",
    "{\"max_attempts\": \"3\"}",
    "{\"initial_delay\": 5}",
};

START_TEST(retry_is_off)
{
    ck_assert_msg(policy_of(off[_i]) == NULL, "%s", off[_i]);
}
END_TEST

/* ---- when? ----------------------------------------------------------------------- */

#define MS 1000000u

/* random 0.5 is the middle of the jitter: none. */
static const struct {
    const char *retry;
    uint32_t n_failed;
    double random;
    uint64_t delay_ms;
} delays[] = {
    {THREE, 1, 0.5, 100},
    {THREE, 2, 0.5, 200},
    {THREE, 3, 0.5, 400},
    {THREE, 8, 0.5, 10000},
    {THREE, 4000000000u, 0.5, 10000},
    {THREE, 1, 0., 90},
    {THREE, 1, 0.999999999, 110},
    {"{\"max_attempts\": 3, \"jitter\": 0}", 1, 0., 100},
    {"{\"max_attempts\": 3, \"jitter\": -1}", 1, 0., 90},
    {"{\"max_attempts\": 3, \"jitter\": 7}", 1, 0., 0},
    {"{\"max_attempts\": 3, \"initial_delay\": 20}", 1, 0.5, 20},
    {"{\"max_attempts\": 3, \"initial_delay\": 20.5}", 1, 0.5, 21},
    {"{\"max_attempts\": 3, \"initial_delay\": \"1.5s\"}", 1, 0.5, 1500},
    {"{\"max_attempts\": 3, \"initial_delay\": 0}", 1, 0.5, 100},
    {"{\"max_attempts\": 3, \"initial_delay\": -3}", 1, 0.5, 100},
    {"{\"max_attempts\": 3, \"initial_delay\": \"soon\"}", 1, 0.5, 100},
    {"{\"max_attempts\": 3, \"initial_delay\": \"20s\"}", 1, 0.5, 10000},
    {"{\"max_attempts\": 3, \"max_delay\": \"150ms\"}", 2, 0.5, 150},
    {"{\"max_attempts\": 3, \"backoff_factor\": 3}", 3, 0.5, 900},
    {"{\"max_attempts\": 3, \"backoff_factor\": 1}", 3, 0.5, 100},
    {"{\"max_attempts\": 3, \"backoff_factor\": 0}", 2, 0.5, 200},
    {"{\"max_attempts\": 3, \"backoff_factor\": -2}", 2, 0.5, 200},
};

START_TEST(retry_waits)
{
    struct retry_policy *policy = policy_of(delays[_i].retry);

    ck_assert_msg(retry_delay_ns(policy, delays[_i].n_failed, delays[_i].random) ==
                      delays[_i].delay_ms * MS,
                  "%s", delays[_i].retry);
    retry_policy_unref(policy);
}
END_TEST

START_TEST(retry_random_stays_within_its_bounds)
{
    uint64_t state = 1;
    double sum = 0;

    for (int i = 0; i < 10000; i++) {
        double random = random_unit(&state);

        ck_assert(random >= 0 && random < 1);
        sum += random;
    }
    ck_assert(sum > 4500 && sum < 5500);
}
END_TEST

/* ---- options --------------------------------------------------------------------- */

/* F-15: key by key, a whole table at a time. */
static const struct {
    const char *own, *given;
    uint64_t timeout_ms;
    uint64_t first_delay_ms; /* 0 = no retry */
} overlays[] = {
    {"{}", "{}", 0, 0},
    {"{\"timeout\": 250}", "null", 250, 0},
    {"{\"timeout\": \"1m\"}", "{}", 60000, 0},
    {"{\"timeout\": 250}", "{\"timeout\": \"2s\"}", 2000, 0},
    {"{\"timeout\": 250}", "{\"timeout\": 0}", 0, 0},
    {"{\"timeout\": 250}", "{\"timeout\": \"never\"}", 0, 0},
    {"{\"timeout\": true}", "null", 0, 0},
    {"{\"retry\": {\"max_attempts\": 3, \"initial_delay\": 7}}", "null", 0, 7},
    {"{\"retry\": {\"max_attempts\": 3, \"initial_delay\": 7}}", "{\"timeout\": 5}", 5,
     7},
    {"{\"retry\": {\"max_attempts\": 3, \"initial_delay\": 7}}",
     "{\"retry\": {\"max_attempts\": 2}}", 0, 100},
    {"{\"retry\": {\"max_attempts\": 3, \"initial_delay\": 7}}", "{\"retry\": {}}", 0,
     0},
    {"{\"retry\": {\"max_attempts\": 3, \"initial_delay\": 7}}", "{\"retry\": false}",
     0, 0},
    {"null", "{\"retry\": {\"max_attempts\": 2}, \"priority\": 4}", 0, 100},
};

START_TEST(options_of_the_caller_lie_over_the_targets)
{
    struct value own = value_of(overlays[_i].own), given = value_of(overlays[_i].given);
    struct call_options target, options;
    uint64_t delay_ns = 0;

    call_options_read(&target, &own);
    call_options_overlay(&options, &target, &given);
    call_options_finish(&target);
    ck_assert_uint_eq(options.timeout_ns, overlays[_i].timeout_ms * MS);
    if (options.retry != NULL)
        delay_ns = retry_delay_ns(options.retry, 1, 0.5);
    ck_assert_uint_eq(delay_ns, overlays[_i].first_delay_ms * MS);
    ck_assert(call_options_are_empty(&options) ==
              (overlays[_i].timeout_ms == 0 && overlays[_i].first_delay_ms == 0));
    call_options_finish(&options);
    value_finish(&own);
    value_finish(&given);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, retry_decides, 0, N_ELEMENTS(decisions));
    tcase_add_test(tc, retry_gives_up_on_what_is_no_error);
    tcase_add_loop_test(tc, retry_is_off, 0, N_ELEMENTS(off));
    tcase_add_loop_test(tc, retry_waits, 0, N_ELEMENTS(delays));
    tcase_add_test(tc, retry_random_stays_within_its_bounds);
    tcase_add_loop_test(tc, options_of_the_caller_lie_over_the_targets, 0,
                        N_ELEMENTS(overlays));
}

int main(void)
{
    return unit_main("retry", fill);
}
