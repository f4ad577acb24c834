#include "supervisor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exit.h"
#include "common/log.h"

#include "supervisor/config.h"
#include "supervisor/reload.h"
#include "supervisor/status.h"

#define SIGNAL_ECHO_MS 100 /* between two signals that are two */

int program_open_log(const struct program *program)
{
    const char *path = config_get_text(program->sup.config, "logger.file");

    if (path[0] == '\0')
        return -1;
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

static void reopen_log(struct program *program)
{
    int fd;

    if (program->log_fd == -1)
        return;
    fd = program_open_log(program);
    if (fd == -1) {
        log_error("log file can't be reopened, keeping the old one", "why=%s",
                  strerror(errno));
        return;
    }
    log_set_fd(fd);
    close(program->log_fd);
    program->log_fd = fd;
    log_info("log file reopened", NULL);
}

/* timeout(1) and others that start us signal both us and our process group: what comes
 * so soon after the first is the first. */
static bool is_an_echo(struct program *program)
{
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();

    if (program->signalled_at_ns != 0 &&
        now_ns - program->signalled_at_ns < SIGNAL_ECHO_MS * 1000000ull)
        return true;
    program->signalled_at_ns = now_ns;
    return false;
}

static void on_stop_signal(struct program *program, int number)
{
    if (is_an_echo(program))
        return;
    if (!program->stopping) {
        program_stop(&program->sup, EXIT_KEPT, false);
        return;
    }
    log_warn("second signal, ending at once", "signal=%d", number);
    program->exit_code = EXIT_FAILED;
    ev_break(program->sup.loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *watcher, int revents)
{
    struct program *program = watcher->data;

    (void)loop, (void)revents;
    switch (watcher->signum) {
    case SIGINT:
    case SIGTERM:
        on_stop_signal(program, watcher->signum);
        return;
    case SIGHUP:
        if (!program->stopping)
            reload_begin_logged(program->sup.reloads);
        return;
    case SIGUSR1:
        reopen_log(program);
        return;
    default:
        log_warn("upgrade in place is not in this build yet, nothing changed", NULL);
        return;
    }
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct program *program = timer->data;

    (void)loop, (void)revents;
    log_flush_repeats();
    notify_again(&program->notify);
}

static void on_watchdog(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct program *program = timer->data;
    char line[200], text[240];

    (void)loop, (void)revents;
    status_line(program->sup.status, line, sizeof(line));
    snprintf(text, sizeof(text), "WATCHDOG=1\nSTATUS=%s", line);
    notify_ping(&program->notify, text);
}

void program_watch(struct program *program)
{
    static const int numbers[PROGRAM_N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1,
                                                   SIGUSR2};
    struct ev_loop *loop = program->sup.loop;
    sigset_t none;

    for (unsigned i = 0; i < PROGRAM_N_SIGNALS; i++) {
        ev_signal_init(&program->signals[i], on_signal, numbers[i]);
        program->signals[i].data = program;
        ev_signal_start(loop, &program->signals[i]);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    ev_timer_init(&program->tick, on_tick, 1, 1);
    program->tick.data = program;
    ev_timer_start(loop, &program->tick);
    ev_timer_init(&program->watchdog, on_watchdog, 0, 0);
    if (program->notify.watchdog_ms != 0) {
        double every = (double)program->notify.watchdog_ms / 1e3;

        program->watchdog.data = program;
        ev_timer_set(&program->watchdog, every, every);
        ev_timer_start(loop, &program->watchdog);
    }
}

/* Without its watcher a signal would end us by itself: one that comes now, when all has
 * ended well, must not spoil the exit status. */
void program_unwatch(struct program *program)
{
    struct ev_loop *loop = program->sup.loop;
    sigset_t all, before;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < PROGRAM_N_SIGNALS; i++) {
        ev_signal_stop(loop, &program->signals[i]);
        signal(program->signals[i].signum, SIG_IGN);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    ev_timer_stop(loop, &program->tick);
    ev_timer_stop(loop, &program->watchdog);
    ev_timer_stop(loop, &program->stop_timer);
}
