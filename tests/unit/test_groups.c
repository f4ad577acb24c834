#include "supervisor/groups.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/topology_fake.h"
#include "tests/unit/unit.h"

#define HOST "\"app:host\""

static void join(uint32_t worker, uint32_t slot, const char *scope, const char *groups)
{
    char args[256];

    snprintf(args, sizeof(args), "[\"%s\", " HOST ", %s]", scope, groups);
    fake_call_as(worker, fake_pid(worker, slot), 1, "@pg.join", args);
}

static void leave(uint32_t worker, uint32_t slot, const char *groups)
{
    char args[256];

    snprintf(args, sizeof(args), "[\"app:scope\", %s]", groups);
    fake_call_as(worker, fake_pid(worker, slot), 1, "@pg.leave", args);
}

static void expect(uint32_t worker, const char *text)
{
    ck_assert_str_eq(fake_received(worker), text);
}

/* What supctl shows of all groups. */
static void expect_list(const char *json)
{
    char text[1024];

    snprintf(text, sizeof(text), "REPLY 9 %s\n", json);
    fake_received(0);
    fake_call(0, 9, "@pg.list", "[]");
    expect(0, text);
}

static void run_slices(void)
{
    for (int i = 0; i < 100; i++)
        ev_run(fake_sup.loop, EVRUN_NOWAIT);
}

START_TEST(pg2_joining_is_counted)
{
    join(1, 1, "app:scope", "\"a\"");
    join(1, 1, "app:scope", "\"a\"");
    join(2, 1, "app:scope", "\"a\", \"b\"");
    expect(1, "REPLY 1 true\nREPLY 1 true\n");
    expect_list(
        "[{\"scope\":\"app:scope\",\"group\":\"a\",\"members\":3,\"watchers\":0},"
        "{\"scope\":\"app:scope\",\"group\":\"b\",\"members\":1,\"watchers\":0}]");
    leave(1, 1, "\"a\"");
    leave(1, 1, "\"a\"");
    leave(1, 1, "\"a\"");
    expect(1, "REPLY 1 true\nREPLY 1 true\n"
              "REPLY 1 NotFound: pg: process not joined in group\n");
    leave(2, 1, "\"a\", \"none\", \"b\"");
    expect_list("[]");
}
END_TEST

START_TEST(pg2_joining_is_bounded)
{
    for (int i = 0; i < 100000; i++) {
        join(1, 1, "app:scope", "\"a\"");
        expect(1, "REPLY 1 true\n");
    }
    join(1, 1, "app:scope", "\"a\"");
    expect(1, "REPLY 1 RateLimited: pg: maximum members per group reached\n");
    join(1, 2, "app:scope", "\"a\""); /* another one may */
    leave(1, 1, "\"a\"");
    join(1, 1, "app:scope", "\"a\"");
    expect(1, "REPLY 1 true\nREPLY 1 true\nREPLY 1 true\n");
}
END_TEST

START_TEST(pg1_what_is_no_scope)
{
    fake_call(1, 1, "@pg.open", "[\"app:scope\"]");
    fake_call(1, 2, "@pg.open", "[\"app:other\"]");
    fake_call(1, 3, "@pg.open", "[\"app:none\"]");
    fake_call(1, 4, "@pg.open", "[]");
    fake_call(1, 5, "@pg.join", "[\"app:scope\", " HOST ", \"a\"]");
    fake_call(1, 6, "@pg.join", "[\"app:scope\", " HOST "]");
    fake_call(1, 7, "@pg.members", "[\"app:scope\", \"\"]");
    expect(1, "REPLY 1 true\n"
              "REPLY 2 Invalid: resource is not a pg scope: process.host\n"
              "REPLY 3 Internal: failed to acquire pg scope: no such entry: app:none\n"
              "REPLY 4 Invalid: resource id is required\n"
              "REPLY 5 Invalid: only processes join groups\n"
              "REPLY 6 Invalid: groups table must not be empty\n"
              "REPLY 7 Invalid: group name is required\n");
}
END_TEST

/* A refusal frees the request: nothing of it may be read after that. */
START_TEST(pg1_every_target_refuses_a_scope_that_is_gone)
{
    static const char *const names[] = {"join",  "leave",     "members", "groups",
                                        "watch", "broadcast", "open"};
    const char *received;
    char target[32];

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        snprintf(target, sizeof(target), "@pg.%s", names[i]);
        fake_call_as(1, fake_pid(1, 1), i, target, "[\"app:none\", \"a\", \"b\"]");
        received = fake_received(1);
        ck_assert_msg(strstr(received, "no such entry: app:none") != NULL, "%s: %s",
                      target, received);
    }
}
END_TEST

