/*
 * modules -- which Lua modules there are, and what an entry may see of them.
 *
 * One row per module; adding one touches modules.c and its own file only. The rows that
 * are always there (REQ-01 rule 5) need no listing in an entry's `modules`.
 */
#ifndef TROUPE_WORKER_MODULES_H
#define TROUPE_WORKER_MODULES_H

#include <stddef.h>

#include <lua.h>

/* Opens the modules named (and those that are always there) as globals of the sandbox,
 * which is not sealed yet, and `require`. Unknown names are left out: a `require` of
 * them fails. */
void modules_open(lua_State *L, const char *const *names, int n_names);

/* The name of the i-th module there is, by name; NULL: there are fewer. */
const char *modules_name(size_t i);

#endif
