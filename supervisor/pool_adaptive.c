#include "supervisor/pool_adaptive.h"

#include <math.h>

#include "common/min.h"

#define NS_PER_MS         1000000ull
#define MIN_TICK_NS       (50 * NS_PER_MS)
#define ALPHA_THROUGHPUT  0.2
#define ALPHA_VARIANCE    0.1
#define WARM_UP_SAMPLES   8
#define UP_THRESHOLD      1.0
#define DOWN_THRESHOLD    0.5
#define IDLE_TICKS        8
#define BASE_COOLDOWN_NS  (4.0 * ADAPTIVE_TICK_MS * NS_PER_MS)
#define MAX_BACKOFF_SHIFT 10
#define JITTER            0.25
#define SIGNIFICANCE      2.0
#define NOISE_CAP         0.5
#define CV_SPIKE_FACTOR   3.0
#define MAX_CV_SQUARED    3.0

void adaptive_init(struct adaptive *adaptive, uint32_t min, uint32_t max,
                   double (*random)(void *context), void *random_context)
{
    *adaptive = (struct adaptive){
        .min = min, .max = max, .random = random, .random_context = random_context};
}

void adaptive_resume(struct adaptive *adaptive, uint64_t now_ns, uint64_t n_finished)
{
    adaptive->has_tick = true;
    adaptive->last_tick_ns = now_ns;
    adaptive->last_finished = n_finished;
}

static double jittered(struct adaptive *a, double ns)
{
    return ns * (1 - JITTER + 2 * JITTER * a->random(a->random_context));
}

static void sample(struct adaptive *a, const struct adaptive_input *in)
{
    double seconds = (double)(in->now_ns - a->last_tick_ns) / 1e9;
    double x = (double)(in->n_finished - a->last_finished) / seconds;
    double d = x - a->ema;

    a->last_tick_ns = in->now_ns;
    a->last_finished = in->n_finished;
    if (a->n_samples++ == 0) {
        a->ema = x;
        a->var = 0;
        return;
    }
    a->ema = ALPHA_THROUGHPUT * x + (1 - ALPHA_THROUGHPUT) * a->ema;
    a->var = ALPHA_VARIANCE * d * d + (1 - ALPHA_VARIANCE) * a->var;
}

static uint32_t shrink(struct adaptive *a, const struct adaptive_input *in,
                       uint32_t n_busy)
{
    uint32_t target = max_u32(max_u32(in->n_slots - 1, n_busy + 1), a->min);

    if (target >= in->n_slots)
        return in->n_slots;
    a->cooldown_until_ns = in->now_ns + (uint64_t)BASE_COOLDOWN_NS;
    a->peak = 0;
    return target;
}

static uint32_t open_probe(struct adaptive *a, const struct adaptive_input *in)
{
    uint32_t w = in->n_slots, q = in->n_queued;
    uint32_t add = max_u32(w != 0 && q > w ? q / w : 0, max_u32(1, w / 4));

    add = min_u32(add, max_u32(1, a->max / 4));
    add = min_u32(add, a->max - w);
    a->probe.open = true;
    a->probe.opened_at_ns = in->now_ns;
    a->probe.ema = a->ema;
    a->probe.n_queued = q;
    a->probe.n_slots = w;
    return w + add;
}

static uint32_t keep_probe(struct adaptive *a, const struct adaptive_input *in)
{
    a->fails = 0;
    a->stable_cv = 0;
    a->peak = fmax(a->peak, a->ema);
    a->cooldown_until_ns = in->now_ns + (uint64_t)jittered(a, BASE_COOLDOWN_NS / 2);
    return in->n_slots;
}

static uint32_t undo_probe(struct adaptive *a, const struct adaptive_input *in,
                           double cv)
{
    if (a->fails != 0 && a->failed_at_slots == a->probe.n_slots) {
        if (a->stable_cv > 0 && cv > CV_SPIKE_FACTOR * a->stable_cv) {
            a->fails = 1;
            a->stable_cv = cv;
        } else {
            a->fails++;
            if (a->stable_cv == 0 || (cv > 0 && cv < a->stable_cv))
                a->stable_cv = cv;
        }
    } else {
        a->fails = 1;
        a->failed_at_slots = a->probe.n_slots;
        a->stable_cv = cv;
    }
    a->cooldown_until_ns =
        in->now_ns +
        (uint64_t)jittered(
            a, ldexp(BASE_COOLDOWN_NS, (int)min_u32(a->fails, MAX_BACKOFF_SHIFT)));
    return a->probe.n_slots;
}

static uint32_t evaluate_probe(struct adaptive *a, const struct adaptive_input *in)
{
    double cv = a->ema <= 0 || a->var <= 0 ? 1 : sqrt(a->var) / a->ema;
    double wait_ns = BASE_COOLDOWN_NS;
    double improvement, noise;
    bool drifted;

    if (a->n_samples >= WARM_UP_SAMPLES)
        wait_ns *= 1 + fmin(cv * cv, MAX_CV_SQUARED);
    if ((double)(in->now_ns - a->probe.opened_at_ns) < wait_ns)
        return in->n_slots;
    a->probe.open = false;
    if (a->probe.ema <= 0)
        return undo_probe(a, in, cv);
    improvement = (a->ema - a->probe.ema) / a->probe.ema;
    noise = fmin(SIGNIFICANCE * cv, NOISE_CAP);
    drifted = a->peak > 0 && a->ema < a->peak * (1 - noise);
    if (!drifted && (improvement > noise ||
                     (fabs(improvement) <= noise && in->n_queued < a->probe.n_queued)))
        return keep_probe(a, in);
    return undo_probe(a, in, cv);
}

uint32_t adaptive_tick(struct adaptive *a, const struct adaptive_input *in)
{
    uint32_t w = in->n_slots, n_busy = min_u32(in->n_busy, w);
    double use = w != 0 ? (double)n_busy / w : 0;

    if (!a->has_tick) {
        adaptive_resume(a, in->now_ns, in->n_finished);
        return w;
    }
    if (in->now_ns < a->last_tick_ns + MIN_TICK_NS)
        return w;
    sample(a, in);
    if (use < DOWN_THRESHOLD && in->n_queued == 0 && w > a->min) {
        if (++a->idle_ticks < IDLE_TICKS)
            return w;
        a->idle_ticks = 0;
        a->probe.open = false; /* there is nothing left to compare with */
        return shrink(a, in, n_busy);
    }
    a->idle_ticks = 0;
    if (in->now_ns < a->cooldown_until_ns)
        return w;
    if (a->probe.open)
        return evaluate_probe(a, in);
    if (use >= UP_THRESHOLD && in->n_queued > 0 && w < a->max)
        return open_probe(a, in);
    return w;
}
