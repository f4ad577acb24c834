#include "common/id.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct {
    uint64_t pid;
    const char *host, *text;
} texts[] = {
    {0, "x", "{|}"},
    {7, "app:host", "{app:host|0x00007}"},
    {0xfffff, "h", "{h|0xfffff}"},
    {0x100000, "h", "{h|0x100000}"},
    {0xffffff, "h", "{h|0xffffff}"},
    {0x1000000, "h", "{h|0x01000000}"},
    {0x100000000, "h", "{h|0x0000000100000000}"},
    {UINT64_MAX, "a:b|c", "{a:b|c|0xffffffffffffffff}"},
};

START_TEST(pid_text_goes_there_and_back)
{
    char out[PID_TEXT_MAX];
    const char *host;
    size_t n = pid_format(out, texts[_i].host, strlen(texts[_i].host), texts[_i].pid);
    size_t host_bytes;
    uint64_t pid;

    ck_assert_str_eq(out, texts[_i].text);
    ck_assert_uint_eq(n, strlen(out));
    ck_assert_int_eq(pid_parse(out, n, &pid, &host, &host_bytes), PID_OK);
    ck_assert_uint_eq(pid, texts[_i].pid);
    ck_assert_uint_eq(host_bytes, pid == 0 ? 0 : strcspn(texts[_i].host, "|"));
    ck_assert_mem_eq(host, texts[_i].host, host_bytes);
}
END_TEST

START_TEST(pid_text_has_room_for_any_host)
{
    char host[2 * PID_TEXT_MAX], out[PID_TEXT_MAX];
    size_t n;

    memset(host, 'h', sizeof(host));
    n = pid_format(out, host, sizeof(host), UINT64_MAX);
    ck_assert_uint_lt(n, sizeof(out));
    ck_assert_uint_eq(n, strlen(out));
    ck_assert_str_eq(out + n - 20, "|0xffffffffffffffff}");
}
END_TEST

static const struct {
    const char *text;
    enum pid_parse_result want;
} parses[] = {
    {"", PID_NO_BRACES},
    {"{}", PID_NO_BRACES},
    {"name", PID_NO_BRACES},
    {"{host0x1}", PID_NO_PIPE},
    {"{h|12}", PID_BAD_NUMBER},
    {"{h|0x}", PID_BAD_NUMBER},
    {"{h|0xg}", PID_BAD_NUMBER},
    {"{h|0x11112222333344445}", PID_BAD_NUMBER},
    {"{node@app:host|0x00001}", PID_OK},
    {"{node@app:host|ns:name|0x00001}", PID_OK},
};

START_TEST(pid_parse_tells_what_is_wrong)
{
    const char *host = NULL;
    size_t host_bytes = 0;
    uint64_t pid;

    ck_assert_int_eq(
        pid_parse(parses[_i].text, strlen(parses[_i].text), &pid, &host, &host_bytes),
        parses[_i].want);
    if (parses[_i].want == PID_OK) {
        ck_assert_uint_eq(host_bytes, strlen("app:host"));
        ck_assert_mem_eq(host, "app:host", host_bytes);
    }
}
END_TEST

START_TEST(id_has_a_namespace)
{
    ck_assert_uint_eq(id_namespace_bytes("app:f", 5), 3);
    ck_assert_uint_eq(id_namespace_bytes("app.sub:f:g", 11), 7);
    ck_assert_uint_eq(id_namespace_bytes("app", 3), 3);
    ck_assert_uint_eq(id_namespace_bytes("app:f", 2), 2);
}
END_TEST

START_TEST(pid_parts_do_not_touch)
{
    uint64_t pid = pid_make(PID_MAX_WORKERS - 1, UINT32_MAX, 5);

    ck_assert_uint_eq(pid_index(pid), PID_MAX_WORKERS - 1);
    ck_assert_uint_eq(pid_life(pid), UINT32_MAX);
    ck_assert_uint_eq(pid_generation(pid), 0x7fffffff);
    ck_assert_uint_eq(pid_slot(pid), 5);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, pid_text_goes_there_and_back, 0, N_ELEMENTS(texts));
    tcase_add_loop_test(tc, pid_parse_tells_what_is_wrong, 0, N_ELEMENTS(parses));
    tcase_add_test(tc, pid_text_has_room_for_any_host);
    tcase_add_test(tc, pid_parts_do_not_touch);
    tcase_add_test(tc, id_has_a_namespace);
}

int main(void)
{
    return unit_main("id", fill);
}
