/*
 * upgrade -- new code under an old pid, and word to those whose code has changed.
 *
 * process.upgrade() throws a run away and starts another one, of the same or of another
 * entry, that has the pid, and with it names, watchers, links and service; the context
 * and every message that nobody has received (processes.md UP-1). As the new code may
 * need a VM of its own, the pid moves to a new actor. While code is being fetched the
 * old one keeps it, with nothing left but its mailbox (ACTOR_UPGRADING).
 *
 * OUTDATED (UP-2) is made here too: the worker knows what its actors are made of. One
 * that nobody has received yet is the only one, and names everything that has changed.
 */
#ifndef TROUPE_WORKER_UPGRADE_H
#define TROUPE_WORKER_UPGRADE_H

#include "common/buf.h"

struct actor;
struct runtime;
struct value;

/* The actor, which runs, is replaced as soon as it yields. args = payload for the new
 * main, both are copied. -1: no memory. */
int upgrade_request(struct actor *actor, const char *entry, struct bytes args);

/* The scheduler's part, see enum doom. */
void upgrade_begin(struct actor *actor);

/* The code of these entries (a list of texts) has changed: tells those who want to
 * know. pids_out, the caller's, lists them: a supervisor need not restart what upgrades
 * itself. */
void upgrade_spread_news(struct runtime *rt, const struct value *ids,
                         struct value *pids_out);

/* The actor wants to know from now on; it may be late already. */
void upgrade_tell_late(struct actor *actor);

#endif
