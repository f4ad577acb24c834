/*
 * jail_filter -- the system calls that workers may still make, as a program for the
 * kernel.
 *
 * Made once, by libseccomp, and sent to every worker with its SETUP: a worker needs no
 * library to put it on (worker/confine.h does), and starting one stays cheap. It is a
 * list of what is allowed; anything else fails with EPERM.
 */
#ifndef TROUPE_SUPERVISOR_JAIL_FILTER_H
#define TROUPE_SUPERVISOR_JAIL_FILTER_H

#include <stdbool.h>

#include "common/buf.h"

struct err;

/* Programs built for sanitizers need what a jail forbids. */
bool jail_is_possible(void);

/* Appends the filter, an array of struct sock_filter. -1: libseccomp fails, or a kernel
 * of an architecture that it doesn't know. */
int jail_make_filter(struct buf *out, struct err *err);

#endif
