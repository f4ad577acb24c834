#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/expr_private.h"
#include "common/mem.h"

#define MANY             1000 /* arguments */
#define MAX_NUMBER_BYTES 1000 /* of a text that is one */

/* The argument's value; NULL with an error when it is of another type. */
static const struct value *arg(struct evaluation *ev, const struct node *node,
                               const struct operand *operand, enum value_type type)
{
    static const char *const names[] = {
        [VALUE_STRING] = "a text", [VALUE_LIST] = "a list", [VALUE_MAP] = "a map"};
    static const struct value empty = {.type = VALUE_LIST};
    const struct value *value = operand_value(operand);

    if (value->type == type)
        return value;
    if (type == VALUE_LIST && value->type == VALUE_MAP && value->as.map.n == 0)
        return &empty; /* what an empty Lua table is, nobody can tell */
    evaluation_fail(ev, node, "%s takes %s", node->function->name, names[type]);
    return NULL;
}

/* ---- of everything
 * ---- */

static size_t count_letters(const struct value *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->as.string.n; i++)
        n += ((unsigned char)text->as.string.data[i] & 0xc0) != 0x80;
    return n;
}

static int call_len(struct evaluation *ev, const struct node *node,
                    struct operand *args, size_t n, struct operand *out)
{
    const struct value *value = operand_value(&args[0]);
    size_t len;

    (void)n;
    if (value->type == VALUE_STRING && evaluation_charge_copy(ev, node, value) == -1)
        return -1;
    if (value->type == VALUE_STRING)
        len = count_letters(value);
    else if (value->type == VALUE_LIST)
        len = value->as.list.n;
    else if (value->type == VALUE_MAP)
        len = value->as.map.n;
    else
        return evaluation_fail(ev, node, "len takes a text, a list or a map");
    *out = operand_own(value_int((int64_t)len));
    return 0;
}

static int call_now(struct evaluation *ev, const struct node *node,
                    struct operand *args, size_t n, struct operand *out)
{
    struct timespec now;

    (void)ev, (void)node, (void)args, (void)n;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = operand_own(value_int(now.tv_sec));
    return 0;
}

/* ---- texts: letters beyond ASCII have no case here
 * ---- */

static int change_case(struct evaluation *ev, const struct node *node,
                       struct operand *args, int (*change)(int), struct operand *out)
{
    const struct value *text = arg(ev, node, &args[0], VALUE_STRING);
    struct value result;

    if (text == NULL || evaluation_spend(ev, node, text->as.string.n / 16) == -1)
        return -1;
    result = value_bytes(text->as.string.data, text->as.string.n);
    for (size_t i = 0; i < result.as.string.n; i++)
        if ((unsigned char)result.as.string.data[i] < 0x80)
            result.as.string.data[i] = (char)change(result.as.string.data[i]);
    *out = operand_own(result);
    return 0;
}

static int call_lower(struct evaluation *ev, const struct node *node,
                      struct operand *args, size_t n, struct operand *out)
{
    (void)n;
    return change_case(ev, node, args, tolower, out);
}

static int call_upper(struct evaluation *ev, const struct node *node,
                      struct operand *args, size_t n, struct operand *out)
{
    (void)n;
    return change_case(ev, node, args, toupper, out);
}

static int call_trim(struct evaluation *ev, const struct node *node,
                     struct operand *args, size_t n, struct operand *out)
{
    const struct value *text = arg(ev, node, &args[0], VALUE_STRING), *chars = NULL;
    const char *set = " \t\r\n\v\f", *from, *to;

    if (text == NULL)
        return -1;
    if (n > 1) {
        chars = arg(ev, node, &args[1], VALUE_STRING);
        if (chars == NULL)
            return -1;
        set = chars->as.string.data;
    }
    from = text->as.string.data;
    to = from + text->as.string.n;
    if (evaluation_spend(ev, node, (size_t)(to - from) * (1 + strlen(set) / 16)) == -1)
        return -1;
    while (from < to && *from != '\0' && strchr(set, *from) != NULL)
        from++;
    while (to > from && to[-1] != '\0' && strchr(set, to[-1]) != NULL)
        to--;
    *out = operand_own(value_bytes(from, (size_t)(to - from)));
    return 0;
}

