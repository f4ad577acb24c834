#include "worker/erase.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/unit.h"

/* Repeats a piece until the source is as large as a test wants. */
struct repeated {
    const char *head, *piece, *tail;
    const char *error; /* part of the text, NULL = accepted */
};

static const struct repeated large[] = {
    {"", "x = y as T; ", "", NULL},
    {"", "local function f(a: {T}, b: () -> ()): T return f(a) as T end ", "", NULL},
    {"", "f()\ntype X = T\n", "", NULL},
    {"", "type(x) ", "", NULL},
    {"x = '", "\\q", "'", NULL},
    {"x = '", "a\\\n", "'", NULL},
    {"x = ", "a::", "T", "syntax error"},
    {"x = 1", " + 1", "", NULL},
    {"x = 1", "!", "", NULL},
    {"x = ", "-", "1", "unexpected symbol near <eof>"}, /* one long comment */
    {"x = ", "- ", "1", NULL},
    {"x = a", ".b", "", NULL},
    {"x = a", "[1]", "", NULL},
    {"x = {", "f()!,", "}", NULL},
    {"x = {", "f(),", "f()!}", NULL},
    {"if a then ", "elseif a then ", "end", NULL},
    {"local a: T", " | T", "", NULL},
    {"local a: T", "?", "", NULL},
    {"local a: T", "[]", "", NULL},
    {"local a: T", "@a(1)", "", NULL},
    {"local a: A", " extends B ? C : D", "", NULL},
    {"local a: typeof(f(", "function(a: typeof(x)) end, ", "1))", NULL},
    {"", "(", "", "nesting deeper than 200 levels"},
    {"x = ", "{", "", "nesting deeper than 200 levels"},
    {"x = ", "{[", "", "nesting deeper than 200 levels"},
    {"x = ", "f(function() ", "", "nesting deeper than 200 levels"},
    {"", "for i = function() ", "", "nesting deeper than 200 levels"},
    {"", "do ", "", "nesting deeper than 200 levels"},
    {"", "if a then ", "", "nesting deeper than 200 levels"},
    {"local a: ", "(", "", "nesting deeper than 200 levels"},
    {"local a: ", "{", "", "nesting deeper than 200 levels"},
    {"local a: ", "{[", "", "nesting deeper than 200 levels"},
    {"local a: ", "T<", "", "nesting deeper than 200 levels"},
    {"local a: ", "T[", "", "nesting deeper than 200 levels"},
    {"local a: ", "() -> ", "T", "nesting deeper than 200 levels"},
    {"local a: ", "A extends B ? ", "", "nesting deeper than 200 levels"},
    {"local a: ", "asserts x is ", "T", "nesting deeper than 200 levels"},
    {"x = ", "function<T: typeof(", "", "nesting deeper than 200 levels"},
    {"x = [[", "]=", "", "unfinished long string"},
    {"x = [=====[", "]====", "", "unfinished long string"},
    {"--[", "=", "", NULL},
    {"x = [", "=", "", "invalid long string delimiter"},
    {"x = 1", "0", "", NULL},
    {"x = '\\u{", "0", "}'", NULL},
    {"x = '", "\\u{", "'", NULL},
    {"x = y ", "\n", "as T", NULL},
    {"", "::a", "", "syntax error"},
    {"", "type X ", "", "syntax error"},
    {"", "x = y as ", "", "unexpected symbol"},
    {"x = a", " as T", "\n(g)()", NULL},
    {"", "$", "", "unexpected symbol"},
};

START_TEST(eraser_takes_linear_time)
{
    const struct repeated *row = &large[_i];
    size_t n_piece = strlen(row->piece), n_head = strlen(row->head);
    size_t n_tail = strlen(row->tail), at = n_head;
    size_t n_bytes = (_i < 2 ? 10u : 3u) << 20;
    char *source = xmalloc(n_bytes);
    struct erased erased = {0};
    struct err err = {0};
    clock_t start;
    int rc;

    memcpy(source, row->head, n_head);
    while (at + n_piece + n_tail <= n_bytes) {
        memcpy(source + at, row->piece, n_piece);
        at += n_piece;
    }
    memcpy(source + at, row->tail, n_tail);
    at += n_tail;
    start = clock();
    rc = erase_types(source, at, "c", &erased, &err);
    /* A tenth of a second is usual; a quadratic pass would take hours. */
    ck_assert_msg(clock() - start < 20 * CLOCKS_PER_SEC, "slow: %s", row->piece);
    ck_assert_msg((rc == 0) == (row->error == NULL), "%s: %s", row->piece, err.text);
    if (row->error != NULL)
        ck_assert_msg(strstr(err.text, row->error) != NULL, "%s: %s", row->piece,
                      err.text);
    erased_finish(&erased);
    free(source);
}
END_TEST

static void nest(char *out, const char *open, const char *middle, const char *shut,
                 unsigned n)
{
    *out = '\0';
    for (unsigned i = 0; i < n; i++)
        out = stpcpy(out, open);
    out = stpcpy(out, middle);
    for (unsigned i = 0; i < n; i++)
        out = stpcpy(out, shut);
}

static const struct {
    const char *open, *middle, *shut;
    unsigned levels; /* that one opening adds */
} nested[] = {
    {"f(", "1", ")", 1},
    {"do ", "", " end ", 1},
    {"while a do ", "", " end ", 1},
    {"for i = 1, 2 do ", "", " end ", 1},
    {"repeat ", "", " until a ", 1},
    {"if a then ", "", " end ", 1},
    {"if a then else ", "", " end ", 1},
    {"function f() ", "", " end ", 1},
    {"f(function() ", "", " end)", 2},
    {"for i = f(function() ", "", " end), 2 do end", 3},
    {"f{{[{[{", "1", "}] = 1}] = 1}}", 4},
    {"local a: typeof(function() ", "", " end)", 2},
    {"local function f<T: typeof(function() ", "", " end)>(a: T): T end ", 3},
    {"interface I function f(a: typeof(function() ", "", " end)): T end ", 3},
};

START_TEST(eraser_takes_exactly_its_nesting_limit)
{
    unsigned n = ERASE_MAX_DEPTH / nested[_i].levels;
    char source[20000];
    struct erased erased;
    struct err err = {0};

    nest(source, nested[_i].open, nested[_i].middle, nested[_i].shut, n);
    ck_assert_msg(erase_types(source, strlen(source), "c", &erased, &err) == 0, "%s",
                  err.text);
    erased_finish(&erased);
    nest(source, nested[_i].open, nested[_i].middle, nested[_i].shut, n + 1);
    ck_assert_int_eq(erase_types(source, strlen(source), "c", &erased, &err), -1);
    ck_assert_msg(strstr(err.text, "nesting deeper than 200 levels") != NULL, "%s",
                  err.text);
}
END_TEST

START_TEST(eraser_refuses_what_is_too_large)
{
    struct erased erased;
    struct err err;

    ck_assert_int_eq(erase_types("", ERASE_MAX_BYTES + 1, "c", &erased, &err), -1);
    ck_assert_str_eq(err.text, "c: source larger than 64 MiB");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, eraser_takes_linear_time, 0, N_ELEMENTS(large));
    tcase_add_loop_test(tc, eraser_takes_exactly_its_nesting_limit, 0,
                        N_ELEMENTS(nested));
    tcase_add_test(tc, eraser_refuses_what_is_too_large);
}

int main(void)
{
    return unit_main("erase_limits", fill);
}
