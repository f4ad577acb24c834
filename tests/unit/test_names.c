#include "supervisor/names.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

#include "tests/unit/topology_fake.h"
#include "tests/unit/unit.h"

#define ck_received(index, want) ck_assert_str_eq(fake_received(index), (want))

static void call_with_pid(uint32_t index, const char *name, uint64_t pid)
{
    char args[128];

    snprintf(args, sizeof(args), "[\"%s\",%llu,\"app:host\"]", name,
             (unsigned long long)pid);
    fake_call(index, 1, "@names.register", args);
}

static enum name_claim claim(const char *name, struct name_waiter *waiter,
                             uint64_t *pid_out)
{
    struct bytes host;
    struct err err = {0};

    return names_claim_for_spawn(fake_sup.names, bytes_of_text(name), waiter, pid_out,
                                 &host, &err);
}

static uint64_t owner_of_name(const char *name)
{
    return names_find(fake_sup.names, bytes_of_text(name), NULL);
}

/* MP-1: two workers, one name, one true. */
START_TEST(nr1_one_name_has_one_owner)
{
    call_with_pid(1, "n", fake_pid(1, 1));
    call_with_pid(2, "n", fake_pid(2, 1));
    call_with_pid(1, "n", fake_pid(1, 1)); /* the same once more */
    call_with_pid(1, "m", fake_pid(1, 1)); /* many names */
    ck_received(1, "REPLY 1 true\nREPLY 1 true\nREPLY 1 true\n");
    ck_received(2, "REPLY 1 AlreadyExists: name already registered\n");
}
END_TEST

START_TEST(nr1_refuses)
{
    char long_name[NAME_MAX_BYTES + 2] = "";
    uint64_t pid;

    fake_set_alive(fake_pid(2, 1), false);
    call_with_pid(1, "n", fake_pid(2, 1));
    ck_received(1, "REPLY 1 NotFound: pid not registered\n");
    call_with_pid(1, "", fake_pid(1, 1));
    ck_received(1, "REPLY 1 Invalid: name cannot be empty\n");
    memset(long_name, 'n', NAME_MAX_BYTES);
    ck_assert_int_eq(claim(long_name, NULL, &pid), NAME_CLAIMED);
    long_name[NAME_MAX_BYTES] = 'n';
    ck_assert_int_eq(claim(long_name, NULL, &pid), NAME_REFUSED);
    fake_call(1, 1, "@names.register", "[\"n\"]");
    ck_received(1,
                "REPLY 1 Invalid: names.register takes a name, a pid and its host\n");
}
END_TEST

START_TEST(nr2_anybody_may_unregister)
{
    call_with_pid(1, "n", fake_pid(1, 1));
    fake_received(1);
    fake_call(2, 1, "@names.unregister", "[\"n\"]");
    fake_call(2, 2, "@names.unregister", "[\"n\"]");
    ck_received(2, "REPLY 1 true\nREPLY 2 false\n");
    ck_assert_uint_eq(owner_of_name("n"), 0);
}
END_TEST

START_TEST(nr3_lookup)
{
    call_with_pid(1, "n", 4303355905);
    fake_received(1);
    fake_call(2, 1, "@names.lookup", "[\"n\"]");
    fake_call(2, 2, "@names.lookup", "[\"x\"]");
    ck_received(2, "REPLY 1 [4303355905,\"app:host\"]\n"
                   "REPLY 2 NotFound: name not registered\n");
}
END_TEST

/* T-15: from the moment that the owner is dead, before its GONE has come. */
START_TEST(nr4_the_name_of_a_dead_owner_is_free)
{
    call_with_pid(1, "n", fake_pid(1, 1));
    fake_received(1);
    fake_set_alive(fake_pid(1, 1), false);
    ck_assert_uint_eq(owner_of_name("n"), 0);
    call_with_pid(2, "n", fake_pid(2, 1));
    ck_received(2, "REPLY 1 true\n");
    ck_assert_int_eq(fake_gone(fake_pid(1, 1)), 0); /* late: not the new owner's */
    ck_assert_uint_eq(owner_of_name("n"), fake_pid(2, 1));
    ck_assert_int_eq(fake_gone(fake_pid(2, 1)), 0);
    ck_assert_uint_eq(owner_of_name("n"), 0);
}
END_TEST

