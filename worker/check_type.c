#include "worker/check_type.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/value.h"

#define CHUNK_BYTES (64u << 10)
#define MAX_MEMBERS 64 /* of a union; more are any */
#define MAX_NAMES   64 /* that stand for names */

struct arena_chunk {
    struct arena_chunk *next;
    _Alignas(16) char data[];
};

const struct type type_plain[SORT_FUNCTION + 1] = {
    [SORT_ANY] = {.sort = SORT_ANY},
    [SORT_NEVER] = {.sort = SORT_NEVER},
    [SORT_NIL] = {.sort = SORT_NIL},
    [SORT_TRUE] = {.sort = SORT_TRUE},
    [SORT_FALSE] = {.sort = SORT_FALSE},
    [SORT_BOOLEAN] = {.sort = SORT_BOOLEAN},
    [SORT_INTEGER] = {.sort = SORT_INTEGER},
    [SORT_NUMBER] = {.sort = SORT_NUMBER},
    [SORT_FRACTION] = {.sort = SORT_FRACTION},
    [SORT_STRING] = {.sort = SORT_STRING},
    [SORT_THREAD] = {.sort = SORT_THREAD},
    [SORT_USERDATA] = {.sort = SORT_USERDATA},
    [SORT_TABLE] = {.sort = SORT_TABLE},
    [SORT_FUNCTION] = {.sort = SORT_FUNCTION},
};

/* Names of primitives; `error` is any: some raise texts, some objects. */
static const struct {
    const char *name;
    enum type_sort sort;
} primitives[] = {
    {"any", SORT_ANY},           {"unknown", SORT_ANY},   {"never", SORT_NEVER},
    {"error", SORT_ANY},         {"nil", SORT_NIL},       {"boolean", SORT_BOOLEAN},
    {"number", SORT_NUMBER},     {"string", SORT_STRING}, {"integer", SORT_INTEGER},
    {"table", SORT_TABLE},       {"thread", SORT_THREAD}, {"userdata", SORT_USERDATA},
    {"function", SORT_FUNCTION},
};

/* ---- memory ---------------------------------------------------------------------- */

void type_store_init(struct type_store *types, size_t max_bytes, long max_steps)
{
    *types = (struct type_store){.max_bytes = max_bytes, .steps_left = max_steps};
    map_init(&types->declared);
}

void type_store_finish(struct type_store *types)
{
    struct arena_chunk *chunk;

    map_finish(&types->declared);
    while ((chunk = types->chunks) != NULL) {
        types->chunks = chunk->next;
        free(chunk);
    }
}

static bool add_chunk(struct type_store *types, size_t n_bytes)
{
    size_t size = n_bytes > CHUNK_BYTES ? n_bytes : CHUNK_BYTES;
    struct arena_chunk *chunk = NULL;

    if (types->n_bytes + size <= types->max_bytes)
        chunk = calloc(1, sizeof(*chunk) + size);
    if (chunk == NULL) {
        types->exhausted = true;
        return false;
    }
    chunk->next = types->chunks;
    types->chunks = chunk;
    types->chunk_used = 0;
    types->n_bytes += size;
    return true;
}

void *type_store_alloc(struct type_store *types, size_t n_bytes)
{
    void *memory;

    n_bytes = (n_bytes + 15) & ~(size_t)15;
    if (types->chunks == NULL || n_bytes > CHUNK_BYTES ||
        types->chunk_used + n_bytes > CHUNK_BYTES) {
        if (!add_chunk(types, n_bytes))
            return NULL;
    }
    memory = types->chunks->data + types->chunk_used;
    types->chunk_used += n_bytes;
    return memory;
}

const char *type_store_copy(struct type_store *types, const char *text, size_t n)
{
    char *copy = type_store_alloc(types, n + 1);

    if (copy != NULL && n != 0)
        memcpy(copy, text, n);
    return copy;
}

bool type_store_step(struct type_store *types)
{
    if (types->steps_left <= 0)
        types->exhausted = true;
    else
        types->steps_left--;
    return !types->exhausted;
}

/* ---- making types ---------------------------------------------------------------- */

static struct type *make(struct type_store *types, enum type_sort sort)
{
    struct type *type = type_store_alloc(types, sizeof(*type));

    if (type != NULL)
        type->sort = sort;
    return type;
}

static const struct type *or_any(const struct type *type)
{
    return type != NULL ? type : PLAIN(ANY);
}

