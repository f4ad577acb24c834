/*
 * heap -- the memory of one Lua state: small blocks by size class, large ones from
 * malloc.
 *
 * Lua says the old size with every free and realloc, so small blocks need no header: an
 * idle actor is a dozen of them, and malloc's 8 to 24 bytes each would be a tenth of
 * it. Chunks are given back only when the whole heap is: a VM lives as long as its
 * actors.
 */
#ifndef TROUPE_WORKER_HEAP_H
#define TROUPE_WORKER_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_GRAIN     16
#define HEAP_MAX_SMALL 1024
#define HEAP_N_CLASSES (HEAP_MAX_SMALL / HEAP_GRAIN + 1)

struct heap_chunk;

struct heap {
    void *free[HEAP_N_CLASSES]; /* lists through the first word of each block */
    uint8_t *next, *end;        /* what is left of the newest chunk */
    struct heap_chunk *chunks;
    size_t chunk_bytes; /* of the next chunk; doubles up to a bound */
    size_t held_bytes;  /* of all chunks; large blocks are their owner's to count */
};

void heap_init(struct heap *heap);
void heap_finish(struct heap *heap); /* frees all small blocks at once */

/* As lua_Alloc: ptr NULL allocates, n_bytes 0 frees; NULL when there is no memory (the
 * old block stays). old_bytes is exact for a block, ignored for NULL. */
void *heap_resize(struct heap *heap, void *ptr, size_t old_bytes, size_t n_bytes);

#endif
