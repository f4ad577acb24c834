/*
 * notify -- tells systemd (or whoever set NOTIFY_SOCKET) how we are.
 *
 * One datagram per message; without NOTIFY_SOCKET all of it does nothing. Never blocks:
 * for a full socket (all units of the machine share one) the last state is kept until
 * notify_again() or the next message finds room; a watchdog ping is lost, and the next
 * one says the same again.
 */
#ifndef TROUPE_SUPERVISOR_NOTIFY_H
#define TROUPE_SUPERVISOR_NOTIFY_H

#include <stdint.h>

#define NOTIFY_STATE_BYTES 256

struct notify {
    int fd;                        /* -1 = nobody listens */
    uint64_t watchdog_ms;          /* ping at least that often; 0 = not asked for */
    char kept[NOTIFY_STATE_BYTES]; /* what is still to be told; "" = nothing */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the
 * environment, so that no child answers in our name. */
void notify_init(struct notify *notify);
void notify_finish(struct notify *notify);

/* state is one or more lines "READY=1", "STOPPING=1", "STATUS=...". Takes the place of
 * one that is still kept. */
void notify_state(struct notify *notify, const char *state);
/* The same with "WATCHDOG=1", which is told behind what is kept, or not at all. */
void notify_ping(struct notify *notify, const char *ping);
void notify_again(struct notify *notify);

#endif
