/*
 * mod_expr -- the Lua module `expr`: evaluates expressions of text (modules.md), by the
 * engine of common/expr.h that policies have too.
 *
 * A program that an app holds is its text. What that was compiled to is kept beside it,
 * the MOD_EXPR_KEPT used last in each Lua state and MOD_EXPR_KEPT_BYTES at most,
 * because Lua's ceiling on memory doesn't count it; what was dropped is compiled again.
 */
#ifndef TROUPE_WORKER_MODULES_MOD_EXPR_H
#define TROUPE_WORKER_MODULES_MOD_EXPR_H

#include <lua.h>

#define MOD_EXPR_KEPT       1000
#define MOD_EXPR_KEPT_BYTES ((size_t)32 << 20)

int mod_expr_open(lua_State *L); /* pushes the module table */

#endif
