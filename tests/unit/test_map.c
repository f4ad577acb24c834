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

#define N_MANY 60000

static size_t count_rows(const struct map *map, const void *const *model)
{
    size_t n = 0;

    MAP_FOREACH (row, map) {
        ck_assert_ptr_eq(row->value, model[row->number]);
        n++;
    }
    return n;
}

/* Numbers come more often than they go, so that the map grows in the midst of it
 * all. */
START_TEST(map_that_grows_bit_by_bit_agrees_with_a_model)
{
    static const void *model[N_MANY];
    static char values[N_MANY];
    struct map map;
    uint64_t state = 12345;
    size_t n_used = 0, n_growing = 0;

    map_init(&map);
    for (int step = 0; step < 200000; step++) {
        uint64_t k =
            (state = state * 6364136223846793005u + 1442695040888963407u) >> 33;
        const void *value = &values[(k + (uint64_t)step) % N_MANY];
        bool adds = (k >> 20) % 3 != 0;

        k %= N_MANY;
        ck_assert_ptr_eq(map_find_number(&map, k), model[k]);
        n_used += adds ? model[k] == NULL : -(size_t)(model[k] != NULL);
        ck_assert_ptr_eq(adds ? map_put_number(&map, k, (void *)value)
                              : map_remove_number(&map, k),
                         model[k]);
        model[k] = adds ? value : NULL;
        ck_assert_uint_eq(map.n, n_used);
        n_growing += map.old != NULL;
        if (step % 4000 == 0)
            ck_assert_uint_eq(count_rows(&map, model), n_used);
    }
    ck_assert_uint_gt(n_growing, 1000);
    ck_assert_uint_lt(n_growing, 190000);
    map_finish(&map);
}
END_TEST

START_TEST(map_can_be_finished_while_it_grows)
{
    struct map map;

    map_init(&map);
    for (uint64_t k = 0; map.old == NULL; k++)
        map_put_number(&map, k, &map);
    map_finish(&map);
    ck_assert_ptr_null(map_find_number(&map, 1));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, map_that_grows_bit_by_bit_agrees_with_a_model);
    tcase_add_test(tc, map_can_be_finished_while_it_grows);
    tcase_add_test(tc, map_agrees_with_a_model);
    tcase_add_test(tc, map_keeps_numbers_and_texts_apart);
}

int main(void)
{
    return unit_main("map", fill);
}
