#include "common/shelves.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct shelf {
    struct list nodes;
    size_t n_bytes;
    char text[];
};

void shelves_init(struct shelves *shelves)
{
    map_init(&shelves->by_text);
}

void shelves_finish(struct shelves *shelves)
{
    MAP_FOREACH (row, &shelves->by_text) {
        struct shelf *shelf = row->value;

        list_remove(&shelf->nodes);
        free(shelf);
    }
    map_finish(&shelves->by_text);
}

struct list *shelves_find(const struct shelves *shelves, const char *text,
                          size_t n_bytes)
{
    struct shelf *shelf = map_find(&shelves->by_text, text, n_bytes);

    return shelf != NULL ? &shelf->nodes : NULL;
}

struct list *shelves_get(struct shelves *shelves, const char *text, size_t n_bytes)
{
    struct shelf *shelf = map_find(&shelves->by_text, text, n_bytes);

    if (shelf != NULL)
        return &shelf->nodes;
    shelf = xmalloc(sizeof(*shelf) + n_bytes);
    list_init(&shelf->nodes);
    shelf->n_bytes = n_bytes;
    if (n_bytes != 0)
        memcpy(shelf->text, text, n_bytes);
    map_put(&shelves->by_text, shelf->text, n_bytes, shelf);
    return &shelf->nodes;
}

void shelves_tidy(struct shelves *shelves, struct list *nodes)
{
    struct shelf *shelf = container_of(nodes, struct shelf, nodes);

    if (!list_empty(nodes))
        return;
    map_remove(&shelves->by_text, shelf->text, shelf->n_bytes);
    free(shelf);
}
