#include "worker/check_field.h"

#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"

#include "worker/check_fit.h"
#include "worker/check_narrow.h"

#define MAX_NAMES 200 /* of fields that are looked at for a near one */

/* ---- fields ---------------------------------------------------------------------- */

static enum field_found field_of_record(struct type_store *types,
                                        const struct type *record, const char *name,
                                        size_t n, const struct type **type_out)
{
    const struct type_field *field;

    if (name == NULL)
        return FIELD_ANY;
    types->steps_left -= record->as.fields.n;
    field = type_find_field(record, name, n);
    if (field == NULL)
        return FIELD_NONE;
    *type_out =
        field->optional ? type_union(types, field->type, PLAIN(NIL)) : field->type;
    return FIELD_TYPE;
}

/* Of what is no union; *type_out is what may be put there. */
static enum field_found field_of_one(struct type_store *types, const struct type *type,
                                     const char *name, size_t n,
                                     const struct type **type_out)
{
    switch (type->sort) {
    case SORT_RECORD:
        return field_of_record(types, type, name, n, type_out);
    case SORT_ARRAY:
    case SORT_MAP:
        if (name != NULL && !type_fits(types, PLAIN(STRING), type->as.key, NULL))
            return FIELD_ANY;
        *type_out = type_union(types, type->as.val, PLAIN(NIL));
        return FIELD_TYPE;
    case SORT_NIL:
    case SORT_TRUE:
    case SORT_FALSE:
    case SORT_BOOLEAN:
    case SORT_INTEGER:
    case SORT_NUMBER:
    case SORT_FRACTION:
    case SORT_EXACT:
    case SORT_FUNCTION:
    case SORT_FUN:
    case SORT_THREAD:
        return FIELD_BAD;
    default:
        return FIELD_ANY;
    }
}

/* Of an intersection: whoever has it. What is no record itself may have anything. */
static enum field_found field_of_all(struct type_store *types, const struct type *all,
                                     const char *name, size_t n,
                                     const struct type **type_out)
{
    const struct type *todo[TYPE_MAX_MEMBERS];
    enum field_found found = FIELD_NONE;
    unsigned n_todo = 0;

    todo[n_todo++] = all;
    while (n_todo > 0) {
        const struct type *part = type_behind(types, todo[--n_todo]);
        enum field_found one = FIELD_ANY;

        if (!type_store_step(types) ||
            (part->sort == SORT_ALL && n_todo + part->as.of.n > TYPE_MAX_MEMBERS))
            return FIELD_ANY;
        if (part->sort == SORT_ALL) {
            for (uint32_t i = 0; i < part->as.of.n; i++)
                todo[n_todo++] = part->as.of.items[i];
            continue;
        }
        if (part->sort == SORT_RECORD)
            one = field_of_record(types, part, name, n, type_out);
        if (one == FIELD_TYPE)
            return FIELD_TYPE;
        if (one == FIELD_ANY)
            found = FIELD_ANY;
    }
    return found;
}

enum field_found type_field(struct type_store *types, const struct type *type,
                            const char *name, size_t n, const struct type **type_out,
                            const struct type **set_out)
{
    unsigned n_found[FIELD_BAD + 1] = {0};
    struct type_members members;

    *type_out = *set_out = PLAIN(NEVER);
    type_list_members(types, type, &members);
    if (members.many)
        return FIELD_ANY;
    for (unsigned i = 0; i < members.n; i++) {
        const struct type *one = members.items[i], *found = NULL;
        enum field_found what = one->sort == SORT_ALL
                                    ? field_of_all(types, one, name, n, &found)
                                    : field_of_one(types, one, name, n, &found);

        n_found[what]++;
        if (what == FIELD_TYPE)
            *set_out = type_union(types, *set_out, found);
    }
    if (n_found[FIELD_BAD] != 0 && (!members.weak || n_found[FIELD_BAD] == members.n))
        return FIELD_BAD;
    if (n_found[FIELD_ANY] != 0 || n_found[FIELD_NONE] + n_found[FIELD_TYPE] == 0)
        return FIELD_ANY;
    if (n_found[FIELD_TYPE] == 0)
        return FIELD_NONE;
    *type_out = type_weak(types, *set_out);
    return FIELD_TYPE;
}

const char *type_nearest_field(struct type_store *types, const struct type *type,
                               const char *name, size_t n)
{
    const char *names[MAX_NAMES];
    size_t n_names = 0;
    struct type_members members;
    char *text;
    const char *nearest;

    type_list_members(types, type, &members);
    for (unsigned i = 0; i < members.n; i++) {
        const struct type *one = members.items[i];

        for (uint32_t j = 0;
             one->sort == SORT_RECORD && j < one->as.fields.n && n_names < MAX_NAMES;
             j++)
            names[n_names++] = one->as.fields.items[j].name;
    }
    text = n < 100 ? strndup(name, n) : NULL;
    nearest = text != NULL ? nearest_find(text, names, n_names) : NULL;
    free(text);
    return nearest;
}

/* ---- operators ------------------------------------------------------------------- */

/* Does the text read as a number? Then it counts as one. */
static bool is_numeric(const struct type *text)
{
    char copy[64], *end;
    size_t n = text->as.text.n;

    if (n == 0 || n >= sizeof(copy) || memchr(text->as.text.data, '\0', n) != NULL)
        return n >= sizeof(copy);
    memcpy(copy, text->as.text.data, n);
    copy[n] = '\0';
    strtod(copy, &end);
    while (*end == ' ' || (*end >= '\t' && *end <= '\r'))
        end++;
    return *end == '\0' && end != copy;
}

static bool can_one(const struct type *type, enum operand_use use)
{
    const char *kind = type_kind_name(type);

    if (kind == NULL)
        return true;
    if (use == USE_CALL && strcmp(kind, "function") == 0)
        return true;
    if (strcmp(kind, "table") == 0) /* only what is written out has no metatable */
        return type->sort != SORT_LITERAL || use == USE_LENGTH;
    if (type->sort == SORT_USERDATA)
        return true;
    if (strcmp(kind, "string") == 0)
        return use == USE_CONCAT || use == USE_LENGTH || use == USE_ORDER ||
               (use != USE_CALL && (type->sort != SORT_TEXT || is_numeric(type)));
    if (strcmp(kind, "number") == 0)
        return use != USE_LENGTH && use != USE_CALL;
    return false;
}

bool type_can(struct type_store *types, const struct type *type, enum operand_use use)
{
    struct type_members members;

    type_list_members(types, type, &members);
    if (members.many)
        return true;
    for (unsigned i = 0; i < members.n; i++) {
        bool good = can_one(members.items[i], use);

        if (good == members.weak)
            return good;
    }
    return !members.weak || members.n == 0;
}
