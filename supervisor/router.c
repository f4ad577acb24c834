#include "supervisor/router.h"

#include <string.h>

#include "common/err.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/trace_context.h"
#include "proto/value_codec.h"

#include "supervisor/actors.h"
#include "supervisor/bus.h"
#include "supervisor/call_options.h"
#include "supervisor/call_target.h"
#include "supervisor/calls.h"
#include "supervisor/code.h"
#include "supervisor/code_news.h"
#include "supervisor/core.h"
#include "supervisor/hops.h"
#include "supervisor/interceptors.h"
#include "supervisor/logs.h"
#include "supervisor/pool.h"
#include "supervisor/pool_queue.h"
#include "supervisor/process_calls.h"
#include "supervisor/router_spawn.h"
#include "supervisor/spans.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

/* ---- calls ----------------------------------------------------------------------- */

void router_fail_about(const struct origin *origin, const struct err *err,
                       const char *key, struct bytes about)
{
    struct value details = value_map();
    struct buf buf;

    value_put(&details, key, value_bytes(about.data, about.n));
    buf_init(&buf, 0);
    error_encode_with(&buf, err, details);
    origin_reply(origin, REPLY_ERROR, buf_bytes(&buf));
    buf_finish(&buf);
}

static void fail_unknown_target(const struct origin *origin, struct bytes target)
{
    struct err err;

    err_set(&err, ERR_NOT_FOUND, "no handler registered for target");
    router_fail_about(origin, &err, "target", target);
}

/* Where inline functions run. */
static struct worker *home_of(const struct call *call)
{
    return call->origin.type == ORIGIN_WORKER ? call->origin.who.worker : NULL;
}

static int find_again(struct supervisor *sup, struct bytes body,
                      struct call_target *out, struct err *err)
{
    struct frame_call frame;

    if (frame_decode_call(body, &frame, err) == -1)
        return -1;
    return call_target_find(sup, frame.target, out)
               ? 0
               : call_target_is_gone(frame.target, err);
}

static void call_again(struct supervisor *sup, struct call *call, struct bytes body)
{
    struct call_target target;
    struct err err;

    if (call->hop != NULL)
        hops_again(sup, call, body);
    else if (find_again(sup, body, &target, &err) == -1)
        call_fail(sup->calls, call, &err);
    else
        call_target_give(sup, call, &target, home_of(call), body);
}

/* ---- options --------------------------------------------------------------------- */

/* The target's own options, overlaid by the caller's (functions.md F-15). */
static int read_options(const struct call_target *target, struct bytes field,
                        struct call_options *out, struct err *err)
{
    struct value list = {0};

    if (call_options_decode(field, &list, err) == -1)
        return -1;
    call_target_options(target, value_item(&list, 0), out);
    value_finish(&list);
    return 0;
}

static void route_with_options(struct supervisor *sup, const struct origin *origin,
                               const struct frame_call *frame,
                               const struct call_target *target, struct bytes body)
{
    struct call_options options = {0};
    struct err err = {0};
    struct call *call;

    if (read_options(target, frame->options, &options, &err) == -1) {
        origin_fail(origin, &err);
        return;
    }
    call = calls_open_within(sup->calls, origin, frame->deadline_at_ns,
                             options.timeout_ns, &err);
    if (call == NULL) {
        origin_fail(origin, &err);
    } else {
        call_keep_for_retry(sup, call, &options, frame->target, body);
        call_target_give(sup, call, target, home_of(call), body);
    }
    call_options_finish(&options);
}

static void route_directly(struct supervisor *sup, const struct origin *origin,
                           const struct frame_call *frame,
                           const struct call_target *target, struct bytes body)
{
    struct err err = {0};
    struct call *call;

    if (frame->options.n != 0 || target->pool == NULL ||
        !call_options_are_empty(pool_options(target->pool))) {
        route_with_options(sup, origin, frame, target, body);
        return;
    }
    call = calls_open(sup->calls, origin, FRAME_CALL, frame->deadline_at_ns, &err);
    if (call == NULL)
        origin_fail(origin, &err);
    else
        call_target_give(sup, call, target, home_of(call), body);
}

/* There are interceptors, around this call or another. */
static void route_watched(struct supervisor *sup, const struct origin *origin,
                          const struct frame_call *frame,
                          const struct call_target *target, struct bytes body)
{
    struct frame_call marked = *frame;
    struct buf context, out;

    buf_init(&context, 0);
    buf_init(&out, 0);
    marked.context = hops_mark_root(sup, origin, frame, &context);
    if (!hops_begin(sup, origin, &marked, target)) {
        if (marked.context.data != frame->context.data) {
            frame_encode_call(&out, &marked);
            frame_body(&out, &body); /* without memory it stays unmarked */
        }
        route_directly(sup, origin, &marked, target, body);
    }
    buf_finish(&context);
    buf_finish(&out);
}

