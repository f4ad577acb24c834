/*
 * logs -- the last 1,000 records, and whoever follows the next ones.
 *
 * Records of workers (LOG frames) and of the supervisor itself meet in common/log,
 * whose tap fills this ring. A follower that reads too slowly loses records and finds a
 * marker in their place; it never makes anybody wait. With
 * logmanager.stream_to_events they are events of the bus, too (EV-7): system "logs",
 * kind the level, path the logger.
 *
 * System targets: @logs.tail [{n, level, logger}] -> list of records, @logs.follow
 * [{n, level, logger}] streams them after the last n. A record is {at, level, logger,
 * message, fields}.
 */
#ifndef TROUPE_SUPERVISOR_LOGS_H
#define TROUPE_SUPERVISOR_LOGS_H

#include "common/buf.h"

struct err;
struct frame_log;
struct logs;
struct supervisor;

/* Adds its targets to sup->system and takes the tap of common/log. */
struct logs *logs_create(struct supervisor *sup);
void logs_destroy(struct logs *logs);

#define LOGS_MAX_FOLLOWERS 64
unsigned logs_count_followers(const struct logs *logs);
uint64_t logs_count_skipped(const struct logs *logs); /* records, since ever */

/* A LOG frame of a worker. -1 = hostile. */
int logs_on_frame(const struct frame_log *frame, struct err *err);

#endif