const struct type *type_text(struct type_store *types, const char *text, size_t n)
{
    struct type *type = make(types, SORT_TEXT);

    if (type == NULL)
        return PLAIN(STRING);
    type->as.text.data = text;
    type->as.text.n = (uint32_t)n;
    return type;
}

static bool is_same(const struct type *a, const struct type *b)
{
    if (a == b)
        return true;
    if (a->sort != b->sort)
        return false;
    if (a->sort == SORT_TEXT || a->sort == SORT_REF)
        return a->as.text.n == b->as.text.n &&
               memcmp(a->as.text.data, b->as.text.data, a->as.text.n) == 0;
    return a->sort == SORT_EXACT && a->as.number == b->as.number;
}

/* Is a value of that one also a value of another? Only what is plain to see. */
static bool is_part_of(const struct type *part, const struct type *whole)
{
    switch (whole->sort) {
    case SORT_NUMBER:
        return part->sort == SORT_INTEGER || part->sort == SORT_FRACTION ||
               part->sort == SORT_NUMBER || part->sort == SORT_EXACT;
    case SORT_BOOLEAN:
        return part->sort == SORT_TRUE || part->sort == SORT_FALSE;
    case SORT_STRING:
        return part->sort == SORT_TEXT;
    default:
        return is_same(part, whole);
    }
}

struct members {
    const struct type *items[MAX_MEMBERS];
    unsigned n;
    bool weak, any;
};

static void add_member(struct members *members, const struct type *type)
{
    if (type->sort == SORT_NEVER)
        return;
    for (unsigned i = 0; i < members->n; i++)
        if (is_part_of(type, members->items[i]))
            return;
    if (type->sort == SORT_ANY || members->n == MAX_MEMBERS)
        members->any = true;
    else
        members->items[members->n++] = type;
}

static void add_members(struct members *members, const struct type *type)
{
    if (type == NULL)
        type = PLAIN(ANY);
    if (type->sort != SORT_UNION) {
        add_member(members, type);
        return;
    }
    members->weak |= type->weak;
    for (uint32_t i = 0; i < type->as.of.n; i++)
        add_member(members, type->as.of.items[i]);
}

static const struct type *union_of(struct type_store *types,
                                   const struct members *members)
{
    const struct type **items;
    struct type *type;

    if (members->any)
        return PLAIN(ANY);
    if (members->n == 0)
        return PLAIN(NEVER);
    if (members->n == 1)
        return members->items[0];
    type = make(types, SORT_UNION);
    items = type_store_alloc(types, members->n * sizeof(*items));
    if (type == NULL || items == NULL)
        return PLAIN(ANY);
    memcpy(items, members->items, members->n * sizeof(*items));
    type->weak = members->weak;
    type->as.of.items = items;
    type->as.of.n = members->n;
    return type;
}

/* Unions of unions by name are flat where they are used. */
static const struct type *flat(const struct type_store *types, const struct type *type)
{
    const struct type *behind;

    if (type == NULL || type->sort != SORT_REF)
        return type;
    behind = type_behind(types, type);
    return behind->sort == SORT_UNION || behind->sort == SORT_ANY ? behind : type;
}

const struct type *type_union(struct type_store *types, const struct type *a,
                              const struct type *b)
{
    struct members members = {.n = 0};

    if (a == b)
        return or_any(a);
    add_members(&members, flat(types, a));
    add_members(&members, flat(types, b));
    return union_of(types, &members);
}

const struct type *type_weak(struct type_store *types, const struct type *type)
{
    struct type *weak;

    type = flat(types, type);
    if (type == NULL || type->sort != SORT_UNION || type->weak)
        return or_any(type);
    weak = make(types, SORT_UNION);
    if (weak == NULL)
        return PLAIN(ANY);
    *weak = *type;
    weak->weak = true;
    return weak;
}

bool type_is_union(const struct type_store *types, const struct type *type, bool strong)
{
    type = type_behind(types, type);
    return type->sort == SORT_UNION && !(strong && type->weak);
}

/* ---- names ----------------------------------------------------------------------- */

static const struct declaration *find_declaration(const struct type_store *types,
                                                  const char *name, size_t n)
{
    return map_find(&types->declared, name, n);
}

const struct type *type_behind(const struct type_store *types, const struct type *type)
{
    for (int i = 0; i < MAX_NAMES; i++) {
        const struct declaration *found;

        if (type == NULL || type->sort != SORT_REF)
            return or_any(type);
        found = find_declaration(types, type->as.text.data, type->as.text.n);
        type = found != NULL ? found->type : NULL;
    }
    return PLAIN(ANY);
}

