/*
 * number -- whole numbers and fractions compared as what they stand for.
 *
 * An int64 and a double meet wherever data from JSON meets data from Lua. Turning one
 * into the other loses digits, so nothing here does: 2^53 + 1 isn't 2^53, and 0.3 is a
 * multiple of 0.1, because the decimal text that a person wrote counts, not the nearest
 * binary fraction.
 */
#ifndef TROUPE_COMMON_NUMBER_H
#define TROUPE_COMMON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number {
    bool is_integer;
    union {
        int64_t integer;
        double real;
    } as;
};

static inline struct number number_of_integer(int64_t integer)
{
    return (struct number){.is_integer = true, .as.integer = integer};
}

/* A float without fraction that an int64 can hold becomes one. */
struct number number_of_real(double real);

/* Without fraction? Infinities and NaN have no such thing: false. */
bool number_is_integral(struct number number);
bool number_is_finite(struct number number);

/* -1, 0 or 1; neither of the two may be NaN. */
int number_compare(struct number a, struct number b);

/* Is number a whole multiple of step (> 0)? Exact for the shortest decimal text of
 * both. Infinities and NaN are multiples of nothing. */
bool number_is_multiple(struct number number, struct number step);

#define NUMBER_TEXT_BYTES 32

/* The shortest text that reads back the same. Returns its length. */
size_t number_format(char out[NUMBER_TEXT_BYTES], struct number number);

#endif
