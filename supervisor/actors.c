#include "supervisor/actors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/bus.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/names.h"
#include "supervisor/service.h"
#include "supervisor/worker.h"

#define SLICE_NS        2000000 /* of one turn for releasing edges */
#define CLOCK_EVERY     64      /* edges between two looks at the clock */
#define GONE_KEPT_MS    30000   /* how long edges of the gone wait for their EXIT */
#define GONE_FRESH_MS   2000    /* within it a link's LINK_DOWN may still be lost */
#define SWEEP_EVERY_S   5.0
#define EDGES_MAX       20000000
#define WATCHED_HOST(w) ((w)->pool != NULL ? worker_entry(w) : "")

enum edge_kind { EDGE_MONITOR = 1, EDGE_LINK = 2 };

/* What is known of one actor: it is in this table while it has an edge. */
struct node {
    uint64_t pid;
    struct list of_worker; /* by index of pid */
    struct list watchers;  /* edges whose target it is */
    struct list watching;  /* edges whose watcher it is */
    struct list in_gone;   /* after GONE, oldest first */
    uint64_t gone_at_ms;   /* 0 = lives */
};

struct edge {
    uint64_t key[2]; /* watcher, target: the key of its row */
    struct node *watcher, *target;
    struct list of_watcher, of_target;
    uint8_t kinds;
};

/* A WATCH that waits for the REPLY of target's owner. */
struct pending {
    struct actors *actors;
    struct origin origin;
    struct list in_actors;
    uint64_t watcher, target;
    uint8_t kind;
};

/* A worker that is dead and whose edges are being released. */
struct burial {
    struct list in_actors;
    struct list nodes; /* of the dead, taken over from of_worker */
    struct buf error;  /* what their watchers hear, one EXT_ERROR */
    char *host;
};

struct actors {
    struct supervisor *sup;
    struct map nodes; /* by pid */
    struct map edges; /* by key, as 16 bytes of text */
    struct list of_worker[PID_MAX_WORKERS];
    struct list pending;
    struct list burials;
    struct list gone;
    struct buf scratch; /* the frame that is being made */
    struct ev_timer burial_timer;
    struct ev_timer sweep_timer;
};

/* ---- nodes and edges ---------------------------------------------------------- */

static struct node *get_node(struct actors *actors, uint64_t pid)
{
    struct node *node = map_find_number(&actors->nodes, pid);

    if (node != NULL)
        return node;
    node = xcalloc(1, sizeof(*node));
    node->pid = pid;
    list_init(&node->watchers);
    list_init(&node->watching);
    list_init(&node->in_gone);
    list_init(&node->of_worker);
    list_append(&actors->of_worker[pid_index(pid)], &node->of_worker);
    map_put_number(&actors->nodes, pid, node);
    return node;
}

static void drop_node_if_bare(struct actors *actors, struct node *node)
{
    if (!list_empty(&node->watchers) || !list_empty(&node->watching))
        return;
    map_remove_number(&actors->nodes, node->pid);
    list_remove(&node->of_worker);
    list_remove(&node->in_gone);
    free(node);
}

static struct edge *find_edge(const struct actors *actors, uint64_t watcher,
                              uint64_t target)
{
    const uint64_t key[2] = {watcher, target};

    return map_find(&actors->edges, (const char *)key, sizeof(key));
}

static void add_kind(struct actors *actors, uint64_t watcher, uint64_t target,
                     uint8_t kinds)
{
    struct edge *edge = find_edge(actors, watcher, target);

    if (edge == NULL) {
        edge = xcalloc(1, sizeof(*edge));
        edge->key[0] = watcher;
        edge->key[1] = target;
        edge->watcher = get_node(actors, watcher);
        edge->target = get_node(actors, target);
        list_append(&edge->watcher->watching, &edge->of_watcher);
        list_append(&edge->target->watchers, &edge->of_target);
        map_put(&actors->edges, (const char *)edge->key, sizeof(edge->key), edge);
    }
    edge->kinds |= kinds;
}

