#include "common/duration.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/quote.h"

#define MAX_MAGNITUDE ((uint64_t)1 << 63) /* of a negative one; a positive one less */

static const struct unit {
    const char *name;
    uint64_t ns;
} units[] =
    {
        {"ns", 1},           {"us", 1000},
        {"\xc2\xb5s", 1000}, /* U+00B5, the micro sign */
        {"\xce\xbcs", 1000}, /* U+03BC, the Greek letter */
        {"ms", 1000000},     {"s", 1000000000},
        {"m", 60000000000},  {"h", 3600000000000},
};

struct input {
    const char *text; /* all of it, for the error */
    size_t n;
    const char *at, *end; /* what is left to read */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool refuse(const struct input *in, char error_out[DURATION_ERROR_BYTES])
{
    char quoted[DURATION_ERROR_BYTES - 32];

    quote_text(quoted, sizeof(quoted), in->text, in->n);
    snprintf(error_out, DURATION_ERROR_BYTES, "time: invalid duration %s", quoted);
    return false;
}

static bool refuse_unit(const struct input *in, const char *unit, size_t n_unit,
                        char error_out[DURATION_ERROR_BYTES])
{
    char quoted[DURATION_ERROR_BYTES / 2 - 20], quoted_unit[32];

    quote_text(quoted, sizeof(quoted), in->text, in->n);
    quote_text(quoted_unit, sizeof(quoted_unit), unit, n_unit);
    if (n_unit == 0)
        snprintf(error_out, DURATION_ERROR_BYTES, "time: missing unit in duration %s",
                 quoted);
    else
        snprintf(error_out, DURATION_ERROR_BYTES,
                 "time: unknown unit %s in duration %s", quoted_unit, quoted);
    return false;
}

/* The digits before the point. False when they exceed the range. */
static bool read_whole(struct input *in, uint64_t *whole_out)
{
    uint64_t whole = 0;

    for (; in->at < in->end && is_digit(*in->at); in->at++) {
        if (whole > MAX_MAGNITUDE / 10)
            return false;
        whole = whole * 10 + (uint64_t)(*in->at - '0');
        if (whole > MAX_MAGNITUDE)
            return false;
    }
    *whole_out = whole;
    return true;
}

/* The digits after the point as fraction / scale; those beyond 64 bits are dropped. */
static uint64_t read_fraction(struct input *in, double *scale_out)
{
    uint64_t fraction = 0;
    double scale = 1;
    bool full = false;

    for (; in->at < in->end && is_digit(*in->at); in->at++) {
        uint64_t next;

        if (full || fraction > (MAX_MAGNITUDE - 1) / 10) {
            full = true;
            continue;
        }
        next = fraction * 10 + (uint64_t)(*in->at - '0');
        if (next > MAX_MAGNITUDE) {
            full = true;
            continue;
        }
        fraction = next;
        scale *= 10;
    }
    *scale_out = scale;
    return fraction;
}

static const struct unit *find_unit(const char *name, size_t n)
{
    for (size_t i = 0; i < N_ELEMENTS(units); i++)
        if (strlen(units[i].name) == n && memcmp(units[i].name, name, n) == 0)
            return &units[i];
    return NULL;
}

/* One number with its unit, added to *sum. */
static bool read_part(struct input *in, uint64_t *sum,
                      char error_out[DURATION_ERROR_BYTES])
{
    uint64_t whole, fraction = 0;
    const char *start = in->at, *name;
    const struct unit *unit;
    bool has_digits;
    double scale = 1;

    if (!read_whole(in, &whole))
        return refuse(in, error_out);
    has_digits = in->at != start;
    if (in->at < in->end && *in->at == '.') {
        start = ++in->at;
        fraction = read_fraction(in, &scale);
        has_digits = has_digits || in->at != start;
    }
    if (!has_digits)
        return refuse(in, error_out);
    name = in->at;
    while (in->at < in->end && *in->at != '.' && !is_digit(*in->at))
        in->at++;
    unit = find_unit(name, (size_t)(in->at - name));
    if (unit == NULL)
        return refuse_unit(in, name, (size_t)(in->at - name), error_out);
    if (whole > MAX_MAGNITUDE / unit->ns)
        return refuse(in, error_out);
    whole *= unit->ns;
    if (fraction > 0)
        whole += (uint64_t)((double)fraction * ((double)unit->ns / scale));
    if (whole > MAX_MAGNITUDE - *sum)
        return refuse(in, error_out);
    *sum += whole;
    return true;
}

bool duration_parse(const char *text, size_t n_bytes, int64_t *ns_out,
                    char error_out[DURATION_ERROR_BYTES])
{
    struct input in = {text, n_bytes, text, text + n_bytes};
    bool negative = false;
    uint64_t sum = 0;

    if (n_bytes > 0 && (*text == '-' || *text == '+')) {
        negative = *text == '-';
        in.at++;
    }
    if (in.end - in.at == 1 && *in.at == '0') {
        *ns_out = 0;
        return true;
    }
    if (in.at == in.end)
        return refuse(&in, error_out);
    while (in.at < in.end)
        if (!read_part(&in, &sum, error_out))
            return false;
    if (!negative && sum == MAX_MAGNITUDE)
        return refuse(&in, error_out);
    *ns_out = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* value / 10^n_digits with the trailing zeros of the fraction cut. */
static int format_scaled(char *out, uint64_t value, int n_digits)
{
    uint64_t scale = 1;
    int n;

    for (int i = 0; i < n_digits; i++)
        scale *= 10;
    n = sprintf(out, "%llu", (unsigned long long)(value / scale));
    if (value % scale == 0)
        return n;
    n += sprintf(out + n, ".%0*llu", n_digits, (unsigned long long)(value % scale));
    while (out[n - 1] == '0')
        n--;
    return n;
}

/* Below one second: one number in the largest unit that keeps it at 1 or above. */
static size_t format_short(char *out, uint64_t ns)
{
    const char *unit = ns < 1000 ? "ns" : ns < 1000000 ? "\xc2\xb5s" : "ms";
    int n = format_scaled(out, ns, ns < 1000 ? 0 : ns < 1000000 ? 3 : 6);

    return (size_t)n + (size_t)sprintf(out + n, "%s", unit);
}

size_t duration_format(char out[DURATION_TEXT_BYTES], int64_t ns)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    uint64_t minutes = left / 60000000000;
    char *at = out;

    if (ns == 0)
        return (size_t)sprintf(out, "0s");
    if (ns < 0)
        *at++ = '-';
    if (left < 1000000000)
        return (size_t)(at - out) + format_short(at, left);
    if (minutes >= 60)
        at += sprintf(at, "%lluh", (unsigned long long)(minutes / 60));
    if (minutes > 0)
        at += sprintf(at, "%llum", (unsigned long long)(minutes % 60));
    at += format_scaled(at, left % 60000000000, 9);
    at += sprintf(at, "s");
    return (size_t)(at - out);
}
