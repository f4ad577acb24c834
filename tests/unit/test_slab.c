#include "common/slab.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/unit.h"

#define N_ITEMS    20000
#define ITEM_BYTES 72

static bool is_all(const unsigned char *item, unsigned char byte)
{
    for (size_t i = 0; i < ITEM_BYTES; i++)
        if (item[i] != byte)
            return false;
    return true;
}

/* Nobody gets what somebody else still has, and what one gets is zero. */
START_TEST(slab_items_are_zero_and_nobody_elses)
{
    static unsigned char *items[N_ITEMS];
    struct slab slab;
    unsigned state = 12345;

    slab_init(&slab, ITEM_BYTES);
    for (int step = 0; step < 10 * N_ITEMS; step++) {
        unsigned k = ((state = state * 1103515245u + 12345u) >> 8) % N_ITEMS;

        if (items[k] == NULL) {
            items[k] = slab_take(&slab);
            ck_assert(((uintptr_t)items[k] & 15) == 0);
            ck_assert(is_all(items[k], 0));
            memset(items[k], (int)(k & 255), ITEM_BYTES);
        } else {
            ck_assert(is_all(items[k], k & 255));
            slab_give_back(&slab, items[k]);
            items[k] = NULL;
        }
    }
    for (int k = 0; k < N_ITEMS; k++)
        if (items[k] != NULL)
            slab_give_back(&slab, items[k]);
    ck_assert(list_empty(&slab.chunks));
    slab_finish(&slab);
}
END_TEST

START_TEST(slab_uses_again_what_was_given_back)
{
    struct slab slab;
    void *first, *second;

    slab_init(&slab, ITEM_BYTES);
    first = slab_take(&slab);
    second = slab_take(&slab);
    ck_assert_ptr_ne(first, second);
    for (int i = 0; i < 100000; i++) {
        slab_give_back(&slab, second);
        second = slab_take(&slab);
    }
    ck_assert_ptr_eq(slab.chunks.next, slab.chunks.prev); /* one chunk, or none */
    slab_give_back(&slab, first);
    slab_give_back(&slab, second);
    slab_finish(&slab);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, slab_items_are_zero_and_nobody_elses);
    tcase_add_test(tc, slab_uses_again_what_was_given_back);
}

int main(void)
{
    return unit_main("slab", fill);
}