static void route_to_us(struct supervisor *sup, const struct origin *origin,
                        const struct frame_call *frame)
{
    size_t n = strlen(NEXT_TARGET);

    if (frame->target.n > n && memcmp(frame->target.data, NEXT_TARGET, n) == 0)
        hops_next(sup, origin, frame);
    else
        system_call(sup->system, origin, frame->target, frame->caller,
                    frame->deadline_at_ns, frame->args);
}

static void route_known(struct supervisor *sup, const struct origin *origin,
                        const struct frame_call *frame,
                        const struct call_target *target, struct bytes body)
{
    if (interceptors_exist(sup->interceptors))
        route_watched(sup, origin, frame, target, body);
    else
        route_directly(sup, origin, frame, target, body);
}

/* The same call with another context. */
static void route_changed(struct supervisor *sup, const struct origin *origin,
                          const struct frame_call *frame, struct bytes context,
                          const struct call_target *target)
{
    struct frame_call changed = *frame;
    struct bytes body;
    struct buf out;

    buf_init(&out, 0);
    changed.context = context;
    if (frame_encode_call(&out, &changed) && frame_body(&out, &body))
        route_known(sup, origin, &changed, target, body);
    else
        origin_fail(origin, &(struct err){.kind = ERR_UNAVAILABLE,
                                          .text = "no memory to trace a call"});
    buf_finish(&out);
}

/* It belongs to no trace and was drawn to begin one; clients may also have put theirs
 * somewhere else than we look for it. */
static void route_to_trace(struct supervisor *sup, const struct origin *origin,
                           const struct frame_call *frame,
                           const struct call_target *target, struct bytes body)
{
    uint8_t text[TRACE_TEXT_BYTES];
    struct bytes context;
    struct buf out;

    buf_init(&out, 0);
    context = trace_normalize(frame->context, &out);
    if (trace_find(context) == NULL && spans_draw(sup->spans)) {
        trace_begin(text);
        if (trace_put(&out, frame->context, text))
            context = buf_bytes(&out);
    }
    if (context.data != frame->context.data)
        route_changed(sup, origin, frame, context, target);
    else
        route_known(sup, origin, frame, target, body);
    buf_finish(&out);
}

static void route_call(struct supervisor *sup, const struct origin *origin,
                       const struct frame_call *frame, struct bytes body)
{
    struct call_target target;

    if (frame->target.n != 0 && frame->target.data[0] == '@')
        route_to_us(sup, origin, frame);
    else if (!call_target_find(sup, frame->target, &target))
        fail_unknown_target(origin, frame->target);
    else if (spans_draw_at_all(sup->spans) ||
             (origin->type == ORIGIN_CLIENT && frame->context.n != 0))
        route_to_trace(sup, origin, frame, &target, body);
    else
        route_known(sup, origin, frame, &target, body);
}

static struct origin origin_of_worker(struct worker *from, uint64_t call)
{
    return (struct origin){.type = ORIGIN_WORKER, .call = call, .who.worker = from};
}

static int refuse_forged(const struct worker *from, uint64_t pid, const char *what,
                         struct err *err)
{
    return err_set(err, ERR_INVALID, "its %s 0x%llx is not one of worker %u", what,
                   (unsigned long long)pid, from->index);
}

static int on_call(struct supervisor *sup, struct worker *from, struct bytes body,
                   struct err *err)
{
    struct frame_call frame;
    struct origin origin;

    if (frame_decode_call(body, &frame, err) == -1)
        return -1;
    if (frame.caller != 0 && !worker_owns_pid(from, frame.caller))
        return refuse_forged(from, frame.caller, "caller", err);
    origin = origin_of_worker(from, frame.call);
    route_call(sup, &origin, &frame, body);
    return 0;
}

static int on_reply(struct supervisor *sup, struct worker *from, struct bytes body,
                    struct err *err)
{
    return calls_on_reply(sup->calls, from, body, err);
}

static int on_free(struct supervisor *sup, struct worker *from, struct bytes body,
                   struct err *err)
{
    return calls_on_free(sup->calls, from, body, err);
}

static int on_unhold(struct supervisor *sup, struct worker *from, struct bytes body,
                     struct err *err)
{
    struct frame_unhold frame;
    struct pool *pool;

    if (frame_decode_unhold(body, &frame, err) == -1)
        return -1;
    pool = pools_find(sup->pools, frame.queue.data, frame.queue.n);
    if (pool != NULL)
        pool_unhold(pool, from, frame.n);
    return 0;
}

static void cancel(struct supervisor *sup, const struct origin *origin)
{
    if (!calls_cancel(sup->calls, origin) && !router_spawn_cancel(sup, origin))
        system_cancel(sup->system, origin);
}

