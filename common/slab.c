#include "common/slab.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__

void slab_init(struct slab *slab, size_t item_bytes)
{
    *slab = (struct slab){.item_bytes = item_bytes};
    list_init(&slab->chunks);
}

void slab_finish(struct slab *slab)
{
    (void)slab;
}

void *slab_take(struct slab *slab)
{
    return xcalloc(1, slab->item_bytes);
}

void slab_give_back(struct slab *slab, void *item)
{
    (void)slab;
    free(item);
}

#else

/* Chunks begin at multiples of their size: so an item knows its own. */
#define CHUNK_BYTES ((size_t)1 << 16)
#define ALIGNMENT   _Alignof(max_align_t)

struct item {
    struct item *next;
};

struct slab_chunk {
    struct list node;
    struct item *free; /* those that were given back */
    size_t n_used;
    size_t fresh_at; /* offset of those that nobody has had yet */
};

static size_t first_offset(void)
{
    return (sizeof(struct slab_chunk) + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

void slab_init(struct slab *slab, size_t item_bytes)
{
    size_t n = (item_bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);

    assert(n != 0 && n <= CHUNK_BYTES / 8);
    *slab = (struct slab){.item_bytes = n};
    list_init(&slab->chunks);
}

void slab_finish(struct slab *slab)
{
    struct list *node;

    while ((node = list_take_first(&slab->chunks)) != NULL)
        free(container_of(node, struct slab_chunk, node));
    free(slab->spare);
    slab->spare = NULL;
}

static bool has_room(const struct slab *slab, const struct slab_chunk *chunk)
{
    return chunk->free != NULL || chunk->fresh_at + slab->item_bytes <= CHUNK_BYTES;
}

static struct slab_chunk *add_chunk(struct slab *slab)
{
    struct slab_chunk *chunk = slab->spare;

    slab->spare = NULL;
    if (chunk == NULL)
        chunk = xaligned_alloc(CHUNK_BYTES, CHUNK_BYTES);
    *chunk = (struct slab_chunk){.fresh_at = first_offset()};
    list_prepend(&slab->chunks, &chunk->node);
    return chunk;
}

static struct slab_chunk *chunk_with_room(struct slab *slab)
{
    struct slab_chunk *first = container_of(slab->chunks.next, struct slab_chunk, node);

    if (!list_empty(&slab->chunks) && has_room(slab, first))
        return first;
    return add_chunk(slab);
}

void *slab_take(struct slab *slab)
{
    struct slab_chunk *chunk = chunk_with_room(slab);
    struct item *item = chunk->free;

    if (item != NULL) {
        chunk->free = item->next;
    } else {
        item = (struct item *)(void *)((char *)chunk + chunk->fresh_at);
        chunk->fresh_at += slab->item_bytes;
    }
    chunk->n_used++;
    if (!has_room(slab, chunk)) {
        list_remove(&chunk->node);
        list_append(&slab->chunks, &chunk->node);
    }
    memset(item, 0, slab->item_bytes);
    return item;
}

/* One empty chunk is kept, for those who take and give back in turn. */
static void retire(struct slab *slab, struct slab_chunk *chunk)
{
    list_remove(&chunk->node);
    if (slab->spare == NULL)
        slab->spare = chunk;
    else
        free(chunk);
}

void slab_give_back(struct slab *slab, void *item)
{
    struct slab_chunk *chunk =
        (struct slab_chunk *)((uintptr_t)item & ~(CHUNK_BYTES - 1));
    bool had_room = has_room(slab, chunk);
    struct item *freed = item;

    freed->next = chunk->free;
    chunk->free = freed;
    chunk->n_used--;
    if (chunk->n_used == 0) {
        retire(slab, chunk);
    } else if (!had_room) {
        list_remove(&chunk->node);
        list_prepend(&slab->chunks, &chunk->node);
    }
}

#endif
