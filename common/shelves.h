/*
 * shelves -- lists of nodes by a text, for whoever must find those of one text among
 * very many.
 *
 * A shelf is there while somebody has put something on it; its nodes are their owner's.
 */
#ifndef TROUPE_COMMON_SHELVES_H
#define TROUPE_COMMON_SHELVES_H

#include <stddef.h>

#include "common/list.h"
#include "common/map.h"

struct shelves {
    struct map by_text;
};

void shelves_init(struct shelves *shelves);
void shelves_finish(struct shelves *shelves); /* nodes that are left are let go */

/* The list of that text; get() makes it. Stays where it is while it has nodes. */
struct list *shelves_get(struct shelves *shelves, const char *text, size_t n_bytes);
struct list *shelves_find(const struct shelves *shelves, const char *text,
                          size_t n_bytes); /* NULL: there is none */

/* After a node was taken off that shelf: frees it if that was the last one. */
void shelves_tidy(struct shelves *shelves, struct list *nodes);

#endif
