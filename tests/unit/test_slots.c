#include "worker/slots.h"

#include "common/id.h"

#include "tests/unit/unit.h"

#define INDEX 5

static struct actor *actor_number(uintptr_t n)
{
    return (struct actor *)(n * 16);
}

struct table {
    liveness_word *words;
    struct slots slots;
};

static void begin(struct table *table)
{
    table->words = calloc(PID_MAX_SLOTS, sizeof(liveness_word));
    slots_init(&table->slots, INDEX, table->words);
}

static void end(struct table *table)
{
    slots_finish(&table->slots);
    free((void *)table->words);
}

START_TEST(slots_find_who_lives)
{
    struct table table;
    uint64_t pid;

    begin(&table);
    pid = slots_enter(&table.slots, actor_number(1));
    ck_assert_uint_eq(pid_index(pid), INDEX);
    ck_assert_uint_ne(pid_slot(pid), 0);
    ck_assert_uint_eq(pid_generation(pid) & 1, 1);
    ck_assert_ptr_eq(slots_find(&table.slots, pid), actor_number(1));
    ck_assert_ptr_eq(slots_at(&table.slots, pid_slot(pid)), actor_number(1));
    ck_assert_uint_eq(table.slots.n_live, 1);
    ck_assert(liveness_is_alive(table.words, pid));
    slots_leave(&table.slots, pid);
    ck_assert_ptr_null(slots_find(&table.slots, pid));
    ck_assert_ptr_null(slots_at(&table.slots, pid_slot(pid)));
    ck_assert(!liveness_is_alive(table.words, pid));
    ck_assert_uint_eq(table.slots.n_live, 0);
    end(&table);
}
END_TEST

START_TEST(slots_find_nobody_by_a_forged_pid)
{
    struct table table;
    uint64_t pid;

    begin(&table);
    pid = slots_enter(&table.slots, actor_number(1));
    ck_assert_ptr_null(slots_find(&table.slots, 0));
    ck_assert_ptr_null(slots_find(&table.slots, pid + 1));
    ck_assert_ptr_null(slots_find(&table.slots, pid_make(INDEX, 0, 0)));
    ck_assert_ptr_null(slots_find(&table.slots, pid_make(INDEX, 0, PID_MAX_SLOTS - 1)));
    ck_assert_ptr_null(slots_find(&table.slots, pid_make(INDEX + 1, 0, pid_slot(pid))));
    ck_assert_ptr_null(
        slots_find(&table.slots, pid_make(INDEX, pid_life(pid) + 1, pid_slot(pid))));
    ck_assert_ptr_null(slots_find(&table.slots, UINT64_MAX));
    end(&table);
}
END_TEST

START_TEST(slots_rest_until_enough_others_wait)
{
    struct table table;
    uint64_t first, pid;

    begin(&table);
    first = slots_enter(&table.slots, actor_number(1));
    slots_leave(&table.slots, first);
    /* fresh ones as long as fewer than SLOTS_COOL_DOWN wait */
    for (uint32_t i = 1; i < SLOTS_COOL_DOWN; i++) {
        pid = slots_enter(&table.slots, actor_number(2));
        ck_assert_uint_ne(pid_slot(pid), pid_slot(first));
        slots_leave(&table.slots, pid);
    }
    pid = slots_enter(&table.slots, actor_number(3)); /* now the one that left first */
    ck_assert_uint_eq(pid_slot(pid), pid_slot(first));
    ck_assert_uint_ne(pid, first);
    ck_assert_uint_eq(pid_generation(pid), pid_generation(first) + 2);
    ck_assert_ptr_null(slots_find(&table.slots, first));
    ck_assert_ptr_eq(slots_find(&table.slots, pid), actor_number(3));
    end(&table);
}
END_TEST

START_TEST(slots_come_back_in_the_order_they_left)
{
    struct table table;
    uint64_t pids[SLOTS_COOL_DOWN + 8];

    begin(&table);
    for (size_t i = 0; i < N_ELEMENTS(pids); i++)
        pids[i] = slots_enter(&table.slots, actor_number(i + 1));
    for (size_t i = 0; i < N_ELEMENTS(pids); i++)
        slots_leave(&table.slots, pids[(i * 7) % N_ELEMENTS(pids)]);
    for (size_t i = 0; i < 8; i++)
        ck_assert_uint_eq(pid_slot(slots_enter(&table.slots, actor_number(1))),
                          pid_slot(pids[(i * 7) % N_ELEMENTS(pids)]));
    end(&table);
}
END_TEST

