#include "supervisor/calls_due.h"

#include <stdlib.h>

#include "common/mem.h"

#include "supervisor/calls.h"

void due_init(struct due_heap *heap)
{
    *heap = (struct due_heap){0};
}

void due_finish(struct due_heap *heap)
{
    free(heap->items);
    due_init(heap);
}

static void put(struct due_heap *heap, uint32_t at, struct call *call)
{
    heap->items[at] = call;
    call->heap_at = at;
}

static void sift_up(struct due_heap *heap, uint32_t at, struct call *call)
{
    while (at > 1 && heap->items[at / 2]->due_at_ns > call->due_at_ns) {
        put(heap, at, heap->items[at / 2]);
        at /= 2;
    }
    put(heap, at, call);
}

static void sift_down(struct due_heap *heap, uint32_t at, struct call *call)
{
    for (;;) {
        uint32_t child = 2 * at;

        if (child > heap->n)
            break;
        if (child < heap->n &&
            heap->items[child + 1]->due_at_ns < heap->items[child]->due_at_ns)
            child++;
        if (heap->items[child]->due_at_ns >= call->due_at_ns)
            break;
        put(heap, at, heap->items[child]);
        at = child;
    }
    put(heap, at, call);
}

void due_add(struct due_heap *heap, struct call *call)
{
    if (heap->n + 1 >= heap->size) {
        heap->size = heap->size != 0 ? heap->size * 2 : 64;
        heap->items = xrealloc(heap->items, heap->size * sizeof(struct call *));
    }
    heap->n++;
    sift_up(heap, heap->n, call);
}

void due_remove(struct due_heap *heap, struct call *call)
{
    uint32_t at = call->heap_at;
    struct call *last;

    if (at == 0)
        return;
    call->heap_at = 0;
    last = heap->items[heap->n--];
    if (last == call)
        return;
    if (at > 1 && heap->items[at / 2]->due_at_ns > last->due_at_ns)
        sift_up(heap, at, last);
    else
        sift_down(heap, at, last);
}