START_TEST(nr4_many_names_of_a_dead_worker_go_in_slices)
{
    char name[16];

    for (unsigned i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        call_with_pid(1, name, fake_pid(1, 1 + i % (FAKE_SLOTS - 1)));
    }
    ck_assert_uint_eq(names_count(fake_sup.names), 50000);
    fake_kill(1);
    ck_assert_uint_gt(names_count(fake_sup.names), 0); /* too many for one */
    for (int i = 0; i < 10000 && names_count(fake_sup.names) != 0; i++)
        ev_run(fake_sup.loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(names_count(fake_sup.names), 0);
}
END_TEST

START_TEST(names_list_is_sorted)
{
    call_with_pid(1, "b", fake_pid(1, 1));
    call_with_pid(2, "a", fake_pid(2, 1));
    fake_call(0, 1, "@names.list", "[]");
    ck_received(0,
                "REPLY 1 [{\"name\":\"a\",\"pid\":\"{app:host|0x0000000100800001}\"},"
                "{\"name\":\"b\",\"pid\":\"{app:host|0x0000000100400001}\"}]\n");
}
END_TEST

/* ---- SP-6 ----------------------------------------------------------------------- */

struct racer {
    struct name_waiter waiter;
    int n_woken;
    enum name_claim got;
    uint64_t pid;
};

static void on_settled(struct name_waiter *waiter)
{
    struct racer *racer = container_of(waiter, struct racer, waiter);

    racer->n_woken++;
    racer->got = claim("n", &racer->waiter, &racer->pid);
}

static void racer_start(struct racer *racer)
{
    *racer = (struct racer){.waiter = {.on_settled = on_settled}};
    list_init(&racer->waiter.link);
    racer->got = claim("n", &racer->waiter, &racer->pid);
}

START_TEST(sp6_two_racing_spawns_end_with_one_process)
{
    struct racer first, second;

    racer_start(&first);
    racer_start(&second);
    ck_assert_int_eq(first.got, NAME_CLAIMED);
    ck_assert_int_eq(second.got, NAME_WAIT);
    ck_assert_uint_eq(owner_of_name("n"), 0);
    call_with_pid(2, "n", fake_pid(2, 1)); /* reserved is taken */
    ck_received(2, "REPLY 1 AlreadyExists: name already registered\n");
    names_claim_succeed(fake_sup.names, bytes_of_text("n"), fake_pid(1, 1),
                        bytes_of_text("app:host"));
    ck_assert_int_eq(second.n_woken, 1);
    ck_assert_int_eq(second.got, NAME_TAKEN);
    ck_assert_uint_eq(second.pid, fake_pid(1, 1));
}
END_TEST

START_TEST(sp6_the_next_one_tries_when_the_first_fails)
{
    struct racer first, second, third;

    racer_start(&first);
    racer_start(&second);
    racer_start(&third);
    names_claim_fail(fake_sup.names, bytes_of_text("n"));
    ck_assert_int_eq(second.got, NAME_CLAIMED);
    ck_assert_int_eq(third.got, NAME_WAIT);
    names_stop_waiting(&third.waiter);
    names_claim_fail(fake_sup.names, bytes_of_text("n"));
    ck_assert_int_eq(third.n_woken, 1);
    ck_assert_uint_eq(owner_of_name("n"), 0);
}
END_TEST

START_TEST(sp6_a_dead_owner_is_no_owner)
{
    struct racer racer;

    call_with_pid(1, "n", fake_pid(1, 1));
    fake_set_alive(fake_pid(1, 1), false);
    racer_start(&racer);
    ck_assert_int_eq(racer.got, NAME_CLAIMED);
    /* The late GONE must not take the reservation away. */
    fake_gone(fake_pid(1, 1));
    names_claim_succeed(fake_sup.names, bytes_of_text("n"), fake_pid(2, 2),
                        bytes_of_text("app:host"));
    ck_assert_uint_eq(owner_of_name("n"), fake_pid(2, 2));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
    tcase_add_test(tc, nr1_one_name_has_one_owner);
    tcase_add_test(tc, nr1_refuses);
    tcase_add_test(tc, nr2_anybody_may_unregister);
    tcase_add_test(tc, nr3_lookup);
    tcase_add_test(tc, nr4_the_name_of_a_dead_owner_is_free);
    tcase_add_test(tc, nr4_many_names_of_a_dead_worker_go_in_slices);
    tcase_add_test(tc, names_list_is_sorted);
    tcase_add_test(tc, sp6_two_racing_spawns_end_with_one_process);
    tcase_add_test(tc, sp6_the_next_one_tries_when_the_first_fails);
    tcase_add_test(tc, sp6_a_dead_owner_is_no_owner);
}

int main(void)
{
    return unit_main("names", fill);
}
