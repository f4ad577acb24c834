/*
 * object -- userdata with methods that apps hold: one way to make and to recognise
 * them.
 *
 * A class is named by the address of a static struct: looking its metatable up by that
 * address costs a third of a look-up by name, and every receive does several.
 */
#ifndef TROUPE_WORKER_OBJECT_H
#define TROUPE_WORKER_OBJECT_H

#include <stdbool.h>

#include <lauxlib.h>
#include <lua.h>

struct buf;

struct object_class {
    const char *name; /* in argument errors */
};

/* Makes the class's metatable in this state, unless it is there: methods (NULL: none)
 * behind __index, to_string behind __tostring unless it is NULL, hidden from apps.
 * Pushes nothing. True: it was made just now. */
bool object_define(lua_State *L, const struct object_class *class,
                   const luaL_Reg *methods, lua_CFunction to_string);

/* The same with any metamethods: "__gc", "__index" and the like. When that raises for
 * lack of memory, no class is there that lacks some of them. */
bool object_define_events(lua_State *L, const struct object_class *class,
                          const luaL_Reg *methods, const luaL_Reg *events);

/* Pushes the table of the methods of a class that was made. */
void object_push_methods(lua_State *L, const struct object_class *class);

/* Makes the userdata on top one of the class. */
void object_bless(lua_State *L, const struct object_class *class);

/* The userdata at idx, NULL when it is none of the class. */
void *object_test(lua_State *L, int idx, const struct object_class *class);

/* The same; raises an argument error instead. */
void *object_check(lua_State *L, int idx, const struct object_class *class);

/* For userdata that no app sees: the one on top is given this __gc. */
void object_set_collector(lua_State *L, lua_CFunction collect);

/* Pushes a buffer, empty and without a limit: it goes with its userdata, also when an
 * error is raised. */
struct buf *object_push_buf(lua_State *L);

#endif
