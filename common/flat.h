/*
 * flat -- a tree of plain data as one array of nodes, in document order.
 *
 * Whoever looks at a value many times (a schema does, once per keyword) wants to step
 * over parts of it, count them and compare them without walking bytes again and without
 * recursion. A node says where the next one beside it is; a map's keys are nodes too,
 * each in front of its value. Texts are borrowed from where the value came from.
 *
 * Two kinds of node are there for Lua: EMPTY is a table with nothing in it, a list as
 * well as a map, and SAME is a table that occurred before in the same value. OTHER is
 * what no JSON text can say (an Error).
 */
#ifndef TROUPE_COMMON_FLAT_H
#define TROUPE_COMMON_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/number.h"

struct value;

#define FLAT_MAX_NODES (1u << 20) /* what is larger isn't looked at */

enum flat_type {
    FLAT_NULL,
    FLAT_BOOL,
    FLAT_INT,
    FLAT_FLOAT,
    FLAT_STRING,
    FLAT_LIST,
    FLAT_MAP,
    FLAT_EMPTY,
    FLAT_OTHER,
    FLAT_SAME,
};

struct flat_node {
    uint8_t type;  /* enum flat_type */
    uint32_t next; /* the node behind this one and all that is in it */
    uint32_t n;    /* bytes of a string, items of a list, pairs of a map */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text; /* borrowed; any bytes */
        uint32_t same;    /* the node meant, which isn't SAME itself */
    } as;
};

struct flat {
    struct flat_node *nodes; /* nodes[0] is the root */
    uint32_t n, size;
    struct flat_text *texts; /* those that are its own */
    uint64_t *hashes;        /* of each node, once somebody asked */
    struct flat_node inline_nodes[32];
};

void flat_init(struct flat *flat); /* it must not be moved from here on */
void flat_finish(struct flat *flat);

/* Appends a node with everything zero; its index, or UINT32_MAX when there is no memory
 * or the value has too many nodes. */
uint32_t flat_add(struct flat *flat, enum flat_type type);

/* A copy that lives as long as flat; NULL: no memory. */
const char *flat_keep_text(struct flat *flat, const char *text, size_t n_bytes);

/* Appends the whole tree; its texts are borrowed. -1: too large. */
int flat_add_value(struct flat *flat, const struct value *value);

/* The node that node i stands for. */
static inline uint32_t flat_resolve(const struct flat *flat, uint32_t i)
{
    return flat->nodes[i].type == FLAT_SAME ? flat->nodes[i].as.same : i;
}

static inline bool flat_is_number(const struct flat_node *node)
{
    return node->type == FLAT_INT || node->type == FLAT_FLOAT;
}

/* Of an INT or FLOAT. */
struct number flat_number(const struct flat_node *node);

/* Are the two equal as JSON data (1 and 1.0 are, the order of keys doesn't count)?
 * *steps is what the comparison may cost; it is 0 afterwards when that wasn't enough,
 * and then the answer means nothing. */
bool flat_equal(const struct flat *a, uint32_t i, const struct flat *b, uint32_t k,
                uint64_t *steps);

/* Makes flat->hashes, in which equal nodes have equal ones; they are seeded. False: no
 * memory. */
bool flat_make_hashes(struct flat *flat);

#endif
