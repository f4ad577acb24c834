#include "worker/modules/time_layout.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "common/quote.h"

#include "worker/modules/time_parts.h"

#define QUOTED_BYTES 128 /* each of up to three quotations in an error */

struct parser {
    const char *layout, *text; /* all of both, for errors */
    size_t n_layout, n_text;
    struct time_cursor rest;        /* of the layout */
    const char *at, *end;           /* the rest of the text */
    const char *out_of_range;       /* the name of a number that is */
    int year, month, day, year_day; /* -1 = not given, but for the year */
    int hour, minute, second, ns;
    bool am, pm, is_utc, has_offset;
    int32_t offset_s;
    const char *abbrev; /* borrowed from text; NULL = none */
    size_t n_abbrev;
};

typedef bool read_part(struct parser *parser, const struct time_piece *piece);

/* ---- numbers and names ----------------------------------------------------------- */

static size_t count_left(const struct parser *parser)
{
    return (size_t)(parser->end - parser->at);
}

static bool is_digit_at(const struct parser *parser, size_t i)
{
    return i < count_left(parser) && is_time_digit(parser->at[i]);
}

/* One or two digits; two exactly when fixed. */
static bool read_number(struct parser *parser, bool fixed, int *out)
{
    if (!is_digit_at(parser, 0) || (fixed && !is_digit_at(parser, 1)))
        return false;
    *out = *parser->at++ - '0';
    if (is_digit_at(parser, 0))
        *out = *out * 10 + (*parser->at++ - '0');
    return true;
}

static bool read_bounded(struct parser *parser, const struct time_piece *piece, int min,
                         int max, const char *name, int *out)
{
    bool fixed = piece->fill == FILL_ZERO && piece->part != PART_HOUR;

    if (!read_number(parser, fixed, out))
        return false;
    if (*out < min || *out > max)
        parser->out_of_range = name;
    return true;
}

/* The index of the name that the text goes on with, in any case of letters. */
static bool read_name(struct parser *parser, const char *const *names, int n_names,
                      bool is_short, int *index_out)
{
    for (int i = 0; i < n_names; i++) {
        size_t n = is_short ? 3 : strlen(names[i]);

        if (count_left(parser) >= n && strncasecmp(parser->at, names[i], n) == 0) {
            parser->at += n;
            *index_out = i;
            return true;
        }
    }
    return false;
}

/* A separator and n_bytes - 1 digits, of which the first nine count. */
static bool read_nanoseconds(struct parser *parser, size_t n_bytes)
{
    int ns = 0, scale = NS_PER_S;

    if (*parser->at != '.' && *parser->at != ',')
        return false;
    for (size_t i = 1; i < n_bytes; i++) {
        if (!is_digit_at(parser, i))
            return false;
        if (i <= 9) {
            ns = ns * 10 + (parser->at[i] - '0');
            scale /= 10;
        }
    }
    parser->ns = ns * scale;
    parser->at += n_bytes;
    return true;
}

/* The length of a separator with digits behind it; 0 = there is none. */
static size_t find_fraction(const struct parser *parser)
{
    size_t n = 1;

    if (count_left(parser) < 2 || (*parser->at != '.' && *parser->at != ',') ||
        !is_digit_at(parser, 1))
        return 0;
    while (is_digit_at(parser, n))
        n++;
    return n;
}

/* ---- one reader for each part ---------------------------------------------------- */

static bool read_month_name(struct parser *parser, const struct time_piece *piece)
{
    if (!read_name(parser, time_month_names, 12, piece->part == PART_SHORT_MONTH,
                   &parser->month))
        return false;
    parser->month++;
    return true;
}

static bool read_weekday(struct parser *parser, const struct time_piece *piece)
{
    int ignored; /* the date decides */

    return read_name(parser, time_weekday_names, 7, piece->part == PART_SHORT_WEEKDAY,
                     &ignored);
}

static bool read_month(struct parser *parser, const struct time_piece *piece)
{
    return read_bounded(parser, piece, 1, 12, "month", &parser->month);
}

static bool read_day(struct parser *parser, const struct time_piece *piece)
{
    if (piece->fill == FILL_SPACE && count_left(parser) > 0 && *parser->at == ' ')
        parser->at++;
    return read_number(parser, piece->fill == FILL_ZERO, &parser->day);
}

static bool read_year_day(struct parser *parser, const struct time_piece *piece)
{
    int day = 0, n = 0;

    for (int i = 0; i < 2; i++)
        if (piece->fill == FILL_SPACE && count_left(parser) > 0 && *parser->at == ' ')
            parser->at++;
    for (; n < 3 && is_digit_at(parser, 0); n++)
        day = day * 10 + (*parser->at++ - '0');
    parser->year_day = day;
    return n == 3 || (n > 0 && piece->fill != FILL_ZERO);
}

