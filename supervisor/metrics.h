/*
 * metrics -- figures for whoever watches from outside: `supctl metrics`, a scraper.
 *
 * Two kinds: what apps count by their module `metrics` (metric_store.h, sums over all
 * workers) and what the runtime knows of itself, read when somebody asks. Names of the
 * latter begin with "troupe_". Whatever grows with traffic is bounded, and how near it
 * is to its bound is among the figures.
 *
 * System targets: @metrics -> text in the Prometheus format; @metrics.add [n dropped,
 * change, ...] of workers (proto/metric_change.h).
 */
#ifndef TROUPE_SUPERVISOR_METRICS_H
#define TROUPE_SUPERVISOR_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct latency;
struct supervisor;

/* Adds its targets to sup->system. max_samples: bound of what apps make. */
struct metrics *metrics_create(struct supervisor *sup, size_t max_samples);
void metrics_destroy(struct metrics *metrics); /* NULL is fine */

/* All of it, bounded; the caller finishes out, also on -1. */
int metrics_write(struct supervisor *sup, struct buf *out, struct err *err);

/* ---- for metrics_own.c ----------------------------------------------------------- */

struct metrics_figures {
    size_t n_samples, max_samples;
    /* changes that were not taken, and why */
    uint64_t n_beyond_bound, n_conflicts, n_malformed, n_dropped_by_workers;
    const struct latency *loop; /* how long turns of the event loop took */
    double longest_turn_s;
};
void metrics_get_figures(const struct metrics *metrics, struct metrics_figures *out);

/* Appends the runtime's own. */
void metrics_write_own(struct supervisor *sup, struct buf *out);

#endif
