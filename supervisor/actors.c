#include "supervisor/actors.h"

#include <stdlib.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/actor_graph.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/service.h"
#include "supervisor/worker.h"

/* A WATCH that waits for the REPLY of target's owner. */
struct pending {
    struct actors *actors;
    struct origin origin;
    struct list in_actors;
    uint64_t watcher, target;
    uint8_t kind;
};

/* ---- who lives where ---------------------------------------------------------- */

static struct worker *owner_of(const struct supervisor *sup, uint64_t pid)
{
    return workers_find(sup->workers, pid_index(pid));
}

bool actors_alive(const struct supervisor *sup, uint64_t pid)
{
    const struct worker *owner = owner_of(sup, pid);

    return owner != NULL && owner->liveness != NULL && owner->state != WORKER_DEAD &&
           liveness_is_alive(owner->liveness, pid);
}

/* Sends what is in scratch, a whole frame or (encoding failed) nothing. */
static bool send_scratch(struct actors *actors, const struct worker *to)
{
    bool sent = false;
    struct bytes body;

    if (frame_body(&actors->scratch, &body) && to->conn != NULL)
        sent = conn_forward(to->conn, body.data[-1], body); /* its type is in front */
    buf_clear(&actors->scratch);
    return sent;
}

void actors_send_unwatch(const struct supervisor *sup, uint64_t watcher,
                         uint64_t target, uint8_t kinds)
{
    const struct worker *owner = owner_of(sup, target);
    struct frame_watch frame = {.watcher = watcher, .target = target};

    if (owner == NULL)
        return;
    if (kinds & EDGE_MONITOR) {
        frame.op = WATCH_UNMONITOR;
        frame_encode_watch(&sup->actors->scratch, &frame);
        send_scratch(sup->actors, owner);
    }
    if (kinds & EDGE_LINK) {
        frame.op = WATCH_UNLINK;
        frame_encode_watch(&sup->actors->scratch, &frame);
        send_scratch(sup->actors, owner);
    }
}

void actors_deliver_exit(struct supervisor *sup, const struct frame_exit *frame)
{
    const struct worker *owner;

    if (pid_index(frame->to) == 0) {
        services_on_exit(sup, frame);
        return;
    }
    owner = owner_of(sup, frame->to);
    if (owner == NULL)
        return;
    frame_encode_exit(&sup->actors->scratch, frame);
    send_scratch(sup->actors, owner);
}

bool actors_send_signal(struct supervisor *sup, uint64_t to, uint64_t from,
                        const char *from_host, uint8_t op, const char *reason)
{
    const struct worker *owner = owner_of(sup, to);
    struct value text = value_string(reason);
    struct frame_signal frame = {.to = to, .from = from, .op = op};
    struct buf buf;
    bool sent = false;

    buf_init(&buf, 0);
    frame.from_host = bytes_of_text(from_host);
    if (owner != NULL && value_encode(&buf, &text)) {
        frame.reason = buf_bytes(&buf);
        frame_encode_signal(&sup->actors->scratch, &frame);
        sent = send_scratch(sup->actors, owner);
    }
    buf_finish(&buf);
    value_finish(&text);
    return sent;
}

size_t actors_count_edges(const struct actors *actors)
{
    return actors->edges.n;
}

/* ---- WATCH -------------------------------------------------------------------- */

static void answer(const struct origin *origin)
{
    const struct value nil = {0};
    struct buf buf;

    if (origin->call == 0)
        return;
    buf_init(&buf, 0);
    if (payload_encode(&buf, &nil, 1))
        origin_reply(origin, REPLY_OK, buf_bytes(&buf));
    buf_finish(&buf);
}

static struct origin origin_of_worker(struct worker *worker, uint64_t call)
{
    struct origin origin = {.type = ORIGIN_WORKER, .call = call};

    origin.who.worker = worker;
    return origin;
}

/* The error of a dead target, with the details that apps may look at. The pid's host is
 * known to its watcher alone, who completes the text. */
static void answer_not_registered(const struct origin *origin, uint64_t target,
                                  uint8_t kind)
{
    struct value details;
    char text[PID_TEXT_MAX];
    struct err err;
    struct buf buf;

    if (origin->call == 0)
        return;
    pid_format(text, "", 0, target);
    details = value_map();
    value_put(&details, "pid", value_string(text));
    value_put(&details, "operation",
              value_string(kind == EDGE_LINK ? "link" : "monitor"));
    err_set(&err, ERR_NOT_FOUND, "pid not registered");
    buf_init(&buf, 0);
    if (error_encode_with(&buf, &err, details))
        origin_reply(origin, REPLY_ERROR, buf_bytes(&buf));
    buf_finish(&buf);
}

static void free_pending(struct pending *pending)
{
    list_remove(&pending->in_actors);
    slab_give_back(&pending->actors->pending_slab, pending);
}

/* The owner of target has answered, or died. Between its answer and now nothing of it
 * was routed, so an EXIT of target can't have overtaken. */
