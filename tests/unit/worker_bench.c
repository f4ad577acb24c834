#include "tests/unit/worker_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/liveness.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/compile.h"
#include "worker/program.h"
#include "worker/uplink.h"

#include "tests/unit/unit.h"

#define GUARD_S        20
#define CALLS_KEPT_MAX 16
#define ECHOED         ((uint64_t)1 << 63) /* a call of the worker that came back to it */

/* ---- frames ---------------------------------------------------------------------- */

void bench_send(struct bench *bench, uint8_t type, struct bytes body)
{
    ck_assert(conn_forward(bench->conn, type, body));
}

static void keep(struct bench *bench, uint8_t type, struct bytes body)
{
    struct bench_frame *frame = malloc(sizeof(*frame) + body.n + 1);

    frame->type = type;
    frame->body = (struct bytes){frame->data, body.n};
    if (body.n != 0)
        memcpy(frame->data, body.data, body.n);
    list_append(&bench->frames, &frame->node);
}

struct bench_frame *bench_take(struct bench *bench, uint8_t type)
{
    LIST_FOREACH (node, &bench->frames) {
        struct bench_frame *frame = container_of(node, struct bench_frame, node);

        if (frame->type == type) {
            list_remove(node);
            return frame;
        }
    }
    return NULL;
}

/* One answer for each call, as the supervisor gives: whatever comes later is
 * dropped. */
static void reply(struct bench *bench, uint64_t call, uint8_t status,
                  struct bytes result)
{
    if (map_remove_number(&bench->open, call) == NULL)
        return;
    if (bench->lies) {
        status = bench->answers_status;
        result = bench->answers_with;
    }
    frame_encode_reply(
        conn_out(bench->conn),
        &(struct frame_reply){.call = call, .status = status, .result = result});
    conn_wrote(bench->conn);
}

static void reply_value(struct bench *bench, uint64_t call, const struct value *value)
{
    struct buf buf;

    buf_init(&buf, 0);
    payload_encode(&buf, value, 1);
    reply(bench, call, REPLY_OK, buf_bytes(&buf));
    buf_finish(&buf);
}

static void reply_error(struct bench *bench, uint64_t call, enum err_kind kind,
                        const char *text)
{
    struct buf buf;
    struct err err;

    err_set(&err, kind, "%s", text);
    buf_init(&buf, 0);
    error_encode(&buf, &err);
    reply(bench, call, REPLY_ERROR, buf_bytes(&buf));
    buf_finish(&buf);
}

/* ---- the supervisor's targets ---------------------------------------------------- */

static void answer_code(struct bench *bench, uint64_t call, const char *id)
{
    struct value *unit = NULL;
    bool lies = bench->lies;

    if (strcmp(id, "t:never") == 0)
        return;
    for (size_t i = 0; i < bench->units.as.map.n; i++)
        if (strcmp(bench->units.as.map.pairs[i].key, id) == 0)
            unit = &bench->units.as.map.pairs[i].value;
    bench->lies = false;
    if (unit == NULL)
        reply_error(bench, call, ERR_NOT_FOUND, "no such entry");
    else if (unit->type == VALUE_STRING)
        reply_error(bench, call, ERR_INVALID, value_text(unit));
    else
        reply_value(bench, call, unit);
    bench->lies = lies;
}

static void answer_name(struct bench *bench, uint64_t call, const char *target,
                        const struct value *args)
{
    const char *name = value_text(&args->as.list.items[0]);
    struct value *owner = value_get(&bench->names, name);
    struct value yes = value_bool(true), list = value_list();

    if (strcmp(target, "@names.lookup") == 0) {
        if (owner == NULL)
            reply_error(bench, call, ERR_NOT_FOUND, "name not registered");
        else
            reply_value(bench, call, owner);
    } else if (strcmp(target, "@names.register") == 0) {
        value_append(&list, value_copy(&args->as.list.items[1]));
        value_append(&list, value_copy(&args->as.list.items[2]));
        value_put(&bench->names, name, value_copy(&list));
        reply_value(bench, call, &yes);
    } else {
        yes = value_bool(value_remove(&bench->names, name));
        reply_value(bench, call, &yes);
    }
    value_finish(&list);
}

