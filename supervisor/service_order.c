#include "supervisor/service_order.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/map.h"
#include "common/mem.h"

struct edge {
    size_t to;
    bool required;
};

struct node {
    char *id;
    bool is_service;
    struct edge *edges;
    size_t n_edges, edges_size;
    size_t *needs; /* services only; set by order_resolve() */
    size_t n_needs, needs_size;
    char *missing, *cycle;
    size_t mark; /* number of the last walk that came by */
    size_t came_from;
};

struct order {
    struct node *nodes;
    size_t n, size;
    struct map by_id;
    size_t *work; /* one walk's stack or queue, n entries */
    size_t last_mark;
};

struct order *order_create(void)
{
    struct order *order = xcalloc(1, sizeof(*order));

    map_init(&order->by_id);
    return order;
}

void order_destroy(struct order *order)
{
    if (order == NULL)
        return;
    for (size_t i = 0; i < order->n; i++) {
        free(order->nodes[i].id);
        free(order->nodes[i].edges);
        free(order->nodes[i].needs);
        free(order->nodes[i].missing);
        free(order->nodes[i].cycle);
    }
    free(order->nodes);
    free(order->work);
    map_finish(&order->by_id);
    free(order);
}

/* Rows hold number + 1, because a map's value is never NULL. */
static size_t find_node(const struct order *order, const char *id)
{
    return (size_t)(uintptr_t)map_find(&order->by_id, id, strlen(id));
}

size_t order_add_node(struct order *order, const char *id, bool is_service)
{
    size_t found = find_node(order, id);
    struct node *node;

    if (found != 0) {
        order->nodes[found - 1].is_service |= is_service;
        return found - 1;
    }
    if (order->n == order->size) {
        order->size = order->size == 0 ? 64 : 2 * order->size;
        order->nodes = xrealloc(order->nodes, order->size * sizeof(*order->nodes));
    }
    node = &order->nodes[order->n++];
    *node = (struct node){.id = xstrdup(id), .is_service = is_service};
    map_put(&order->by_id, node->id, strlen(node->id), (void *)(uintptr_t)order->n);
    return order->n - 1;
}

void order_add_edge(struct order *order, size_t from, const char *to_id, bool required)
{
    size_t to = order_add_node(order, to_id, false);
    struct node *node = &order->nodes[from];

    if (node->n_edges == node->edges_size) {
        node->edges_size = node->edges_size == 0 ? 4 : 2 * node->edges_size;
        node->edges = xrealloc(node->edges, node->edges_size * sizeof(*node->edges));
    }
    node->edges[node->n_edges++] = (struct edge){to, required};
}

static void add_need(struct node *node, size_t need)
{
    for (size_t i = 0; i < node->n_needs; i++)
        if (node->needs[i] == need)
            return;
    if (node->n_needs == node->needs_size) {
        node->needs_size = node->needs_size == 0 ? 4 : 2 * node->needs_size;
        node->needs = xrealloc(node->needs, node->needs_size * sizeof(*node->needs));
    }
    node->needs[node->n_needs++] = need;
}

/*
 * Adds the services that an edge of `self` leads to; false when there are none. What
 * only leads back to self through other entries is no need: an entry may well refer to
 * the service that runs it.
 */
static bool follow_edge(struct order *order, size_t self, struct edge edge)
{
    size_t mark = ++order->last_mark, n_work = 0;
    bool any = false;

    order->work[n_work++] = edge.to;
    order->nodes[edge.to].mark = mark;
    while (n_work != 0) {
        size_t at = order->work[--n_work];
        const struct node *node = &order->nodes[at];

        if (node->is_service) {
            any = true;
            if (at != self || (edge.required && edge.to == self))
                add_need(&order->nodes[self], at);
            continue;
        }
        for (size_t i = 0; i < node->n_edges; i++) {
            size_t to = node->edges[i].to;

            if (order->nodes[to].mark == mark)
                continue;
            order->nodes[to].mark = mark;
            order->work[n_work++] = to;
        }
    }
    return any;
}

static void note_missing(struct node *node, const char *needed_id)
{
    char *longer = xasprintf("%s%s%s requires %s", node->missing ? node->missing : "",
                             node->missing ? ", " : "", node->id, needed_id);

    free(node->missing);
    node->missing = longer;
}

