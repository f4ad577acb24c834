#include "supervisor/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/log.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/actors.h"
#include "supervisor/bus.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/service_set.h"
#include "supervisor/service_glue.h"
#include "supervisor/system.h"

#include "tests/unit/unit.h"

/*
 * Services as the supervisor runs them: a real registry, a real loop, the real back
 * ends; what stands behind those (pools, spawns, signals) only writes down what it is
 * asked.
 */
struct pool {
    enum pool_state state;
    void (*started)(void *context, const struct err *err);
    void *started_context;
    struct {
        void (*done)(void *context);
        void *context;
    } stopped[4]; /* each who asked hears of it */
    unsigned n_stopped;
};

static struct supervisor sup;
static struct pool host;
static struct origin spawn_origin;
static uint64_t spawn_watcher;
static char spawn_args[128], trace[1024], replies[4096], events[4096];

static void note(const char *text)
{
    size_t n = strlen(trace);

    snprintf(trace + n, sizeof(trace) - n, "%s\n", text);
}

#define ck_trace(want)                                                                 \
    do {                                                                               \
        ck_assert_str_eq(trace, (want));                                               \
        trace[0] = '\0';                                                               \
    } while (0)

/* ---- what stands behind --------------------------------------------------------- */

struct pool *pools_find(const struct pools *pools, const void *entry, size_t n_bytes)
{
    (void)pools;
    return n_bytes == 8 && memcmp(entry, "app:host", 8) == 0 ? &host : NULL;
}

void pool_start(struct pool *pool, void (*done)(void *context, const struct err *err),
                void *context)
{
    ck_assert_int_ne(pool->state, POOL_STOPPING);
    note("pool_start");
    pool->state = POOL_RUNNING;
    pool->started = done;
    pool->started_context = context;
}

static void pool_is_up(const struct err *err)
{
    void (*started)(void *, const struct err *) = host.started;

    host.started = NULL;
    started(host.started_context, err);
}

void pool_stop(struct pool *pool, uint64_t deadline_at_ns, void (*done)(void *context),
               void *context)
{
    struct err err = {0};
    uint64_t now = (uint64_t)clock_monotonic_ns();

    note(deadline_at_ns <= now ? "pool_kill" : "pool_stop");
    pool->state = POOL_STOPPING;
    ck_assert_uint_lt(pool->n_stopped, N_ELEMENTS(pool->stopped));
    pool->stopped[pool->n_stopped].done = done;
    pool->stopped[pool->n_stopped++].context = context;
    err_set(&err, ERR_UNAVAILABLE, "host is shutting down");
    if (pool->started != NULL)
        pool_is_up(&err);
}

bool pool_forget(struct pool *pool, const void *context)
{
    bool any = pool->started != NULL || pool->n_stopped != 0;

    (void)context; /* there is only one */
    pool->started = NULL;
    pool->n_stopped = 0;
    return any;
}

/* Somebody may have stopped waiting for it. */
static void pool_is_down(void)
{
    struct pool before = host;

    host.state = POOL_STOPPED;
    host.n_stopped = 0;
    for (unsigned i = 0; i < before.n_stopped; i++)
        before.stopped[i].done(before.stopped[i].context);
}

void calls_spawn_internal(struct supervisor *of, const struct origin *origin,
                          const char *entry, const char *host_id, const char *name,
                          const struct value *args, struct bytes context,
                          uint64_t watcher)
{
    char line[128];
    struct buf json;

    (void)of, (void)name, (void)context;
    snprintf(line, sizeof(line), "spawn %s on %s", entry, host_id);
    note(line);
    buf_init(&json, 0);
    value_write_json(&json, args, 0);
    snprintf(spawn_args, sizeof(spawn_args), "%.*s", (int)buf_len(&json),
             (const char *)buf_head(&json));
    buf_finish(&json);
    spawn_origin = *origin;
    spawn_watcher = watcher;
}