/* Frees edge; its nodes too when it was their last, but for `keep`. */
static void free_edge(struct actors *actors, struct edge *edge, const struct node *keep)
{
    map_remove(&actors->edges, (const char *)edge->key, sizeof(edge->key));
    list_remove(&edge->of_watcher);
    list_remove(&edge->of_target);
    if (edge->watcher != keep)
        drop_node_if_bare(actors, edge->watcher);
    if (edge->target != keep)
        drop_node_if_bare(actors, edge->target);
    free(edge);
}

static void take_kind(struct actors *actors, uint64_t watcher, uint64_t target,
                      uint8_t kinds)
{
    struct edge *edge = find_edge(actors, watcher, target);

    if (edge == NULL)
        return;
    edge->kinds &= (uint8_t)~kinds;
    if (edge->kinds == 0)
        free_edge(actors, edge, NULL);
}

/* A link is known both ways. */
static void add_watch(struct actors *actors, uint64_t watcher, uint64_t target,
                      uint8_t kind)
{
    add_kind(actors, watcher, target, kind);
    if (kind & EDGE_LINK)
        add_kind(actors, target, watcher, EDGE_LINK);
}

static void take_watch(struct actors *actors, uint64_t watcher, uint64_t target,
                       uint8_t kind)
{
    take_kind(actors, watcher, target, kind);
    if (kind & EDGE_LINK)
        take_kind(actors, target, watcher, EDGE_LINK);
}

size_t actors_count_edges(const struct actors *actors)
{
    return actors->edges.n;
}

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
    struct bytes frame = buf_bytes(&actors->scratch);
    bool sent = false;

    if (frame.n >= FRAME_HEADER_BYTES && to->conn != NULL)
        sent = conn_forward(to->conn, frame.data[FRAME_HEADER_BYTES - 1],
                            (struct bytes){frame.data + FRAME_HEADER_BYTES,
                                           frame.n - FRAME_HEADER_BYTES});
    buf_clear(&actors->scratch);
    return sent;
}

/* Tells target's owner that watcher isn't interested any more. */
static void send_unwatch(const struct supervisor *sup, uint64_t watcher,
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

/* Hands an EXIT to whoever watched: an actor's worker, or a service of ours. */
static void deliver_exit(struct supervisor *sup, const struct frame_exit *frame)
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
    struct value fields = value_map(), *details;
    char text[PID_TEXT_MAX];
    struct buf buf;

    if (origin->call == 0)
        return;
    buf_init(&buf, 0);
    pid_format(text, "", 0, target);
    value_put(&fields, "kind", value_string(err_kind_name(ERR_NOT_FOUND)));
    value_put(&fields, "message", value_string("pid not registered"));
    value_put(&fields, "retryable", value_bool(false));
    details = value_put(&fields, "details", value_map());
    value_put(details, "pid", value_string(text));
    value_put(details, "operation",
              value_string(kind == EDGE_LINK ? "link" : "monitor"));
    if (error_encode_value(&buf, &fields))
        origin_reply(origin, REPLY_ERROR, buf_bytes(&buf));
    buf_finish(&buf);
    value_finish(&fields);
}

static void free_pending(struct pending *pending)
{
    list_remove(&pending->in_actors);
    free(pending);
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
        take_watch(actors, pending->watcher, pending->target, pending->kind);
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
    const struct edge *edge = find_edge(actors, frame->watcher, frame->target);
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
    if (actors->edges.n >= EDGES_MAX) {
        err_set(&err, ERR_LIMIT_EXCEEDED, "too many watches across workers");
        origin_fail(origin, &err);
        return;
    }
    pending = xcalloc(1, sizeof(*pending));
    pending->actors = actors;
    pending->origin = *origin;
    pending->watcher = frame->watcher;
    pending->target = frame->target;
    pending->kind = kind;
    list_append(&actors->pending, &pending->in_actors);
    add_watch(actors, frame->watcher, frame->target, kind);
    own.who.internal.done = on_watch_answered;
    own.who.internal.context = pending;
    calls_forward(sup->calls, &own, FRAME_WATCH, owner_of(sup, frame->target), body);
}

