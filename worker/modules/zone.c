#include "worker/modules/zone.h"

#include <string.h>

#include "worker/modules/calendar.h"
#include "worker/modules/zone_table.h"

const struct zone zone_utc = {.name = "UTC"};

bool zone_init_fixed(struct zone *zone, const char *name, size_t n_bytes,
                     int32_t offset_s)
{
    if (n_bytes >= sizeof(zone->name))
        return false;
    *zone = (struct zone){.offset_s = offset_s};
    memcpy(zone->name, name, n_bytes);
    return true;
}

static void span_from_type(const struct zone_table *table, size_t type,
                           struct zone_span *span)
{
    span->abbrev = table->abbrevs + table->types[type].abbrev_at;
    span->offset_s = table->types[type].offset_s;
    span->is_dst = table->types[type].is_dst;
}

/* The number of transitions at or before that time. */
static size_t count_until(const struct zone_table *table, int64_t unix_s)
{
    size_t low = 0, high = table->n_times;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (table->times[middle] <= unix_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void zone_find(const struct zone *zone, int64_t unix_s, struct zone_span *span_out)
{
    const struct zone_table *table = zone->table;
    struct zone_span span = {zone->name, zone->offset_s, false, INT64_MIN, INT64_MAX};
    size_t n;

    if (table != NULL) {
        n = count_until(table, unix_s);
        if (n == table->n_times && table->has_rule) {
            zone_rule_find(&table->rule, unix_s, &span);
        } else {
            span_from_type(table, n == 0 ? table->first_type : table->type_of[n - 1],
                           &span);
            if (n < table->n_times)
                span.end_s = table->times[n];
        }
        if (n > 0 && span.start_s < table->times[n - 1])
            span.start_s = table->times[n - 1];
    }
    *span_out = span;
}

bool zone_find_abbrev(const struct zone *zone, const char *abbrev, size_t n_bytes,
                      int64_t wall_s, int32_t *offset_s_out)
{
    const struct zone_table *table = zone->table;
    bool found = false;
    struct zone_span span;

    if (table == NULL) {
        if (strlen(zone->name) != n_bytes || memcmp(zone->name, abbrev, n_bytes) != 0)
            return false;
        *offset_s_out = zone->offset_s;
        return true;
    }
    for (size_t i = 0; i < table->n_types; i++) {
        const char *name = table->abbrevs + table->types[i].abbrev_at;

        if (strlen(name) != n_bytes || memcmp(name, abbrev, n_bytes) != 0)
            continue;
        if (!found)
            *offset_s_out = table->types[i].offset_s;
        found = true;
        zone_find(zone, seconds_add(wall_s, -table->types[i].offset_s), &span);
        if (strcmp(span.abbrev, name) == 0) {
            *offset_s_out = span.offset_s;
            return true;
        }
    }
    return found;
}

int64_t zone_civil_to_unix(const struct zone *zone, const struct civil_parts *parts)
{
    int64_t wall_s = civil_to_seconds(parts), unix_s;
    struct zone_span span;

    zone_find(zone, wall_s, &span); /* a guess that is off by the offset only */
    unix_s = seconds_add(wall_s, -span.offset_s);
    if (unix_s < span.start_s || unix_s >= span.end_s) {
        zone_find(zone, unix_s, &span);
        unix_s = seconds_add(wall_s, -span.offset_s);
    }
    return unix_s;
}
