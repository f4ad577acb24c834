/*
 * frozen -- tables that cannot be changed.
 *
 * A frozen table is an empty table whose metatable reads from another one, its
 * contents, and raises on every write; so reading costs one step more and stock Lua
 * needs no help to refuse. The contents never reach an app: functions that look at a
 * table raw (next, rawget, the codec) ask here for them. Modules are frozen by a proxy
 * in front of them, a table of an app in place, so that it stays the same table for
 * everybody who has it. A table frozen in place keeps what makes it a metatable
 * (`__index` and the like) in itself too, where Lua looks for it: a class whose table
 * is frozen works on, but a write to one of these fields isn't refused.
 */
#ifndef TROUPE_WORKER_FROZEN_H
#define TROUPE_WORKER_FROZEN_H

#include <stdbool.h>

#include <lua.h>

/* Pushes a read-only view of the table at idx; later changes of the table show. */
void frozen_push_proxy(lua_State *L, int idx);

/* Makes the table at idx itself read-only. Its metatable keeps working, but for
 * __newindex. Does nothing if it is frozen already. */
void frozen_freeze(lua_State *L, int idx);

/* Pushes the contents and returns true if the value at idx is a frozen table; else
 * pushes nothing. Needs two stack slots, raises nothing. */
bool frozen_push_contents(lua_State *L, int idx);

/* Pushes a field of the table at idx, frozen or not, as lua_rawget would; returns its
 * type. */
int frozen_get_field(lua_State *L, int idx, const char *name);

bool frozen_test(lua_State *L, int idx);

#endif
