#include "worker/check.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#include "worker/erase.h"

#include "tests/unit/unit.h"

#define DECLARED                                                                       \
    "type Point = {x: number, y: number, tag?: string}\n"                              \
    "type Level = 'low' | 'high'\n"                                                    \
    "type Node = {value: number, next: Node?}\n"                                       \
    "type Shape = {kind: 'circle', r: number} | {kind: 'box', w: number}\n"            \
    "type Handler = (name: string, n: number?) -> (boolean, string?)\n"                \
    "type Pair<A, B> = {first: A, second: B}\n"                                        \
    "interface Named name: string function greet(self: any, to: string): string end\n" \
    "interface Aged: Named age: number end\n"
#define DECLARED_LINES 8

/* The report as one text: "L:C message" per line. */
static const char *check(const char *source)
{
    static char text[8000];
    struct check_report report;
    struct erased erased;
    struct err err = {0};
    size_t n = 0;

    ck_assert_msg(erase_types(source, strlen(source), "c", &erased, &err) == 0,
                  "%s\n%s", source, err.text);
    erased_finish(&erased);
    ck_assert_int_eq(check_types(source, strlen(source), false, &report), 0);
    text[0] = '\0';
    for (size_t i = 0; i < report.n && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d:%d %s",
                              i != 0 ? "\n" : "", report.errors[i].line,
                              report.errors[i].col, report.errors[i].message);
    check_report_finish(&report);
    return text;
}

/* ---- right programs -------------------------------------------------------------- */

static const char *const right[] = {
#include "tests/unit/check_right.h"
};

START_TEST(check_leaves_right_programs_alone)
{
    static char source[20000];

    snprintf(source, sizeof(source), "%s%s", DECLARED, right[_i]);
    ck_assert_msg(check(source)[0] == '\0', "%s\n%s", right[_i], check(source));
}
END_TEST

/* ---- wrong programs -------------------------------------------------------------- */

static const struct {
    const char *source, *want;
} wrong[] = {
#include "tests/unit/check_wrong.h"
};

START_TEST(check_finds_what_is_wrong)
{
    static char source[20000];

    snprintf(source, sizeof(source), "%s", wrong[_i].source);
    ck_assert_msg(strcmp(check(source), wrong[_i].want) == 0,
                  "source: %s\nwant:   %s\ngot:    %s", wrong[_i].source,
                  wrong[_i].want, check(source));
}
END_TEST

/* The same behind declarations, and with lines that end in CR LF. */
START_TEST(check_counts_lines_and_columns)
{
    ck_assert_str_eq(check("\r\n\r\nlocal a = 1\r\n  local b: string = a"),
                     "4:21 local 'b': expected string, got integer");
    ck_assert_str_eq(check("#!/bin/x\nlocal b: string = 1"),
                     "2:19 local 'b': expected string, got integer");
    ck_assert_str_eq(check("\tlocal b: string = --[[ \n ]] 1"),
                     "2:5 local 'b': expected string, got integer");
    ck_assert_str_eq(check("local s = [[\n\n]] local b: string = 1"),
                     "3:22 local 'b': expected string, got integer");
}
END_TEST

/* ---- bounds ---------------------------------------------------------------------- */

START_TEST(check_keeps_some_errors_and_counts_all)
{
    static char source[100 * 30];
    struct check_report report;
    size_t n = 0;

    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(source + n, sizeof(source) - n,
                              "do local a: string = 1 end\n");
    ck_assert_int_eq(check_types(source, n, false, &report), 0);
    ck_assert_uint_eq(report.n, CHECK_MAX_ERRORS);
    ck_assert_uint_eq(report.n_all, 100);
    check_report_finish(&report);
}
END_TEST

static const struct {
    const char *before, *again, *middle, *after;
} repeated[] = {
    {"local x = ", "{", "1", "}"},
    {"local x = ", "(", "1", ")"},
    {"local x = ", "f(", "1", ")"},
    {"", "do ", "", "end "},
    {"", "if x then ", "", "end "},
    {"local x = ", "function() return ", "1", " end"},
    {"local x: ", "{", "number", "}"},
    {"local x: ", "(number) -> ", "number", ""},
    {"local x: ", "() -> (", "number", ")"},
    {"local x: ", "", "number", "[]"},
    {"local x: ", "", "number", " ?"},
    {"type T = ", "", "number", "[]"},
    {"local x = ", "-", "1", ""},
    {"local x = ", "not ", "1", ""},
    {"local x = 1 ", "", "", " .. 1"},
    {"local x = 1 ", "", "", " ^ 1"},
    {"local a = 1 local x: number? = 1 local y = x", "", "", " and x"},
    {"local x: string? = f() if x then ", "", "", " elseif x then"},
    {"local x = f", "", "", ".f"},
    {"local x = f", "", "", "(1)"},
    {"local x = {", "", "", "{a = 1},"},
    {"type T = ", "", "string", " | 'x'"},
    {"", "local x: number? = 1 ", "", ""},
};

/* Whatever comes of it, it ends, without a stack of its own being used up. */
START_TEST(check_is_bounded)
{
    static char source[800000];
    static const char *const tails[] = {"", "}", " end", " end)"};
    struct check_report report;

    for (int n = 36; n <= 36000; n = n * 30) {
        for (unsigned tail = 0; tail < N_ELEMENTS(tails); tail++) {
            size_t at = (size_t)sprintf(source, "%s", repeated[_i].before);

            for (int i = 0; i < n; i++)
                at += (size_t)sprintf(source + at, "%s", repeated[_i].again);
            at += (size_t)sprintf(source + at, "%s", repeated[_i].middle);
            for (int i = 0; i < n; i++)
                at += (size_t)sprintf(source + at, "%s", repeated[_i].after);
            at += (size_t)sprintf(source + at, "%s", tails[tail]);
            ck_assert_int_eq(check_types(source, at, false, &report), 0);
            check_report_finish(&report);
        }
    }
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, check_leaves_right_programs_alone, 0, N_ELEMENTS(right));
    tcase_add_loop_test(tc, check_finds_what_is_wrong, 0, N_ELEMENTS(wrong));
    tcase_add_test(tc, check_counts_lines_and_columns);
    tcase_add_test(tc, check_keeps_some_errors_and_counts_all);
    tcase_add_loop_test(tc, check_is_bounded, 0, N_ELEMENTS(repeated));
}

int main(void)
{
    return unit_main("check", fill);
}