static int on_cancel(struct supervisor *sup, struct worker *from, struct bytes body,
                     struct err *err)
{
    struct frame_cancel frame;
    struct origin origin;

    if (frame_decode_cancel(body, &frame, err) == -1)
        return -1;
    origin = origin_of_worker(from, frame.call);
    cancel(sup, &origin);
    return 0;
}

/* ---- actors ---------------------------------------------------------------------- */

/* Passes a message on, if its sender is who it says and somebody has the pid. */
static inline int pass_message(struct supervisor *sup, struct worker *from,
                               uint64_t sender, uint64_t receiver, uint8_t type,
                               struct bytes body, struct err *err)
{
    struct worker *to;

    if (!worker_owns_pid(from, sender))
        return refuse_forged(from, sender, "sender", err);
    to = workers_find(sup->workers, pid_index(receiver));
    if (to != NULL)
        worker_pass_message(to, type, body);
    return 0;
}

static int on_send(struct supervisor *sup, struct worker *from, struct bytes body,
                   struct err *err)
{
    struct frame_send frame;

    if (frame_decode_send(body, &frame, err) == -1)
        return -1;
    return pass_message(sup, from, frame.from, frame.to, FRAME_SEND, body, err);
}

static int on_send_traced(struct supervisor *sup, struct worker *from,
                          struct bytes body, struct err *err)
{
    struct frame_send_traced frame;

    if (frame_decode_send_traced(body, &frame, err) == -1)
        return -1;
    return pass_message(sup, from, frame.from, frame.to, FRAME_SEND_TRACED, body, err);
}

/* A process begins anew: what it calls is in no call chain. */
static void spawn_unmarked(struct supervisor *sup, const struct origin *origin,
                           const struct frame_spawn *frame, struct bytes body)
{
    struct frame_spawn unmarked = *frame;
    struct buf context, out;

    buf_init(&context, 0);
    buf_init(&out, 0);
    unmarked.context = hops_unmark(frame->context, &context);
    if (unmarked.context.data != frame->context.data) {
        frame_encode_spawn(&out, &unmarked);
        frame_body(&out, &body); /* without memory it stays marked */
    }
    router_spawn(sup, origin, body);
    buf_finish(&context);
    buf_finish(&out);
}

static int on_spawn(struct supervisor *sup, struct worker *from, struct bytes body,
                    struct err *err)
{
    struct frame_spawn frame;
    struct origin origin;

    if (frame_decode_spawn(body, &frame, err) == -1)
        return -1;
    if (frame.parent != 0 && !worker_owns_pid(from, frame.parent))
        return refuse_forged(from, frame.parent, "parent", err);
    if (frame.parent == 0 && frame.flags != 0)
        return err_set(err, ERR_INVALID, "it links a child to nobody");
    origin = origin_of_worker(from, frame.call);
    if (interceptors_exist(sup->interceptors))
        spawn_unmarked(sup, &origin, &frame, body);
    else
        router_spawn(sup, &origin, body);
    return 0;
}

static int on_watch(struct supervisor *sup, struct worker *from, struct bytes body,
                    struct err *err)
{
    struct frame_watch frame;

    if (frame_decode_watch(body, &frame, err) == -1)
        return -1;
    return actors_on_watch(sup, from, &frame, body, err);
}

static int on_exit_frame(struct supervisor *sup, struct worker *from, struct bytes body,
                         struct err *err)
{
    struct frame_exit frame;

    if (frame_decode_exit(body, &frame, err) == -1)
        return -1;
    return actors_on_exit(sup, from, &frame, body, err);
}

static int on_gone(struct supervisor *sup, struct worker *from, struct bytes body,
                   struct err *err)
{
    struct frame_gone frame;

    if (frame_decode_gone(body, &frame, err) == -1)
        return -1;
    return actors_on_gone(sup, from, &frame, err);
}

static int on_signal(struct supervisor *sup, struct worker *from, struct bytes body,
                     struct err *err)
{
    struct frame_signal frame;

    if (frame_decode_signal(body, &frame, err) == -1)
        return -1;
    return actors_on_signal(sup, from, &frame, body, err);
}

static int on_event(struct supervisor *sup, struct worker *from, struct bytes body,
                    struct err *err)
{
    struct frame_event frame;

    if (frame_decode_event(body, &frame, err) == -1)
        return -1;
    return bus_on_event(sup, from, &frame, body, err);
}

static int on_log(struct supervisor *sup, struct worker *from, struct bytes body,
                  struct err *err)
{
    struct frame_log frame;

    (void)sup;
    (void)from;
    if (frame_decode_log(body, &frame, err) == -1)
        return -1;
    return logs_on_frame(&frame, err);
}

/* ---- the table ------------------------------------------------------------------- */