static void answer_system(struct bench *bench, const struct frame_call *frame)
{
    struct value args, yes = value_bool(true);
    char target[64];

    snprintf(target, sizeof(target), "%.*s", (int)frame->target.n,
             (const char *)frame->target.data);
    ck_assert_int_eq(payload_decode(frame->args, &args, NULL), 0);
    if (strcmp(target, "@code.get") == 0)
        answer_code(bench, frame->call, value_text(&args.as.list.items[0]));
    else if (strncmp(target, "@names.", 7) == 0)
        answer_name(bench, frame->call, target, &args);
    else if (strncmp(target, "@events.", 8) == 0)
        reply_value(bench, frame->call, &yes);
    else
        reply_error(bench, frame->call, ERR_NOT_FOUND, target);
    value_finish(&args);
}

/* ---- the router ------------------------------------------------------------------ */

/* The same body with another call number. */
static void send_back(struct bench *bench, uint8_t type, struct bytes body,
                      uint64_t call)
{
    uint8_t *copy = malloc(body.n);

    memcpy(copy, body.data, body.n);
    wire_put_u64(copy + FRAME_FIRST_U64, call);
    bench_send(bench, type, (struct bytes){copy, body.n});
    free(copy);
}

static bool is_known(struct bench *bench, struct bytes id)
{
    for (size_t i = 0; i < bench->units.as.map.n; i++)
        if (bytes_equal_text(id, bench->units.as.map.pairs[i].key))
            return true;
    return false;
}

/* Requests that the bench has no other answer for. */
static void on_request(struct bench *bench, uint8_t type, struct bytes body)
{
    uint64_t call = wire_get_u64(body.data + FRAME_FIRST_U64);

    keep(bench, type, body);
    if (!bench->lies || call == 0)
        return;
    map_put_number(&bench->open, call, bench);
    reply(bench, call, 0, bench->answers_with);
}

/* The queue is named like the target. */
static void send_hold(struct bench *bench, const struct frame_call *call,
                      struct bytes body)
{
    struct frame_hold hold = {.call = call->call,
                              .deadline_at_ns = call->deadline_at_ns,
                              .queue = call->target,
                              .body = body};

    ck_assert(frame_encode_hold(conn_out(bench->conn), &hold));
    conn_wrote(bench->conn);
}

static void on_call(struct bench *bench, struct bytes body)
{
    struct frame_call frame;

    ck_assert_int_eq(frame_decode_call(body, &frame, NULL), 0);
    map_put_number(&bench->open, frame.call, bench);
    if (frame.target.data[0] == '@') {
        answer_system(bench, &frame);
        return;
    }
    keep(bench, FRAME_CALL, body);
    if (++bench->n_calls_kept > CALLS_KEPT_MAX)
        free(bench_take(bench, FRAME_CALL));
    if (bench->swallows_calls)
        return;
    if (bench->holds_calls) {
        map_remove_number(&bench->open, frame.call);
        send_hold(bench, &frame, body);
    } else if (!is_known(bench, frame.target))
        reply_error(bench, frame.call, ERR_NOT_FOUND,
                    "no handler registered for target");
    else
        send_back(bench, FRAME_CALL, body, frame.call | ECHOED);
}

/* What the worker answers itself goes back to it, as long as it wants it. */
static void on_reply(struct bench *bench, struct bytes body)
{
    struct frame_reply frame;

    ck_assert_int_eq(frame_decode_reply(body, &frame, NULL), 0);
    if ((frame.call & ECHOED) == 0)
        keep(bench, FRAME_REPLY, body);
    else
        reply(bench, frame.call & ~ECHOED, frame.status & REPLY_ERROR, frame.result);
}

