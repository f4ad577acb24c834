#include "worker/heap.h"

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

static void fill(TCase *tc)
{
    tcase_add_test(tc, heap_keeps_every_block_apart);
}

int main(void)
{
    return unit_main("heap", fill);
}
