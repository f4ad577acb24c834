#include "supervisor/system.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/worker.h"

#define N_BUCKETS 4096 /* a power of two */

/* Arguments of one peer's requests: what they may weigh before another one comes. */
#define PEER_MAX_WEIGHT ((size_t)64 * 1024 * 1024)

/* With the fields around it, it has to fit into a frame. */
#define ANSWER_MAX_BYTES (FRAME_MAX_BYTES_DEFAULT - 4096u)

struct system {
    struct supervisor *sup;
    const struct system_target **targets; /* sorted by name */
    unsigned n_targets;
    struct list open; /* requests not answered yet */
    unsigned n_open;
    struct list by_origin[N_BUCKETS]; /* those whose origin waits */
    uint64_t multiplier;              /* no peer may know which numbers collide */
};

/* What a handler holds, with our part behind it. */
struct open_request {
    struct request request;
    struct system *system;
    struct list in_open, in_bucket;
    struct ev_timer deadline;
    const void *party;    /* who asked */
    struct peer_use *use; /* theirs; NULL: nobody's, or they are gone */
    size_t weight;        /* of its arguments */
};

/* ---- the table ------------------------------------------------------------------- */

static int compare_targets(const void *a, const void *b)
{
    const struct system_target *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

void system_add_targets(struct system *system, const struct system_target *targets,
                        unsigned n_targets)
{
    unsigned n = system->n_targets + n_targets;

    system->targets = xrealloc(system->targets, n * sizeof(struct system_target *));
    for (unsigned i = 0; i < n_targets; i++)
        system->targets[system->n_targets + i] = &targets[i];
    system->n_targets = n;
    qsort(system->targets, n, sizeof(struct system_target *), compare_targets);
    for (unsigned i = 1; i < n; i++)
        assert(strcmp(system->targets[i - 1]->name, system->targets[i]->name) != 0);
}

/* name comes from a peer: without '@', not terminated, any bytes. */
static const struct system_target *find_target(const struct system *system,
                                               struct bytes name)
{
    unsigned low = 0, high = system->n_targets;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct system_target *target = system->targets[middle];
        size_t n = strlen(target->name), n_both = n < name.n ? n : name.n;
        int order = memcmp(target->name, name.data, n_both);

        if (order == 0)
            order = (n > name.n) - (n < name.n);
        if (order == 0)
            return target;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- a request's arguments ------------------------------------------------------- */

const struct value *request_arg(const struct request *request, size_t i)
{
    return i < request->args.as.list.n ? &request->args.as.list.items[i] : NULL;
}

const struct value *request_arg_as(const struct request *request, size_t i,
                                   enum value_type type)
{
    const struct value *arg = request_arg(request, i);

    return arg != NULL && arg->type == type ? arg : NULL;
}

const char *request_text(const struct request *request, size_t i)
{
    return value_text(request_arg(request, i));
}

/* ---- a request's end ------------------------------------------------------------- */

static struct open_request *open_of(struct request *request)
{
    /* The analyzer takes a request that left its list for one that is still there. */
    return container_of(request, struct open_request, request); /* NOLINT */
}

static void free_request(struct request *request)
{
    struct open_request *open = open_of(request);

    if (open->use != NULL) {
        open->use->n_requests--;
        open->use->request_weight -= open->weight;
    }
    ev_timer_stop(request->sup->loop, &open->deadline);
    list_remove(&open->in_open);
    list_remove(&open->in_bucket);
    open->system->n_open--;
    value_finish(&request->args);
    free(open);
}

void request_reply_raw(struct request *request, struct bytes payload)
{
    if (payload.n > ANSWER_MAX_BYTES) { /* who gets such a frame gives us up */
        request_refuse(request, ERR_INVALID,
                       "the answer of @%s has %zu MiB, and %u are the most: ask for a "
                       "part of it",
                       request->target, payload.n >> 20, ANSWER_MAX_BYTES >> 20);
        return;
    }
    origin_reply(&request->origin, REPLY_OK, payload);
    free_request(request);
}

void request_reply(struct request *request, const struct value *result)
{
    static const struct value nil;
    struct err err = {0};
    struct buf buf;

    buf_init(&buf, 0);
    if (payload_encode(&buf, result != NULL ? result : &nil, 1)) {
        request_reply_raw(request, buf_bytes(&buf));
    } else {
        err_set(&err, ERR_UNAVAILABLE, "no memory for the answer");
        request_fail(request, &err);
    }
    buf_finish(&buf);
}

void request_fail(struct request *request, const struct err *err)
{
    origin_fail(&request->origin, err);
    free_request(request);
}

void request_reply_taken(struct request *request, struct value result)
{
    request_reply(request, &result);
    value_finish(&result);
}

void request_refuse(struct request *request, enum err_kind kind, const char *fmt, ...)
{
    struct err err;
    va_list args;

    va_start(args, fmt);
    err_vset(&err, kind, fmt, args);
    va_end(args);
    request_fail(request, &err);
}

void request_fail_with(struct request *request, const struct err *err,
                       struct value details)
{
    struct buf buf;

    buf_init(&buf, 0);
    if (error_encode_with(&buf, err, details)) {
        origin_reply(&request->origin, REPLY_ERROR, buf_bytes(&buf));
        free_request(request);
    } else {
        request_fail(request, err);
    }
    buf_finish(&buf);
}

bool request_item(struct request *request, const struct value *item)
{
    struct buf buf;
    bool sent;

    buf_init(&buf, 0);
    sent = value_encode(&buf, item) && origin_item(&request->origin, buf_bytes(&buf));
    buf_finish(&buf);
    return sent;
}

/* Answers the origin now (err NULL: it is gone, don't). A handler that can't give its
 * request back keeps it, and what it answers later goes nowhere. */
static void end_early(struct request *request, const struct err *err)
{
    struct open_request *open = open_of(request);

    if (err != NULL)
        origin_fail(&request->origin, err);
    request->origin.type = ORIGIN_NONE;
    list_remove(&open->in_bucket);
    ev_timer_stop(request->sup->loop, &open->deadline);
    if (request->on_cancel != NULL && request->on_cancel(request))
        free_request(request);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct open_request *open = container_of(timer, struct open_request, deadline);
    struct err err = {0};

    (void)loop, (void)revents;
    err_set(&err, ERR_TIMEOUT, "%s took too long", open->request.target);
    end_early(&open->request, &err);
}

/* ---- a request's start ----------------------------------------------------------- */

static bool is_allowed(const struct system_target *target, const struct origin *origin)
{
    if (origin->type == ORIGIN_WORKER)
        return (target->allow & ALLOW_WORKER) != 0;
    return origin->type != ORIGIN_CLIENT || (target->allow & ALLOW_CLIENT) != 0;
}

static struct list *bucket_of(struct system *system, const struct origin *origin)
{
    uint64_t hash = origin->call ^ (uintptr_t)origin_party(origin) >> 4;

    return &system->by_origin[hash * system->multiplier >> 40 & (N_BUCKETS - 1)];
}

static struct open_request *open_create(struct system *system,
                                        const struct system_target *target,
                                        const struct origin *origin)
{
    struct open_request *open = xcalloc(1, sizeof(*open));

    open->system = system;
    open->request.sup = system->sup;
    open->request.origin = *origin;
    open->request.target = target->name;
    ev_timer_init(&open->deadline, on_deadline, 0, 0);
    list_append(&system->open, &open->in_open);
    list_append(bucket_of(system, origin), &open->in_bucket);
    system->n_open++;
    open->party = origin_party(origin);
    open->use = origin_use(origin);
    if (open->use != NULL)
        open->use->n_requests++;
    return open;
}

static void arm_deadline(struct open_request *open, uint64_t deadline_at_ns)
{
    int64_t left_ns = (int64_t)(deadline_at_ns - (uint64_t)clock_monotonic_ns());

    if (deadline_at_ns == 0)
        return;
    ev_timer_set(&open->deadline, left_ns > 0 ? (double)left_ns / 1e9 : 0.0, 0);
    ev_timer_start(open->system->sup->loop, &open->deadline);
}

static bool has_room(const struct system *system, const struct origin *origin)
{
    const struct peer_use *use = origin_use(origin);

    return system->n_open < SYSTEM_MAX_OPEN &&
           (use == NULL ||
            (use->request_weight <= PEER_MAX_WEIGHT &&
             use_is_fair(use->n_requests, system->n_open, SYSTEM_MAX_OPEN)));
}

static int read_args(struct open_request *open, struct bytes args, struct err *err)
{
    if (payload_decode_weighed(args, &open->request.args, &open->weight, err) == -1) {
        open->weight = 0;
        return -1;
    }
    if (open->use != NULL)
        open->use->request_weight += open->weight;
    return 0;
}

void system_call(struct system *system, const struct origin *origin,
                 struct bytes target, uint64_t caller, uint64_t deadline_at_ns,
                 struct bytes args)
{
    struct bytes name = {target.data + 1, target.n - 1};
    const struct system_target *row;
    struct open_request *open;
    struct err err = {0};

    assert(target.n > 0 && target.data[0] == '@');
    row = find_target(system, name);
    if (row == NULL) {
        err_set(&err, ERR_NOT_FOUND, "no such target: %.*s",
                (int)(target.n < 100 ? target.n : 100), (const char *)target.data);
        origin_fail(origin, &err);
        return;
    }
    if (!is_allowed(row, origin)) {
        err_set(&err, ERR_PERMISSION_DENIED, "not allowed to call @%s", row->name);
        origin_fail(origin, &err);
        return;
    }
    if (!has_room(system, origin)) {
        err_set(&err, ERR_RATE_LIMITED, "too many requests wait for an answer");
        origin_fail(origin, &err);
        return;
    }
    conn_set_take_time(&system->sup->conns);
    open = open_create(system, row, origin);
    open->request.caller = caller;
    open->request.deadline_at_ns = deadline_at_ns;
    if (read_args(open, args, &err) != 0) {
        err_wrap(&err, "arguments of @%s", row->name);
        request_fail(&open->request, &err);
        return;
    }
    arm_deadline(open, deadline_at_ns);
    row->handle(&open->request); /* last: it may have been answered and freed */
}

void system_cancel(struct system *system, const struct origin *origin)
{
    struct err err = {0};

    LIST_FOREACH_SAFE (node, bucket_of(system, origin)) {
        struct open_request *open = container_of(node, struct open_request, in_bucket);

        if (!origin_is_same(&open->request.origin, origin))
            continue;
        err_set(&err, ERR_CANCELED, "@%s was cancelled", open->request.target);
        end_early(&open->request, &err);
        return;
    }
}

void system_origin_gone(struct system *system, const void *worker_or_client)
{
    LIST_FOREACH_SAFE (node, &system->open) {
        struct open_request *open = container_of(node, struct open_request, in_open);

        if (open->party != worker_or_client)
            continue;
        open->party = NULL;
        open->use = NULL;
        if (open->request.origin.type != ORIGIN_NONE)
            end_early(&open->request, NULL);
    }
}

struct system *system_create(struct supervisor *sup)
{
    struct system *system = xcalloc(1, sizeof(*system));

    system->sup = sup;
    list_init(&system->open);
    for (size_t i = 0; i < N_BUCKETS; i++)
        list_init(&system->by_origin[i]);
    (void)!getrandom(&system->multiplier, sizeof(system->multiplier), GRND_NONBLOCK);
    system->multiplier |= 1;
    return system;
}

void system_destroy(struct system *system)
{
    if (system == NULL)
        return;
    LIST_FOREACH_SAFE (node, &system->open) {
        struct open_request *open = container_of(node, struct open_request, in_open);

        open->use = NULL; /* workers and clients are gone */
        if (open->request.on_drop != NULL)
            open->request.on_drop(&open->request);
        free_request(&open->request);
    }
    free(system->targets);
    free(system);
}

unsigned system_count_open(const struct system *system)
{
    return (unsigned)system->n_open;
}
