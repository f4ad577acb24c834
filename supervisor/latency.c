#include "supervisor/latency.h"

#include <string.h>

#define SUB_BITS 2 /* four buckets for each power of two */
#define MOST_US  ((UINT64_C(1) << 33) - 1)

static unsigned bucket_of(uint64_t us)
{
    unsigned exponent;

    if (us < 1u << SUB_BITS)
        return (unsigned)us;
    exponent = 63 - (unsigned)__builtin_clzll(us);
    return (exponent - 1) << SUB_BITS |
           (unsigned)(us >> (exponent - SUB_BITS) & ((1u << SUB_BITS) - 1));
}

/* The largest time that bucket counts. */
static int64_t end_of(unsigned bucket)
{
    unsigned exponent = (bucket >> SUB_BITS) + 1, sub = bucket & ((1u << SUB_BITS) - 1);

    if (bucket < 1u << SUB_BITS)
        return bucket;
    return (int64_t)(((UINT64_C(5) + sub) << (exponent - SUB_BITS)) - 1);
}

/* 4^2 to 4^13 microseconds: the buckets end exactly there. */
const double latency_bounds_s[LATENCY_N_BOUNDS] = {
    16e-6,    64e-6,     256e-6,   1024e-6,  4096e-6,   16384e-6,
    65536e-6, 262144e-6, 1.048576, 4.194304, 16.777216, 67.108864};

static void drop(struct latency *latency, unsigned half)
{
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        latency->older[i] += latency->counts[half][i];
    memset(latency->counts[half], 0, sizeof(latency->counts[half]));
}

static void turn(struct latency *latency, double at)
{
    double age = at - latency->turned_at;

    if (age >= 0 && age < LATENCY_TURN_S)
        return;
    if (age < 0 || age >= 2 * LATENCY_TURN_S)
        drop(latency, latency->newer);
    latency->newer ^= 1;
    drop(latency, latency->newer);
    latency->turned_at = at;
}

void latency_note_another(struct latency *latency, double seconds, double at)
{
    uint64_t us = 0;

    if (seconds * 1e6 >= (double)MOST_US)
        us = MOST_US;
    else if (seconds > 0)
        us = (uint64_t)(seconds * 1e6);
    if (seconds > 0)
        latency->sum_s += seconds;
    turn(latency, at);
    latency->last_s = seconds;
    latency->last_at = at;
    latency->last_bucket = bucket_of(us);
    latency->counts[latency->newer][latency->last_bucket]++;
}

int64_t latency_quantile_us(struct latency *latency, double q, double at)
{
    uint64_t n = 0, n_below = 0;

    turn(latency, at);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        n += (uint64_t)latency->counts[0][i] + latency->counts[1][i];
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        n_below += (uint64_t)latency->counts[0][i] + latency->counts[1][i];
        if (n_below != 0 && (double)n_below >= q * (double)n)
            return end_of(i);
    }
    return -1;
}

void latency_totals(const struct latency *latency,
                    uint64_t counts_out[LATENCY_N_BOUNDS + 1])
{
    unsigned at = 0;

    memset(counts_out, 0, (LATENCY_N_BOUNDS + 1) * sizeof(*counts_out));
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        while (at < LATENCY_N_BOUNDS && (double)end_of(i) >= latency_bounds_s[at] * 1e6)
            at++;
        counts_out[at] += latency->older[i] + latency->counts[0][i];
        counts_out[at] += latency->counts[1][i];
    }
}
