#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/expr_private.h"
#include "common/mem.h"

static const struct value nil;

/* ---- operands and bounds --------------------------------------------------------- */

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

    if (ev->err == NULL)
        return -1;
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
        weight += strlen(value->as.map.pairs[i].key) / 16 +
                  weight_of(&value->as.map.pairs[i].value);
    return weight;
}

int evaluation_charge_copy(struct evaluation *ev, const struct node *node,
                           const struct value *value)
{
    if (value->type < VALUE_STRING)
        return 0;
    return evaluation_spend(ev, node, weight_of(value));
}

/* ---- nodes ----------------------------------------------------------------------- */

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
    failed = expr_apply(ev, node, operand_value(&a), operand_value(&b), out);
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
    *out = &nil;
    if (in->type == VALUE_MAP && key->type == VALUE_STRING) {
        if (evaluation_spend(ev, node, in->as.map.n / 16) == -1)
            return -1;
        *out = value_get_n(in, key->as.string.data, key->as.string.n);
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

/* A list's items or a text's bytes; NULL = of neither. */
static const size_t *length_of(const struct value *value)
{
    return value->type == VALUE_LIST     ? &value->as.list.n
           : value->type == VALUE_STRING ? &value->as.string.n
                                         : NULL;
}

static int copy_part(struct evaluation *ev, const struct node *node,
                     const struct value *whole, size_t from, size_t to,
                     struct value *out)
{
    struct value part;

    to = to < from ? from : to;
    if (evaluation_spend(ev, node, to - from) == -1)
        return -1;
    if (whole->type == VALUE_STRING) {
        *out = value_bytes(whole->as.string.data + from, to - from);
        return 0;
    }
    part = value_list();
    for (size_t i = from; i < to; i++) {
        if (evaluation_charge_copy(ev, node, &whole->as.list.items[i]) == -1) {
            value_finish(&part);
            return -1;
        }
        value_append(&part, value_copy(&whole->as.list.items[i]));
    }
    *out = part;
    return 0;
}

static int run_slice(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                     const struct node *node, struct operand *out)
{
    struct operand whole;
    struct value part;
    const size_t *n;
    size_t from, to;
    int failed;

    if (expr_run(ev, node->kids[0], &whole) == -1)
        return -1;
    if (ev->stopped) {
        *out = whole;
        return 0;
    }
    n = length_of(operand_value(&whole));
    if (n == NULL)
        failed = evaluation_fail(ev, node, "only lists and texts have slices");
    else if (run_bound(ev, node->kids[1], *n, 0, &from) == -1 ||
             run_bound(ev, node->kids[2], *n, *n, &to) == -1)
        failed = -1;
    else
        failed = copy_part(ev, node, operand_value(&whole), from, to, &part);
    operand_finish(&whole);
    if (failed == 0)
        *out = operand_own(part);
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
        if (!is_key(operand_value(&key))) {
            operand_finish(&key);
            evaluation_fail(ev, node->kids[i], "a key is a text without a NUL byte");
            goto failed;
        }
        if (expr_run(ev, node->kids[i + 1], &item) == -1) {
            operand_finish(&key);
            goto failed;
        }
        if (evaluation_spend(ev, node, map.as.map.n / 16) == -1 ||
            evaluation_charge_copy(ev, node, operand_value(&item)) == -1) {
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
    struct expr_call call;
    size_t n = 0;
    int failed = 0;

    if (node->n_kids > N_ELEMENTS(few))
        args = xcalloc(node->n_kids, sizeof(*args));
    while (failed == 0 && n < node->n_kids) {
        failed = expr_run(ev, node->kids[n], &args[n]);
        n += failed == 0;
    }
    if (failed == 0) {
        call = (struct expr_call){ev, node, args, n, out};
        failed = node->function->call(&call);
    }
    for (size_t i = 0; i < n; i++)
        operand_finish(&args[i]);
    if (args != few)
        free(args);
    return failed;
}

/* operand is gone afterwards; value_out is untouched on -1. */
static int take(struct evaluation *ev, const struct node *node, struct operand *operand,
                struct value *value_out)
{
    if (!operand->owned && evaluation_charge_copy(ev, node, operand->as.ref) == -1)
        return -1;
    *value_out = operand_take(operand);
    return 0;
}

static int run_let(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                   const struct node *node, struct operand *out)
{
    struct operand operand;
    struct value *local = &ev->locals[node->index], result;

    assert(ev->locals != NULL); /* expr_compile() has counted */
    if (expr_run(ev, node->kids[0], &operand) == -1)
        return -1;
    value_finish(local); /* of a predicate's last round */
    if (take(ev, node, &operand, local) == -1 ||
        expr_run(ev, node->kids[1], &operand) == -1 ||
        take(ev, node, &operand, &result) == -1) /* it may be borrowed from the local */
        return -1;
    *out = operand_own(result);
    return 0;
}

int expr_run(struct evaluation *ev, /* NOLINT(misc-no-recursion): height is bounded */
             const struct node *node, struct operand *out)
{
    const struct value *found;
    bool truth;
    int failed;

    *out = (struct operand){.as.ref = &nil};
    if (evaluation_spend(ev, node, 1) == -1)
        return -1;
    switch (node->type) {
    case NODE_LITERAL:
        *out = (struct operand){.as.ref = &node->value};
        return 0;
    case NODE_VARIABLE:
        if (ev->variables != NULL &&
            evaluation_spend(ev, node, ev->variables->as.map.n / 16) == -1)
            return -1;
        found = value_get(ev->variables, node->value.as.string.data);
        *out = (struct operand){.as.ref = found != NULL ? found : &nil};
        return 0;
    case NODE_LOCAL:
        *out = (struct operand){.as.ref = &ev->locals[node->index]};
        return 0;
    case NODE_ITEM:
        *out = (struct operand){.as.ref = ev->item};
        return 0;
    case NODE_INDEX:
        *out = operand_own(value_int((int64_t)ev->index));
        return 0;
    case NODE_ACC:
        *out = (struct operand){.as.ref = ev->acc};
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
    expr_forget_pattern(&ev);
    return failed;
}
