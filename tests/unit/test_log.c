#include "common/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/err.h"
#include "common/value.h"

#include "tests/unit/unit.h"

static char text[65536];

static int start(enum log_format format)
{
    int fd = memfd_create("log", MFD_CLOEXEC);

    log_set_fd(fd);
    log_set_format(format);
    log_set_level(LOG_DEBUG);
    return fd;
}

/* Everything written, without the time of each line when the format is console. */
static const char *finish(int fd)
{
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    close(fd);
    log_set_fd(2);
    return text;
}

static const char *after_time(const char *line)
{
    ck_assert_uint_gt(strlen(line), 25);
    ck_assert_int_eq(line[10], 'T');
    ck_assert_int_eq(line[23], 'Z');
    return line + 25;
}

START_TEST(log_writes_fields_after_a_sentence)
{
    int fd = start(LOG_CONSOLE);

    log_warn("worker died, restarting",
             "pool=%s pid=%d at=%s:%u rate=%.1f n=%zu%% q=%.*s", "app:math", 4711,
             "host", 80u, 2.5, (size_t)12, 2, "xyz");
    ck_assert_str_eq(after_time(finish(fd)),
                     "warn supervisor worker died, restarting pool=app:math pid=4711 "
                     "at=host:80 rate=2.5 n=12% q=xy\n");
}
END_TEST

static const struct {
    const char *value, *want;
} quoted[] = {
    {"plain", "v=plain"},
    {"", "v=\"\""},
    {"two words", "v=\"two words\""},
    {"say \"hi\"", "v=\"say \\\"hi\\\"\""},
    {"a=b", "v=\"a=b\""},
    {"line\nbreak", "v=\"line\\nbreak\""},
    {"esc\033[31m", "v=\"esc\\x1b[31m\""},
    {"caf\xc3\xa9", "v=caf\xc3\xa9"},
    {"bad\xc3", "v=bad\\xc3"},
    {"c1\xc2\x9b"
     "31m",
     "v=c1\\xc2\\x9b31m"},
};

START_TEST(log_escapes_foreign_text_L11)
{
    int fd = start(LOG_CONSOLE);
    char want[128];

    log_info("x", "v=%s", quoted[_i].value);
    snprintf(want, sizeof(want), "info supervisor x %s\n", quoted[_i].want);
    ck_assert_str_eq(after_time(finish(fd)), want);
}
END_TEST

START_TEST(log_keeps_a_message_on_one_line_L11)
{
    struct log_record record = {LOG_ERROR, 0, "app\nlogger", "a\nb\r\x01", NULL};
    int fd = start(LOG_CONSOLE);

    log_emit(&record);
    ck_assert_str_eq(finish(fd),
                     "1970-01-01T00:00:00.000Z error app\\nlogger a\\nb\\r\\x01\n");
}
END_TEST

START_TEST(log_cuts_what_is_too_long_L11)
{
    char message[9000];
    struct log_record record = {LOG_INFO, 0, "app", message, NULL};
    int fd = start(_i == 0 ? LOG_CONSOLE : LOG_JSON);
    const char *line;

    memset(message, _i == 2 ? '\x02' : 'm', sizeof(message));
    message[sizeof(message) - 1] = '\0';
    log_emit(&record);
    line = finish(fd);
    ck_assert_uint_le(strlen(line), 4096);
    ck_assert_uint_gt(strlen(line), 1000);
    ck_assert_int_eq(line[strlen(line) - 1], '\n');
    if (_i < 2)
        ck_assert_ptr_ne(strstr(line, "mmm..."), NULL);
}
END_TEST

START_TEST(log_cuts_fields_before_it_drops_them_LG2)
{
    char words[9000];
    struct value fields = value_map(), list = value_list();
    struct log_record record = {LOG_INFO, 0, "app", "message", &fields};
    int fd = start(_i == 0 ? LOG_CONSOLE : LOG_JSON);
    const char *line;

    memset(words, 'x', sizeof(words));
    words[sizeof(words) - 1] = '\0';
    value_append(&list, value_string(words));
    value_put(&fields, "pid", value_string("{app:host|0x00001}"));
    value_put(&fields, "text", value_string(words));
    value_put(&fields, "list", list);
    for (int i = 0; i < (_i == 2 ? 500 : 5); i++) {
        snprintf(words, sizeof(words), "number%d", i);
        value_put(&fields, words, value_int(i));
    }
    log_emit(&record);
    line = finish(fd);
    ck_assert_uint_le(strlen(line), 4096);
    ck_assert_ptr_ne(strstr(line, "{app:host|0x00001}"), NULL);
    ck_assert_ptr_ne(strstr(line, "xxx..."), NULL);
    ck_assert_ptr_ne(strstr(line, "number4"), NULL);
    ck_assert_ptr_eq(strstr(line, "number400"), NULL);
    value_finish(&fields);
}
END_TEST

