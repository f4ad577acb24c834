/*
 * random -- quick numbers to spread and to sample by (xorshift).
 *
 * Whoever knows a few of them knows the rest: nothing that somebody could gain from
 * guessing may depend on them. *state is any number but 0 at first.
 */
#ifndef TROUPE_COMMON_RANDOM_H
#define TROUPE_COMMON_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* In [0, 1). */
static inline double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) / (double)(1ull << 53);
}

#endif
