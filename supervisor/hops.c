#include "supervisor/hops.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/hex.h"
#include "common/id.h"
#include "common/value.h"

#include "proto/context_map.h"
#include "proto/frame.h"
#include "proto/trace_context.h"
#include "proto/value_codec.h"
#include "proto/value_skip.h"

#include "supervisor/call_options.h"
#include "supervisor/call_target.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/hops_private.h"
#include "supervisor/interceptors.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/spans.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"
#include "supervisor/worker_ask.h"

#define CALLER_TIMEOUT_MS 5000u

struct hop {
    struct chain *chain; /* counted */
    size_t position;     /* the link that has the call; chain->n: its target */
    uint64_t parent;     /* number of the call whose handler said next(), 0 = none */
    uint64_t caller;     /* pid of who made the first call, 0 = none */
    uint32_t attempt;    /* 1, 2, ... of what is inside of retries */
    uint32_t attempt_at; /* where the frame's body says so; 0 = it doesn't */
    uint32_t target_bytes, context_bytes, active_bytes;
    uint8_t data[]; /* target, context, active; as in struct step */
};

static struct bytes hop_target(const struct hop *hop)
{
    return (struct bytes){hop->data, hop->target_bytes};
}

static struct bytes hop_context(const struct hop *hop)
{
    return (struct bytes){hop->data + hop->target_bytes, hop->context_bytes};
}

static struct bytes hop_active(const struct hop *hop)
{
    return (struct bytes){hop->data + hop->target_bytes + hop->context_bytes,
                          hop->active_bytes};
}

static uint8_t *put_bytes(uint8_t *at, struct bytes bytes)
{
    if (bytes.n != 0)
        memcpy(at, bytes.data, bytes.n);
    return at + bytes.n;
}

/* NULL when there is no memory for what a peer sent. */
static struct hop *hop_create(const struct step *step)
{
    struct hop *hop =
        malloc(sizeof(*hop) + step->target.n + step->context.n + step->active.n);

    if (hop == NULL)
        return NULL;
    *hop = (struct hop){.chain = chain_ref(step->chain),
                        .position = step->position,
                        .parent = step->parent,
                        .caller = step->caller,
                        .attempt = step->attempt,
                        .target_bytes = (uint32_t)step->target.n,
                        .context_bytes = (uint32_t)step->context.n,
                        .active_bytes = (uint32_t)step->active.n};
    put_bytes(put_bytes(put_bytes(hop->data, step->target), step->context),
              step->active);
    return hop;
}

void hops_over(struct supervisor *sup, struct hop *hop)
{
    struct call *parent =
        sup != NULL && hop->parent != 0 ? calls_find(sup->calls, hop->parent) : NULL;

    if (parent != NULL && parent->n_nested != 0)
        call_end_nested(parent);
    chain_unref(hop->chain);
    free(hop);
}

/* ---- which link is next ---------------------------------------------------------- */

static struct pool *pool_of(const struct supervisor *sup, const struct chain_link *link)
{
    struct pool *pool = pools_find(sup->pools, link->id, strlen(link->id));

    return pool != NULL && pool_use(pool) == POOL_FOR_INTERCEPTION ? pool : NULL;
}

/* The first link from step->from on that has a say about this call; chain->n: none. An
 * interceptor that was removed in the meantime has none. */
static size_t find_position(const struct supervisor *sup, const struct step *step)
{
    struct bytes via = context_map_find_text(step->context, HOPS_VIA);
    const struct chain *chain = step->chain;
    size_t i;

    for (i = step->from; i < chain->n; i++) {
        const struct chain_link *link = &chain->links[i];

        if ((link->option == NULL || value_get(&step->options, link->option) != NULL) &&
            !hops_via_lists(via, link->id) && pool_of(sup, link) != NULL)
            break;
    }
    return i;
}

/* ---- one hop --------------------------------------------------------------------- */

/* The call that somebody made, around which all these stand; NULL: it is answered. */
static const struct call *find_first(const struct supervisor *sup,
                                     const struct call *call)
{
    while (call != NULL && call->hop != NULL && call->hop->parent != 0)
        call = calls_find(sup->calls, call->hop->parent);
    return call;
}

bool hops_are_from_outside(const struct supervisor *sup, const struct call *call)
{
    const struct call *first = find_first(sup, call);

    return first != NULL && first->origin.type == ORIGIN_CLIENT;
}

/* Where inline functions run: with who made the first call. NULL when it is no
 * worker. */
static struct worker *find_home(const struct supervisor *sup, const struct call *call)
{
    call = find_first(sup, call);
    return call != NULL && call->origin.type == ORIGIN_WORKER ? call->origin.who.worker
                                                              : NULL;
}

