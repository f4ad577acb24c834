/*
 * status -- figures about everything that runs, for supctl and for systemd.
 *
 * System targets: @system.ping, @system.status, @system.stop [{now, no_wait}],
 * @system.exit [code] (workers), @workers.list, @pools.list, @pools.get [id],
 * @pools.scale [id, n].
 */
#ifndef TROUPE_SUPERVISOR_STATUS_H
#define TROUPE_SUPERVISOR_STATUS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct status;
struct supervisor;

/* Adds its targets to sup->system. */
struct status *status_create(struct supervisor *sup);
void status_destroy(struct status *status); /* NULL is fine */

/* "starting", "running", "stopping": a constant. */
void status_set_phase(struct status *status, const char *phase);

/* One line, for STATUS= of systemd. */
void status_line(const struct status *status, char *out, size_t out_bytes);

/* Of the supervisor's own process. */
struct status_process {
    double uptime_s;
    int64_t rss_bytes, n_fds, max_fds; /* max_fds 0 = no limit */
};
void status_get_process(const struct status *status, struct status_process *out);

/* Resident memory of a process, 0 when /proc doesn't say. */
int64_t status_rss_bytes(pid_t os_pid);

#endif
