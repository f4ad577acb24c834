/*
 * landlock -- the kernel's file-system sandbox, by its system calls.
 *
 * There is no library for it, and the headers of the distribution are older than the
 * kernels it meets: the numbers that matter stand in landlock.c.
 */
#ifndef TROUPE_COMMON_LANDLOCK_H
#define TROUPE_COMMON_LANDLOCK_H

struct err;

/* What this kernel offers: 0 = nothing, else the version of its interface. */
int landlock_abi(void);

/* From now on this thread may read files beneath these paths (NULL ends; those that
 * don't exist are left out) and do nothing else to any file system; from version 4 on
 * it can't bind or connect TCP sockets, from 6 on it can't signal other processes.
 * Needs no_new_privs. -1 (UNAVAILABLE) when the kernel refuses. */
int landlock_read_only(const char *const *paths, struct err *err);

#endif
