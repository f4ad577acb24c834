/*
 * bus -- events for whoever subscribed (processes.md section 12).
 *
 * The supervisor is the sequencer: EVENT frames leave for every worker with a matching
 * pattern in the order in which they came, the sender's own worker included, so that
 * all see one order. A worker is sent each event once and spreads it among its own
 * subscriptions; patterns are counted per worker.
 *
 * A worker that doesn't read what it is sent stops those who publish what it asked for:
 * their events.send fails (RateLimited) until it has caught up, or died. Records of the
 * log (EV-7) pass it by meanwhile.
 *
 * Patterns (EV-3): "*" or "" = everything; text that ends in '*' = prefix; else
 * equality.
 *
 * System targets: @events.subscribe [system, kind], @events.unsubscribe [system, kind]
 * for workers, @events.follow [system, kind] streams {system, kind, path, data} items.
 */
#ifndef TROUPE_SUPERVISOR_BUS_H
#define TROUPE_SUPERVISOR_BUS_H

#include <stdbool.h>

#include "common/buf.h"

struct err;
struct frame_event;
struct supervisor;
struct value;
struct worker;

struct bus *bus_create(struct supervisor *sup);
void bus_destroy(struct bus *bus);

#define BUS_PATTERNS_MAX_PER_WORKER 100000
#define BUS_MAX_FOLLOWERS           64
unsigned bus_count_followers(const struct bus *bus);
size_t bus_count_subscriptions(const struct bus *bus);
uint64_t bus_count_events(const struct bus *bus); /* since ever */

/* An EVENT frame of a worker; body = its whole body, borrowed. -1 = hostile. */
int bus_on_event(struct supervisor *sup, struct worker *from,
                 const struct frame_event *frame, struct bytes body, struct err *err);

/* An event of the runtime itself (EV-7), e.g. "registry", "entry.create", id, entry.
 * data is borrowed; NULL or nil = no data. */
void bus_publish(struct supervisor *sup, const char *system, const char *kind,
                 const char *path, const struct value *data);

/* Called by actors.c. */
void bus_on_worker_dead(struct bus *bus, const struct worker *worker);

bool bus_pattern_matches(struct bytes pattern, struct bytes text);

#endif