START_TEST(pg2_limits_refuse_a_list_as_a_whole)
{
    join(1, 1, "app:narrow", "\"a\", \"b\", \"c\"");
    expect(1, "REPLY 1 RateLimited: pg: maximum number of groups reached\n");
    expect_list("[]");
    join(1, 1, "app:narrow", "\"a\", \"a\", \"a\", \"a\"");
    expect(1, "REPLY 1 RateLimited: pg: maximum members per group reached\n");
    expect_list("[]");
    join(1, 1, "app:narrow", "\"a\", \"a\", \"b\", \"a\"");
    expect(1, "REPLY 1 true\n");
}
END_TEST

/* max_groups is 2 there; who only looks at a group makes none. */
START_TEST(pg2_limits_count_groups_with_members)
{
    fake_call(3, 1, "@pg.watch", "[\"app:narrow\", \"x\"]");
    fake_call(3, 1, "@pg.watch", "[\"app:narrow\", \"y\"]");
    join(1, 1, "app:narrow", "\"a\", \"b\"");
    join(1, 1, "app:narrow", "\"x\"");
    expect(1, "REPLY 1 true\n"
              "REPLY 1 RateLimited: pg: maximum number of groups reached\n");
    fake_gone(fake_pid(1, 1));
    run_slices();
    join(2, 1, "app:narrow", "\"x\", \"y\"");
    expect(2, "REPLY 1 true\n");
}
END_TEST

START_TEST(pg2_watchers_get_a_snapshot_and_what_comes_after)
{
    join(1, 1, "app:scope", "\"a\"");
    fake_received(1);
    fake_call(3, 1, "@pg.watch", "[\"app:scope\", \"a\"]");
    fake_call(4, 1, "@pg.watch", "[\"app:scope\", null]");
    ck_assert_ptr_nonnull(strstr(fake_received(3), "\"hosts\":[\"app:host\"]"));
    ck_assert_ptr_nonnull(strstr(fake_received(4), "\"name\":\"a\""));
    join(1, 1, "app:scope", "\"a\", \"b\"");
    leave(1, 1, "\"b\"");
    expect(3, "GROUP joined app:scope a 1/1*1\n");
    expect(4, "GROUP joined app:scope a 1/1*1\nGROUP joined app:scope b 1/1*1\n"
              "GROUP left app:scope b 1/1*1\n");
    fake_call(3, 2, "@pg.unwatch", "[\"app:scope\", \"a\"]");
    fake_received(3);
    fake_gone(fake_pid(1, 1));
    run_slices();
    expect(3, "");
    expect(4, "GROUP left app:scope a 1/1*2\n");
}
END_TEST

START_TEST(pg2_one_frame_for_who_watches_both_ways)
{
    fake_call(3, 1, "@pg.watch", "[\"app:scope\", \"a\"]");
    fake_call(3, 2, "@pg.watch", "[\"app:scope\", \"a\"]");
    fake_call(3, 3, "@pg.watch", "[\"app:scope\", null]");
    fake_received(3);
    join(1, 1, "app:scope", "\"a\"");
    expect(3, "GROUP joined app:scope a 1/1*1\n");
    fake_call(3, 4, "@pg.unwatch", "[\"app:scope\", \"a\"]");
    fake_call(3, 5, "@pg.unwatch", "[\"app:scope\", null]");
    fake_received(3);
    leave(1, 1, "\"a\"");
    expect(3, "GROUP left app:scope a 1/1*1\n");
}
END_TEST

START_TEST(pg3_members_of_a_dead_worker_leave_its_watches_go)
{
    join(1, 1, "app:scope", "\"a\"");
    join(1, 2, "app:scope", "\"a\", \"b\"");
    join(2, 1, "app:scope", "\"a\"");
    fake_call(3, 1, "@pg.watch", "[\"app:scope\", null]");
    fake_call(1, 1, "@pg.watch", "[\"app:scope\", \"c\"]");
    fake_received(3);
    fake_kill(1);
    run_slices();
    expect(3, "GROUP left app:scope a 1/1*1\nGROUP left app:scope a 1/2*1\n"
              "GROUP left app:scope b 1/2*1\n");
    expect_list(
        "[{\"scope\":\"app:scope\",\"group\":\"a\",\"members\":1,\"watchers\":0}]");
}
END_TEST

