#include "common/number.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWO_TO_63 9223372036854775808.0

struct number number_of_real(double real)
{
    if (real >= -TWO_TO_63 && real < TWO_TO_63 && trunc(real) == real)
        return number_of_integer((int64_t)real);
    return (struct number){.is_integer = false, .as.real = real};
}

bool number_is_finite(struct number number)
{
    return number.is_integer || isfinite(number.as.real);
}

bool number_is_integral(struct number number)
{
    return number.is_integer ||
           (isfinite(number.as.real) && trunc(number.as.real) == number.as.real);
}

/* The whole part decides as integers do, the fraction only between equal ones. */
static int compare_mixed(int64_t integer, double real)
{
    int64_t whole;

    if (real >= TWO_TO_63)
        return -1;
    if (real < -TWO_TO_63)
        return 1;
    whole = (int64_t)real;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    return (real < (double)whole) - (real > (double)whole);
}

int number_compare(struct number a, struct number b)
{
    if (a.is_integer && b.is_integer)
        return (a.as.integer > b.as.integer) - (a.as.integer < b.as.integer);
    if (a.is_integer)
        return compare_mixed(a.as.integer, b.as.real);
    if (b.is_integer)
        return -compare_mixed(b.as.integer, a.as.real);
    return (a.as.real > b.as.real) - (a.as.real < b.as.real);
}

static size_t format_real(char out[NUMBER_TEXT_BYTES], double real)
{
    int n = 0;

    for (int digits = 1; digits <= 17; digits++) {
        n = snprintf(out, NUMBER_TEXT_BYTES, "%.*g", digits, real);
        if (strtod(out, NULL) == real)
            break;
    }
    return (size_t)n;
}

size_t number_format(char out[NUMBER_TEXT_BYTES], struct number number)
{
    if (number.is_integer)
        return (size_t)snprintf(out, NUMBER_TEXT_BYTES, "%lld",
                                (long long)number.as.integer);
    return format_real(out, number.as.real);
}

/* ---- decimal arithmetic ---------------------------------------------------------- */

/* digits * 10^exponent, the sign left out. */
struct decimal {
    uint64_t digits;
    int exponent;
};

static struct decimal decimal_of_text(const char *text)
{
    struct decimal decimal = {0};
    bool point = false;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '.') {
            point = true;
        } else if (*text >= '0' && *text <= '9') {
            decimal.digits = decimal.digits * 10 + (uint64_t)(*text - '0');
            decimal.exponent -= point ? 1 : 0;
        }
    }
    if (*text == 'e')
        decimal.exponent += atoi(text + 1);
    return decimal;
}

/* Without zeros at the end, so that exponents are as large as they can be. */
static struct decimal decimal_of(struct number number)
{
    char text[NUMBER_TEXT_BYTES];
    struct decimal decimal;

    number_format(text, number);
    decimal = decimal_of_text(text);
    while (decimal.digits != 0 && decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    return decimal;
}

/* Both factors are below modulus, which has 64 bits: the product fits into 128. */
static uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t modulus)
{
    return (uint64_t)((unsigned __int128)a * b % modulus);
}

static uint64_t power_of_ten_modulo(unsigned exponent, uint64_t modulus)
{
    uint64_t result = 1 % modulus, base = 10 % modulus;

    for (; exponent != 0; exponent /= 2) {
        if (exponent % 2 == 1)
            result = multiply_modulo(result, base, modulus);
        base = multiply_modulo(base, base, modulus);
    }
    return result;
}

bool number_is_multiple(struct number number, struct number step)
{
    struct decimal value, unit;
    uint64_t rest;

    if (!number_is_finite(number) || !number_is_finite(step))
        return false;
    value = decimal_of(number);
    unit = decimal_of(step);
    if (value.digits == 0)
        return true;
    assert(unit.digits != 0);
    /* Else value would have to be ten times something, but its last digit isn't 0. */
    if (value.exponent < unit.exponent)
        return false;
    rest = multiply_modulo(
        value.digits % unit.digits,
        power_of_ten_modulo((unsigned)(value.exponent - unit.exponent), unit.digits),
        unit.digits);
    return rest == 0;
}
