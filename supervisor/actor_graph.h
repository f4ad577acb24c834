/*
 * actor_graph -- private to actors*.c: one node per actor that has an edge to another
 * worker's, and the edges.
 *
 * Edges are found by (watcher, target), nodes by pid or by worker index; each edge is
 * in the lists of both its nodes. A node goes with its last edge.
 */
#ifndef TROUPE_SUPERVISOR_ACTOR_GRAPH_H
#define TROUPE_SUPERVISOR_ACTOR_GRAPH_H

#include <ev.h>

#include "common/buf.h"
#include "common/id.h"
#include "common/list.h"
#include "common/map.h"
#include "common/slab.h"

#include "supervisor/actors.h"

struct frame_exit;

enum edge_kind { EDGE_MONITOR = 1, EDGE_LINK = 2 };

struct node {
    uint64_t pid;
    struct list of_worker;  /* by index of pid, or of a burial */
    struct list watchers;   /* edges whose target it is */
    struct list watching;   /* edges whose watcher it is */
    struct list in_gone;    /* after GONE, oldest first */
    struct list in_leaving; /* after GONE, while it still has `watching` */
    uint64_t gone_at_ms;    /* 0 = lives */
};

struct edge {
    uint64_t key[2]; /* watcher, target: the key of its row */
    struct node *watcher, *target;
    struct list of_watcher, of_target;
    uint8_t kinds;
};

struct actors {
    struct supervisor *sup;
    struct map nodes; /* by pid */
    struct map edges; /* by key, as 16 bytes of text */
    struct slab node_slab, edge_slab, pending_slab;
    struct list of_worker[PID_MAX_WORKERS];
    struct list pending; /* WATCHes that wait for target's owner */
    struct list burials; /* dead workers whose edges are being released */
    struct list gone;    /* ended actors that are still watched */
    struct list leaving; /* ended actors whose own watches are being taken back */
    struct buf scratch;  /* the frame that is being made */
    struct ev_timer work_timer, sweep_timer;
};

struct edge *graph_find_edge(const struct actors *actors, uint64_t watcher,
                             uint64_t target);

/* A link is known both ways. */
void graph_add(struct actors *actors, uint64_t watcher, uint64_t target, uint8_t kinds);
void graph_take(struct actors *actors, uint64_t watcher, uint64_t target,
                uint8_t kinds);

/* Frees edge; its nodes too when it was their last, but for `keep`. */
void graph_free_edge(struct actors *actors, struct edge *edge, const struct node *keep);
void graph_drop_if_bare(struct actors *actors, struct node *node);

/* Frees the nodes of a list by of_worker, with their edges. */
void graph_clear(struct actors *actors, struct list *nodes);

/* ---- of actors.c, for actors_end.c ----------------------------------------------- */

/* Tells target's owner that watcher isn't interested any more. */
void actors_send_unwatch(const struct supervisor *sup, uint64_t watcher,
                         uint64_t target, uint8_t kinds);
/* Hands an EXIT to whoever watched: an actor's worker, or a service of ours. */
void actors_deliver_exit(struct supervisor *sup, const struct frame_exit *frame);
void actors_orphan_pending(struct actors *actors, const struct worker *worker);

/* ---- of actors_end.c ------------------------------------------------------------- */

void actors_end_init(struct actors *actors);
void actors_end_finish(struct actors *actors);

#endif
