#include "tests/unit/topology_fake.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/trace_context.h"
#include "proto/value_codec.h"

#include "supervisor/actors.h"
#include "supervisor/bus.h"
#include "supervisor/calls.h"
#include "supervisor/entry.h"
#include "supervisor/groups.h"
#include "supervisor/names.h"
#include "supervisor/registry.h"
#include "supervisor/service.h"
#include "supervisor/spans.h"
#include "supervisor/system.h"
#include "supervisor/worker_ask.h"

#define LIFE 1

struct conn {
    struct buf text;
    unsigned n;
};

struct supervisor fake_sup;

static struct worker workers[FAKE_WORKERS];
static struct conn conns[FAKE_WORKERS];
static liveness_word tables[FAKE_WORKERS][1 << 17];
static struct origin forwarded[FAKE_SLOTS];
static unsigned n_forwarded;
static char shown[65536];
static struct entry *entries[3];

/* ---- writing down -------------------------------------------------------------- */

static const char *pid_text(uint64_t pid)
{
    static char texts[4][32];
    static unsigned next;
    char *text = texts[next++ % 4];

    snprintf(text, sizeof(texts[0]), "%u/%u", pid_index(pid), pid_slot(pid));
    return text;
}

static void write_exit(struct conn *to, const struct frame_exit *exit)
{
    struct err why = {0}, err = {0};

    buf_printf(&to->text, "EXIT %s>%s what=%u", pid_text(exit->from),
               pid_text(exit->to), exit->what);
    if (exit->failed && error_decode(exit->result, &why, &err) == 0)
        buf_printf(&to->text, " %s: %s", err_kind_name(why.kind), why.text);
    buf_append_text(&to->text, "\n");
}

/* "GROUP joined scope group 2/7*3": worker/slot, how often. */
static void write_group(struct conn *to, const struct frame_group *group)
{
    struct value map = {0};
    const struct value *members;
    struct err err = {0};
    size_t used;
    uint64_t pid;
    uint32_t count;

    ck_assert_int_eq(
        value_decode(group->members.data, group->members.n, &used, &map, &err), 0);
    members = value_get(&map, "members");
    ck_assert_uint_eq(members->as.string.n, 16);
    memcpy(&pid, members->as.string.data, 8);
    memcpy(&count, members->as.string.data + 12, 4);
    buf_printf(&to->text, "GROUP %s %.*s %.*s %s*%u\n",
               group->what == GROUP_JOINED ? "joined" : "left", (int)group->scope.n,
               (const char *)group->scope.data, (int)group->group.n,
               (const char *)group->group.data, pid_text(pid), count);
    value_finish(&map);
}

static void write_frame(struct conn *to, uint8_t type, struct bytes body)
{
    struct frame_exit exit;
    struct frame_watch watch;
    struct frame_signal signal;
    struct frame_event event;
    struct frame_group group;
    struct err err = {0};

    if (type == FRAME_EXIT && frame_decode_exit(body, &exit, &err) == 0)
        write_exit(to, &exit);
    else if (type == FRAME_WATCH && frame_decode_watch(body, &watch, &err) == 0)
        buf_printf(&to->text, "WATCH %s>%s op=%u\n", pid_text(watch.watcher),
                   pid_text(watch.target), watch.op);
    else if (type == FRAME_SIGNAL && frame_decode_signal(body, &signal, &err) == 0)
        buf_printf(&to->text, "SIGNAL %s>%s op=%u\n", pid_text(signal.from),
                   pid_text(signal.to), signal.op);
    else if (type == FRAME_EVENT && frame_decode_event(body, &event, &err) == 0)
        buf_printf(&to->text, "EVENT %.*s %.*s %.*s\n", (int)event.system.n,
                   (const char *)event.system.data, (int)event.kind.n,
                   (const char *)event.kind.data, (int)event.path.n,
                   (const char *)event.path.data);
    else if (type == FRAME_GROUP && frame_decode_group(body, &group, &err) == 0)
        write_group(to, &group);
    else
        ck_abort_msg("frame %s that nobody expects: %s", frame_name(type), err.text);
    to->n++;
}

bool conn_forward(struct conn *conn, uint8_t type, struct bytes body)
{
    write_frame(conn, type, body);
    return true;
}

