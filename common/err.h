/*
 * err -- one error: what a caller branches on, and one sentence for a person.
 *
 * Functions that can fail return 0 or -1 (or a pointer or NULL) and fill a struct err
 * that the caller owns. Nothing on floors 0 and 1 logs: the function that decides what
 * happens now does, once. The kinds are those that apps see (lua-environment.md
 * ERR-01).
 */
#ifndef TROUPE_COMMON_ERR_H
#define TROUPE_COMMON_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum err_kind {
    ERR_UNKNOWN,
    ERR_INVALID,
    ERR_NOT_FOUND,
    ERR_ALREADY_EXISTS,
    ERR_PERMISSION_DENIED,
    ERR_UNAVAILABLE,
    ERR_INTERNAL,
    ERR_CONFLICT,
    ERR_TIMEOUT,
    ERR_CANCELED,
    ERR_RATE_LIMITED,
    ERR_LIMIT_EXCEEDED, /* only the process modules use these three (C-2) */
    ERR_INVALID_STATE,
    ERR_TERMINATED,
    ERR_N_KINDS,
};

/* May the same request succeed later? Apps see nil, false, true. */
enum err_retry { RETRY_UNKNOWN, RETRY_NO, RETRY_YES };

struct err {
    enum err_kind kind;
    enum err_retry retryable;
    char text[480]; /* one sentence for a person, never NULL, cut with "..." */
};

/* Fills err (NULL is fine) and returns -1 always, so that callers can return it.
 * retryable becomes YES for UNAVAILABLE, TIMEOUT and RATE_LIMITED, else NO. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_vset(struct err *err, enum err_kind kind, const char *fmt, va_list args);

/* Prepends "context: ", keeps kind and retryable. Always -1. */
int err_wrap(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The CamelCase name that apps compare with ("NotFound", "" for unknown). */
const char *err_kind_name(enum err_kind kind);

/* The kind of that name; ERR_UNKNOWN for any other text (custom kinds travel as
 * text). */
enum err_kind err_kind_find(const char *name);

#endif
