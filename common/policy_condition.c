#include "common/policy_condition.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/number.h"
#include "common/policy.h"
#include "common/regex.h"

/* ---- compiling ------------------------------------------------------------------- */

static const char *const names[] = {
    [CONDITION_EQ] = "eq",
    [CONDITION_NE] = "ne",
    [CONDITION_LT] = "lt",
    [CONDITION_GT] = "gt",
    [CONDITION_LTE] = "lte",
    [CONDITION_GTE] = "gte",
    [CONDITION_IN] = "in",
    [CONDITION_NIN] = "nin",
    [CONDITION_EXISTS] = "exists",
    [CONDITION_NEXISTS] = "nexists",
    [CONDITION_CONTAINS] = "contains",
    [CONDITION_NCONTAINS] = "ncontains",
    [CONDITION_MATCHES] = "matches",
    [CONDITION_NMATCHES] = "nmatches",
};

static bool find_operator(const char *name, enum condition_operator *out)
{
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum condition_operator)i;
            return true;
        }
    return false;
}

static const char *text_or_null(const struct value *fields, const char *key)
{
    const char *text = value_get_text(fields, key);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

int condition_compile(const struct value *fields, size_t number,
                      struct condition *condition_out, struct err *err)
{
    const char *field = text_or_null(fields, "field");
    const char *test = text_or_null(fields, "operator");
    const char *from = text_or_null(fields, "value_from");
    const struct value *value = value_get(fields, "value");
    struct condition condition = {0};

    if (field == NULL)
        return err_set(err, ERR_INVALID, "condition %zu: field is required", number);
    if (test == NULL)
        return err_set(err, ERR_INVALID, "condition %zu: operator is required", number);
    if (from == NULL && (value == NULL || value->type == VALUE_NIL))
        return err_set(err, ERR_INVALID,
                       "condition %zu: value or value_from is required", number);
    if (!find_operator(test, &condition.test))
        return err_set(err, ERR_INVALID, "condition %zu: invalid operator: %s", number,
                       test);
    if (from == NULL &&
        (condition.test == CONDITION_MATCHES || condition.test == CONDITION_NMATCHES)) {
        if (value->type == VALUE_STRING)
            condition.regex =
                regex_create(value->as.string.data, value->as.string.n, NULL, 0);
        if (condition.regex == NULL)
            return err_set(err, ERR_INVALID, "condition %zu: invalid regex pattern",
                           number);
    }
    condition.field = xstrdup(field);
    if (from != NULL)
        condition.value_from = xstrdup(from);
    else
        condition.value = value_copy(value);
    *condition_out = condition;
    return 0;
}

void condition_finish(struct condition *condition)
{
    free(condition->field);
    free(condition->value_from);
    value_finish(&condition->value);
    regex_destroy(condition->regex);
}

/* ---- fields (S-12) --------------------------------------------------------------- */

enum found { FOUND, MISSING, BROKEN };

/* A view of a text, never finished. */
static struct value view_of(const char *text)
{
    struct value view = {.type = VALUE_STRING};

    view.as.string.data = (char *)text;
    view.as.string.n = strlen(text);
    return view;
}

static enum found take(const struct value *value, struct value *out)
{
    if (value == NULL || value->type == VALUE_NIL)
        return MISSING;
    *out = *value;
    return FOUND;
}

static enum found find_in_actor(const struct value *actor, const char *path,
                                struct value *out)
{
    const struct value *id = value_get(actor, "id"), *meta = value_get(actor, "meta");
    bool has_id = value_text(id) != NULL && id->as.string.n != 0;

    if (!has_id && (meta == NULL || meta->type == VALUE_NIL))
        return BROKEN;
    if (strcmp(path, "id") == 0)
        return take(id, out);
    if (strcmp(path, "meta") == 0)
        return take(meta, out);
    if (strncmp(path, "meta.", 5) == 0)
        return take(value_get_path(meta, path + 5), out);
    return BROKEN;
}

/* out is borrowed from the check. */
static enum found find(const struct policy_check *check, const char *path,
                       struct value *out)
{
    if (strncmp(path, "actor.", 6) == 0)
        return find_in_actor(check->actor, path + 6, out);
    if (strcmp(path, "actor") == 0 || strcmp(path, "meta") == 0)
        return BROKEN;
    if (strcmp(path, "action") == 0 || strcmp(path, "resource") == 0) {
        *out = view_of(path[0] == 'a' ? check->action : check->resource);
        return FOUND;
    }
    if (strncmp(path, "meta.", 5) == 0)
        return take(value_get_path(check->meta, path + 5), out);
    return take(value_get(check->meta, path), out);
}

/* ---- values (S-14) --------------------------------------------------------------- */

/* A decimal number that the text is as a whole. */
static bool read_number(const char *text, size_t n_bytes, struct number *out)
{
    char *end;
    double real;
    long long integer;

    if (n_bytes == 0 || strlen(text) != n_bytes ||
        strspn(text, "0123456789+-.eE") != n_bytes)
        return false;
    errno = 0;
    integer = strtoll(text, &end, 10);
    if (*end == '\0' && end != text && errno == 0) {
        *out = number_of_integer(integer);
        return true;
    }
    real = strtod(text, &end);
    if (*end != '\0' || end == text || isnan(real))
        return false;
    *out = number_of_real(real);
    return true;
}

static bool to_number(const struct value *value, struct number *out)
{
    switch (value->type) {
    case VALUE_INT:
        *out = number_of_integer(value->as.integer);
        return true;
    case VALUE_FLOAT:
        *out = number_of_real(value->as.real);
        return !isnan(value->as.real);
    case VALUE_STRING:
        return read_number(value->as.string.data, value->as.string.n, out);
    default:
        return false;
    }
}

/* A value as text: its bytes, or those that buffer then holds. */
struct text {
    const char *data;
    size_t n;
    char buffer[NUMBER_TEXT_BYTES];
};

static bool to_text(const struct value *value, struct text *out)
{
    struct number number;

    switch (value->type) {
    case VALUE_STRING:
        out->data = value->as.string.data;
        out->n = value->as.string.n;
        return true;
    case VALUE_BOOL:
        out->data = value->as.boolean ? "true" : "false";
        out->n = strlen(out->data);
        return true;
    case VALUE_INT:
    case VALUE_FLOAT:
        if (!to_number(value, &number))
            return false;
        out->n = number_format(out->buffer, number);
        out->data = out->buffer;
        return true;
    default:
        return false;
    }
}

static bool are_equal(const struct value *a, const struct value *b)
{
    struct number x, y;
    struct text s, t;

    if (to_number(a, &x) && to_number(b, &y))
        return number_compare(x, y) == 0;
    return to_text(a, &s) && to_text(b, &t) && s.n == t.n &&
           memcmp(s.data, t.data, s.n) == 0;
}

static bool is_in_list(const struct value *item, const struct value *list)
{
    for (size_t i = 0; i < list->as.list.n; i++)
        if (are_equal(item, &list->as.list.items[i]))
            return true;
    return false;
}

/* ---- operators (S-13, S-15): an error says so ------------------------------------ */

enum answer { NO, YES, ERROR };

static enum answer answer_of(bool yes)
{
    return yes ? YES : NO;
}

static enum answer negate(enum answer answer)
{
    return answer == ERROR ? ERROR : answer_of(answer == NO);
}

static enum answer compare(enum condition_operator test, const struct value *field,
                           const struct value *operand)
{
    struct number a, b;
    int order;

    if (!to_number(field, &a) || !to_number(operand, &b))
        return ERROR;
    order = number_compare(a, b);
    return answer_of(test == CONDITION_LT    ? order < 0
                     : test == CONDITION_GT  ? order > 0
                     : test == CONDITION_LTE ? order <= 0
                                             : order >= 0);
}

static enum answer is_in(const struct value *field, const struct value *operand)
{
    if (operand->type == VALUE_LIST)
        return answer_of(is_in_list(field, operand));
    if (operand->type == VALUE_STRING)
        return answer_of(are_equal(field, operand));
    return ERROR;
}

static enum answer contains(const struct value *field, const struct value *operand)
{
    struct text whole, part;

    if (field->type == VALUE_LIST)
        return answer_of(operand->type != VALUE_NIL && is_in_list(operand, field));
    if (!to_text(field, &whole))
        return ERROR;
    if (operand->type == VALUE_NIL)
        return NO;
    if (!to_text(operand, &part))
        return ERROR;
    return answer_of(memmem(whole.data, whole.n, part.data, part.n) != NULL);
}

/* Patterns that only a check knows are not compiled then: an error. */
static enum answer matches(const struct condition *condition, const struct value *field)
{
    struct text text;

    if (condition->regex == NULL || !to_text(field, &text))
        return ERROR;
    return answer_of(regex_matches(condition->regex, text.data, text.n));
}

static enum answer exists(bool present, const struct value *operand)
{
    if (operand->type == VALUE_BOOL)
        return answer_of(present == operand->as.boolean);
    return present ? YES : ERROR;
}

static enum answer answer(const struct condition *condition, const struct value *field,
                          const struct value *operand)
{
    switch (condition->test) {
    case CONDITION_EQ:
        return answer_of(are_equal(field, operand));
    case CONDITION_NE:
        return answer_of(!are_equal(field, operand));
    case CONDITION_IN:
        return is_in(field, operand);
    case CONDITION_NIN:
        return negate(is_in(field, operand));
    case CONDITION_CONTAINS:
        return contains(field, operand);
    case CONDITION_NCONTAINS:
        return negate(contains(field, operand));
    case CONDITION_MATCHES:
        return matches(condition, field);
    case CONDITION_NMATCHES:
        return negate(matches(condition, field));
    default:
        return compare(condition->test, field, operand);
    }
}

bool condition_holds(const struct condition *condition,
                     const struct policy_check *check)
{
    struct value field = {0}, operand = condition->value;
    enum found found = find(check, condition->field, &field);

    if (found == BROKEN || (condition->value_from != NULL &&
                            find(check, condition->value_from, &operand) == BROKEN))
        return false;
    if (condition->test == CONDITION_EXISTS)
        return exists(found == FOUND, &operand) == YES;
    if (condition->test == CONDITION_NEXISTS)
        return negate(exists(found == FOUND, &operand)) == YES;
    return found == FOUND && answer(condition, &field, &operand) == YES;
}
