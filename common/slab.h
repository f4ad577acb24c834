/*
 * slab -- items of one size, made and freed by the hundred thousand.
 *
 * malloc puts small items that are freed aside, and one unlucky later call tidies up
 * all of them at once; here that takes the same short time always, and memory goes back
 * a chunk at a time. Under AddressSanitizer every item is an allocation of its own, so
 * that a use after its end is seen.
 */
#ifndef TROUPE_COMMON_SLAB_H
#define TROUPE_COMMON_SLAB_H

#include <stddef.h>

#include "common/list.h"

struct slab {
    size_t item_bytes;
    struct list chunks; /* those with room first */
    struct slab_chunk *spare;
};

/* item_bytes: at most a few kilobytes. */
void slab_init(struct slab *slab, size_t item_bytes);
void slab_finish(struct slab *slab); /* all items have been freed */

void *slab_take(struct slab *slab); /* all zero, aligned as from malloc; never NULL */
void slab_give_back(struct slab *slab, void *item);

#endif
