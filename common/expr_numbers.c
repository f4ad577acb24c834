#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/expr_private.h"

#define MANY             1000 /* arguments */
#define MAX_NUMBER_BYTES 1000 /* of a text that is one */

/* ---- one number ------------------------------------------------------------------ */

static int take_number(struct expr_call *call, const struct value **out)
{
    *out = expr_arg(call, 0);
    return is_number(*out) ? 0 : expr_call_fail(call, "takes a number");
}

static int call_abs(struct expr_call *call)
{
    const struct value *value;

    if (take_number(call, &value) == -1)
        return -1;
    if (value->type == VALUE_FLOAT)
        return expr_return(call, value_float(fabs(value->as.real)));
    return expr_return(call, value_int(value->as.integer < 0
                                           ? (int64_t)(0 - (uint64_t)value->as.integer)
                                           : value->as.integer));
}

static int round_with(struct expr_call *call, double (*how)(double))
{
    const struct value *value;

    if (take_number(call, &value) == -1)
        return -1;
    return expr_return(call, value_float(how(real_of(value))));
}

static int call_ceil(struct expr_call *call)
{
    return round_with(call, ceil);
}

static int call_floor(struct expr_call *call)
{
    return round_with(call, floor);
}

static int call_round(struct expr_call *call)
{
    return round_with(call, round);
}

/* The whole text is a number; blanks are none. */
static bool read_real(const struct value *text, double *out)
{
    char *end;

    if (text->as.string.n == 0 || text->as.string.n > MAX_NUMBER_BYTES ||
        isspace((unsigned char)text->as.string.data[0]))
        return false;
    *out = strtod(text->as.string.data, &end);
    return end == text->as.string.data + text->as.string.n;
}

static bool read_whole(const struct value *text, int64_t *out)
{
    char *end;

    if (text->as.string.n == 0 || text->as.string.n > MAX_NUMBER_BYTES ||
        isspace((unsigned char)text->as.string.data[0]))
        return false;
    errno = 0;
    *out = strtoll(text->as.string.data, &end, 10);
    return errno == 0 && end == text->as.string.data + text->as.string.n;
}

static int call_int(struct expr_call *call)
{
    const struct value *value = expr_arg(call, 0);
    int64_t whole;
    double real;

    if (value->type == VALUE_STRING)
        return read_whole(value, &whole)
                   ? expr_return(call, value_int(whole))
                   : expr_call_fail(call, "takes no text that isn't a whole number");
    if (value->type == VALUE_INT)
        return expr_return(call, value_int(value->as.integer));
    real = value->type == VALUE_FLOAT ? value->as.real : NAN;
    if (!(real > -9.2e18 && real < 9.2e18))
        return expr_call_fail(call, "takes a number or the text of one");
    return expr_return(call, value_int((int64_t)real));
}

static int call_float(struct expr_call *call)
{
    const struct value *value = expr_arg(call, 0);
    double real;

    if (is_number(value))
        return expr_return(call, value_float(real_of(value)));
    if (value->type != VALUE_STRING || !read_real(value, &real))
        return expr_call_fail(call, "takes a number or the text of one");
    return expr_return(call, value_float(real));
}

/* ---- many: those of one list, or the arguments ----------------------------------- */

struct numbers {
    const struct value *list; /* NULL: the arguments */
    size_t n;
};

static const struct value *number_at(struct expr_call *call,
                                     const struct numbers *numbers, size_t i)
{
    return numbers->list != NULL ? &numbers->list->as.list.items[i] : expr_arg(call, i);
}

/* Pays for them too, and sees to it that each can be compared. */
static int take_numbers(struct expr_call *call, struct numbers *out)
{
    const struct value *first = expr_arg(call, 0);

    *out = (struct numbers){NULL, call->n};
    if (call->n == 1 && !is_number(first)) {
        out->list = expr_arg_as(call, 0, VALUE_LIST);
        if (out->list == NULL)
            return -1;
        out->n = out->list->as.list.n;
    }
    if (expr_call_spend(call, out->n) == -1)
        return -1;
    for (size_t i = 0; i < out->n; i++) {
        const struct value *value = number_at(call, out, i);

        if (!is_number(value) || isnan(real_of(value)))
            return expr_call_fail(call, "takes numbers");
    }
    return out->n != 0 ? 0 : expr_call_fail(call, "takes at least one number");
}

/* wanted: the sign of what the better one has over the best so far. */
static int choose(struct expr_call *call, int wanted)
{
    const struct value *best;
    struct numbers numbers;

    if (take_numbers(call, &numbers) == -1)
        return -1;
    best = number_at(call, &numbers, 0);
    for (size_t i = 1; i < numbers.n; i++) {
        const struct value *value = number_at(call, &numbers, i);

        if (number_compare(number_of(value), number_of(best)) == wanted)
            best = value;
    }
    return expr_return(call, *best); /* numbers own nothing */
}

static int call_min(struct expr_call *call)
{
    return choose(call, -1);
}

static int call_max(struct expr_call *call)
{
    return choose(call, 1);
}

static int call_mean(struct expr_call *call)
{
    struct numbers numbers;
    double sum = 0;

    if (take_numbers(call, &numbers) == -1)
        return -1;
    for (size_t i = 0; i < numbers.n; i++)
        sum += real_of(number_at(call, &numbers, i));
    return expr_return(call, value_float(sum / (double)numbers.n));
}