START_TEST(log_writes_json)
{
    int fd = start(LOG_JSON);
    struct value parsed, fields = value_map();
    struct log_record record = {LOG_INFO, 1500000000, "app", "he\n", &fields};
    struct err err = {0};
    const char *line;

    value_put(&fields, "level", value_int(3));
    value_put(&fields, "ok", value_bool(true));
    log_emit(&record);
    line = finish(fd);
    ck_assert_int_eq(value_read_json(line, strlen(line), &parsed, &err), 0);
    ck_assert_str_eq(value_get_text(&parsed, "ts"), "1970-01-01T00:00:01.500Z");
    ck_assert_str_eq(value_get_text(&parsed, "level"), "info");
    ck_assert_str_eq(value_get_text(&parsed, "logger"), "app");
    ck_assert_str_eq(value_get_text(&parsed, "msg"), "he\n");
    ck_assert_int_eq(value_get_int(&parsed, "field.level", 0), 3);
    ck_assert(value_get_bool(&parsed, "ok", false));
    value_finish(&parsed);
    value_finish(&fields);
}
END_TEST

START_TEST(log_counts_what_repeats)
{
    int fd = start(LOG_CONSOLE);
    unsigned n_lines = 0;
    const char *all;

    for (int i = 0; i < 100; i++)
        log_info("again", NULL);
    log_info("something else", NULL);
    all = finish(fd);
    for (const char *at = all; (at = strstr(at, "again")) != NULL; at++)
        n_lines++;
    ck_assert_uint_ge(n_lines, 20);
    ck_assert_uint_le(n_lines, 60); /* a second may end in between */
    ck_assert_ptr_ne(strstr(all, "something else"), NULL);
}
END_TEST

START_TEST(log_drops_lines_that_nobody_reads)
{
    int fds[2];
    char byte[4096];

    ck_assert_int_eq(pipe(fds), 0); /* our end blocks, as standard output does */
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETPIPE_SZ, 4096);
    log_set_fd(fds[1]);
    log_set_level(LOG_DEBUG);
    for (int i = 0; i < 2000; i++)
        log_info("full", "i=%d", i); /* would hang if writing blocked */
    while (read(fds[0], byte, sizeof(byte)) > 0)
        ;
    log_flush_repeats();
    ck_assert_int_gt(read(fds[0], byte, sizeof(byte)), 0);
    ck_assert_ptr_ne(memmem(byte, sizeof(byte), "log lines lost", 14), NULL);
    close(fds[0]);
    close(fds[1]);
    log_set_fd(2);
}
END_TEST

/* The end of what a file may hold stands for a disk that is full. */
START_TEST(log_goes_on_after_a_full_disk)
{
    static const char want[] = "log lines lost, they could not be written why=";
    struct rlimit all, limit;
    int fd = start(LOG_CONSOLE);
    const char *lines;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &all), 0);
    limit = (struct rlimit){.rlim_cur = 10, .rlim_max = all.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 5; i++)
        log_info("full", "i=%d", i);
    for (int i = 0; i < 3; i++)
        log_flush_repeats(); /* finds no room either */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &all), 0);
    log_flush_repeats();
    log_info("after", NULL);
    lines = finish(fd);
    ck_assert_int_eq(lines[10], '\n'); /* what was torn ends, the next line is whole */
    lines = after_time(lines + 11);
    ck_assert_ptr_ne(strstr(lines, want), NULL);
    ck_assert_ptr_ne(strstr(lines, " lines=5\n"), NULL);
    lines = after_time(strchr(lines, '\n') + 1);
    ck_assert_str_eq(lines, "info supervisor after\n");
}
END_TEST

static void note(void *context, const struct log_record *record)
{
    (*(int *)context)++;
    ck_assert_str_eq(record->message, "seen");
}

START_TEST(log_tap_sees_what_passes_the_level)
{
    int n = 0;

    log_set_fd(-1);
    log_set_level(LOG_INFO);
    log_set_tap(note, &n);
    log_debug("not seen", NULL);
    log_info("seen", NULL);
    log_set_tap(NULL, NULL);
    log_set_fd(2);
    ck_assert_int_eq(n, 1);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, log_writes_fields_after_a_sentence);
    tcase_add_loop_test(tc, log_escapes_foreign_text_L11, 0, N_ELEMENTS(quoted));
    tcase_add_test(tc, log_keeps_a_message_on_one_line_L11);
    tcase_add_loop_test(tc, log_cuts_what_is_too_long_L11, 0, 3);
    tcase_add_loop_test(tc, log_cuts_fields_before_it_drops_them_LG2, 0, 3);
    tcase_add_test(tc, log_writes_json);
    tcase_add_test(tc, log_counts_what_repeats);
    tcase_add_test(tc, log_drops_lines_that_nobody_reads);
    tcase_add_test(tc, log_goes_on_after_a_full_disk);
    tcase_add_test(tc, log_tap_sees_what_passes_the_level);
}

int main(void)
{
    return unit_main("log", fill);
}
