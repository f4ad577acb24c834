/*
 * types -- declared types as values (TYPE-21), for apps compiled with
 * lua.type_system.enabled.
 *
 * The compile worker describes the types that a unit declares (type_tree.h). Before the
 * unit's chunk runs they become globals of the actor, unless it has one of that name,
 * and afterwards fields of the table that a library returned. A type can be called to
 * check a value, asked with `T:is(v)`, and looked into. Type values are immutable and
 * shared by the actors of a VM; they borrow the unit's description.
 */
#ifndef TROUPE_WORKER_TYPES_H
#define TROUPE_WORKER_TYPES_H

#include <lua.h>

struct program;
struct unit;

/* Makes what every chunk of such a program sees: type(), integer(v), string(v) and so
 * on. Before and after the libraries are sealed. */
void types_open(lua_State *L, const struct program *program);
void types_seal(lua_State *L);

/* Sets the globals for unit in the environment at idx. Raises only for lack of
 * memory. */
void types_bind(lua_State *L, int env, const struct unit *unit);

/* Adds the unit's types to the table on top, the value of its chunk, if it is one. */
void types_export(lua_State *L, const struct unit *unit);

#endif
