#include "supervisor/metrics.h"

#include <stdlib.h>

#include <ev.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/metric_change.h"

#include "supervisor/core.h"
#include "supervisor/latency.h"
#include "supervisor/metric_store.h"
#include "supervisor/system.h"

#define MAX_EXPORT_BYTES ((size_t)48 * 1024 * 1024) /* below what a frame may be */

struct metrics {
    struct supervisor *sup;
    struct metric_store *store;
    struct metrics_figures figures;
    struct latency loop;
    struct ev_prepare turn_ends;
};

/* Behind everything else that a turn does: the next thing is to wait. */
static void on_turn_ends(struct ev_loop *loop, struct ev_prepare *prepare, int revents)
{
    struct metrics *metrics = container_of(prepare, struct metrics, turn_ends);
    double now = ev_time();

    (void)revents;
    if (now - ev_now(loop) > metrics->figures.longest_turn_s)
        metrics->figures.longest_turn_s = now - ev_now(loop);
    latency_note(&metrics->loop, now - ev_now(loop), now);
}

void metrics_get_figures(const struct metrics *metrics, struct metrics_figures *out)
{
    *out = metrics->figures;
    out->n_samples = metric_store_n_samples(metrics->store);
    out->loop = &metrics->loop;
}

/* ---- targets --------------------------------------------------------------------- */

static void take_change(struct metrics *metrics, const struct value *value)
{
    struct metrics_figures *figures = &metrics->figures;
    struct metric_change change;
    struct bytes series;

    if (!metric_change_from_value(value, &change, &series)) {
        figures->n_malformed++;
        return;
    }
    switch (metric_store_change(metrics->store, series, &change)) {
    case METRIC_TAKEN:
        break;
    case METRIC_BEYOND_BOUND:
        figures->n_beyond_bound++;
        break;
    case METRIC_CONFLICTS:
        figures->n_conflicts++;
        break;
    case METRIC_MALFORMED:
        figures->n_malformed++;
        break;
    }
}

static void handle_add(struct request *request)
{
    struct metrics *metrics = request->sup->metrics;
    const struct value *items = request->args.as.list.items;

    for (size_t i = 0; i < request->args.as.list.n; i++) {
        if (i > 0)
            take_change(metrics, &items[i]);
        else if (items[0].type == VALUE_INT && items[0].as.integer > 0)
            metrics->figures.n_dropped_by_workers += (uint64_t)items[0].as.integer;
    }
    request_reply(request, NULL);
}

int metrics_write(struct supervisor *sup, struct buf *out, struct err *err)
{
    buf_init(out, MAX_EXPORT_BYTES);
    metrics_write_own(sup, out);
    metric_store_write(sup->metrics->store, out);
    if (buf_len(out) + 4096 > MAX_EXPORT_BYTES)
        return err_set(err, ERR_LIMIT_EXCEEDED, "the metrics are longer than %zu bytes",
                       MAX_EXPORT_BYTES);
    return 0;
}

static void handle_metrics(struct request *request)
{
    struct value text;
    struct err err;
    struct buf out;

    if (metrics_write(request->sup, &out, &err) == -1) {
        request_fail(request, &err);
    } else {
        text = value_bytes(buf_head(&out), buf_len(&out));
        request_reply_taken(request, text);
    }
    buf_finish(&out);
}

static const struct system_target targets[] = {
    {"metrics", handle_metrics, ALLOW_CLIENT},
    {"metrics.add", handle_add, ALLOW_WORKER},
};

/* ---- life ------------------------------------------------------------------------ */

struct metrics *metrics_create(struct supervisor *sup, size_t max_samples)
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));

    metrics->sup = sup;
    metrics->store = metric_store_create(max_samples);
    metrics->figures.max_samples = max_samples;
    ev_prepare_init(&metrics->turn_ends, on_turn_ends);
    ev_set_priority(&metrics->turn_ends, EV_MINPRI);
    ev_prepare_start(sup->loop, &metrics->turn_ends);
    ev_unref(sup->loop); /* it keeps nothing alive */
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    ev_ref(metrics->sup->loop);
    ev_prepare_stop(metrics->sup->loop, &metrics->turn_ends);
    metric_store_destroy(metrics->store);
    free(metrics);
}