START_TEST(pg2_the_dead_are_not_shown_before_their_rows_go)
{
    join(1, 1, "app:scope", "\"a\"");
    join(2, 1, "app:scope", "\"a\", \"b\"");
    fake_set_alive(fake_pid(2, 1), false);
    fake_received(1);
    fake_call(1, 1, "@pg.groups", "[\"app:scope\"]");
    expect(1, "REPLY 1 [\"a\"]\n");
    fake_call(0, 9, "@pg.list", "[\"app:scope\", \"a\"]");
    ck_assert_ptr_nonnull(strstr(fake_received(0), "\"joined\":1}]"));
}
END_TEST

START_TEST(pg2_broadcast_reaches_each_membership_once)
{
    join(1, 1, "app:scope", "\"a\"");
    join(1, 1, "app:scope", "\"a\"");
    join(1, 2, "app:scope", "\"a\"");
    join(2, 3, "app:scope", "\"a\"");
    join(2, 4, "app:scope", "\"a\"");
    fake_set_alive(fake_pid(2, 4), false);
    fake_received(1);
    fake_received(2);
    fake_call_as(3, fake_pid(3, 1), 7, "@pg.broadcast",
                 "[\"app:scope\", \"a\", \"news\", " HOST ", \"p\"]");
    expect(1, "@pg.deliver news 1 1 2\n");
    expect(2, "@pg.deliver news 3\n");
    expect(3, "REPLY 7 true\n");
    fake_call_as(3, fake_pid(3, 1), 8, "@pg.broadcast",
                 "[\"app:scope\", \"none\", \"news\", " HOST ", \"p\"]");
    expect(3, "REPLY 8 true\n");
}
END_TEST

START_TEST(pg2_a_traced_broadcast_has_a_span_for_each_of_the_first_members)
{
    const char *args = "[\"app:scope\", \"a\", \"news\", " HOST ", \"p\", "
                       "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"]";

    for (uint32_t slot = 1; slot <= 40; slot++) {
        join(1, slot, "app:scope", "\"a\"");
        join(2, slot, "app:scope", "\"a\"");
    }
    fake_received(1);
    fake_received(2);
    fake_call_as(3, fake_pid(3, 1), 7, "@pg.broadcast", args);
    for (uint32_t worker = 1; worker <= 2; worker++) {
        const char *shared = fake_received(worker);
        const char *spans = strstr(shared, " spans ");
        unsigned n_pids = 0, n_spans = 0;

        ck_assert_ptr_nonnull(spans);
        for (const char *at = shared; (at = strchr(at + 1, ' ')) != NULL;)
            *(at < spans ? &n_pids : &n_spans) += 1;
        ck_assert_uint_eq(n_pids, 41); /* ... and the topic */
        ck_assert_uint_eq(n_spans, 33);
    }
}
END_TEST

/* Nothing is left of groups that come and go (the leak checker looks too). */
START_TEST(pg2_many_members_end_in_slices)
{
    char groups[64];

    for (uint32_t slot = 1; slot < FAKE_SLOTS; slot++)
        for (int i = 0; i < 500; i++) {
            snprintf(groups, sizeof(groups), "\"g%d\"", i);
            join(1, slot, "app:scope", groups);
        }
    fake_kill(1);
    ck_assert_uint_gt(groups_count(fake_sup.groups), 0); /* too many for one */
    for (int i = 0; i < 10000 && groups_count(fake_sup.groups) != 0; i++)
        ev_run(fake_sup.loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(groups_count(fake_sup.groups), 0);
    expect_list("[]");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
    tcase_add_test(tc, pg2_joining_is_counted);
    tcase_add_test(tc, pg2_joining_is_bounded);
    tcase_add_test(tc, pg1_what_is_no_scope);
    tcase_add_test(tc, pg1_every_target_refuses_a_scope_that_is_gone);
    tcase_add_test(tc, pg2_limits_refuse_a_list_as_a_whole);
    tcase_add_test(tc, pg2_limits_count_groups_with_members);
    tcase_add_test(tc, pg2_watchers_get_a_snapshot_and_what_comes_after);
    tcase_add_test(tc, pg2_one_frame_for_who_watches_both_ways);
    tcase_add_test(tc, pg3_members_of_a_dead_worker_leave_its_watches_go);
    tcase_add_test(tc, pg2_the_dead_are_not_shown_before_their_rows_go);
    tcase_add_test(tc, pg2_broadcast_reaches_each_membership_once);
    tcase_add_test(tc, pg2_a_traced_broadcast_has_a_span_for_each_of_the_first_members);
    tcase_add_test(tc, pg2_many_members_end_in_slices);
}

int main(void)
{
    return unit_main("groups", fill);
}
