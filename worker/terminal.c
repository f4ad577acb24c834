#include "worker/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <ev.h>

#include "common/err.h"
#include "common/list.h"
#include "common/mem.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/sched.h"

#define READ_BYTES 16384
#define N_STREAMS  3

/* A pipe that polls as writable takes this much without blocking (PIPE_BUF). */
#define WRITE_BYTES 4096

/* A task that waits for input, or for its output to be gone. */
struct waiting {
    struct list node;
    struct task *task;
    size_t max_bytes;  /* input: see terminal_take() */
    struct bytes rest; /* output: on the task's Lua stack */
};

struct stream {
    ev_io watcher;
    struct terminal *terminal;
    struct list waiting; /* struct waiting; the watcher runs while there are any */
};

struct terminal {
    struct ev_loop *loop;
    struct stream streams[N_STREAMS]; /* STDIN_FILENO and so on */
    struct buf input;
    struct buf args;
    unsigned n_raw;
    struct termios found_mode;  /* while n_raw > 0 */
    struct resource raw_holder; /* in the actor that asked first */
};

/* ---- who waits ------------------------------------------------------------------- */

/* Starting what runs and stopping what doesn't changes nothing. */
static void watch(struct stream *stream)
{
    if (list_empty(&stream->waiting))
        ev_io_stop(stream->terminal->loop, &stream->watcher);
    else
        ev_io_start(stream->terminal->loop, &stream->watcher);
}

static void forget(struct stream *stream, struct waiting *waiting)
{
    list_remove(&waiting->node);
    free(waiting);
    watch(stream);
}

static void withdraw(struct task *task)
{
    struct stream *stream = task->withdraw_state;

    LIST_FOREACH (node, &stream->waiting) {
        struct waiting *waiting = container_of(node, struct waiting, node);

        if (waiting->task == task) {
            forget(stream, waiting);
            return;
        }
    }
}

static struct waiting *add_waiting(struct stream *stream, struct task *task)
{
    struct waiting *waiting = xcalloc(1, sizeof(*waiting));

    waiting->task = task;
    list_append(&stream->waiting, &waiting->node);
    task->withdraw = withdraw;
    task->withdraw_state = stream;
    watch(stream);
    return waiting;
}

/* Ends the wait of the first one. */
static void wake_first(struct stream *stream, enum reply_status status,
                       struct bytes text)
{
    struct waiting *first =
        container_of(list_first(&stream->waiting), struct waiting, node);
    struct task *task = first->task;

    forget(stream, first);
    task_wake_reply(task, (uint8_t)status, text);
}

/* ---- input ----------------------------------------------------------------------- */

/* The line at the front of the buffer, without \n and a \r before it. */
static bool take_line(struct buf *input, struct bytes *text_out)
{
    struct bytes text = buf_bytes(input);
    const uint8_t *end = text.n != 0 ? memchr(text.data, '\n', text.n) : NULL;

    if (end == NULL)
        return false;
    text.n = (size_t)(end - text.data);
    buf_consume(input, text.n + 1);
    if (text.n != 0 && text.data[text.n - 1] == '\r')
        text.n--;
    *text_out = text;
    return true;
}

static bool take(struct buf *input, size_t max_bytes, struct bytes *text_out)
{
    struct bytes text = buf_bytes(input);

    if (max_bytes == 0)
        return take_line(input, text_out);
    if (text.n == 0)
        return false;
    if (text.n > max_bytes)
        text.n = max_bytes;
    buf_consume(input, text.n);
    *text_out = text;
    return true;
}

bool terminal_take(struct terminal *terminal, size_t max_bytes, struct bytes *text_out)
{
    return list_empty(&terminal->streams[STDIN_FILENO].waiting) &&
           take(&terminal->input, max_bytes, text_out);
}

void terminal_wait_input(struct terminal *terminal, struct task *task, size_t max_bytes)
{
    add_waiting(&terminal->streams[STDIN_FILENO], task)->max_bytes = max_bytes;
}

static void serve_input(struct terminal *terminal)
{
    struct stream *stream = &terminal->streams[STDIN_FILENO];
    struct bytes text;

    while (!list_empty(&stream->waiting)) {
        const struct waiting *first =
            container_of(list_first(&stream->waiting), struct waiting, node);

        if (take(&terminal->input, first->max_bytes, &text))
            wake_first(stream, REPLY_OK, text);
        else if (buf_len(&terminal->input) >= TERMINAL_LINE_MAX_BYTES)
            wake_first(stream, REPLY_ERROR, bytes_of_text("the line is too long"));
        else
            return;
    }
}

/* Not remembered: a tty goes on after its end of input, and any other file says it
 * again. */
static void on_end_of_input(struct terminal *terminal)
{
    struct bytes rest = buf_bytes(&terminal->input);

    wake_first(&terminal->streams[STDIN_FILENO], rest.n != 0 ? REPLY_OK : REPLY_ERROR,
               rest);
    buf_clear(&terminal->input); /* which may free what rest is */
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct stream *stream = container_of(watcher, struct stream, watcher);
    struct terminal *terminal = stream->terminal;
    uint8_t *room = buf_reserve(&terminal->input, READ_BYTES);
    ssize_t n;

    (void)loop, (void)revents;
    if (room == NULL) {
        wake_first(stream, REPLY_ERROR, bytes_of_text("no memory for input"));
        return;
    }
    n = read(watcher->fd, room, READ_BYTES);
    if (n > 0) {
        terminal->input.end += (size_t)n;
        serve_input(terminal);
    } else if (n == 0) {
        on_end_of_input(terminal);
    } else if (errno != EAGAIN && errno != EINTR) {
        wake_first(stream, REPLY_ERROR, bytes_of_text(strerror(errno)));
    }
}

