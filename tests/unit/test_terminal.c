#include "worker/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <ev.h>

#include "common/err.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/runtime.h"
#include "worker/sched.h"
#include "worker/vm.h"

#include "tests/unit/unit.h"

/* A terminal on pipes and one actor whose tasks wait without any Lua behind them. */
struct bench {
    struct runtime rt;
    struct vm vm;
    struct actor actor;
    struct task tasks[3];
    struct terminal *terminal;
    int in_fd, out_fd; /* our ends */
};

static void begin_on(struct bench *bench, const int fds[3])
{
    memset(bench, 0, sizeof(*bench));
    bench->rt.loop = ev_loop_new(EVFLAG_AUTO);
    list_init(&bench->rt.sched.ready);
    bench->vm.rt = &bench->rt;
    bench->actor.vm = &bench->vm;
    list_init(&bench->actor.in_ready);
    list_init(&bench->actor.ready);
    for (size_t i = 0; i < N_ELEMENTS(bench->tasks); i++) {
        bench->tasks[i].actor = &bench->actor;
        list_init(&bench->tasks[i].ready);
    }
    bench->terminal = terminal_create(bench->rt.loop, fds);
    signal(SIGPIPE, SIG_IGN);
}

static void begin(struct bench *bench)
{
    int in[2], out[2];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(pipe(out), 0);
    begin_on(bench, (const int[3]){in[0], out[1], out[1]});
    bench->in_fd = in[1];
    bench->out_fd = out[0];
}

static void end(struct bench *bench)
{
    for (size_t i = 0; i < N_ELEMENTS(bench->tasks); i++)
        free(bench->tasks[i].reply);
    terminal_destroy(bench->terminal);
    free(bench->actor.belongings);
    ev_loop_destroy(bench->rt.loop);
}

static struct task *wait_input(struct bench *bench, int i, size_t max_bytes)
{
    struct task *task = &bench->tasks[i];

    terminal_wait_input(bench->terminal, task, max_bytes);
    task->state = TASK_BLOCKED;
    return task;
}

static void type(struct bench *bench, const char *text)
{
    ck_assert_int_eq(write(bench->in_fd, text, strlen(text)), (ssize_t)strlen(text));
    ev_run(bench->rt.loop, EVRUN_ONCE);
}

static void assert_got(struct task *task, enum reply_status status, const char *text)
{
    ck_assert_int_eq(task->state, TASK_READY);
    ck_assert_int_eq(task->wake, WAKE_REPLY);
    ck_assert_int_eq(task->reply_status, status);
    ck_assert_uint_eq(task->reply_bytes, strlen(text));
    ck_assert_mem_eq(task->reply, text, strlen(text));
    ck_assert_ptr_null(task->withdraw);
    list_remove(&task->ready);
    free(task->reply);
    task->reply = NULL;
}

START_TEST(terminal_gives_each_reader_its_line_in_order)
{
    struct bench bench;
    struct bytes text;

    begin(&bench);
    for (int i = 0; i < 3; i++)
        wait_input(&bench, i, 0);
    type(&bench, "one\r\ntw");
    assert_got(&bench.tasks[0], REPLY_OK, "one");
    ck_assert_int_eq(bench.tasks[1].state, TASK_BLOCKED);
    type(&bench, "o\n\nrest\nx");
    assert_got(&bench.tasks[1], REPLY_OK, "two");
    assert_got(&bench.tasks[2], REPLY_OK, "");
    ck_assert(terminal_take(bench.terminal, 0, &text));
    ck_assert(bytes_equal_text(text, "rest"));
    ck_assert(!terminal_take(bench.terminal, 0, &text));
    ck_assert(terminal_take(bench.terminal, 100, &text));
    ck_assert(bytes_equal_text(text, "x"));
    end(&bench);
}
END_TEST

START_TEST(terminal_gives_the_last_partial_line_then_the_end)
{
    struct bench bench;

    begin(&bench);
    wait_input(&bench, 0, 0);
    wait_input(&bench, 1, 0);
    type(&bench, "partial");
    close(bench.in_fd);
    ev_run(bench.rt.loop, EVRUN_ONCE);
    assert_got(&bench.tasks[0], REPLY_OK, "partial");
    ev_run(bench.rt.loop, EVRUN_ONCE);
    assert_got(&bench.tasks[1], REPLY_ERROR, "");
    wait_input(&bench, 2, 5);
    ev_run(bench.rt.loop, EVRUN_ONCE);
    assert_got(&bench.tasks[2], REPLY_ERROR, "");
    end(&bench);
}
END_TEST

START_TEST(terminal_gives_a_long_last_line_whole)
{
    static char text[24 * 16384 + 1]; /* more than a buffer keeps when it is cleared */
    struct bench bench;

    begin(&bench);
    memset(text, 'x', sizeof(text) - 1);
    wait_input(&bench, 0, 0);
    for (size_t at = 0; at < sizeof(text) - 1; at += 16384) {
        ck_assert_int_eq(write(bench.in_fd, text + at, 16384), 16384);
        ev_run(bench.rt.loop, EVRUN_ONCE);
    }
    close(bench.in_fd);
    ev_run(bench.rt.loop, EVRUN_ONCE);
    assert_got(&bench.tasks[0], REPLY_OK, text);
    end(&bench);
}
END_TEST

START_TEST(terminal_lets_a_dropped_reader_take_nothing)
{
    struct bench bench;
    struct task *task;

    begin(&bench);
    task = wait_input(&bench, 0, 0);
    wait_input(&bench, 1, 2);
    task->withdraw(task);
    type(&bench, "abc");
    assert_got(&bench.tasks[1], REPLY_OK, "ab");
    end(&bench);
}
END_TEST

