#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/expr_private.h"
#include "common/mem.h"

/* The texts at 0 and 1, when looking at both was paid for. */
static int take_two(struct expr_call *call, const struct value **a,
                    const struct value **b)
{
    *a = expr_arg_as(call, 0, VALUE_STRING);
    *b = *a != NULL ? expr_arg_as(call, 1, VALUE_STRING) : NULL;
    if (*b == NULL || expr_call_charge(call, *a) == -1 ||
        expr_call_charge(call, *b) == -1)
        return -1;
    return 0;
}

static int return_part(struct expr_call *call, const char *from, const char *to)
{
    return expr_return(call, from < to ? value_bytes(from, (size_t)(to - from))
                                       : value_string(""));
}

/* ---- case: letters beyond ASCII have none here ----------------------------------- */

static int change_case(struct expr_call *call, int (*change)(int))
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING);
    struct value result;

    if (text == NULL || expr_call_charge(call, text) == -1)
        return -1;
    result = value_copy(text);
    for (size_t i = 0; i < result.as.string.n; i++)
        if ((unsigned char)result.as.string.data[i] < 0x80)
            result.as.string.data[i] = (char)change(result.as.string.data[i]);
    return expr_return(call, result);
}

static int call_lower(struct expr_call *call)
{
    return change_case(call, tolower);
}

static int call_upper(struct expr_call *call)
{
    return change_case(call, toupper);
}

/* ---- ends ------------------------------------------------------------------------ */

static int call_trim(struct expr_call *call)
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING), *chars;
    const char *set = " \t\r\n\v\f", *from, *to;

    if (text == NULL)
        return -1;
    if (call->n > 1) {
        chars = expr_arg_as(call, 1, VALUE_STRING);
        if (chars == NULL)
            return -1;
        set = chars->as.string.data;
    }
    if (expr_call_spend(call, text->as.string.n * (1 + strlen(set) / 16)) == -1)
        return -1;
    from = text->as.string.data;
    to = from + text->as.string.n;
    while (from < to && *from != '\0' && strchr(set, *from) != NULL)
        from++;
    while (to > from && to[-1] != '\0' && strchr(set, to[-1]) != NULL)
        to--;
    return return_part(call, from, to);
}

static bool starts_with(const struct value *text, const struct value *part)
{
    return text->as.string.n >= part->as.string.n &&
           memcmp(text->as.string.data, part->as.string.data, part->as.string.n) == 0;
}

static bool ends_with(const struct value *text, const struct value *part)
{
    return text->as.string.n >= part->as.string.n &&
           memcmp(text->as.string.data + text->as.string.n - part->as.string.n,
                  part->as.string.data, part->as.string.n) == 0;
}

static int call_trim_prefix(struct expr_call *call)
{
    const struct value *text, *part;
    size_t skip;

    if (take_two(call, &text, &part) == -1)
        return -1;
    skip = starts_with(text, part) ? part->as.string.n : 0;
    return return_part(call, text->as.string.data + skip,
                       text->as.string.data + text->as.string.n);
}

static int call_trim_suffix(struct expr_call *call)
{
    const struct value *text, *part;
    size_t skip;

    if (take_two(call, &text, &part) == -1)
        return -1;
    skip = ends_with(text, part) ? part->as.string.n : 0;
    return return_part(call, text->as.string.data,
                       text->as.string.data + text->as.string.n - skip);
}

static int call_has_prefix(struct expr_call *call)
{
    const struct value *text, *part;

    if (take_two(call, &text, &part) == -1)
        return -1;
    return expr_return(call, value_bool(starts_with(text, part)));
}

static int call_has_suffix(struct expr_call *call)
{
    const struct value *text, *part;

    if (take_two(call, &text, &part) == -1)
        return -1;
    return expr_return(call, value_bool(ends_with(text, part)));
}

/* ---- places: in bytes ------------------------------------------------------------ */

