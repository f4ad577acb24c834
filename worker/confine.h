/*
 * confine -- what this process may do from its set-up on, before any line of an app.
 *
 * In this order: limits (no core, no locked memory), no look into its memory from
 * beside it, then Landlock (files can be read below a few system folders, nothing
 * else), then the supervisor's filter of system calls (supervisor/jail.h). Descriptors
 * were closed and privileges given up for good when the process was made
 * (supervisor/spawn.h). If a step fails the worker does not start; kernels without
 * Landlock do with the filter alone, unless it was to be strict.
 */
#ifndef TROUPE_WORKER_CONFINE_H
#define TROUPE_WORKER_CONFINE_H

#include <stdint.h>

#include "common/buf.h"

struct err;

/* level: enum confinement of frame.h; filter: an array of struct sock_filter. */
int confine_self(uint8_t level, struct bytes filter, struct err *err);

#endif
