#include <stdlib.h>

#include "common/expr_parser.h"
#include "common/mem.h"
#include "common/regex.h"

#define PATTERN_BYTES (256 << 10) /* grows as it meets texts; this is a lot */

void node_destroy(struct node *node) /* NOLINT(misc-no-recursion): EXPR_MAX_DEPTH */
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->n_kids; i++)
        node_destroy(node->kids[i]);
    regex_destroy(node->regex);
    value_finish(&node->value);
    free(node->kids);
    free(node);
}

size_t node_size_bytes(const struct node *node) /* NOLINT(misc-no-recursion) */
{
    size_t size = sizeof(*node) + node->n_kids * sizeof(node);

    if (node->value.type == VALUE_STRING)
        size += node->value.as.string.n;
    if (node->regex != NULL)
        size += PATTERN_BYTES;
    for (size_t i = 0; i < node->n_kids; i++)
        if (node->kids[i] != NULL)
            size += node_size_bytes(node->kids[i]);
    return size;
}

struct node *node_create(enum node_type type, const char *at)
{
    struct node *node = xcalloc(1, sizeof(*node));

    node->type = type;
    node->at = at;
    return node;
}

void node_add(struct node *node, struct node *kid)
{
    if ((node->n_kids & (node->n_kids - 1)) == 0)
        node->kids = xrealloc(node->kids, (node->n_kids != 0 ? 2 * node->n_kids : 1) *
                                              sizeof(struct node *));
    node->kids[node->n_kids++] = kid;
    if (kid != NULL && kid->height >= node->height)
        node->height = kid->height + 1;
}
