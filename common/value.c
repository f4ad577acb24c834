#include "common/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/value_walk.h"

static void free_container(struct value *value)
{
    if (value->type == VALUE_LIST) {
        free(value->as.list.items);
        return;
    }
    for (size_t i = 0; i < value->as.map.n; i++)
        free(value->as.map.pairs[i].key);
    free(value->as.map.pairs);
}

/* A container is freed when the walk leaves it: nothing below it is looked at again. */
static void free_tree(struct value *value)
{
    struct value_walk walk;
    enum value_visit event;

    value_walk_init(&walk, value);
    while ((event = value_walk_next(&walk)) != VISIT_END) {
        struct value *at = (struct value *)walk.value;

        if (event == VISIT_CLOSE)
            free_container(at);
        else if (at->type == VALUE_STRING)
            free(at->as.string.data);
    }
    value_walk_finish(&walk);
}

void value_finish(struct value *value)
{
    if (value->type == VALUE_STRING)
        free(value->as.string.data);
    else if (value->type == VALUE_LIST || value->type == VALUE_MAP)
        free_tree(value);
    *value = (struct value){0};
}

struct value value_bool(bool boolean)
{
    return (struct value){.type = VALUE_BOOL, .as.boolean = boolean};
}

struct value value_int(int64_t integer)
{
    return (struct value){.type = VALUE_INT, .as.integer = integer};
}

struct value value_float(double real)
{
    return (struct value){.type = VALUE_FLOAT, .as.real = real};
}

struct value value_bytes(const void *data, size_t n_bytes)
{
    struct value value = {.type = VALUE_STRING};

    value.as.string.data = xstrndup(n_bytes == 0 ? "" : data, n_bytes);
    value.as.string.n = n_bytes;
    return value;
}

struct value value_string(const char *text)
{
    return text == NULL ? (struct value){0} : value_bytes(text, strlen(text));
}

struct value value_list(void)
{
    return (struct value){.type = VALUE_LIST};
}

struct value value_map(void)
{
    return (struct value){.type = VALUE_MAP};
}

struct value *value_append(struct value *list, struct value item)
{
    if (list->as.list.n == list->as.list.size) {
        list->as.list.size = list->as.list.size == 0 ? 4 : list->as.list.size * 2;
        list->as.list.items =
            xrealloc(list->as.list.items, list->as.list.size * sizeof(item));
    }
    list->as.list.items[list->as.list.n] = item;
    return &list->as.list.items[list->as.list.n++];
}

struct value *value_add_n(struct value *map, const char *key, size_t n,
                          struct value item)
{
    struct value_pair *pair;

    if (map->as.map.n == map->as.map.size) {
        map->as.map.size = map->as.map.size == 0 ? 4 : map->as.map.size * 2;
        map->as.map.pairs =
            xrealloc(map->as.map.pairs, map->as.map.size * sizeof(*pair));
    }
    pair = &map->as.map.pairs[map->as.map.n++];
    pair->key = xstrndup(key, n);
    pair->value = item;
    return &pair->value;
}

/* The row of that key, -1 when there is none. No key holds a NUL byte, but what is
 * looked for may: so it can be longer than a key that it begins like. */
static ptrdiff_t find_pair(const struct value *map, const char *key, size_t n)
{
    for (size_t i = 0; i < map->as.map.n; i++) {
        const char *have = map->as.map.pairs[i].key;

        if (strncmp(have, key, n) == 0 && strnlen(have, n + 1) == n)
            return (ptrdiff_t)i;
    }
    return -1;
}

struct value *value_put_n(struct value *map, const char *key, size_t n,
                          struct value item)
{
    ptrdiff_t i = find_pair(map, key, n);

    if (i == -1)
        return value_add_n(map, key, n, item);
    value_finish(&map->as.map.pairs[i].value);
    map->as.map.pairs[i].value = item;
    return &map->as.map.pairs[i].value;
}

struct value *value_put(struct value *map, const char *key, struct value item)
{
    return value_put_n(map, key, strlen(key), item);
}

bool value_remove(struct value *map, const char *key)
{
    ptrdiff_t i = find_pair(map, key, strlen(key));
    struct value_pair *pair;

    if (i == -1)
        return false;
    pair = &map->as.map.pairs[i];
    free(pair->key);
    value_finish(&pair->value);
    map->as.map.n--;
    memmove(pair, pair + 1, (map->as.map.n - (size_t)i) * sizeof(*pair));
    return true;
}

struct value *value_get_n(const struct value *map, const char *key, size_t n)
{
    ptrdiff_t i;

    if (map == NULL || map->type != VALUE_MAP)
        return NULL;
    i = find_pair(map, key, n);
    return i == -1 ? NULL : &map->as.map.pairs[i].value;
}

struct value *value_get(const struct value *map, const char *key)
{
    return value_get_n(map, key, strlen(key));
}