void calls_give_up(struct calls *calls, const struct origin *origin)
{
    (void)calls;
    ck_assert_ptr_eq(origin->who.internal.context, spawn_origin.who.internal.context);
    note("give up");
}

static void spawned(uint64_t pid)
{
    struct value items[2] = {value_int((int64_t)pid), value_string("app:host")};
    struct buf buf;

    buf_init(&buf, 0);
    payload_encode(&buf, items, 2);
    spawn_origin.who.internal.done(spawn_origin.who.internal.context, REPLY_OK,
                                   buf_bytes(&buf));
    buf_finish(&buf);
    value_finish(&items[1]);
}

static void spawn_fails(enum err_kind kind)
{
    struct err err = {0};
    struct buf buf;

    buf_init(&buf, 0);
    err_set(&err, kind, "no such luck");
    error_encode(&buf, &err);
    spawn_origin.who.internal.done(spawn_origin.who.internal.context, REPLY_ERROR,
                                   buf_bytes(&buf));
    buf_finish(&buf);
}

bool actors_send_signal(struct supervisor *of, uint64_t to, uint64_t from,
                        const char *from_host, uint8_t op, const char *reason)
{
    char line[128];

    (void)of;
    snprintf(line, sizeof(line), "%s %llu by %s|%llu: %s",
             op == SIGNAL_CANCEL ? "cancel" : "terminate", (unsigned long long)to,
             from_host, (unsigned long long)from, reason);
    note(line);
    return true;
}

void bus_publish(struct supervisor *of, const char *system, const char *kind,
                 const char *path, const struct value *data)
{
    size_t n = strlen(events);

    (void)of;
    snprintf(events + n, sizeof(events) - n, "%s %s %s %s\n", system, kind, path,
             data != NULL ? value_get_text(data, "state") : "-");
}

static void exits(uint64_t control, bool failed, enum err_retry retryable)
{
    struct frame_exit frame = {.to = control, .what = EXIT_EVENT, .failed = failed};
    struct err err = {0};
    struct buf buf;

    buf_init(&buf, 0);
    err_set(&err, ERR_INTERNAL, "boom");
    err.retryable = retryable;
    error_encode(&buf, &err);
    if (failed)
        frame.result = buf_bytes(&buf);
    services_on_exit(&sup, &frame);
    buf_finish(&buf);
}

void origin_reply(const struct origin *origin, uint8_t status, struct bytes result)
{
    struct value list;
    struct err why = {0}, err = {0};
    size_t n = strlen(replies);

    if (status != REPLY_OK) {
        ck_assert_int_eq(error_decode(result, &why, &err), 0);
        snprintf(replies + n, sizeof(replies) - n, "%llu %s: %s\n",
                 (unsigned long long)origin->call, err_kind_name(why.kind), why.text);
        return;
    }
    ck_assert_int_eq(payload_decode(result, &list, &err), 0);
    snprintf(replies + n, sizeof(replies) - n, "%llu %s\n",
             (unsigned long long)origin->call,
             value_get_text(&list.as.list.items[0], "state"));
    value_finish(&list);
}

void origin_fail(const struct origin *origin, const struct err *err)
{
    struct buf buf;

    buf_init(&buf, 0);
    error_encode(&buf, err);
    origin_reply(origin, REPLY_ERROR, buf_bytes(&buf));
    buf_finish(&buf);
}

bool origin_item(const struct origin *origin, struct bytes item)
{
    (void)origin, (void)item;
    return true;
}

/* ---- building ------------------------------------------------------------------- */

static struct entry *make_entry(const char *id, const char *kind, const char *json)
{
    struct value data;
    struct err err = {0};

    ck_assert_msg(value_read_json(json, strlen(json), &data, &err) == 0, "%s",
                  err.text);
    return entry_create(id, strlen(id), kind, value_map(), data);
}

struct row {
    const char *id, *kind, *json;
};

