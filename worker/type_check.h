/*
 * type_check -- does a Lua value have a declared type?
 *
 * Looks at plain contents only: no metamethod runs. What has no meaning at run time
 * (conditional types, typeof, type parameters without an argument, names that nobody
 * declared) accepts everything. Depth is bounded.
 */
#ifndef TROUPE_WORKER_TYPE_CHECK_H
#define TROUPE_WORKER_TYPE_CHECK_H

#include <stdbool.h>

#include <lua.h>

struct program;
struct unit;
struct value;

#define TYPE_CHECK_TEXT_BYTES 300

/* A type with the place that its names are looked up in. All borrowed. */
struct checked_type {
    const struct program *program; /* whose imports "lib.Name" may mean; may be NULL */
    const struct unit *unit;       /* that declared it; NULL for primitives */
    const char *name;              /* NULL: a part of another type */
    const struct value *node;      /* see type_tree.h; NULL: the primitive `name` */
    const struct value *params;    /* names of its type parameters, or NULL */
};

/* Is the value at idx of that type? why gets the reason when it isn't: which field,
 * what was expected. */
bool type_check(lua_State *L, int idx, const struct checked_type *type,
                char why[TYPE_CHECK_TEXT_BYTES]);

/* What a name stands for, or the type itself. */
struct checked_type type_resolve(const struct checked_type *type);

#endif
