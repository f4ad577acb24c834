/* clock -- the time. Every deadline and timer runs on the monotonic clock. */
#ifndef TROUPE_COMMON_CLOCK_H
#define TROUPE_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline uint64_t clock_monotonic_ms(void)
{
    return (uint64_t)clock_monotonic_ns() / 1000000;
}

static inline int64_t clock_wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

#endif
