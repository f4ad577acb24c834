#include "supervisor/http_head.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static const struct {
    const char *text;
    enum http_method method;
    const char *path;
} taken[] = {
    {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_GET, "/metrics"},
    {"GET /metrics HTTP/1.0\r\n\r\n", HTTP_GET, "/metrics"},
    {"HEAD /livez?a=b?c HTTP/1.1\r\nhOsT:\r\n\r\n", HTTP_HEAD, "/livez"},
    {"get / HTTP/1.0\r\n\r\n", HTTP_OTHER, "/"},
    {"OPTIONS * HTTP/1.0\r\n\r\n", HTTP_OTHER, "*"},
    {"GET http://a.b:1/x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_GET, "/x"},
    {"GET HTTP://a/?/ HTTP/1.0\r\nA: b\r\nC:\td \r\n\r\n", HTTP_GET, "/"},
    {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", HTTP_OTHER, "/x"},
    {"GET /\xff HTTP/1.0\r\nA: \xff\r\n\r\n", HTTP_GET, "/\xff"},
};

static struct bytes all_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

START_TEST(http_head_takes)
{
    struct http_head head;

    ck_assert_int_eq(http_head_parse(all_of(taken[_i].text), &head), 0);
    ck_assert_int_eq(head.method, taken[_i].method);
    ck_assert_uint_eq(head.path.n, strlen(taken[_i].path));
    ck_assert_int_eq(memcmp(head.path.data, taken[_i].path, head.path.n), 0);
}
END_TEST

static const struct {
    const char *text;
    int status;
} refused[] = {
    {"GET /\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nA: b\r\n c\r\n\r\n", 400}, /* a line that goes on */
    {"GET / HTTP/1.0\r\nA : b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nno colon\r\n\r\n", 400},
    {"GET / HTTP/1.0\nA: b\r\n\r\n", 400}, /* no CR */
    {"GET / HTTP/1.0\n\n", 400},
    {"GET / HTTP/1.0\r\nA: b\rc\r\n\r\n", 400},
    {"GET /\x01 HTTP/1.0\r\n\r\n", 400},
    {"GET relative HTTP/1.0\r\n\r\n", 400},
    {"GET http://nowhere HTTP/1.0\r\n\r\n", 400},
    {"G(T / HTTP/1.0\r\n\r\n", 400},
    {" / HTTP/1.0\r\n\r\n", 400},
    {"\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.11\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\n", 505},
};

START_TEST(http_head_refuses)
{
    struct http_head head = {.method = (enum http_method)77};

    ck_assert_int_eq(http_head_parse(all_of(refused[_i].text), &head),
                     refused[_i].status);
    ck_assert_int_eq(head.method, 77); /* outputs stay untouched */
}
END_TEST

START_TEST(http_head_finds_the_same_end_however_bytes_come)
{
    static const struct {
        const char *text;
        size_t end;
    } rows[] = {{"GET / HTTP/1.0\r\n\r\nmore\r\n\r\n", 18},
                {"a\n\nb", 3},
                {"a\n\r\nb", 4},
                {"a\r\nb\r\n\r\n", 8},
                {"\r\n\r\n", 4},
                {"a\n\rb\n\r", 0},
                {"a\r\r\n\rb", 0},
                {"nothing", 0}};

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct bytes text = all_of(rows[i].text), part = {text.data, 0};
        size_t at_once = 0, searched = 0, found = 0;

        ck_assert_uint_eq(http_head_find_end(text, &at_once), rows[i].end);
        while (found == 0 && part.n < text.n) {
            part.n++;
            found = http_head_find_end(part, &searched);
        }
        ck_assert_uint_eq(found, rows[i].end);
        ck_assert_uint_eq(found != 0 ? part.n : 0, rows[i].end); /* not later */
    }
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, http_head_takes, 0, N_ELEMENTS(taken));
    tcase_add_loop_test(tc, http_head_refuses, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, http_head_finds_the_same_end_however_bytes_come);
}

int main(void)
{
    return unit_main("http_head", fill);
}
