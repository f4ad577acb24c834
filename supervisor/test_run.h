/*
 * test_run -- `supervisor test`: the app's own tests, one after the other.
 *
 * A test is an entry that can be called (a function, or a process with a default_host)
 * and has meta.type: test. It passes unless it raises, returns an error, or returns
 * false; a process fails also with a number other than 0, which would be its exit
 * status. meta.suite and meta.order sort tests, meta.timeout bounds one (60 s). An app
 * whose tests want a runner of their own has an entry with meta.command.name: test
 * instead, which terminal_run runs.
 */
#ifndef TROUPE_SUPERVISOR_TEST_RUN_H
#define TROUPE_SUPERVISOR_TEST_RUN_H

#include <stdio.h>

struct err;
struct options;
struct supervisor;
struct test_run;

/* Tests that options->args name (ids, bare names, suites; `prefix*`; none: all). done
 * comes once with the exit status. NULL: there are none (NOT_FOUND), or meta is wrong
 * (INVALID). */
struct test_run *test_run_create(struct supervisor *sup, const struct options *options,
                                 FILE *out, void (*done)(void *context, int exit_code),
                                 void *context, struct err *err);
void test_run_destroy(struct test_run *run); /* NULL is fine */

void test_run_start(struct test_run *run);

#endif
