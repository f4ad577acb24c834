#include "supervisor/actors.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/topology_fake.h"
#include "tests/unit/unit.h"

#define A1 fake_pid(1, 1)
#define A2 fake_pid(1, 2)
#define B1 fake_pid(2, 1)
#define B2 fake_pid(2, 2)
#define C1 fake_pid(3, 1)

#define ck_received(index, want) ck_assert_str_eq(fake_received(index), (want))

static void watch(uint64_t watcher, uint64_t target, uint8_t op)
{
    ck_assert_int_eq(fake_watch(pid_index(watcher), 9, watcher, target, op), 0);
    if (op == WATCH_MONITOR || op == WATCH_LINK)
        fake_answer(REPLY_OK);
    fake_received(pid_index(watcher));
    fake_received(pid_index(target));
}

/* ---- watches ------------------------------------------------------------------- */

START_TEST(pr11_monitor_is_forwarded_and_answered_by_the_owner)
{
    fake_watch(1, 5, A1, B1, WATCH_MONITOR);
    ck_received(1, "");
    ck_received(2, "WATCH 1/1>2/1 op=1\n");
    fake_answer(REPLY_OK);
    ck_received(1, "REPLY 5 null\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 1);
}
END_TEST

/* T-6, MP-6: an error, and no event ever. */
START_TEST(pr11_monitor_of_the_dead_is_an_error)
{
    fake_set_alive(B1, false);
    fake_watch(1, 5, A1, B1, WATCH_MONITOR);
    ck_received(1, "REPLY 5 NotFound: pid not registered\n");
    ck_received(2, "");
    fake_watch(1, 6, A1, fake_pid(700, 1), WATCH_LINK);
    ck_received(1, "REPLY 6 NotFound: pid not registered\n");
    fake_watch(1, 0, A1, B1, WATCH_LINK); /* no question, no answer */
    ck_received(1, "");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

START_TEST(mp6_monitor_racing_with_the_end_gives_one_of_the_two)
{
    fake_watch(1, 5, A1, B1, WATCH_MONITOR);
    fake_answer(REPLY_ERROR);
    ck_received(1, "REPLY 5 NotFound: pid not registered\n");
    fake_exit(B1, A1, EXIT_EVENT, 1);
    ck_received(1, "");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

START_TEST(pr11_second_monitor_already_exists)
{
    watch(A1, B1, WATCH_MONITOR);
    fake_watch(1, 6, A1, B1, WATCH_MONITOR);
    ck_received(1, "REPLY 6 AlreadyExists: already monitoring pid\n");
    ck_received(2, "");
}
END_TEST

START_TEST(pr12_second_link_is_fine)
{
    watch(A1, B1, WATCH_LINK);
    fake_watch(1, 6, A1, B1, WATCH_LINK);
    ck_received(1, "REPLY 6 null\n");
    fake_watch(2, 7, B1, A1, WATCH_LINK); /* it goes both ways */
    ck_received(2, "REPLY 7 null\n");
}
END_TEST

START_TEST(pr11_nothing_follows_unmonitor)
{
    watch(A1, B1, WATCH_MONITOR);
    fake_watch(1, 6, A1, B1, WATCH_UNMONITOR);
    ck_received(1, "REPLY 6 null\n");
    ck_received(2, "WATCH 1/1>2/1 op=3\n");
    fake_exit(B1, A1, EXIT_EVENT, 1);
    ck_received(1, "");
    fake_watch(1, 7, A1, B1, WATCH_UNMONITOR); /* always true */
    ck_received(1, "REPLY 7 null\n");
}
END_TEST

/* An end may be under way to whoever takes back one of two watches. */
START_TEST(pr12_nothing_follows_unlink_but_what_the_monitor_tells)
{
    watch(A1, B1, WATCH_LINK);
    watch(A1, B1, WATCH_MONITOR);
    fake_watch(1, 6, A1, B1, WATCH_UNLINK);
    ck_received(1, "REPLY 6 null\n");
    ck_received(2, "WATCH 1/1>2/1 op=4\n");
    fake_exit(B1, A1, LINK_DOWN_EVENT, 1);
    ck_received(1, "");
    fake_exit(B1, A1, EXIT_EVENT | LINK_DOWN_EVENT, 1);
    ck_received(1, "EXIT 2/1>1/1 what=1 Internal: boom\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
    fake_watch(1, 7, A1, B1, WATCH_UNLINK); /* always true */
    ck_received(1, "REPLY 7 null\n");
}
END_TEST

START_TEST(pr11_nothing_follows_unmonitor_but_what_the_link_tells)
{
    watch(A1, B1, WATCH_LINK);
    watch(A1, B1, WATCH_MONITOR);
    watch(A1, B1, WATCH_UNMONITOR);
    fake_exit(B1, A1, EXIT_EVENT | LINK_DOWN_EVENT, 1);
    ck_received(1, "EXIT 2/1>1/1 what=2 Internal: boom\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

START_TEST(hostile_frames_are_refused)
{
    ck_assert_int_eq(fake_watch(1, 5, B1, A1, WATCH_MONITOR), -1);
    ck_assert_int_eq(fake_watch(1, 5, A1, A2, WATCH_MONITOR), -1);
    ck_assert_int_eq(fake_watch(1, 5, A1, B1, 0), -1);
    ck_assert_int_eq(fake_watch(1, 5, A1, B1, 5), -1);
    ck_assert_int_eq(fake_exit(B1, A1, 0, 0), -1);
    ck_assert_int_eq(fake_exit(B1, A1, 4, 0), -1);
    ck_assert_int_eq(fake_signal(1, 5, B1, C1, SIGNAL_CANCEL), -1);
    ck_assert_int_eq(fake_signal(1, 5, B1, A1, 3), -1);
    for (uint32_t i = 1; i < 4; i++)
        ck_received(i, "");
}
END_TEST

/* ---- an actor's end ------------------------------------------------------------ */

START_TEST(ex1_exit_passes_once_along_an_edge)
{
    watch(A1, B1, WATCH_MONITOR);
    fake_gone(B1);
    fake_exit(B1, A1, EXIT_EVENT, 1);
    fake_exit(B1, A1, EXIT_EVENT, 1);
    fake_exit(B1, A2, EXIT_EVENT, 1);
    ck_received(1, "EXIT 2/1>1/1 what=1 Internal: boom\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

START_TEST(ct4_the_end_of_a_watcher_tells_the_owner)
{
    watch(A1, B1, WATCH_MONITOR);
    watch(A1, C1, WATCH_LINK);
    fake_gone(A1);
    ck_received(2, "WATCH 1/1>2/1 op=3\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 1); /* C1 hears of A1 */
    fake_exit(A1, C1, LINK_DOWN_EVENT, 1);
    ck_received(3, "EXIT 1/1>3/1 what=2 Internal: boom\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

START_TEST(mp5_names_are_free_when_an_exit_is_seen)
{
    fake_call(2, 1, "@names.register", "[\"n\",4303355905,\"app:host\"]");
    ck_received(2, "REPLY 1 true\n");
    ck_assert_uint_eq(B1, 4303355905);
    watch(A1, B1, WATCH_MONITOR);
    fake_kill(2);
    ck_received(1, "EXIT 2/1>1/1 what=1 Unavailable: worker of app:host was killed by "
                   "signal 9\n");
    fake_call(1, 2, "@names.lookup", "[\"n\"]");
    ck_received(1, "REPLY 2 NotFound: name not registered\n");
}
END_TEST

/* ---- a worker's end ------------------------------------------------------------ */

START_TEST(mp5_a_dead_worker_is_told_to_every_watcher_once)
{
    watch(A1, B1, WATCH_MONITOR);
    watch(A1, B1, WATCH_LINK);
    watch(C1, B1, WATCH_LINK);
    watch(B2, C1, WATCH_MONITOR);
    actors_add_edge(&fake_sup, pid_make(0, 0, 4), B2, SPAWN_MONITOR);
    fake_kill(2);
    ck_received(1, "EXIT 2/1>1/1 what=3 Unavailable: worker of app:host was killed by "
                   "signal 9\n");
    ck_received(3, "EXIT 2/1>3/1 what=2 Unavailable: worker of app:host was killed by "
                   "signal 9\n"
                   "WATCH 2/2>3/1 op=3\n");
    ck_received(0, "EXIT 2/2>0/4 what=1 Unavailable: worker of app:host was killed by "
                   "signal 9\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

/* PM-3's last row through EX-1: a death is a failure, so links hear of it too. */
START_TEST(mp5_what_was_said_before_the_death_is_not_said_twice)
{
    watch(A1, B1, WATCH_MONITOR);
    fake_gone(B1);
    fake_exit(B1, A1, EXIT_EVENT, 0);
    fake_received(1);
    fake_kill(2);
    ck_received(1, "");
}
END_TEST

START_TEST(mp5_an_end_cut_off_before_its_exit_is_told)
{
    watch(A1, B1, WATCH_MONITOR);
    fake_gone(B1);
    fake_kill(2);
    ck_received(1, "EXIT 2/1>1/1 what=1 Unavailable: worker of app:host was killed by "
                   "signal 9\n");
}
END_TEST

START_TEST(mp6_a_watch_whose_target_dies_under_it)
{
    fake_watch(1, 5, A1, B1, WATCH_MONITOR);
    fake_received(2);
    bool told_first = false;

    /* calls.c answers slots before the actors are told. */
    fake_worker(2)->state = WORKER_DEAD;
    fake_answer(REPLY_ERROR);
    told_first =
        strcmp(fake_received(1), "REPLY 5 NotFound: pid not registered\n") == 0;
    fake_kill(2);
    ck_received(1, "");
    ck_assert(told_first);
}
END_TEST

START_TEST(a_watch_whose_watcher_dies_under_it)
{
    fake_watch(1, 5, A1, B1, WATCH_LINK);
    fake_kill(1);
    ck_received(2, "WATCH 1/1>2/1 op=2\n"
                   "EXIT 1/1>2/1 what=2 Unavailable: worker of app:host was killed by "
                   "signal 9\n");
    fake_answer(REPLY_OK); /* nobody is there to be answered */
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

START_TEST(mp7_edges_between_two_dead_workers)
{
    watch(A1, B1, WATCH_LINK);
    watch(B1, C1, WATCH_LINK);
    fake_kill(1);
    fake_kill(2);
    ck_received(3, "EXIT 2/1>3/1 what=2 Unavailable: worker of app:host was killed by "
                   "signal 9\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

/* Of the processor, whatever else the machine does meanwhile. */
static int64_t used_ns(void)
{
    struct timespec used;

    ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

/* Hazard: one death must not hold the loop. Every turn stays short, all get told. */
START_TEST(a_hundred_thousand_edges_are_released_in_slices)
{
    enum { N = 100000 };
    int64_t longest_ns = 0, before;
    unsigned turns = 0;

    for (uint32_t i = 0; i < N; i++) {
        fake_set_alive(fake_pid(1, i), true);
        actors_add_edge(&fake_sup, fake_pid(1, i), B1, SPAWN_MONITOR);
    }
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), N);
    before = used_ns();
    fake_kill(2);
    longest_ns = used_ns() - before;
    while (actors_count_edges(fake_sup.actors) != 0 && turns++ < N) {
        before = used_ns();
        ev_run(fake_sup.loop, EVRUN_ONCE);
        if (used_ns() - before > longest_ns)
            longest_ns = used_ns() - before;
    }
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
    ck_assert_uint_eq(fake_count(1), N);
    ck_assert_uint_gt(turns, 1);
    ck_assert_msg(longest_ns < 100000000, /* the slice is 2 ms */
                  "%lld us", (long long)longest_ns / 1000);
}
END_TEST

/* The same for the end of one that watched very many. */
START_TEST(a_hundred_thousand_watches_are_taken_back_in_slices)
{
    enum { N = 100000 };
    unsigned turns = 0;

    for (uint32_t i = 0; i < N; i++)
        actors_add_edge(&fake_sup, A1, fake_pid(2, i), SPAWN_MONITOR);
    fake_gone(A1);
    ck_assert_uint_gt(actors_count_edges(fake_sup.actors), 0);
    fake_exit(fake_pid(2, N - 1), A1, EXIT_EVENT, 0); /* harmless: A1 is dead */
    while (actors_count_edges(fake_sup.actors) != 0 && turns++ < N)
        ev_run(fake_sup.loop, EVRUN_ONCE);
    ck_assert_uint_gt(turns, 1);
    ck_assert_uint_eq(fake_count(2), N - 1);
}
END_TEST

/* A worker that dies in the middle of that: every edge still goes exactly once. */
START_TEST(a_worker_dies_while_its_actor_leaves)
{
    enum { N = 100000 };
    unsigned turns = 0;

    for (uint32_t i = 0; i < N; i++)
        actors_add_edge(&fake_sup, A1, fake_pid(2, i), SPAWN_MONITOR);
    actors_add_edge(&fake_sup, C1, A1, SPAWN_MONITOR);
    fake_gone(A1);
    fake_kill(1);
    while (actors_count_edges(fake_sup.actors) != 0 && turns++ < N)
        ev_run(fake_sup.loop, EVRUN_ONCE);
    ck_assert_uint_eq(fake_count(2), N);
    ck_received(3, "EXIT 1/1>3/1 what=1 Unavailable: worker of app:host was killed by "
                   "signal 9\n");
}
END_TEST

/* ---- spawns and signals --------------------------------------------------------- */

START_TEST(a_spawned_child_outlives_its_dead_parent_unless_it_is_linked)
{
    fake_set_alive(A2, false);
    actors_add_edge(&fake_sup, A2, B1, SPAWN_LINK);
    ck_received(2, "EXIT 1/2>2/1 what=2 NotFound: pid not registered\n"
                   "WATCH 1/2>2/1 op=4\n");
    fake_kill(1);
    actors_add_edge(&fake_sup, A1, B1, SPAWN_MONITOR | SPAWN_LINK);
    ck_received(2, "EXIT 1/1>2/1 what=2 NotFound: pid not registered\n"
                   "WATCH 1/1>2/1 op=3\nWATCH 1/1>2/1 op=4\n");
    actors_add_edge(&fake_sup, A1, B1, SPAWN_MONITOR);
    ck_received(2, "WATCH 1/1>2/1 op=3\n");
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
    actors_add_edge(&fake_sup, B1, B2, SPAWN_MONITOR); /* their worker's affair */
    ck_assert_uint_eq(actors_count_edges(fake_sup.actors), 0);
}
END_TEST

START_TEST(ct1_a_signal_goes_to_the_owner_or_is_answered)
{
    fake_signal(1, 5, B1, A1, SIGNAL_CANCEL);
    ck_received(2, "SIGNAL 1/1>2/1 op=1\n");
    fake_answer(REPLY_OK);
    ck_received(1, "REPLY 5 null\n");
    fake_signal(1, 0, B1, A1, SIGNAL_TERMINATE); /* no answer wanted */
    ck_received(2, "SIGNAL 1/1>2/1 op=2\n");
    ck_assert_uint_eq(fake_n_forwarded(), 0);
    fake_set_alive(B1, false);
    fake_signal(1, 6, B1, A1, SIGNAL_CANCEL);
    ck_received(1, "REPLY 6 NotFound: process not found\n");
    ck_assert(actors_send_signal(&fake_sup, C1, pid_make(0, 0, 1), "node:control",
                                 SIGNAL_CANCEL, "service stopping"));
    ck_received(3, "SIGNAL 0/1>3/1 op=1\n");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
    tcase_add_test(tc, pr11_monitor_is_forwarded_and_answered_by_the_owner);
    tcase_add_test(tc, pr11_monitor_of_the_dead_is_an_error);
    tcase_add_test(tc, mp6_monitor_racing_with_the_end_gives_one_of_the_two);
    tcase_add_test(tc, pr11_second_monitor_already_exists);
    tcase_add_test(tc, pr12_second_link_is_fine);
    tcase_add_test(tc, pr11_nothing_follows_unmonitor);
    tcase_add_test(tc, pr12_nothing_follows_unlink_but_what_the_monitor_tells);
    tcase_add_test(tc, pr11_nothing_follows_unmonitor_but_what_the_link_tells);
    tcase_add_test(tc, hostile_frames_are_refused);
    tcase_add_test(tc, ex1_exit_passes_once_along_an_edge);
    tcase_add_test(tc, ct4_the_end_of_a_watcher_tells_the_owner);
    tcase_add_test(tc, mp5_names_are_free_when_an_exit_is_seen);
    tcase_add_test(tc, mp5_a_dead_worker_is_told_to_every_watcher_once);
    tcase_add_test(tc, mp5_what_was_said_before_the_death_is_not_said_twice);
    tcase_add_test(tc, mp5_an_end_cut_off_before_its_exit_is_told);
    tcase_add_test(tc, mp6_a_watch_whose_target_dies_under_it);
    tcase_add_test(tc, a_watch_whose_watcher_dies_under_it);
    tcase_add_test(tc, mp7_edges_between_two_dead_workers);
    tcase_add_test(tc, a_hundred_thousand_edges_are_released_in_slices);
    tcase_add_test(tc, a_hundred_thousand_watches_are_taken_back_in_slices);
    tcase_add_test(tc, a_worker_dies_while_its_actor_leaves);
    tcase_add_test(tc, a_spawned_child_outlives_its_dead_parent_unless_it_is_linked);
    tcase_add_test(tc, ct1_a_signal_goes_to_the_owner_or_is_answered);
}

int main(void)
{
    return unit_main("actors", fill);
}
