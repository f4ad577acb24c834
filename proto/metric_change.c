#include "proto/metric_change.h"

#include <math.h>

#define MOST_COUNTED (INT64_C(1) << 53) /* nobody observes that often in a moment */

const double metric_bounds[METRIC_N_BUCKETS - 1] = {.005, .01, .025, .05, .1, .25,
                                                    .5,   1,   2.5,  5,   10};

unsigned metric_bucket_of(double observed)
{
    unsigned i = 0;

    while (i < METRIC_N_BUCKETS - 1 && !(observed <= metric_bounds[i]))
        i++;
    return i;
}

struct value metric_change_to_value(const struct metric_change *change,
                                    struct bytes series)
{
    struct value list = value_list();

    value_append(&list, value_int(change->type));
    value_append(&list, value_bytes(series.data, series.n));
    if (change->type == METRIC_GAUGE)
        value_append(&list, value_bool(change->is_set));
    value_append(&list, value_float(change->value));
    for (unsigned i = 0; change->type == METRIC_HISTOGRAM && i < METRIC_N_BUCKETS; i++)
        value_append(&list, value_int((int64_t)change->counts[i]));
    return list;
}

static bool read_counts(const struct value *items, struct metric_change *out)
{
    for (unsigned i = 0; i < METRIC_N_BUCKETS; i++) {
        if (items[i].type != VALUE_INT || items[i].as.integer < 0 ||
            items[i].as.integer > MOST_COUNTED)
            return false;
        out->counts[i] = (uint64_t)items[i].as.integer;
    }
    return true;
}

bool metric_change_from_value(const struct value *value, struct metric_change *out,
                              struct bytes *series_out)
{
    static const size_t n_items[] = {3, 4, 3 + METRIC_N_BUCKETS};
    const struct value *items;
    struct metric_change change = {0};
    int64_t type;

    if (value->type != VALUE_LIST || value->as.list.n < 3)
        return false;
    items = value->as.list.items;
    type = items[0].type == VALUE_INT ? items[0].as.integer : -1;
    if (type < METRIC_COUNTER || type > METRIC_HISTOGRAM ||
        value->as.list.n != n_items[type] || items[1].type != VALUE_STRING)
        return false;
    change.type = (enum metric_type)type;
    *series_out = value_to_bytes(&items[1]);
    if (change.type == METRIC_GAUGE) {
        if (items[2].type != VALUE_BOOL)
            return false;
        change.is_set = items[2].as.boolean;
        items++;
    }
    if (items[2].type != VALUE_FLOAT)
        return false;
    change.value = items[2].as.real;
    if (change.type == METRIC_COUNTER && !(change.value >= 0 && isfinite(change.value)))
        return false;
    if (change.type == METRIC_HISTOGRAM && !read_counts(items + 3, &change))
        return false;
    *out = change;
    return true;
}
