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

static void turn(struct latency *latency, double at)
{
    double age = at - latency->turned_at;

    if (age >= 0 && age < LATENCY_TURN_S)
        return;
    if (age < 0 || age >= 2 * LATENCY_TURN_S)
        memset(latency->counts, 0, sizeof(latency->counts));
    latency->newer ^= 1;
    memset(latency->counts[latency->newer], 0, sizeof(latency->counts[0]));
    latency->turned_at = at;
}

void latency_note(struct latency *latency, double seconds, double at)
{
    uint64_t us = 0;

    if (seconds * 1e6 >= (double)MOST_US)
        us = MOST_US;
    else if (seconds > 0)
        us = (uint64_t)(seconds * 1e6);
    turn(latency, at);
    latency->counts[latency->newer][bucket_of(us)]++;
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
