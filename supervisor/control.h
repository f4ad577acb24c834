/*
 * control -- the control socket and its clients (supctl).
 *
 * A Unix socket, created under umask 077 in a folder of our own, accepts only root and
 * our own uid. Clients speak the wire of workers, but may only CALL and CANCEL: entries
 * as well as @targets. Whoever owns the state directory's lock owns the socket's path:
 * a stale socket file is taken over, a live one refused, and one that somebody deleted
 * is created again within five seconds.
 *
 * Everything a client can hold is bounded: the number of clients, its requests under
 * way, its output buffer. One that follows a stream too slowly is told so and loses
 * items; one that doesn't read at all is cut off.
 */
#ifndef TROUPE_SUPERVISOR_CONTROL_H
#define TROUPE_SUPERVISOR_CONTROL_H

#include <stdbool.h>

struct control;
struct err;
struct supervisor;

/* path is borrowed. Errors: ALREADY_EXISTS (another supervisor answers there; the text
 * names its pid), PERMISSION_DENIED (symlink or foreign owner), UNAVAILABLE. */
struct control *control_create(struct supervisor *sup, const char *path,
                               struct err *err);

/* Closes every client (what is queued for them is written first) and unlinks. */
void control_destroy(struct control *control);

#define CONTROL_MAX_CLIENTS     64
#define CONTROL_FRAME_MAX_BYTES (8u << 20) /* of one request */
unsigned control_count_clients(const struct control *control);

#endif