struct value *value_get_path(const struct value *map, const char *dotted_path)
{
    struct value *at = (struct value *)map;

    for (const char *part = dotted_path;;) {
        size_t n = strcspn(part, ".");

        at = value_get_n(at, part, n);
        if (at == NULL || part[n] == '\0')
            return at;
        part += n + 1;
    }
}

const char *value_text(const struct value *value)
{
    return value != NULL && value->type == VALUE_STRING ? value->as.string.data : NULL;
}

struct bytes value_to_bytes(const struct value *text)
{
    return (struct bytes){(const uint8_t *)text->as.string.data, text->as.string.n};
}

const char *value_get_text(const struct value *map, const char *key)
{
    return value_text(value_get(map, key));
}

struct value *value_item(const struct value *list, size_t i)
{
    return i < value_list_n(list) ? &list->as.list.items[i] : NULL;
}

int64_t value_get_int(const struct value *map, const char *key, int64_t fallback)
{
    const struct value *value = value_get(map, key);

    return value != NULL && value->type == VALUE_INT ? value->as.integer : fallback;
}

bool value_get_bool(const struct value *map, const char *key, bool fallback)
{
    const struct value *value = value_get(map, key);

    return value != NULL && value->type == VALUE_BOOL ? value->as.boolean : fallback;
}

/* One node: strings are copied, containers start empty. */
static struct value copy_node(const struct value *value)
{
    if (value->type == VALUE_STRING)
        return value_bytes(value->as.string.data, value->as.string.n);
    if (value->type == VALUE_LIST)
        return value_list();
    if (value->type == VALUE_MAP)
        return value_map();
    return *value;
}

size_t value_count_bytes(const struct value *value)
{
    size_t n = 0;
    struct value_walk walk;
    enum value_visit event;

    value_walk_init(&walk, value);
    while ((event = value_walk_next(&walk)) != VISIT_END) {
        if (event == VISIT_CLOSE)
            continue;
        n += sizeof(struct value_pair);
        n += walk.key != NULL ? strlen(walk.key) : 0;
        n += walk.value->type == VALUE_STRING ? walk.value->as.string.n : 0;
    }
    value_walk_finish(&walk);
    return n;
}

struct value value_copy(const struct value *value)
{
    struct value copy = {0};
    struct value_walk walk;
    enum value_visit event;

    value_walk_init(&walk, value);
    while ((event = value_walk_next(&walk)) != VISIT_END) {
        /* A container doesn't move while it is open: its parent doesn't grow then. */
        struct value *parent, *place;

        if (event == VISIT_CLOSE)
            continue;
        parent = value_walk_parent_aux(&walk);
        if (parent == NULL)
            copy = copy_node(walk.value), place = &copy;
        else if (parent->type == VALUE_LIST)
            place = value_append(parent, copy_node(walk.value));
        else
            place =
                value_add_n(parent, walk.key, strlen(walk.key), copy_node(walk.value));
        if (event == VISIT_OPEN)
            value_walk_set_aux(&walk, place);
    }
    value_walk_finish(&walk);
    return copy;
}

static bool scalar_equal(const struct value *a, const struct value *b)
{
    switch (a->type) {
    case VALUE_BOOL:
        return a->as.boolean == b->as.boolean;
    case VALUE_INT:
        return a->as.integer == b->as.integer;
    case VALUE_FLOAT:
        return a->as.real == b->as.real || (isnan(a->as.real) && isnan(b->as.real));
    case VALUE_STRING:
        return a->as.string.n == b->as.string.n &&
               memcmp(a->as.string.data, b->as.string.data, a->as.string.n) == 0;
    default:
        return true;
    }
}

/* The counterpart of the walk's present node inside b's tree. Maps are equal whatever
 * the order of their keys. */
static const struct value *counterpart(const struct value_walk *walk,
                                       const struct value *b)
{
    const struct value *parent = value_walk_parent_aux(walk);

    if (walk->depth == 0)
        return b;
    if (walk->key != NULL)
        return value_get(parent, walk->key);
    return &parent->as.list.items[walk->index];
}

bool value_equal(const struct value *a, const struct value *b)
{
    struct value_walk walk;
    enum value_visit event;
    bool equal = true;

    value_walk_init(&walk, a);
    while (equal && (event = value_walk_next(&walk)) != VISIT_END) {
        const struct value *other;

        if (event == VISIT_CLOSE)
            continue;
        other = counterpart(&walk, b);
        if (other == NULL || other->type != walk.value->type)
            equal = false;
        else if (event == VISIT_SCALAR)
            equal = scalar_equal(walk.value, other);
        else if (other->type == VALUE_LIST)
            equal = other->as.list.n == walk.value->as.list.n;
        else
            equal = other->as.map.n == walk.value->as.map.n;
        if (event == VISIT_OPEN)
            value_walk_set_aux(&walk, (void *)other);
    }
    value_walk_finish(&walk);
    return equal;
}