static void on_watch_answered(void *context, uint8_t status, struct bytes result)
{
    struct pending *pending = context;
    struct actors *actors = pending->actors;

    if (status == REPLY_OK) {
        answer(&pending->origin);
    } else {
        graph_take(actors, pending->watcher, pending->target, pending->kind);
        if (owner_of(actors->sup, pending->target) == NULL)
            answer_not_registered(&pending->origin, pending->target, pending->kind);
        else if (pending->origin.call != 0)
            origin_reply(&pending->origin, status, result);
    }
    free_pending(pending);
}

static void start_watch(struct supervisor *sup, const struct origin *origin,
                        const struct frame_watch *frame, struct bytes body,
                        uint8_t kind)
{
    struct actors *actors = sup->actors;
    const struct edge *edge = graph_find_edge(actors, frame->watcher, frame->target);
    struct pending *pending;
    struct origin own = {.type = ORIGIN_INTERNAL};
    struct err err = {0};

    if (edge != NULL && (edge->kinds & kind) != 0 && kind == EDGE_MONITOR) {
        err_set(&err, ERR_ALREADY_EXISTS, "already monitoring pid");
        origin_fail(origin, &err);
        return;
    }
    if (edge != NULL && (edge->kinds & kind) != 0) {
        answer(origin);
        return;
    }
    if (worker_is_flooded(owner_of(sup, frame->target))) {
        err_set(&err, ERR_RATE_LIMITED, "the worker of that process is flooded");
        origin_fail(origin, &err);
        return;
    }
    if (actors->edges.n >= ACTORS_MAX_EDGES) {
        err_set(&err, ERR_LIMIT_EXCEEDED, "too many watches across workers");
        origin_fail(origin, &err);
        return;
    }
    pending = slab_take(&actors->pending_slab);
    pending->actors = actors;
    pending->origin = *origin;
    pending->watcher = frame->watcher;
    pending->target = frame->target;
    pending->kind = kind;
    list_append(&actors->pending, &pending->in_actors);
    graph_add(actors, frame->watcher, frame->target, kind);
    own.who.internal.done = on_watch_answered;
    own.who.internal.context = pending;
    calls_forward(sup->calls, &own, FRAME_WATCH, owner_of(sup, frame->target), body);
}

/* The edge is taken away at once, so that no EXIT follows the answer. */
static void end_watch(struct supervisor *sup, const struct origin *origin,
                      const struct frame_watch *frame, uint8_t kind)
{
    graph_take(sup->actors, frame->watcher, frame->target, kind);
    actors_send_unwatch(sup, frame->watcher, frame->target, kind);
    answer(origin);
}

int actors_on_watch(struct supervisor *sup, struct worker *from,
                    const struct frame_watch *frame, struct bytes body, struct err *err)
{
    struct origin origin = origin_of_worker(from, frame->call);
    bool ends = frame->op == WATCH_UNMONITOR || frame->op == WATCH_UNLINK;
    bool links = frame->op == WATCH_LINK || frame->op == WATCH_UNLINK;
    uint8_t kind = links ? EDGE_LINK : EDGE_MONITOR;

    if (frame->op < WATCH_MONITOR || frame->op > WATCH_UNLINK)
        return err_set(err, ERR_INVALID, "watch of unknown kind %u", frame->op);
    if (!worker_owns_pid(from, frame->watcher))
        return err_set(err, ERR_INVALID, "watch for somebody else's actor");
    if (worker_owns_pid(from, frame->target))
        return err_set(err, ERR_INVALID, "watch inside one worker");
    if (ends)
        end_watch(sup, &origin, frame, kind);
    else if (!actors_alive(sup, frame->target))
        answer_not_registered(&origin, frame->target, kind);
    else
        start_watch(sup, &origin, frame, body, kind);
    return 0;
}

static void deliver_link_down(struct supervisor *sup, uint64_t dead, uint64_t pid)
{
    struct frame_exit frame = {
        .to = pid, .from = dead, .what = LINK_DOWN_EVENT, .failed = 1};
    struct buf buf;
    struct err err;

    buf_init(&buf, 0);
    err_set(&err, ERR_NOT_FOUND, "pid not registered");
    if (error_encode(&buf, &err)) {
        frame.result = buf_bytes(&buf);
        actors_deliver_exit(sup, &frame);
    }
    buf_finish(&buf);
}

void actors_add_edge(struct supervisor *sup, uint64_t watcher, uint64_t target,
                     uint8_t flags)
{
    uint8_t kinds = 0;

    if (pid_index(watcher) == pid_index(target))
        return;
    if (flags & SPAWN_MONITOR)
        kinds |= EDGE_MONITOR;
    if (flags & SPAWN_LINK)
        kinds |= EDGE_LINK;
    if (kinds == 0)
        return;
    if (pid_index(watcher) == 0 || actors_alive(sup, watcher)) {
        graph_add(sup->actors, watcher, target, kinds);
        return;
    }
    /* A parent that died meanwhile is not there to be told, but who is linked to it
     * hears of that: no half of a family lives on. */
    if (kinds & EDGE_LINK)
        deliver_link_down(sup, watcher, target); /* before it forgets the link */
    actors_send_unwatch(sup, watcher, target, kinds);
}