bool worker_is_flooded(const struct worker *worker)
{
    (void)worker;
    return false;
}

void services_on_exit(struct supervisor *sup, const struct frame_exit *frame)
{
    ck_assert_ptr_eq(sup, &fake_sup);
    write_exit(&conns[0], frame);
    conns[0].n++;
}

static struct conn *conn_of(const struct origin *origin)
{
    if (origin->type == ORIGIN_WORKER)
        return origin->who.worker->conn;
    ck_assert_int_eq(origin->type, ORIGIN_CLIENT);
    return &conns[0];
}

/* The one value of a payload. */
static void write_payload(struct buf *text, struct bytes payload)
{
    struct value list;
    struct err err = {0};

    ck_assert_msg(payload_decode(payload, &list, &err) == 0, "%s", err.text);
    ck_assert_uint_le(list.as.list.n, 1);
    if (list.as.list.n == 1)
        value_write_json(text, &list.as.list.items[0], 0);
    value_finish(&list);
}

void origin_reply(const struct origin *origin, uint8_t status, struct bytes result)
{
    struct buf *text = &conn_of(origin)->text;
    struct err why, err = {0};

    buf_printf(text, "REPLY %llu ", (unsigned long long)origin->call);
    if (status == REPLY_OK) {
        write_payload(text, result);
    } else {
        ck_assert_int_eq(error_decode(result, &why, &err), 0);
        buf_printf(text, "%s: %s", err_kind_name(why.kind), why.text);
    }
    buf_append_text(text, "\n");
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
    struct buf *text = &conn_of(origin)->text;
    struct value value;
    struct err err = {0};

    ck_assert_int_eq(value_decode(item.data, item.n, NULL, &value, &err), 0);
    buf_printf(text, "ITEM %llu ", (unsigned long long)origin->call);
    value_write_json(text, &value, 0);
    buf_append_text(text, "\n");
    value_finish(&value);
    return true;
}

const char *fake_received(uint32_t index)
{
    struct buf *text = &conns[index].text;
    size_t n = buf_len(text);

    ck_assert_uint_lt(n, sizeof(shown));
    if (n != 0)
        memcpy(shown, buf_head(text), n);
    shown[n] = '\0';
    buf_clear(text);
    return shown;
}

unsigned fake_count(uint32_t index)
{
    return conns[index].n;
}

/* ---- workers ------------------------------------------------------------------- */

struct worker *workers_find(const struct workers *table, uint32_t index)
{
    (void)table;
    if (index == 0 || index >= FAKE_WORKERS || workers[index].state == WORKER_DEAD)
        return NULL;
    return &workers[index];
}

struct worker *workers_next(const struct workers *table, uint32_t after_index)
{
    struct worker *worker = NULL;

    for (uint32_t i = after_index + 1; i < FAKE_WORKERS && worker == NULL; i++)
        worker = workers_find(table, i);
    return worker;
}

static void on_hold(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop, (void)timer, (void)revents;
}

void fake_hold(uint32_t index, bool held)
{
    if (held) {
        ev_timer_init(&workers[index].hold, on_hold, 1000., 0.);
        ev_timer_start(fake_sup.loop, &workers[index].hold);
    } else {
        ev_timer_stop(fake_sup.loop, &workers[index].hold);
    }
}

void worker_pass_message(struct worker *worker, uint8_t type, struct bytes body)
{
    conn_forward(worker->conn, type, body);
}

const char *worker_entry(const struct worker *worker)
{
    (void)worker;
    return "app:host";
}

struct worker *fake_worker(uint32_t index)
{
    return &workers[index];
}

uint64_t fake_pid(uint32_t index, uint32_t slot)
{
    return pid_make(index, LIFE, slot);
}

void fake_set_alive(uint64_t pid, bool alive)
{
    uint32_t generation = pid_generation(pid);

    tables[pid_index(pid)][pid_slot(pid)] = (alive ? generation : generation + 1) << 1;
}

static void bury_table(uint32_t index)
{
    for (uint32_t slot = 0; slot < N_ELEMENTS(tables[index]); slot++)
        fake_set_alive(fake_pid(index, slot), false);
}

void fake_kill(uint32_t index)
{
    bury_table(index);
    workers[index].state = WORKER_DEAD;
    actors_on_worker_dead(&fake_sup, &workers[index], "was killed by signal 9");
}

