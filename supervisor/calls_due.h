/*
 * calls_due -- which call is due next: a binary heap of those that have a due time.
 *
 * A call knows its own place (heap_at, 1-based), so taking it out costs O(log n) too.
 */
#ifndef TROUPE_SUPERVISOR_CALLS_DUE_H
#define TROUPE_SUPERVISOR_CALLS_DUE_H

#include <stddef.h>
#include <stdint.h>

struct call;

struct due_heap {
    struct call **items; /* items[1] is the earliest */
    uint32_t n, size;
};

void due_init(struct due_heap *heap);
void due_finish(struct due_heap *heap);

/* call->due_at_ns is set and stays as it is while the call is in here. */
void due_add(struct due_heap *heap, struct call *call);
void due_remove(struct due_heap *heap, struct call *call); /* harmless if it isn't in */

static inline struct call *due_first(const struct due_heap *heap)
{
    return heap->n != 0 ? heap->items[1] : NULL;
}

#endif
