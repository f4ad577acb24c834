/*
 * actors -- who watches whom across workers, and what their end means to each other.
 *
 * A watch between two actors of one worker never reaches the supervisor and dies with
 * that worker. What is known here are edges between workers: "watcher wants to hear the
 * end of target", as monitor, as link, or both. A link is two edges, one each way, so
 * that the death of either worker finds it. Edges of SPAWN are added with its REPLY
 * (actors_add_edge), those of WATCH wait for the REPLY of target's owner.
 *
 * Invariants:
 *  - An EXIT passes only along an edge and takes it away: exactly once, however the end
 *    came about (the actor's own EXIT, or the death of its worker).
 *  - The names of an actor are free before the first EXIT about it leaves.
 *  - An edge outlives GONE of its target until the EXIT that follows; what no EXIT
 *    claims (links of an actor that ended well) is swept a little later.
 *
 * The death of a worker costs O(edges that touch it), done in slices between other
 * work.
 *
 * Frames are checked against the worker that sent them: -1 means that no honest worker
 * sends this, and the caller ends that worker.
 */
#ifndef TROUPE_SUPERVISOR_ACTORS_H
#define TROUPE_SUPERVISOR_ACTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct err;
struct frame_exit;
struct frame_gone;
struct frame_signal;
struct frame_watch;
struct supervisor;
struct worker;

struct actors *actors_create(struct supervisor *sup);
void actors_destroy(struct actors *actors);

/* body = the whole body of the frame, borrowed. 0, or -1 for a hostile frame. */
int actors_on_watch(struct supervisor *sup, struct worker *from,
                    const struct frame_watch *frame, struct bytes body,
                    struct err *err);
int actors_on_exit(struct supervisor *sup, struct worker *from,
                   const struct frame_exit *frame, struct bytes body, struct err *err);
int actors_on_gone(struct supervisor *sup, struct worker *from,
                   const struct frame_gone *frame, struct err *err);
int actors_on_signal(struct supervisor *sup, struct worker *from,
                     const struct frame_signal *frame, struct bytes body,
                     struct err *err);

/* A monitored or linked SPAWN has succeeded; call this before its REPLY is passed on.
 * flags: enum spawn_flag. Nothing happens when both live in one worker. watcher may be
 * a control pid (index 0): its EXIT goes to services_on_exit(). */
void actors_add_edge(struct supervisor *sup, uint64_t watcher, uint64_t target,
                     uint8_t flags);

/* Takes both kinds of watch away without telling anybody but target's owner. */
void actors_remove_edge(struct supervisor *sup, uint64_t watcher, uint64_t target);

/* The worker is DEAD: all its frames have been routed, its liveness table is buried,
 * its slots are answered. Frees its actors' names and its bus subscriptions, then tells
 * watchers. reason: a sentence, as in worker.h. Borrows; needs worker->index only after
 * it has returned. */
void actors_on_worker_dead(struct supervisor *sup, struct worker *worker,
                           const char *reason);

/* By the liveness table of its worker; false for pids of the supervisor itself. */
bool actors_alive(const struct supervisor *sup, uint64_t pid);

/* Sends SIGNAL (enum signal_op) from the supervisor itself, with no answer wanted.
 * false = its worker is gone. from_host is the host text of `from`. */
bool actors_send_signal(struct supervisor *sup, uint64_t to, uint64_t from,
                        const char *from_host, uint8_t op, const char *reason);

#define ACTORS_MAX_EDGES 20000000
size_t actors_count_edges(const struct actors *actors);

#endif