/* ---- calls --------------------------------------------------------------------- */

void calls_forward(struct calls *calls, const struct origin *origin, uint8_t type,
                   struct worker *callee, struct bytes body)
{
    (void)calls;
    ck_assert_uint_lt(n_forwarded, FAKE_SLOTS);
    forwarded[n_forwarded++] = *origin;
    write_frame(callee->conn, type, body);
}

unsigned fake_n_forwarded(void)
{
    return n_forwarded;
}

void fake_answer(uint8_t status)
{
    struct origin origin = forwarded[0];
    struct value nil = {0};
    struct err err = {0};
    struct buf buf;

    ck_assert_uint_gt(n_forwarded, 0);
    memmove(forwarded, forwarded + 1, --n_forwarded * sizeof(origin));
    buf_init(&buf, 0);
    err_set(&err, ERR_NOT_FOUND, "pid not registered");
    if (status == REPLY_OK)
        payload_encode(&buf, &nil, 1);
    else
        error_encode(&buf, &err);
    if (origin.type == ORIGIN_INTERNAL)
        origin.who.internal.done(origin.who.internal.context, status, buf_bytes(&buf));
    else
        origin_reply(&origin, status, buf_bytes(&buf));
    buf_finish(&buf);
}

/* Answers at once. Of a broadcast the topic and the receivers' slots are shown. */
/* A number of its own for each. */
uint64_t spans_begin_message(struct spans *spans, struct bytes topic,
                             const uint8_t *text)
{
    static uint64_t last;

    (void)spans;
    ck_assert(topic.n != 0 && trace_check((struct bytes){text, TRACE_TEXT_BYTES}));
    return ++last;
}

static size_t number_count(const struct value *numbers)
{
    return numbers->as.string.n / sizeof(uint64_t);
}

static uint64_t number_at(const struct value *numbers, size_t i)
{
    uint64_t number;

    memcpy(&number, numbers->as.string.data + i * sizeof(number), sizeof(number));
    return number;
}

void worker_ask(struct worker *worker, const char *target, const struct value *args,
                size_t n_args, uint64_t timeout_ms,
                void (*done)(void *context, uint8_t status, struct bytes result),
                void *context)
{
    struct buf *text = &worker->conn->text;

    ck_assert_uint_gt(timeout_ms, 0);
    buf_printf(text, "%s %s", target, value_text(&args[2]));
    for (size_t i = 0; i < number_count(&args[4]); i++)
        buf_printf(text, " %u", pid_slot(number_at(&args[4], i)));
    if (n_args == 7)
        buf_append_text(text, " spans");
    for (size_t i = 0; n_args == 7 && i < number_count(&args[6]); i++)
        buf_printf(text, " %u", (unsigned)number_at(&args[6], i));
    buf_append_text(text, "\n");
    done(context, REPLY_OK, (struct bytes){NULL, 0});
}

const struct entry *registry_find(const struct registry *registry, const void *id,
                                  size_t n_bytes)
{
    (void)registry;
    for (size_t i = 0; i < N_ELEMENTS(entries); i++)
        if (strlen(entries[i]->id) == n_bytes &&
            memcmp(entries[i]->id, id, n_bytes) == 0)
            return entries[i];
    return NULL;
}

static void make_entry(size_t i, const char *id, const char *kind, const char *json)
{
    struct value data;
    struct err err = {0};

    ck_assert_int_eq(value_read_json(json, strlen(json), &data, &err), 0);
    entries[i] = entry_create(id, strlen(id), kind, value_map(), data);
}

void fake_call(uint32_t index, uint64_t call, const char *target, const char *args)
{
    fake_call_as(index, 0, call, target, args);
}

void fake_call_as(uint32_t index, uint64_t caller, uint64_t call, const char *target,
                  const char *args)
{
    struct origin origin = {.type = ORIGIN_CLIENT, .call = call};
    struct value list;
    struct err err = {0};
    struct buf buf;

    if (index != 0) {
        origin.type = ORIGIN_WORKER;
        origin.who.worker = &workers[index];
    }
    ck_assert_int_eq(value_read_json(args, strlen(args), &list, &err), 0);
    buf_init(&buf, 0);
    payload_encode(&buf, list.as.list.items, list.as.list.n);
    system_call(fake_sup.system, &origin, bytes_of_text(target), caller, 0,
                buf_bytes(&buf));
    buf_finish(&buf);
    value_finish(&list);
}