START_TEST(slots_never_give_a_pid_twice)
{
    struct table table;
    uint64_t last = 0;

    begin(&table);
    for (uint32_t i = 0; i < 8 * SLOTS_COOL_DOWN; i++) {
        uint64_t pid = slots_enter(&table.slots, actor_number(1));

        ck_assert_uint_ne(pid, last);
        if (last != 0)
            ck_assert_ptr_null(slots_find(&table.slots, last));
        slots_leave(&table.slots, pid);
        last = pid;
    }
    end(&table);
}
END_TEST

START_TEST(slots_wrap_generations)
{
    struct table table;
    uint64_t pid;

    begin(&table);
    atomic_store(&table.words[1], 0x7ffffffeu << 1); /* even: its last one is dead */
    pid = slots_enter(&table.slots, actor_number(1));
    ck_assert_uint_eq(pid_slot(pid), 1);
    ck_assert_uint_eq(pid_generation(pid), 0x7fffffff);
    ck_assert_ptr_eq(slots_find(&table.slots, pid), actor_number(1));
    slots_leave(&table.slots, pid);
    ck_assert_ptr_null(slots_find(&table.slots, pid));
    end(&table);
}
END_TEST

START_TEST(slots_go_on_where_a_predecessor_stopped)
{
    struct table table, next;
    uint64_t dead, left, pid;

    begin(&table);
    dead = slots_enter(&table.slots, actor_number(1));
    left = slots_enter(&table.slots, actor_number(2));
    slots_leave(&table.slots, left);
    slots_finish(&table.slots);
    liveness_bury(table.words, 0, 3); /* as the supervisor does when the worker dies */
    ck_assert(!liveness_is_alive(table.words, dead));
    next.words = table.words;
    slots_init(&next.slots, INDEX, table.words);
    ck_assert_ptr_null(slots_find(&next.slots, dead));
    for (int i = 0; i < 2; i++) {
        pid = slots_enter(&next.slots, actor_number(3));
        ck_assert_uint_ne(pid, dead);
        ck_assert_uint_ne(pid, left);
        ck_assert_ptr_null(slots_find(&next.slots, dead));
        ck_assert_ptr_null(slots_find(&next.slots, left));
    }
    end(&next);
}
END_TEST

START_TEST(slots_show_a_full_mailbox)
{
    struct table table;
    uint64_t pid;

    begin(&table);
    pid = slots_enter(&table.slots, actor_number(1));
    ck_assert(!liveness_is_full(table.words, pid));
    slots_set_full(&table.slots, pid, true);
    ck_assert(liveness_is_full(table.words, pid));
    ck_assert(liveness_is_alive(table.words, pid));
    slots_set_full(&table.slots, pid, false);
    ck_assert(!liveness_is_full(table.words, pid));
    slots_set_full(&table.slots, pid, true);
    slots_leave(&table.slots, pid);
    ck_assert(!liveness_is_full(table.words, pid));
    end(&table);
}
END_TEST

START_TEST(growing_leaves_the_hold_alone)
{
    struct table table;

    begin(&table);
    slots_enter(&table.slots, actor_number(1));
    liveness_set_bit(table.words, LIVENESS_HELD_BIT, true);
    slots_enter(&table.slots, actor_number(2));
    ck_assert(liveness_has_bit(table.words, LIVENESS_HELD_BIT));
    ck_assert_uint_eq(liveness_n_used(table.words), 3);
    liveness_set_bit(table.words, LIVENESS_HELD_BIT, false);
    ck_assert(!liveness_has_bit(table.words, LIVENESS_HELD_BIT));
    ck_assert_uint_eq(liveness_n_used(table.words), 3);
    end(&table);
}

START_TEST(slots_grow)
{
    struct table table;
    uint64_t *pids = calloc(5000, sizeof(*pids));

    begin(&table);
    for (uintptr_t i = 0; i < 5000; i++)
        pids[i] = slots_enter(&table.slots, actor_number(i + 1));
    ck_assert_uint_eq(table.slots.n_live, 5000);
    for (uintptr_t i = 0; i < 5000; i++)
        ck_assert_ptr_eq(slots_find(&table.slots, pids[i]), actor_number(i + 1));
    ck_assert_uint_ge(liveness_n_used(table.words), 5001);
    free(pids);
    end(&table);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, slots_find_who_lives);
    tcase_add_test(tc, slots_find_nobody_by_a_forged_pid);
    tcase_add_test(tc, slots_rest_until_enough_others_wait);
    tcase_add_test(tc, slots_come_back_in_the_order_they_left);
    tcase_add_test(tc, slots_never_give_a_pid_twice);
    tcase_add_test(tc, slots_wrap_generations);
    tcase_add_test(tc, slots_go_on_where_a_predecessor_stopped);
    tcase_add_test(tc, slots_show_a_full_mailbox);
    tcase_add_test(tc, slots_grow);
    tcase_add_test(tc, growing_leaves_the_hold_alone);
}

int main(void)
{
    return unit_main("slots", fill);
}
