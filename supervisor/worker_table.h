/*
 * worker_table -- the liveness table of one worker index, kept as long as we run.
 *
 * Made when the index is first used and handed to every worker that gets it; others get
 * a descriptor that can't write. See common/liveness.h.
 */
#ifndef TROUPE_SUPERVISOR_WORKER_TABLE_H
#define TROUPE_SUPERVISOR_WORKER_TABLE_H

#include "common/liveness.h"

struct err;

struct worker_table {
    int fd; /* -1 = never used */
    liveness_word *words;
};

void worker_table_init(struct worker_table *table);
void worker_table_finish(struct worker_table *table);

/* The writable descriptor (borrowed), made if need be; -1 with err. */
int worker_table_prepare(struct worker_table *table, struct err *err);

/* A new read-only descriptor, -1 if the index was never used or none is to be had. */
int worker_table_open_readonly(const struct worker_table *table);

/* Nobody lives there any more. Touches only pages that were written. */
void worker_table_bury(struct worker_table *table);

#endif
