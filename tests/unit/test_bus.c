#include "supervisor/bus.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/value.h"

#include "supervisor/system.h"

#include "tests/unit/topology_fake.h"
#include "tests/unit/unit.h"

#define ck_received(index, want) ck_assert_str_eq(fake_received(index), (want))

static const struct {
    const char *pattern, *text;
    bool matches;
} patterns[] = {
    {"*", "anything", true},    {"", "anything", true},    {"*", "", true},
    {"test.*", "test.a", true}, {"test.*", "test", false}, {"test.*", "test.a.b", true},
    {"test.*", "test.", true},  {"a", "a", true},          {"a", "ab", false},
    {"ab", "a", false},         {"a*b", "axb", false},     {"a*b", "a*b", true},
    {"a**", "a*x", true},       {"a**", "axx", false},
};

START_TEST(ev3_pattern)
{
    ck_assert(bus_pattern_matches(bytes_of_text(patterns[_i].pattern),
                                  bytes_of_text(patterns[_i].text)) ==
              patterns[_i].matches);
}
END_TEST

static int send_event(uint32_t from, const char *system, const char *kind,
                      const char *path)
{
    struct frame_event event = {.system = bytes_of_text(system),
                                .kind = bytes_of_text(kind),
                                .path = bytes_of_text(path)};
    struct bytes body;
    struct err err = {0};
    struct buf buf;
    int result;

    buf_init(&buf, 0);
    frame_encode_event(&buf, &event);
    body = buf_bytes(&buf);
    body.data += FRAME_HEADER_BYTES;
    body.n -= FRAME_HEADER_BYTES;
    result = bus_on_event(&fake_sup, fake_worker(from), &event, body, &err);
    buf_finish(&buf);
    return result;
}

static void subscribe(uint32_t index, const char *args)
{
    fake_call(index, 1, "@events.subscribe", args);
    ck_received(index, "REPLY 1 null\n");
}

START_TEST(ev6_all_see_one_order_and_each_event_once)
{
    subscribe(1, "[\"orders\"]");
    subscribe(1, "[\"or*\",\"new\"]");
    subscribe(2, "[\"*\",\"new\"]");
    send_event(1, "orders", "new", "/1");
    send_event(3, "orders", "old", "/2");
    send_event(2, "orders", "new", "/3");
    ck_received(1, "EVENT orders new /1\nEVENT orders old /2\nEVENT orders new /3\n");
    ck_received(2, "EVENT orders new /1\nEVENT orders new /3\n");
    ck_received(3, "");
}
END_TEST

START_TEST(ev4_patterns_are_counted)
{
    subscribe(1, "[\"s\"]");
    subscribe(1, "[\"s\",\"\"]");
    fake_call(1, 2, "@events.unsubscribe", "[\"s\",null]");
    send_event(2, "s", "k", "/1");
    fake_call(1, 3, "@events.unsubscribe", "[\"s\"]");
    send_event(2, "s", "k", "/2");
    fake_call(1, 4, "@events.unsubscribe", "[\"s\"]");
    ck_received(1, "REPLY 2 null\nEVENT s k /1\nREPLY 3 null\nREPLY 4 null\n");
}
END_TEST

/* As many as there may be, in no more time than few of them take each. */
START_TEST(ev2_different_patterns_are_bounded)
{
    char args[64];

    for (int i = 0; i < BUS_PATTERNS_MAX_PER_WORKER; i++) {
        snprintf(args, sizeof(args), "[\"s%d\",\"k\"]", i);
        subscribe(1, args);
    }
    fake_call(1, 1, "@events.subscribe", "[\"one more\"]");
    fake_call(1, 2, "@events.subscribe", "[\"s7\",\"k\"]"); /* it is there already */
    fake_call(2, 3, "@events.subscribe", "[\"one more\"]");
    ck_received(1, "REPLY 1 LimitExceeded: too many different subscriptions\n"
                   "REPLY 2 null\n");
    ck_received(2, "REPLY 3 null\n");
    fake_call(1, 4, "@events.unsubscribe", "[\"s8\",\"k\"]");
    ck_received(1, "REPLY 4 null\n");
    subscribe(1, "[\"one more\"]");
}
END_TEST

START_TEST(ev4_texts_of_a_pattern_are_not_mixed_up)
{
    subscribe(1, "[\"ab\",\"c\"]");
    fake_call(1, 2, "@events.unsubscribe", "[\"a\",\"bc\"]");
    send_event(2, "ab", "c", "/1");
    send_event(2, "a", "bc", "/2");
    ck_received(1, "REPLY 2 null\nEVENT ab c /1\n");
}
END_TEST

