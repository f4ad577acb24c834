#include "common/series.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define MAX_GIVEN 4

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static const struct {
    const char *name, *labels[2 * MAX_GIVEN], *want;
} made[] = {
    {"requests", {NULL}, "requests"},
    {"a.b-c 9", {NULL}, "a_b_c_9"},
    {"9lives", {NULL}, "_lives"},
    {"ns:name", {NULL}, "ns:name"},
    {"\xc3\xa9", {NULL}, "__"},
    {"x", {"b", "2", "a", "1"}, "x{a=\"1\",b=\"2\"}"},
    {"x", {"a:b", "1"}, "x{a_b=\"1\"}"},
    {"x", {"a", "q\"\\\n"}, "x{a=\"q\\\"\\\\\\n\"}"},
    {"x", {"a", ""}, "x{a=\"\"}"},
    {"x", {"a", "\xff\xc3\xa9"}, "x{a=\"\xef\xbf\xbd\xc3\xa9\"}"},
    {"x", {"le", "5"}, "x{exported_le=\"5\"}"},
    {"x", {"le", "5", "aa", "1", "g", "2"}, "x{aa=\"1\",exported_le=\"5\",g=\"2\"}"},
    {"x", {"a.b", "2", "a-b", "1"}, "x{a_b=\"1\"}"},
};

static bool append(struct buf *out, const char *name, const char *const *labels)
{
    struct series_label given[MAX_GIVEN];
    size_t n = 0;

    for (; n < MAX_GIVEN && labels[2 * n] != NULL; n++)
        given[n] =
            (struct series_label){bytes_of(labels[2 * n]), bytes_of(labels[2 * n + 1])};
    return series_append(out, bytes_of(name), given, n);
}

START_TEST(series_has_one_text_that_passes_its_own_check)
{
    struct buf buf;
    size_t n_name;

    buf_init(&buf, 0);
    ck_assert(append(&buf, made[_i].name, made[_i].labels));
    buf_append(&buf, "", 1);
    ck_assert_str_eq((char *)buf_head(&buf), made[_i].want);
    ck_assert(series_check(bytes_of(made[_i].want), &n_name));
    ck_assert_uint_eq(n_name, strcspn(made[_i].want, "{"));
    buf_finish(&buf);
}
END_TEST

static const char *const refused[] = {
    "",
    "9x",
    "x y",
    "x\n",
    "x{}",
    "x{a=\"1\"",
    "x{a=\"1\"}y",
    "x{a=\"1\",}",
    "x{a=1}",
    "x{=\"1\"}",
    "x{b=\"1\",a=\"2\"}",
    "x{a=\"1\",a=\"2\"}",
    "x{a:b=\"1\"}",
    "x{le=\"1\"}",
    "x{a=\"\n\"}",
    "x{a=\"\\t\"}",
    "x{a=\"\\",
    "x{a=\"\xff\"}",
    "x{a=\"1\"} 5\nother",
};

START_TEST(series_refuses_what_it_would_not_write)
{
    size_t n_name = 77;

    ck_assert(!series_check(bytes_of(refused[_i]), &n_name));
    ck_assert_uint_eq(n_name, 77);
}
END_TEST

START_TEST(series_is_bounded)
{
    struct series_label labels[SERIES_MAX_LABELS + 1];
    static char names[SERIES_MAX_LABELS + 1][8], text[SERIES_MAX_BYTES + 2];
    struct buf buf;
    size_t n_name;

    buf_init(&buf, 0);
    buf_append(&buf, "before", 6);
    for (size_t i = 0; i <= SERIES_MAX_LABELS; i++) {
        snprintf(names[i], sizeof(names[i]), "l%02zu", i);
        labels[i] = (struct series_label){bytes_of(names[i]), bytes_of("")};
    }
    ck_assert(!series_append(&buf, bytes_of("x"), labels, SERIES_MAX_LABELS + 1));
    ck_assert(series_append(&buf, bytes_of("x"), labels, SERIES_MAX_LABELS));
    buf.end = buf.start + 6;

    memset(text, '"', SERIES_MAX_BYTES / 2); /* twice as long once it is escaped */
    labels[0].value = bytes_of(text);
    ck_assert(!series_append(&buf, bytes_of("x"), labels, 1));
    ck_assert_uint_eq(buf_len(&buf), 6);

    memset(text, 'x', SERIES_MAX_BYTES + 1);
    ck_assert(!series_append(&buf, bytes_of(text), NULL, 0));
    ck_assert(!series_check(bytes_of(text), &n_name));
    text[SERIES_MAX_BYTES] = '\0';
    ck_assert(series_append(&buf, bytes_of(text), NULL, 0));
    ck_assert(series_check(bytes_of(text), &n_name));
    ck_assert(!series_append(&buf, bytes_of(""), NULL, 0));
    buf_finish(&buf);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, series_has_one_text_that_passes_its_own_check, 0,
                        N_ELEMENTS(made));
    tcase_add_loop_test(tc, series_refuses_what_it_would_not_write, 0,
                        N_ELEMENTS(refused));
    tcase_add_test(tc, series_is_bounded);
}

int main(void)
{
    return unit_main("series", fill);
}