static bool read_hour(struct parser *parser, const struct time_piece *piece)
{
    return read_bounded(parser, piece, 0, 23, "hour", &parser->hour);
}

static bool read_hour_12(struct parser *parser, const struct time_piece *piece)
{
    return read_bounded(parser, piece, 0, 12, "hour", &parser->hour);
}

static bool read_minute(struct parser *parser, const struct time_piece *piece)
{
    return read_bounded(parser, piece, 0, 59, "minute", &parser->minute);
}

/* Takes a fraction as well when the text has one and the layout hasn't. */
static bool read_second(struct parser *parser, const struct time_piece *piece)
{
    struct time_cursor ahead = parser->rest;
    struct time_piece next;
    size_t n;

    if (!read_bounded(parser, piece, 0, 59, "second", &parser->second))
        return false;
    n = find_fraction(parser);
    if (n == 0 || parser->out_of_range != NULL)
        return true;
    time_parts_next(&ahead, &next);
    return next.part == PART_FRACTION || read_nanoseconds(parser, n);
}

static bool read_half(struct parser *parser, const struct time_piece *piece)
{
    const char *am = piece->lower_case ? "am" : "AM",
               *pm = piece->lower_case ? "pm" : "PM";

    if (count_left(parser) < 2)
        return false;
    parser->am = memcmp(parser->at, am, 2) == 0;
    parser->pm = memcmp(parser->at, pm, 2) == 0;
    parser->at += 2;
    return parser->am || parser->pm;
}

static bool read_long_year(struct parser *parser, const struct time_piece *piece)
{
    int high, low;

    (void)piece;
    if (!read_number(parser, true, &high) || !read_number(parser, true, &low))
        return false;
    parser->year = high * 100 + low;
    return true;
}

static bool read_short_year(struct parser *parser, const struct time_piece *piece)
{
    (void)piece;
    if (!read_number(parser, true, &parser->year))
        return false;
    parser->year += parser->year >= 69 ? 1900 : 2000; /* where Unix time starts */
    return true;
}

static bool read_offset(struct parser *parser, const struct time_piece *piece)
{
    static const struct {
        const char *name;
        int max; /* 24 and 60 are written by some people */
    } limits[3] = {{"time zone offset hour", 24},
                   {"time zone offset minute", 60},
                   {"time zone offset second", 60}};
    int fields[3] = {0, 0, 0};
    char sign;

    if (count_left(parser) > 0 && *parser->at == 'Z' && piece->has_z) {
        parser->at++;
        parser->is_utc = true;
        return true;
    }
    if (count_left(parser) < piece->n_text)
        return false;
    sign = *parser->at++;
    for (int i = 0; i < piece->n_fields; i++) {
        if (i > 0 && piece->has_colons && *parser->at++ != ':')
            return false;
        if (!read_number(parser, true, &fields[i]))
            return false;
    }
    for (int i = 0; i < 3; i++)
        if (fields[i] > limits[i].max)
            parser->out_of_range = limits[i].name;
    parser->has_offset = true;
    parser->offset_s = (fields[0] * 60 + fields[1]) * 60 + fields[2];
    if (sign == '-')
        parser->offset_s = -parser->offset_s;
    return sign == '-' || sign == '+';
}

/* "+3", "-11": the length, 0 when it is none or beyond 23 hours. */
static size_t match_signed_hour(const char *at, const char *end)
{
    const char *digit = at + 1;
    int hours = 0;

    if (at == end || (*at != '+' && *at != '-'))
        return 0;
    for (; digit < end && is_time_digit(*digit); digit++) {
        hours = hours * 10 + (*digit - '0');
        if (hours > 23)
            return 0;
    }
    return digit == at + 1 ? 0 : (size_t)(digit - at);
}

/* The length of what may be a zone's abbreviation: capitals, mostly. */
static size_t match_abbrev(const char *at, const char *end)
{
    size_t n = (size_t)(end - at), n_upper = 0;

    if (n < 3)
        return 0;
    if (n >= 4 && (memcmp(at, "ChST", 4) == 0 || memcmp(at, "MeST", 4) == 0))
        return 4;
    if (memcmp(at, "GMT", 3) == 0)
        return 3 + match_signed_hour(at + 3, end);
    if (*at == '+' || *at == '-')
        return match_signed_hour(at, end);
    while (n_upper < 6 && n_upper < n && at[n_upper] >= 'A' && at[n_upper] <= 'Z')
        n_upper++;
    if (n_upper == 4 && memcmp(at, "WITA", 4) == 0)
        return 4;
    if (n_upper == 3 || ((n_upper == 4 || n_upper == 5) && at[n_upper - 1] == 'T'))
        return n_upper;
    return 0;
}

