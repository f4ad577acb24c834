#include <math.h>
#include <string.h>

#include "common/expr_private.h"
#include "common/mem.h"
#include "common/regex.h"

/* What a step may stand for, so that all of them together take well below a second. */
#define BYTES_PER_STEP   64 /* of text that is looked at */
#define KEYS_PER_STEP    16 /* of a map that is searched */
#define PROGRAM_PER_STEP 16 /* of a pattern that looks at text */

/* Making a pattern costs far more than anything else that an operator does. */
#define PATTERN_STEPS     100
#define STEPS_PER_PROGRAM 16

/* ---- equality and order ---------------------------------------------------------- */

/* What value_equal() may have to look at: it searches maps key by key. */
static size_t weight_of_keys(const struct value *value) /* NOLINT(misc-no-recursion) */
{
    size_t weight = 0;

    if (value->type == VALUE_MAP)
        weight = value->as.map.n * (value->as.map.n / KEYS_PER_STEP);
    for (size_t i = 0; value->type == VALUE_LIST && i < value->as.list.n; i++)
        weight += weight_of_keys(&value->as.list.items[i]);
    for (size_t i = 0; value->type == VALUE_MAP && i < value->as.map.n; i++)
        weight += weight_of_keys(&value->as.map.pairs[i].value);
    return weight;
}

int expr_equal(struct evaluation *ev, const struct node *node, const struct value *a,
               const struct value *b, bool *out)
{
    *out = false;
    if (is_number(a) && is_number(b)) {
        *out = !isnan(real_of(a)) && !isnan(real_of(b)) &&
               number_compare(number_of(a), number_of(b)) == 0;
        return 0;
    }
    if (a->type != b->type || (a->type == VALUE_LIST && a->as.list.n != b->as.list.n) ||
        (a->type == VALUE_MAP && a->as.map.n != b->as.map.n) ||
        (a->type == VALUE_STRING && a->as.string.n != b->as.string.n))
        return 0;
    if (a->type == VALUE_STRING) {
        *out = memcmp(a->as.string.data, b->as.string.data, a->as.string.n) == 0;
        return evaluation_spend(ev, node, a->as.string.n / BYTES_PER_STEP);
    }
    if (a->type > VALUE_STRING && (evaluation_charge_copy(ev, node, a) == -1 ||
                                   evaluation_spend(ev, node, weight_of_keys(a)) == -1))
        return -1;
    *out = value_equal(a, b);
    return 0;
}

int expr_compare_texts(const struct value *a, const struct value *b)
{
    size_t n = a->as.string.n < b->as.string.n ? a->as.string.n : b->as.string.n;
    int order = memcmp(a->as.string.data, b->as.string.data, n);

    if (order != 0)
        return order;
    return (a->as.string.n > b->as.string.n) - (a->as.string.n < b->as.string.n);
}

static int order(struct evaluation *ev, const struct node *node, const struct value *a,
                 const struct value *b, bool *out)
{
    int cmp;

    if (a->type == VALUE_STRING && b->type == VALUE_STRING) {
        if (evaluation_spend(ev, node, a->as.string.n / BYTES_PER_STEP) == -1)
            return -1;
        cmp = expr_compare_texts(a, b);
    } else if (!is_number(a) || !is_number(b)) {
        return evaluation_fail(ev, node, "only two numbers or two texts have an order");
    } else if (isnan(real_of(a)) || isnan(real_of(b))) {
        *out = false;
        return 0;
    } else {
        cmp = number_compare(number_of(a), number_of(b));
    }
    switch (node->op) {
    case OP_LESS:
        *out = cmp < 0;
        break;
    case OP_LESS_EQUAL:
        *out = cmp <= 0;
        break;
    case OP_GREATER:
        *out = cmp > 0;
        break;
    default:
        *out = cmp >= 0;
        break;
    }
    return 0;
}

/* ---- membership and text --------------------------------------------------------- */