static int call_index_of(struct expr_call *call)
{
    const struct value *text, *part;
    const char *found;

    if (take_two(call, &text, &part) == -1)
        return -1;
    found = memmem(text->as.string.data, text->as.string.n, part->as.string.data,
                   part->as.string.n);
    return expr_return(call,
                       value_int(found != NULL ? found - text->as.string.data : -1));
}

static int call_last_index_of(struct expr_call *call)
{
    const struct value *text, *part;
    size_t n;

    if (take_two(call, &text, &part) == -1)
        return -1;
    n = part->as.string.n;
    if (n > text->as.string.n ||
        expr_call_spend(call, (text->as.string.n - n) * (1 + n / 64)) == -1)
        return n > text->as.string.n ? expr_return(call, value_int(-1)) : -1;
    for (size_t at = text->as.string.n - n + 1; at-- > 0;)
        if (memcmp(text->as.string.data + at, part->as.string.data, n) == 0)
            return expr_return(call, value_int((int64_t)at));
    return expr_return(call, value_int(-1));
}

/* ---- pieces ---------------------------------------------------------------------- */

/* with_mark: each piece ends with what it was split at. */
static int split(struct expr_call *call, bool with_mark)
{
    const struct value *text, *mark;
    const char *at, *end, *next;
    size_t n;
    struct value list;

    if (take_two(call, &text, &mark) == -1 ||
        expr_call_spend(call, text->as.string.n) == -1)
        return -1;
    n = mark->as.string.n;
    if (n == 0)
        return expr_call_fail(call, "needs a text to split at");
    list = value_list();
    at = text->as.string.data;
    end = at + text->as.string.n;
    while ((next = memmem(at, (size_t)(end - at), mark->as.string.data, n)) != NULL) {
        value_append(&list, value_bytes(at, (size_t)(next - at) + (with_mark ? n : 0)));
        at = next + n;
    }
    value_append(&list, value_bytes(at, (size_t)(end - at)));
    return expr_return(call, list);
}

static int call_split(struct expr_call *call)
{
    return split(call, false);
}

static int call_split_after(struct expr_call *call)
{
    return split(call, true);
}

static int call_join(struct expr_call *call)
{
    const struct value *list = expr_arg_as(call, 0, VALUE_LIST), *between = NULL;
    struct buf text;
    bool fits = true;

    if (list == NULL || expr_call_charge(call, list) == -1)
        return -1;
    if (call->n > 1 && (between = expr_arg_as(call, 1, VALUE_STRING)) == NULL)
        return -1;
    buf_init(&text, EXPR_MAX_ITEMS);
    for (size_t i = 0; i < list->as.list.n && fits; i++) {
        const struct value *item = &list->as.list.items[i];

        if (item->type != VALUE_STRING) {
            buf_finish(&text);
            return expr_call_fail(call, "takes a list of texts");
        }
        if (i != 0 && between != NULL)
            fits = buf_append(&text, between->as.string.data, between->as.string.n);
        fits = fits && buf_append(&text, item->as.string.data, item->as.string.n);
    }
    return expr_return_buf(call, &text, fits);
}

static int call_replace(struct expr_call *call)
{
    const struct value *text, *old, *new;
    const char *at, *end, *next;
    struct buf result;
    bool fits = true;

    if (take_two(call, &text, &old) == -1 ||
        expr_call_spend(call, text->as.string.n) == -1)
        return -1;
    new = expr_arg_as(call, 2, VALUE_STRING);
    if (new == NULL)
        return -1;
    if (old->as.string.n == 0)
        return expr_call_fail(call, "needs a text to replace");
    buf_init(&result, EXPR_MAX_ITEMS);
    at = text->as.string.data;
    end = at + text->as.string.n;
    while (fits && (next = memmem(at, (size_t)(end - at), old->as.string.data,
                                  old->as.string.n)) != NULL) {
        fits = buf_append(&result, at, (size_t)(next - at)) &&
               buf_append(&result, new->as.string.data, new->as.string.n);
        at = next + old->as.string.n;
    }
    fits = fits && buf_append(&result, at, (size_t)(end - at));
    return expr_return_buf(call, &result, fits);
}

