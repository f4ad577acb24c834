
#include "common/buf.h"
#include "common/expr_private.h"

/* One walk over a list. */
struct round {
    const struct node *node;
    enum predicate predicate;
    size_t n_true;
    struct value made; /* of map, filter, groupBy; sortBy: the keys */
    struct value acc;  /* of sum and reduce */
    const struct value *found;
    size_t found_at;
};

enum { FAILED = -1, GO_ON = 0, ENOUGH = 1 };

/* ---- what is done with the answer about one item --------------------------------- */

static int note_truth(struct evaluation *ev, struct round *round,
                      const struct value *item, bool truth)
{
    round->n_true += truth;
    switch (round->predicate) {
    case PREDICATE_ALL:
        return truth ? GO_ON : ENOUGH;
    case PREDICATE_ANY:
    case PREDICATE_NO:
        return truth ? ENOUGH : GO_ON;
    case PREDICATE_ONE:
        return round->n_true > 1 ? ENOUGH : GO_ON;
    case PREDICATE_FILTER:
        if (!truth)
            return GO_ON;
        if (evaluation_charge_copy(ev, round->node, item) == -1)
            return FAILED;
        value_append(&round->made, value_copy(item));
        return GO_ON;
    case PREDICATE_COUNT:
        return GO_ON;
    default:
        if (!truth)
            return GO_ON;
        round->found = item;
        round->found_at = ev->index;
        return ENOUGH;
    }
}

static int note_number(struct evaluation *ev, struct round *round,
                       const struct value *number)
{
    struct value *acc = &round->acc;

    if (!is_number(number))
        return evaluation_fail(ev, round->node, "sum takes numbers");
    if (acc->type == VALUE_INT && number->type == VALUE_INT)
        *acc = value_int(
            (int64_t)((uint64_t)acc->as.integer + (uint64_t)number->as.integer));
    else
        *acc = value_float(real_of(acc) + real_of(number));
    return GO_ON;
}

/* Puts a copy of the item to those of the same key. */
static int note_group(struct evaluation *ev, struct round *round,
                      const struct value *item, const struct value *key)
{
    struct value *group;
    struct buf text;
    bool fits;

    if (evaluation_spend(ev, round->node, round->made.as.map.n / 16) == -1 ||
        evaluation_charge_copy(ev, round->node, item) == -1 ||
        evaluation_charge_copy(ev, round->node, key) == -1)
        return FAILED;
    if (!is_key(key) && key->type != VALUE_BOOL && !is_number(key))
        return evaluation_fail(ev, round->node, "groupBy takes texts and the like");
    buf_init(&text, EXPR_MAX_ITEMS);
    fits = key->type == VALUE_STRING
               ? buf_append(&text, key->as.string.data, key->as.string.n)
               : value_write_json(&text, key, 0);
    fits = fits && buf_append(&text, "", 1);
    if (fits) {
        const char *name = (const char *)buf_head(&text);

        group = value_get(&round->made, name);
        if (group == NULL)
            group = value_put(&round->made, name, value_list());
        value_append(group, value_copy(item));
    }
    buf_finish(&text);
    return fits ? GO_ON : evaluation_fail(ev, round->node, "the key is too long");
}

/* Takes answer; out is its own then. */
static int keep(struct evaluation *ev, const struct round *round,
                struct operand *answer, struct value *out)
{
    if (!answer->owned && evaluation_charge_copy(ev, round->node, answer->as.ref) == -1)
        return FAILED;
    *out = operand_take(answer);
    return GO_ON;
}

/* Takes answer. */
static int note(struct evaluation *ev, struct round *round, const struct value *item,
                struct operand *answer)
{
    const struct value *value = operand_value(answer);
    struct value kept;
    int status;

    switch (round->predicate) {
    case PREDICATE_MAP:
    case PREDICATE_SORT:
        status = keep(ev, round, answer, &kept);
        if (status == GO_ON)
            value_append(&round->made, kept);
        break;
    case PREDICATE_REDUCE:
        status = keep(ev, round, answer, &kept);
        if (status == GO_ON) {
            value_finish(&round->acc);
            round->acc = kept;
        }
        break;
    case PREDICATE_SUM:
        status = note_number(ev, round, value);
        break;
    case PREDICATE_GROUP:
        status = note_group(ev, round, item, value);
        break;
    default:
        if (value->type == VALUE_BOOL)
            status = note_truth(ev, round, item, value->as.boolean);
        else
            status = evaluation_fail(ev, round->node->kids[round->node->n_kids > 1],
                                     "expected a boolean");
        break;
    }
    operand_finish(answer);
    return status;
}

/* ---- the walk -------------------------------------------------------------------- */

static bool goes_backwards(enum predicate predicate)
{
    return predicate == PREDICATE_FIND_LAST || predicate == PREDICATE_FIND_LAST_INDEX;
}

/* Without a body the item itself is the answer. */
static int ask(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
               struct round *round, const struct value *item, size_t index)
{
    const struct node *node = round->node;
    struct operand answer = {.as.ref = item};

    ev->item = item;
    ev->index = index;
    if (evaluation_spend(ev, node, 1) == -1 ||
        (node->n_kids > 1 && expr_run(ev, node->kids[1], &answer) == -1))
        return FAILED;
    return note(ev, round, item, &answer);
}

/* What reduce begins with: its third argument, else the first item. *first_out: which
 * item comes next. */
