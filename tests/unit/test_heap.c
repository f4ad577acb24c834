#include "worker/heap.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static bool holds_only(const unsigned char *data, size_t n, unsigned char byte)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] != byte)
            return false;
    return true;
}

/* 200 blocks that grow, shrink and go at random; each must keep its bytes. */
START_TEST(heap_keeps_every_block_apart)
{
    static struct {
        unsigned char *data;
        size_t n;
    } blocks[200];
    struct heap heap;
    unsigned state = 7;

    heap_init(&heap);
    for (int step = 0; step < 50000; step++) {
        unsigned i = (state = state * 1103515245u + 12345u) >> 8 & 0xffff, n;
        size_t keep;

        i %= N_ELEMENTS(blocks);
        n = (state >> 4) % 3 == 0 ? 0 : (state >> 6) % (step % 50 == 0 ? 5000 : 300);
        ck_assert(holds_only(blocks[i].data, blocks[i].n, (unsigned char)i));
        keep = blocks[i].n < n ? blocks[i].n : n;
        blocks[i].data = heap_resize(&heap, blocks[i].data, blocks[i].n, n);
        ck_assert((blocks[i].data == NULL) == (n == 0));
        ck_assert(holds_only(blocks[i].data, keep, (unsigned char)i));
        if (n != 0)
            memset(blocks[i].data, (int)i, n);
        ck_assert_uint_eq((uintptr_t)blocks[i].data % HEAP_GRAIN, 0);
        blocks[i].n = n;
    }
    for (size_t i = 0; i < N_ELEMENTS(blocks); i++)
        heap_resize(&heap, blocks[i].data, blocks[i].n, 0);
    heap_finish(&heap);
}
END_TEST

#define MALLOC_CACHE_BYTES ((size_t)128 * 1024)

static size_t malloced_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static bool is_within(size_t got, size_t want, unsigned percent)
{
    size_t apart = got > want ? got - want : want - got;

    return apart <= want / 100 * percent;
}

/* What is said to be held is what malloc has given, to 1 %: chunks for the small
 * blocks, the large ones as their sizes say. What small blocks take of their chunks is
 * at most their sizes in whole grains, and one chunk that is not full. */
START_TEST(heap_knows_what_it_holds)
{
    size_t before = malloced_bytes(), n_large = 0, n_small = 0;
    static struct {
        void *data;
        size_t n;
    } blocks[100000];
    struct heap heap;

    if (malloced_bytes() == 0) /* a memory checker's malloc keeps no books */
        return;
    heap_init(&heap);
    for (size_t i = 0; i < N_ELEMENTS(blocks); i++) {
        size_t n = i % 100 == 0 ? HEAP_MAX_SMALL + 1 + i % 5000 : 8 + i % 200;

        blocks[i].n = n;
        blocks[i].data = heap_resize(&heap, NULL, 0, n);
        ck_assert_ptr_nonnull(blocks[i].data);
        if (n > HEAP_MAX_SMALL)
            n_large += n;
        else
            n_small += (n + HEAP_GRAIN - 1) / HEAP_GRAIN * HEAP_GRAIN;
    }
    ck_assert_uint_gt(heap.held_bytes, n_small);
    ck_assert(is_within(heap.held_bytes, n_small, 2));
    ck_assert_msg(is_within(malloced_bytes() - before, heap.held_bytes + n_large, 1),
                  "%zu of %zu", malloced_bytes() - before, heap.held_bytes + n_large);
    for (size_t i = 0; i < N_ELEMENTS(blocks); i++)
        heap_resize(&heap, blocks[i].data, blocks[i].n, 0);
    ck_assert(is_within(malloced_bytes() - before, heap.held_bytes, 1));
    heap_finish(&heap);
    ck_assert_uint_eq(heap.held_bytes, 0);
    /* Freed small chunks stay in a cache of malloc's own for a while. */
    ck_assert_uint_lt(malloced_bytes(), before + MALLOC_CACHE_BYTES);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, heap_keeps_every_block_apart);
    tcase_add_test(tc, heap_knows_what_it_holds);
}

int main(void)
{
    return unit_main("heap", fill);
}