static void on_cancel(struct bench *bench, struct bytes body)
{
    struct frame_cancel frame;

    ck_assert_int_eq(frame_decode_cancel(body, &frame, NULL), 0);
    keep(bench, FRAME_CANCEL, body);
    if (map_find_number(&bench->open, frame.call) == NULL)
        return; /* its answer is on the way */
    reply_error(bench, frame.call, ERR_CANCELED, "context canceled");
    send_back(bench, FRAME_CANCEL, body, frame.call | ECHOED);
}

static void on_log(struct bench *bench, struct bytes body)
{
    struct frame_log frame;
    struct value message;

    ck_assert_int_eq(frame_decode_log(body, &frame, NULL), 0);
    ck_assert_int_eq(
        value_decode(frame.record.data, frame.record.n, &(size_t){0}, &message, NULL),
        0);
    buf_printf(&bench->logs, "%s\n", value_text(&message));
    value_finish(&message);
}

static int on_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    struct bench *bench = context;

    (void)err;
    switch (type) {
    case FRAME_CALL:
        on_call(bench, body);
        break;
    case FRAME_REPLY:
        on_reply(bench, body);
        break;
    case FRAME_CANCEL:
        on_cancel(bench, body);
        break;
    case FRAME_LOG:
        on_log(bench, body);
        break;
    case FRAME_SPAWN:
    case FRAME_WATCH:
    case FRAME_SIGNAL:
        on_request(bench, type, body);
        break;
    case FRAME_EVENT:
        bench_send(bench, FRAME_EVENT, body);
        break;
    default:
        keep(bench, type, body);
    }
    return 0;
}

static void on_closed(void *context, const struct err *reason)
{
    struct bench *bench = context;

    bench->closed = true;
    snprintf(bench->close_reason, sizeof(bench->close_reason), "%s", reason->text);
}

/* ---- life ------------------------------------------------------------------------ */

static void send_setup(struct bench *bench, const char *role)
{
    struct value map = value_map();
    struct frame_setup frame = {.index = BENCH_INDEX};
    struct buf buf;

    value_put(&map, "role", value_string(role != NULL ? role : "host"));
    value_put(
        &map, "entry",
        value_string(role == NULL || strcmp(role, "host") == 0 ? BENCH_HOST : ""));
    buf_init(&buf, 0);
    value_encode(&buf, &map);
    frame.settings = buf_bytes(&buf);
    frame_encode_setup(conn_out(bench->conn), &frame);
    conn_wrote(bench->conn);
    buf_finish(&buf);
    value_finish(&map);
}

void bench_begin(struct bench *bench, const char *role)
{
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct conn_limits limits = conn_limits_default;
    struct runtime *rt = &bench->rt;
    int fds[2];

    memset(bench, 0, sizeof(*bench));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    bench->units = value_map();
    bench->linger_ms = -1;
    bench->names = value_map();
    list_init(&bench->frames);
    bench->guard_s = unit_is_slowed() ? 30 * GUARD_S : GUARD_S;
    map_init(&bench->open);
    buf_init(&bench->logs, 0);
    rt->liveness = calloc(PID_MAX_SLOTS, sizeof(liveness_word));
    rt->loop = ev_loop_new(EVFLAG_AUTO);
    runtime_init(rt, fds[0]);
    limits.out_max_bytes = 0;
    bench->conn = conn_create(&rt->conns, fds[1], &limits, &callbacks, bench);
    send_setup(bench, role);
    bench_settle(bench);
    free(bench_take(bench, FRAME_READY));
}

void bench_end(struct bench *bench)
{
    struct runtime *rt = &bench->rt;
    struct list *node;

    conn_destroy(bench->conn);
    runtime_finish(rt);
    free((void *)rt->liveness);
    ev_loop_destroy(rt->loop);
    while ((node = list_take_first(&bench->frames)) != NULL)
        free(container_of(node, struct bench_frame, node));
    value_finish(&bench->units);
    value_finish(&bench->names);
    buf_finish(&bench->logs);
    map_finish(&bench->open);
}