/* Insertion sort: a service needs a handful of others. */
static void sort_needs(struct order *order, struct node *node)
{
    for (size_t i = 1; i < node->n_needs; i++)
        for (size_t j = i; j > 0; j--) {
            size_t *at = &node->needs[j];

            if (strcmp(order->nodes[at[-1]].id, order->nodes[at[0]].id) <= 0)
                break;
            size_t swapped = at[0];
            at[0] = at[-1];
            at[-1] = swapped;
        }
}

static void collect_needs(struct order *order, size_t self)
{
    struct node *node = &order->nodes[self];

    for (size_t i = 0; i < node->n_edges; i++) {
        struct edge edge = node->edges[i];

        if (!follow_edge(order, self, edge) && edge.required)
            note_missing(node, order->nodes[edge.to].id);
    }
    sort_needs(order, node);
}

/* came_from of every node from the last but one back to self gives the path. */
static char *describe_cycle(const struct order *order, size_t self, size_t last)
{
    size_t n = 0;
    struct buf text;
    char *result;

    buf_init(&text, 0);
    for (size_t at = last; at != self; at = order->nodes[at].came_from)
        order->work[n++] = at;
    buf_append_text(&text, order->nodes[self].id);
    while (n != 0)
        buf_printf(&text, " -> %s", order->nodes[order->work[--n]].id);
    buf_printf(&text, " -> %s", order->nodes[self].id);
    result = xstrndup((const char *)buf_head(&text), buf_len(&text));
    buf_finish(&text);
    return result;
}

/* Breadth first, so that the shortest way round is the one that is told. */
static char *find_cycle(struct order *order, size_t self)
{
    size_t mark = ++order->last_mark, head = 0, tail = 0;

    order->work[tail++] = self;
    order->nodes[self].mark = mark;
    while (head != tail) {
        size_t at = order->work[head++];
        const struct node *node = &order->nodes[at];

        for (size_t i = 0; i < node->n_needs; i++) {
            size_t to = node->needs[i];

            if (to == self)
                return describe_cycle(order, self, at);
            if (order->nodes[to].mark == mark)
                continue;
            order->nodes[to].mark = mark;
            order->nodes[to].came_from = at;
            order->work[tail++] = to;
        }
    }
    return NULL;
}

/*
 * Takes away, again and again, what needs nothing that is left: what stays lies on a
 * cycle or needs one. Usually nothing stays and no search for cycles is made at all.
 */
static bool *find_suspects(const struct order *order)
{
    bool *left = xcalloc(order->n + 1, sizeof(*left));
    bool again = true;

    for (size_t i = 0; i < order->n; i++)
        left[i] = order->nodes[i].is_service;
    while (again) {
        again = false;
        for (size_t i = 0; i < order->n; i++) {
            const struct node *node = &order->nodes[i];
            bool free_of_needs = left[i];

            for (size_t j = 0; j < node->n_needs && free_of_needs; j++)
                free_of_needs = !left[node->needs[j]];
            if (free_of_needs) {
                left[i] = false;
                again = true;
            }
        }
    }
    return left;
}

void order_resolve(struct order *order)
{
    bool *suspects;

    order->work = xcalloc(order->n + 1, sizeof(*order->work));
    for (size_t i = 0; i < order->n; i++)
        if (order->nodes[i].is_service)
            collect_needs(order, i);
    suspects = find_suspects(order);
    for (size_t i = 0; i < order->n; i++)
        if (suspects[i])
            order->nodes[i].cycle = find_cycle(order, i);
    free(suspects);
}

const size_t *order_needs(const struct order *order, size_t node, size_t *n_out)
{
    *n_out = order->nodes[node].n_needs;
    return order->nodes[node].needs;
}

const char *order_missing(const struct order *order, size_t node)
{
    return order->nodes[node].missing;
}

const char *order_cycle(const struct order *order, size_t node)
{
    return order->nodes[node].cycle;
}

bool order_is_service(const struct order *order, size_t node)
{
    return order->nodes[node].is_service;
}

const char *order_id(const struct order *order, size_t node)
{
    return order->nodes[node].id;
}

size_t order_count(const struct order *order)
{
    return order->n;
}
