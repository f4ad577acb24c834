/*
 * jail_cgroup -- limits for all workers together, where the system lends us a part of
 * its control groups (version 2; systemd does with Delegate=yes).
 *
 * Processes may only be in leaves, so our part becomes two: `supervisor`, where we
 * move, and `workers`, where each worker moves itself with the descriptor that it
 * inherits. What isn't marked as delegated is left alone, even by root.
 */
#ifndef TROUPE_SUPERVISOR_JAIL_CGROUP_H
#define TROUPE_SUPERVISOR_JAIL_CGROUP_H

#include <stdint.h>

struct cgroup_limits {
    uint64_t memory_bytes; /* 0 = none; likewise below */
    uint32_t n_processes;
    double cpus;
};

/* Divides the group at folder (of the cgroup file system) and sets the limits. Returns
 * a descriptor for the workers, or -1; why_out then says why, in words that last. */
int cgroup_open(const char *folder, const struct cgroup_limits *limits,
                const char **why_out);

/* The folder of this process' own group. -1, with why_out, when there is none. */
int cgroup_find_own(char *out, unsigned out_bytes, const char **why_out);

#endif
