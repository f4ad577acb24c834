/*
 * metric_change -- what has happened to one time series of an app since the last
 * report.
 *
 * Workers gather changes and send them in batches, the arguments of @metrics.add: first
 * how many changes were dropped, then a list for each series:
 *
 *   counter    [0, series, added]
 *   gauge      [1, series, is_set, number]: the value, or what is added to it
 *   histogram  [2, series, sum, n, n, ...]: what was observed, a number per bucket
 *
 * series is a text of common/series.h; who decodes checks everything but that.
 */
#ifndef TROUPE_PROTO_METRIC_CHANGE_H
#define TROUPE_PROTO_METRIC_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/value.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* MT-2: .005 … 10 seconds; the last bucket counts what is beyond all of them. */
#define METRIC_N_BUCKETS 12
extern const double metric_bounds[METRIC_N_BUCKETS - 1];

struct metric_change {
    enum metric_type type;
    bool is_set;                       /* gauges only */
    double value;                      /* histograms: the sum */
    uint64_t counts[METRIC_N_BUCKETS]; /* histograms: of each bucket alone */
};

/* Which bucket counts it; NaN is beyond all bounds. */
unsigned metric_bucket_of(double observed);

struct value metric_change_to_value(const struct metric_change *change,
                                    struct bytes series);

/* series_out is borrowed from value. false: that is no change. */
bool metric_change_from_value(const struct value *value, struct metric_change *out,
                              struct bytes *series_out);

#endif
