#include "supervisor/actor_graph.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/bus.h"
#include "supervisor/core.h"
#include "supervisor/groups.h"
#include "supervisor/names.h"
#include "supervisor/slice.h"
#include "supervisor/worker.h"

#define GONE_KEPT_MS  30000 /* how long edges of the gone wait for their EXIT */
#define GONE_FRESH_MS 2000  /* within it a link's LINK_DOWN may still be lost */
#define SWEEP_EVERY_S 5.0

/* A worker that is dead and whose edges are being released. */
struct burial {
    struct list in_actors;
    struct list nodes; /* of the dead, taken over from of_worker */
    struct buf error;  /* what their watchers hear, one EXT_ERROR */
    char *host;
};

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
    actors_deliver_exit(actors->sup, &frame);
}

/* One edge less by which node would hear of others. Those whose link it was will be
 * told by its own EXIT: only monitors are taken back. */
static bool stop_one_watch(struct actors *actors, struct node *node)
{
    struct list *first = list_first(&node->watching);
    struct edge *edge;

    if (first == NULL)
        return false;
    edge = container_of(first, struct edge, of_watcher);
    if (edge->kinds & EDGE_MONITOR)
        actors_send_unwatch(actors->sup, node->pid, edge->target->pid, EDGE_MONITOR);
    graph_free_edge(actors, edge, node);
    return true;
}

/* One edge of the dead less; false when there is none. */
static bool bury_one_edge(struct actors *actors, struct burial *burial,
                          struct node *node)
{
    struct list *first;
    struct edge *edge;

    if (stop_one_watch(actors, node))
        return true;
    first = list_first(&node->watchers);
    if (first == NULL)
        return false;
    edge = container_of(first, struct edge, of_target);
    if (!has_ended_well(edge))
        release_edge(actors, burial, edge);
    graph_free_edge(actors, edge, node);
    return true;
}

static void free_burial(struct burial *burial)
{
    list_remove(&burial->in_actors);
    buf_finish(&burial->error);
    free(burial->host);
    free(burial);
}

/* false when the slice is over before the work. */
static bool bury_some(struct actors *actors, struct burial *burial, struct slice *slice)
{
    struct list *first;

    while ((first = list_first(&burial->nodes)) != NULL) {
        struct node *node = container_of(first, struct node, of_worker);

        while (bury_one_edge(actors, burial, node))
            if (slice_is_over(slice))
                return false;
        graph_drop_if_bare(actors, node);
    }
    return true;
}

/* EXITs of one worker leave in order, so one burial ends before the next begins. */
static bool bury(struct actors *actors, struct slice *slice)
{
    struct list *first;

    while ((first = list_first(&actors->burials)) != NULL) {
        struct burial *burial = container_of(first, struct burial, in_actors);

        if (!bury_some(actors, burial, slice))
            return false;
        free_burial(burial);
    }
    return true;
}

static bool let_leave(struct actors *actors, struct slice *slice)
{
    struct list *first;

    while ((first = list_first(&actors->leaving)) != NULL) {
        struct node *node = container_of(first, struct node, in_leaving);

        while (stop_one_watch(actors, node))
            if (slice_is_over(slice))
                return false;
        list_remove(&node->in_leaving);
        graph_drop_if_bare(actors, node);
    }
    return true;
}

static void work(struct actors *actors)
{
    struct slice slice = slice_begin();

    if (ev_is_active(&actors->work_timer) ||
        (let_leave(actors, &slice) && bury(actors, &slice)))
        return;
    ev_timer_set(&actors->work_timer, 0, 0);
    ev_timer_start(actors->sup->loop, &actors->work_timer);
}

static void on_work(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    work(container_of(timer, struct actors, work_timer));
}

void actors_on_worker_dead(struct supervisor *sup, struct worker *worker,
                           const char *reason)
{
    struct actors *actors = sup->actors;
    struct burial *burial;
    struct err err = {0};

    names_on_worker_dead(sup->names, worker->index);
    groups_on_worker_dead(sup->groups, worker->index);
    if (sup->locks != NULL)
        names_on_worker_dead(sup->locks, worker->index);
    bus_on_worker_dead(sup->bus, worker);
    actors_orphan_pending(actors, worker);
    if (list_empty(&actors->of_worker[worker->index]))
        return;
    burial = xcalloc(1, sizeof(*burial));
    list_init(&burial->nodes);
    list_append_all(&burial->nodes, &actors->of_worker[worker->index]);
    burial->host = xstrdup(worker_entry(worker));
    buf_init(&burial->error, 0);
    err_set(&err, ERR_UNAVAILABLE, "worker of %s %s", worker_entry(worker), reason);
    error_encode(&burial->error, &err);
    list_append(&actors->burials, &burial->in_actors);
    work(actors);
}

/* ---- an actor's end ----------------------------------------------------------- */

int actors_on_gone(struct supervisor *sup, struct worker *from,
                   const struct frame_gone *frame, struct err *err)
{
    struct actors *actors = sup->actors;
    struct node *node;

    if (!worker_owns_pid(from, frame->pid))
        return err_set(err, ERR_INVALID, "end of somebody else's actor");
    names_on_gone(sup->names, frame->pid);
    groups_on_gone(sup->groups, frame->pid);
    if (sup->locks != NULL)
        names_on_gone(sup->locks, frame->pid);
    node = map_find_number(&actors->nodes, frame->pid);
    if (node == NULL || node->gone_at_ms != 0)
        return 0;
    node->gone_at_ms = clock_monotonic_ms();
    list_append(&actors->leaving, &node->in_leaving);
    if (!list_empty(&node->watchers)) {
        list_append(&actors->gone, &node->in_gone);
        if (!ev_is_active(&actors->sweep_timer))
            ev_timer_again(sup->loop, &actors->sweep_timer);
    }
    work(actors);
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
            actors_send_unwatch(actors->sup, node->pid, edge->watcher->pid, EDGE_LINK);
        graph_free_edge(actors, edge, node);
    }
    graph_drop_if_bare(actors, node);
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

/* ---- life --------------------------------------------------------------------- */

void actors_end_init(struct actors *actors)
{
    list_init(&actors->burials);
    list_init(&actors->gone);
    list_init(&actors->leaving);
    ev_timer_init(&actors->work_timer, on_work, 0, 0);
    ev_timer_init(&actors->sweep_timer, on_sweep, SWEEP_EVERY_S, SWEEP_EVERY_S);
}

void actors_end_finish(struct actors *actors)
{
    struct list *node;

    ev_timer_stop(actors->sup->loop, &actors->work_timer);
    ev_timer_stop(actors->sup->loop, &actors->sweep_timer);
    while ((node = list_first(&actors->burials)) != NULL) {
        struct burial *burial = container_of(node, struct burial, in_actors);

        graph_clear(actors, &burial->nodes);
        free_burial(burial);
    }
}
