#include "supervisor/metric_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/series.h"

#include "proto/metric_change.h"

#define HISTOGRAM_SAMPLES (METRIC_N_BUCKETS + 2) /* buckets, sum, count */
#define RESERVED          "troupe_"              /* names of the runtime's own */

struct series {
    char *text;
    uint32_t n_text;
    double value;      /* or the sum */
    uint64_t counts[]; /* histograms: METRIC_N_BUCKETS */
};

struct family {
    char *name;
    enum metric_type type;
    struct map series;
};

struct metric_store {
    struct map families;
    size_t n_samples, max_samples;
};

static const char *const type_names[] = {"counter", "gauge", "histogram"};
static const char *const histogram_suffixes[] = {"_bucket", "_count", "_sum"};

struct metric_store *metric_store_create(size_t max_samples)
{
    struct metric_store *store = xcalloc(1, sizeof(*store));

    map_init(&store->families);
    store->max_samples = max_samples;
    return store;
}

void metric_store_destroy(struct metric_store *store)
{
    if (store == NULL)
        return;
    MAP_FOREACH (family_row, &store->families) {
        struct family *family = family_row->value;

        MAP_FOREACH (row, &family->series) {
            struct series *series = row->value;

            free(series->text);
            free(series);
        }
        map_finish(&family->series);
        free(family->name);
        free(family);
    }
    map_finish(&store->families);
    free(store);
}

size_t metric_store_n_samples(const struct metric_store *store)
{
    return store->n_samples;
}

/* ---- changes --------------------------------------------------------------------- */

/* Would samples of both have one name? A histogram has three besides its own. */
static bool is_taken(const struct metric_store *store, struct bytes name,
                     enum metric_type type)
{
    char longer[SERIES_MAX_BYTES + 8];

    for (size_t i = 0; i < N_ELEMENTS(histogram_suffixes); i++) {
        size_t n = strlen(histogram_suffixes[i]);
        const struct family *other;

        memcpy(longer, name.data, name.n);
        memcpy(longer + name.n, histogram_suffixes[i], n);
        if (type == METRIC_HISTOGRAM &&
            map_find(&store->families, longer, name.n + n) != NULL)
            return true;
        if (name.n <= n ||
            memcmp(name.data + name.n - n, histogram_suffixes[i], n) != 0)
            continue;
        other = map_find(&store->families, (const char *)name.data, name.n - n);
        if (other != NULL && other->type == METRIC_HISTOGRAM)
            return true;
    }
    return name.n >= strlen(RESERVED) &&
           memcmp(name.data, RESERVED, strlen(RESERVED)) == 0;
}

static struct family *get_family(struct metric_store *store, struct bytes name,
                                 enum metric_type type)
{
    struct family *family = map_find(&store->families, (const char *)name.data, name.n);

    if (family != NULL)
        return family->type == type ? family : NULL;
    if (is_taken(store, name, type))
        return NULL;
    family = xcalloc(1, sizeof(*family));
    family->name = xstrndup((const char *)name.data, name.n);
    family->type = type;
    map_init(&family->series);
    map_put(&store->families, family->name, name.n, family);
    return family;
}

static struct series *add_series(struct family *family, struct bytes text)
{
    size_t n_counts = family->type == METRIC_HISTOGRAM ? METRIC_N_BUCKETS : 0;
    struct series *series = xcalloc(1, sizeof(*series) + n_counts * sizeof(uint64_t));

    series->text = xstrndup((const char *)text.data, text.n);
    series->n_text = (uint32_t)text.n;
    map_put(&family->series, series->text, series->n_text, series);
    return series;
}

static void apply(struct series *series, const struct metric_change *change)
{
    if (change->is_set)
        series->value = 0;
    series->value += change->value;
    if (change->type != METRIC_HISTOGRAM)
        return;
    for (size_t i = 0; i < METRIC_N_BUCKETS; i++)
        series->counts[i] += change->counts[i];
}

