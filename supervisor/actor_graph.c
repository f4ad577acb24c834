#include "supervisor/actor_graph.h"

static struct node *get_node(struct actors *actors, uint64_t pid)
{
    struct node *node = map_find_number(&actors->nodes, pid);

    if (node != NULL)
        return node;
    node = slab_take(&actors->node_slab);
    node->pid = pid;
    list_init(&node->watchers);
    list_init(&node->watching);
    list_init(&node->in_gone);
    list_init(&node->in_leaving);
    list_init(&node->of_worker);
    list_append(&actors->of_worker[pid_index(pid)], &node->of_worker);
    map_put_number(&actors->nodes, pid, node);
    return node;
}

void graph_drop_if_bare(struct actors *actors, struct node *node)
{
    if (!list_empty(&node->watchers) || !list_empty(&node->watching))
        return;
    map_remove_number(&actors->nodes, node->pid);
    list_remove(&node->of_worker);
    list_remove(&node->in_gone);
    list_remove(&node->in_leaving);
    slab_give_back(&actors->node_slab, node);
}

struct edge *graph_find_edge(const struct actors *actors, uint64_t watcher,
                             uint64_t target)
{
    const uint64_t key[2] = {watcher, target};

    return map_find(&actors->edges, (const char *)key, sizeof(key));
}

static void add_kind(struct actors *actors, uint64_t watcher, uint64_t target,
                     uint8_t kinds)
{
    struct edge *edge = graph_find_edge(actors, watcher, target);

    if (edge == NULL) {
        edge = slab_take(&actors->edge_slab);
        edge->key[0] = watcher;
        edge->key[1] = target;
        edge->watcher = get_node(actors, watcher);
        edge->target = get_node(actors, target);
        list_append(&edge->watcher->watching, &edge->of_watcher);
        list_append(&edge->target->watchers, &edge->of_target);
        map_put(&actors->edges, (const char *)edge->key, sizeof(edge->key), edge);
    }
    edge->kinds |= kinds;
}

void graph_free_edge(struct actors *actors, struct edge *edge, const struct node *keep)
{
    map_remove(&actors->edges, (const char *)edge->key, sizeof(edge->key));
    list_remove(&edge->of_watcher);
    list_remove(&edge->of_target);
    if (edge->watcher != keep)
        graph_drop_if_bare(actors, edge->watcher);
    if (edge->target != keep)
        graph_drop_if_bare(actors, edge->target);
    slab_give_back(&actors->edge_slab, edge);
}

static void take_kind(struct actors *actors, uint64_t watcher, uint64_t target,
                      uint8_t kinds)
{
    struct edge *edge = graph_find_edge(actors, watcher, target);

    if (edge == NULL)
        return;
    edge->kinds &= (uint8_t)~kinds;
    if (edge->kinds == 0)
        graph_free_edge(actors, edge, NULL);
}

void graph_add(struct actors *actors, uint64_t watcher, uint64_t target, uint8_t kind)
{
    add_kind(actors, watcher, target, kind);
    if (kind & EDGE_LINK)
        add_kind(actors, target, watcher, EDGE_LINK);
}

void graph_take(struct actors *actors, uint64_t watcher, uint64_t target, uint8_t kind)
{
    take_kind(actors, watcher, target, kind);
    if (kind & EDGE_LINK)
        take_kind(actors, target, watcher, EDGE_LINK);
}

void graph_clear(struct actors *actors, struct list *nodes)
{
    struct list *first, *second;

    while ((first = list_first(nodes)) != NULL) {
        struct node *node = container_of(first, struct node, of_worker);

        while ((second = list_first(&node->watching)) != NULL)
            graph_free_edge(actors, container_of(second, struct edge, of_watcher),
                            node);
        while ((second = list_first(&node->watchers)) != NULL)
            graph_free_edge(actors, container_of(second, struct edge, of_target), node);
        graph_drop_if_bare(actors, node);
    }
}
