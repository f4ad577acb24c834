/*
 * jail_cell -- a set of empty namespaces, made once, that every worker steps into.
 *
 * Making a network namespace takes half a millisecond, entering one a few microseconds:
 * a short-lived child makes them all at boot and hands their descriptors back. What is
 * in them: no network at all, no System V objects, and of all files those of
 * common/readable.h, read-only. Workers share the cell; nothing in there can be
 * changed, and seccomp leaves them no way to meet in it.
 *
 * Who may make namespaces (CAP_SYS_ADMIN) makes them right away; anybody else in a user
 * namespace of their own, where the kernel allows that. Each part can be missing.
 */
#ifndef TROUPE_SUPERVISOR_JAIL_CELL_H
#define TROUPE_SUPERVISOR_JAIL_CELL_H

/* In the order in which they have to be entered. */
enum cell_part { CELL_USER, CELL_MOUNTS, CELL_NETWORK, CELL_IPC, CELL_N_PARTS };

#define CELL_NOT_NEEDED (-1) /* the user namespace of who could do without */

struct cell {
    int fds[CELL_N_PARTS];    /* -1: that part is missing */
    int errors[CELL_N_PARTS]; /* the errno why, or CELL_NOT_NEEDED; 0: it is there */
};

/* Forks and waits, about two milliseconds. Never fails; parts may be missing. */
void cell_make(struct cell *cell);
void cell_close(struct cell *cell);

#endif
