#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/expr_private.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/regex.h"

static const struct value nil;

/* ---- operands and bounds ----
 */

void operand_finish(struct operand *operand)
{
    if (operand->owned)
        value_finish(&operand->as.own);
    *operand = (struct operand){.as.ref = &nil};
}

struct value operand_take(struct operand *operand)
{
    struct value value = operand->owned ? operand->as.own : value_copy(operand->as.ref);

    *operand = (struct operand){.as.ref = &nil};
    return value;
}

int evaluation_fail(struct evaluation *ev, const struct node *node, const char *fmt,
                    ...)
{
    char what[160];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return expr_fail_at(ev->expr->text, node->at, ev->err, "%s", what);
}

int evaluation_spend(struct evaluation *ev, const struct node *node, size_t n)
{
    if (n > ev->n_steps)
        return evaluation_fail(ev, node, "this takes too many steps");
    ev->n_steps -= n;
    return 0;
}

/* How much there is to copy. */
static size_t weight_of(const struct value *value) /* NOLINT(misc-no-recursion) */
{
    size_t weight = 1;

    if (value->type == VALUE_STRING)
        weight += value->as.string.n / 16;
    for (size_t i = 0; value->type == VALUE_LIST && i < value->as.list.n; i++)
        weight += weight_of(&value->as.list.items[i]);
    for (size_t i = 0; value->type == VALUE_MAP && i < value->as.map.n; i++)
        weight += weight_of(&value->as.map.pairs[i].value);
    return weight;
}

int evaluation_charge_copy(struct evaluation *ev, const struct node *node,
                           const struct value *value)
{
    if (value->type < VALUE_STRING)
        return 0;
    return evaluation_spend(ev, node, weight_of(value));
}

/* ---- what operators do ----
 */

static bool is_number(const struct value *value)
{
    return value->type == VALUE_INT || value->type == VALUE_FLOAT;
}

static double real_of(const struct value *value)
{
    return value->type == VALUE_INT ? (double)value->as.integer : value->as.real;
}

static struct number number_of(const struct value *value)
{
    return value->type == VALUE_INT ? number_of_integer(value->as.integer)
                                    : number_of_real(value->as.real);
}

static bool are_equal(const struct value *a, const struct value *b)
{
    if (is_number(a) && is_number(b))
        return !isnan(real_of(a)) && !isnan(real_of(b)) &&
               number_compare(number_of(a), number_of(b)) == 0;
    return a->type == b->type && value_equal(a, b);
}

static int compare_texts(const struct value *a, const struct value *b)
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
        cmp = compare_texts(a, b);
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

static int is_in(struct evaluation *ev, const struct node *node,
                 const struct value *what, const struct value *in, bool *out)
{
    *out = false;
    if (in->type == VALUE_NIL)
        return 0;
    if (in->type == VALUE_MAP) {
        *out =
            what->type == VALUE_STRING && value_get(in, what->as.string.data) != NULL;
        return 0;
    }
    if (in->type != VALUE_LIST)
        return evaluation_fail(ev, node, "only lists and maps have something in them");
    if (evaluation_spend(ev, node, in->as.list.n) == -1)
        return -1;
    for (size_t i = 0; i < in->as.list.n && !*out; i++)
        *out = are_equal(what, &in->as.list.items[i]);
    return 0;
}