static void commit(const struct row *rows, size_t n, enum change_op op)
{
    struct operation operations[8];
    struct changeset *set;
    struct err err = {0};

    for (size_t i = 0; i < n; i++)
        operations[i] = (struct operation){
            .op = op,
            .id = rows[i].id,
            .entry = op == CHANGE_DELETE
                         ? NULL
                         : make_entry(rows[i].id, rows[i].kind, rows[i].json)};
    set = registry_prepare(sup.registry, operations, n, NULL, &err);
    ck_assert_msg(set != NULL, "%s", err.text);
    ck_assert_msg(registry_commit(sup.registry, set, NULL, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < n; i++)
        if (operations[i].entry != NULL)
            entry_unref(operations[i].entry);
}

static const struct row app[] = {
    {"app:host", "process.host", "{}"},
    {"app:main", "process.lua",
     "{\"source\":\"return {main=function() end}\",\"method\":\"main\"}"},
    {"app:svc", "process.service",
     "{\"process\":\"main\",\"host\":\"host\",\"input\":[1,\"two\"],\"lifecycle\":"
     "{\"auto_start\":true,\"stop_timeout\":\"50ms\",\"restart\":"
     "{\"initial_delay\":\"10ms\"}}}"},
};

static void setup(void)
{
    log_set_level(LOG_OFF);
    sup = (struct supervisor){.loop = ev_loop_new(0)};
    host = (struct pool){.state = POOL_STOPPED};
    trace[0] = replies[0] = events[0] = '\0';
    sup.system = system_create(&sup);
    sup.registry = registry_create();
    sup.services = services_create(&sup);
}

static void teardown(void)
{
    services_destroy(sup.services);
    registry_destroy(sup.registry);
    system_destroy(sup.system);
    ev_loop_destroy(sup.loop);
}

/* Turns the loop until nothing is due at once. */
static void turn(void)
{
    for (int i = 0; i < 5; i++)
        ev_run(sup.loop, EVRUN_NOWAIT);
}

static struct value record_of(const char *id)
{
    const struct service *service = services_find(sup.services, id);

    ck_assert_msg(service != NULL, "no service %s", id);
    return service_describe(service);
}

static const char *state_of(const char *id)
{
    return service_state_name(service_shown_state(services_find(sup.services, id)));
}

/* Turns it until the service is in that state (its timers run in real time). */
static void until(const char *id, const char *state)
{
    for (;;) {
        struct value record = record_of(id);
        const char *now = value_get_text(&record, "state");
        bool there = now != NULL && strcmp(now, state) == 0;

        value_finish(&record);
        if (there)
            return;
        ck_assert_msg(ev_run(sup.loop, EVRUN_ONCE), "nothing to wait for");
    }
}

static void count_call(void *context)
{
    (*(int *)context)++;
}

static void ask(uint64_t call, const char *target, const char *args)
{
    struct origin origin = {.type = ORIGIN_CLIENT, .call = call};
    struct value list;
    struct err err = {0};
    struct buf buf;

    ck_assert_int_eq(value_read_json(args, strlen(args), &list, &err), 0);
    buf_init(&buf, 0);
    payload_encode(&buf, list.as.list.items, list.as.list.n);
    system_call(sup.system, &origin, bytes_of_text(target), 0, 0, buf_bytes(&buf));
    buf_finish(&buf);
    value_finish(&list);
}

/* Boots app and has its service run as pid 77. */
static void boot_app(void)
{
    int done = 0;

    commit(app, N_ELEMENTS(app), CHANGE_CREATE);
    services_start_all(&sup, count_call, &done);
    turn();
    pool_is_up(NULL);
    turn();
    spawned(77);
    turn();
    ck_assert_int_eq(done, 1);
    ck_trace("pool_start\nspawn app:main on app:host\n");
}

/* ---- tests ---------------------------------------------------------------------- */

START_TEST(sv1_a_service_is_spawned_on_its_running_host)
{
    struct value record;

    boot_app();
    ck_assert_str_eq(spawn_args, "[1,\"two\"]");
    ck_assert_uint_eq(pid_index(spawn_watcher), 0);
    record = record_of("app:svc");
    ck_assert_str_eq(value_get_text(&record, "state"), "running");
    ck_assert_str_eq(value_get_text(&record, "pid"), "{app:host|0x0004d}");
    value_finish(&record);
    ck_assert_str_eq(state_of("app:svc"), "running");
    ck_assert_ptr_null(services_find(sup.services, "app:nix"));
}
END_TEST

START_TEST(sv9_stop_cancels_and_waits_for_the_exit)
{
    int stopped = 0;
    char want[128];

    boot_app();
    services_stop_all(&sup, 60000, count_call, &stopped);
    turn();
    snprintf(want, sizeof(want), "cancel 77 by node:control|%llu: service stopping\n",
             (unsigned long long)spawn_watcher);
    ck_trace(want);
    exits(spawn_watcher, true, RETRY_UNKNOWN);
    turn();
    ck_trace("pool_stop\n");
    ck_assert_int_eq(stopped, 0);
    pool_is_down();
    turn();
    ck_assert_int_eq(stopped, 1);
}
END_TEST

START_TEST(dx15_what_ignores_its_stop_is_terminated)
{
    uint64_t old = 0;

    boot_app();
    old = spawn_watcher;
    ask(1, "@services.stop", "[\"app:svc\"]");
    until("app:svc", "failed");
    turn();
    ck_assert_ptr_nonnull(strstr(trace, "terminate 77"));
    ck_assert_str_eq(replies, "1 Timeout: app:svc: stop timeout after 50ms\n");
    /* Its late end is not that of the next run. */
    ask(2, "@services.start", "[\"app:svc\"]");
    turn();
    spawned(78);
    exits(old, true, RETRY_UNKNOWN);
    turn();
    ck_assert_str_eq(state_of("app:svc"), "running");
}
END_TEST

/* T-17, T-19: it is started again, under a new control pid. */
START_TEST(sv6_a_raised_error_restarts)
{
    uint64_t old;

    boot_app();
    old = spawn_watcher;
    exits(spawn_watcher, true, RETRY_YES);
    until("app:svc", "starting");
    ck_trace("spawn app:main on app:host\n");
    ck_assert_uint_ne(spawn_watcher, old);
    spawned(78);
    ck_assert_str_eq(state_of("app:svc"), "running");
}
END_TEST

/* T-20 */
START_TEST(sv6_a_service_that_returns_has_exited)
{
    boot_app();
    exits(spawn_watcher, false, RETRY_UNKNOWN);
    turn();
    ask(1, "@services.get", "[\"app:svc\"]");
    ck_assert_str_eq(replies, "1 exited\n");
    ck_trace("");
}
END_TEST

START_TEST(sv5_a_spawn_that_fails_is_not_retried)
{
    int done = 0;

    commit(app, N_ELEMENTS(app), CHANGE_CREATE);
    services_start_all(&sup, count_call, &done);
    turn();
    pool_is_up(NULL);
    turn();
    spawn_fails(ERR_NOT_FOUND);
    turn();
    ck_assert_int_eq(done, 1);
    ask(1, "@services.start", "[\"app:svc\"]");
    turn();
    spawn_fails(ERR_INVALID);
    turn();
    ck_assert_str_eq(replies, "1 Unavailable: app:svc: no such luck\n");
}
END_TEST

START_TEST(p6_a_spawn_that_outlives_its_stop_is_terminated)
{
    int stopped = 0;

    commit(app, N_ELEMENTS(app), CHANGE_CREATE);
    services_start_all(&sup, NULL, NULL);
    turn();
    pool_is_up(NULL);
    turn();
    services_stop_all(&sup, 0, count_call, &stopped);
    for (int i = 0; i < 100 && stopped == 0; i++)
        ev_run(sup.loop, EVRUN_ONCE);
    ck_assert_int_eq(stopped, 1);
    trace[0] = '\0';
    spawned(77);
    ck_assert_ptr_nonnull(strstr(trace, "terminate 77"));
    exits(spawn_watcher, true, RETRY_UNKNOWN);
    pool_is_down();
}
END_TEST

START_TEST(a_host_that_still_stops_is_started_afterwards)
{
    boot_app();
    exits(spawn_watcher, false, RETRY_UNKNOWN);
    ask(1, "@services.stop", "[\"app:host\",true]");
    turn();
    ask(2, "@services.start", "[\"app:host\",true]");
    turn();
    ck_trace("pool_stop\n");
    pool_is_down();
    turn();
    ck_trace("pool_start\n");
    pool_is_up(NULL);
    ck_assert_str_eq(state_of("app:host"), "running");
    ck_assert_str_eq(replies, "1 running\n2 stopping\n");
}
END_TEST

/* Its start times out, it is killed, and its retries come before it is gone. */
START_TEST(sv4_a_host_that_still_dies_is_started_afterwards)
{
    static const struct row slow = {"app:host", "process.host",
                                    "{\"lifecycle\":{\"start_timeout\":\"10ms\","
                                    "\"restart\":{\"initial_delay\":\"10ms\"}}}"};
    int n_kills = _i + 1;

    commit(&slow, 1, CHANGE_CREATE);
    services_start_all(&sup, NULL, NULL);
    ask(1, "@services.start", "[\"app:host\",true]");
    until("app:host", "starting");
    until("app:host", "failed");
    ck_trace("pool_start\npool_kill\n");
    until("app:host", "starting");
    ck_trace("");
    for (int i = 1; i < n_kills; i++) {
        until("app:host", "failed");
        ck_trace("pool_kill\n");
        until("app:host", "starting");
    }
    pool_is_down();
    ck_trace("pool_start\n");
    pool_is_up(NULL);
    ck_assert_str_eq(state_of("app:host"), "running");
}
END_TEST

START_TEST(cli_unknown_services_are_not_found)
{
    ask(1, "@services.start", "[\"app:nix\"]");
    ask(2, "@services.stop", "[]");
    ck_assert_str_eq(replies, "1 NotFound: service not found: app:nix\n"
                              "2 Invalid: service ID required\n");
}
END_TEST

START_TEST(ev7_events_tell_what_happens)
{
    boot_app();
    ck_assert_ptr_nonnull(strstr(events, "supervisor service.register app:svc -\n"));
    ck_assert_ptr_nonnull(strstr(events,
                                 "supervisor service.start app:svc -\n"
                                 "supervisor service.update app:svc starting\n"
                                 "supervisor service.update app:svc running\n"));
}
END_TEST

START_TEST(sv11_a_removed_entry_takes_its_service_along)
{
    boot_app();
    commit(&app[2], 1, CHANGE_DELETE);
    services_refresh(&sup);
    turn();
    ck_assert_ptr_nonnull(strstr(trace, "cancel 77"));
    exits(spawn_watcher, false, RETRY_UNKNOWN);
    turn();
    ck_assert_ptr_null(services_find(sup.services, "app:svc"));
    ck_assert_str_eq(state_of("app:host"), "running");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sv1_a_service_is_spawned_on_its_running_host);
    tcase_add_test(tc, sv9_stop_cancels_and_waits_for_the_exit);
    tcase_add_test(tc, dx15_what_ignores_its_stop_is_terminated);
    tcase_add_test(tc, sv6_a_raised_error_restarts);
    tcase_add_test(tc, sv6_a_service_that_returns_has_exited);
    tcase_add_test(tc, sv5_a_spawn_that_fails_is_not_retried);
    tcase_add_test(tc, p6_a_spawn_that_outlives_its_stop_is_terminated);
    tcase_add_test(tc, a_host_that_still_stops_is_started_afterwards);
    tcase_add_loop_test(tc, sv4_a_host_that_still_dies_is_started_afterwards, 0, 3);
    tcase_add_test(tc, cli_unknown_services_are_not_found);
    tcase_add_test(tc, ev7_events_tell_what_happens);
    tcase_add_test(tc, sv11_a_removed_entry_takes_its_service_along);
}

int main(void)
{
    return unit_main("service", fill);
}
