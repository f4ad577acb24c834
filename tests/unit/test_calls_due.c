#include "supervisor/calls_due.h"

#include "supervisor/calls.h"

#include "tests/unit/unit.h"

START_TEST(due_heap_gives_the_earliest)
{
    struct call calls[500] = {0};
    struct due_heap heap;
    uint64_t last = 0, seed = 12345;

    due_init(&heap);
    for (unsigned i = 0; i < N_ELEMENTS(calls); i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        calls[i].due_at_ns = seed >> 40;
        due_add(&heap, &calls[i]);
    }
    ck_assert_uint_eq(heap.n, N_ELEMENTS(calls));
    for (unsigned i = 0; i < N_ELEMENTS(calls); i += 3)
        due_remove(&heap, &calls[i]);
    due_remove(&heap, &calls[0]); /* not in: harmless */
    ck_assert_uint_eq(heap.n, N_ELEMENTS(calls) * 2 / 3);
    for (unsigned n = heap.n; n != 0; n--) {
        struct call *first = due_first(&heap);

        ck_assert_uint_ge(first->due_at_ns, last);
        last = first->due_at_ns;
        due_remove(&heap, first);
        ck_assert_uint_eq(first->heap_at, 0);
    }
    ck_assert_ptr_null(due_first(&heap));
    due_finish(&heap);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, due_heap_gives_the_earliest);
}

int main(void)
{
    return unit_main("calls_due", fill);
}
