/*
 * latency -- how long calls ran lately: a histogram of fixed size.
 *
 * Four buckets for each power of two of microseconds, so a quantile is at most a
 * quarter too large and never too small. What it tells is of the last one to two
 * minutes: every minute the older half is dropped, when somebody notes or asks; there
 * is no timer. Totals since ever are kept besides. Times are seconds of one clock,
 * whichever the caller reads once per loop turn.
 */
#ifndef TROUPE_SUPERVISOR_LATENCY_H
#define TROUPE_SUPERVISOR_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 128
#define LATENCY_TURN_S  60.

struct latency {
    uint32_t counts[2][LATENCY_BUCKETS];
    uint64_t older[LATENCY_BUCKETS]; /* what was dropped of them */
    double sum_s;                    /* of all times ever */
    unsigned newer;                  /* which of the two is being filled */
    double turned_at;
    double last_s, last_at; /* what was noted last, into last_bucket */
    unsigned last_bucket;
};

/* A call ran for so many seconds, until at. A clock that was set back counts as 0. Of
 * the calls that end in one loop turn most were begun in one, too. */
void latency_note_another(struct latency *latency, double seconds, double at);
static inline void latency_note(struct latency *latency, double seconds, double at)
{
    if (seconds == latency->last_s && at == latency->last_at) {
        latency->counts[latency->newer][latency->last_bucket]++;
        latency->sum_s += seconds > 0 ? seconds : 0;
    } else {
        latency_note_another(latency, seconds, at);
    }
}

/* The time that a share q (0 to 1) of the calls didn't exceed; -1 when there are
 * none. */
int64_t latency_quantile_us(struct latency *latency, double q, double at);

/* Of all times ever: counts_out[i] are below latency_bounds_s[i] and not below the one
 * before, the last ones are beyond. */
#define LATENCY_N_BOUNDS 12
extern const double latency_bounds_s[LATENCY_N_BOUNDS];
void latency_totals(const struct latency *latency,
                    uint64_t counts_out[LATENCY_N_BOUNDS + 1]);

#endif
