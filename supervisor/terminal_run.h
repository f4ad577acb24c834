/*
 * terminal_run -- `run -x NS:ENTRY` and `run NAME`: one process on the terminal host.
 *
 * What is meant is looked up before anything starts (so that a typing error costs
 * nothing); when the app has booted, the terminal host is started if it isn't running,
 * the process is spawned there with the command line's arguments, and its end becomes
 * an exit status (TH-4, CLI-03). `test` finds the entry whose command name is "test",
 * which may also be a function.
 */
#ifndef TROUPE_SUPERVISOR_TERMINAL_RUN_H
#define TROUPE_SUPERVISOR_TERMINAL_RUN_H

#include <stdbool.h>
#include <stdio.h>

struct err;
struct frame_exit;
struct options;
struct registry;
struct supervisor;
struct terminal_run;

/* options is borrowed. done comes once with the exit status. NULL: the target or the
 * host can't be told (NOT_FOUND, INVALID, CONFLICT). */
struct terminal_run *terminal_run_create(struct supervisor *sup,
                                         const struct options *options,
                                         void (*done)(void *context, int exit_code),
                                         void *context, struct err *err);
void terminal_run_destroy(struct terminal_run *run); /* NULL is fine */

void terminal_run_start(struct terminal_run *run);

/* An EXIT for a control pid; ignored when it isn't this run's. */
void terminal_run_on_exit(struct terminal_run *run, const struct frame_exit *frame);

/* Has the app a runner for its tests, an entry whose command is called "test"? Without
 * one `test` is test_run's. */
bool terminal_run_has_test(const struct registry *registry);

/* `run list`: what meta.command the app's processes have. */
void terminal_run_list(const struct registry *registry, FILE *out);

#endif