/* call was just opened, or it is time for another attempt at it. */
static void submit(struct supervisor *sup, struct call *call, struct bytes body)
{
    const struct hop *hop = call->hop;
    const struct chain_link *link = &hop->chain->links[hop->position];
    struct call_target target;
    struct err err;

    if (hop->position < hop->chain->n) {
        struct pool *pool = pool_of(sup, link);

        if (pool != NULL) {
            call_observe(sup->calls, call, pool_stats(pool), link->id, body);
            if (call->span != 0)
                spans_note_target(sup->spans, call->span, hop_target(hop));
            pool_submit(pool, call, body);
            return;
        }
        call_target_is_gone(bytes_of_text(link->id), &err);
    } else {
        if (call_target_find(sup, hop_target(hop), &target)) {
            call_target_give(sup, call, &target, find_home(sup, call), body);
            return;
        }
        call_target_is_gone(hop_target(hop), &err);
    }
    call_fail(sup->calls, call, &err);
}

/* Does this hop go over the place where retries happen? */
static bool crosses_retry(const struct step *step)
{
    return step->from <= step->chain->n_outer && step->position >= step->chain->n_outer;
}

static int open_hop(struct supervisor *sup, const struct origin *origin,
                    const struct step *step, const struct call_options *options,
                    struct call **call_out, struct err *err)
{
    struct hop *hop = hop_create(step);
    struct call *call;

    if (hop == NULL)
        return err_set(err, ERR_UNAVAILABLE, "no memory for the context of a call");
    call = calls_open_within(sup->calls, origin, step->deadline_at_ns,
                             options->timeout_ns, err);
    if (call == NULL) {
        hop->parent = 0;
        hops_over(sup, hop);
        return -1;
    }
    call->hop = hop;
    *call_out = call;
    return 0;
}

/* Who is active once this hop is made. */
static int add_active(struct step *step, struct buf *active, struct err *err)
{
    const char *id = step->chain->links[step->position].id;

    if (!buf_append(active, step->active.data, step->active.n) ||
        !buf_append_text(active, id) || !buf_append_text(active, "\n"))
        return err_set(err, ERR_UNAVAILABLE, "no memory for a call");
    step->active = buf_bytes(active);
    return 0;
}

/* The frame of the hop, header included. */
static int put_frame(struct buf *out, const struct step *step, uint32_t *attempt_at_out,
                     struct err *err)
{
    bool is_handler = step->position < step->chain->n, done;
    struct bytes values;
    uint8_t graph;
    uint32_t n;

    if (!payload_split(step->args, &graph, &n, &values))
        return err_set(err, ERR_INVALID, "the arguments of this call can't be read");
    done = is_handler ? hops_put_handler_frame(out, step, attempt_at_out)
                      : hops_put_target_frame(out, step);
    return done ? 0
                : err_set(err, ERR_LIMIT_EXCEEDED,
                          "the call is too large to be passed on");
}

/* step->position is set. options: what step->options ask for. */
static void take_step(struct supervisor *sup, const struct origin *origin,
                      struct step *step, const struct call_options *options)
{
    struct buf out, active;
    struct call *call = NULL, *parent;
    struct bytes body;
    uint32_t attempt_at = 0;
    struct err err;

    buf_init(&out, FRAME_MAX_BYTES_DEFAULT);
    buf_init(&active, 0);
    if ((step->position == step->chain->n || add_active(step, &active, &err) == 0) &&
        put_frame(&out, step, &attempt_at, &err) == 0 && frame_body(&out, &body))
        open_hop(sup, origin, step, options, &call, &err);
    if (call == NULL) {
        origin_fail(origin, &err);
    } else {
        parent = step->parent != 0 ? calls_find(sup->calls, step->parent) : NULL;
        call->hop->attempt_at = attempt_at;
        if (parent != NULL)
            call_begin_nested(parent);
        if (crosses_retry(step))
            call_keep_for_retry(sup, call, options, step->target, body);
        submit(sup, call, body);
    }
    buf_finish(&active);
    buf_finish(&out);
}

/* The hop becomes the one behind it, with the arguments and options that it has. */
static int step_over(struct supervisor *sup, struct call *call, struct step *step,
                     struct err *err)
{
    struct buf out, active;
    uint32_t attempt_at = 0;
    struct hop *hop = NULL;
    struct bytes body;

    buf_init(&out, FRAME_MAX_BYTES_DEFAULT);
    buf_init(&active, 0);
    step->position = find_position(sup, step);
    if ((step->position == step->chain->n || add_active(step, &active, err) == 0) &&
        put_frame(&out, step, &attempt_at, err) == 0 && frame_body(&out, &body) &&
        call_keep_other_body(sup->calls, call, body, err) == 0) {
        hop = hop_create(step);
        if (hop == NULL)
            err_set(err, ERR_UNAVAILABLE, "no memory for the context of a call");
    }
    buf_finish(&active);
    buf_finish(&out);
    if (hop == NULL)
        return -1;
    hop->attempt_at = attempt_at;
    chain_unref(call->hop->chain);
    free(call->hop);
    call->hop = hop;
    return 0;
}

