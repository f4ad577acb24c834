#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/expr_private.h"
#include "common/mem.h"

/* ---- what functions are written with --------------------------------------------- */

int expr_call_fail(struct expr_call *call, const char *fmt, ...)
{
    char what[120];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return evaluation_fail(call->ev, call->node, "%s %s", call->node->function->name,
                           what);
}

const struct value *expr_take(struct evaluation *ev, const struct node *node,
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

const struct value *expr_arg_as(struct expr_call *call, size_t i, enum value_type type)
{
    return expr_take(call->ev, call->node, &call->args[i], type);
}

int expr_arg_whole(struct expr_call *call, size_t i, int64_t *out)
{
    const struct value *value = expr_arg(call, i);

    if (value->type != VALUE_INT)
        return expr_call_fail(call, "takes a whole number");
    *out = value->as.integer;
    return 0;
}

int expr_return_buf(struct expr_call *call, struct buf *buf, bool fits)
{
    if (fits)
        *call->out =
            operand_own(buf_len(buf) != 0 ? value_bytes(buf_head(buf), buf_len(buf))
                                          : value_string(""));
    buf_finish(buf);
    return fits ? 0 : expr_call_fail(call, "makes a text that is too long");
}

/* ---- of everything --------------------------------------------------------------- */

static size_t count_letters(const struct value *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->as.string.n; i++)
        n += ((unsigned char)text->as.string.data[i] & 0xc0) != 0x80;
    return n;
}

static int call_len(struct expr_call *call)
{
    const struct value *value = expr_arg(call, 0);

    switch (value->type) {
    case VALUE_STRING:
        if (expr_call_charge(call, value) == -1)
            return -1;
        return expr_return(call, value_int((int64_t)count_letters(value)));
    case VALUE_LIST:
        return expr_return(call, value_int((int64_t)value->as.list.n));
    case VALUE_MAP:
        return expr_return(call, value_int((int64_t)value->as.map.n));
    default:
        return expr_call_fail(call, "takes a text, a list or a map");
    }
}

static int call_type(struct expr_call *call)
{
    static const char *const names[] = {
        [VALUE_NIL] = "nil",     [VALUE_BOOL] = "bool",     [VALUE_INT] = "int",
        [VALUE_FLOAT] = "float", [VALUE_STRING] = "string", [VALUE_LIST] = "array",
        [VALUE_MAP] = "map",
    };

    return expr_return(call, value_string(names[expr_arg(call, 0)->type]));
}

static int call_string(struct expr_call *call)
{
    const struct value *value = expr_arg(call, 0);
    struct buf text;

    if (expr_call_charge(call, value) == -1)
        return -1;
    if (value->type == VALUE_STRING)
        return expr_return(call, operand_take(&call->args[0]));
    if (value->type == VALUE_NIL)
        return expr_return(call, value_string("nil"));
    buf_init(&text, EXPR_MAX_ITEMS);
    return expr_return_buf(call, &text, value_write_json(&text, value, 0));
}

static int call_to_json(struct expr_call *call)
{
    struct buf text;

    if (expr_call_charge(call, expr_arg(call, 0)) == -1)
        return -1;
    buf_init(&text, EXPR_MAX_ITEMS);
    return expr_return_buf(call, &text, value_write_json(&text, expr_arg(call, 0), 2));
}

static int call_from_json(struct expr_call *call)
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING);
    struct value value;

    /* Not many letters make an item, so that each of them counts. */
    if (text == NULL || expr_call_spend(call, text->as.string.n) == -1)
        return -1;
    if (value_read_json(text->as.string.data, text->as.string.n, &value, NULL) == -1)
        return expr_call_fail(call, "takes a text that is JSON");
    return expr_return(call, value);
}

static const struct expr_function functions[] = {
    {"fromJSON", 1, 1, KNOWN_NOTHING, call_from_json, PREDICATE_NONE},
    {"len", 1, 1, KNOWN_NUMBER, call_len, PREDICATE_NONE},
    {"string", 1, 1, KNOWN_TEXT, call_string, PREDICATE_NONE},
    {"toJSON", 1, 1, KNOWN_TEXT, call_to_json, PREDICATE_NONE},
    {"type", 1, 1, KNOWN_TEXT, call_type, PREDICATE_NONE},
    {NULL, 0, 0, KNOWN_NOTHING, NULL, PREDICATE_NONE},
};

/* ---- all of them ----------------------------------------------------------------- */

const struct expr_function *expr_function_find(const char *name, size_t n)
{
    const struct expr_function *const tables[] = {
        functions,           expr_list_functions, expr_number_functions,
        expr_text_functions, expr_time_functions, expr_predicates};

    for (size_t i = 0; i < N_ELEMENTS(tables); i++)
        for (const struct expr_function *row = tables[i]; row->name != NULL; row++)
            if (strlen(row->name) == n && memcmp(row->name, name, n) == 0)
                return row;
    return NULL;
}
