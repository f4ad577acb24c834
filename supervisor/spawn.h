/*
 * spawn -- the only file that starts processes.
 *
 * vfork and exec of the worker binary: argv `worker <role> <entry>` (for ps only; what
 * counts comes in SETUP), descriptor 3 = its end of the socketpair, 4 = its own
 * liveness table, 5 = one inherited descriptor if the spec has one, from 6 on what it
 * steps into when it confines itself (jail.h), 0 and 1 = /dev/null and 2 = our stderr,
 * or the terminal as it is. Nothing else is inherited: no descriptor, no environment
 * beyond a short allow-list, no blocked or ignored signal. The child dies with its
 * parent and can't gain privileges.
 */
#ifndef TROUPE_SUPERVISOR_SPAWN_H
#define TROUPE_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct err;

#define SPAWN_FD_SOCKET   3
#define SPAWN_FD_LIVENESS 4
#define SPAWN_FD_EXTRA    5

struct spawn_spec {
    const char *path; /* of the worker binary */
    const char *role, *entry;
    int socket_fd;       /* the child's end; stays open here */
    int liveness_fd;     /* -1 = none */
    int extra_fd;        /* -1 = none */
    const int *jail_fds; /* CONFINE_N_FDS of them, borrowed; NULL = none */
    bool terminal;       /* inherits 0, 1 and 2 as they are */
};

/* Returns 0 and fills pid_out and pidfd_out (owned; -1 on kernels without), or -1. */
int spawn_worker(const struct spawn_spec *spec, pid_t *pid_out, int *pidfd_out,
                 struct err *err);

/* Where the worker binary is: next to this program, in the build tree's neighbour, or
 * in the install path. Returns an owned path, NULL (NOT_FOUND) if nowhere. */
char *spawn_find_worker(struct err *err);

/* The same for the exporter of spans (otel.h). */
char *spawn_find_exporter(struct err *err);

#endif