static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int call_median(struct expr_call *call)
{
    struct numbers numbers;
    double *reals, middle;
    size_t half;

    if (take_numbers(call, &numbers) == -1 ||
        expr_call_spend(call, 16 * numbers.n) == -1)
        return -1;
    reals = calloc(numbers.n, sizeof(*reals));
    if (reals == NULL)
        return expr_call_fail(call, "takes more memory than there is");
    for (size_t i = 0; i < numbers.n; i++)
        reals[i] = real_of(number_at(call, &numbers, i));
    qsort(reals, numbers.n, sizeof(*reals), compare_reals);
    half = numbers.n / 2;
    middle = numbers.n % 2 != 0 ? reals[half] : (reals[half - 1] + reals[half]) / 2;
    free(reals);
    return expr_return(call, value_float(middle));
}

/* ---- bits ------------------------------------------------------------------------ */

enum bits { BITS_AND, BITS_OR, BITS_XOR, BITS_NAND, BITS_SHL, BITS_SHR, BITS_USHR };

static uint64_t shift(uint64_t a, uint64_t n, enum bits how)
{
    bool negative = how == BITS_SHR && (int64_t)a < 0;

    if (n > 63)
        return negative ? UINT64_MAX : 0;
    if (how == BITS_SHL)
        return a << n;
    return negative ? ~(~a >> n) : a >> n;
}

static int combine(struct expr_call *call, enum bits how)
{
    int64_t a, b;
    uint64_t x, y;

    if (expr_arg_whole(call, 0, &a) == -1 || expr_arg_whole(call, 1, &b) == -1)
        return -1;
    if (how >= BITS_SHL && b < 0)
        return expr_call_fail(call, "takes no number below 0");
    x = (uint64_t)a, y = (uint64_t)b;
    switch (how) {
    case BITS_AND:
        x &= y;
        break;
    case BITS_OR:
        x |= y;
        break;
    case BITS_XOR:
        x ^= y;
        break;
    case BITS_NAND:
        x &= ~y;
        break;
    default:
        x = shift(x, y, how);
        break;
    }
    return expr_return(call, value_int((int64_t)x));
}

static int call_bitand(struct expr_call *call)
{
    return combine(call, BITS_AND);
}

static int call_bitor(struct expr_call *call)
{
    return combine(call, BITS_OR);
}

static int call_bitxor(struct expr_call *call)
{
    return combine(call, BITS_XOR);
}

static int call_bitnand(struct expr_call *call)
{
    return combine(call, BITS_NAND);
}

static int call_bitshl(struct expr_call *call)
{
    return combine(call, BITS_SHL);
}

static int call_bitshr(struct expr_call *call)
{
    return combine(call, BITS_SHR);
}

static int call_bitushr(struct expr_call *call)
{
    return combine(call, BITS_USHR);
}

static int call_bitnot(struct expr_call *call)
{
    int64_t a;

    if (expr_arg_whole(call, 0, &a) == -1)
        return -1;
    return expr_return(call, value_int(~a));
}

const struct expr_function expr_number_functions[] = {
    {"abs", 1, 1, KNOWN_NUMBER, call_abs, PREDICATE_NONE},
    {"bitand", 2, 2, KNOWN_NUMBER, call_bitand, PREDICATE_NONE},
    {"bitnand", 2, 2, KNOWN_NUMBER, call_bitnand, PREDICATE_NONE},
    {"bitnot", 1, 1, KNOWN_NUMBER, call_bitnot, PREDICATE_NONE},
    {"bitor", 2, 2, KNOWN_NUMBER, call_bitor, PREDICATE_NONE},
    {"bitshl", 2, 2, KNOWN_NUMBER, call_bitshl, PREDICATE_NONE},
    {"bitshr", 2, 2, KNOWN_NUMBER, call_bitshr, PREDICATE_NONE},
    {"bitushr", 2, 2, KNOWN_NUMBER, call_bitushr, PREDICATE_NONE},
    {"bitxor", 2, 2, KNOWN_NUMBER, call_bitxor, PREDICATE_NONE},
    {"ceil", 1, 1, KNOWN_NUMBER, call_ceil, PREDICATE_NONE},
    {"float", 1, 1, KNOWN_NUMBER, call_float, PREDICATE_NONE},
    {"floor", 1, 1, KNOWN_NUMBER, call_floor, PREDICATE_NONE},
    {"int", 1, 1, KNOWN_NUMBER, call_int, PREDICATE_NONE},
    {"max", 1, MANY, KNOWN_NUMBER, call_max, PREDICATE_NONE},
    {"mean", 1, MANY, KNOWN_NUMBER, call_mean, PREDICATE_NONE},
    {"median", 1, MANY, KNOWN_NUMBER, call_median, PREDICATE_NONE},
    {"min", 1, MANY, KNOWN_NUMBER, call_min, PREDICATE_NONE},
    {"round", 1, 1, KNOWN_NUMBER, call_round, PREDICATE_NONE},
    {NULL, 0, 0, KNOWN_NOTHING, NULL, PREDICATE_NONE},
};
