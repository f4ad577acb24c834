#include "worker/check_fit.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "worker/check_narrow.h"
#include "worker/check_show.h"

/* ---- does it fit? ------------------------------------------------------------------
 *
 * Types may refer to themselves: TYPE_MAX_DEPTH bounds how far two are looked into, and
 * the steps of the check how often.
 */

static void explain(struct misfit *misfit, uint32_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void explain(struct misfit *misfit, uint32_t at, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (misfit != NULL && misfit->text[0] == '\0') {
        misfit->at = at;
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it starts above */
        vsnprintf(misfit->text, sizeof(misfit->text), fmt, args);
    }
    va_end(args);
}

static void explain_missing(struct misfit *misfit, const struct type_field *field)
{
    explain(misfit, NO_PLACE, "field '%.*s' is missing", name_shown(field->n_bytes),
            field->name);
}

/* At that offset stands a part that should be something else. */
static void explain_part(struct misfit *misfit, uint32_t at,
                         const struct type_field *part, const struct type *wanted)
{
    char want[TYPE_NAME_BYTES], got[TYPE_NAME_BYTES];

    type_show(wanted, want);
    type_show(part->type, got);
    if (part->name != NULL)
        explain(misfit, at, "field '%.*s': expected %s, got %s",
                name_shown(part->n_bytes), part->name, want, got);
    else
        explain(misfit, at, "expected %s, got %s", want, got);
}

// NOLINTBEGIN(misc-no-recursion)

static bool fits(struct type_store *types, const struct type *value,
                 const struct type *wanted, struct misfit *misfit, int depth);

static bool fits_weakly(struct type_store *types, const struct type *value,
                        const struct type *wanted, int depth)
{
    return fits(types, type_weak(types, value), wanted, NULL, depth);
}

const struct type_field *type_find_field(const struct type *record, const char *name,
                                         size_t n)
{
    for (uint32_t i = 0; i < record->as.fields.n; i++) {
        const struct type_field *field = &record->as.fields.items[i];

        if (field->name != NULL && field->n_bytes == n &&
            memcmp(field->name, name, n) == 0)
            return field;
    }
    return NULL;
}

static bool is_optional(struct type_store *types, const struct type_field *field,
                        int depth)
{
    return field->optional || fits(types, PLAIN(NIL), field->type, NULL, depth);
}

/* A method may be in a metatable. */
static bool is_method(struct type_store *types, const struct type_field *field)
{
    const struct type *type = type_behind(types, field->type);

    return type->sort == SORT_FUN || type->sort == SORT_FUNCTION;
}

/* One value inside a table that is written out. */
static bool part_fits(struct type_store *types, const struct type_field *part,
                      const struct type *wanted, struct misfit *misfit, int depth)
{
    if (fits(types, part->type, wanted, misfit, depth))
        return true;
    explain_part(misfit, part->at, part, wanted);
    return false;
}

static bool literal_fits_record(struct type_store *types, const struct type *value,
                                const struct type *wanted, struct misfit *misfit,
                                int depth)
{
    for (uint32_t i = 0; i < wanted->as.fields.n; i++) {
        const struct type_field *field = &wanted->as.fields.items[i];
        const struct type_field *part =
            type_find_field(value, field->name, field->n_bytes);

        types->steps_left -= value->as.fields.n;
        if (part == NULL) {
            if (value->open || is_optional(types, field, depth) ||
                (types->classes && is_method(types, field)))
                continue;
            explain_missing(misfit, field);
            return false;
        }
        if (field->optional && fits(types, part->type, PLAIN(NIL), NULL, depth))
            continue;
        if (!part_fits(types, part,
                       field->optional ? type_union(types, field->type, PLAIN(NIL))
                                       : field->type,
                       misfit, depth))
            return false;
    }
    return true;
}

/* Items have whole numbers for keys; a nil is no item. */
static bool literal_fits_map(struct type_store *types, const struct type *value,
                             const struct type *wanted, struct misfit *misfit,
                             int depth)
{
    for (uint32_t i = 0; i < value->as.fields.n; i++) {
        const struct type_field *part = &value->as.fields.items[i];
        const struct type *key = part->name != NULL ? PLAIN(STRING) : PLAIN(INTEGER);

        if (part->type == PLAIN(NIL))
            continue;
        if (part->name != NULL && wanted->sort == SORT_ARRAY)
            continue; /* `n = 3` beside the items */
        if (!fits(types, key, wanted->as.key, NULL, depth)) {
            char want[TYPE_NAME_BYTES];

            explain(misfit, part->at, "its keys are %s, not %s",
                    type_show(wanted->as.key, want),
                    part->name != NULL ? "string" : "integer");
            return false;
        }
        if (!fits(types, part->type, type_union(types, wanted->as.val, PLAIN(NIL)),
                  NULL, depth) &&
            !part_fits(types, part, wanted->as.val, misfit, depth))
            return false;
    }
    return true;
}

static bool record_fits_record(struct type_store *types, const struct type *value,
                               const struct type *wanted, struct misfit *misfit,
                               int depth)
{
    for (uint32_t i = 0; i < wanted->as.fields.n; i++) {
        const struct type_field *field = &wanted->as.fields.items[i];
        const struct type_field *part =
            type_find_field(value, field->name, field->n_bytes);

        types->steps_left -= value->as.fields.n;
        if (part == NULL && !is_optional(types, field, depth) &&
            !is_method(types, field)) {
            explain_missing(misfit, field);
            return false;
        }
        if (part != NULL && !fits_weakly(types, part->type, field->type, depth)) {
            explain_part(misfit, NO_PLACE, part, field->type);
            return false;
        }
    }
    return true;
}

static bool needs_a_field(struct type_store *types, const struct type *record,
                          int depth)
{
    for (uint32_t i = 0; i < record->as.fields.n; i++)
        if (!is_optional(types, &record->as.fields.items[i], depth))
            return true;
    return false;
}

static bool table_fits(struct type_store *types, const struct type *value,
                       const struct type *wanted, struct misfit *misfit, int depth)
{
    bool literal = value->sort == SORT_LITERAL;

    if (wanted->sort == SORT_RECORD) {
        if (literal)
            return literal_fits_record(types, value, wanted, misfit, depth);
        if (value->sort == SORT_RECORD)
            return record_fits_record(types, value, wanted, misfit, depth);
        return value->sort != SORT_ARRAY || !needs_a_field(types, wanted, depth);
    }
    if (literal)
        return literal_fits_map(types, value, wanted, misfit, depth);
    if (value->sort == SORT_RECORD)
        return wanted->sort == SORT_MAP || !needs_a_field(types, value, depth);
    if (value->sort == SORT_MAP && wanted->sort == SORT_ARRAY)
        return true;
    return fits_weakly(types, value->as.key, wanted->as.key, depth) &&
           fits_weakly(types, value->as.val, wanted->as.val, depth);
}

/* A function may take and give more or less than what is wanted, but not others. */
static bool function_fits(struct type_store *types, const struct type_fun *value,
                          const struct type_fun *wanted, int depth)
{
    for (uint32_t i = 0; i < value->n_params && i < wanted->n_params; i++)
        if (!fits_weakly(types, wanted->params[i], value->params[i], depth) &&
            !fits_weakly(types, value->params[i], wanted->params[i], depth))
            return false;
    if (!value->has_rets || !wanted->has_rets)
        return true;
    for (uint32_t i = 0; i < value->n_rets && i < wanted->n_rets; i++)
        if (!fits_weakly(types, value->rets[i], wanted->rets[i], depth))
            return false;
    return true;
}

static bool is_table(const struct type *type)
{
    return type->sort == SORT_ARRAY || type->sort == SORT_MAP ||
           type->sort == SORT_RECORD || type->sort == SORT_LITERAL ||
           type->sort == SORT_TABLE;
}

static bool is_function(const struct type *type)
{
    return type->sort == SORT_FUNCTION || type->sort == SORT_FUN;
}

static bool number_fits(const struct type *value, const struct type *wanted)
{
    if (wanted->sort == SORT_EXACT)
        return value->sort != SORT_EXACT || value->as.number == wanted->as.number;
    if (wanted->sort != SORT_INTEGER)
        return wanted->sort == SORT_NUMBER;
    return value->sort != SORT_FRACTION &&
           (value->sort != SORT_EXACT || value->as.number == floor(value->as.number));
}

/* Neither is a name, a union or an intersection. */
static bool one_fits(struct type_store *types, const struct type *value,
                     const struct type *wanted, struct misfit *misfit, int depth)
{
    if (is_function(value) && is_function(wanted))
        return value->sort != SORT_FUN || wanted->sort != SORT_FUN ||
               function_fits(types, value->as.fun, wanted->as.fun, depth);
    if (is_table(value) && is_function(wanted))
        return value->sort != SORT_LITERAL; /* __call */
    if (is_table(value) && is_table(wanted))
        return value->sort == SORT_TABLE || wanted->sort == SORT_TABLE ||
               table_fits(types, value, wanted, misfit, depth);
    switch (value->sort) {
    case SORT_BOOLEAN:
        return wanted->sort == SORT_TRUE || wanted->sort == SORT_FALSE;
    case SORT_TRUE:
    case SORT_FALSE:
        return wanted->sort == SORT_BOOLEAN;
    case SORT_INTEGER:
    case SORT_NUMBER:
    case SORT_FRACTION:
    case SORT_EXACT:
        return number_fits(value, wanted);
    case SORT_STRING:
        return wanted->sort == SORT_TEXT;
    case SORT_TEXT:
        return wanted->sort == SORT_STRING ||
               (wanted->sort == SORT_TEXT && type_is_exactly(value, wanted));
    case SORT_USERDATA: /* objects have fields */
        return wanted->sort == SORT_RECORD;
    default:
        return false;
    }
}

static bool member_fits(struct type_store *types, const struct type *value,
                        const struct type *wanted, struct misfit *misfit, int depth)
{
    struct type_members members;

    if (wanted->sort == SORT_UNION) {
        type_list_members(types, wanted, &members);
        for (unsigned i = 0; i < members.n && !members.many; i++) {
            bool only = members.n == 2 && members.items[1 - i]->sort == SORT_NIL;

            if (fits(types, value, members.items[i], only ? misfit : NULL, depth))
                return true;
        }
        return members.many;
    }
    for (uint32_t i = 0; i < wanted->as.of.n; i++)
        if (!fits(types, value, wanted->as.of.items[i], misfit, depth))
            return false;
    return true;
}

static bool union_fits(struct type_store *types, const struct type *value,
                       const struct type *wanted, struct misfit *misfit, int depth)
{
    struct type_members members;

    type_list_members(types, value, &members);
    if (members.many)
        return true;
    for (unsigned i = 0; i < members.n; i++) {
        bool good = fits(types, members.items[i], wanted, misfit, depth);

        if (good == members.weak)
            return good;
    }
    return !members.weak;
}

/* Inside a comparison of the same two, as types that name themselves have it: then they
 * fit if the rest does. */
static bool is_compared(const struct type_store *types, const struct type *value,
                        const struct type *wanted, int depth)
{
    for (int i = 0; i < depth; i++)
        if (types->compared[i].value == value && types->compared[i].wanted == wanted)
            return true;
    return false;
}

static bool fits(struct type_store *types, const struct type *value,
                 const struct type *wanted, struct misfit *misfit, int depth)
{
    if (value == wanted || depth == TYPE_MAX_DEPTH || !type_store_step(types))
        return true;
    value = type_behind(types, value);
    wanted = type_behind(types, wanted);
    if (is_compared(types, value, wanted, depth))
        return true;
    types->compared[depth].value = value;
    types->compared[depth++].wanted = wanted;
    if (value == wanted || value->sort == SORT_ANY || value->sort == SORT_NEVER ||
        value->sort == SORT_VALUE || wanted->sort == SORT_ANY ||
        wanted->sort == SORT_NEVER)
        return true;
    if (value->sort == SORT_UNION)
        return union_fits(types, value, wanted, misfit, depth);
    if (wanted->sort == SORT_UNION || wanted->sort == SORT_ALL)
        return member_fits(types, value, wanted, misfit, depth);
    if (value->sort == SORT_ALL) {
        for (uint32_t i = 0; i < value->as.of.n; i++)
            if (fits(types, value->as.of.items[i], wanted, NULL, depth))
                return true;
        /* Its parts together may be what no part is. */
        return wanted->sort == SORT_RECORD || wanted->sort == SORT_MAP;
    }
    return one_fits(types, value, wanted, misfit, depth);
}

// NOLINTEND(misc-no-recursion)

bool type_fits(struct type_store *types, const struct type *value,
               const struct type *wanted, struct misfit *misfit)
{
    if (misfit != NULL)
        *misfit = (struct misfit){.at = NO_PLACE};
    return fits(types, value, wanted, misfit, 0) || types->exhausted;
}

bool type_accepts_nil(struct type_store *types, const struct type *type)
{
    return type_fits(types, PLAIN(NIL), type, NULL);
}

struct assigned {
    struct type_store *types;
    const struct type *value;
};

static const struct type *keep_assigned(const struct type *member, const void *context)
{
    const struct assigned *assigned = context;

    if (is_table(member) && is_table(type_behind(assigned->types, assigned->value)))
        return member; /* which of several is for the reader to say */
    return type_fits(assigned->types, assigned->value, member, NULL) ? member : NULL;
}

const struct type *type_assigned(struct type_store *types, const struct type *declared,
                                 const struct type *value)
{
    struct assigned assigned = {types, type_weak(types, value)};
    const struct type *now;

    if (type_behind(types, value)->sort == SORT_NEVER)
        return PLAIN(ANY); /* control doesn't come here */
    if (!type_is_union(types, declared, false))
        return declared;
    now = type_filter(types, declared, keep_assigned, &assigned);
    if (now->sort == SORT_NEVER)
        now = declared;
    return type_is_union(types, value, false) && !type_is_union(types, value, true)
               ? type_weak(types, now)
               : now;
}
