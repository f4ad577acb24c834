#include "worker/metrics.h"

#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/map.h"
#include "common/mem.h"
#include "common/series.h"
#include "common/value.h"

#include "worker/runtime.h"
#include "worker/uplink.h"

#define REPORT_EVERY_S 0.1
#define MAX_ROWS       4096

struct row {
    struct metric_change change;
    size_t n_key;
    char key[]; /* type as a byte, then the series */
};

struct metrics {
    struct runtime *rt;
    struct map rows;
    struct ev_timer timer;
    struct buf key; /* of the change under way */
    uint64_t n_dropped;
    bool is_reporting; /* the last report has no answer yet */
};

static void drop_rows(struct metrics *metrics)
{
    MAP_FOREACH (row, &metrics->rows)
        free(row->value);
    map_finish(&metrics->rows);
    map_init(&metrics->rows);
}

/* ---- reports --------------------------------------------------------------------- */

static void arm(struct metrics *metrics)
{
    if (ev_is_active(&metrics->timer))
        return;
    ev_timer_set(&metrics->timer, REPORT_EVERY_S, 0.);
    ev_timer_start(metrics->rt->loop, &metrics->timer);
}

static void on_reported(void *context, uint8_t status, struct bytes result)
{
    struct metrics *metrics = context;

    (void)status, (void)result;
    metrics->is_reporting = false;
}

static void report(struct metrics *metrics)
{
    struct value *items = xcalloc(metrics->rows.n + 1, sizeof(*items));
    size_t n = 1;

    items[0] = value_int((int64_t)metrics->n_dropped);
    MAP_FOREACH (row, &metrics->rows) {
        const struct row *one = row->value;
        struct bytes series = {(const uint8_t *)one->key + 1, one->n_key - 1};

        items[n++] = metric_change_to_value(&one->change, series);
    }
    metrics->is_reporting = true;
    metrics->n_dropped = 0;
    drop_rows(metrics);
    uplink_ask(metrics->rt->uplink, "@metrics.add", items, n, on_reported, metrics);
    for (size_t i = 0; i < n; i++)
        value_finish(&items[i]);
    free(items);
}

void metrics_flush(struct metrics *metrics)
{
    if (metrics != NULL && (metrics->rows.n != 0 || metrics->n_dropped != 0))
        report(metrics);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct metrics *metrics = container_of(timer, struct metrics, timer);

    (void)loop, (void)revents;
    if (metrics->is_reporting)
        arm(metrics);
    else
        metrics_flush(metrics);
}

/* ---- changes --------------------------------------------------------------------- */

/* NULL: there is no room. */
static struct row *add_row(struct metrics *metrics, enum metric_type type)
{
    struct row *row;

    if (metrics->rows.n == MAX_ROWS && !metrics->is_reporting)
        report(metrics);
    if (metrics->rows.n == MAX_ROWS)
        return NULL;
    row = xcalloc(1, sizeof(*row) + buf_len(&metrics->key));
    row->change.type = type;
    row->n_key = buf_len(&metrics->key);
    memcpy(row->key, buf_head(&metrics->key), row->n_key);
    map_put(&metrics->rows, row->key, row->n_key, row);
    return row;
}

/* Reads metrics->key; NULL: dropped. */
static struct row *get_row(struct metrics *metrics, enum metric_type type)
{
    struct row *row = map_find(&metrics->rows, (const char *)buf_head(&metrics->key),
                               buf_len(&metrics->key));

    return row != NULL ? row : add_row(metrics, type);
}

void metrics_note(struct metrics *metrics, enum metric_type type, struct bytes name,
                  struct series_label *labels, size_t n_labels, bool is_set,
                  double value)
{
    struct row *row = NULL;
    uint8_t mark = (uint8_t)type;

    buf_clear(&metrics->key);
    if (buf_append(&metrics->key, &mark, 1) &&
        series_append(&metrics->key, name, labels, n_labels))
        row = get_row(metrics, type);
    arm(metrics);
    if (row == NULL) {
        metrics->n_dropped++;
        return;
    }
    if (is_set) {
        row->change.is_set = true;
        row->change.value = 0;
    }
    row->change.value += value;
    if (type == METRIC_HISTOGRAM)
        row->change.counts[metric_bucket_of(value)]++;
}

/* ---- life ------------------------------------------------------------------------ */

struct metrics *metrics_create(struct runtime *rt)
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));

    metrics->rt = rt;
    map_init(&metrics->rows);
    buf_init(&metrics->key, 0);
    ev_timer_init(&metrics->timer, on_timer, REPORT_EVERY_S, 0.);
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    ev_timer_stop(metrics->rt->loop, &metrics->timer);
    drop_rows(metrics);
    map_finish(&metrics->rows);
    buf_finish(&metrics->key);
    free(metrics);
}
