#include "common/err.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_names[ERR_N_KINDS] = {
    [ERR_UNKNOWN] = "",
    [ERR_INVALID] = "Invalid",
    [ERR_NOT_FOUND] = "NotFound",
    [ERR_ALREADY_EXISTS] = "AlreadyExists",
    [ERR_PERMISSION_DENIED] = "PermissionDenied",
    [ERR_UNAVAILABLE] = "Unavailable",
    [ERR_INTERNAL] = "Internal",
    [ERR_CONFLICT] = "Conflict",
    [ERR_TIMEOUT] = "Timeout",
    [ERR_CANCELED] = "Canceled",
    [ERR_RATE_LIMITED] = "RateLimited",
    [ERR_LIMIT_EXCEEDED] = "LimitExceeded",
    [ERR_INVALID_STATE] = "InvalidState",
    [ERR_TERMINATED] = "Terminated",
};

/* A sentence that was cut says so. */
static void mark_cut(struct err *err, int wanted)
{
    if (wanted >= (int)sizeof(err->text))
        memcpy(err->text + sizeof(err->text) - 4, "...", 4);
}

int err_vset(struct err *err, enum err_kind kind, const char *fmt, va_list args)
{
    if (err == NULL)
        return -1;
    err->kind = kind;
    err->retryable =
        kind == ERR_UNAVAILABLE || kind == ERR_TIMEOUT || kind == ERR_RATE_LIMITED
            ? RETRY_YES
            : RETRY_NO;
    mark_cut(err, vsnprintf(err->text, sizeof(err->text), fmt, args));
    return -1;
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    err_vset(err, kind, fmt, args);
    va_end(args);
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char inner[sizeof(err->text)];
    va_list args;
    int n;

    if (err == NULL)
        return -1;
    memcpy(inner, err->text, sizeof(inner));
    va_start(args, fmt);
    n = vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(err->text))
        n += snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", inner);
    mark_cut(err, n);
    return -1;
}

const char *err_kind_name(enum err_kind kind)
{
    return (unsigned)kind < ERR_N_KINDS ? kind_names[kind] : "";
}

enum err_kind err_kind_find(const char *name)
{
    for (int i = 0; i < ERR_N_KINDS; i++)
        if (strcmp(kind_names[i], name) == 0)
            return (enum err_kind)i;
    return ERR_UNKNOWN;
}
