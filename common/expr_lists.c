#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/expr_private.h"

#define MANY      1000 /* arguments */
#define MAX_LEVEL 64   /* of lists within lists that flatten() looks into */

/* Appends a copy, paid for. */
static int append_copy(struct expr_call *call, struct value *list,
                       const struct value *item)
{
    if (expr_call_spend(call, 1) == -1 || expr_call_charge(call, item) == -1)
        return -1;
    value_append(list, value_copy(item));
    return 0;
}

/* Takes made. */
static int return_made(struct expr_call *call, int failed, struct value made)
{
    if (failed != -1)
        return expr_return(call, made);
    value_finish(&made);
    return -1;
}

/* ---- parts ----------------------------------------------------------------------- */

static int take_end(struct expr_call *call, bool last)
{
    const struct value *list = expr_arg_as(call, 0, VALUE_LIST), *item;

    if (list == NULL)
        return -1;
    if (list->as.list.n == 0)
        return expr_return(call, (struct value){0});
    item = &list->as.list.items[last ? list->as.list.n - 1 : 0];
    return expr_call_charge(call, item) == -1 ? -1
                                              : expr_return(call, value_copy(item));
}

static int call_first(struct expr_call *call)
{
    return take_end(call, false);
}

static int call_last(struct expr_call *call)
{
    return take_end(call, true);
}

static int call_take_some(struct expr_call *call)
{
    const struct value *list = expr_arg_as(call, 0, VALUE_LIST);
    struct value made = value_list();
    int failed = 0;
    int64_t n;

    if (list == NULL || expr_arg_whole(call, 1, &n) == -1)
        return -1;
    if (n < 0)
        return expr_call_fail(call, "takes no number below 0");
    for (size_t i = 0; i < list->as.list.n && (int64_t)i < n && failed == 0; i++)
        failed = append_copy(call, &made, &list->as.list.items[i]);
    return return_made(call, failed, made);
}

/* What is there, nil where nothing is: no error. */
static int call_get(struct expr_call *call)
{
    const struct value *in = expr_arg(call, 0), *key = expr_arg(call, 1), *found = NULL;
    int64_t at;

    if (in->type == VALUE_MAP && key->type == VALUE_STRING) {
        if (expr_call_spend(call, in->as.map.n / 16) == -1)
            return -1;
        found = value_get_n(in, key->as.string.data, key->as.string.n);
    } else if (in->type == VALUE_LIST && key->type == VALUE_INT) {
        at = key->as.integer + (key->as.integer < 0 ? (int64_t)in->as.list.n : 0);
        if (at >= 0 && at < (int64_t)in->as.list.n)
            found = &in->as.list.items[at];
    }
    if (found == NULL)
        return expr_return(call, (struct value){0});
    return expr_call_charge(call, found) == -1 ? -1
                                               : expr_return(call, value_copy(found));
}

/* ---- whole lists ----------------------------------------------------------------- */

static int call_concat(struct expr_call *call)
{
    struct value made = value_list();
    int failed = 0;

    for (size_t i = 0; i < call->n && failed == 0; i++) {
        const struct value *list = expr_arg_as(call, i, VALUE_LIST);

        failed = list != NULL ? 0 : -1;
        for (size_t k = 0; failed == 0 && k < list->as.list.n; k++)
            failed = append_copy(call, &made, &list->as.list.items[k]);
    }
    return return_made(call, failed, made);
}

static int call_flatten(struct expr_call *call)
{
    struct {
        const struct value *list;
        size_t next;
    } levels[MAX_LEVEL];
    struct value made = value_list();
    size_t n = 1;
    int failed = 0;

    levels[0].list = expr_arg_as(call, 0, VALUE_LIST);
    levels[0].next = 0;
    if (levels[0].list == NULL)
        return -1;
    while (n > 0 && failed == 0) {
        const struct value *list = levels[n - 1].list, *item;

        if (levels[n - 1].next == list->as.list.n) {
            n--;
            continue;
        }
        item = &list->as.list.items[levels[n - 1].next++];
        if (item->type != VALUE_LIST) {
            failed = append_copy(call, &made, item);
        } else if (n == MAX_LEVEL || expr_call_spend(call, 1) == -1) {
            failed = n == MAX_LEVEL ? expr_call_fail(call, "takes fewer levels") : -1;
        } else {
            levels[n].list = item;
            levels[n++].next = 0;
        }
    }
    return return_made(call, failed, made);
}