static int begin_reduce(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                        struct round *round, const struct value *list,
                        size_t *first_out)
{
    struct operand start = {.as.ref = NULL};

    *first_out = 0;
    if (round->node->n_kids > 2) {
        if (expr_run(ev, round->node->kids[2], &start) == -1)
            return FAILED;
    } else if (list->as.list.n != 0) {
        start.as.ref = &list->as.list.items[0];
        *first_out = 1;
    } else {
        return evaluation_fail(ev, round->node, "reduce of nothing");
    }
    if (keep(ev, round, &start, &round->acc) == FAILED) {
        operand_finish(&start);
        return FAILED;
    }
    return GO_ON;
}

static int walk(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                struct round *round, const struct value *list)
{
    size_t n = list->as.list.n, first = 0;
    int status = GO_ON;

    if (round->predicate == PREDICATE_REDUCE) {
        status = begin_reduce(ev, round, list, &first);
        ev->acc = &round->acc;
    }
    for (size_t i = first; i < n && status == GO_ON; i++) {
        size_t at = goes_backwards(round->predicate) ? n - 1 - i : i;

        status = ask(ev, round, &list->as.list.items[at], at);
    }
    return status == FAILED ? -1 : 0;
}

/* ---- what comes of it ------------------------------------------------------------ */

static struct value take(struct value *value)
{
    struct value taken = *value;

    *value = (struct value){0};
    return taken;
}

/* sortBy's third argument is none of the items', and may be anything: it is asked for
 * here. */
static int sort(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                const struct round *round, const struct value *list,
                struct operand *out)
{
    struct operand order = {.as.ref = NULL};
    struct expr_call call = {ev, round->node, &order, 0, out};
    int failed;

    if (round->node->n_kids > 2) {
        if (expr_run(ev, round->node->kids[2], &order) == -1)
            return -1;
        call.n = 1;
    }
    failed = expr_sort(&call, list, &round->made, 0);
    if (call.n != 0)
        operand_finish(&order);
    return failed;
}

static int conclude(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                    struct round *round, const struct value *list, struct operand *out)
{
    struct value result = {0};

    switch (round->predicate) {
    case PREDICATE_ALL:
        result = value_bool(round->n_true == list->as.list.n);
        break;
    case PREDICATE_ANY:
        result = value_bool(round->n_true != 0);
        break;
    case PREDICATE_NO:
        result = value_bool(round->n_true == 0);
        break;
    case PREDICATE_ONE:
        result = value_bool(round->n_true == 1);
        break;
    case PREDICATE_COUNT:
        result = value_int((int64_t)round->n_true);
        break;
    case PREDICATE_FIND:
    case PREDICATE_FIND_LAST:
        if (round->found != NULL) {
            if (evaluation_charge_copy(ev, round->node, round->found) == -1)
                return -1;
            result = value_copy(round->found);
        }
        break;
    case PREDICATE_FIND_INDEX:
    case PREDICATE_FIND_LAST_INDEX:
        if (round->found != NULL)
            result = value_int((int64_t)round->found_at);
        break;
    case PREDICATE_SUM:
    case PREDICATE_REDUCE:
        result = take(&round->acc);
        break;
    case PREDICATE_SORT:
        return sort(ev, round, list, out);
    default:
        result = take(&round->made);
        break;
    }
    *out = operand_own(result);
    return 0;
}

int expr_predicate(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                   const struct node *node, struct operand *out)
{
    const struct value *outer = ev->item, *outer_acc = ev->acc, *list;
    size_t outer_index = ev->index;
    struct round round = {.node = node, .predicate = node->function->predicate};
    struct operand operand;
    int failed = -1;

    if (expr_run(ev, node->kids[0], &operand) == -1)
        return -1;
    list = expr_take(ev, node, &operand, VALUE_LIST);
    if (list != NULL) {
        round.made = round.predicate == PREDICATE_GROUP ? value_map() : value_list();
        if (round.predicate == PREDICATE_SUM)
            round.acc = value_int(0);
        failed = walk(ev, &round, list);
        ev->item = outer;
        ev->index = outer_index;
        ev->acc = outer_acc;
        if (failed == 0)
            failed = conclude(ev, &round, list, out);
        value_finish(&round.made); /* empty when it was the outcome */
        value_finish(&round.acc);
    }
    operand_finish(&operand);
    return failed;
}

const struct expr_function expr_predicates[] = {
    {"all", 2, 2, KNOWN_BOOL, NULL, PREDICATE_ALL},
    {"any", 2, 2, KNOWN_BOOL, NULL, PREDICATE_ANY},
    {"count", 1, 2, KNOWN_NUMBER, NULL, PREDICATE_COUNT},
    {"filter", 2, 2, KNOWN_LIST, NULL, PREDICATE_FILTER},
    {"find", 2, 2, KNOWN_NOTHING, NULL, PREDICATE_FIND},
    {"findIndex", 2, 2, KNOWN_NOTHING, NULL, PREDICATE_FIND_INDEX},
    {"findLast", 2, 2, KNOWN_NOTHING, NULL, PREDICATE_FIND_LAST},
    {"findLastIndex", 2, 2, KNOWN_NOTHING, NULL, PREDICATE_FIND_LAST_INDEX},
    {"groupBy", 2, 2, KNOWN_MAP, NULL, PREDICATE_GROUP},
    {"map", 2, 2, KNOWN_LIST, NULL, PREDICATE_MAP},
    {"none", 2, 2, KNOWN_BOOL, NULL, PREDICATE_NO},
    {"one", 2, 2, KNOWN_BOOL, NULL, PREDICATE_ONE},
    {"reduce", 2, 3, KNOWN_NOTHING, NULL, PREDICATE_REDUCE},
    {"sortBy", 2, 3, KNOWN_LIST, NULL, PREDICATE_SORT},
    {"sum", 1, 2, KNOWN_NUMBER, NULL, PREDICATE_SUM},
    {NULL, 0, 0, KNOWN_NOTHING, NULL, PREDICATE_NONE},
};
