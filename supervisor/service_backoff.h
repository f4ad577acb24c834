/* service_backoff -- whether and when something that failed is started again (SV-7). */
#ifndef TROUPE_SUPERVISOR_SERVICE_BACKOFF_H
#define TROUPE_SUPERVISOR_SERVICE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    uint64_t initial_delay_ms, max_delay_ms;
    double factor;         /* >= 1 */
    double jitter;         /* 0 … 1 */
    uint32_t max_attempts; /* runs in all, 0 = without end */
};

/* Is there another run after failure number n (1, 2, …)? */
bool backoff_may_restart(const struct backoff *backoff, uint32_t n);

/* The wait before it; random in [0, 1) places it within the jitter. */
uint64_t backoff_delay_ms(const struct backoff *backoff, uint32_t n, double random);

#endif
