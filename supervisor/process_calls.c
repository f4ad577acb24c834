#include "supervisor/process_calls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/id.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/trace_context.h"
#include "proto/value_codec.h"

#include "supervisor/actors.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/router.h"
#include "supervisor/spans.h"
#include "supervisor/spawn_reply.h"

#define CONTROL_HOST   "node:control"
#define CANCEL_REASON  "caller context canceled"
#define FIRST_LIFE     0x80000000u /* services use the lives below */
#define CONTROL_NUMBER 0x1fffffffffffffull

struct process_calls {
    struct supervisor *sup;
    struct map runs; /* by control pid */
    uint64_t last_control;
};

/* One attempt at a call: the actor that is to answer it. */
struct run {
    struct process_calls *of;
    struct call *call; /* NULL: nobody wants the answer any more */
    uint64_t control;
    uint64_t actor; /* 0 until it is spawned */
};

/* ---- which can be called --------------------------------------------------------- */

/* Owned; NULL when there is none. */
static char *default_host(const struct entry *entry)
{
    const struct value *host = value_get_path(&entry->meta, "options.default_host");

    if (host == NULL)
        host = value_get(&entry->meta, "default_host");
    return host != NULL ? entry_resolve(entry, host) : NULL;
}

static bool is_host(const struct supervisor *sup, const char *id)
{
    const struct pool *pool = pools_find(sup->pools, id, strlen(id));

    return pool != NULL && pool_kind_is_host(pool_kind(pool));
}

const struct entry *process_calls_find(const struct supervisor *sup, struct bytes id)
{
    const struct entry *entry = registry_find(sup->registry, id.data, id.n);
    char *host;
    bool found;

    if (entry == NULL || entry->type == NULL ||
        (entry->type->flags & KIND_PROCESS) == 0)
        return NULL;
    host = default_host(entry);
    found = host != NULL && is_host(sup, host);
    free(host);
    return found ? entry : NULL;
}

/* ---- one run --------------------------------------------------------------------- */

static struct run *run_create(struct process_calls *of, struct call *call)
{
    struct run *run = xcalloc(1, sizeof(*run));
    uint64_t number = ++of->last_control & CONTROL_NUMBER;

    run->of = of;
    run->call = call;
    run->control = pid_make(0, FIRST_LIFE | (uint32_t)(number >> PID_SLOT_BITS),
                            (uint32_t)number & (PID_MAX_SLOTS - 1));
    map_put_number(&of->runs, run->control, run);
    return run;
}

static void run_destroy(struct run *run)
{
    map_remove_number(&run->of->runs, run->control);
    free(run);
}

/* The actor is nobody's from now on, and is told so. */
static void leave_actor(struct run *run)
{
    struct supervisor *sup = run->of->sup;

    actors_remove_edge(sup, run->control, run->actor);
    actors_send_signal(sup, run->actor, run->control, CONTROL_HOST, SIGNAL_CANCEL,
                       CANCEL_REASON);
    run_destroy(run);
}

static void on_withdrawn(void *note)
{
    struct run *run = note;

    run->call = NULL;
    if (run->actor != 0)
        leave_actor(run);
}

static void end_run(struct run *run, uint8_t status, struct bytes result)
{
    struct supervisor *sup = run->of->sup;
    struct call *call = run->call;

    run_destroy(run);
    if (call != NULL)
        call_answer(sup->calls, call, status, result);
}

static void fail_run(struct run *run, const struct err *err)
{
    struct buf error;

    buf_init(&error, 0);
    error_encode(&error, err);
    end_run(run, REPLY_ERROR, buf_bytes(&error));
    buf_finish(&error);
}

static void on_spawned(void *context, uint8_t status, struct bytes result)
{
    struct run *run = context;
    struct value list = {0};
    struct bytes host;
    struct err err;

    if (status != REPLY_OK) {
        end_run(run, status, result);
    } else if (spawn_reply_read(result, &list, &run->actor, &host, &err) == -1) {
        fail_run(run, &err);
    } else if (run->call == NULL) {
        leave_actor(run);
    }
    value_finish(&list);
}

bool process_calls_on_exit(struct supervisor *sup, const struct frame_exit *frame)
{
    struct run *run = map_find_number(&sup->process_calls->runs, frame->to);

    if (run == NULL)
        return false;
    end_run(run, frame->failed != 0 ? REPLY_ERROR : REPLY_OK, frame->result);
    return true;
}

/* ---- in -------------------------------------------------------------------------- */

static void spawn(struct supervisor *sup, struct run *run,
                  const struct frame_spawn *frame)
{
    struct origin origin = {.type = ORIGIN_INTERNAL, .who.internal = {on_spawned, run}};
    struct bytes body;
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    if (frame_encode_spawn(&buf, frame) && frame_body(&buf, &body)) {
        router_spawn(sup, &origin, body);
    } else {
        err_set(&err, ERR_UNAVAILABLE, "no memory to start %.*s", (int)frame->entry.n,
                (const char *)frame->entry.data);
        fail_run(run, &err);
    }
    buf_finish(&buf);
}

/* The context of a process whose trace goes on below the call. */
static struct bytes below_span(struct supervisor *sup, const struct call *call,
                               struct bytes context, struct buf *out)
{
    uint64_t id = spans_note_sent(sup->spans, call->span, NULL);
    const uint8_t *trace = trace_find(context);

    if (id == 0 || trace == NULL || !buf_append(out, context.data, context.n))
        return context;
    trace_set_span(buf_head(out) + (trace - context.data), id);
    return buf_bytes(out);
}

void process_calls_start(struct supervisor *sup, struct call *call,
                         const struct entry *entry, struct bytes body)
{
    struct frame_spawn frame = {.flags = SPAWN_MONITOR,
                                .parent_host = bytes_of_text(CONTROL_HOST),
                                .entry = bytes_of_text(entry->id)};
    char *host = default_host(entry);
    struct run *run = run_create(sup->process_calls, call);
    struct frame_call asked;
    struct buf context;
    int failed = frame_decode_call(body, &asked, NULL);

    assert(host != NULL && failed == 0); /* the router has looked */
    call_give_away(call, on_withdrawn, run);
    frame.parent = run->control;
    frame.host = bytes_of_text(host);
    buf_init(&context, 0);
    frame.context = asked.context;
    if (call->span != 0)
        frame.context = below_span(sup, call, asked.context, &context);
    frame.args = asked.args;
    spawn(sup, run, &frame);
    buf_finish(&context);
    free(host);
}

struct process_calls *process_calls_create(struct supervisor *sup)
{
    struct process_calls *process_calls = xcalloc(1, sizeof(*process_calls));

    process_calls->sup = sup;
    map_init(&process_calls->runs);
    return process_calls;
}

void process_calls_destroy(struct process_calls *process_calls)
{
    if (process_calls == NULL)
        return;
    MAP_FOREACH (row, &process_calls->runs)
        free(row->value);
    map_finish(&process_calls->runs);
    free(process_calls);
}
