/* Times are seconds since 1970, spans of time are seconds. */
#include <string.h>
#include <time.h>

#include "common/duration.h"
#include "common/expr_private.h"

#define NS_PER_S 1000000000

static int call_now(struct expr_call *call)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return expr_return(call, value_int(now.tv_sec));
}

/* A whole number where there is no fraction, so that it can be one of a range. */
static int return_seconds(struct expr_call *call, int64_t s, int64_t ns)
{
    if (ns == 0)
        return expr_return(call, value_int(s));
    return expr_return(call, value_float((double)s + (double)ns / NS_PER_S));
}

static int call_duration(struct expr_call *call)
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING);
    char why[DURATION_ERROR_BYTES];
    int64_t ns;

    if (text == NULL)
        return -1;
    if (!duration_parse(text->as.string.data, text->as.string.n, &ns, why))
        return expr_call_fail(call, "takes a text such as 1h30m");
    return return_seconds(call, ns / NS_PER_S, ns % NS_PER_S);
}

/* ".123" behind the seconds, if it is there. */
static const char *skip_fraction(const char *at, int64_t *ns)
{
    int64_t unit = NS_PER_S / 10;

    if (*at != '.')
        return at;
    for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
        *ns += (*at - '0') * unit;
    return at;
}

/* "Z" or "+01:00"; NULL: neither. */
static const char *skip_zone(const char *at, int64_t *offset_s)
{
    int64_t hours, minutes;

    if (*at == 'Z')
        return at + 1;
    if ((*at != '+' && *at != '-') || strlen(at) < 6 || at[3] != ':' ||
        strspn(at + 1, "0123456789") != 2 || strspn(at + 4, "0123456789") < 2)
        return NULL;
    hours = (at[1] - '0') * 10 + at[2] - '0';
    minutes = (at[4] - '0') * 10 + at[5] - '0';
    *offset_s = (*at == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return at + 6;
}

/* RFC 3339, with a blank for the T, without a zone, or a date alone. */
static bool read_date(const char *text, int64_t *s_out, int64_t *ns_out)
{
    struct tm parts = {0};
    int64_t offset_s = 0;
    const char *at = strptime(text, "%Y-%m-%d", &parts);

    *ns_out = 0;
    if (at == NULL || at - text != 10)
        return false;
    if (*at == 'T' || *at == ' ') {
        at = strptime(at + 1, "%H:%M:%S", &parts);
        if (at == NULL)
            return false;
        at = skip_fraction(at, ns_out);
        if (*at != '\0')
            at = skip_zone(at, &offset_s);
    }
    if (at == NULL || *at != '\0')
        return false;
    *s_out = (int64_t)timegm(&parts) - offset_s;
    return true;
}

static int call_date(struct expr_call *call)
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING);
    int64_t s, ns;

    if (text == NULL)
        return -1;
    if (strlen(text->as.string.data) != text->as.string.n ||
        !read_date(text->as.string.data, &s, &ns))
        return expr_call_fail(call, "takes a text such as 2026-01-31T09:30:00Z");
    return return_seconds(call, s, ns);
}

const struct expr_function expr_time_functions[] = {
    {"date", 1, 1, KNOWN_NUMBER, call_date, PREDICATE_NONE},
    {"duration", 1, 1, KNOWN_NUMBER, call_duration, PREDICATE_NONE},
    {"now", 0, 0, KNOWN_NUMBER, call_now, PREDICATE_NONE},
    {NULL, 0, 0, KNOWN_NOTHING, NULL, PREDICATE_NONE},
};