START_TEST(terminal_refuses_a_line_without_end)
{
    static char text[16384];
    struct bench bench;
    struct bytes some;

    begin(&bench);
    memset(text, 'x', sizeof(text));
    wait_input(&bench, 0, 0);
    for (size_t n = 0; n < TERMINAL_LINE_MAX_BYTES; n += sizeof(text)) {
        ck_assert_int_eq(bench.tasks[0].state, TASK_BLOCKED);
        ck_assert_int_eq(write(bench.in_fd, text, sizeof(text)), sizeof(text));
        ev_run(bench.rt.loop, EVRUN_ONCE);
    }
    assert_got(&bench.tasks[0], REPLY_ERROR, "the line is too long");
    ck_assert(terminal_take(bench.terminal, 10, &some)); /* it is still there */
    end(&bench);
}
END_TEST

START_TEST(terminal_loses_no_output_of_a_slow_reader)
{
    static uint8_t data[300000], back[sizeof(data) + 4];
    struct bytes rest = {data, sizeof(data)}, tail = {(const uint8_t *)"tail", 4};
    struct bench bench;
    size_t n = 0;

    begin(&bench);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    ck_assert_int_eq(terminal_write(bench.terminal, 1, &rest), 0);
    ck_assert_uint_ne(rest.n, 0);
    terminal_wait_output(bench.terminal, 1, &bench.tasks[0], rest);
    bench.tasks[0].state = TASK_BLOCKED;
    ck_assert_int_eq(terminal_write(bench.terminal, 1, &tail), 0);
    ck_assert_uint_eq(tail.n, 4); /* not before what waits already */
    terminal_wait_output(bench.terminal, 1, &bench.tasks[1], tail);
    bench.tasks[1].state = TASK_BLOCKED;
    while (n < sizeof(back)) {
        ssize_t got = read(bench.out_fd, back + n, sizeof(back) - n);

        ck_assert_int_gt(got, 0);
        n += (size_t)got;
        ev_run(bench.rt.loop, EVRUN_NOWAIT);
    }
    ck_assert_mem_eq(back, data, sizeof(data));
    ck_assert_mem_eq(back + sizeof(data), "tail", 4);
    assert_got(&bench.tasks[0], REPLY_OK, "");
    assert_got(&bench.tasks[1], REPLY_OK, "");
    end(&bench);
}
END_TEST

START_TEST(terminal_says_when_nobody_reads_its_output)
{
    struct bytes rest = {(const uint8_t *)"x", 1};
    struct bench bench;

    begin(&bench);
    close(bench.out_fd);
    errno = 0;
    ck_assert_int_eq(terminal_write(bench.terminal, 1, &rest), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(terminal_write_all(bench.terminal, 1, rest), -1);
    end(&bench);
}
END_TEST

static bool is_raw(int fd)
{
    struct termios mode;

    ck_assert_int_eq(tcgetattr(fd, &mode), 0);
    return (mode.c_lflag & ICANON) == 0;
}

START_TEST(terminal_counts_raw_and_puts_the_mode_back)
{
    struct bench bench;
    struct err err;
    struct list *node;
    int master, tty;

    ck_assert_int_eq(openpty(&master, &tty, NULL, NULL, NULL), 0);
    begin_on(&bench, (const int[3]){tty, tty, tty});
    ck_assert_int_eq(terminal_set_raw(bench.terminal, &bench.actor, true, &err), 0);
    ck_assert_int_eq(terminal_set_raw(bench.terminal, &bench.actor, true, &err), 0);
    ck_assert_int_eq(terminal_set_raw(bench.terminal, &bench.actor, false, &err), 0);
    ck_assert(is_raw(tty));
    ck_assert_int_eq(terminal_set_raw(bench.terminal, &bench.actor, false, &err), 0);
    ck_assert(!is_raw(tty));
    ck_assert(list_empty(&bench.actor.belongings->resources));
    ck_assert_int_eq(terminal_set_raw(bench.terminal, &bench.actor, false, &err), 0);

    terminal_set_raw(bench.terminal, &bench.actor, true, &err);
    ck_assert(is_raw(tty));
    node =
        list_take_first(&bench.actor.belongings->resources); /* as at the actor's end */
    ck_assert_ptr_nonnull(node);
    container_of(node, struct resource, node)
        ->withdraw(container_of(node, struct resource, node));
    ck_assert(!is_raw(tty));
    end(&bench);
}
END_TEST

START_TEST(terminal_has_no_raw_mode_on_a_pipe)
{
    struct bench bench;
    struct err err;

    begin(&bench);
    ck_assert_int_eq(terminal_set_raw(bench.terminal, &bench.actor, true, &err), -1);
    ck_assert_int_eq(err.kind, ERR_UNAVAILABLE);
    ck_assert_str_eq(err.text, "stdin is not a terminal");
    end(&bench);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, terminal_gives_each_reader_its_line_in_order);
    tcase_add_test(tc, terminal_gives_the_last_partial_line_then_the_end);
    tcase_add_test(tc, terminal_gives_a_long_last_line_whole);
    tcase_add_test(tc, terminal_lets_a_dropped_reader_take_nothing);
    tcase_add_test(tc, terminal_refuses_a_line_without_end);
    tcase_add_test(tc, terminal_loses_no_output_of_a_slow_reader);
    tcase_add_test(tc, terminal_says_when_nobody_reads_its_output);
    tcase_add_test(tc, terminal_counts_raw_and_puts_the_mode_back);
    tcase_add_test(tc, terminal_has_no_raw_mode_on_a_pipe);
}

int main(void)
{
    return unit_main("terminal", fill);
}
