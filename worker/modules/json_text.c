#include "worker/modules/json_text.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers --------------------------------------------------------------------- */

/* Significant digits without trailing zeros: the value is 0.DIGITS * 10^point. */
struct digits {
    char text[20];
    int n, point;
};

/* 17 digits always read back the same, often 15 do; the smallest numbers are not that
 * exact and may need fewer. magnitude > 0. */
static struct digits find_digits(double magnitude)
{
    struct digits digits;
    char text[JSON_FLOAT_BYTES]; /* "d.ddde+xx" or "de+xx" */
    int precision = magnitude < DBL_MIN ? 1 : 15;

    do
        snprintf(text, sizeof(text), "%.*e", precision - 1, magnitude);
    while (precision++ < 17 && strtod(text, NULL) != magnitude);
    digits.text[0] = text[0];
    digits.n = 1;
    for (const char *at = text + 1; *at != 'e'; at++)
        if (*at != '.')
            digits.text[digits.n++] = *at;
    while (digits.n > 1 && digits.text[digits.n - 1] == '0')
        digits.n--;
    digits.point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1;
    return digits;
}

static char *put_zeros(char *at, int n)
{
    if (n > 0)
        memset(at, '0', (size_t)n);
    return at + (n > 0 ? n : 0);
}

static char *put_digits(char *at, const char *digits, int n)
{
    memcpy(at, digits, (size_t)n);
    return at + n;
}

static char *put_exponent_form(char *at, const struct digits *digits)
{
    *at++ = digits->text[0];
    if (digits->n > 1) {
        *at++ = '.';
        at = put_digits(at, digits->text + 1, digits->n - 1);
    }
    return at + sprintf(at, "e%+d", digits->point - 1);
}

static char *put_point_form(char *at, const struct digits *digits)
{
    int n_whole = digits->point < digits->n ? digits->point : digits->n;

    if (n_whole <= 0) {
        at = put_digits(at, "0.", 2);
        at = put_zeros(at, -digits->point);
        return put_digits(at, digits->text, digits->n);
    }
    at = put_digits(at, digits->text, n_whole);
    at = put_zeros(at, digits->point - digits->n);
    if (n_whole == digits->n)
        return at;
    *at++ = '.';
    return put_digits(at, digits->text + n_whole, digits->n - n_whole);
}

size_t json_format_float(char out[JSON_FLOAT_BYTES], double number)
{
    double magnitude = fabs(number);
    struct digits digits;
    char *at = out;

    if (magnitude == 0) {
        *out = '0';
        return 1;
    }
    if (number < 0)
        *at++ = '-';
    digits = find_digits(magnitude);
    if (magnitude < 1e-6 || magnitude >= 1e21)
        at = put_exponent_form(at, &digits);
    else
        at = put_point_form(at, &digits);
    return (size_t)(at - out);
}

/* ---- strings --------------------------------------------------------------------- */

static bool is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the UTF-8 sequence at text; 0 when there is none (overlong forms,
 * surrogates and what lies beyond U+10FFFF are none). As utf8_sequence_bytes(), but
 * inlined: half the time that text in other scripts takes goes here. */
static size_t measure_utf8(const char *text, const char *end)
{
    const uint8_t *c = (const uint8_t *)text;
    size_t n = (size_t)(end - text);

    if (c[0] < 0x80)
        return 1;
    if (c[0] >= 0xc2 && c[0] <= 0xdf)
        return n >= 2 && is_tail(c[1]) ? 2 : 0;
    if (c[0] >= 0xe0 && c[0] <= 0xef) {
        uint8_t low = c[0] == 0xe0 ? 0xa0 : 0x80, high = c[0] == 0xed ? 0x9f : 0xbf;

        return n >= 3 && c[1] >= low && c[1] <= high && is_tail(c[2]) ? 3 : 0;
    }
    if (c[0] >= 0xf0 && c[0] <= 0xf4) {
        uint8_t low = c[0] == 0xf0 ? 0x90 : 0x80, high = c[0] == 0xf4 ? 0x8f : 0xbf;

        return n >= 4 && c[1] >= low && c[1] <= high && is_tail(c[2]) && is_tail(c[3])
                   ? 4
                   : 0;
    }
    return 0;
}

static bool is_plain_ascii(uint8_t c)
{
    return c >= ' ' && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' &&
           c != '&';
}

/* U+2028 and U+2029 end a line of JavaScript. */
static bool is_line_separator(const char *text)
{
    return memcmp(text, "\xe2\x80", 2) == 0 && ((uint8_t)text[2] & 0xfe) == 0xa8;
}

size_t json_plain_run(const char *text, const char *end)
{
    const char *at = text;
    size_t n;

    while (at < end) {
        if (is_plain_ascii((uint8_t)*at)) {
            at++;
            continue;
        }
        n = (uint8_t)*at < 0x80 ? 0 : measure_utf8(at, end);
        if (n == 0 || (n == 3 && is_line_separator(at)))
            break;
        at += n;
    }
    return (size_t)(at - text);
}

size_t json_escape(const char *text, const char *end, char out[JSON_ESCAPE_BYTES],
                   size_t *n_out)
{
    static const char special[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    uint8_t c = (uint8_t)*text;
    const char *found = c != 0 ? strchr(special, c) : NULL;

    if (found != NULL) {
        out[0] = '\\';
        out[1] = letters[found - special];
        *n_out = 2;
        return 1;
    }
    *n_out = 6;
    if (c < 0x80) {
        snprintf(out, JSON_ESCAPE_BYTES, "\\u%04x", c);
        return 1;
    }
    if (measure_utf8(text, end) == 0) {
        snprintf(out, JSON_ESCAPE_BYTES, "\\ufffd");
        return 1;
    }
    snprintf(out, JSON_ESCAPE_BYTES, "\\u20%02x", (uint8_t)text[2] & 0x3f);
    return 3;
}