static int call_split(struct evaluation *ev, const struct node *node,
                      struct operand *args, size_t n, struct operand *out)
{
    const struct value *text = arg(ev, node, &args[0], VALUE_STRING);
    const struct value *mark = arg(ev, node, &args[1], VALUE_STRING);
    struct value list;
    const char *at, *end, *next;

    (void)n;
    if (text == NULL || mark == NULL)
        return -1;
    if (mark->as.string.n == 0)
        return evaluation_fail(ev, node, "split needs a text to split at");
    if (evaluation_spend(ev, node, text->as.string.n) == -1)
        return -1;
    list = value_list();
    at = text->as.string.data;
    end = at + text->as.string.n;
    while ((next = memmem(at, (size_t)(end - at), mark->as.string.data,
                          mark->as.string.n)) != NULL) {
        value_append(&list, value_bytes(at, (size_t)(next - at)));
        at = next + mark->as.string.n;
    }
    value_append(&list, value_bytes(at, (size_t)(end - at)));
    *out = operand_own(list);
    return 0;
}

static int call_join(struct evaluation *ev, const struct node *node,
                     struct operand *args, size_t n, struct operand *out)
{
    const struct value *list = arg(ev, node, &args[0], VALUE_LIST), *between = NULL;
    struct buf text;
    bool fits = true;

    if (list == NULL || evaluation_charge_copy(ev, node, list) == -1)
        return -1;
    if (n > 1) {
        between = arg(ev, node, &args[1], VALUE_STRING);
        if (between == NULL)
            return -1;
    }
    buf_init(&text, EXPR_MAX_ITEMS);
    for (size_t i = 0; i < list->as.list.n && fits; i++) {
        const struct value *item = &list->as.list.items[i];

        if (item->type != VALUE_STRING) {
            buf_finish(&text);
            return evaluation_fail(ev, node, "join takes a list of texts");
        }
        if (i != 0 && between != NULL)
            fits = buf_append(&text, between->as.string.data, between->as.string.n);
        fits = fits && buf_append(&text, item->as.string.data, item->as.string.n);
    }
    if (fits)
        *out = operand_own(buf_len(&text) != 0
                               ? value_bytes(buf_head(&text), buf_len(&text))
                               : value_string(""));
    buf_finish(&text);
    return fits ? 0 : evaluation_fail(ev, node, "this text gets too long");
}

/* ---- numbers
 * ---- */

/* wanted: the sign of what the better one has over the best so far. */
static int choose(struct evaluation *ev, const struct node *node, struct operand *args,
                  size_t n, int wanted, struct operand *out)
{
    const struct value *list = n == 1 ? operand_value(&args[0]) : NULL, *best = NULL;

    if (list != NULL && list->type == VALUE_LIST)
        n = list->as.list.n;
    else
        list = NULL;
    if (evaluation_spend(ev, node, n) == -1)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const struct value *value =
            list != NULL ? &list->as.list.items[i] : operand_value(&args[i]);

        if (!is_number(value) || (value->type == VALUE_FLOAT && isnan(value->as.real)))
            return evaluation_fail(ev, node, "%s takes numbers", node->function->name);
        if (best == NULL || number_compare(number_of(value), number_of(best)) == wanted)
            best = value;
    }
    if (best == NULL)
        return evaluation_fail(ev, node, "%s of nothing", node->function->name);
    *out = operand_own(value_copy(best));
    return 0;
}

static int call_min(struct evaluation *ev, const struct node *node,
                    struct operand *args, size_t n, struct operand *out)
{
    return choose(ev, node, args, n, -1, out);
}

