#include "common/number.h"

#include <math.h>

#include "tests/unit/unit.h"

static struct number of_text(const char *text)
{
    if (strpbrk(text, ".en") == NULL)
        return number_of_integer(strtoll(text, NULL, 10));
    return number_of_real(strtod(text, NULL));
}

START_TEST(number_compares_what_is_meant)
{
    static const struct {
        const char *a, *b;
        int want;
    } rows[] = {
        {"1", "1.0", 0},
        {"1", "1.5", -1},
        {"-1", "-1.5", 1},
        {"2", "1.5", 1},
        {"1", "7.5", -1},
        {"-3", "-1.5", -1},
        {"9007199254740993", "9007199254740992.0", 1},
        {"9223372036854775807", "9223372036854775808.0", -1},
        {"-9223372036854775808", "-9223372036854775808.0", 0},
        {"-9223372036854775808", "-1e300", 1},
        {"9223372036854775807", "inf", -1},
        {"0", "-0.0", 0},
        {"0.1", "0.2", -1},
        {"1e300", "1e301", -1},
        {"inf", "1e308", 1},
        {"-inf", "-5", -1},
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct number a = of_text(rows[i].a), b = of_text(rows[i].b);

        ck_assert_msg(number_compare(a, b) == rows[i].want, "%s %s", rows[i].a,
                      rows[i].b);
        ck_assert_int_eq(number_compare(b, a), -rows[i].want);
    }
}
END_TEST

START_TEST(number_is_a_multiple_in_decimal)
{
    static const struct {
        const char *number, *step;
        bool want;
    } rows[] = {
        {"0.3", "0.1", true},
        {"0.35", "0.1", false},
        {"1e308", "0.1", true},
        {"1e308", "3", false},
        {"3e307", "3", true},
        {"5e-324", "5e-324", true},
        {"1", "5e-324", true},
        {"0.0075", "0.0001", true},
        {"-7", "7", true},
        {"9223372036854775807", "7", true},
        {"9223372036854775806", "7", false},
        {"9223372036854775807", "9223372036854775807", true},
        {"-9223372036854775808", "2", true},
        {"0", "0.7", true},
        {"inf", "1", false},
        {"nan", "1", false},
        {"0.1", "1e300", false},
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        ck_assert_msg(number_is_multiple(of_text(rows[i].number),
                                         of_text(rows[i].step)) == rows[i].want,
                      "%s %s", rows[i].number, rows[i].step);
}
END_TEST

START_TEST(number_is_written_in_the_shortest_way)
{
    static const struct {
        const char *number, *want;
    } rows[] = {{"0.1", "0.1"},
                {"1.0", "1"},
                {"1e300", "1e+300"},
                {"0.30000000000000004", "0.30000000000000004"},
                {"-9223372036854775808", "-9223372036854775808"}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char text[NUMBER_TEXT_BYTES];

        ck_assert_uint_eq(number_format(text, of_text(rows[i].number)),
                          strlen(rows[i].want));
        ck_assert_str_eq(text, rows[i].want);
    }
}
END_TEST

START_TEST(number_knows_what_has_a_fraction)
{
    ck_assert(number_is_integral(number_of_real(3.0)));
    ck_assert(number_of_real(3.0).is_integer);
    ck_assert(number_is_integral(number_of_real(1e300)));
    ck_assert(!number_of_real(1e300).is_integer);
    ck_assert(!number_is_integral(number_of_real(0.5)));
    ck_assert(!number_is_integral(number_of_real(INFINITY)));
    ck_assert(!number_is_integral(number_of_real(NAN)));
    ck_assert(!number_is_finite(number_of_real(-INFINITY)));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, number_compares_what_is_meant);
    tcase_add_test(tc, number_is_a_multiple_in_decimal);
    tcase_add_test(tc, number_is_written_in_the_shortest_way);
    tcase_add_test(tc, number_knows_what_has_a_fraction);
}

int main(void)
{
    return unit_main("number", fill);
}