/* ---- output ---------------------------------------------------------------------- */

/* 1: written or partly so; 0: not now; -1: errno. */
static int write_some(int fd, struct bytes *rest, int timeout_ms)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    ssize_t n;

    if (poll(&poller, 1, timeout_ms) <= 0)
        return 0;
    n = write(fd, rest->data, rest->n < WRITE_BYTES ? rest->n : WRITE_BYTES);
    if (n == -1)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    rest->data += n;
    rest->n -= (size_t)n;
    return 1;
}

static int write_now(int fd, struct bytes *rest)
{
    int done = 1;

    while (rest->n != 0 && done == 1)
        done = write_some(fd, rest, 0);
    return done == -1 ? -1 : 0;
}

int terminal_write(struct terminal *terminal, int stream, struct bytes *rest)
{
    const struct stream *to = &terminal->streams[stream];

    return list_empty(&to->waiting) ? write_now(to->watcher.fd, rest) : 0;
}

int terminal_write_all(struct terminal *terminal, int stream, struct bytes rest)
{
    int fd = terminal->streams[stream].watcher.fd;

    while (rest.n != 0)
        if (write_some(fd, &rest, -1) == -1)
            return -1;
    return 0;
}

void terminal_wait_output(struct terminal *terminal, int stream, struct task *task,
                          struct bytes rest)
{
    add_waiting(&terminal->streams[stream], task)->rest = rest;
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct stream *stream = container_of(watcher, struct stream, watcher);

    (void)loop, (void)revents;
    while (!list_empty(&stream->waiting)) {
        struct waiting *first =
            container_of(list_first(&stream->waiting), struct waiting, node);

        if (write_now(watcher->fd, &first->rest) == -1)
            wake_first(stream, REPLY_ERROR, bytes_of_text(strerror(errno)));
        else if (first->rest.n != 0)
            return;
        else
            wake_first(stream, REPLY_OK, (struct bytes){NULL, 0});
    }
}

/* ---- mode ------------------------------------------------------------------------ */

void terminal_restore(struct terminal *terminal)
{
    if (terminal == NULL || terminal->n_raw == 0)
        return;
    terminal->n_raw = 0;
    list_remove(&terminal->raw_holder.node);
    tcsetattr(terminal->streams[STDIN_FILENO].watcher.fd, TCSANOW,
              &terminal->found_mode);
}

static void on_holder_ended(struct resource *resource)
{
    terminal_restore(container_of(resource, struct terminal, raw_holder));
}

static int enter_raw(struct terminal *terminal, struct actor *actor, struct err *err)
{
    int fd = terminal->streams[STDIN_FILENO].watcher.fd;
    struct termios mode;

    if (tcgetattr(fd, &terminal->found_mode) == -1)
        return err_set(err, ERR_UNAVAILABLE, "stdin is not a terminal");
    mode = terminal->found_mode;
    cfmakeraw(&mode);
    if (tcsetattr(fd, TCSANOW, &mode) == -1)
        return err_set(err, ERR_UNAVAILABLE, "raw terminal control unavailable");
    actor_add_resource(actor, &terminal->raw_holder);
    return 0;
}

int terminal_set_raw(struct terminal *terminal, struct actor *actor, bool on,
                     struct err *err)
{
    if (on && terminal->n_raw == 0 && enter_raw(terminal, actor, err) == -1)
        return -1;
    if (on)
        terminal->n_raw++;
    else if (terminal->n_raw == 1)
        terminal_restore(terminal);
    else if (terminal->n_raw > 1)
        terminal->n_raw--;
    return 0;
}

/* ---- all of it ------------------------------------------------------------------- */

bool terminal_keep_args(struct terminal *terminal, struct bytes payload)
{
    buf_clear(&terminal->args);
    return buf_append(&terminal->args, payload.data, payload.n);
}

struct bytes terminal_args(const struct terminal *terminal)
{
    return buf_bytes(&terminal->args);
}

struct terminal *terminal_create(struct ev_loop *loop, const int fds[3])
{
    struct terminal *terminal = xcalloc(1, sizeof(*terminal));

    terminal->loop = loop;
    buf_init(&terminal->input, 2 * TERMINAL_LINE_MAX_BYTES);
    buf_init(&terminal->args, 0);
    list_init(&terminal->raw_holder.node);
    terminal->raw_holder.withdraw = on_holder_ended;
    for (int i = 0; i < N_STREAMS; i++) {
        struct stream *stream = &terminal->streams[i];

        stream->terminal = terminal;
        list_init(&stream->waiting);
        ev_io_init(&stream->watcher, i == 0 ? on_readable : on_writable, fds[i],
                   i == 0 ? EV_READ : EV_WRITE);
    }
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN); /* timeout(1) sends it to the whole process group */
    signal(SIGTTOU, SIG_IGN); /* putting the mode back must not stop us */
    return terminal;
}

void terminal_destroy(struct terminal *terminal)
{
    if (terminal == NULL)
        return;
    terminal_restore(terminal);
    for (int i = 0; i < N_STREAMS; i++) {
        struct stream *stream = &terminal->streams[i];

        ev_io_stop(terminal->loop, &stream->watcher);
        LIST_FOREACH_SAFE (node, &stream->waiting)
            free(container_of(node, struct waiting, node));
    }
    buf_finish(&terminal->input);
    buf_finish(&terminal->args);
    free(terminal);
}