START_TEST(ev2_refuses)
{
    fake_call(1, 1, "@events.subscribe", "[]");
    fake_call(1, 2, "@events.subscribe", "[\"\"]");
    fake_call(1, 3, "@events.subscribe", "[\"s\",7]");
    ck_received(1, "REPLY 1 Invalid: system pattern is required\n"
                   "REPLY 2 Invalid: system pattern is required\n"
                   "REPLY 3 Invalid: kind pattern must be a string\n");
    ck_assert_int_eq(send_event(1, "", "k", "p"), -1);
    ck_assert_int_eq(send_event(1, "s", "k", ""), -1);
}
END_TEST

START_TEST(a_dead_worker_is_forgotten)
{
    subscribe(1, "[\"s\"]");
    fake_kill(1);
    send_event(2, "s", "k", "/1");
    ck_received(1, "");
}
END_TEST

static bool is_quiet(uint32_t index)
{
    return liveness_has_bit(fake_worker(index)->liveness, LIVENESS_QUIET_BIT);
}

START_TEST(ev1_publishers_wait_for_a_worker_that_reads_nothing)
{
    subscribe(1, "[\"s\"]");
    subscribe(2, "[\"s\"]");
    subscribe(2, "[\"logs\"]");
    fake_hold(2, true);
    send_event(3, "s", "k", "/1");
    send_event(4, "other", "k", "/2");
    ck_assert(is_quiet(3));
    ck_assert(!is_quiet(4));
    bus_publish(&fake_sup, "logs", "info", "app", NULL);
    bus_publish(&fake_sup, "s", "k", "/3", NULL);
    ck_received(1, "EVENT s k /1\nEVENT s k /3\n");
    ck_received(2, "EVENT s k /1\nEVENT s k /3\n");
    ev_run(fake_sup.loop, EVRUN_ONCE);
    ck_assert(is_quiet(3));
    fake_hold(2, false);
    ev_run(fake_sup.loop, EVRUN_ONCE);
    ck_assert(!is_quiet(3));
    bus_publish(&fake_sup, "logs", "info", "app", NULL);
    ck_received(2, "EVENT logs info app\n");
}
END_TEST

START_TEST(ev1_who_waits_for_the_dead_waits_no_more)
{
    subscribe(2, "[\"s\"]");
    fake_hold(2, true);
    send_event(3, "s", "k", "/1");
    send_event(4, "s", "k", "/2");
    fake_kill(3);
    ck_assert(!is_quiet(3)); /* the next worker of that index is nobody's publisher */
    fake_kill(2);
    ev_run(fake_sup.loop, EVRUN_ONCE);
    ck_assert(!is_quiet(4));
    fake_hold(2, false);
}
END_TEST

START_TEST(ev7_the_runtime_speaks_and_clients_follow)
{
    struct value data = value_map();
    struct origin client = {.type = ORIGIN_CLIENT, .call = 7};

    value_put(&data, "state", value_string("running"));
    fake_call(0, 7, "@events.follow", "[\"supervisor\",\"service.*\"]");
    subscribe(1, "[\"supervisor\"]");
    bus_publish(&fake_sup, "supervisor", "service.update", "app:a", &data);
    bus_publish(&fake_sup, "registry", "entry.create", "app:a", NULL);
    bus_publish(&fake_sup, "supervisor", "service.stop", "app:a", NULL);
    ck_received(0, "ITEM 7 {\"system\":\"supervisor\",\"kind\":\"service.update\","
                   "\"path\":\"app:a\",\"data\":{\"state\":\"running\"}}\n"
                   "ITEM 7 {\"system\":\"supervisor\",\"kind\":\"service.stop\","
                   "\"path\":\"app:a\"}\n");
    ck_received(1, "EVENT supervisor service.update app:a\n"
                   "EVENT supervisor service.stop app:a\n");
    system_cancel(fake_sup.system, &client);
    bus_publish(&fake_sup, "supervisor", "service.stop", "app:a", NULL);
    ck_received(0, "REPLY 7 Canceled: @events.follow was cancelled\n");
    value_finish(&data);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
    tcase_add_loop_test(tc, ev3_pattern, 0, (int)N_ELEMENTS(patterns));
    tcase_add_test(tc, ev6_all_see_one_order_and_each_event_once);
    tcase_add_test(tc, ev4_patterns_are_counted);
    tcase_add_test(tc, ev2_different_patterns_are_bounded);
    tcase_add_test(tc, ev4_texts_of_a_pattern_are_not_mixed_up);
    tcase_add_test(tc, ev2_refuses);
    tcase_add_test(tc, a_dead_worker_is_forgotten);
    tcase_add_test(tc, ev1_publishers_wait_for_a_worker_that_reads_nothing);
    tcase_add_test(tc, ev1_who_waits_for_the_dead_waits_no_more);
    tcase_add_test(tc, ev7_the_runtime_speaks_and_clients_follow);
}

int main(void)
{
    return unit_main("bus", fill);
}
