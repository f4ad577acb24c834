/* floor -- a supervisor without main: what tests of pools, router and code run on. */
#ifndef TROUPE_TESTS_FLOOR_H
#define TROUPE_TESTS_FLOOR_H

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <check.h>
#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/actors.h"
#include "supervisor/bus.h"
#include "supervisor/calls.h"
#include "supervisor/code.h"
#include "supervisor/core.h"
#include "supervisor/groups.h"
#include "supervisor/names.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/router.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

#define PATIENCE_S 20. /* a test that hangs fails after this */

static struct supervisor sup;
static ev_prepare flusher;

static void floor_flush(struct ev_loop *loop, ev_prepare *watcher, int revents)
{
    (void)loop, (void)watcher, (void)revents;
    conn_flush_all(&sup.conns);
}

/* The fake worker is built next to the tests. */
static char *floor_worker_path(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[n > 0 ? n : 0] = '\0';
    *strrchr(self, '/') = '\0';
    return xasprintf("%s/fake_worker", self);
}

static void floor_open(void)
{
    memset(&sup, 0, sizeof(sup));
    log_set_level(LOG_OFF);
    sup.loop = ev_default_loop(EVFLAG_AUTO);
    ev_loop_fork(sup.loop);
    conn_set_init(&sup.conns, sup.loop);
    ev_prepare_init(&flusher, floor_flush);
    ev_prepare_start(sup.loop, &flusher);
    sup.registry = registry_create();
    sup.system = system_create(&sup);
    sup.names = names_create(&sup);
    sup.groups = groups_create(&sup);
    sup.actors = actors_create(&sup);
    sup.bus = bus_create(&sup);
    router_create(&sup, floor_worker_path());
}

static void floor_close(void)
{
    router_destroy(&sup);
    bus_destroy(sup.bus);
    actors_destroy(sup.actors);
    groups_destroy(sup.groups);
    names_destroy(sup.names);
    system_destroy(sup.system);
    registry_destroy(sup.registry);
    ev_prepare_stop(sup.loop, &flusher);
    conn_set_finish(&sup.conns);
    ev_loop_destroy(sup.loop);
}

static void floor_out_of_patience(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    *(bool *)timer->data = true;
}

/* Runs the loop until condition holds. */
#define FLOOR_UNTIL(condition)                                                         \
    do {                                                                               \
        bool too_late_ = false;                                                        \
        ev_timer patience_;                                                            \
        ev_timer_init(&patience_, floor_out_of_patience, PATIENCE_S, 0.);              \
        ev_now_update(sup.loop);                                                       \
        patience_.data = &too_late_;                                                   \
        ev_timer_start(sup.loop, &patience_);                                          \
        while (!(condition) && !too_late_)                                             \
            ev_run(sup.loop, EVRUN_ONCE);                                              \
        ev_timer_stop(sup.loop, &patience_);                                           \
        ck_assert_msg(!too_late_, "never: %s", #condition);                            \
    } while (0)

/* One call of the test's own and its answer. */
struct asked {
    int n_answers;
    uint8_t status;
    struct value list; /* REPLY_OK */
    struct err err;    /* REPLY_ERROR */
    uint64_t answered_at_ns;
};

static void floor_answer(void *context, uint8_t status, struct bytes result)
{
    struct asked *asked = context;
    struct err err = {0};

    asked->n_answers++;
    asked->status = status;
    asked->answered_at_ns = (uint64_t)clock_monotonic_ns();
    if (status == REPLY_OK)
        ck_assert_msg(payload_decode(result, &asked->list, &err) == 0, "%s", err.text);
    else
        ck_assert_msg(error_decode(result, &asked->err, &err) == 0, "%s", err.text);
}

static struct origin floor_origin(struct asked *asked)
{
    return (struct origin){
        .type = ORIGIN_INTERNAL, .call = 1, .who.internal = {floor_answer, asked}};
}

static inline void floor_ask(struct asked *asked, const char *target, const char *deed,
                             struct value arg, uint64_t deadline_at_ns)
{
    struct origin origin = floor_origin(asked);
    struct value args[2] = {value_string(deed), arg};
    struct buf payload;

    memset(asked, 0, sizeof(*asked));
    buf_init(&payload, 0);
    payload_encode(&payload, args, 2);
    router_call_internal(&sup, &origin, target, buf_bytes(&payload), deadline_at_ns);
    buf_finish(&payload);
    value_finish(&args[0]);
    value_finish(&args[1]);
}

/* The same, with all the time it takes, and the answer is there. */
static inline void floor_call(struct asked *asked, const char *target, const char *deed,
                              struct value arg)
{
    floor_ask(asked, target, deed, arg, 0);
    FLOOR_UNTIL(asked->n_answers != 0);
}

static inline const struct value *floor_first(const struct asked *asked)
{
    ck_assert_msg(asked->status == REPLY_OK, "%s", asked->err.text);
    ck_assert_uint_ge(asked->list.as.list.n, 1);
    return &asked->list.as.list.items[0];
}

/* A pool of fake workers. */
static inline struct pool *floor_add_pool(const char *entry, enum pool_kind kind,
                                          uint32_t n_slots, uint32_t n_processes,
                                          uint32_t buffer)
{
    static const uint8_t empty_map[] = {0x80};
    struct pool_spec spec = {.entry = entry,
                             .kind = kind,
                             .n_slots = kind == POOL_KIND_LAZY ? 0 : n_slots,
                             .n_slots_max = n_slots,
                             .n_processes = n_processes,
                             .buffer = buffer,
                             .idle_timeout_ms = 30000,
                             .settings = {empty_map, sizeof(empty_map)}};

    if (kind == POOL_KIND_ADAPTIVE)
        spec.n_slots = 1;
    return pools_add(sup.pools, &spec);
}

static inline struct worker *floor_worker(struct pool *pool, unsigned nth)
{
    LIST_FOREACH (node, pool_workers(pool))
        if (nth-- == 0)
            return container_of(node, struct worker, in_pool);
    return NULL;
}

static inline unsigned floor_n_ready(struct pool *pool)
{
    struct pool_figures figures;

    pool_get_figures(pool, &figures);
    return figures.n_ready;
}

#endif
