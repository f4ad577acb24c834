/*
 * program -- the running supervisor: what main.c makes, boot.c and stop.c move along.
 *
 * Boot is a chain of steps, each started by the end of the one before it:
 *
 *     main.c   command line → settings → registry → state folder's lock
 *     boot.c   → sources compiled → control socket → services → banner (or the process
 *              of `run -x`)
 *
 * Stop is another: services (dependents first) → pools → compiler → end of the loop.
 * The stop that begins is never taken back; a second request for it ends everything at
 * once. signals.c turns signals and timers into these steps.
 */
#ifndef TROUPE_SUPERVISOR_PROGRAM_H
#define TROUPE_SUPERVISOR_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/notify.h"
#include "supervisor/options.h"
#include "supervisor/problems.h"
#include "supervisor/registry_load.h"

struct err;

#define PROGRAM_N_SIGNALS 5

struct program {
    struct supervisor sup;
    struct options options;
    struct problems problems;
    struct load_options load; /* what a reload reads again */
    struct value disable;     /* of load */
    struct entry_list broken; /* read by a load that failed: their sources count too */
    struct notify notify;
    struct terminal_run *terminal; /* run -x, run NAME, test; else NULL */
    struct test_run *tests;        /* test, when the app has no runner; else NULL */
    struct dev *dev;               /* dev; else NULL */
    int lock_fd, log_fd;           /* -1 = none */
    int exit_code;
    bool stopping;
    bool gave_up; /* perhaps before the loop runs: ev_break says nothing to it then */
    uint64_t stop_at_ns;      /* when the stop must be over */
    uint64_t signalled_at_ns; /* the last signal to stop, 0 = none */
    struct ev_signal signals[PROGRAM_N_SIGNALS];
    struct ev_timer tick;     /* once a second */
    struct ev_timer watchdog; /* systemd's */
    struct ev_timer stop_timer;
};

static inline struct program *program_of(struct supervisor *sup)
{
    return container_of(sup, struct program, sup);
}

/* ---- stop.c ---- */

/* See core.h: sup->stop. */
void program_stop(struct supervisor *sup, int exit_code, bool now);

/* ---- signals.c ---- */

/* The settings' log file, -1 if they name none or it can't be opened. */
int program_open_log(const struct program *program);

/* From now on signals count, until the end of program_unwatch(). */
void program_watch(struct program *program);
void program_unwatch(struct program *program);

/* ---- boot.c ---- */

/* Does its command look at the app and leave it alone? */
bool program_starts_nothing(const struct program *program);

/* Prints all that is wrong; the exit status. */
int program_print_problems(struct program *program);

/* The status that says whose fault it is. */
int program_exit_code_for(const struct err *err);

/* Compiles what was loaded (or what couldn't be: their sources count too), and goes on
 * from there when the loop runs. */
void program_boot(struct program *program);

#endif