static bool is_param(void *context, const char *name)
{
    const struct value *params = context;

    for (size_t i = 0; params != NULL && i < params->as.list.n; i++)
        if (strcmp(value_text(&params->as.list.items[i]), name) == 0)
            return true;
    return false;
}

void type_store_declare(struct type_store *types, const struct value *tree)
{
    const char *name = value_get_text(tree, "name");
    struct type_names names = {.is_generic = is_param,
                               .context = value_get(tree, "params")};
    struct declaration *declaration;

    if (name == NULL)
        return;
    declaration = map_find(&types->declared, name, strlen(name));
    if (declaration != NULL) {
        declaration->type = NULL; /* which one is meant depends on the place */
        return;
    }
    declaration = type_store_alloc(types, sizeof(*declaration));
    if (declaration != NULL)
        declaration->name = type_store_copy(types, name, strlen(name));
    if (declaration == NULL || declaration->name == NULL)
        return;
    map_put(&types->declared, declaration->name, strlen(name), declaration);
    declaration->type = type_from_tree(types, value_get(tree, "type"), &names);
    if (declaration->type->sort > SORT_REF) /* it was made just now */
        ((struct type *)declaration->type)->name = declaration->name;
}

/* ---- from trees --------------------------------------------------------------------
 *
 * A tree is at most 64 levels deep (type_tree.h), and so are these calls.
 */

// NOLINTBEGIN(misc-no-recursion)

static const struct type **list_from(struct type_store *types, const struct value *list,
                                     const struct type_names *names, uint32_t *n_out)
{
    size_t n = list != NULL && list->type == VALUE_LIST ? list->as.list.n : 0;
    const struct type **items = type_store_alloc(types, (n + 1) * sizeof(*items));

    *n_out = 0;
    if (items == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        items[i] = type_from_tree(types, &list->as.list.items[i], names);
    *n_out = (uint32_t)n;
    return items;
}

static const struct type *record_from(struct type_store *types,
                                      const struct value *list,
                                      const struct type_names *names)
{
    size_t n = list != NULL && list->type == VALUE_LIST ? list->as.list.n : 0;
    struct type_field *fields = type_store_alloc(types, (n + 1) * sizeof(*fields));
    struct type *type = make(types, SORT_RECORD);

    if (fields == NULL || type == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const struct value *row = &list->as.list.items[i];
        const char *name = value_get_text(row, "name");

        fields[i].n_bytes = (uint32_t)strlen(name);
        fields[i].name = type_store_copy(types, name, fields[i].n_bytes);
        fields[i].optional = value_get_bool(row, "opt", false);
        fields[i].type = type_from_tree(types, value_get(row, "type"), names);
        if (fields[i].name == NULL)
            return NULL;
    }
    type->as.fields.items = fields;
    type->as.fields.n = (uint32_t)n;
    return type;
}

struct inner_names {
    const struct type_names *outer;
    const struct value *generics;
};

static bool is_inner_generic(void *context, const char *name)
{
    const struct inner_names *inner = context;
    const struct type_names *outer = inner->outer;

    return is_param((void *)inner->generics, name) ||
           (outer->is_generic != NULL && outer->is_generic(outer->context, name));
}

static void on_inner_unknown(void *context, const char *name, uint32_t at)
{
    const struct type_names *outer = ((const struct inner_names *)context)->outer;

    if (outer->on_unknown != NULL)
        outer->on_unknown(outer->context, name, at);
}

static const struct type *fun_from(struct type_store *types, const struct value *tree,
                                   const struct type_names *names)
{
    struct inner_names inner = {names, value_get(tree, "generics")};
    struct type_names all = {is_inner_generic, on_inner_unknown, &inner};
    struct type_fun *fun = type_store_alloc(types, sizeof(*fun));
    struct type *type = make(types, SORT_FUN);

    if (fun == NULL || type == NULL)
        return NULL;
    if (inner.generics != NULL)
        names = &all;
    fun->params = list_from(types, value_get(tree, "params"), names, &fun->n_params);
    fun->has_rets = value_get(tree, "ret") != NULL;
    fun->rets = list_from(types, value_get(tree, "ret"), names, &fun->n_rets);
    fun->more = value_get_bool(tree, "more", false);
    fun->annotated = true;
    type->as.fun = fun;
    return type;
}

static const struct type *union_from(struct type_store *types, const struct value *list,
                                     const struct type_names *names)
{
    struct members members = {.n = 0};

    for (size_t i = 0; i < list->as.list.n; i++)
        add_members(&members, type_from_tree(types, &list->as.list.items[i], names));
    return union_of(types, &members);
}

static const struct type *all_from(struct type_store *types, const struct value *list,
                                   const struct type_names *names)
{
    struct type *type = make(types, SORT_ALL);

    if (type == NULL)
        return NULL;
    type->as.of.items = list_from(types, list, names, &type->as.of.n);
    return type->as.of.n == 1 ? type->as.of.items[0] : type;
}

static const struct type *name_from(struct type_store *types, const struct value *tree,
                                    const struct type_names *names)
{
    const char *name = value_get_text(tree, "name");
    const struct value *args = value_get(tree, "args");
    struct type *type;

    if (names->is_generic != NULL && names->is_generic(names->context, name))
        return PLAIN(ANY);
    for (size_t i = 0; args != NULL && i < args->as.list.n; i++)
        type_from_tree(types, &args->as.list.items[i], names); /* names in them */
    if (strchr(name, '.') != NULL)
        return PLAIN(ANY); /* of an import: not to be seen from here */
    if (names->on_unknown != NULL &&
        find_declaration(types, name, strlen(name)) == NULL)
        names->on_unknown(names->context, name, (uint32_t)value_get_int(tree, "at", 0));
    type = make(types, SORT_REF);
    if (type == NULL)
        return NULL;
    type->as.text.n = (uint32_t)strlen(name);
    type->as.text.data = type_store_copy(types, name, type->as.text.n);
    return type->as.text.data != NULL ? type : NULL;
}

static const struct type *literal_from(struct type_store *types,
                                       const struct value *value)
{
    struct type *type;
    const char *text;

    if (value == NULL)
        return NULL;
    if (value->type == VALUE_BOOL)
        return value->as.boolean ? PLAIN(TRUE) : PLAIN(FALSE);
    if (value->type == VALUE_STRING) {
        text = type_store_copy(types, value->as.string.data, value->as.string.n);
        return text != NULL ? type_text(types, text, value->as.string.n) : NULL;
    }
    type = make(types, SORT_EXACT);
    if (type != NULL)
        type->as.number =
            value->type == VALUE_INT ? (double)value->as.integer : value->as.real;
    return type;
}

static const struct type *container_from(struct type_store *types,
                                         const struct value *tree,
                                         const struct type_names *names)
{
    const struct value *elem = value_get(tree, "elem");
    struct type *type = make(types, elem != NULL ? SORT_ARRAY : SORT_MAP);

    if (type == NULL)
        return NULL;
    type->as.key = elem != NULL ? PLAIN(INTEGER)
                                : type_from_tree(types, value_get(tree, "key"), names);
    type->as.val =
        type_from_tree(types, elem != NULL ? elem : value_get(tree, "val"), names);
    return type;
}

static const struct type *primitive_from(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(primitives); i++)
        if (strcmp(primitives[i].name, name) == 0)
            return &type_plain[primitives[i].sort];
    return NULL;
}

