/*
 * relations -- who watches an actor and whom it watches: monitors and links.
 *
 * Pairs of actors of this worker are known here alone. A pair across workers has its
 * halves in both and an edge in the supervisor, which delivers EXIT when this whole
 * worker dies (processes.md MP-5).
 */
#ifndef TROUPE_WORKER_RELATIONS_H
#define TROUPE_WORKER_RELATIONS_H

#include <stdbool.h>
#include <stdint.h>

struct actor;
struct outcome;
struct runtime;

enum relation { RELATION_MONITOR = 1, RELATION_LINK = 2 };

/* false when there is that relation already. Both ends of this worker: call for either
 * with the other's pid; for a link call both ways. */
bool relations_add_watcher(struct actor *target, uint64_t watcher,
                           enum relation relation);
bool relations_add_watched(struct actor *watcher, uint64_t target,
                           enum relation relation);
void relations_remove_watcher(struct actor *target, uint64_t watcher,
                              enum relation relation);
void relations_remove_watched(struct actor *watcher, uint64_t target,
                              enum relation relation);
bool relations_has_watched(const struct actor *watcher, uint64_t target,
                           enum relation relation);

/* Both ends live here. false: already there. */
bool relations_join(struct actor *watcher, struct actor *target,
                    enum relation relation);

/* watcher, of this worker or gone, hears of target's end no more. */
void relations_part(struct runtime *rt, uint64_t watcher, struct actor *target);

/* actor has ended and its pid is dead: EXIT and LINK_DOWN to all who watch it, and what
 * it watched forgets it. Frees everything. Where there are very many of them most are
 * left to relations_go_on(). */
void relations_end(struct actor *actor, uint64_t pid, const struct outcome *outcome);

/* At most so many pairs of what is left, if anything is. */
void relations_go_on(struct runtime *rt, unsigned most);
#define RELATIONS_PER_TURN 1000u

/* All that is left. */
void relations_finish(struct runtime *rt);

#endif
