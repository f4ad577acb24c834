/*
 * floor -- a supervisor for fuzz targets: pools, interceptors and two workers that read
 * what they are sent and say nothing. Its registry has entries whose code is never run.
 */
#ifndef TROUPE_TESTS_FUZZ_FLOOR_H
#define TROUPE_TESTS_FUZZ_FLOOR_H

#include "supervisor/core.h"

#define FLOOR_N_WORKERS 2

struct worker;

/* To be called for each input. The same supervisor as for the one before; a new one
 * every now and then, so that an input can be blamed for what it leaves behind. */
struct supervisor *floor_take(void);
struct worker *floor_worker(unsigned i);

#endif