static bool read_abbrev(struct parser *parser, const struct time_piece *piece)
{
    (void)piece;
    if (count_left(parser) >= 3 && memcmp(parser->at, "UTC", 3) == 0) {
        parser->is_utc = true;
        parser->at += 3;
        return true;
    }
    parser->n_abbrev = match_abbrev(parser->at, parser->end);
    if (parser->n_abbrev == 0)
        return false;
    parser->abbrev = parser->at;
    parser->at += parser->n_abbrev;
    return true;
}

static bool read_fraction(struct parser *parser, const struct time_piece *piece)
{
    size_t n;

    if (piece->fill == FILL_ZERO)
        return count_left(parser) >= piece->n_text &&
               read_nanoseconds(parser, piece->n_text);
    n = find_fraction(parser);
    return n == 0 || read_nanoseconds(parser, n);
}

static read_part *const readers[N_TIME_PARTS] = {
    [PART_LONG_MONTH] = read_month_name, [PART_SHORT_MONTH] = read_month_name,
    [PART_MONTH] = read_month,           [PART_LONG_WEEKDAY] = read_weekday,
    [PART_SHORT_WEEKDAY] = read_weekday, [PART_DAY] = read_day,
    [PART_YEAR_DAY] = read_year_day,     [PART_HOUR] = read_hour,
    [PART_HOUR_12] = read_hour_12,       [PART_MINUTE] = read_minute,
    [PART_SECOND] = read_second,         [PART_HALF] = read_half,
    [PART_LONG_YEAR] = read_long_year,   [PART_SHORT_YEAR] = read_short_year,
    [PART_ABBREV] = read_abbrev,         [PART_OFFSET] = read_offset,
    [PART_FRACTION] = read_fraction,
};

/* ---- errors ---------------------------------------------------------------------- */

static int refuse(const struct parser *parser, const char *problem, struct err *err)
{
    char text[QUOTED_BYTES];

    quote_text(text, sizeof(text), parser->text, parser->n_text);
    return err_set(err, ERR_INVALID, "parsing time %s: %s", text, problem);
}

static int refuse_part(const struct parser *parser, const char *at, const char *part,
                       size_t n_part, struct err *err)
{
    char text[QUOTED_BYTES], layout[QUOTED_BYTES], rest[QUOTED_BYTES / 2], quoted[48];

    quote_text(text, sizeof(text), parser->text, parser->n_text);
    quote_text(layout, sizeof(layout), parser->layout, parser->n_layout);
    quote_text(rest, sizeof(rest), at, (size_t)(parser->end - at));
    quote_text(quoted, sizeof(quoted), part, n_part);
    return err_set(err, ERR_INVALID, "parsing time %s as %s: cannot parse %s as %s",
                   text, layout, rest, quoted);
}

static int refuse_rest(const struct parser *parser, struct err *err)
{
    char rest[QUOTED_BYTES], problem[QUOTED_BYTES + 16];

    quote_text(rest, sizeof(rest), parser->at, count_left(parser));
    snprintf(problem, sizeof(problem), "extra text: %s", rest);
    return refuse(parser, problem, err);
}

/* ---- the whole ------------------------------------------------------------------- */

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    return at;
}

/* Any number of spaces in the layout stands for any number in the text. */
static bool skip_literal(struct parser *parser, const char *literal, size_t n)
{
    const char *at = literal, *end = literal + n;

    while (at < end) {
        if (*at == ' ') {
            if (count_left(parser) > 0 && *parser->at != ' ')
                return false;
            at = skip_spaces(at, end);
            parser->at = skip_spaces(parser->at, parser->end);
        } else {
            if (count_left(parser) == 0 || *parser->at != *at)
                return false;
            at++;
            parser->at++;
        }
    }
    return true;
}

static int read_text(struct parser *parser, struct err *err)
{
    struct time_piece piece;
    char problem[64];

    for (;;) {
        const char *hold;

        time_parts_next(&parser->rest, &piece);
        if (!skip_literal(parser, piece.literal, piece.n_literal))
            return refuse_part(parser, parser->at, piece.literal, piece.n_literal, err);
        if (piece.part == PART_NONE)
            return parser->at == parser->end ? 0 : refuse_rest(parser, err);
        hold = parser->at;
        if (!readers[piece.part](parser, &piece))
            return refuse_part(parser, hold, piece.text, piece.n_text, err);
        if (parser->out_of_range != NULL) {
            snprintf(problem, sizeof(problem), "%s out of range", parser->out_of_range);
            return refuse(parser, problem, err);
        }
    }
}

