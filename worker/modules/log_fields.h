/*
 * log_fields -- the fields of a log record as bytes that every reader of the log takes
 * (LG-2).
 *
 * Whatever an app logs, its record arrives: what is no plain data becomes text, what is
 * too long is cut or named by its size, and none of it costs the record its other
 * fields. A supervisor takes a record that it can't read for the work of a hostile
 * worker.
 */
#ifndef TROUPE_WORKER_MODULES_LOG_FIELDS_H
#define TROUPE_WORKER_MODULES_LOG_FIELDS_H

#include <stdbool.h>

#include <lua.h>

struct buf;

/* Appends the table at idx as one map, LOG_FIELDS_MAX_BYTES at most; pid and location
 * first, for they must be there. Functions and threads are left out. False: there is no
 * memory for it. */
bool log_fields_encode(lua_State *L, int idx, struct buf *out);

#endif
