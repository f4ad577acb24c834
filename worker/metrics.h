/*
 * metrics -- what apps count, gathered here and reported to the supervisor in batches.
 *
 * A change costs a look-up in a table and no message: what happened to a series is
 * summed, and a moment after the first change the whole table goes out as one call of
 * @metrics.add and is empty again. The supervisor keeps the totals of all workers; what
 * a killed worker had not reported yet is lost.
 *
 * Never blocks. The table is bounded; when it is full while the last report is still on
 * its way, changes are dropped and the supervisor hears how many.
 */
#ifndef TROUPE_WORKER_METRICS_H
#define TROUPE_WORKER_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

#include "proto/metric_change.h"

struct runtime;
struct series_label;

struct metrics *metrics_create(struct runtime *rt);
void metrics_destroy(struct metrics *metrics); /* NULL is fine; reports nothing */

/* One event of a series; what names none is dropped. value: what a counter grows by
 * (never less than 0), a gauge is set to or changed by, or a histogram observes. */
void metrics_note(struct metrics *metrics, enum metric_type type, struct bytes name,
                  struct series_label *labels, size_t n_labels, bool is_set,
                  double value);

/* Sends what there is now: the worker is about to end. */
void metrics_flush(struct metrics *metrics);

#endif
