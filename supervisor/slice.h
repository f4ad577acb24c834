/* slice -- one turn's worth of a work that may be long: 0.75 ms, then others have
 * theirs. */
#ifndef TROUPE_SUPERVISOR_SLICE_H
#define TROUPE_SUPERVISOR_SLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define SLICE_NS          750000
#define SLICE_CLOCK_EVERY 32 /* steps between two looks at the clock */

struct slice {
    int64_t until_ns;
    unsigned n;
};

static inline struct slice slice_begin(void)
{
    return (struct slice){.until_ns = clock_monotonic_ns() + SLICE_NS};
}

/* For work that has to be done now, whatever it takes. */
static inline struct slice slice_without_end(void)
{
    return (struct slice){.until_ns = INT64_MAX};
}

/* After each step. */
static inline bool slice_is_over(struct slice *slice)
{
    return ++slice->n % SLICE_CLOCK_EVERY == 0 &&
           clock_monotonic_ns() > slice->until_ns;
}

#endif
