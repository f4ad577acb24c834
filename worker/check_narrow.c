#include "worker/check_narrow.h"

#include <assert.h>
#include <string.h>

/* ---- members --------------------------------------------------------------------- */

void type_list_members(struct type_store *types, const struct type *type,
                       struct type_members *out)
{
    const struct type *todo[TYPE_MAX_MEMBERS];
    unsigned n_todo = 0;

    out->n = 0;
    out->weak = out->many = false;
    todo[n_todo++] = type;
    while (n_todo > 0) {
        const struct type *one = type_behind(types, todo[--n_todo]);

        if (one->sort != SORT_UNION && out->n < TYPE_MAX_MEMBERS) {
            out->items[out->n++] = one;
            continue;
        }
        if (one->sort != SORT_UNION || n_todo + one->as.of.n > TYPE_MAX_MEMBERS ||
            !type_store_step(types)) {
            out->many = true;
            return;
        }
        for (uint32_t i = one->as.of.n; i-- > 0;)
            todo[n_todo++] = one->as.of.items[i];
        out->weak |= one->weak;
    }
}

const struct type *type_filter(struct type_store *types, const struct type *type,
                               const struct type *(*keep)(const struct type *member,
                                                          const void *context),
                               const void *context)
{
    const struct type *result = PLAIN(NEVER);
    struct type_members members;
    bool changed = false;

    type_list_members(types, type, &members);
    if (members.many)
        return PLAIN(ANY);
    for (unsigned i = 0; i < members.n; i++) {
        const struct type *kept = keep(members.items[i], context);

        changed |= kept != members.items[i];
        if (kept != NULL)
            result = type_union(types, result, kept);
    }
    if (!changed)
        return type;
    return members.weak ? type_weak(types, result) : result;
}

static const struct type *keep_truthy(const struct type *member, const void *context)
{
    (void)context;
    if (member->sort == SORT_NIL || member->sort == SORT_FALSE)
        return NULL;
    return member->sort == SORT_BOOLEAN ? PLAIN(TRUE) : member;
}

static const struct type *keep_falsy(const struct type *member, const void *context)
{
    (void)context;
    if (member->sort == SORT_BOOLEAN)
        return PLAIN(FALSE);
    return member->sort == SORT_NIL || member->sort == SORT_FALSE ||
                   member->sort == SORT_ANY
               ? member
               : NULL;
}

static const struct type *keep_not_nil(const struct type *member, const void *context)
{
    (void)context;
    return member->sort == SORT_NIL ? NULL : member;
}

const struct type *type_truthy(struct type_store *types, const struct type *type)
{
    return type_filter(types, type, keep_truthy, NULL);
}

const struct type *type_falsy(struct type_store *types, const struct type *type)
{
    return type_filter(types, type, keep_falsy, NULL);
}

const struct type *type_without_nil(struct type_store *types, const struct type *type)
{
    return type_filter(types, type, keep_not_nil, NULL);
}

/* ---- type(x) --------------------------------------------------------------------- */

struct kind {
    const char *name;
    size_t n;
    bool is_it;
};

const char *type_kind_name(const struct type *type)
{
    switch (type->sort) {
    case SORT_NIL:
        return "nil";
    case SORT_TRUE:
    case SORT_FALSE:
    case SORT_BOOLEAN:
        return "boolean";
    case SORT_INTEGER:
    case SORT_NUMBER:
    case SORT_FRACTION:
    case SORT_EXACT:
        return "number";
    case SORT_STRING:
    case SORT_TEXT:
        return "string";
    case SORT_THREAD:
        return "thread";
    case SORT_USERDATA:
        return "userdata";
    case SORT_FUNCTION:
    case SORT_FUN:
        return "function";
    case SORT_TABLE:
    case SORT_ARRAY:
    case SORT_MAP:
    case SORT_RECORD:
    case SORT_LITERAL:
        return "table";
    default:
        return NULL;
    }
}

static bool is_kind(const struct kind *kind, const char *name)
{
    return strlen(name) == kind->n && memcmp(name, kind->name, kind->n) == 0;
}

static const struct type *plain_kind(const struct kind *kind)
{
    for (int i = 0; i <= SORT_FUNCTION; i++) {
        const char *name = type_kind_name(&type_plain[i]);

        if (name != NULL && is_kind(kind, name))
            return i == SORT_INTEGER ? PLAIN(NUMBER)
                   : i == SORT_TRUE  ? PLAIN(BOOLEAN)
                                     : &type_plain[i];
    }
    return PLAIN(ANY);
}

/* Objects of ours are userdata and have fields, as records do. */
static const struct type *keep_kind(const struct type *member, const void *context)
{
    const struct kind *kind = context;
    const char *name = type_kind_name(member);
    bool is;

    if (member->sort == SORT_ANY)
        return kind->is_it ? plain_kind(kind) : member;
    if (name == NULL)
        return member;
    is = is_kind(kind, name);
    if (member->sort == SORT_RECORD && is_kind(kind, "userdata"))
        return member;
    return is == kind->is_it ? member : NULL;
}

const struct type *type_of_kind(struct type_store *types, const struct type *type,
                                const char *name, size_t n, bool is_it)
{
    struct kind kind = {name, n, is_it};

    return type_filter(types, type, keep_kind, &kind);
}

struct equal {
    const struct type *exact;
    bool is_it;
};

bool type_is_exactly(const struct type *member, const struct type *exact)
{
    if (member->sort != exact->sort)
        return false;
    return exact->sort != SORT_TEXT ||
           (member->as.text.n == exact->as.text.n &&
            memcmp(member->as.text.data, exact->as.text.data, exact->as.text.n) == 0);
}

static const struct type *keep_equal(const struct type *member, const void *context)
{
    const struct equal *equal = context;
    const char *kind = type_kind_name(member), *wanted = type_kind_name(equal->exact);

    if (!equal->is_it) {
        if (member->sort == SORT_BOOLEAN && equal->exact->sort == SORT_TRUE)
            return PLAIN(FALSE);
        if (member->sort == SORT_BOOLEAN && equal->exact->sort == SORT_FALSE)
            return PLAIN(TRUE);
        return type_is_exactly(member, equal->exact) ? NULL : member;
    }
    if (kind == NULL || wanted == NULL)
        return member;
    if (strcmp(kind, wanted) != 0 ||
        (member->sort == SORT_TEXT && !type_is_exactly(member, equal->exact)))
        return NULL;
    return equal->exact;
}

const struct type *type_equal(struct type_store *types, const struct type *type,
                              const struct type *exact, bool is_it)
{
    struct equal equal = {exact, is_it};

    assert(exact != NULL);
    return type_filter(types, type, keep_equal, &equal);
}