/* Its interceptor was removed since the last attempt: this one goes past it. */
static void go_past(struct supervisor *sup, struct call *call, struct bytes body)
{
    const struct hop *hop = call->hop;
    struct step step = {.chain = hop->chain,
                        .from = hop->position + 1,
                        .target = hop_target(hop),
                        .context = hop_context(hop),
                        .active = hop_active(hop),
                        .parent = hop->parent,
                        .caller = hop->caller,
                        .attempt = hop->attempt};
    struct buf args;
    struct err err;
    int failed = -1;

    buf_init(&args, 0);
    if (hops_take_handler_args(body, &args, &step.options)) {
        step.args = buf_bytes(&args);
        failed = step_over(sup, call, &step, &err);
        value_finish(&step.options);
    } else {
        err_set(&err, ERR_UNAVAILABLE, "no memory for another attempt");
    }
    buf_finish(&args);
    if (failed == -1)
        call_fail(sup->calls, call, &err);
    else
        submit(sup, call, (struct bytes){call->body, call->body_bytes});
}

void hops_again(struct supervisor *sup, struct call *call, struct bytes body)
{
    struct hop *hop = call->hop;

    hop->attempt++;
    if (hop->position < hop->chain->n &&
        pool_of(sup, &hop->chain->links[hop->position]) == NULL) {
        go_past(sup, call, body);
        return;
    }
    if (hop->attempt_at != 0)
        wire_put_u32(call->body + hop->attempt_at, hop->attempt);
    submit(sup, call, body);
}

/* ---- the first hop --------------------------------------------------------------- */

/* functions.md F-15: the target's own, each replaced by what the caller gives. */
static struct value effective_options(const struct value *own,
                                      const struct value *given)
{
    struct value all = value_copy(own);

    if (given == NULL || given->type != VALUE_MAP)
        return all;
    if (all.type != VALUE_MAP)
        all = value_map();
    for (size_t i = 0; i < given->as.map.n; i++)
        value_put(&all, given->as.map.pairs[i].key,
                  value_copy(&given->as.map.pairs[i].value));
    return all;
}

static const struct entry *entry_of(const struct supervisor *sup,
                                    const struct call_target *target)
{
    const char *id = target->pool != NULL ? pool_entry(target->pool) : NULL;

    return id == NULL ? target->entry : registry_find(sup->registry, id, strlen(id));
}

bool hops_begin(struct supervisor *sup, const struct origin *origin,
                const struct frame_call *frame, const struct call_target *target)
{
    const struct entry *entry = entry_of(sup, target);
    struct step step = {.target = frame->target,
                        .context = frame->context,
                        .args = frame->args,
                        .caller = frame->caller,
                        .deadline_at_ns = frame->deadline_at_ns,
                        .attempt = 1};
    struct call_options options;
    struct value list = {0};
    struct err err;

    if (entry == NULL) /* it was just removed, its pool is about to be */
        return false;
    step.chain = interceptors_chain(sup->interceptors, frame->target, entry);
    if (step.chain->n == 0)
        return false;
    if (call_options_decode(frame->options, &list, &err) == -1) {
        origin_fail(origin, &err);
        return true;
    }
    step.options = effective_options(&step.chain->options, value_item(&list, 0));
    step.position = find_position(sup, &step);
    if (step.position < step.chain->n) {
        call_target_options(target, value_item(&list, 0), &options);
        take_step(sup, origin, &step, &options);
        call_options_finish(&options);
    }
    value_finish(&list);
    value_finish(&step.options);
    return step.position < step.chain->n;
}

/* ---- the ones after it ----------------------------------------------------------- */

static bool parse_number(struct bytes target, uint64_t *number_out)
{
    size_t n = strlen(NEXT_TARGET);
    uint64_t number = 0;

    if (target.n <= n || target.n > n + 16)
        return false;
    for (size_t i = n; i < target.n; i++) {
        int digit = hex_digit((char)target.data[i]);

        if (digit == -1)
            return false;
        number = number << 4 | (uint64_t)digit;
    }
    *number_out = number;
    return true;
}

/* The call that this worker handles as an interceptor under that number. */
static struct call *find_handled(const struct supervisor *sup,
                                 const struct origin *origin, uint64_t number)
{
    struct call *call = origin->type == ORIGIN_WORKER
                            ? calls_find_given(sup->calls, origin->who.worker, number)
                            : NULL;

    return call != NULL && call->hop != NULL &&
                   call->hop->position < call->hop->chain->n
               ? call
               : NULL;
}

