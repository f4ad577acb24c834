#include "worker/modules/zone_table.h"

#include <stdlib.h>
#include <string.h>

#include "worker/modules/zone.h"

#define HEADER_BYTES 44
#define MAX_TIMES    4096 /* the longest real zone has fewer than 300 */

struct counts { /* in the order of the header */
    uint32_t utc_flags, std_flags, leaps, times, types, chars;
};

struct body { /* borrowed parts of the file */
    const uint8_t *times, *type_of, *types, *chars, *end;
};

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_time(const uint8_t *at, size_t width)
{
    if (width == 4)
        return (int32_t)read_u32(at);
    return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

static bool read_header(const uint8_t *data, size_t n_bytes, struct counts *counts)
{
    if (n_bytes < HEADER_BYTES || memcmp(data, "TZif", 4) != 0)
        return false;
    counts->utc_flags = read_u32(data + 20);
    counts->std_flags = read_u32(data + 24);
    counts->leaps = read_u32(data + 28);
    counts->times = read_u32(data + 32);
    counts->types = read_u32(data + 36);
    counts->chars = read_u32(data + 40);
    return counts->times <= MAX_TIMES && counts->leaps <= MAX_TIMES &&
           counts->types >= 1 && counts->types <= 256 && counts->chars <= 256 &&
           counts->utc_flags <= 256 && counts->std_flags <= 256;
}

/* Where things are behind a header; width is that of a time. False when too short. */
static bool find_body(const uint8_t *data, size_t n_bytes, const struct counts *counts,
                      size_t width, struct body *body)
{
    const uint8_t *at = data;

    body->times = at;
    at += counts->times * width;
    body->type_of = at;
    at += counts->times;
    body->types = at;
    at += (size_t)counts->types * 6;
    body->chars = at;
    at += counts->chars + counts->leaps * (width + 4) + counts->std_flags +
          counts->utc_flags;
    body->end = at;
    return (size_t)(at - data) <= n_bytes;
}

static bool fill_types(const struct counts *counts, const struct body *body,
                       struct zone_type *types)
{
    for (size_t i = 0; i < counts->types; i++) {
        const uint8_t *at = body->types + i * 6;
        int32_t offset_s = (int32_t)read_u32(at);

        if (offset_s < -90000 || offset_s > 93600 || at[4] > 1 ||
            at[5] >= counts->chars)
            return false; /* RFC 8536: -25 to +26 hours */
        types[i] = (struct zone_type){offset_s, at[4] == 1, at[5]};
    }
    return true;
}

static bool fill_times(const struct counts *counts, const struct body *body,
                       size_t width, int64_t *times)
{
    for (size_t i = 0; i < counts->times; i++) {
        times[i] = read_time(body->times + i * width, width);
        if (body->type_of[i] >= counts->types || (i > 0 && times[i] <= times[i - 1]))
            return false;
    }
    return true;
}

/* What the clock showed before the first transition: type 0 if no transition leads to
 * it, else the nearest standard time before a first transition into summer, else the
 * first standard time there is. */
static size_t find_first_type(const struct zone_table *table)
{
    size_t first;

    if (table->n_times == 0 || memchr(table->type_of, 0, table->n_times) == NULL)
        return 0;
    first = table->type_of[0];
    if (table->types[first].is_dst)
        while (first-- > 0)
            if (!table->types[first].is_dst)
                return first;
    for (first = 0; first < table->n_types; first++)
        if (!table->types[first].is_dst)
            return first;
    return 0;
}

/* One block: struct, times, types, type_of, abbrevs and a NUL (by falling
 * alignment). */
static struct zone_table *build(const struct counts *counts, const struct body *body,
                                size_t width)
{
    size_t times_at = sizeof(struct zone_table), types_at, type_of_at, chars_at;
    struct zone_table *table;
    char *block;

    types_at = times_at + counts->times * sizeof(int64_t);
    type_of_at = types_at + counts->types * sizeof(struct zone_type);
    chars_at = type_of_at + counts->times;
    block = calloc(1, chars_at + counts->chars + 1);
    if (block == NULL)
        return NULL;
    table = (struct zone_table *)block;
    table->n_times = counts->times;
    table->n_types = counts->types;
    table->times = (int64_t *)(block + times_at);
    table->types = (struct zone_type *)(block + types_at);
    table->type_of = (uint8_t *)(block + type_of_at);
    table->abbrevs = block + chars_at;
    memcpy(block + type_of_at, body->type_of, counts->times);
    memcpy(block + chars_at, body->chars, counts->chars);
    if (!fill_types(counts, body, (struct zone_type *)(block + types_at)) ||
        !fill_times(counts, body, width, (int64_t *)(block + times_at))) {
        free(block);
        return NULL;
    }
    table->first_type = find_first_type(table);
    return table;
}

static void read_footer(struct zone_table *table, const uint8_t *at, size_t n_bytes)
{
    const uint8_t *end;

    if (n_bytes < 2 || at[0] != '\n')
        return;
    end = memchr(at + 1, '\n', n_bytes - 1);
    if (end != NULL)
        table->has_rule =
            zone_rule_parse((const char *)at + 1, (size_t)(end - at) - 1, &table->rule);
}

struct zone_table *zone_table_parse(const uint8_t *data, size_t n_bytes)
{
    const uint8_t *end = data + n_bytes, *at;
    struct zone_table *table;
    struct counts counts;
    struct body body;

    if (!read_header(data, n_bytes, &counts))
        return NULL;
    at = data + HEADER_BYTES;
    if (!find_body(at, (size_t)(end - at), &counts, 4, &body))
        return NULL;
    if (data[4] < '2')
        return build(&counts, &body, 4);
    at = body.end; /* the same again with 64-bit times, then the rule */
    if (!read_header(at, (size_t)(end - at), &counts))
        return NULL;
    at += HEADER_BYTES;
    if (!find_body(at, (size_t)(end - at), &counts, 8, &body))
        return NULL;
    table = build(&counts, &body, 8);
    if (table != NULL)
        read_footer(table, body.end, (size_t)(end - body.end));
    return table;
}

void zone_table_destroy(struct zone_table *table)
{
    free(table);
}
