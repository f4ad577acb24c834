/*
 * value_walk -- visits a tree in document order, without recursion.
 *
 *     struct value_walk walk;
 *     value_walk_init(&walk, root);
 *     while (value_walk_next(&walk) != VISIT_END)
 *         ... walk.value, walk.key, walk.index ...
 *     value_walk_finish(&walk);
 *
 * A scalar gives one event, a container OPEN and CLOSE around its items. Memory grows
 * with the depth only. Items of the container that is open may be changed in place, the
 * container itself may not.
 */
#ifndef TROUPE_COMMON_VALUE_WALK_H
#define TROUPE_COMMON_VALUE_WALK_H

#include "common/value.h"

enum value_visit { VISIT_END, VISIT_SCALAR, VISIT_OPEN, VISIT_CLOSE };

struct value_walk_level {
    const struct value *container;
    const char *key; /* of the container in its own parent */
    size_t index;    /* of the container in its own parent */
    size_t next;
    void *aux;
};

struct value_walk {
    const struct value *value; /* of the event */
    const char *key;           /* its key in a map, NULL elsewhere */
    size_t index;              /* its position in its container */
    size_t depth;              /* containers around it */
    void *aux;                 /* CLOSE: what value_walk_set_aux() set on OPEN */

    const struct value *root; /* NULL once it was visited */
    struct value_walk_level *levels, inline_levels[16];
    size_t n, size;
};

void value_walk_init(struct value_walk *walk, const struct value *root);
void value_walk_finish(struct value_walk *walk);
enum value_visit value_walk_next(struct value_walk *walk);

/* After OPEN: hangs a pointer on the container just opened. */
void value_walk_set_aux(struct value_walk *walk, void *aux);

/* The aux of the container around the present event, NULL at the root. */
void *value_walk_parent_aux(const struct value_walk *walk);

#endif
