#include "worker/modules/time_layout.h"

#include <stdio.h>
#include <stdlib.h>

#include "worker/modules/time_parts.h"

#define PIECE_BYTES ZONE_NAME_BYTES

struct moment { /* everything a part may want to show */
    struct civil civil;
    struct zone_span span;
    int32_t ns;
};

typedef size_t write_part(const struct time_piece *piece, const struct moment *moment,
                          char out[PIECE_BYTES]);

static size_t put_number(char *out, int number, enum time_fill fill, int width)
{
    switch (fill) {
    case FILL_ZERO:
        return (size_t)snprintf(out, PIECE_BYTES, "%0*d", width, number);
    case FILL_SPACE:
        return (size_t)snprintf(out, PIECE_BYTES, "%*d", width, number);
    default:
        return (size_t)snprintf(out, PIECE_BYTES, "%d", number);
    }
}

static size_t put_name(char *out, const char *name, size_t max_bytes)
{
    size_t n;

    for (n = 0; n < max_bytes && name[n] != '\0'; n++)
        out[n] = name[n];
    return n;
}

static size_t put_month_name(const struct time_piece *piece,
                             const struct moment *moment, char out[PIECE_BYTES])
{
    return put_name(out, time_month_names[moment->civil.month - 1],
                    piece->part == PART_SHORT_MONTH ? 3 : PIECE_BYTES);
}

static size_t put_weekday(const struct time_piece *piece, const struct moment *moment,
                          char out[PIECE_BYTES])
{
    return put_name(out, time_weekday_names[moment->civil.weekday],
                    piece->part == PART_SHORT_WEEKDAY ? 3 : PIECE_BYTES);
}

static size_t put_month(const struct time_piece *piece, const struct moment *moment,
                        char out[PIECE_BYTES])
{
    return put_number(out, moment->civil.month, piece->fill, 2);
}

static size_t put_day(const struct time_piece *piece, const struct moment *moment,
                      char out[PIECE_BYTES])
{
    return put_number(out, moment->civil.day, piece->fill, 2);
}

static size_t put_year_day(const struct time_piece *piece, const struct moment *moment,
                           char out[PIECE_BYTES])
{
    return put_number(out, moment->civil.year_day, piece->fill, 3);
}

static size_t put_hour(const struct time_piece *piece, const struct moment *moment,
                       char out[PIECE_BYTES])
{
    return put_number(out, moment->civil.hour, piece->fill, 2);
}

static size_t put_hour_12(const struct time_piece *piece, const struct moment *moment,
                          char out[PIECE_BYTES])
{
    int hour = moment->civil.hour % 12;

    return put_number(out, hour == 0 ? 12 : hour, piece->fill, 2);
}

static size_t put_minute(const struct time_piece *piece, const struct moment *moment,
                         char out[PIECE_BYTES])
{
    return put_number(out, moment->civil.minute, piece->fill, 2);
}

static size_t put_second(const struct time_piece *piece, const struct moment *moment,
                         char out[PIECE_BYTES])
{
    return put_number(out, moment->civil.second, piece->fill, 2);
}

static size_t put_half(const struct time_piece *piece, const struct moment *moment,
                       char out[PIECE_BYTES])
{
    static const char *const halves[2][2] = {{"AM", "PM"}, {"am", "pm"}};

    return put_name(out, halves[piece->lower_case][moment->civil.hour >= 12], 2);
}

static size_t put_long_year(const struct time_piece *piece, const struct moment *moment,
                            char out[PIECE_BYTES])
{
    long long year = moment->civil.year;

    (void)piece;
    return (size_t)snprintf(out, PIECE_BYTES, "%s%04lld", year < 0 ? "-" : "",
                            year < 0 ? -year : year);
}

static size_t put_short_year(const struct time_piece *piece,
                             const struct moment *moment, char out[PIECE_BYTES])
{
    (void)piece;
    return put_number(out, abs((int)(moment->civil.year % 100)), FILL_ZERO, 2);
}

static size_t put_offset(const struct time_piece *piece, const struct moment *moment,
                         char out[PIECE_BYTES])
{
    int offset_s = moment->span.offset_s;
    const char *colon = piece->has_colons ? ":" : "";
    char sign = offset_s <= -60 ? '-' : '+'; /* it goes by whole minutes */
    size_t n;

    if (offset_s == 0 && piece->has_z)
        return put_name(out, "Z", 1);
    offset_s = sign == '-' ? -offset_s : offset_s;
    n = (size_t)snprintf(out, PIECE_BYTES, "%c%02d", sign, offset_s / 3600);
    if (piece->n_fields >= 2)
        n += (size_t)snprintf(out + n, PIECE_BYTES - n, "%s%02d", colon,
                              offset_s / 60 % 60);
    if (piece->n_fields >= 3)
        n += (size_t)snprintf(out + n, PIECE_BYTES - n, "%s%02d", colon,
                              abs(offset_s % 60));
    return n;
}

static size_t put_abbrev(const struct time_piece *piece, const struct moment *moment,
                         char out[PIECE_BYTES])
{
    static const struct time_piece numeric = {.n_fields = 2};

    (void)piece;
    if (*moment->span.abbrev != '\0')
        return put_name(out, moment->span.abbrev, PIECE_BYTES);
    return put_offset(&numeric, moment, out);
}

/* Nanoseconds have nine digits; a layout that asks for more gets those. */
static size_t put_fraction(const struct time_piece *piece, const struct moment *moment,
                           char out[PIECE_BYTES])
{
    size_t n = piece->n_digits > 9 ? 10 : (size_t)piece->n_digits + 1;

    if (piece->fill == FILL_NONE && moment->ns == 0)
        return 0;
    out[0] = piece->text[0];
    snprintf(out + 1, PIECE_BYTES - 1, "%09d", moment->ns);
    if (piece->fill == FILL_NONE)
        while (n > 1 && out[n - 1] == '0')
            n--;
    return n > 1 ? n : 0;
}

static write_part *const writers[N_TIME_PARTS] = {
    [PART_LONG_MONTH] = put_month_name, [PART_SHORT_MONTH] = put_month_name,
    [PART_MONTH] = put_month,           [PART_LONG_WEEKDAY] = put_weekday,
    [PART_SHORT_WEEKDAY] = put_weekday, [PART_DAY] = put_day,
    [PART_YEAR_DAY] = put_year_day,     [PART_HOUR] = put_hour,
    [PART_HOUR_12] = put_hour_12,       [PART_MINUTE] = put_minute,
    [PART_SECOND] = put_second,         [PART_HALF] = put_half,
    [PART_LONG_YEAR] = put_long_year,   [PART_SHORT_YEAR] = put_short_year,
    [PART_ABBREV] = put_abbrev,         [PART_OFFSET] = put_offset,
    [PART_FRACTION] = put_fraction,
};

void time_layout_format(const char *layout, size_t n_layout, struct instant at,
                        const struct zone *zone, time_write *write, void *context)
{
    struct time_cursor cursor = {layout, layout + n_layout};
    struct moment moment = {.ns = at.ns};
    struct time_piece piece;
    char out[PIECE_BYTES];
    size_t n;

    zone_find(zone, at.s, &moment.span);
    moment.civil = civil_from_seconds(seconds_add(at.s, moment.span.offset_s));
    do {
        time_parts_next(&cursor, &piece);
        if (piece.n_literal > 0)
            write(context, piece.literal, piece.n_literal);
        if (piece.part == PART_NONE)
            break;
        n = writers[piece.part](&piece, &moment, out);
        if (n > 0)
            write(context, out, n);
    } while (cursor.at < cursor.end);
}
