#include "supervisor/problems.h"

#include <string.h>

#include "common/buf.h"
#include "common/mem.h"

#include "tests/unit/unit.h"

static struct problems problems;

static void start(void)
{
    problems_init(&problems);
}

static void finish(void)
{
    problems_finish(&problems);
}

static void add(const char *file, unsigned line, const char *text)
{
    struct problem_at at = {.file = file, .line = line};

    problems_add(&problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL, "%s", text);
}

static const struct {
    const char *text, *shown;
} texts[] = {
    {"\x1b[2J", "?[2J"},
    {"two\nlines\x7f", "two?lines?"},
    {"\xc2\x9b"
     "2J",
     "??2J"}, /* the same, as U+009B */
    {"gr\xc3\xb6\xc3\x9f"
     "er \xe2\x82\xac",
     "gr\xc3\xb6\xc3\x9f"
     "er \xe2\x82\xac"},
    {"cut \xe2\x82", "cut ??"},
};

START_TEST(problems_show_nothing_that_steers_a_terminal)
{
    add(texts[_i].text, 1, texts[_i].text);
    ck_assert_str_eq(problems.rows[0].text, texts[_i].shown);
    ck_assert_str_eq(problems.rows[0].file, texts[_i].shown);
}
END_TEST

START_TEST(problems_are_copied_with_their_place)
{
    struct problems copy;
    struct buf line;

    add("a.yaml", 3, "is missing");
    problems_init(&copy);
    problems_add_row(&copy, &problems.rows[0]);
    ck_assert_uint_eq(copy.n_errors, 1);
    buf_init(&line, 0);
    problem_format(&line, &copy.rows[0]);
    buf_append(&line, "", 1);
    ck_assert_str_eq((char *)buf_head(&line), "a.yaml:3: error: is missing\n");
    buf_finish(&line);
    problems_finish(&copy);
}
END_TEST

/* What all of them come to, as a text that lives until the next call. */
static const char *shown(void)
{
    static char text[100000];
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(problems_format(&buf, &problems));
    ck_assert_uint_lt(buf_len(&buf), sizeof(text));
    memcpy(text, buf_head(&buf), buf_len(&buf));
    text[buf_len(&buf)] = '\0';
    buf_finish(&buf);
    return text;
}

START_TEST(problems_are_told_in_the_order_of_their_places)
{
    static const struct {
        struct problem_at at;
        const char *text, *hint;
        enum severity severity;
    } rows[] = {
        {{.file = "b.yaml", .line = 1, .column = 1}, "late", NULL, SEVERITY_ERROR},
        {{.file = "a.yaml", .line = 10}, "tenth", NULL, SEVERITY_ERROR},
        {{"a.yaml", 2, 7, "app:f", NULL}, "wrong", "write x", SEVERITY_ERROR},
        {{.file = "a.yaml", .line = 2, .column = 3}, "odd", NULL, SEVERITY_WARNING},
        {{.file = NULL}, "of all", NULL, SEVERITY_WARNING},
        {{.file = "a.yaml", .line = 2, .column = 3}, "worse", NULL, SEVERITY_ERROR},
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        problems_add(&problems, rows[i].severity, ERR_INVALID, &rows[i].at,
                     rows[i].hint, "%s", rows[i].text);
    ck_assert_str_eq(shown(), "warning: of all\n"
                              "a.yaml:2:3: warning: odd\n"
                              "a.yaml:2:3: error: worse\n"
                              "a.yaml:2:7: error: app:f: wrong; write x\n"
                              "a.yaml:10: error: tenth\n"
                              "b.yaml:1:1: error: late\n");
    ck_assert_str_eq(problems_first_error(&problems)->text, "worse");
}
END_TEST

START_TEST(problems_are_counted_beyond_those_that_are_kept)
{
    struct err err;

    add(NULL, 0, "one");
    ck_assert_int_eq(problems_set_err(&problems, ERR_CONFLICT, "", &err), -1);
    ck_assert_int_eq(err.kind, ERR_CONFLICT);
    ck_assert_str_eq(err.text, "1 problem");
    for (size_t i = 1; i < PROBLEMS_MAX + 2; i++)
        add(NULL, 0, "another");
    ck_assert_uint_eq(problems.n, PROBLEMS_MAX);
    problems_set_err(&problems, ERR_INVALID, ", sorry", &err);
    ck_assert_str_eq(err.text, "1002 problems, sorry");
    ck_assert_ptr_nonnull(strstr(shown(), "error: another\n... and 2 more\n"));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_loop_test(tc, problems_show_nothing_that_steers_a_terminal, 0,
                        N_ELEMENTS(texts));
    tcase_add_test(tc, problems_are_copied_with_their_place);
    tcase_add_test(tc, problems_are_told_in_the_order_of_their_places);
    tcase_add_test(tc, problems_are_counted_beyond_those_that_are_kept);
}

int main(void)
{
    return unit_main("problems", fill);
}