static int (*const routes[UINT8_MAX + 1])(struct supervisor *sup, struct worker *from,
                                          struct bytes body, struct err *err) = {
    [FRAME_CALL] = on_call,     [FRAME_REPLY] = on_reply,
    [FRAME_CANCEL] = on_cancel, [FRAME_FREE] = on_free,
    [FRAME_UNHOLD] = on_unhold, [FRAME_SEND_TRACED] = on_send_traced,
    [FRAME_SEND] = on_send,     [FRAME_SPAWN] = on_spawn,
    [FRAME_WATCH] = on_watch,   [FRAME_EXIT] = on_exit_frame,
    [FRAME_GONE] = on_gone,     [FRAME_SIGNAL] = on_signal,
    [FRAME_EVENT] = on_event,   [FRAME_LOG] = on_log,
};

int router_on_worker_frame(struct supervisor *sup, struct worker *from, uint8_t type,
                           struct bytes body, struct err *err)
{
    if (routes[type] == NULL)
        return err_set(err, ERR_INVALID, "it sent frame %s (%u), which no worker sends",
                       frame_name(type), type);
    return routes[type](sup, from, body, err);
}

static void on_worker_dead(struct supervisor *sup, struct worker *worker,
                           const char *reason)
{
    calls_worker_stops_asking(sup->calls, worker);
    calls_worker_stops_answering(sup->calls, worker, reason);
    router_spawn_origin_gone(sup, worker);
    actors_on_worker_dead(sup, worker, reason);
    spans_on_worker_dead(sup->spans, worker, reason);
    system_origin_gone(sup->system, worker);
    pool_queue_forget_worker(worker);
}

/* ---- clients and ourselves ------------------------------------------------------- */

int router_on_client_frame(struct supervisor *sup, struct client *from, uint8_t type,
                           struct bytes body, struct err *err)
{
    struct origin origin = {.type = ORIGIN_CLIENT, .who.client = from};
    struct frame_call call;
    struct frame_cancel frame;

    if (type == FRAME_CALL) {
        if (frame_decode_call(body, &call, err) == -1)
            return -1;
        if (call.caller != 0)
            return err_set(err, ERR_INVALID, "a client has no pid to call from");
        origin.call = call.call;
        route_call(sup, &origin, &call, body);
        return 0;
    }
    if (type != FRAME_CANCEL)
        return err_set(err, ERR_INVALID, "a client may not send %s", frame_name(type));
    if (frame_decode_cancel(body, &frame, err) == -1)
        return -1;
    origin.call = frame.call;
    cancel(sup, &origin);
    return 0;
}

void router_on_client_gone(struct supervisor *sup, struct client *client)
{
    calls_client_gone(sup->calls, client);
    system_origin_gone(sup->system, client);
}

void router_call_internal(struct supervisor *sup, const struct origin *origin,
                          const char *target, struct bytes args,
                          uint64_t deadline_at_ns)
{
    struct frame_call frame = {.call = origin->call,
                               .deadline_at_ns = deadline_at_ns,
                               .target = bytes_of_text(target),
                               .args = args};
    struct bytes body;
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    if (frame_encode_call(&buf, &frame) && frame_body(&buf, &body)) {
        route_call(sup, origin, &frame, body);
    } else {
        err_set(&err, ERR_LIMIT_EXCEEDED, "the call is too large to be made");
        origin_fail(origin, &err);
    }
    buf_finish(&buf);
}

/* ---- life ------------------------------------------------------------------------ */

void router_create(struct supervisor *sup, char *worker_path)
{
    static const struct worker_hooks worker_hooks = {router_on_worker_frame,
                                                     on_worker_dead};
    struct calls_hooks calls_hooks = pool_calls_hooks;

    calls_hooks.again = call_again;
    calls_hooks.on_hop_over = hops_over;
    sup->calls = calls_create(sup, &calls_hooks);
    sup->process_calls = process_calls_create(sup);
    sup->workers = workers_create(sup, worker_path, &worker_hooks);
    sup->pools = pools_create(sup);
    sup->router = router_spawn_create(sup);
    sup->code = code_create(sup);
    sup->code_news = code_news_create(sup);
    sup->interceptors = interceptors_create(sup);
    hops_add_targets(sup);
}

void router_destroy(struct supervisor *sup)
{
    code_news_destroy(sup->code_news);
    code_destroy(sup->code);
    pools_destroy(sup->pools);
    router_spawn_destroy(sup->router);
    calls_destroy(sup->calls);
    process_calls_destroy(sup->process_calls);
    interceptors_destroy(sup->interceptors);
    workers_destroy(sup->workers); /* last: lists of the others run through them */
    sup->workers = NULL;
    sup->code = NULL;
    sup->code_news = NULL;
    sup->pools = NULL;
    sup->router = NULL;
    sup->calls = NULL;
    sup->process_calls = NULL;
    sup->interceptors = NULL;
}
