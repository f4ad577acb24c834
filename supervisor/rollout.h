/*
 * rollout -- makes a change of the registry true: all of it, in one version, or
 * nothing.
 *
 * Every change after the first version goes through here, whoever asks for it (Lua's
 * changes:apply(), supctl, a reload): one after the other, in the order in which they
 * came. What one does, each step begun by the end of the one before:
 *
 *     prepare    work the change out against the present state, check all of it
 *     compile    the sources that changed
 *     start      new pools for the functions that changed or import what changed; they
 *                load the new code, and nobody finds them yet
 *     record     write it to the history, where that is kept on disk
 *     commit     the new version; new pools take over, old ones end with their calls
 *     tell       every worker forgets the old code (code_news.h)
 *     restart    services that still run old code, when the request says so
 *
 * Up to the commit a failure leaves everything as it was, and the reason is told. From
 * "tell" on nobody starts old code any more; what runs already runs on.
 *
 * Asked while the supervisor stops, a change is refused; one that isn't committed then
 * is given up (Unavailable).
 */
#ifndef TROUPE_SUPERVISOR_ROLLOUT_H
#define TROUPE_SUPERVISOR_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

struct changeset;
struct err;
struct problems;
struct rollouts;
struct supervisor;
struct value;

/* How a change went. All borrowed. */
struct rollout_report {
    const struct err *err;           /* NULL: as asked */
    const struct problems *problems; /* what is wrong, by place; warnings too */
    bool committed;
    uint64_t version; /* the present one, when committed */
    /* {changes: [{id, op, kind, effect}], affected: [{id, kind, effect}],
     *  services: [{id, effect, error}]}, see rollout_plan.h; nil when nothing was
     * prepared */
    const struct value *plan;
};

struct rollout_request {
    /* Its turn has come: works the change out. NULL: err says why not, and problems if
     * it likes. A changeset without changes that switches to no version ends well,
     * without a new version. */
    struct changeset *(*prepare)(void *context, struct problems *problems,
                                 struct err *err);
    /* The end; context is the requester's again. */
    void (*done)(void *context, const struct rollout_report *report);
    void (*drop)(void *context); /* the supervisor ends before that */
    void *context;
    bool dry_run;  /* up to and with "compile" */
    bool restarts; /* restart services that run old code */
};

struct rollouts *rollouts_create(struct supervisor *sup);
void rollouts_destroy(struct rollouts *rollouts); /* NULL is fine */

/* Call once, when the registry holds its first version and the pools are made. */
void rollouts_open(struct rollouts *rollouts);

/* The supervisor stops: gives up what isn't committed, refuses what comes. */
void rollouts_close(struct rollouts *rollouts);

/* So many changes of apps may wait for their turn: an operator's comes behind them. */
#define ROLLOUTS_MAX_WAITING 100
unsigned rollouts_count_waiting(const struct rollouts *rollouts);

/* done comes exactly once (or drop), later: never from inside. */
void rollout_begin(struct rollouts *rollouts, const struct rollout_request *request);

#endif