/* ---- frames -------------------------------------------------------------------- */

static struct bytes body_of(const struct buf *frame)
{
    struct bytes bytes = buf_bytes(frame);

    return (struct bytes){bytes.data + FRAME_HEADER_BYTES,
                          bytes.n - FRAME_HEADER_BYTES};
}

int fake_watch(uint32_t from, uint64_t call, uint64_t watcher, uint64_t target,
               uint8_t op)
{
    struct frame_watch frame = {
        .call = call, .watcher = watcher, .target = target, .op = op};
    struct err err = {0};
    struct buf buf;
    int result;

    buf_init(&buf, 0);
    frame_encode_watch(&buf, &frame);
    result = actors_on_watch(&fake_sup, &workers[from], &frame, body_of(&buf), &err);
    buf_finish(&buf);
    return result;
}

int fake_exit(uint64_t from, uint64_t to, uint8_t what, uint8_t failed)
{
    struct frame_exit frame = {.to = to, .from = from, .what = what, .failed = failed};
    struct err err = {0};
    struct buf buf, error;
    int result;

    buf_init(&buf, 0);
    buf_init(&error, 0);
    err_set(&err, ERR_INTERNAL, "boom");
    error_encode(&error, &err);
    frame.result = buf_bytes(&error);
    frame_encode_exit(&buf, &frame);
    result = actors_on_exit(&fake_sup, &workers[pid_index(from)], &frame, body_of(&buf),
                            &err);
    buf_finish(&buf);
    buf_finish(&error);
    return result;
}

int fake_gone(uint64_t pid)
{
    struct frame_gone frame = {.pid = pid};
    struct err err = {0};

    fake_set_alive(pid, false);
    return actors_on_gone(&fake_sup, &workers[pid_index(pid)], &frame, &err);
}

int fake_signal(uint32_t from, uint64_t call, uint64_t to, uint64_t sender, uint8_t op)
{
    struct frame_signal frame = {.call = call, .to = to, .from = sender, .op = op};
    struct err err = {0};
    struct buf buf;
    int result;

    buf_init(&buf, 0);
    frame_encode_signal(&buf, &frame);
    result = actors_on_signal(&fake_sup, &workers[from], &frame, body_of(&buf), &err);
    buf_finish(&buf);
    return result;
}

/* ---- life ---------------------------------------------------------------------- */

void fake_setup(void)
{
    n_forwarded = 0;
    fake_sup = (struct supervisor){.loop = ev_loop_new(0)};
    for (uint32_t i = 0; i < FAKE_WORKERS; i++) {
        buf_init(&conns[i].text, 0);
        conns[i].n = 0;
        workers[i] = (struct worker){.sup = &fake_sup,
                                     .conn = &conns[i],
                                     .index = i,
                                     .state = WORKER_READY,
                                     .liveness = tables[i]};
        for (uint32_t slot = 0; slot < FAKE_SLOTS; slot++)
            fake_set_alive(fake_pid(i, slot), true);
    }
    make_entry(0, "app:scope", "pg.scope", "{}");
    make_entry(1, "app:narrow", "pg.scope",
               "{\"max_groups\": 2, \"max_members_per_group\": 3}");
    make_entry(2, "app:other", "process.host", "{}");
    fake_sup.system = system_create(&fake_sup);
    fake_sup.actors = actors_create(&fake_sup);
    fake_sup.names = names_create(&fake_sup);
    fake_sup.groups = groups_create(&fake_sup);
    fake_sup.bus = bus_create(&fake_sup);
}

void fake_teardown(void)
{
    bus_destroy(fake_sup.bus);
    groups_destroy(fake_sup.groups);
    names_destroy(fake_sup.names);
    actors_destroy(fake_sup.actors);
    system_destroy(fake_sup.system);
    for (size_t i = 0; i < N_ELEMENTS(entries); i++)
        entry_unref(entries[i]);
    ev_loop_destroy(fake_sup.loop);
    for (uint32_t i = 0; i < FAKE_WORKERS; i++)
        buf_finish(&conns[i].text);
}
