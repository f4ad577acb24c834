/* latencies -- for the benchmark's C programs: a histogram of round-trip times. */
#ifndef TROUPE_TESTS_BENCH_LATENCIES_H
#define TROUPE_TESTS_BENCH_LATENCIES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LATENCY_STEP_NS 100
#define LATENCY_STEPS   (1u << 17) /* the last one takes all that is 13 ms and longer */

/* Latencies counted in steps: constant cost, and no array that grows with the run. */
struct latencies {
    uint64_t n;
    uint32_t counts[LATENCY_STEPS];
};

static inline void latencies_add(struct latencies *latencies, int64_t took_ns)
{
    uint64_t step = (uint64_t)took_ns / LATENCY_STEP_NS;

    latencies->counts[step < LATENCY_STEPS ? step : LATENCY_STEPS - 1]++;
    latencies->n++;
}

/* share 0.5 is the median; returns microseconds. */
static inline double latencies_at_us(const struct latencies *latencies, double share)
{
    uint64_t want = (uint64_t)((double)latencies->n * share);
    uint64_t seen = 0;
    uint32_t i = 0;

    while (i < LATENCY_STEPS - 1 && (seen += latencies->counts[i]) <= want)
        i++;
    return (i + 0.5) * LATENCY_STEP_NS / 1000;
}

static inline _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

#endif
