#include "supervisor/yaml_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define NUMBER_MAX_BYTES 400

static const struct word {
    const char *text;
    double real;
    enum value_type type;
    bool boolean;
} words[] = {
    {"", 0, VALUE_NIL, false},
    {"~", 0, VALUE_NIL, false},
    {"null", 0, VALUE_NIL, false},
    {"Null", 0, VALUE_NIL, false},
    {"NULL", 0, VALUE_NIL, false},
    {"true", 0, VALUE_BOOL, true},
    {"True", 0, VALUE_BOOL, true},
    {"TRUE", 0, VALUE_BOOL, true},
    {"false", 0, VALUE_BOOL, false},
    {"False", 0, VALUE_BOOL, false},
    {"FALSE", 0, VALUE_BOOL, false},
    {".nan", (double)NAN, VALUE_FLOAT, false},
    {".NaN", (double)NAN, VALUE_FLOAT, false},
    {".NAN", (double)NAN, VALUE_FLOAT, false},
    {".inf", (double)INFINITY, VALUE_FLOAT, false},
    {".Inf", (double)INFINITY, VALUE_FLOAT, false},
    {".INF", (double)INFINITY, VALUE_FLOAT, false},
    {"+.inf", (double)INFINITY, VALUE_FLOAT, false},
    {"+.Inf", (double)INFINITY, VALUE_FLOAT, false},
    {"+.INF", (double)INFINITY, VALUE_FLOAT, false},
    {"-.inf", -(double)INFINITY, VALUE_FLOAT, false},
    {"-.Inf", -(double)INFINITY, VALUE_FLOAT, false},
    {"-.INF", -(double)INFINITY, VALUE_FLOAT, false},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(const char *text)
{
    size_t n = 0;

    while (is_digit(text[n]))
        n++;
    return n;
}

/* [-+]? ( .digits | digits [. digits*] ) ( [eE] [-+]? digits )? */
static bool looks_like_float(const char *text)
{
    size_t whole;

    text += *text == '-' || *text == '+';
    whole = skip_digits(text);
    text += whole;
    if (*text == '.') {
        size_t fraction = skip_digits(text + 1);

        if (whole == 0 && fraction == 0)
            return false;
        text += 1 + fraction;
    } else if (whole == 0) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        if (!is_digit(*text))
            return false;
        text += skip_digits(text);
    }
    return *text == '\0';
}

/* The base that the digits behind the sign are written in; digits_out is where they
 * start. */
static int base_of(const char *text, const char **digits_out)
{
    static const struct {
        char letter;
        int base;
    } prefixes[] = {{'x', 16}, {'X', 16}, {'o', 8}, {'O', 8}, {'b', 2}, {'B', 2}};

    *digits_out = text;
    if (text[0] != '0' || text[1] == '\0')
        return 10;
    for (size_t i = 0; i < N_ELEMENTS(prefixes); i++)
        if (text[1] == prefixes[i].letter) {
            *digits_out = text + 2;
            return prefixes[i].base;
        }
    *digits_out = text + 1;
    return 8;
}

static bool read_integer(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    const char *digits;
    char *end;
    unsigned long long number;
    int base;

    text += *text == '-' || *text == '+';
    base = base_of(text, &digits);
    /* strtoull would take a sign, blanks or a second 0x of its own. */
    if (base == 16 ? strspn(digits, "0123456789abcdefABCDEF") != strlen(digits)
                   : !is_digit(*digits))
        return false;
    if (base == 16 && *digits == '\0')
        return false;
    errno = 0;
    number = strtoull(digits, &end, base);
    if (*end != '\0' || errno != 0)
        return false;
    if (number > (unsigned long long)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* Digits with leading zeros that are no octal number: 08 means 8. */
static bool read_decimal(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *end;

    if (!is_digit(*digits) || digits[skip_digits(digits)] != '\0')
        return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0;
}

bool yaml_read_number(const char *text, size_t n, struct value *value_out)
{
    char plain[NUMBER_MAX_BYTES + 1];
    size_t n_plain = 0;
    int64_t integer;

    if (n == 0 || n > NUMBER_MAX_BYTES || strchr("+-.0123456789", text[0]) == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0')
            return false;
        else if (text[i] != '_')
            plain[n_plain++] = text[i];
    plain[n_plain] = '\0';
    if (read_integer(plain, &integer) || read_decimal(plain, &integer)) {
        *value_out = value_int(integer);
        return true;
    }
    if (!looks_like_float(plain))
        return false;
    *value_out = value_float(strtod(plain, NULL));
    return true;
}

struct value yaml_type_scalar(const char *text, size_t n)
{
    struct value value = {.type = VALUE_STRING};

    for (size_t i = 0; n < 6 && i < N_ELEMENTS(words); i++) {
        const struct word *word = &words[i];

        if (strlen(word->text) != n || memcmp(word->text, text, n) != 0)
            continue;
        if (word->type == VALUE_BOOL)
            return value_bool(word->boolean);
        return word->type == VALUE_NIL ? (struct value){0} : value_float(word->real);
    }
    yaml_read_number(text, n, &value);
    return value;
}

bool yaml_type_tagged(const char *tag, const char *text, size_t n,
                      struct value *value_out)
{
    struct value value = {.type = VALUE_STRING};

    if (strcmp(tag, "str") == 0) {
        *value_out = value;
        return true;
    }
    value = yaml_type_scalar(text, n);
    if (strcmp(tag, "float") == 0 && value.type == VALUE_INT)
        value = value_float((double)value.as.integer);
    *value_out = value;
    return (value.type == VALUE_INT && strcmp(tag, "int") == 0) ||
           (value.type == VALUE_FLOAT && strcmp(tag, "float") == 0) ||
           (value.type == VALUE_BOOL && strcmp(tag, "bool") == 0) ||
           (value.type == VALUE_NIL && strcmp(tag, "null") == 0);
}
