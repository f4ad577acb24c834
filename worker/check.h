/*
 * check -- finds type errors in a source before it runs (TYPE-21, strict).
 *
 * Gradual: what has no annotation is `any` and agrees with everything, and so does what
 * nobody can know (globals, what modules give, fields of tables without a type). What
 * is left is held against the annotations: values given to locals, parameters, results
 * and fields; counts of arguments; fields that a record doesn't have; operators on
 * values that have none; names of types that nobody declares. Conditions narrow what a
 * local may be (`if x then`, `x == nil`, `type(x) == "string"`, `T:is(x)`, `assert(x)`,
 * `and`, `or`, a branch that returns).
 *
 * `return nil, "why"` is how any function fails, and what a method's name means is up
 * to a metatable, so that both are right whatever the annotations say.
 *
 * The promise is that a right program has no report: where the flow of a program is
 * hard to follow (loops, closures, goto, conditions that only a person understands) a
 * local is allowed to be any of what it may be. See check_flow.h.
 *
 * A source is followed twice, without a tree of it (erase_trace.h): first to note which
 * locals are assigned to and what functions there are, then to judge. Nothing recurses
 * over the depth of the source. Time and memory are bounded: a source that takes more
 * than its share is judged as far as that went.
 */
#ifndef TROUPE_WORKER_CHECK_H
#define TROUPE_WORKER_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#define CHECK_MAX_ERRORS 20 /* kept; the others are counted */
#define CHECK_TEXT_BYTES 300

struct check_error {
    int line, col; /* from 1, col in bytes */
    char message[CHECK_TEXT_BYTES];
};

struct check_report {
    struct check_error *errors; /* owned; in the order of the source */
    size_t n, n_all;            /* kept; found */
};

/* source is one that the erasing pass accepts; imports: it has libraries, whose types
 * are known by their bare names too. -1 without memory to begin with. The caller
 * finishes the report. */
int check_types(const char *source, size_t n_bytes, bool imports,
                struct check_report *out);

void check_report_finish(struct check_report *report);

#endif
