/*
 * actor_targets -- what operators do with actors: list, inspect, message, end, start.
 *
 * Workers know their actors; these targets ask them and put the answers together.
 *
 * System targets: @actors.list, @actors.inspect [pid|name], @actors.terminate
 * [pid|name], @actors.cancel [pid|name, reason], @actors.send [pid|name, topic,
 * values...], @actors.spawn [entry, host, args, name]; @actors.host [pid] is for
 * workers.
 */
#ifndef TROUPE_SUPERVISOR_ACTOR_TARGETS_H
#define TROUPE_SUPERVISOR_ACTOR_TARGETS_H

struct supervisor;

void actor_targets_add(struct supervisor *sup);

#endif