/* The edge is taken away at once, so that no EXIT follows the answer. */
static void end_watch(struct supervisor *sup, const struct origin *origin,
                      const struct frame_watch *frame, uint8_t kind)
{
    take_watch(sup->actors, frame->watcher, frame->target, kind);
    send_unwatch(sup, frame->watcher, frame->target, kind);
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
    /* A parent that died meanwhile is not there to be told; its child lives on. */
    if (pid_index(watcher) != 0 && owner_of(sup, watcher) == NULL)
        send_unwatch(sup, watcher, target, kinds);
    else
        add_watch(sup->actors, watcher, target, kinds);
}

void actors_remove_edge(struct supervisor *sup, uint64_t watcher, uint64_t target)
{
    const struct edge *edge = find_edge(sup->actors, watcher, target);

    if (edge == NULL)
        return;
    send_unwatch(sup, watcher, target, edge->kinds);
    take_watch(sup->actors, watcher, target, EDGE_MONITOR | EDGE_LINK);
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
        if (frame->call != 0)
            calls_forward(sup->calls, &origin, FRAME_SIGNAL, owner_of(sup, frame->to),
                          body);
        else
            conn_forward(owner_of(sup, frame->to)->conn, FRAME_SIGNAL, body);
        return 0;
    }
    if (frame->call != 0) {
        err_set(&why, ERR_NOT_FOUND, "process not found");
        origin_fail(&origin, &why);
    }
    return 0;
}

/* ---- an actor's end ----------------------------------------------------------- */

int actors_on_exit(struct supervisor *sup, struct worker *from,
                   const struct frame_exit *frame, struct bytes body, struct err *err)
{
    struct edge *edge;
    uint8_t kinds;

    if (!worker_owns_pid(from, frame->from))
        return err_set(err, ERR_INVALID, "exit of somebody else's actor");
    if (frame->what == 0 || frame->what > (EXIT_EVENT | LINK_DOWN_EVENT) ||
        frame->failed > 1)
        return err_set(err, ERR_INVALID, "exit of unknown kind");
    edge = find_edge(sup->actors, frame->to, frame->from);
    if (edge == NULL)
        return 0; /* the watcher has ended, or thought better of it */
    kinds = edge->kinds;
    take_watch(sup->actors, frame->to, frame->from, kinds);
    if (pid_index(frame->to) == 0) {
        services_on_exit(sup, frame);
    } else {
        struct worker *owner = owner_of(sup, frame->to);

        if (owner != NULL)
            conn_forward(owner->conn, FRAME_EXIT, body);
    }
    return 0;
}

/* What it watched is told; what watches it waits for its EXITs. A link has an edge in
 * both lists: here the one by which it would hear of others goes. */
static void stop_watching(struct actors *actors, struct node *node)
{
    struct list *first;

    while ((first = list_first(&node->watching)) != NULL) {
        struct edge *edge = container_of(first, struct edge, of_watcher);

        if (edge->kinds & EDGE_MONITOR)
            send_unwatch(actors->sup, node->pid, edge->target->pid, EDGE_MONITOR);
        free_edge(actors, edge, node);
    }
}

int actors_on_gone(struct supervisor *sup, struct worker *from,
                   const struct frame_gone *frame, struct bytes body, struct err *err)
{
    struct actors *actors = sup->actors;
    struct node *node;

    (void)body;
    if (!worker_owns_pid(from, frame->pid))
        return err_set(err, ERR_INVALID, "end of somebody else's actor");
    names_on_gone(sup->names, frame->pid);
    node = map_find_number(&actors->nodes, frame->pid);
    if (node == NULL || node->gone_at_ms != 0)
        return 0;
    stop_watching(actors, node);
    if (list_empty(&node->watchers)) {
        drop_node_if_bare(actors, node);
        return 0;
    }
    node->gone_at_ms = clock_monotonic_ms();
    list_append(&actors->gone, &node->in_gone);
    if (!ev_is_active(&actors->sweep_timer))
        ev_timer_again(sup->loop, &actors->sweep_timer);
    return 0;
}

