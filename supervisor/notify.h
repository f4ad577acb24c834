/*
 * notify -- tells systemd (or whoever set NOTIFY_SOCKET) how we are.
 *
 * One datagram per message; without NOTIFY_SOCKET all of it does nothing. Never blocks:
 * a full socket loses the message, and the next watchdog ping says the same again.
 */
#ifndef TROUPE_SUPERVISOR_NOTIFY_H
#define TROUPE_SUPERVISOR_NOTIFY_H

#include <stdint.h>

struct notify {
    int fd;               /* -1 = nobody listens */
    uint64_t watchdog_ms; /* ping at least that often; 0 = not asked for */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the
 * environment, so that no child answers in our name. */
void notify_init(struct notify *notify);
void notify_finish(struct notify *notify);

/* state is one or more lines "READY=1", "STOPPING=1", "STATUS=...", "WATCHDOG=1". */
void notify_send(const struct notify *notify, const char *state);

#endif
