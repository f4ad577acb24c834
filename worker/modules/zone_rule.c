#include "worker/modules/zone_rule.h"

#include <string.h>

#include "worker/modules/calendar.h"
#include "worker/modules/zone.h"

struct input {
    const char *at, *end;
};

static bool take(struct input *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name of letters, or anything in <>; at least three bytes, as everywhere. */
static bool read_name(struct input *in, char out[ZONE_ABBREV_BYTES])
{
    bool quoted = take(in, '<');
    const char *start = in->at;
    size_t n;

    while (in->at < in->end && (quoted ? *in->at != '>' : is_alpha(*in->at)))
        in->at++;
    n = (size_t)(in->at - start);
    if (n < 3 || n >= ZONE_ABBREV_BYTES || (quoted && !take(in, '>')))
        return false;
    memcpy(out, start, n);
    out[n] = '\0';
    return true;
}

static bool read_number(struct input *in, int min, int max, int *out)
{
    const char *start = in->at;
    int number = 0;

    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        number = number * 10 + (*in->at - '0');
        if (number > max)
            return false;
    }
    *out = number;
    return in->at != start && number >= min;
}

/* [+-]h[:m[:s]] in seconds. */
static bool read_time(struct input *in, int max_hours, int32_t *out)
{
    bool negative = take(in, '-');
    int hours, minutes = 0, seconds = 0;

    if (!negative)
        take(in, '+');
    if (!read_number(in, 0, max_hours, &hours))
        return false;
    if (take(in, ':') && !read_number(in, 0, 59, &minutes))
        return false;
    if (take(in, ':') && !read_number(in, 0, 59, &seconds))
        return false;
    *out = (hours * 60 + minutes) * 60 + seconds;
    if (negative)
        *out = -*out;
    return true;
}

static bool read_day(struct input *in, struct zone_change *change)
{
    if (take(in, 'J')) {
        change->kind = ZONE_DAY_JULIAN;
        return read_number(in, 1, 365, &change->day);
    }
    if (!take(in, 'M')) {
        change->kind = ZONE_DAY_OF_YEAR;
        return read_number(in, 0, 365, &change->day);
    }
    change->kind = ZONE_DAY_OF_WEEK;
    return read_number(in, 1, 12, &change->month) && take(in, '.') &&
           read_number(in, 1, 5, &change->week) && take(in, '.') &&
           read_number(in, 0, 6, &change->day);
}

static bool read_change(struct input *in, struct zone_change *change)
{
    if (!take(in, ',') || !read_day(in, change))
        return false;
    change->time_s = 2 * 3600;
    return !take(in, '/') || read_time(in, 167, &change->time_s);
}

static bool read_daylight(struct input *in, struct zone_rule *rule)
{
    struct input usual = {NULL, NULL};

    if (!read_name(in, rule->dst))
        return false;
    rule->dst_offset_s = rule->std_offset_s + 3600;
    if (in->at < in->end && *in->at != ',') {
        if (!read_time(in, 24, &rule->dst_offset_s))
            return false;
        rule->dst_offset_s = -rule->dst_offset_s;
    }
    rule->has_dst = true;
    if (in->at == in->end) { /* no dates: those of the United States, by convention */
        usual.at = ",M3.2.0,M11.1.0";
        usual.end = usual.at + strlen(usual.at);
        in = &usual;
    }
    return read_change(in, &rule->start) && read_change(in, &rule->end) &&
           in->at == in->end;
}

bool zone_rule_parse(const char *text, size_t n_bytes, struct zone_rule *rule_out)
{
    struct input in = {text, text + n_bytes};
    struct zone_rule rule = {0};

    if (!read_name(&in, rule.std) || !read_time(&in, 24, &rule.std_offset_s))
        return false;
    rule.std_offset_s = -rule.std_offset_s; /* POSIX counts west of Greenwich */
    if (in.at < in.end && !read_daylight(&in, &rule))
        return false;
    *rule_out = rule;
    return true;
}

static int64_t first_day_s(int64_t year, int month)
{
    return civil_to_seconds(&(struct civil_parts){year, month, 1, 0, 0, 0});
}

/* Seconds since 1970 on the wall clock that is about to change. */
static int64_t change_seconds(const struct zone_change *change, int64_t year)
{
    int64_t first_s = first_day_s(year, 1);
    int day = change->day, first_weekday;

    if (change->kind == ZONE_DAY_JULIAN) {
        day -= is_leap_year(year) && day >= 60 ? 0 : 1;
    } else if (change->kind == ZONE_DAY_OF_WEEK) {
        first_s = first_day_s(year, change->month);
        first_weekday = civil_from_seconds(first_s).weekday;
        day = (change->day - first_weekday + 7) % 7 + (change->week - 1) * 7;
        if (day >= days_in_month(change->month, year))
            day -= 7;
    }
    return seconds_add(first_s, (int64_t)day * 86400 + change->time_s);
}

static void note_change(int64_t at, bool is_dst, int64_t unix_s, struct zone_span *span)
{
    if (at > unix_s) {
        if (at < span->end_s)
            span->end_s = at;
    } else if (at > span->start_s || (at == span->start_s && is_dst)) {
        /* When one year's end meets the next one's start, it is summer all year. */
        span->start_s = at;
        span->is_dst = is_dst;
    }
}

void zone_rule_find(const struct zone_rule *rule, int64_t unix_s,
                    struct zone_span *span_out)
{
    struct zone_span span = {.start_s = INT64_MIN, .end_s = INT64_MAX};
    int64_t year, at;

    if (rule->has_dst) {
        year = civil_from_seconds(seconds_add(unix_s, rule->std_offset_s)).year;
        for (int64_t y = year - 1; y <= year + 1; y++) {
            at = change_seconds(&rule->start, y);
            note_change(seconds_add(at, -rule->std_offset_s), true, unix_s, &span);
            at = change_seconds(&rule->end, y);
            note_change(seconds_add(at, -rule->dst_offset_s), false, unix_s, &span);
        }
    }
    span.abbrev = span.is_dst ? rule->dst : rule->std;
    span.offset_s = span.is_dst ? rule->dst_offset_s : rule->std_offset_s;
    *span_out = span;
}
