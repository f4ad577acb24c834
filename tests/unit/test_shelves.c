#include "common/shelves.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

#define N 1000

START_TEST(shelves_keep_nodes_by_any_text)
{
    struct shelves shelves;
    struct list a, b, c;
    struct list *one, *two;

    shelves_init(&shelves);
    ck_assert_uint_eq(shelves.by_text.n, 0);
    ck_assert_ptr_null(shelves_find(&shelves, "x", 1));
    one = shelves_get(&shelves, "x\0y", 3);
    two = shelves_get(&shelves, "", 0);
    list_append(one, &a);
    list_append(one, &b);
    list_append(two, &c);
    ck_assert_ptr_eq(shelves_find(&shelves, "x\0y", 3), one);
    ck_assert_ptr_eq(shelves_get(&shelves, "x\0y", 3), one);
    ck_assert_ptr_eq(shelves_find(&shelves, "", 0), two);
    ck_assert_ptr_null(shelves_find(&shelves, "x\0z", 3));
    list_remove(&a);
    shelves_tidy(&shelves, one);
    ck_assert_ptr_eq(shelves_find(&shelves, "x\0y", 3), one);
    list_remove(&b);
    shelves_tidy(&shelves, one);
    ck_assert_ptr_null(shelves_find(&shelves, "x\0y", 3));
    ck_assert_uint_eq(shelves.by_text.n, 1);
    shelves_finish(&shelves);
    ck_assert(list_empty(&c)); /* let go */
}
END_TEST

START_TEST(shelves_stay_where_they_are)
{
    static struct list nodes[N], *shelf[N];
    struct shelves shelves;
    char text[16];

    shelves_init(&shelves);
    for (int i = 0; i < N; i++) {
        shelf[i] = shelves_get(&shelves, text,
                               (size_t)snprintf(text, sizeof(text), "topic%d", i));
        list_append(shelf[i], &nodes[i]);
    }
    for (int i = 0; i < N; i++)
        ck_assert_ptr_eq(
            shelves_find(&shelves, text,
                         (size_t)snprintf(text, sizeof(text), "topic%d", i)),
            shelf[i]);
    for (int i = 0; i < N; i++) {
        list_remove(&nodes[i]);
        shelves_tidy(&shelves, shelf[i]);
    }
    ck_assert_uint_eq(shelves.by_text.n, 0);
    shelves_finish(&shelves);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, shelves_keep_nodes_by_any_text);
    tcase_add_test(tc, shelves_stay_where_they_are);
}

int main(void)
{
    return unit_main("shelves", fill);
}
