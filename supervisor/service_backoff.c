#include "supervisor/service_backoff.h"

bool backoff_may_restart(const struct backoff *backoff, uint32_t n)
{
    return backoff->max_attempts == 0 || n < backoff->max_attempts;
}

uint64_t backoff_delay_ms(const struct backoff *backoff, uint32_t n, double random)
{
    double delay = (double)backoff->initial_delay_ms;
    double max = (double)backoff->max_delay_ms;

    /* Bounded: a factor above 1 reaches the cap, any other leaves the delay as it
     * is. */
    if (backoff->factor > 1)
        for (uint32_t i = 1; i < n && delay < max && delay > 0; i++)
            delay *= backoff->factor;
    if (delay > max)
        delay = max;
    delay *= 1 + backoff->jitter * (2 * random - 1);
    return delay < 0 ? 0 : (uint64_t)(delay + 0.5);
}
