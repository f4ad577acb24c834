/*
 * reload -- reads the sources from disk again and rolls out what has changed.
 *
 * supctl reload, SIGHUP and `supervisor dev` end up here. Files are read on the offload
 * thread; the change that makes the registry equal to them goes the way of every change
 * (rollout.h), with services restarted that run what it replaced. What is wrong with
 * the files, at any step, changes nothing. Entries that were made at run time stay,
 * unless a file has one of that id by now; entries of files that were changed at run
 * time are as the files say again.
 *
 * A reload may be of one entry and what it needs: then all else stays as it is, but for
 * what imports something of it. Files are read as a whole all the same, and have to be
 * in order.
 *
 * One reload is under way at a time. Who asks meanwhile for the same waits for the next
 * one, which all of them share: it reads the files after they asked.
 *
 * System target: @registry.reload [{dry_run, entry}]. Its answer: {version, changed,
 * dry_run, changes, affected, services, warnings} (rollout_plan.h); an error's details
 * hold {problems: list, see problems_describe()} and, where services didn't come back,
 * {result}.
 */
#ifndef TROUPE_SUPERVISOR_RELOAD_H
#define TROUPE_SUPERVISOR_RELOAD_H

#include <stdbool.h>

struct load_options;
struct reloads;
struct rollout_report;
struct supervisor;

/* load is borrowed. Adds the target to sup->system. */
struct reloads *reloads_create(struct supervisor *sup, const struct load_options *load);
void reloads_destroy(struct reloads *reloads); /* NULL is fine; after sup->offload */

/* The registry holds its first version: what was asked for before begins now. */
void reloads_open(struct reloads *reloads);

/* part: the id of an entry (registry_part.h), NULL: everything. done comes exactly
 * once, never from inside; not at all when the supervisor ends before. */
void reload_begin(struct reloads *reloads, const char *part, bool dry_run,
                  void (*done)(void *context, const struct rollout_report *report),
                  void *context);

/* The same for somebody who only reads the log. */
void reload_begin_logged(struct reloads *reloads);

#endif
