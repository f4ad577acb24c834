/*
 * problems -- everything that is wrong with what was loaded, told at once.
 *
 * One problem is one line: `file:line:column: error: what, and what would be right`.
 * The list is bounded: beyond PROBLEMS_MAX problems are only counted.
 */
#ifndef TROUPE_SUPERVISOR_PROBLEMS_H
#define TROUPE_SUPERVISOR_PROBLEMS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct buf;
struct value;

#define PROBLEMS_MAX 1000

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct problem {
    enum severity severity;
    enum err_kind kind;
    char *file;            /* as a person would name it; NULL: no file is to blame */
    unsigned line, column; /* 1-based; 0: unknown */
    char *entry;           /* id, NULL if none */
    char *text;            /* what */
    char *hint;            /* what would be right, NULL if text says it */
    const char *code;      /* of its sort, for scripts; static; NULL: it has none */
    size_t sequence;
};

struct problems {
    struct problem *rows;
    size_t n, size;
    size_t n_errors, n_warnings; /* all of them, kept or not */
};

void problems_init(struct problems *problems);
void problems_finish(struct problems *problems);

/* Where a problem is; all borrowed. */
struct problem_at {
    const char *file;
    unsigned line, column;
    const char *entry;
    const char *code; /* NULL, or one of those below */
};

#define PROBLEM_PARSE "P0001" /* a source that is no Lua */
#define PROBLEM_TYPES "T0001" /* one that has type errors */

/* Adds one. hint may be NULL. What could steer a terminal becomes question marks. */
void problems_add(struct problems *problems, enum severity severity, enum err_kind kind,
                  const struct problem_at *at, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
void problems_vadd(struct problems *problems, enum severity severity,
                   enum err_kind kind, const struct problem_at *at, const char *hint,
                   const char *fmt, va_list args) __attribute__((format(printf, 6, 0)));

/* Adds a copy of a row of another list. */
void problems_add_row(struct problems *problems, const struct problem *row);

/* Says in err how many errors there are; what follows is appended to it. Returns -1. */
int problems_set_err(const struct problems *problems, enum err_kind kind,
                     const char *what_follows, struct err *err);

/* Sorts by file, line and column; those without a file come first, in their order. */
void problems_sort(struct problems *problems);

/* Appends one problem as a line, with its line break. */
bool problem_format(struct buf *buf, const struct problem *problem);

/* All of them, sorted, and how many were left out. */
bool problems_format(struct buf *buf, struct problems *problems);

/* A list of {line, file, row, column, entry, severity, text, hint}; line is what
 * problem_format() makes of it. Sort first. */
struct value problems_describe(const struct problems *problems);

/* One problem as a record of the log. */
void problem_log(const struct problem *problem);

/* The first error, NULL if there is none. */
const struct problem *problems_first_error(const struct problems *problems);

#endif
