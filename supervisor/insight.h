/*
 * insight -- what apps may ask about the program that runs them (processes.md SY-*).
 *
 * System targets, for workers: @system.figures -> one map of numbers and texts, memory
 * and actors summed over all workers but the one that asks (it knows its own better);
 * @system.hosts -> a record for each process.host; @locks.acquire [name] and
 * @locks.release [name], which the calling actor holds until its end.
 */
#ifndef TROUPE_SUPERVISOR_INSIGHT_H
#define TROUPE_SUPERVISOR_INSIGHT_H

struct supervisor;

/* Adds its targets to sup->system; needs sup->locks. */
void insight_add_targets(struct supervisor *sup);

#endif
