#include "supervisor/groups_private.h"

#include <stdlib.h>

#include "common/mem.h"

#include "proto/trace_context.h"

#include "supervisor/core.h"
#include "supervisor/spans.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"
#include "supervisor/worker_ask.h"

/*
 * A message to all members. Each worker gets its share by calls to @pg.deliver, one
 * after the other, so that it is never sent more than it has taken.
 */
#define SHARE_MAX 8192 /* pids per call */
#define SPANS_MAX 64   /* of one message; more would crowd out the rest of the trace */

struct share {
    struct cast *cast;
    uint32_t worker; /* index; whoever has it now drops what isn't his */
    uint64_t *pids;
    size_t n, n_size, n_sent;
    uint64_t spans[SPANS_MAX]; /* of the first pids */
    size_t n_spans;
};

struct cast {
    struct list node; /* in groups->casts */
    struct groups *groups;
    struct request *request; /* kept until the end, though nobody may wait for it */
    struct value from, host, topic, payload;
    struct value trace; /* what it is sent from within, or nil */
    size_t n_spans;
    uint64_t timeout_ms;
    size_t n_open;     /* shares that aren't through, and one for us */
    struct map shares; /* by worker index */
};

static void free_cast(struct cast *cast)
{
    MAP_FOREACH (row, &cast->shares) {
        struct share *share = row->value;

        free(share->pids);
        free(share);
    }
    map_finish(&cast->shares);
    list_remove(&cast->node);
    value_finish(&cast->from);
    value_finish(&cast->host);
    value_finish(&cast->topic);
    value_finish(&cast->payload);
    value_finish(&cast->trace);
    free(cast);
}

static void finish_one(struct cast *cast)
{
    const struct value yes = value_bool(true);

    if (--cast->n_open != 0)
        return;
    request_reply(cast->request, &yes);
    free_cast(cast);
}

static void send_share(struct share *share);

static void on_delivered(void *context, uint8_t status, struct bytes result)
{
    struct share *share = context;

    (void)status, (void)result; /* a dead worker has no members any more */
    if (share->n_sent < share->n)
        send_share(share);
    else
        finish_one(share->cast);
}

static void send_share(struct share *share)
{
    struct cast *cast = share->cast;
    struct worker *worker = workers_find(cast->groups->sup->workers, share->worker);
    size_t n = share->n - share->n_sent;
    size_t n_spans = share->n_sent == 0 ? share->n_spans : 0;
    struct value args[7];

    if (worker == NULL || worker->conn == NULL) {
        finish_one(cast);
        return;
    }
    if (n > SHARE_MAX)
        n = SHARE_MAX;
    args[0] = cast->from;
    args[1] = cast->host;
    args[2] = cast->topic;
    args[3] = cast->payload;
    args[4] = value_bytes(share->pids + share->n_sent, n * sizeof(*share->pids));
    share->n_sent += n;
    args[5] = cast->trace;
    args[6] = value_bytes(share->spans, n_spans * sizeof(*share->spans));
    worker_ask(worker, "@pg.deliver", args, n_spans != 0 ? 7 : 5, cast->timeout_ms,
               on_delivered, share);
    value_finish(&args[4]);
    value_finish(&args[6]);
}

static void add_span(struct cast *cast, struct share *share)
{
    if (cast->trace.type != VALUE_STRING || cast->n_spans == SPANS_MAX)
        return;
    share->spans[share->n_spans++] =
        spans_begin_message(cast->groups->sup->spans, value_to_bytes(&cast->topic),
                            value_to_bytes(&cast->trace).data);
    cast->n_spans++;
}

static void add(struct cast *cast, uint64_t pid)
{
    uint32_t index = pid_index(pid);
    struct share *share = map_find_number(&cast->shares, index);

    if (share == NULL) {
        share = xcalloc(1, sizeof(*share));
        share->cast = cast;
        share->worker = index;
        map_put_number(&cast->shares, index, share);
    }
    if (share->n == share->n_size) {
        share->n_size = share->n_size == 0 ? 16 : 2 * share->n_size;
        share->pids = xrealloc(share->pids, share->n_size * sizeof(*share->pids));
    }
    if (share->n == share->n_spans)
        add_span(cast, share);
    share->pids[share->n++] = pid;
}

/* [..., traceparent] of a sender that belongs to a trace. */
static bool is_traced(const struct request *request)
{
    const struct value *text = request_arg_as(request, 5, VALUE_STRING);

    return text != NULL && text->as.string.n == TRACE_TEXT_BYTES &&
           trace_check(value_to_bytes(text));
}

void groups_cast(struct groups *groups, const struct group *group,
                 struct request *request, uint64_t timeout_ms)
{
    const struct value *args = request->args.as.list.items;
    struct cast *cast = xcalloc(1, sizeof(*cast));

    list_append(&groups->casts, &cast->node);
    map_init(&cast->shares);
    cast->groups = groups;
    cast->request = request;
    cast->from = value_int((int64_t)request->caller);
    cast->topic = value_copy(&args[2]);
    cast->host = value_copy(&args[3]);
    cast->payload = value_copy(&args[4]);
    cast->timeout_ms = timeout_ms;
    if (is_traced(request))
        cast->trace = value_copy(&args[5]);
    if (group != NULL)
        LIST_FOREACH (node, &group->memberships) {
            const struct membership *one =
                container_of(node, struct membership, of_group);

            if (groups_is_alive(groups, one))
                for (uint32_t i = 0; i < one->count; i++)
                    add(cast, one->member->pid);
        }
    cast->n_open = cast->shares.n + 1; /* answers may come while we still send */
    MAP_FOREACH (row, &cast->shares)
        send_share(row->value);
    finish_one(cast);
}

void groups_drop_casts(struct groups *groups)
{
    struct list *node;

    while ((node = list_first(&groups->casts)) != NULL)
        free_cast(container_of(node, struct cast, node));
}