static int call_reverse(struct expr_call *call)
{
    const struct value *list = expr_arg_as(call, 0, VALUE_LIST);
    struct value made = value_list();
    int failed = 0;

    if (list == NULL)
        return -1;
    for (size_t i = list->as.list.n; i-- > 0 && failed == 0;)
        failed = append_copy(call, &made, &list->as.list.items[i]);
    return return_made(call, failed, made);
}

static int is_among(struct expr_call *call, const struct value *list,
                    const struct value *item, bool *out)
{
    *out = false;
    for (size_t i = 0; i < list->as.list.n && !*out; i++)
        if (expr_call_spend(call, 1) == -1 ||
            expr_equal(call->ev, call->node, item, &list->as.list.items[i], out) == -1)
            return -1;
    return 0;
}

static int call_uniq(struct expr_call *call)
{
    const struct value *list = expr_arg_as(call, 0, VALUE_LIST);
    struct value made = value_list();
    int failed = 0;
    bool known;

    if (list == NULL)
        return -1;
    for (size_t i = 0; i < list->as.list.n && failed == 0; i++) {
        failed = is_among(call, &made, &list->as.list.items[i], &known);
        if (failed == 0 && !known)
            failed = append_copy(call, &made, &list->as.list.items[i]);
    }
    return return_made(call, failed, made);
}

/* ---- order ----------------------------------------------------------------------- */

struct sorted {
    const struct value *key;
    size_t index;
};

static int compare_keys(const struct value *a, const struct value *b)
{
    return is_number(a) ? number_compare(number_of(a), number_of(b))
                        : expr_compare_texts(a, b);
}

