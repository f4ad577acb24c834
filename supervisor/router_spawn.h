/*
 * router_spawn -- SPAWN on its way: host and entry looked up, a name claimed, edges and
 * the name's owner noted before its REPLY goes out.
 *
 * A spawn whose name another spawn is about to claim waits here for the outcome; one
 * whose name has a living owner starts nobody: its messages and watches go to that
 * owner (processes.md SP-6).
 */
#ifndef TROUPE_SUPERVISOR_ROUTER_SPAWN_H
#define TROUPE_SUPERVISOR_ROUTER_SPAWN_H

#include <stdbool.h>

#include "common/buf.h"

struct err;
struct origin;
struct router;
struct supervisor;
struct worker;

struct router *router_spawn_create(struct supervisor *sup);
void router_spawn_destroy(struct router *router);

/* false when no such spawn waits here. */
bool router_spawn_cancel(struct supervisor *sup, const struct origin *origin);
void router_spawn_origin_gone(struct supervisor *sup, const struct worker *worker);

/* Spawns that wait for a name at a time; more of them fail (RATE_LIMITED). */
#define SPAWNS_MAX_WAITING 10000
size_t router_spawn_count_waiting(const struct router *router);

/* An error with details {key = about}. */
void router_fail_about(const struct origin *origin, const struct err *err,
                       const char *key, struct bytes about);

#endif
