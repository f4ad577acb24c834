/*
 * pool_adaptive -- how many slots an adaptive pool should have (functions.md F-47).
 *
 * A pure controller: figures in, number of slots out, once per tick. It tries more
 * slots when all are busy and calls wait (a probe), keeps them if throughput or the
 * queue got better by more than the noise, else takes them back and waits longer before
 * the next probe; it gives slots back when fewer than half are busy for a while.
 */
#ifndef TROUPE_SUPERVISOR_POOL_ADAPTIVE_H
#define TROUPE_SUPERVISOR_POOL_ADAPTIVE_H

#include <stdbool.h>
#include <stdint.h>

#define ADAPTIVE_TICK_MS 500

struct adaptive_input {
    uint64_t now_ns;
    uint64_t n_finished; /* calls, ever */
    uint32_t n_slots, n_busy, n_queued;
};

struct adaptive {
    uint32_t min, max;
    double (*random)(void *context); /* uniform in [0, 1): jitter */
    void *random_context;

    bool has_tick;
    uint64_t last_tick_ns, last_finished;
    uint32_t n_samples;
    double ema, var;
    uint32_t idle_ticks;
    uint64_t cooldown_until_ns;
    struct {
        bool open;
        uint64_t opened_at_ns;
        double ema;
        uint32_t n_queued, n_slots;
    } probe;
    uint32_t fails, failed_at_slots;
    double stable_cv, peak;
};

void adaptive_init(struct adaptive *adaptive, uint32_t min, uint32_t max,
                   double (*random)(void *context), void *random_context);

/* Returns the number of slots from now on (min ... max); in->n_slots = no change. */
uint32_t adaptive_tick(struct adaptive *adaptive, const struct adaptive_input *in);

/* Ticks stop while nothing happens; before the first one after a pause. */
void adaptive_resume(struct adaptive *adaptive, uint64_t now_ns, uint64_t n_finished);

#endif
