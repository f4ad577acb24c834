/*
 * expr -- the expression language of policies and of the Lua module `expr`
 * (security.md S-21): compiled once, evaluated often, always within bounds.
 *
 * An expression reads variables (a map) and yields a value; it changes nothing. Its
 * size and depth are bounded when it is compiled, the steps and bytes that it takes
 * when it is evaluated, so that neither its text nor the data that it meets need be
 * trusted.
 */
#ifndef TROUPE_COMMON_EXPR_H
#define TROUPE_COMMON_EXPR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/value.h"

struct err;
struct expr;

#define EXPR_MAX_BYTES   65536   /* of text */
#define EXPR_MAX_DEPTH   100     /* of things inside each other */
#define EXPR_MAX_PROGRAM 100000  /* of all its patterns together, see regex_size() */
#define EXPR_MAX_STEPS   1000000 /* of one evaluation: nodes visited, items made */
#define EXPR_MAX_ITEMS   100000  /* of one list or bytes of one text that it makes */

enum expr_demand {
    EXPR_BOOLEAN = 1, /* refuse what is known not to yield a boolean */
    EXPR_NAMES = 2,   /* refuse variables that the sketch doesn't have */
};

/* sketch: NULL, or a map of sample values whose types the variables will have; what is
 * known to fail then is refused. demands: of enum expr_demand, as bits. NULL and err
 * (INVALID, with line and column) on failure. */
struct expr *expr_compile(const char *text, size_t n_bytes, const struct value *sketch,
                          unsigned demands, struct err *err);
void expr_destroy(struct expr *expr); /* NULL is fine */

/* About how much memory it takes, for who keeps many. */
size_t expr_size_bytes(const struct expr *expr);

/* Variables that are not in the map (or NULL) are nil. -1 (INVALID) when something does
 * not fit; value_out is untouched then, else to be finished. */
int expr_evaluate(const struct expr *expr, const struct value *variables,
                  struct value *value_out, struct err *err);

#endif
