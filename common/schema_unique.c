#include "common/schema_machine.h"

#include <stdlib.h>

#define SMALL_LIST 8 /* items that are compared with each other one by one */

/* A seat for each item, found by its hash. */
struct seats {
    uint32_t *nodes; /* 0 = free: the root is no item */
    uint32_t mask;
};

/* Is there an item equal to that at node already? Else it takes a seat. */
static bool sits_already(struct machine *m, struct seats *seats, uint32_t node)
{
    const uint64_t *hashes = m->flat->hashes;
    uint32_t at = (uint32_t)(hashes[node] >> 7) & seats->mask;

    while (seats->nodes[at] != 0) {
        uint32_t other = seats->nodes[at];

        if (!machine_spend(m, 1))
            return false;
        if (hashes[other] == hashes[node] &&
            flat_equal(m->flat, other, m->flat, node, &m->steps))
            return true;
        at = (at + 1) & seats->mask;
    }
    seats->nodes[at] = node;
    return false;
}

/* 0 = none, else the first item that is equal to an earlier one, counted from 1. */
static uint32_t find_double_hashed(struct machine *m, const struct flat_node *list,
                                   uint32_t first)
{
    struct seats seats = {.mask = 15};
    uint32_t found = 0, at = first;

    while (seats.mask / 2 < list->n)
        seats.mask = seats.mask * 2 + 1;
    seats.nodes = calloc((size_t)seats.mask + 1, sizeof(*seats.nodes));
    if (seats.nodes == NULL || !flat_make_hashes(m->flat)) {
        free(seats.nodes);
        machine_give_up(m, "no memory to compare the items");
        return 0;
    }
    for (uint32_t i = 0; i < list->n && found == 0 && !m->gave_up; i++) {
        if (sits_already(m, &seats, at))
            found = i + 1;
        at = m->flat->nodes[at].next;
    }
    free(seats.nodes);
    return found;
}

static uint32_t find_double_plainly(struct machine *m, const struct flat_node *list,
                                    uint32_t first)
{
    const struct flat_node *nodes = m->flat->nodes;
    uint32_t at = first;

    for (uint32_t i = 0; i < list->n; i++, at = nodes[at].next) {
        uint32_t other = first;

        for (uint32_t k = 0; k < i; k++, other = nodes[other].next)
            if (flat_equal(m->flat, other, m->flat, at, &m->steps))
                return i + 1;
    }
    return 0;
}

enum outcome schema_run_unique(struct machine *m, struct visit *v, const struct op *op)
{
    const struct flat_node *list = visit_node(m, v);
    uint32_t found;

    (void)op;
    if (list->n > SMALL_LIST)
        found = find_double_hashed(m, list, v->node + 1);
    else
        found = find_double_plainly(m, list, v->node + 1);
    if (machine_spend(m, 1) && found != 0)
        machine_fail(m, v, "item %u equals an earlier one", found - 1);
    return OP_DONE;
}
