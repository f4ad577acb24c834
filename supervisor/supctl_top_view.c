#include "supervisor/supctl_top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static const struct top_column pool_columns[] = {
    {{"POOL", "entry", COLUMN_TEXT}, 0},
    {{"PROCS", "n_processes", COLUMN_NUMBER}, 5},
    {{"BUSY", "n_busy", COLUMN_NUMBER}, 5},
    {{"QUEUED", "n_queued", COLUMN_NUMBER}, 6},
    {{"ACTORS", "n_actors", COLUMN_NUMBER}, 7},
    {{"RATE/S", "rate", COLUMN_NUMBER}, 7},
    {{"P50", "p50_us", COLUMN_US}, 7},
    {{"P99", "p99_us", COLUMN_US}, 7},
    {{"DEATHS", "n_deaths", COLUMN_NUMBER}, 6},
};

static const struct top_column time_columns[] = {
    {{"POOL", "entry", COLUMN_TEXT}, 0},
    {{"RATE/S", "rate", COLUMN_NUMBER}, 7},
    {{"P50", "p50_us", COLUMN_US}, 7},
    {{"P99", "p99_us", COLUMN_US}, 7},
    {{"P99.9", "p999_us", COLUMN_US}, 7},
    {{"Q P50", "queue_p50_us", COLUMN_US}, 7},
    {{"Q P99", "queue_p99_us", COLUMN_US}, 7},
    {{"Q P99.9", "queue_p999_us", COLUMN_US}, 7},
};

static const struct top_column worker_columns[] = {
    {{"POOL", "pool", COLUMN_TEXT}, 0},
    {{"WORKER", "index", COLUMN_NUMBER}, 6},
    {{"PID", "os_pid", COLUMN_NUMBER}, 8},
    {{"STATE", "state", COLUMN_TEXT}, 8},
    {{"BUSY", "n_busy", COLUMN_NUMBER}, 5},
    {{"ACTORS", "n_actors", COLUMN_NUMBER}, 7},
    {{"CALLS", "n_calls_done", COLUMN_NUMBER}, 9},
    {{"HEAP", "figures.heap_bytes", COLUMN_BYTES}, 6},
    {{"MEMORY", "rss_bytes", COLUMN_BYTES}, 6},
};

static const struct top_column service_columns[] = {
    {{"SERVICE", "id", COLUMN_TEXT}, 0},
    {{"STATE", "state", COLUMN_TEXT}, 8},
    {{"UPTIME", "uptime_ms", COLUMN_MS}, 8},
    {{"RESTARTS", "restarts", COLUMN_NUMBER}, 8},
    {{"DETAILS", "details", COLUMN_TEXT}, 28},
};

const struct top_view top_views[TOP_N_VIEWS] = {
    {"pools", "pools", pool_columns, N_ELEMENTS(pool_columns), 5},
    {"times", "pools", time_columns, N_ELEMENTS(time_columns), 3},
    {"workers", "workers", worker_columns, N_ELEMENTS(worker_columns), 8},
    {"services", "services", service_columns, N_ELEMENTS(service_columns), 0},
};

/* ---- order ----------------------------------------------------------------------- */

static bool is_text(const struct column *column)
{
    return column->kind == COLUMN_TEXT || column->kind == COLUMN_STATE;
}

static double number_of(const struct value *value)
{
    if (value != NULL && value->type == VALUE_INT)
        return (double)value->as.integer;
    return value != NULL && value->type == VALUE_FLOAT ? value->as.real : -1;
}

/* Below 0: a comes first. */
static int compare(const struct value *a, const struct value *b,
                   const struct column *column)
{
    const struct value *left = value_get_path(a, column->path),
                       *right = value_get_path(b, column->path);
    const char *left_text = value_text(left), *right_text = value_text(right);
    double difference;

    if (is_text(column))
        return strcmp(left_text != NULL ? left_text : "",
                      right_text != NULL ? right_text : "");
    difference = number_of(right) - number_of(left);
    return difference < 0 ? -1 : difference > 0;
}

struct order {
    const struct column *column;
    int sign;
};

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct order *order = context;

    return order->sign * compare(a, b, order->column);
}

void top_sort(struct value *list, const struct top_column *column, bool reverse)
{
    struct order order = {&column->column, reverse ? -1 : 1};

    if (list != NULL && list->type == VALUE_LIST && list->as.list.n > 1)
        qsort_r(list->as.list.items, list->as.list.n, sizeof(struct value),
                compare_rows, &order);
}

/* ---- text ------------------------------------------------------------------------ */

/* The bytes of the first n characters. */
static size_t bytes_of_chars(const char *text, size_t n, size_t *n_chars_out)
{
    size_t at = 0, n_chars = 0;

    while (text[at] != '\0') {
        if (((uint8_t)text[at] & 0xc0) != 0x80 && n_chars++ == n) {
            n_chars--;
            break;
        }
        at++;
    }
    *n_chars_out = n_chars;
    return at;
}

char *top_cell(const struct value *record, const struct column *column, unsigned width)
{
    char *whole =
        record != NULL
            ? supctl_cell_text(value_get_path(record, column->path), column->kind)
            : xstrdup(column->title);
    size_t n_chars, n_bytes = bytes_of_chars(whole, width, &n_chars);
    int fill = (int)(width - n_chars);
    char *cell = is_text(column) ? xasprintf("%.*s%*s", (int)n_bytes, whole, fill, "")
                                 : xasprintf("%*s%.*s", fill, "", (int)n_bytes, whole);

    free(whole);
    return cell;
}

static int64_t sum_of(const struct value *list, const char *key)
{
    int64_t sum = 0;

    for (size_t i = 0; i < value_list_n(list); i++)
        sum += value_get_int(&list->as.list.items[i], key, 0);
    return sum;
}

static int64_t count_of(const struct value *list)
{
    return list != NULL && list->type == VALUE_LIST ? (int64_t)list->as.list.n : 0;
}

void top_head(const struct value *status, char *first, char *second, size_t n_bytes)
{
    const struct value *sup = value_get(status, "supervisor"),
                       *workers = value_get(status, "workers");
    char *app = supctl_cell_text(value_get(sup, "app"), COLUMN_TEXT),
         *state = supctl_cell_text(value_get(sup, "state"), COLUMN_TEXT),
         *uptime = supctl_cell_text(value_get(sup, "uptime_ms"), COLUMN_MS),
         *memory = supctl_cell_text(value_get(sup, "rss_bytes"), COLUMN_BYTES);
    struct value all = value_int(sum_of(workers, "rss_bytes"));
    char *worker_memory = supctl_cell_text(&all, COLUMN_BYTES);

    snprintf(first, n_bytes, "%s  pid %lld  %s for %s  memory %s", app,
             (long long)value_get_int(sup, "pid", 0), state, uptime, memory);
    snprintf(second, n_bytes,
             "workers %lld in %s  actors %lld  calls %lld/s  open %lld",
             (long long)count_of(workers), worker_memory,
             (long long)sum_of(workers, "n_actors"),
             (long long)sum_of(value_get(status, "pools"), "rate"),
             (long long)value_get_int(sup, "calls_open", 0));
    free(app);
    free(state);
    free(uptime);
    free(memory);
    free(worker_memory);
}
