/*
 * time_values -- Time, Duration and Location as apps hold them, and the module `time`
 * without what needs a scheduler (processes.md section 11).
 *
 * All three are immutable userdata; their metatables are hidden (`getmetatable` gives
 * false). A Time borrows its zone: named zones live as long as the Lua state (see
 * zone.h), a fixed zone is kept by the Location that the Time refers to. Each function
 * needs a protected call around it, as anything that allocates in Lua.
 */
#ifndef TROUPE_WORKER_MODULES_TIME_VALUES_H
#define TROUPE_WORKER_MODULES_TIME_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "worker/modules/calendar.h"

struct object_class;
struct zone;
struct zones;

struct time_value {
    struct instant at;
    int64_t mono_ns;         /* 0 = none */
    const struct zone *zone; /* borrowed, see above */
};

/* Pushes the module table: plain, so that others can add to it and freeze it. */
int time_open(lua_State *L);

/* Pushes a Time. zone must outlive the Lua state's objects (those of time_zones or
 * zone_utc do); NULL means local time. */
void time_push(lua_State *L, int64_t wall_ns, int64_t mono_ns, const struct zone *zone);

/* The current Time: wall clock, monotonic clock, local zone. */
void time_push_now(lua_State *L);

void time_push_duration(lua_State *L, int64_t ns);

/* Takes nanoseconds, text ("1h30m") or a Duration. Otherwise pushes nil and an
 * Error. */
bool time_check_duration(lua_State *L, int idx, int64_t *ns_out);

/* The same, but raises an argument error. */
int64_t time_need_duration(lua_State *L, int idx);

/* NULL when the value at idx is no Time. Borrowed from the object. */
const struct time_value *time_test(lua_State *L, int idx);

/* This Lua state's zones, made on first use. Borrowed. */
struct zones *time_zones(lua_State *L);

/* ---- Between time_values.c, time_object.c and mod_time.c ---- */

/* Pushes a Time whose zone belongs to the Location or Time at zone_idx. */
void time_push_in_zone_of(lua_State *L, struct instant at, int64_t mono_ns,
                          int zone_idx);

void time_push_location(lua_State *L, const struct zone *zone);
const struct zone *time_test_location(lua_State *L, int idx);

/* Pushes a Location that keeps its own copy of a fixed zone; returns that copy. */
const struct zone *time_push_fixed(lua_State *L, const struct zone *fixed);

/* Integers as apps pass them: a float loses its fraction and stays in range. */
int64_t time_need_integer(lua_State *L, int idx);

extern const struct object_class time_class, time_duration_class;

/* Makes the class of Times unless it is there. */
void time_object_define(lua_State *L);

#endif