/* ---- entries --------------------------------------------------------------------- */

static struct value list_of_words(const char *words)
{
    struct value list = value_list();

    while (words != NULL && *words != '\0') {
        size_t n = strcspn(words, " ");

        if (n != 0)
            value_append(&list, value_bytes(words, n));
        words += n + (words[n] == ' ');
    }
    return list;
}

void bench_add(struct bench *bench, const char *id, const char *kind,
               const char *modules, const char *source)
{
    struct value args = value_list(), unit = {0};
    struct err err;

    value_append(&args, value_string(id));
    value_append(&args, value_string(kind));
    value_append(&args, value_string(source));
    if (compile_source(&bench->rt, &args, &unit, &err) == -1) {
        value_finish(&unit);
        unit = value_string(err.text);
    } else {
        value_put(&unit, "id", value_string(id));
        value_put(&unit, "kind", value_string(kind));
        value_put(&unit, "method", value_string("main"));
        value_put(&unit, "modules", list_of_words(modules));
        value_put(&unit, "imports", value_map());
        if (bench->linger_ms >= 0)
            value_put(&unit, "linger_ms", value_int(bench->linger_ms));
    }
    value_put(&bench->units, id, unit);
    value_finish(&args);
}

void bench_add_import(struct bench *bench, const char *id, const char *alias,
                      const char *target)
{
    for (size_t i = 0; i < bench->units.as.map.n; i++)
        if (strcmp(bench->units.as.map.pairs[i].key, id) == 0)
            value_put(value_get(&bench->units.as.map.pairs[i].value, "imports"), alias,
                      value_string(target));
}

/* ---- turning --------------------------------------------------------------------- */

void bench_turn(struct bench *bench, bool wait)
{
    struct runtime *rt = &bench->rt;

    ev_run(rt->loop, sched_has_work(&rt->sched) || !wait ? EVRUN_NOWAIT : EVRUN_ONCE);
    if (sched_has_work(&rt->sched))
        sched_run(&rt->sched, 2000000);
    else
        sched_settle(&rt->sched);
}

void bench_settle(struct bench *bench)
{
    /* what one side writes in a turn the other reads in the next */
    for (int n_idle = 0; n_idle < 4; n_idle++) {
        bench_turn(bench, false);
        if (sched_has_work(&bench->rt.sched) ||
            conn_pending_bytes(uplink_conn(bench->rt.uplink)) != 0 ||
            conn_pending_bytes(bench->conn) != 0)
            n_idle = -1;
    }
}

static void on_guard(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    *(bool *)timer->data = true;
}

void bench_until(struct bench *bench, bool (*condition)(struct bench *, void *),
                 void *context)
{
    bool too_late = false;
    ev_timer guard;

    ev_timer_init(&guard, on_guard, bench->guard_s, 0.);
    guard.data = &too_late;
    ev_now_update(bench->rt.loop);
    ev_timer_start(bench->rt.loop, &guard);
    while (!condition(bench, context)) {
        ck_assert_msg(!too_late, "nothing came; log:\n%.*s", (int)buf_len(&bench->logs),
                      (const char *)buf_head(&bench->logs));
        ck_assert_msg(!bench->closed, "the worker closed: %s", bench->close_reason);
        bench_turn(bench, true);
    }
    ev_timer_stop(bench->rt.loop, &guard);
}

/* ---- programs -------------------------------------------------------------------- */

struct wanted_program {
    const char *id;
    struct program *found;
};

static void look_at_program(void *context, const struct program *program)
{
    struct wanted_program *wanted = context;

    if (strcmp(program->id, wanted->id) == 0)
        wanted->found = (struct program *)program;
}

struct program *bench_program(struct bench *bench, const char *id)
{
    struct wanted_program wanted = {.id = id};

    programs_each(bench->rt.programs, look_at_program, &wanted);
    return wanted.found;
}