/* Month and day from the day of the year; what the text says itself must agree. */
static int apply_year_day(struct parser *parser, struct err *err)
{
    bool leap = is_leap_year(parser->year);
    int month = 12, day;

    if (parser->year_day < 1 || parser->year_day > 365 + leap)
        return refuse(parser, "day-of-year out of range", err);
    while (days_before_month(month, leap) >= parser->year_day)
        month--;
    day = parser->year_day - days_before_month(month, leap);
    if (parser->month >= 0 && parser->month != month)
        return refuse(parser, "day-of-year does not match month", err);
    if (parser->day >= 0 && parser->day != day)
        return refuse(parser, "day-of-year does not match day", err);
    parser->month = month;
    parser->day = day;
    return 0;
}

static int check_date(struct parser *parser, struct err *err)
{
    if (parser->pm && parser->hour < 12)
        parser->hour += 12;
    else if (parser->am && parser->hour == 12)
        parser->hour = 0;
    if (parser->year_day >= 0 && apply_year_day(parser, err) == -1)
        return -1;
    if (parser->month < 0)
        parser->month = 1;
    if (parser->day < 0)
        parser->day = 1;
    if (parser->day < 1 || parser->day > days_in_month(parser->month, parser->year))
        return refuse(parser, "day out of range", err);
    return 0;
}

static void set_fixed(const struct parser *parser, int64_t unix_s, int32_t offset_s,
                      struct time_parsed *out)
{
    size_t n =
        parser->n_abbrev < ZONE_NAME_BYTES ? parser->n_abbrev : ZONE_NAME_BYTES - 1;

    out->at.s = unix_s;
    out->zone = NULL;
    zone_init_fixed(&out->fixed, n > 0 ? parser->abbrev : "", n, offset_s);
}

/* An offset is the zone's own when the zone had it then; else it is one by itself. */
static void apply_offset(const struct parser *parser, int64_t wall_s,
                         const struct zone *zone, struct time_parsed *out)
{
    struct zone_span span;

    out->at.s = wall_s - parser->offset_s;
    zone_find(zone, out->at.s, &span);
    if (span.offset_s != parser->offset_s ||
        (parser->abbrev != NULL &&
         (strlen(span.abbrev) != parser->n_abbrev ||
          memcmp(span.abbrev, parser->abbrev, parser->n_abbrev) != 0)))
        set_fixed(parser, out->at.s, parser->offset_s, out);
}

/* "GMT+3" says its offset; any other unknown name counts as UTC. */
static void apply_abbrev(const struct parser *parser, int64_t wall_s,
                         const struct zone *zone, struct time_parsed *out)
{
    int32_t offset_s = 0;

    if (zone_find_abbrev(zone, parser->abbrev, parser->n_abbrev, wall_s, &offset_s)) {
        out->at.s = wall_s - offset_s;
        return;
    }
    if (parser->n_abbrev > 4 && memcmp(parser->abbrev, "GMT", 3) == 0) {
        for (size_t i = 4; i < parser->n_abbrev; i++)
            offset_s = offset_s * 10 + (parser->abbrev[i] - '0') * 3600;
        offset_s = parser->abbrev[3] == '-' ? -offset_s : offset_s;
    }
    set_fixed(parser, wall_s, offset_s, out);
}

int time_layout_parse(const char *layout, size_t n_layout, const char *text,
                      size_t n_text, const struct zone *zone,
                      struct time_parsed *parsed_out, struct err *err)
{
    struct parser parser = {.layout = layout,
                            .text = text,
                            .n_layout = n_layout,
                            .n_text = n_text,
                            .rest = {layout, layout + n_layout},
                            .at = text,
                            .end = text + n_text,
                            .month = -1,
                            .day = -1,
                            .year_day = -1};
    struct time_parsed parsed = {.zone = zone};
    struct civil_parts parts;
    int64_t wall_s;

    if (read_text(&parser, err) == -1 || check_date(&parser, err) == -1)
        return -1;
    parts = (struct civil_parts){parser.year, parser.month,  parser.day,
                                 parser.hour, parser.minute, parser.second};
    wall_s = civil_to_seconds(&parts);
    parsed.at = (struct instant){wall_s, parser.ns};
    if (parser.is_utc)
        parsed.zone = &zone_utc;
    else if (parser.has_offset)
        apply_offset(&parser, wall_s, zone, &parsed);
    else if (parser.abbrev != NULL)
        apply_abbrev(&parser, wall_s, zone, &parsed);
    else
        parsed.at.s = zone_civil_to_unix(zone, &parts);
    *parsed_out = parsed;
    return 0;
}
