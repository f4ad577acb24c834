/*
 * function_stats -- what has become of the calls to each function.
 *
 * One row per entry, for ever: a pool that is replaced goes on where the one before it
 * was. Counted are attempts, as a retry is a call of its own; an attempt begins when it
 * is given to the function's pool (or inline to its caller's worker) and ends when the
 * caller gets an answer. Time in the pool's queue and time in a worker are kept apart,
 * since they ask for different remedies.
 *
 * A call under way refers to its row by `struct function_count`, which is part of it.
 */
#ifndef TROUPE_SUPERVISOR_FUNCTION_STATS_H
#define TROUPE_SUPERVISOR_FUNCTION_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "common/map.h"

#include "proto/metric_change.h"

#include "supervisor/latency.h"

enum function_outcome {
    FUNCTION_OK,
    FUNCTION_ERROR,       /* its own */
    FUNCTION_CANCELED,    /* its caller wants the answer no more */
    FUNCTION_TIMEOUT,     /* its deadline has passed */
    FUNCTION_UNAVAILABLE, /* no worker took it, or that worker has died */
    FUNCTION_N_OUTCOMES,
};
const char *function_outcome_name(enum function_outcome outcome);

struct function_times {
    struct latency queue, run;
    /* F-53: both together, in the buckets that apps' histograms have */
    uint64_t counts[METRIC_N_BUCKETS];
    double sum_s;
    double last_s; /* went into last_bucket */
    unsigned last_bucket;
};

struct function_stats {
    char *id;
    uint64_t n_ended[FUNCTION_N_OUTCOMES];
    uint32_t n_in_flight;
    struct function_times *times; /* NULL before the first call has ended */
};

struct function_table {
    struct map rows;    /* id -> struct function_stats */
    uint64_t n_refused; /* rows that there was no room for */
};

#define FUNCTION_ROWS_MAX 10000

struct function_table *function_table_create(void);
void function_table_destroy(struct function_table *table); /* NULL is fine */

/* The row of that id, which stays; NULL: there are too many, or no table. */
struct function_stats *function_stats_get(struct function_table *table, const char *id);

/* ---- of one call ----------------------------------------------------------------- */

struct function_count {
    struct function_stats *stats; /* NULL: not counted, or not any more */
    double given_at, sent_at;     /* time of the loop turn, seconds; 0 = not sent yet */
};

static inline void function_count_begin(struct function_count *count,
                                        struct function_stats *stats, double now)
{
    *count = (struct function_count){stats, now, 0};
    if (stats != NULL)
        stats->n_in_flight++;
}

/* It never was this function's to run (HOLD): it will begin again. */
static inline void function_count_drop(struct function_count *count)
{
    if (count->stats != NULL)
        count->stats->n_in_flight--;
    count->stats = NULL;
}

/* Only the first end counts. */
void function_count_end_slow(struct function_count *count,
                             enum function_outcome outcome, double now);
static inline void function_count_end(struct function_count *count,
                                      enum function_outcome outcome, double now)
{
    if (count->stats != NULL)
        function_count_end_slow(count, outcome, now);
}

#endif