static int is_in(struct evaluation *ev, const struct node *node,
                 const struct value *what, const struct value *in, bool *out)
{
    *out = false;
    if (in->type == VALUE_NIL)
        return 0;
    if (in->type == VALUE_MAP) {
        if (evaluation_spend(ev, node, in->as.map.n / KEYS_PER_STEP) == -1)
            return -1;
        *out = what->type == VALUE_STRING &&
               value_get_n(in, what->as.string.data, what->as.string.n) != NULL;
        return 0;
    }
    if (in->type != VALUE_LIST)
        return evaluation_fail(ev, node, "only lists and maps have something in them");
    if (evaluation_spend(ev, node, in->as.list.n) == -1)
        return -1;
    for (size_t i = 0; i < in->as.list.n && !*out; i++)
        if (expr_equal(ev, node, what, &in->as.list.items[i], out) == -1)
            return -1;
    return 0;
}

/* The pattern that was made last is kept: it is mostly asked for again. */
static const struct regex *pattern_of(struct evaluation *ev, const struct node *node,
                                      const struct value *text)
{
    struct regex *regex;

    if (node->regex != NULL)
        return node->regex;
    if (ev->pattern != NULL && value_equal(&ev->pattern_text, text))
        return ev->pattern;
    regex = regex_create(text->as.string.data, text->as.string.n, NULL, 0);
    if (regex == NULL) {
        evaluation_fail(ev, node, "invalid pattern");
        return NULL;
    }
    expr_forget_pattern(ev);
    ev->pattern = regex;
    ev->pattern_text = value_copy(text);
    if (evaluation_spend(ev, node,
                         PATTERN_STEPS + regex_size(regex) * STEPS_PER_PROGRAM) == -1)
        return NULL;
    return regex;
}

void expr_forget_pattern(struct evaluation *ev)
{
    regex_destroy(ev->pattern);
    value_finish(&ev->pattern_text);
    ev->pattern = NULL;
}

static int match(struct evaluation *ev, const struct node *node,
                 const struct value *text, const struct value *pattern, bool *out)
{
    const struct regex *regex = pattern_of(ev, node, pattern);

    if (regex == NULL ||
        evaluation_spend(ev, node,
                         text->as.string.n / BYTES_PER_STEP *
                             (1 + regex_size(regex) / PROGRAM_PER_STEP)) == -1)
        return -1;
    *out = regex_matches(regex, text->as.string.data, text->as.string.n);
    return 0;
}

static int search(struct evaluation *ev, const struct node *node, const struct value *a,
                  const struct value *b, bool *out)
{
    const char *text, *part;
    size_t n, n_part;

    if (a->type != VALUE_STRING || b->type != VALUE_STRING)
        return evaluation_fail(ev, node, "only texts have texts in them");
    text = a->as.string.data, n = a->as.string.n;
    part = b->as.string.data, n_part = b->as.string.n;
    if (evaluation_spend(ev, node, (n + n_part) / BYTES_PER_STEP) == -1)
        return -1;
    if (node->op == OP_MATCHES)
        return match(ev, node, a, b, out);
    if (node->op == OP_CONTAINS)
        *out = memmem(text, n, part, n_part) != NULL;
    else if (node->op == OP_STARTS_WITH)
        *out = n >= n_part && memcmp(text, part, n_part) == 0;
    else
        *out = n >= n_part && memcmp(text + n - n_part, part, n_part) == 0;
    return 0;
}

/* ---- arithmetic and what makes lists and texts ----------------------------------- */

static int make_range(struct evaluation *ev, const struct node *node,
                      const struct value *from, const struct value *to,
                      struct operand *out)
{
    struct value list = value_list();