/* No EXIT has come along these: links of an actor that ended well. The other side
 * forgets its half. */
static void sweep_node(struct actors *actors, struct node *node)
{
    struct list *first;

    while ((first = list_first(&node->watchers)) != NULL) {
        struct edge *edge = container_of(first, struct edge, of_target);

        if (edge->kinds & EDGE_LINK)
            send_unwatch(actors->sup, node->pid, edge->watcher->pid, EDGE_LINK);
        free_edge(actors, edge, node);
    }
    drop_node_if_bare(actors, node);
}

static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct actors *actors = container_of(timer, struct actors, sweep_timer);
    uint64_t now_ms = clock_monotonic_ms();
    struct list *first;
    unsigned budget = 1000;

    (void)revents;
    while ((first = list_first(&actors->gone)) != NULL && budget-- > 0) {
        struct node *node = container_of(first, struct node, in_gone);

        if (now_ms - node->gone_at_ms < GONE_KEPT_MS)
            return;
        sweep_node(actors, node);
    }
    if (first == NULL)
        ev_timer_stop(loop, timer);
}

/* ---- a worker's end ----------------------------------------------------------- */

/* A link of an actor that has ended well some time ago is not waiting for anything. */
static bool has_ended_well(const struct edge *edge)
{
    const struct node *node = edge->target;

    return edge->kinds == EDGE_LINK && node->gone_at_ms != 0 &&
           clock_monotonic_ms() - node->gone_at_ms > GONE_FRESH_MS;
}

static void release_edge(struct actors *actors, const struct burial *burial,
                         const struct edge *edge)
{
    struct frame_exit frame = {
        .to = edge->watcher->pid,
        .from = edge->target->pid,
        .from_host = bytes_of_text(burial->host),
        .failed = 1,
        .result = buf_bytes(&burial->error),
    };

    if (edge->kinds & EDGE_MONITOR)
        frame.what |= EXIT_EVENT;
    if (edge->kinds & EDGE_LINK)
        frame.what |= LINK_DOWN_EVENT;
    deliver_exit(actors->sup, &frame);
}

/* One edge of the dead less; false when there is none. */
static bool bury_one_edge(struct actors *actors, struct burial *burial,
                          struct node *node)
{
    struct list *first = list_first(&node->watching);
    struct edge *edge;

    if (first != NULL) {
        edge = container_of(first, struct edge, of_watcher);
        if (edge->kinds & EDGE_MONITOR)
            send_unwatch(actors->sup, node->pid, edge->target->pid, EDGE_MONITOR);
        free_edge(actors, edge, node);
        return true;
    }
    first = list_first(&node->watchers);
    if (first == NULL)
        return false;
    edge = container_of(first, struct edge, of_target);
    if (!has_ended_well(edge))
        release_edge(actors, burial, edge);
    free_edge(actors, edge, node);
    return true;
}

static void free_burial(struct burial *burial)
{
    list_remove(&burial->in_actors);
    buf_finish(&burial->error);
    free(burial->host);
    free(burial);
}

/* false when its time is over before its work. */
static bool bury_some(struct actors *actors, struct burial *burial, int64_t until_ns)
{
    struct list *first;
    unsigned n = 0;

    while ((first = list_first(&burial->nodes)) != NULL) {
        struct node *node = container_of(first, struct node, of_worker);

        while (bury_one_edge(actors, burial, node))
            if (++n % CLOCK_EVERY == 0 && clock_monotonic_ns() > until_ns)
                return false;
        drop_node_if_bare(actors, node);
    }
    return true;
}

/* EXITs of one worker leave in order, so one burial ends before the next begins. */
static void bury(struct actors *actors)
{
    int64_t until_ns = clock_monotonic_ns() + SLICE_NS;
    struct list *first;

    while ((first = list_first(&actors->burials)) != NULL) {
        struct burial *burial = container_of(first, struct burial, in_actors);

        if (!bury_some(actors, burial, until_ns)) {
            ev_timer_stop(actors->sup->loop, &actors->burial_timer);
            ev_timer_set(&actors->burial_timer, 0, 0);
            ev_timer_start(actors->sup->loop, &actors->burial_timer);
            return;
        }
        free_burial(burial);
    }
}

