/*
 * offload -- a thread for the little file work of the supervisor that may block.
 *
 * Writing a file safely means waiting for the disk, and the loop waits for nobody. Jobs
 * run one after another in the order in which they came; done comes back on the loop.
 * The thread starts with the first job. It takes no signals and starts no processes.
 */
#ifndef TROUPE_SUPERVISOR_OFFLOAD_H
#define TROUPE_SUPERVISOR_OFFLOAD_H

#include "common/list.h"

struct ev_loop;
struct offload;

/* Embedded in what the job is about, which lives until done. */
struct offload_job {
    struct list link;
    void (*work)(struct offload_job *job); /* on the thread: touches only the job */
    void (*done)(struct offload_job *job); /* on the loop */
};

struct offload *offload_create(struct ev_loop *loop);

/* Waits for the jobs that were submitted; done comes for each. NULL is fine. */
void offload_destroy(struct offload *offload);

void offload_submit(struct offload *offload, struct offload_job *job);

#endif
