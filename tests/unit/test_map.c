#include "common/map.h"

#include <stdio.h>

#include "tests/unit/unit.h"

/* A plain array is the model; 20,000 random operations must agree with it. */
START_TEST(map_agrees_with_a_model)
{
    static void *model[512];
    static char keys[512][16];
    struct map map;
    unsigned state = 12345;

    map_init(&map);
    for (int i = 0; i < 512; i++)
        snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
    for (int step = 0; step < 20000; step++) {
        unsigned k = (state = state * 1103515245u + 12345u) >> 16 & 511;
        size_t n = strlen(keys[k]);
        void *want = model[k], *value = &keys[(k + step) & 511];

        ck_assert_ptr_eq(map_find(&map, keys[k], n), want);
        if (state & 1) {
            ck_assert_ptr_eq(map_put(&map, keys[k], n, value), want);
            model[k] = value;
        } else {
            ck_assert_ptr_eq(map_remove(&map, keys[k], n), want);
            model[k] = NULL;
        }
    }
    map_finish(&map);
}
END_TEST

START_TEST(map_keeps_numbers_and_texts_apart)
{
    struct map map;
    int a, b;

    map_init(&map);
    map_put_number(&map, 3, &a);
    map_put(&map, "abc", 3, &b);
    ck_assert_ptr_eq(map_find_number(&map, 3), &a);
    ck_assert_ptr_eq(map_find(&map, "abc", 3), &b);
    ck_assert_ptr_eq(map_find(&map, "abd", 3), NULL);
    ck_assert_ptr_eq(map_remove_number(&map, 3), &a);
    ck_assert_ptr_eq(map_find_number(&map, 3), NULL);
    ck_assert_uint_eq(map.n, 1);
    map_finish(&map);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, map_agrees_with_a_model);
    tcase_add_test(tc, map_keeps_numbers_and_texts_apart);
}

int main(void)
{
    return unit_main("map", fill);
}
