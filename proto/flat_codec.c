#include "proto/flat_codec.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/flat.h"
#include "common/number.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_head.h"

/* Lua's codec goes as deep; keys that are tables count too. */
#define MAX_DEPTH ((size_t)2 * VALUE_MAX_DEPTH)

#define NO_NODE UINT32_MAX

struct flat_level {
    uint32_t node;
    uint64_t left; /* values to come, keys included */
    bool is_map;
};

/* A table that EXT_REF may name. */
struct flat_table {
    uint32_t node; /* NO_NODE: it was part of a key */
    bool open;
};

struct flat_decoder {
    struct value_cursor c;
    struct flat *flat;
    struct flat_level levels[MAX_DEPTH];
    size_t depth;
    struct flat_table *tables;
    size_t n_tables, size_tables;
};

static int fail_size(struct flat_decoder *d)
{
    return err_set(d->c.err, ERR_LIMIT_EXCEEDED,
                   "the value is too large to be checked against a schema");
}

static int note_table(struct flat_decoder *d, uint32_t node)
{
    if (d->n_tables == d->size_tables) {
        size_t size = d->size_tables == 0 ? 64 : d->size_tables * 2;
        struct flat_table *tables = realloc(d->tables, size * sizeof(*tables));

        if (tables == NULL)
            return fail_size(d);
        d->tables = tables;
        d->size_tables = size;
    }
    d->tables[d->n_tables++] = (struct flat_table){.node = node, .open = true};
    return 0;
}

static void fill_scalar(struct flat_node *node, const struct value *scalar)
{
    switch (scalar->type) {
    case VALUE_BOOL:
        node->type = FLAT_BOOL;
        node->as.boolean = scalar->as.boolean;
        break;
    case VALUE_INT:
        node->type = FLAT_INT;
        node->as.integer = scalar->as.integer;
        break;
    case VALUE_FLOAT:
        node->type = FLAT_FLOAT;
        node->as.real = scalar->as.real;
        break;
    default:
        break;
    }
}

/* next holds the number of the table until it is closed. */
static int open_table(struct flat_decoder *d, const struct value_head *head,
                      uint32_t node)
{
    struct flat_node *row = &d->flat->nodes[node];
    bool is_map = head->kind == HEAD_MAP;

    row->type = !is_map ? FLAT_LIST : head->n == 0 ? FLAT_EMPTY : FLAT_MAP;
    row->n = head->n;
    if (d->depth == MAX_DEPTH)
        return value_head_refuse(&d->c, "nested too deep");
    row->next = (uint32_t)d->n_tables;
    d->levels[d->depth++] = (struct flat_level){
        .node = node, .left = (uint64_t)head->n * (is_map ? 2 : 1), .is_map = is_map};
    return note_table(d, node);
}

static int add_reference(struct flat_decoder *d, const struct value_head *head,
                         uint32_t node)
{
    struct flat_node *row = &d->flat->nodes[node];
    uint64_t which = 0;

    if (head->n != 4)
        return value_head_refuse(&d->c, "a reference has four bytes");
    if (value_head_read_uint(&d->c, 4, &which) == -1)
        return -1;
    if (which >= d->n_tables)
        return value_head_refuse(&d->c, "a reference to a table that isn't there");
    if (d->tables[which].open)
        return err_set(d->c.err, ERR_INVALID,
                       "a table that contains itself satisfies no schema");
    row->type = d->tables[which].node == NO_NODE ? FLAT_OTHER : FLAT_SAME;
    row->as.same = d->tables[which].node;
    return 0;
}

static int add_item(struct flat_decoder *d)
{
    uint32_t node = flat_add(d->flat, FLAT_NULL);
    struct value_head head;

    if (node == UINT32_MAX)
        return fail_size(d);
    if (value_head_read(&d->c, &head) == -1)
        return -1;
    if (head.kind == HEAD_LIST || head.kind == HEAD_MAP)
        return open_table(d, &head, node);
    if (head.kind == HEAD_EXT && head.ext_type == EXT_REF)
        return add_reference(d, &head, node);
    if (head.kind == HEAD_SCALAR) {
        fill_scalar(&d->flat->nodes[node], &head.scalar);
        return 0;
    }
    d->flat->nodes[node].type = head.kind == HEAD_STRING ? FLAT_STRING : FLAT_OTHER;
    d->flat->nodes[node].n = head.kind == HEAD_STRING ? head.n : 0;
    d->flat->nodes[node].as.text = (const char *)d->c.data + d->c.at;
    d->c.at += head.n;
    return 0;
}

/* What was in a key is no part of the tree. */
static void drop_inside(struct flat_decoder *d, uint32_t node)
{
    d->flat->n = node + 1;
    for (size_t i = d->n_tables; i-- > 0;) {
        if (d->tables[i].node != NO_NODE && d->tables[i].node < node)
            break;
        d->tables[i].node = NO_NODE;
    }
}

/* Gives the key at node, which is whole, its text. */
static int close_key(struct flat_decoder *d, uint32_t node)
{
    struct flat_node *row = &d->flat->nodes[node];
    char number[NUMBER_TEXT_BYTES];
    const char *text = "value";
    size_t n;

    if (row->type == FLAT_STRING)
        return 0;
    if (flat_is_number(row)) {
        n = number_format(number, flat_number(row));
        text = flat_keep_text(d->flat, number, n);
        if (text == NULL)
            return fail_size(d);
    } else {
        if (row->type == FLAT_BOOL)
            text = row->as.boolean ? "true" : "false";
        else if (row->type != FLAT_OTHER)
            text = "table";
        n = strlen(text);
    }
    drop_inside(d, node);
    *row = (struct flat_node){
        .type = FLAT_STRING, .next = node + 1, .n = (uint32_t)n, .as.text = text};
    return 0;
}

/* The item at node is whole: was it a key? */
static int item_ended(struct flat_decoder *d, uint32_t node)
{
    struct flat_level *level;

    if (d->depth == 0)
        return 0;
    level = &d->levels[d->depth - 1];
    level->left--;
    return level->is_map && level->left % 2 == 1 ? close_key(d, node) : 0;
}

static int close_table(struct flat_decoder *d)
{
    uint32_t node = d->levels[--d->depth].node;
    struct flat_node *row = &d->flat->nodes[node];

    d->tables[row->next].open = false;
    row->next = d->flat->n;
    return item_ended(d, node);
}

static int decode_all(struct flat_decoder *d)
{
    do {
        size_t depth = d->depth;
        uint32_t node = d->flat->n;

        if (depth != 0 && d->levels[depth - 1].left == 0) {
            if (close_table(d) == -1)
                return -1;
            continue;
        }
        if (add_item(d) == -1 || (d->depth == depth && item_ended(d, node) == -1))
            return -1;
    } while (d->depth != 0);
    return d->c.at == d->c.n ? 0 : value_head_refuse(&d->c, "bytes are left over");
}

int flat_decode(struct bytes data, struct flat *flat, struct err *err)
{
    struct flat_decoder d = {.c = {.data = data.data, .n = data.n, .err = err},
                             .flat = flat};
    int rc = decode_all(&d);

    free(d.tables);
    return rc;
}
