/*
 * groups -- process groups (processes.md section 13): who is a member of what.
 *
 * One table, in the supervisor, beside the names: entries of kind pg.scope are worlds
 * of their own, a scope's groups come and go with their members. Joining is counted; a
 * member that ends leaves by itself. Whoever asks sees the living only, from the moment
 * that a slot says dead; the rows of the dead are freed in slices between other work,
 * however many they are, and tell the watchers then.
 *
 * Workers hear of members by GROUP frames if one of their actors watches; the answer to
 * @pg.watch and the frames after it make one sequence, so a snapshot is exact.
 *
 * Members travel as {hosts = [text], members = bytes}: per membership 16 bytes, in the
 * machine's order: pid (8), index in hosts (4), how often it has joined (4).
 *
 * System targets, for workers: @pg.open [scope], @pg.join [scope, host, group...],
 * @pg.leave [scope, group...], @pg.members [scope, group] → members, @pg.groups [scope]
 * → list, @pg.watch [scope, group] → members, or with nil → {groups = [members and
 * name]}, @pg.unwatch [scope, group], @pg.broadcast [scope, group, topic, host,
 * payload, traceparent of a sender that is in a trace]. For people: @pg.list [scope,
 * group], both optional.
 */
#ifndef TROUPE_SUPERVISOR_GROUPS_H
#define TROUPE_SUPERVISOR_GROUPS_H

#include <stddef.h>
#include <stdint.h>

struct groups;
struct supervisor;

struct groups *groups_create(struct supervisor *sup); /* adds its targets */
void groups_destroy(struct groups *groups);           /* NULL is fine */

/* Rows of one sort, memberships or watches, in all; each costs about 200 bytes here. */
#define GROUPS_MAX_ROWS 2000000
size_t groups_count(const struct groups *groups); /* counted as often as they joined */

/* Called by actors.c. */
void groups_on_gone(struct groups *groups, uint64_t pid);
void groups_on_worker_dead(struct groups *groups, uint32_t index);

#endif