static int call_max(struct evaluation *ev, const struct node *node,
                    struct operand *args, size_t n, struct operand *out)
{
    return choose(ev, node, args, n, 1, out);
}

static int call_abs(struct evaluation *ev, const struct node *node,
                    struct operand *args, size_t n, struct operand *out)
{
    const struct value *value = operand_value(&args[0]);

    (void)n;
    if (!is_number(value))
        return evaluation_fail(ev, node, "abs takes a number");
    if (value->type == VALUE_FLOAT)
        *out = operand_own(value_float(fabs(value->as.real)));
    else
        *out = operand_own(value_int(value->as.integer < 0
                                         ? (int64_t)(0 - (uint64_t)value->as.integer)
                                         : value->as.integer));
    return 0;
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

static int call_int(struct evaluation *ev, const struct node *node,
                    struct operand *args, size_t n, struct operand *out)
{
    const struct value *value = operand_value(&args[0]);
    double real = 0;
    char *end;
    long long whole;

    (void)n;
    if (value->type == VALUE_STRING && value->as.string.n != 0 &&
        value->as.string.n <= MAX_NUMBER_BYTES &&
        !isspace((unsigned char)value->as.string.data[0])) {
        errno = 0;
        whole = strtoll(value->as.string.data, &end, 10);
        if (errno == 0 && end == value->as.string.data + value->as.string.n) {
            *out = operand_own(value_int(whole));
            return 0;
        }
        return evaluation_fail(ev, node, "this text is no whole number");
    }
    if (value->type == VALUE_INT) {
        *out = operand_own(value_int(value->as.integer));
        return 0;
    }
    real = value->type == VALUE_FLOAT ? value->as.real : NAN;
    if (!(real > -9.2e18 && real < 9.2e18))
        return evaluation_fail(ev, node, "int takes a number or the text of one");
    *out = operand_own(value_int((int64_t)real));
    return 0;
}

static int call_float(struct evaluation *ev, const struct node *node,
                      struct operand *args, size_t n, struct operand *out)
{
    const struct value *value = operand_value(&args[0]);
    double real;

    (void)n;
    if (value->type == VALUE_INT)
        real = (double)value->as.integer;
    else if (value->type == VALUE_FLOAT)
        real = value->as.real;
    else if (value->type != VALUE_STRING || !read_real(value, &real))
        return evaluation_fail(ev, node, "float takes a number or the text of one");
    *out = operand_own(value_float(real));
    return 0;
}

static int call_string(struct evaluation *ev, const struct node *node,
                       struct operand *args, size_t n, struct operand *out)
{
    const struct value *value = operand_value(&args[0]);
    struct buf text;
    bool fits;

    (void)n;
    if (evaluation_charge_copy(ev, node, value) == -1)
        return -1;
    if (value->type == VALUE_STRING) {
        *out = operand_own(operand_take(&args[0]));
        return 0;
    }
    buf_init(&text, EXPR_MAX_ITEMS);
    fits = value->type == VALUE_NIL ? buf_append_text(&text, "nil")
                                    : value_write_json(&text, value, 0);
    if (fits)
        *out = operand_own(value_bytes(buf_head(&text), buf_len(&text)));
    buf_finish(&text);
    return fits ? 0 : evaluation_fail(ev, node, "this text gets too long");
}

/* ---- lists and maps
 * ---- */

static int take_end(struct evaluation *ev, const struct node *node,
                    struct operand *args, bool last, struct operand *out)
{
    const struct value *list = arg(ev, node, &args[0], VALUE_LIST), *item;

