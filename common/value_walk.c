#include "common/value_walk.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void value_walk_init(struct value_walk *walk, const struct value *root)
{
    walk->value = NULL;
    walk->key = NULL;
    walk->index = walk->depth = 0;
    walk->aux = NULL;
    walk->root = root;
    walk->levels = walk->inline_levels;
    walk->n = 0;
    walk->size = N_ELEMENTS(walk->inline_levels);
}

void value_walk_finish(struct value_walk *walk)
{
    if (walk->levels != walk->inline_levels)
        free(walk->levels);
    walk->levels = walk->inline_levels;
    walk->n = 0;
}

static void grow(struct value_walk *walk)
{
    size_t bytes = walk->size * sizeof(*walk->levels);

    if (walk->levels == walk->inline_levels) {
        walk->levels = xmalloc(bytes * 2);
        memcpy(walk->levels, walk->inline_levels, bytes);
    } else {
        walk->levels = xrealloc(walk->levels, bytes * 2);
    }
    walk->size *= 2;
}

static enum value_visit visit(struct value_walk *walk, const struct value *value,
                              const char *key, size_t index)
{
    walk->value = value;
    walk->key = key;
    walk->index = index;
    walk->depth = walk->n;
    if (value->type != VALUE_LIST && value->type != VALUE_MAP)
        return VISIT_SCALAR;
    if (walk->n == walk->size)
        grow(walk);
    walk->levels[walk->n++] =
        (struct value_walk_level){.container = value, .key = key, .index = index};
    return VISIT_OPEN;
}

static enum value_visit leave(struct value_walk *walk)
{
    const struct value_walk_level *level = &walk->levels[--walk->n];

    walk->value = level->container;
    walk->key = level->key;
    walk->index = level->index;
    walk->depth = walk->n;
    walk->aux = level->aux;
    return VISIT_CLOSE;
}

enum value_visit value_walk_next(struct value_walk *walk)
{
    struct value_walk_level *level;
    const struct value *container;
    size_t i;

    if (walk->root != NULL) {
        const struct value *root = walk->root;

        walk->root = NULL;
        return visit(walk, root, NULL, 0);
    }
    if (walk->n == 0)
        return VISIT_END;
    level = &walk->levels[walk->n - 1];
    container = level->container;
    i = level->next++;
    if (container->type == VALUE_LIST && i < container->as.list.n)
        return visit(walk, &container->as.list.items[i], NULL, i);
    if (container->type == VALUE_MAP && i < container->as.map.n) {
        const struct value_pair *pair = &container->as.map.pairs[i];

        return visit(walk, &pair->value, pair->key, i);
    }
    return leave(walk);
}

void value_walk_set_aux(struct value_walk *walk, void *aux)
{
    walk->levels[walk->n - 1].aux = aux;
}

/* While OPEN is the present event, the container itself is on top of the levels. */
void *value_walk_parent_aux(const struct value_walk *walk)
{
    return walk->depth == 0 ? NULL : walk->levels[walk->depth - 1].aux;
}
