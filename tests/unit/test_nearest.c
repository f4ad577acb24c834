#include "common/nearest.h"

#include "tests/unit/unit.h"

static const char *const names[] = {"status", "start",   "stop",
                                    NULL,     "--state", "shutdown.timeout"};

static const struct {
    const char *text, *want;
} cases[] = {
    {"sttaus", "status"},
    {"stat", "start"},
    {"strat", "start"},
    {"--sate", "--state"},
    {"shutdown.timout", "shutdown.timeout"},
    {"stop", "stop"},
    {"xyzzy", NULL},
    {"", NULL},
    {"a-very-long-name-that-nobody-would-ever-type-by-mistake-in-a-shell-xx", NULL},
};

START_TEST(nearest_finds_the_name_that_was_meant)
{
    ck_assert_pstr_eq(nearest_find(cases[_i].text, names, N_ELEMENTS(names)),
                      cases[_i].want);
}
END_TEST

static const struct {
    const char *text, *want;
} slips[] = {
    {"sttaus", "status"}, {"statu", "status"}, {"stat", "start"},
    {"srtta", NULL},      {"ttatus", NULL},    {"shutdwn.timout", "shutdown.timeout"},
    {"stopped", NULL},    {"", NULL},
};

START_TEST(a_slip_is_nearer_than_near)
{
    ck_assert_pstr_eq(nearest_find_slip(slips[_i].text, names, N_ELEMENTS(names)),
                      slips[_i].want);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, a_slip_is_nearer_than_near, 0, N_ELEMENTS(slips));
    tcase_add_loop_test(tc, nearest_finds_the_name_that_was_meant, 0,
                        N_ELEMENTS(cases));
}

int main(void)
{
    return unit_main("nearest", fill);
}