    if (from->type != VALUE_INT || to->type != VALUE_INT)
        return evaluation_fail(ev, node, "a range has whole numbers at its ends");
    if (to->as.integer >= from->as.integer &&
        ((uint64_t)to->as.integer - (uint64_t)from->as.integer >= EXPR_MAX_ITEMS ||
         evaluation_spend(ev, node, (size_t)(to->as.integer - from->as.integer) + 1) ==
             -1))
        return evaluation_fail(ev, node, "this range is too long");
    for (int64_t i = from->as.integer; i <= to->as.integer; i++) {
        value_append(&list, value_int(i));
        if (i == INT64_MAX)
            break;
    }
    *out = operand_own(list);
    return 0;
}

static int concatenate(struct evaluation *ev, const struct node *node,
                       const struct value *a, const struct value *b,
                       struct operand *out)
{
    size_t n = a->as.string.n + b->as.string.n;
    struct value text;

    if (n > EXPR_MAX_ITEMS || evaluation_spend(ev, node, n / 16) == -1)
        return evaluation_fail(ev, node, "this text gets too long");
    text = (struct value){.type = VALUE_STRING, .as.string = {xmalloc(n + 1), n}};
    memcpy(text.as.string.data, a->as.string.data, a->as.string.n);
    memcpy(text.as.string.data + a->as.string.n, b->as.string.data, b->as.string.n + 1);
    *out = operand_own(text);
    return 0;
}

/* Whole numbers wrap around, as in Lua. */
static int calculate_whole(struct evaluation *ev, const struct node *node, int64_t a,
                           int64_t b, struct operand *out)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    switch (node->op) {
    case OP_ADD:
        x += y;
        break;
    case OP_SUBTRACT:
        x -= y;
        break;
    case OP_MULTIPLY:
        x *= y;
        break;
    default:
        if (b == 0)
            return evaluation_fail(ev, node,
                                   "nothing is left over from a division by 0");
        x = b == -1 ? 0 : (uint64_t)(a % b);
        break;
    }
    *out = operand_own(value_int((int64_t)x));
    return 0;
}

static int calculate(struct evaluation *ev, const struct node *node,
                     const struct value *a, const struct value *b, struct operand *out)
{
    double x, y;

    if (node->op == OP_ADD && a->type == VALUE_STRING && b->type == VALUE_STRING)
        return concatenate(ev, node, a, b, out);
    if (!is_number(a) || !is_number(b))
        return evaluation_fail(ev, node, "that takes numbers");
    if (a->type == VALUE_INT && b->type == VALUE_INT && node->op != OP_DIVIDE &&
        node->op != OP_POWER)
        return calculate_whole(ev, node, a->as.integer, b->as.integer, out);
    x = real_of(a), y = real_of(b);
    switch (node->op) {
    case OP_ADD:
        x += y;
        break;
    case OP_SUBTRACT:
        x -= y;
        break;
    case OP_MULTIPLY:
        x *= y;
        break;
    case OP_DIVIDE:
        x /= y;
        break;
    case OP_POWER:
        x = pow(x, y);
        break;
    default:
        return evaluation_fail(ev, node, "%% takes whole numbers");
    }
    *out = operand_own(value_float(x));
    return 0;
}

/* ---- all of them ----------------------------------------------------------------- */

int expr_apply(struct evaluation *ev, const struct node *node, const struct value *a,
               const struct value *b, struct operand *out)
{
    bool result = false;
    int failed = 0;

    switch (node->op) {
    case OP_EQUAL:
    case OP_UNEQUAL:
        failed = expr_equal(ev, node, a, b, &result);
        result = result == (node->op == OP_EQUAL);
        break;
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
        failed = order(ev, node, a, b, &result);
        break;
    case OP_IN:
        failed = is_in(ev, node, a, b, &result);
        break;
    case OP_CONTAINS:
    case OP_STARTS_WITH:
    case OP_ENDS_WITH:
    case OP_MATCHES:
        failed = search(ev, node, a, b, &result);
        break;
    case OP_RANGE:
        return make_range(ev, node, a, b, out);
    default:
        return calculate(ev, node, a, b, out);
    }
    *out = operand_own(value_bool(result != node->negated));
    return failed;
}