static const struct type *from_tree(struct type_store *types, const struct value *tree,
                                    const struct type_names *names)
{
    const char *k = value_get_text(tree, "k");

    if (k == NULL || types->exhausted)
        return NULL;
    if (strcmp(k, "prim") == 0)
        return primitive_from(value_get_text(tree, "name"));
    if (strcmp(k, "lit") == 0)
        return literal_from(types, value_get(tree, "value"));
    if (strcmp(k, "ref") == 0)
        return name_from(types, tree, names);
    if (strcmp(k, "array") == 0 || strcmp(k, "map") == 0)
        return container_from(types, tree, names);
    if (strcmp(k, "record") == 0)
        return record_from(types, value_get(tree, "fields"), names);
    if (strcmp(k, "fun") == 0)
        return fun_from(types, tree, names);
    if (strcmp(k, "or") == 0)
        return union_from(types, value_get(tree, "of"), names);
    if (strcmp(k, "and") == 0)
        return all_from(types, value_get(tree, "of"), names);
    if (strcmp(k, "opt") == 0) {
        struct members members = {.n = 0};

        add_members(&members, type_from_tree(types, value_get(tree, "inner"), names));
        add_member(&members, PLAIN(NIL));
        return union_of(types, &members);
    }
    return NULL;
}

const struct type *type_from_tree(struct type_store *types, const struct value *tree,
                                  const struct type_names *names)
{
    return or_any(from_tree(types, tree, names));
}

// NOLINTEND(misc-no-recursion)