    if (list == NULL)
        return -1;
    if (list->as.list.n == 0) {
        *out = operand_own((struct value){0});
        return 0;
    }
    item = &list->as.list.items[last ? list->as.list.n - 1 : 0];
    if (evaluation_charge_copy(ev, node, item) == -1)
        return -1;
    *out = operand_own(value_copy(item));
    return 0;
}

static int call_first(struct evaluation *ev, const struct node *node,
                      struct operand *args, size_t n, struct operand *out)
{
    (void)n;
    return take_end(ev, node, args, false, out);
}

static int call_last(struct evaluation *ev, const struct node *node,
                     struct operand *args, size_t n, struct operand *out)
{
    (void)n;
    return take_end(ev, node, args, true, out);
}

static int list_pairs(struct evaluation *ev, const struct node *node,
                      struct operand *args, bool keys, struct operand *out)
{
    const struct value *map = arg(ev, node, &args[0], VALUE_MAP);
    struct value list;

    if (map == NULL || evaluation_charge_copy(ev, node, map) == -1)
        return -1;
    list = value_list();
    for (size_t i = 0; i < map->as.map.n; i++)
        value_append(&list, keys ? value_string(map->as.map.pairs[i].key)
                                 : value_copy(&map->as.map.pairs[i].value));
    *out = operand_own(list);
    return 0;
}

static int call_keys(struct evaluation *ev, const struct node *node,
                     struct operand *args, size_t n, struct operand *out)
{
    (void)n;
    return list_pairs(ev, node, args, true, out);
}

static int call_values(struct evaluation *ev, const struct node *node,
                       struct operand *args, size_t n, struct operand *out)
{
    (void)n;
    return list_pairs(ev, node, args, false, out);
}

static const struct expr_function functions[] = {
    {"abs", 1, 1, KNOWN_NUMBER, false, call_abs, PREDICATE_NONE},
    {"all", 2, 2, KNOWN_BOOL, true, NULL, PREDICATE_ALL},
    {"any", 2, 2, KNOWN_BOOL, true, NULL, PREDICATE_ANY},
    {"count", 2, 2, KNOWN_NUMBER, true, NULL, PREDICATE_COUNT},
    {"filter", 2, 2, KNOWN_LIST, true, NULL, PREDICATE_FILTER},
    {"find", 2, 2, KNOWN_NOTHING, true, NULL, PREDICATE_FIND},
    {"first", 1, 1, KNOWN_NOTHING, false, call_first, PREDICATE_NONE},
    {"float", 1, 1, KNOWN_NUMBER, false, call_float, PREDICATE_NONE},
    {"int", 1, 1, KNOWN_NUMBER, false, call_int, PREDICATE_NONE},
    {"join", 1, 2, KNOWN_TEXT, false, call_join, PREDICATE_NONE},
    {"keys", 1, 1, KNOWN_LIST, false, call_keys, PREDICATE_NONE},
    {"last", 1, 1, KNOWN_NOTHING, false, call_last, PREDICATE_NONE},
    {"len", 1, 1, KNOWN_NUMBER, false, call_len, PREDICATE_NONE},
    {"lower", 1, 1, KNOWN_TEXT, false, call_lower, PREDICATE_NONE},
    {"map", 2, 2, KNOWN_LIST, true, NULL, PREDICATE_MAP},
    {"max", 1, MANY, KNOWN_NUMBER, false, call_max, PREDICATE_NONE},
    {"min", 1, MANY, KNOWN_NUMBER, false, call_min, PREDICATE_NONE},
    {"none", 2, 2, KNOWN_BOOL, true, NULL, PREDICATE_NO},
    {"now", 0, 0, KNOWN_NUMBER, false, call_now, PREDICATE_NONE},
    {"one", 2, 2, KNOWN_BOOL, true, NULL, PREDICATE_ONE},
    {"split", 2, 2, KNOWN_LIST, false, call_split, PREDICATE_NONE},
    {"string", 1, 1, KNOWN_TEXT, false, call_string, PREDICATE_NONE},
    {"trim", 1, 2, KNOWN_TEXT, false, call_trim, PREDICATE_NONE},
    {"upper", 1, 1, KNOWN_TEXT, false, call_upper, PREDICATE_NONE},
    {"values", 1, 1, KNOWN_LIST, false, call_values, PREDICATE_NONE},
};

const struct expr_function *expr_function_find(const char *name, size_t n)
{
    for (size_t i = 0; i < N_ELEMENTS(functions); i++)
        if (strlen(functions[i].name) == n && memcmp(functions[i].name, name, n) == 0)
            return &functions[i];
    return NULL;
}

/* ---- predicates
 * ---- */

struct round {
    size_t n_true;
    struct value made; /* of map and filter */
    const struct value *found;
};

/* One item was asked; true: the rest need not be. */
static bool note_answer(enum predicate predicate, struct round *round,
                        const struct value *item, bool truth)
{
    round->n_true += truth;
    if (truth && predicate == PREDICATE_FILTER)
        value_append(&round->made, value_copy(item));
    if (truth && predicate == PREDICATE_FIND)
        round->found = item;
    switch (predicate) {
    case PREDICATE_ALL:
        return !truth;
    case PREDICATE_ANY:
    case PREDICATE_NO:
    case PREDICATE_FIND:
        return truth;
    case PREDICATE_ONE:
        return round->n_true > 1;
    default:
        return false;
    }
}

/* Asks about one item. 1: the rest need not be asked. */
static int ask(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
               const struct node *node, const struct value *item, struct round *round)
{
    enum predicate predicate = node->function->predicate;
    struct operand answer;
    const struct value *value;
    bool is_truth, truth;

    ev->item = item;
    if (evaluation_spend(ev, node, 1) == -1 ||
        expr_run(ev, node->kids[1], &answer) == -1)
        return -1;
    if ((predicate == PREDICATE_MAP &&
         evaluation_charge_copy(ev, node, operand_value(&answer)) == -1) ||
        ((predicate == PREDICATE_FILTER || predicate == PREDICATE_FIND) &&
         evaluation_charge_copy(ev, node, item) == -1)) {
        operand_finish(&answer);
        return -1;
    }
    if (predicate == PREDICATE_MAP) {
        value_append(&round->made, operand_take(&answer));
        return 0;
    }
    value = operand_value(&answer);
    is_truth = value->type == VALUE_BOOL;
    truth = is_truth && value->as.boolean;
    operand_finish(&answer);
    if (!is_truth)
        return evaluation_fail(ev, node->kids[1], "expected a boolean");
    return note_answer(predicate, round, item, truth);
}

static struct value outcome(enum predicate predicate, struct round *round, size_t n)
{
    struct value made;

