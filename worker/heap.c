#include "worker/heap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK_BYTES ((size_t)8 * 1024)
/* Just above what malloc maps by itself, so that each goes back to the kernel, and with
 * malloc's own words a whole number of pages. */
#define MAX_CHUNK_BYTES   ((size_t)132 * 1024 - 32)

/* Memory checkers see every block for what it is when malloc makes them all. */
#if defined(__SANITIZE_ADDRESS__)
#define USES_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define USES_MALLOC 1
#endif
#endif
#ifndef USES_MALLOC
#define USES_MALLOC 0
#endif

struct heap_chunk {
    struct heap_chunk *next;
    max_align_t first;
};

void heap_init(struct heap *heap)
{
    *heap = (struct heap){.chunk_bytes = FIRST_CHUNK_BYTES};
}

void heap_finish(struct heap *heap)
{
    while (heap->chunks != NULL) {
        struct heap_chunk *chunk = heap->chunks;

        heap->chunks = chunk->next;
        free(chunk);
    }
    heap_init(heap);
}

static size_t class_of(size_t n_bytes)
{
    return (n_bytes + HEAP_GRAIN - 1) / HEAP_GRAIN;
}

static bool is_small(size_t n_bytes)
{
    return !USES_MALLOC && n_bytes <= HEAP_MAX_SMALL;
}

static void give(struct heap *heap, void *block, size_t class)
{
    memcpy(block, &heap->free[class], sizeof(void *));
    heap->free[class] = block;
}

/* The rest of the old chunk goes to the free lists: less than one block is lost. */
static bool add_chunk(struct heap *heap)
{
    size_t rest = (size_t)(heap->end - heap->next) / HEAP_GRAIN;
    struct heap_chunk *chunk = malloc(heap->chunk_bytes);

    if (chunk == NULL)
        return false;
    if (rest > 0)
        give(heap, heap->next, rest);
    chunk->next = heap->chunks;
    heap->chunks = chunk;
    heap->held_bytes += heap->chunk_bytes;
    heap->next = (uint8_t *)&chunk->first;
    heap->end = (uint8_t *)chunk + heap->chunk_bytes;
    heap->chunk_bytes *= 2;
    if (heap->chunk_bytes > MAX_CHUNK_BYTES)
        heap->chunk_bytes = MAX_CHUNK_BYTES;
    return true;
}

static void *take(struct heap *heap, size_t class)
{
    void *block = heap->free[class];

    if (block != NULL) {
        memcpy(&heap->free[class], block, sizeof(void *));
        return block;
    }
    if ((size_t)(heap->end - heap->next) < class * HEAP_GRAIN && !add_chunk(heap))
        return NULL;
    block = heap->next;
    heap->next += class * HEAP_GRAIN;
    return block;
}

static void *allocate(struct heap *heap, size_t n_bytes)
{
    return is_small(n_bytes) ? take(heap, class_of(n_bytes)) : malloc(n_bytes);
}

static void release(struct heap *heap, void *ptr, size_t n_bytes)
{
    if (is_small(n_bytes))
        give(heap, ptr, class_of(n_bytes));
    else
        free(ptr);
}

static void *move(struct heap *heap, void *ptr, size_t old_bytes, size_t n_bytes)
{
    void *block = allocate(heap, n_bytes);

    if (block == NULL)
        return NULL;
    memcpy(block, ptr, old_bytes < n_bytes ? old_bytes : n_bytes);
    release(heap, ptr, old_bytes);
    return block;
}

void *heap_resize(struct heap *heap, void *ptr, size_t old_bytes, size_t n_bytes)
{
    if (ptr == NULL || old_bytes == 0)
        return n_bytes != 0 ? allocate(heap, n_bytes) : NULL;
    if (n_bytes == 0) {
        release(heap, ptr, old_bytes);
        return NULL;
    }
    if (!is_small(old_bytes) && !is_small(n_bytes))
        return realloc(ptr, n_bytes);
    if (is_small(old_bytes) && is_small(n_bytes) &&
        class_of(old_bytes) == class_of(n_bytes))
        return ptr;
    return move(heap, ptr, old_bytes, n_bytes);
}
