/*
 * list -- intrusive, circular, doubly linked list. A node removed is its own neighbour,
 * so removing twice is harmless.
 */
#ifndef TROUPE_COMMON_LIST_H
#define TROUPE_COMMON_LIST_H

#include <stdbool.h>

#include "common/mem.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *node)
{
    node->next = node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_between(struct list *node, struct list *prev,
                                       struct list *next)
{
    node->next = next;
    node->prev = prev;
    prev->next = node;
    next->prev = node;
}

static inline void list_append(struct list *head, struct list *node)
{
    list_insert_between(node, head->prev, head);
}

static inline void list_prepend(struct list *head, struct list *node)
{
    list_insert_between(node, head, head->next);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_first(const struct list *head)
{
    /* The analyzer takes a node that was removed and freed for still being here. */
    return list_empty(head) ? 0 : head->next; /* NOLINT(clang-analyzer-unix.Malloc) */
}

/* Removes and returns the first node, NULL when empty. */
static inline struct list *list_take_first(struct list *head)
{
    struct list *node = list_first(head);

    if (node != 0)
        list_remove(node);
    return node;
}

/* Moves all nodes of `from` behind those of `to`. */
static inline void list_append_all(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_FOREACH(node, head)                                                       \
    for (struct list *node = (head)->next; node != (head); node = node->next)

/* The body may remove (or free) node itself, no other. */
#define LIST_FOREACH_SAFE(node, head)                                                  \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);  \
         node = node##_next, node##_next = node->next)

#endif
