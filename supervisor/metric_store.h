/*
 * metric_store -- counters, gauges and histograms that apps made, summed over workers.
 *
 * A family is a name with a type; below it is a series for each set of labels (see
 * common/series.h for their text). All of them together are as if one process counted:
 * a gauge is what was set last, and add and subtract change that; nothing is forgotten
 * when a worker ends.
 *
 * Bounded in samples, which are the lines of the export: a counter or gauge is one, a
 * histogram fourteen. What is beyond the bound, has another type than before, or a name
 * that another family's samples have, is refused.
 */
#ifndef TROUPE_SUPERVISOR_METRIC_STORE_H
#define TROUPE_SUPERVISOR_METRIC_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct metric_change;

enum metric_verdict {
    METRIC_TAKEN,
    METRIC_BEYOND_BOUND,
    METRIC_CONFLICTS, /* with the type or the samples of another family */
    METRIC_MALFORMED,
};

struct metric_store *metric_store_create(size_t max_samples);
void metric_store_destroy(struct metric_store *store); /* NULL is fine */

enum metric_verdict metric_store_change(struct metric_store *store, struct bytes text,
                                        const struct metric_change *change);
size_t metric_store_n_samples(const struct metric_store *store);

/* Appends everything in the Prometheus text format, sorted. */
void metric_store_write(const struct metric_store *store, struct buf *out);

/* ---- for others who export ------------------------------------------------------- */

/* "# HELP" and "# TYPE"; kind: "counter", "gauge", "histogram". */
void metric_write_head(struct buf *out, const char *name, const char *kind,
                       const char *help);

/* A number as the format has it: NaN, +Inf, whole ones without a dot. */
void metric_write_number(struct buf *out, double number);

/* The samples of one histogram; counts as in metric_change, over n bounds and what is
 * beyond. series: name{labels}. */
void metric_write_histogram(struct buf *out, struct bytes series, size_t n_name,
                            const double *bounds, const uint64_t *counts, size_t n,
                            double sum);

#endif