static int call_repeat(struct expr_call *call)
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING);
    struct buf result;
    bool fits = true;
    int64_t n;

    if (text == NULL || expr_arg_whole(call, 1, &n) == -1)
        return -1;
    if (n < 0)
        return expr_call_fail(call, "takes no number below 0");
    if (text->as.string.n == 0)
        return expr_return(call, value_string(""));
    if (n > (int64_t)(EXPR_MAX_ITEMS / text->as.string.n))
        return expr_call_fail(call, "makes a text that is too long");
    if (expr_call_spend(call, (size_t)n) == -1 ||
        expr_call_spend(call, (size_t)n * text->as.string.n / 16) == -1)
        return -1;
    buf_init(&result, EXPR_MAX_ITEMS);
    for (int64_t i = 0; i < n && fits; i++)
        fits = buf_append(&result, text->as.string.data, text->as.string.n);
    return expr_return_buf(call, &result, fits);
}

/* ---- base64 ---------------------------------------------------------------------- */

static int call_to_base64(struct expr_call *call)
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING);
    struct value result;
    size_t n;
    char *out;

    if (text == NULL)
        return -1;
    n = (text->as.string.n + 2) / 3 * 4;
    if (n > EXPR_MAX_ITEMS)
        return expr_call_fail(call, "makes a text that is too long");
    if (expr_call_spend(call, n / 16) == -1)
        return -1;
    out = xmalloc(n + 1);
    n = base64_encode(out, (const uint8_t *)text->as.string.data, text->as.string.n);
    result = value_bytes(out, n);
    free(out);
    return expr_return(call, result);
}

static int call_from_base64(struct expr_call *call)
{
    const struct value *text = expr_arg_as(call, 0, VALUE_STRING);
    struct value result = {0};
    size_t n, bad_at;
    uint8_t *out;
    bool fits;

    if (text == NULL || expr_call_charge(call, text) == -1)
        return -1;
    out = xmalloc(text->as.string.n / 4 * 3 + 4);
    fits = base64_decode(out, text->as.string.data, text->as.string.n, &n, &bad_at);
    if (fits)
        result = value_bytes(out, n);
    free(out);
    return fits ? expr_return(call, result)
                : expr_call_fail(call, "takes a text that is base64");
}

const struct expr_function expr_text_functions[] = {
    {"fromBase64", 1, 1, KNOWN_TEXT, call_from_base64, PREDICATE_NONE},
    {"hasPrefix", 2, 2, KNOWN_BOOL, call_has_prefix, PREDICATE_NONE},
    {"hasSuffix", 2, 2, KNOWN_BOOL, call_has_suffix, PREDICATE_NONE},
    {"indexOf", 2, 2, KNOWN_NUMBER, call_index_of, PREDICATE_NONE},
    {"join", 1, 2, KNOWN_TEXT, call_join, PREDICATE_NONE},
    {"lastIndexOf", 2, 2, KNOWN_NUMBER, call_last_index_of, PREDICATE_NONE},
    {"lower", 1, 1, KNOWN_TEXT, call_lower, PREDICATE_NONE},
    {"repeat", 2, 2, KNOWN_TEXT, call_repeat, PREDICATE_NONE},
    {"replace", 3, 3, KNOWN_TEXT, call_replace, PREDICATE_NONE},
    {"split", 2, 2, KNOWN_LIST, call_split, PREDICATE_NONE},
    {"splitAfter", 2, 2, KNOWN_LIST, call_split_after, PREDICATE_NONE},
    {"toBase64", 1, 1, KNOWN_TEXT, call_to_base64, PREDICATE_NONE},
    {"trim", 1, 2, KNOWN_TEXT, call_trim, PREDICATE_NONE},
    {"trimPrefix", 2, 2, KNOWN_TEXT, call_trim_prefix, PREDICATE_NONE},
    {"trimSuffix", 2, 2, KNOWN_TEXT, call_trim_suffix, PREDICATE_NONE},
    {"upper", 1, 1, KNOWN_TEXT, call_upper, PREDICATE_NONE},
    {NULL, 0, 0, KNOWN_NOTHING, NULL, PREDICATE_NONE},
};