void actors_remove_edge(struct supervisor *sup, uint64_t watcher, uint64_t target)
{
    const struct edge *edge = graph_find_edge(sup->actors, watcher, target);

    if (edge == NULL)
        return;
    actors_send_unwatch(sup, watcher, target, edge->kinds);
    graph_take(sup->actors, watcher, target, EDGE_MONITOR | EDGE_LINK);
}

/* Its WATCHes under way: nobody is there to be answered. The edges themselves go with
 * its nodes, and their targets are told then. */
void actors_orphan_pending(struct actors *actors, const struct worker *worker)
{
    LIST_FOREACH (node, &actors->pending) {
        struct pending *pending = container_of(node, struct pending, in_actors);

        if (pending->origin.type == ORIGIN_WORKER &&
            pending->origin.who.worker == worker)
            pending->origin = (struct origin){.type = ORIGIN_NONE};
    }
}

/* ---- SIGNAL ------------------------------------------------------------------- */

int actors_on_signal(struct supervisor *sup, struct worker *from,
                     const struct frame_signal *frame, struct bytes body,
                     struct err *err)
{
    struct origin origin = origin_of_worker(from, frame->call);
    struct err why = {0};

    if (frame->op != SIGNAL_CANCEL && frame->op != SIGNAL_TERMINATE)
        return err_set(err, ERR_INVALID, "signal of unknown kind %u", frame->op);
    if (frame->from != 0 && !worker_owns_pid(from, frame->from))
        return err_set(err, ERR_INVALID, "signal in somebody else's name");
    if (actors_alive(sup, frame->to)) {
        if (worker_is_flooded(owner_of(sup, frame->to)))
            err_set(&why, ERR_RATE_LIMITED, "the worker of that process is flooded");
        else if (frame->call != 0)
            calls_forward(sup->calls, &origin, FRAME_SIGNAL, owner_of(sup, frame->to),
                          body);
        else
            conn_forward(owner_of(sup, frame->to)->conn, FRAME_SIGNAL, body);
    } else {
        err_set(&why, ERR_NOT_FOUND, "process not found");
    }
    if (why.text[0] != '\0' && frame->call != 0)
        origin_fail(&origin, &why);
    return 0;
}

/* ---- EXIT    ----------------------------------------------------------- */

_Static_assert((int)EDGE_MONITOR == EXIT_EVENT && (int)EDGE_LINK == LINK_DOWN_EVENT,
               "what an EXIT tells is told to that kind of edge");

int actors_on_exit(struct supervisor *sup, struct worker *from,
                   const struct frame_exit *frame, struct bytes body, struct err *err)
{
    struct frame_exit heard = *frame;
    const struct edge *edge;

    if (!worker_owns_pid(from, frame->from))
        return err_set(err, ERR_INVALID, "exit of somebody else's actor");
    if (frame->what == 0 || frame->what > (EXIT_EVENT | LINK_DOWN_EVENT) ||
        frame->failed > 1)
        return err_set(err, ERR_INVALID, "exit of unknown kind");
    edge = graph_find_edge(sup->actors, frame->to, frame->from);
    if (edge != NULL)
        heard.what &= edge->kinds;
    if (edge == NULL || heard.what == 0)
        return 0; /* the watcher has ended, or thought better of it */
    graph_take(sup->actors, frame->to, frame->from, edge->kinds);
    if (heard.what == frame->what && pid_index(frame->to) != 0) {
        struct worker *owner = owner_of(sup, frame->to);

        if (owner != NULL)
            conn_forward(owner->conn, FRAME_EXIT, body);
    } else { /* of one kind of watch it has thought better */
        actors_deliver_exit(sup, &heard);
    }
    return 0;
}

/* ---- life --------------------------------------------------------------------- */

struct actors *actors_create(struct supervisor *sup)
{
    struct actors *actors = xcalloc(1, sizeof(*actors));

    actors->sup = sup;
    map_init(&actors->nodes);
    map_init(&actors->edges);
    slab_init(&actors->node_slab, sizeof(struct node));
    slab_init(&actors->edge_slab, sizeof(struct edge));
    slab_init(&actors->pending_slab, sizeof(struct pending));
    for (size_t i = 0; i < PID_MAX_WORKERS; i++)
        list_init(&actors->of_worker[i]);
    list_init(&actors->pending);
    buf_init(&actors->scratch, 0);
    actors_end_init(actors);
    return actors;
}

void actors_destroy(struct actors *actors)
{
    struct list *node;

    if (actors == NULL)
        return;
    for (size_t i = 0; i < PID_MAX_WORKERS; i++)
        graph_clear(actors, &actors->of_worker[i]);
    actors_end_finish(actors);
    while ((node = list_first(&actors->pending)) != NULL)
        free_pending(container_of(node, struct pending, in_actors));
    buf_finish(&actors->scratch);
    map_finish(&actors->nodes);
    map_finish(&actors->edges);
    slab_finish(&actors->node_slab);
    slab_finish(&actors->edge_slab);
    slab_finish(&actors->pending_slab);
    free(actors);
}
