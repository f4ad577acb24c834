/*
 * confine -- what this process may do from its set-up on, before any line of an app.
 *
 * In this order: limits (no core, no locked memory, no processes, few descriptors), the
 * control group, namespaces and with them a file system of its own, no capabilities,
 * the other user, nobody looks into its memory from beside it, no new privileges, then
 * Landlock (files can be read below a few system folders, nothing else), then the
 * supervisor's filter of system calls. The supervisor says which of these there are
 * (supervisor/jail.h); if a step fails the worker does not start.
 */
#ifndef TROUPE_WORKER_CONFINE_H
#define TROUPE_WORKER_CONFINE_H

struct err;
struct frame_setup;

/* As its confinement says; 0 = not at all. Closes the descriptors inherited for it. */
int confine_self(const struct frame_setup *setup, struct err *err);

#endif