/* The context that a handler gives is its own in all but the values that it changed. */
static bool choose_context(const struct hop *hop, struct bytes given, struct buf *out,
                           struct bytes *context_out)
{
    struct bytes before = hop_context(hop);

    *context_out = before;
    if (given.n == 0)
        return true;
    if (!context_map_put_text(out, given, HOPS_VIA,
                              context_map_find_text(before, HOPS_VIA)))
        return false;
    *context_out = buf_bytes(out);
    return true;
}

/* In a trace, what a handler calls through next() is below the handler's own span. */
static bool put_below(const struct supervisor *sup, const struct call *parent,
                      struct buf *own, struct bytes *context)
{
    uint64_t id = spans_get_id(sup->spans, parent->span);
    const uint8_t *trace = trace_find(*context);

    if (id == 0 || trace == NULL)
        return true;
    if (context->data != buf_head(own)) {
        size_t at = (size_t)(trace - context->data);

        if (!buf_append(own, context->data, context->n))
            return false;
        *context = buf_bytes(own);
        trace = context->data + at;
    }
    trace_set_span(buf_head(own) + (trace - context->data), id);
    return true;
}

static void go_on(struct supervisor *sup, const struct origin *origin,
                  const struct frame_call *frame, struct call *parent)
{
    const struct hop *hop = parent->hop;
    struct step step = {.chain = chain_ref(hop->chain),
                        .from = hop->position + 1,
                        .target = hop_target(hop),
                        .active = hop_active(hop),
                        .args = frame->args,
                        .parent = parent->number,
                        .caller = hop->caller,
                        .deadline_at_ns = frame->deadline_at_ns,
                        .attempt = hop->attempt};
    struct call_options options = {0};
    struct pool *pool = parent->pool;
    struct worker *worker = parent->callee;
    struct value list = {0};
    struct buf context;
    struct err err;

    buf_init(&context, 0);
    if (call_options_decode(frame->options, &list, &err) == -1) {
        origin_fail(origin, &err);
    } else if (!choose_context(hop, frame->context, &context, &step.context) ||
               !put_below(sup, parent, &context, &step.context)) {
        err_set(&err, ERR_INVALID, "the context of this call can't be read");
        origin_fail(origin, &err);
    } else {
        if (value_item(&list, 0) != NULL)
            step.options = *value_item(&list, 0);
        call_options_read(&options, &step.options);
        step.position = find_position(sup, &step);
        take_step(sup, origin, &step, &options);
        call_options_finish(&options);
        calls_tell_place_free(sup->calls, pool, worker);
    }
    buf_finish(&context);
    value_finish(&list);
    chain_unref(step.chain);
}

void hops_next(struct supervisor *sup, const struct origin *origin,
               const struct frame_call *frame)
{
    struct call *parent = NULL;
    struct err err;
    uint64_t number;

    if (parse_number(frame->target, &number))
        parent = find_handled(sup, origin, number);
    if (parent != NULL) {
        go_on(sup, origin, frame, parent);
        return;
    }
    err_set(&err, ERR_INVALID, "next() was called after its handler had returned");
    origin_fail(origin, &err);
}

/* ---- @calls.caller --------------------------------------------------------------- */

static void on_described(void *context, uint8_t status, struct bytes result)
{
    struct request *request = context;
    struct value list = {0};

    if (status == REPLY_OK && payload_decode(result, &list, NULL) == 0)
        request_reply(request, value_get(value_item(&list, 0), "source"));
    else
        request_reply(request, NULL); /* who asked has ended */
    value_finish(&list);
}

/* The entry of the actor that made the intercepted call; nil when it was none. */
static void answer_caller(struct request *request)
{
    struct supervisor *sup = request->sup;
    const struct value *number = request_arg_as(request, 0, VALUE_INT);
    struct call *call = number != NULL ? find_handled(sup, &request->origin,
                                                      (uint64_t)number->as.integer)
                                       : NULL;
    uint64_t pid = call != NULL ? call->hop->caller : 0;
    struct worker *worker =
        pid != 0 ? workers_find(sup->workers, pid_index(pid)) : NULL;
    struct value arg = value_int((int64_t)pid);

    if (worker == NULL) {
        request_reply(request, NULL);
        return;
    }
    worker_ask(worker, "@actors.inspect", &arg, 1, CALLER_TIMEOUT_MS, on_described,
               request);
}

void hops_add_targets(struct supervisor *sup)
{
    static const struct system_target targets[] = {
        {"calls.caller", answer_caller, ALLOW_WORKER}};

    system_add_targets(sup->system, targets, 1);
}