enum metric_verdict metric_store_change(struct metric_store *store, struct bytes text,
                                        const struct metric_change *change)
{
    size_t n_samples = change->type == METRIC_HISTOGRAM ? HISTOGRAM_SAMPLES : 1, n_name;
    bool has_room = n_samples <= store->max_samples - store->n_samples;
    struct family *family;
    struct series *series;

    if (!series_check(text, &n_name))
        return METRIC_MALFORMED;
    if (!has_room &&
        map_find(&store->families, (const char *)text.data, n_name) == NULL)
        return METRIC_BEYOND_BOUND;
    family = get_family(store, (struct bytes){text.data, n_name}, change->type);
    if (family == NULL)
        return METRIC_CONFLICTS;
    series = map_find(&family->series, (const char *)text.data, text.n);
    if (series == NULL && !has_room)
        return METRIC_BEYOND_BOUND;
    if (series == NULL) {
        series = add_series(family, text);
        store->n_samples += n_samples;
    }
    apply(series, change);
    return METRIC_TAKEN;
}

/* ---- export ---------------------------------------------------------------------- */

void metric_write_head(struct buf *out, const char *name, const char *kind,
                       const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

void metric_write_number(struct buf *out, double number)
{
    char text[NUMBER_TEXT_BYTES];

    if (isnan(number)) {
        buf_append_text(out, "NaN");
    } else if (isinf(number)) {
        buf_append_text(out, number > 0 ? "+Inf" : "-Inf");
    } else {
        number_format(text, number_of_real(number));
        buf_append_text(out, text);
    }
}

/* name + suffix {labels, le="bound"} */
static void write_name(struct buf *out, struct bytes series, size_t n_name,
                       const char *suffix, const double *bound)
{
    bool has_labels = series.n > n_name;

    buf_append(out, series.data, n_name);
    buf_append_text(out, suffix);
    if (bound == NULL) {
        buf_append(out, series.data + n_name, series.n - n_name);
    } else {
        if (has_labels)
            buf_append(out, series.data + n_name, series.n - n_name - 1);
        buf_append_text(out, has_labels ? ",le=\"" : "{le=\"");
        metric_write_number(out, *bound);
        buf_append_text(out, "\"}");
    }
    buf_append_text(out, " ");
}

void metric_write_histogram(struct buf *out, struct bytes series, size_t n_name,
                            const double *bounds, const uint64_t *counts, size_t n,
                            double sum)
{
    const double beyond = INFINITY;
    uint64_t total = 0;

    for (size_t i = 0; i <= n; i++) {
        total += counts[i];
        write_name(out, series, n_name, "_bucket", i < n ? &bounds[i] : &beyond);
        buf_printf(out, "%llu\n", (unsigned long long)total);
    }
    write_name(out, series, n_name, "_sum", NULL);
    metric_write_number(out, sum);
    buf_append_text(out, "\n");
    write_name(out, series, n_name, "_count", NULL);
    buf_printf(out, "%llu\n", (unsigned long long)total);
}

static void write_series(struct buf *out, const struct family *family,
                         const struct series *series)
{
    if (family->type == METRIC_HISTOGRAM) {
        metric_write_histogram(
            out, (struct bytes){(const uint8_t *)series->text, series->n_text},
            strlen(family->name), metric_bounds, series->counts, METRIC_N_BUCKETS - 1,
            series->value);
        return;
    }
    buf_append(out, series->text, series->n_text);
    buf_append_text(out, " ");
    metric_write_number(out, series->value);
    buf_append_text(out, "\n");
}

static int compare_rows(const void *a, const void *b)
{
    const struct map_row *const *left = a, *const *right = b;

    return strcmp((*left)->text, (*right)->text);
}

/* The rows by their text; to be freed. */
static const struct map_row **sorted(const struct map *map)
{
    const struct map_row **rows =
        xmalloc((map->n + 1) * sizeof(const struct map_row *));
    size_t n = 0;

    MAP_FOREACH (row, map)
        rows[n++] = row;
    qsort(rows, n, sizeof(const struct map_row *), compare_rows);
    return rows;
}

static void write_family(struct buf *out, const struct family *family)
{
    const struct map_row **rows = sorted(&family->series);

    metric_write_head(out, family->name, type_names[family->type],
                      "Made by the application.");
    for (size_t i = 0; i < family->series.n; i++)
        write_series(out, family, rows[i]->value);
    free(rows);
}

void metric_store_write(const struct metric_store *store, struct buf *out)
{
    const struct map_row **rows = sorted(&store->families);

    for (size_t i = 0; i < store->families.n; i++)
        write_family(out, rows[i]->value);
    free(rows);
}