/* What comes first stays first where keys are equal, whatever the order. */
static int ascending(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    int order = compare_keys(x->key, y->key);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static int descending(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    int order = compare_keys(y->key, x->key);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* All numbers or all texts. */
static bool have_order(const struct value *keys)
{
    for (size_t i = 0; i < keys->as.list.n; i++) {
        const struct value *key = &keys->as.list.items[i];
        bool is_text = key->type == VALUE_STRING;

        if ((!is_text && (!is_number(key) || isnan(real_of(key)))) ||
            is_text != (keys->as.list.items[0].type == VALUE_STRING))
            return false;
    }
    return true;
}

/* Looks at each key as often as sorting may do. */
static int charge_sorting(struct expr_call *call, const struct value *keys)
{
    for (size_t n = keys->as.list.n; n > 0; n /= 2)
        if (expr_call_charge(call, keys) == -1)
            return -1;
    return 0;
}

int expr_sort(struct expr_call *call, const struct value *items,
              const struct value *keys, size_t order_arg)
{
    const struct value *order = NULL;
    struct value made = value_list();
    struct sorted *rows;
    size_t n = keys->as.list.n;
    int failed = 0;

    if (call->n > order_arg) {
        order = expr_arg_as(call, order_arg, VALUE_STRING);
        if (order == NULL)
            return -1;
        if (strcmp(order->as.string.data, "asc") != 0 &&
            strcmp(order->as.string.data, "desc") != 0)
            return expr_call_fail(call, "takes the order asc or desc");
    }
    if (!have_order(keys))
        return expr_call_fail(call, "takes numbers only, or texts only");
    if (charge_sorting(call, keys) == -1)
        return -1;
    rows = calloc(n + 1, sizeof(*rows));
    if (rows == NULL)
        return expr_call_fail(call, "takes more memory than there is");
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct sorted){&keys->as.list.items[i], i};
    qsort(rows, n, sizeof(*rows),
          order != NULL && order->as.string.data[0] == 'd' ? descending : ascending);
    for (size_t i = 0; i < n && failed == 0; i++)
        failed = append_copy(call, &made, &items->as.list.items[rows[i].index]);
    free(rows);
    return return_made(call, failed, made);
}

static int call_sort(struct expr_call *call)
{
    const struct value *list = expr_arg_as(call, 0, VALUE_LIST);

    return list != NULL ? expr_sort(call, list, list, 1) : -1;
}

/* ---- maps ------------------------------------------------------------------------ */

static int list_pairs(struct expr_call *call, bool keys, bool values)
{
    const struct value *map = expr_arg_as(call, 0, VALUE_MAP);
    struct value list;

    if (map == NULL || expr_call_charge(call, map) == -1)
        return -1;
    list = value_list();
    for (size_t i = 0; i < map->as.map.n; i++) {
        const struct value_pair *pair = &map->as.map.pairs[i];
        struct value both;

        if (!keys || !values) {
            value_append(&list,
                         keys ? value_string(pair->key) : value_copy(&pair->value));
            continue;
        }
        both = value_list();
        value_append(&both, value_string(pair->key));
        value_append(&both, value_copy(&pair->value));
        value_append(&list, both);
    }
    return expr_return(call, list);
}

static int call_keys(struct expr_call *call)
{
    return list_pairs(call, true, false);
}

static int call_values(struct expr_call *call)
{
    return list_pairs(call, false, true);
}

static int call_to_pairs(struct expr_call *call)
{
    return list_pairs(call, true, true);
}

static int call_from_pairs(struct expr_call *call)
{
    const struct value *list = expr_arg_as(call, 0, VALUE_LIST);
    struct value made = value_map();
    int failed = 0;

    if (list == NULL || expr_call_charge(call, list) == -1)
        return -1;
    for (size_t i = 0; i < list->as.list.n && failed == 0; i++) {
        const struct value *pair = &list->as.list.items[i], *key;

        if (pair->type != VALUE_LIST || pair->as.list.n != 2 ||
            !is_key(&pair->as.list.items[0])) {
            failed = expr_call_fail(call, "takes a list of [text, value]");
            break;
        }
        key = &pair->as.list.items[0];
        failed = expr_call_spend(call, made.as.map.n / 16);
        if (failed == 0)
            value_put(&made, key->as.string.data, value_copy(&pair->as.list.items[1]));
    }
    return return_made(call, failed, made);
}

const struct expr_function expr_list_functions[] = {
    {"concat", 1, MANY, KNOWN_LIST, call_concat, PREDICATE_NONE},
    {"first", 1, 1, KNOWN_NOTHING, call_first, PREDICATE_NONE},
    {"flatten", 1, 1, KNOWN_LIST, call_flatten, PREDICATE_NONE},
    {"fromPairs", 1, 1, KNOWN_MAP, call_from_pairs, PREDICATE_NONE},
    {"get", 2, 2, KNOWN_NOTHING, call_get, PREDICATE_NONE},
    {"keys", 1, 1, KNOWN_LIST, call_keys, PREDICATE_NONE},
    {"last", 1, 1, KNOWN_NOTHING, call_last, PREDICATE_NONE},
    {"reverse", 1, 1, KNOWN_LIST, call_reverse, PREDICATE_NONE},
    {"sort", 1, 2, KNOWN_LIST, call_sort, PREDICATE_NONE},
    {"take", 2, 2, KNOWN_LIST, call_take_some, PREDICATE_NONE},
    {"toPairs", 1, 1, KNOWN_LIST, call_to_pairs, PREDICATE_NONE},
    {"uniq", 1, 1, KNOWN_LIST, call_uniq, PREDICATE_NONE},
    {"values", 1, 1, KNOWN_LIST, call_values, PREDICATE_NONE},
    {NULL, 0, 0, KNOWN_NOTHING, NULL, PREDICATE_NONE},
};
