#include "supervisor/function_stats.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

const char *function_outcome_name(enum function_outcome outcome)
{
    static const char *const names[] = {"ok", "error", "canceled", "timeout",
                                        "unavailable"};

    return names[outcome];
}

struct function_table *function_table_create(void)
{
    struct function_table *table = xcalloc(1, sizeof(*table));

    map_init(&table->rows);
    return table;
}

void function_table_destroy(struct function_table *table)
{
    if (table == NULL)
        return;
    MAP_FOREACH (row, &table->rows) {
        struct function_stats *stats = row->value;

        free(stats->times);
        free(stats->id);
        free(stats);
    }
    map_finish(&table->rows);
    free(table);
}

struct function_stats *function_stats_get(struct function_table *table, const char *id)
{
    struct function_stats *stats;
    size_t n = strlen(id);

    if (table == NULL)
        return NULL;
    stats = map_find(&table->rows, id, n);
    if (stats != NULL)
        return stats;
    if (table->rows.n >= FUNCTION_ROWS_MAX) {
        table->n_refused++;
        return NULL;
    }
    stats = xcalloc(1, sizeof(*stats));
    stats->id = xstrdup(id);
    map_put(&table->rows, stats->id, n, stats);
    return stats;
}

static struct function_times *make_times(void)
{
    struct function_times *times = xcalloc(1, sizeof(*times));

    times->last_bucket = metric_bucket_of(times->last_s);
    return times;
}

void function_count_end_slow(struct function_count *count,
                             enum function_outcome outcome, double now)
{
    struct function_stats *stats = count->stats;
    double sent_at = count->sent_at != 0 ? count->sent_at : now,
           all_s = now > count->given_at ? now - count->given_at : 0;
    struct function_times *times = stats->times;

    count->stats = NULL;
    stats->n_in_flight--;
    stats->n_ended[outcome]++;
    if (times == NULL)
        times = stats->times = make_times();
    latency_note(&times->queue, sent_at - count->given_at, now);
    if (count->sent_at != 0)
        latency_note(&times->run, now - sent_at, now);
    if (all_s != times->last_s) {
        times->last_s = all_s;
        times->last_bucket = metric_bucket_of(all_s);
    }
    times->counts[times->last_bucket]++;
    times->sum_s += all_s;
}