    switch (predicate) {
    case PREDICATE_ALL:
        return value_bool(round->n_true == n);
    case PREDICATE_ANY:
        return value_bool(round->n_true != 0);
    case PREDICATE_NO:
        return value_bool(round->n_true == 0);
    case PREDICATE_ONE:
        return value_bool(round->n_true == 1);
    case PREDICATE_COUNT:
        return value_int((int64_t)round->n_true);
    case PREDICATE_FIND:
        return round->found != NULL ? value_copy(round->found) : (struct value){0};
    default:
        made = round->made;
        round->made = (struct value){0};
        return made;
    }
}

int expr_predicate(struct evaluation *ev, /* NOLINT(misc-no-recursion) */
                   const struct node *node, struct operand *out)
{
    const struct value *outer = ev->item, *list;
    struct round round = {.made = value_list()};
    struct operand operand;
    int status = 0;

    if (expr_run(ev, node->kids[0], &operand) == -1) {
        value_finish(&round.made);
        return -1;
    }
    list = arg(ev, node, &operand, VALUE_LIST);
    for (size_t i = 0; list != NULL && i < list->as.list.n && status == 0; i++)
        status = ask(ev, node, &list->as.list.items[i], &round);
    ev->item = outer;
    if (list != NULL && status != -1)
        *out = operand_own(outcome(node->function->predicate, &round, list->as.list.n));
    value_finish(&round.made); /* empty when it was the outcome */
    operand_finish(&operand);
    return list != NULL && status != -1 ? 0 : -1;
}
