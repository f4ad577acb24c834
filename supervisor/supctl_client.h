/*
 * supctl_client -- one blocking connection to a supervisor's control socket.
 *
 * One request at a time; poll() with the request's deadline instead of a loop. Errors
 * of the connection itself (nobody there, connection lost) have `unreachable` set. A
 * supervisor that hangs makes nobody wait for longer than the request's time, and a few
 * seconds for the connection.
 */
#ifndef TROUPE_SUPERVISOR_SUPCTL_CLIENT_H
#define TROUPE_SUPERVISOR_SUPCTL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/value.h"

struct supctl_client;

struct supctl_error {
    bool unreachable;
    bool silent;   /* it is there, but doesn't answer even that it took too long */
    char kind[64]; /* "NotFound" */
    struct value fields; /* {kind, message, retryable, details}, owned */
};

/* path NULL: the only supervisor that runs. NULL on failure. */
struct supctl_client *supctl_client_connect(const char *path,
                                            struct supctl_error *error_out);
void supctl_client_close(struct supctl_client *client);
const char *supctl_client_path(const struct supctl_client *client);

/* args: a list; context: a map or NULL. on_item may be NULL (items are then dropped)
 * and ends the request when it returns false. timeout_ms 0 = none. 0 or -1. */
int supctl_client_call(struct supctl_client *client, const char *target,
                       const struct value *args, const struct value *context,
                       uint64_t timeout_ms,
                       bool (*on_item)(void *context, const struct value *item),
                       void *item_context, struct value *result_out,
                       struct supctl_error *error_out);

void supctl_error_set(struct supctl_error *error, const char *kind, const char *fmt,
                      ...) __attribute__((format(printf, 3, 4)));
void supctl_error_finish(struct supctl_error *error);

#endif
