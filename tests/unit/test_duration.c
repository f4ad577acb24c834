#include "common/duration.h"

#include <string.h>

#include "tests/unit/unit.h"

#define MICRO           "\xc2\xb5"
#define MU              "\xce\xbc"
#define INVALID(quoted) "time: invalid duration \"" quoted "\""
#define MISSING(quoted) "time: missing unit in duration \"" quoted "\""
#define UNKNOWN(unit, quoted)                                                          \
    "time: unknown unit \"" unit "\" in duration \"" quoted "\""

static const struct {
    const char *text;
    size_t n; /* 0 = strlen(text) */
    int64_t want_ns;
    const char *want_error; /* NULL = parses */
} parsed[] = {
    {"0", 0, 0, NULL},
    {"+0", 0, 0, NULL},
    {"-0", 0, 0, NULL},
    {"1h30m", 0, 5400000000000, NULL},
    {"1.5h", 0, 5400000000000, NULL},
    {".5s", 0, 500000000, NULL},
    {"1.s", 0, 1000000000, NULL},
    {"+5s", 0, 5000000000, NULL},
    {"-1.5h", 0, -5400000000000, NULL},
    {"1us", 0, 1000, NULL},
    {"1" MICRO "s", 0, 1000, NULL},
    {"1" MU "s", 0, 1000, NULL},
    {"39h9m14.425s", 0, 140954425000000, NULL},
    {"9007199254740993ns", 0, 9007199254740993, NULL},
    {"0.1ns", 0, 0, NULL},
    {"0.000000000001s", 0, 0, NULL},
    {"0.100000000000000000000h", 0, 360000000000, NULL},
    {"0.9223372036854775807s", 0, 922337203, NULL},
    {"0.3333333333333333333h", 0, 1200000000000, NULL},
    {"9223372036854775807ns", 0, INT64_MAX, NULL},
    {"-9223372036854775808ns", 0, INT64_MIN, NULL},
    {"2562047h47m16.854775807s", 0, INT64_MAX, NULL},
    {"-2562047h47m16.854775808s", 0, INT64_MIN, NULL},
    {"9223372036s", 0, 9223372036000000000, NULL},
    {"", 0, 0, INVALID("")},
    {"+", 0, 0, INVALID("+")},
    {".", 0, 0, INVALID(".")},
    {"-.", 0, 0, INVALID("-.")},
    {".s", 0, 0, INVALID(".s")},
    {" 1s", 0, 0, INVALID(" 1s")},
    {"--5s", 0, 0, INVALID("--5s")},
    {"abc", 0, 0, INVALID("abc")},
    {"\"x\\", 0, 0, INVALID("\\\"x\\\\")},
    {"\xc3\xa9", 0, 0, INVALID("\\xc3\\xa9")},
    {"3000000h", 0, 0, INVALID("3000000h")},
    {"9223372037s", 0, 0, INVALID("9223372037s")},
    {"9223372036854775808ns", 0, 0, INVALID("9223372036854775808ns")},
    {"-9223372036854775809ns", 0, 0, INVALID("-9223372036854775809ns")},
    {"2562047h47m16.854775808s", 0, 0, INVALID("2562047h47m16.854775808s")},
    {"9223372036854775808ns9223372036854775808ns", 0, 0,
     INVALID("9223372036854775808ns9223372036854775808ns")},
    {"99999999999999999999s", 0, 0, INVALID("99999999999999999999s")},
    {"1", 0, 0, MISSING("1")},
    {"10", 0, 0, MISSING("10")},
    {"1s5", 0, 0, MISSING("1s5")},
    {"1d", 0, 0, UNKNOWN("d", "1d")},
    {"1S", 0, 0, UNKNOWN("S", "1S")},
    {"1s ", 0, 0, UNKNOWN("s ", "1s ")},
    {"1e3s", 0, 0, UNKNOWN("e", "1e3s")},
    {"1h-2m", 0, 0, UNKNOWN("h-", "1h-2m")},
    {"1ms 2s", 0, 0, UNKNOWN("ms ", "1ms 2s")},
    {"1\0s", 3, 0, UNKNOWN("\\x00s", "1\\x00s")},
};

START_TEST(duration_parses_like_go)
{
    size_t n = parsed[_i].n != 0 ? parsed[_i].n : strlen(parsed[_i].text);
    char error[DURATION_ERROR_BYTES] = "";
    int64_t ns = 4711;
    bool ok = duration_parse(parsed[_i].text, n, &ns, error);

    ck_assert_msg(ok == (parsed[_i].want_error == NULL), "%s: %s", parsed[_i].text,
                  error);
    ck_assert_int_eq(ns, ok ? parsed[_i].want_ns : 4711); /* untouched on failure */
    if (!ok)
        ck_assert_str_eq(error, parsed[_i].want_error);
}
END_TEST

START_TEST(duration_cuts_long_input_in_errors)
{
    char text[4096], error[DURATION_ERROR_BYTES];
    int64_t ns;

    memset(text, 'x', sizeof(text));
    ck_assert(!duration_parse(text, sizeof(text), &ns, error));
    ck_assert_str_eq(error + strlen(error) - 5, "x...\"");
    text[0] = '1';
    memset(text + 1, '\xff', sizeof(text) - 1);
    ck_assert(!duration_parse(text, sizeof(text), &ns, error));
    ck_assert_str_eq(error,
                     "time: unknown unit \"\\xff\\xff\\xff\\xff\\xff\\xff...\" in "
                     "duration \"1\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff...\"");
}
END_TEST

static const struct {
    int64_t ns;
    const char *want;
} formatted[] = {
    {0, "0s"},
    {1, "1ns"},
    {-1, "-1ns"},
    {999, "999ns"},
    {1000, "1" MICRO "s"},
    {1500, "1.5" MICRO "s"},
    {999999, "999.999" MICRO "s"},
    {1000000, "1ms"},
    {2200000, "2.2ms"},
    {500000000, "500ms"},
    {999999999, "999.999999ms"},
    {1000000000, "1s"},
    {-1500000000, "-1.5s"},
    {60000000000, "1m0s"},
    {61000000000, "1m1s"},
    {3600000000000, "1h0m0s"},
    {5445000000000, "1h30m45s"},
    {18305001000000, "5h5m5.001s"},
    {INT64_MAX, "2562047h47m16.854775807s"},
    {INT64_MIN, "-2562047h47m16.854775808s"},
};

START_TEST(duration_formats_like_go)
{
    char text[DURATION_TEXT_BYTES], error[DURATION_ERROR_BYTES];
    int64_t back;

    ck_assert_uint_eq(duration_format(text, formatted[_i].ns),
                      strlen(formatted[_i].want));
    ck_assert_str_eq(text, formatted[_i].want);
    ck_assert(duration_parse(text, strlen(text), &back, error));
    ck_assert_int_eq(back, formatted[_i].ns);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, duration_parses_like_go, 0, N_ELEMENTS(parsed));
    tcase_add_test(tc, duration_cuts_long_input_in_errors);
    tcase_add_loop_test(tc, duration_formats_like_go, 0, N_ELEMENTS(formatted));
}

int main(void)
{
    return unit_main("duration", fill);
}