static void on_burial(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct actors *actors = container_of(timer, struct actors, burial_timer);

    (void)loop, (void)revents;
    bury(actors);
}

/* Its WATCHes under way: nobody is there to be answered. The edges themselves go with
 * its nodes, and their targets are told then. */
static void orphan_pending(struct actors *actors, const struct worker *worker)
{
    LIST_FOREACH (node, &actors->pending) {
        struct pending *pending = container_of(node, struct pending, in_actors);

        if (pending->origin.type == ORIGIN_WORKER &&
            pending->origin.who.worker == worker)
            pending->origin = (struct origin){.type = ORIGIN_NONE};
    }
}

void actors_on_worker_dead(struct supervisor *sup, struct worker *worker,
                           const char *reason)
{
    struct actors *actors = sup->actors;
    struct burial *burial;
    struct err err = {0};
    struct list *first;

    names_on_worker_dead(sup->names, worker->index);
    bus_on_worker_dead(sup->bus, worker);
    orphan_pending(actors, worker);
    if (list_empty(&actors->of_worker[worker->index]))
        return;
    burial = xcalloc(1, sizeof(*burial));
    list_init(&burial->nodes);
    while ((first = list_take_first(&actors->of_worker[worker->index])) != NULL)
        list_append(&burial->nodes, first);
    burial->host = xstrdup(WATCHED_HOST(worker));
    buf_init(&burial->error, 0);
    err_set(&err, ERR_UNAVAILABLE, "worker of %s %s", worker_entry(worker), reason);
    error_encode(&burial->error, &err);
    list_append(&actors->burials, &burial->in_actors);
    if (list_first(&actors->burials) == &burial->in_actors)
        bury(actors);
}

/* ---- life --------------------------------------------------------------------- */

struct actors *actors_create(struct supervisor *sup)
{
    struct actors *actors = xcalloc(1, sizeof(*actors));

    actors->sup = sup;
    map_init(&actors->nodes);
    map_init(&actors->edges);
    for (size_t i = 0; i < PID_MAX_WORKERS; i++)
        list_init(&actors->of_worker[i]);
    list_init(&actors->pending);
    list_init(&actors->burials);
    list_init(&actors->gone);
    buf_init(&actors->scratch, 0);
    ev_timer_init(&actors->burial_timer, on_burial, 0, 0);
    ev_timer_init(&actors->sweep_timer, on_sweep, SWEEP_EVERY_S, SWEEP_EVERY_S);
    return actors;
}

static void clear_nodes(struct actors *actors, struct list *nodes)
{
    struct list *first, *second;

    while ((first = list_first(nodes)) != NULL) {
        struct node *node = container_of(first, struct node, of_worker);

        while ((second = list_first(&node->watching)) != NULL)
            free_edge(actors, container_of(second, struct edge, of_watcher), node);
        while ((second = list_first(&node->watchers)) != NULL)
            free_edge(actors, container_of(second, struct edge, of_target), node);
        drop_node_if_bare(actors, node);
    }
}

void actors_destroy(struct actors *actors)
{
    struct list *node;

    if (actors == NULL)
        return;
    ev_timer_stop(actors->sup->loop, &actors->burial_timer);
    ev_timer_stop(actors->sup->loop, &actors->sweep_timer);
    for (size_t i = 0; i < PID_MAX_WORKERS; i++)
        clear_nodes(actors, &actors->of_worker[i]);
    while ((node = list_first(&actors->burials)) != NULL) {
        struct burial *burial = container_of(node, struct burial, in_actors);

        clear_nodes(actors, &burial->nodes);
        free_burial(burial);
    }
    while ((node = list_first(&actors->pending)) != NULL)
        free_pending(container_of(node, struct pending, in_actors));
    buf_finish(&actors->scratch);
    map_finish(&actors->nodes);
    map_finish(&actors->edges);
    free(actors);
}
