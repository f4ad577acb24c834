/*
 * state -- the state directory, and the lock that says whose it is.
 *
 * One supervisor owns a state directory: the one that holds a lock on the file `lock`
 * in it. The kernel lets go of the lock when that process ends, however it ends, so a
 * stale lock can't exist; the pid in the file is for people only.
 */
#ifndef TROUPE_SUPERVISOR_STATE_H
#define TROUPE_SUPERVISOR_STATE_H

struct err;

/* Makes dir (and what leads to it) for us alone, locks it, writes our pid. Returns the
 * lock's descriptor: keep it open. -1: ALREADY_EXISTS (text names the owner's pid),
 * UNAVAILABLE, PERMISSION_DENIED. */
int state_open(const char *dir, struct err *err);

/* mkdir -p: what is missing gets mode 0700. 0 or -1 (UNAVAILABLE). */
int state_make_folder(const char *dir, struct err *err);

#endif
