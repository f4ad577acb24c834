/*
 * lint -- `supervisor lint`: what a check found, chosen and counted (CLI-04).
 *
 * A diagnostic has a code, so that scripts can tell kinds of problems apart: P0001 is a
 * source that doesn't parse, T0001 one with type errors, the others are in lint.c's
 * table. There are no hints so far. Nothing here finds problems.
 */
#ifndef TROUPE_SUPERVISOR_LINT_H
#define TROUPE_SUPERVISOR_LINT_H

#include <stddef.h>
#include <stdio.h>

struct entry;
struct lint_options;
struct problems;

/* Prints problems as options want it; entries are those that were looked at. The exit
 * status: EXIT_FAILED with errors. */
int lint_print(FILE *out, const struct lint_options *options, struct problems *problems,
               struct entry *const *entries, size_t n_entries);

#endif