static int match(struct evaluation *ev, const struct node *node,
                 const struct value *text, const struct value *pattern, bool *out)
{
    const struct regex *regex = node->regex;
    struct regex *own = NULL;

    if (regex == NULL) {
        own = regex_create(pattern->as.string.data, pattern->as.string.n, NULL, 0);
        if (own == NULL)
            return evaluation_fail(ev, node, "invalid pattern");
        regex = own;
    }
    *out = regex_matches(regex, text->as.string.data, text->as.string.n);
    regex_destroy(own);
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
    if (evaluation_spend(ev, node, (n + n_part) / 64) == -1)
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

static int apply(struct evaluation *ev, const struct node *node, const struct value *a,
                 const struct value *b, struct operand *out)
{
    bool result = false;
    int failed = 0;

    switch (node->op) {
    case OP_EQUAL:
    case OP_UNEQUAL:
        result = are_equal(a, b) == (node->op == OP_EQUAL);
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

/* ---- nodes ----
 */

/* A boolean, or an error: nothing else is true or false. */
static int run_condition(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                         const struct node *node, bool *out)
{
    struct operand operand;
    const struct value *value;

    if (expr_run(ev, node, &operand) == -1)
        return -1;
    value = operand_value(&operand);
    *out = value->type == VALUE_BOOL && value->as.boolean;
    if (value->type == VALUE_BOOL)
        return 0;
    operand_finish(&operand);
    return evaluation_fail(ev, node, "expected a boolean");
}

static int run_binary(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                      const struct node *node, struct operand *out)
{
    struct operand a, b;
    bool truth;
    int failed;

    if (node->op == OP_OR || node->op == OP_AND) {
        if (run_condition(ev, node->kids[0], &truth) == -1 ||
            (truth == (node->op == OP_AND) &&
             run_condition(ev, node->kids[1], &truth) == -1))
            return -1;
        *out = operand_own(value_bool(truth));
        return 0;
    }
    if (expr_run(ev, node->kids[0], &a) == -1)
        return -1;
    if (node->op == OP_DEFAULT && operand_value(&a)->type != VALUE_NIL) {
        *out = a;
        return 0;
    }
    if (expr_run(ev, node->kids[1], &b) == -1) {
        operand_finish(&a);
        return -1;
    }
    if (node->op == OP_DEFAULT) {
        *out = b;
        return 0;
    }
    failed = apply(ev, node, operand_value(&a), operand_value(&b), out);
    operand_finish(&a);
    operand_finish(&b);
    return failed;
}

static int run_unary(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                     const struct node *node, struct operand *out)
{
    const struct value *value;
    bool truth;

    if (node->op == OP_NOT) {
        if (run_condition(ev, node->kids[0], &truth) == -1)
            return -1;
        *out = operand_own(value_bool(!truth));
        return 0;
    }
    if (expr_run(ev, node->kids[0], out) == -1)
        return -1;
    value = operand_value(out);
    if (!is_number(value)) {
        operand_finish(out);
        return evaluation_fail(ev, node, "that takes a number");
    }
    if (node->op == OP_MINUS)
        *out = operand_own(value->type == VALUE_INT
                               ? value_int((int64_t)(0 - (uint64_t)value->as.integer))
                               : value_float(-value->as.real));
    return 0;
}

/* Of a list, also from its end; NULL: there is none. */
static const struct value *item_at(const struct value *list, int64_t index)
{
    int64_t n = (int64_t)list->as.list.n;

    if (index < 0)
        index += n;
    return index >= 0 && index < n ? &list->as.list.items[index] : NULL;
}

static int look_up(struct evaluation *ev, const struct node *node,
                   const struct value *in, const struct value *key,
                   const struct value **out)
{
    *out = NULL;
    if (in->type == VALUE_MAP && key->type == VALUE_STRING) {
        *out = value_get(in, key->as.string.data);
    } else if (in->type == VALUE_LIST && key->type == VALUE_INT) {
        *out = item_at(in, key->as.integer);
        if (*out == NULL)
            return evaluation_fail(ev, node, "there is no item %lld of %zu",
                                   (long long)key->as.integer, in->as.list.n);
    } else if (in->type == VALUE_NIL) {
        return evaluation_fail(ev, node, "nil has no '%s'",
                               key->type == VALUE_STRING ? key->as.string.data
                                                         : "items");
    } else {
        return evaluation_fail(ev, node, "only maps and lists have members");
    }
    if (*out == NULL)
        *out = &nil;
    return 0;
}

/* container is taken; *out may be borrowed from what it borrowed. */
static int take_member(struct evaluation *ev, const struct node *node,
                       struct operand *container, const struct value *key,
                       struct operand *out)
{
    const struct value *found;

    if (look_up(ev, node, operand_value(container), key, &found) == -1) {
        operand_finish(container);
        return -1;
    }
    if (!container->owned) {
        *out = (struct operand){.as.ref = found};
        return 0;
    }
    if (evaluation_charge_copy(ev, node, found) == -1) {
        operand_finish(container);
        return -1;
    }
    *out = operand_own(value_copy(found));
    operand_finish(container);
    return 0;
}

static int run_member(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                      const struct node *node, struct operand *out)
{
    struct operand container, key;
    int failed;

    if (expr_run(ev, node->kids[0], &container) == -1)
        return -1;
    if (!ev->stopped && node->optional && operand_value(&container)->type == VALUE_NIL)
        ev->stopped = true;
    if (ev->stopped) {
        *out = container;
        return 0;
    }
    if (expr_run(ev, node->kids[1], &key) == -1) {
        operand_finish(&container);
        return -1;
    }
    failed = take_member(ev, node, &container, operand_value(&key), out);
    operand_finish(&key);
    return failed;
}

/* One end of a slice; NULL = open. */
static int run_bound(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                     const struct node *node, size_t n, size_t fallback, size_t *out)
{
    struct operand operand;
    const struct value *value;
    int64_t at;

    *out = fallback;
    if (node == NULL)
        return 0;
    if (expr_run(ev, node, &operand) == -1)
        return -1;
    value = operand_value(&operand);
    if (value->type != VALUE_INT) {
        operand_finish(&operand);
        return evaluation_fail(ev, node, "a slice has whole numbers at its ends");
    }
    at = value->as.integer;
    if (at < 0)
        at += (int64_t)n;
    *out = at < 0 ? 0 : at > (int64_t)n ? n : (size_t)at;
    return 0;
}

static int run_slice(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                     const struct node *node, struct operand *out)
{
    const struct value *value;
    struct operand whole;
    struct value part;
    size_t n, from = 0, to = 0;
    int failed = 0;

    if (expr_run(ev, node->kids[0], &whole) == -1)
        return -1;
    if (ev->stopped) {
        *out = whole;
        return 0;
    }
    value = operand_value(&whole);
    n = value->type == VALUE_LIST     ? value->as.list.n
        : value->type == VALUE_STRING ? value->as.string.n
                                      : 0;
    if (value->type != VALUE_LIST && value->type != VALUE_STRING)
        failed = evaluation_fail(ev, node, "only lists and texts have slices");
    else if (run_bound(ev, node->kids[1], n, 0, &from) == -1 ||
             run_bound(ev, node->kids[2], n, n, &to) == -1 ||
             evaluation_spend(ev, node, to > from ? to - from : 0) == -1)
        failed = -1;
    if (failed == 0) {
        to = to < from ? from : to;
        if (value->type == VALUE_STRING) {
            part = value_bytes(value->as.string.data + from, to - from);
        } else {
            part = value_list();
            for (size_t i = from; i < to; i++)
                value_append(&part, value_copy(&value->as.list.items[i]));
        }
        *out = operand_own(part);
    }
    operand_finish(&whole);
    return failed;
}

static int run_list(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                    const struct node *node, struct operand *out)
{
    struct value list = value_list();
    struct operand item;

    for (size_t i = 0; i < node->n_kids; i++) {
        if (expr_run(ev, node->kids[i], &item) == -1) {
            value_finish(&list);
            return -1;
        }
        if (evaluation_charge_copy(ev, node, operand_value(&item)) == -1) {
            operand_finish(&item);
            value_finish(&list);
            return -1;
        }
        value_append(&list, operand_take(&item));
    }
    *out = operand_own(list);
    return 0;
}

static int run_map(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                   const struct node *node, struct operand *out)
{
    struct value map = value_map();
    struct operand key, item;

    for (size_t i = 0; i + 1 < node->n_kids; i += 2) {
        if (expr_run(ev, node->kids[i], &key) == -1)
            goto failed;
        if (operand_value(&key)->type != VALUE_STRING) {
            operand_finish(&key);
            evaluation_fail(ev, node->kids[i], "a key is a text");
            goto failed;
        }
        if (expr_run(ev, node->kids[i + 1], &item) == -1) {
            operand_finish(&key);
            goto failed;
        }
        if (evaluation_charge_copy(ev, node, operand_value(&item)) == -1) {
            operand_finish(&key);
            operand_finish(&item);
            goto failed;
        }
        value_put_n(&map, operand_value(&key)->as.string.data,
                    operand_value(&key)->as.string.n, operand_take(&item));
        operand_finish(&key);
    }
    *out = operand_own(map);
    return 0;
failed:
    value_finish(&map);
    return -1;
}

static int run_call(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                    const struct node *node, struct operand *out)
{
    struct operand few[4], *args = few;
    size_t n = 0;
    int failed = 0;

    if (node->n_kids > N_ELEMENTS(few))
        args = xcalloc(node->n_kids, sizeof(*args));
    while (failed == 0 && n < node->n_kids) {
        failed = expr_run(ev, node->kids[n], &args[n]);
        n += failed == 0;
    }
    if (failed == 0)
        failed = node->function->call(ev, node, args, n, out);
    for (size_t i = 0; i < n; i++)
        operand_finish(&args[i]);
    if (args != few)
        free(args);
    return failed;
}

static int run_let(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                   const struct node *node, struct operand *out)
{
    struct operand operand;
    struct value *local = &ev->locals[node->index];

    if (expr_run(ev, node->kids[0], &operand) == -1)
        return -1;
    value_finish(local); /* of a predicate's last round */
    *local = operand_take(&operand);
    if (expr_run(ev, node->kids[1], &operand) == -1)
        return -1;
    *out = operand_own(operand_take(&operand)); /* may have been borrowed from it */
    return 0;
}

int expr_run(struct evaluation *ev, /* NOLINT(misc-no-recursion): height is bounded */
             const struct node *node, struct operand *out)
{
    const struct value *found;
    bool truth;
    int failed;

    if (evaluation_spend(ev, node, 1) == -1)
        return -1;
    switch (node->type) {
    case NODE_LITERAL:
        *out = (struct operand){.as.ref = &node->value};
        return 0;
    case NODE_VARIABLE:
        found = value_get(ev->variables, node->value.as.string.data);
        *out = (struct operand){.as.ref = found != NULL ? found : &nil};
        return 0;
    case NODE_LOCAL:
        *out = (struct operand){.as.ref = &ev->locals[node->index]};
        return 0;
    case NODE_ITEM:
        *out = (struct operand){.as.ref = ev->item};
        return 0;
    case NODE_LIST:
        return run_list(ev, node, out);
    case NODE_MAP:
        return run_map(ev, node, out);
    case NODE_MEMBER:
        return run_member(ev, node, out);
    case NODE_CHAIN:
        failed = expr_run(ev, node->kids[0], out);
        ev->stopped = false;
        return failed;
    case NODE_SLICE:
        return run_slice(ev, node, out);
    case NODE_UNARY:
        return run_unary(ev, node, out);
    case NODE_BINARY:
        return run_binary(ev, node, out);
    case NODE_CHOICE:
        if (run_condition(ev, node->kids[0], &truth) == -1)
            return -1;
        return expr_run(ev, node->kids[truth ? 1 : 2], out);
    case NODE_CALL:
        return run_call(ev, node, out);
    case NODE_PREDICATE:
        return expr_predicate(ev, node, out);
    case NODE_LET:
        return run_let(ev, node, out);
    }
    return -1;
}

int expr_evaluate(const struct expr *expr, const struct value *variables,
                  struct value *value_out, struct err *err)
{
    struct evaluation ev = {
        .expr = expr, .variables = variables, .n_steps = EXPR_MAX_STEPS, .err = err};
    struct operand result;
    int failed;

    if (expr->n_locals != 0)
        ev.locals = xcalloc(expr->n_locals, sizeof(*ev.locals));
    failed = expr_run(&ev, expr->root, &result);
    if (failed == 0)
        *value_out = operand_take(&result);
    for (unsigned i = 0; i < expr->n_locals; i++)
        value_finish(&ev.locals[i]);
    free(ev.locals);
    return failed;
}
