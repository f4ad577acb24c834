/* sandbox_cases -- runs chunks in a state that has what apps see and nothing else. */
#ifndef TROUPE_TESTS_SANDBOX_CASES_H
#define TROUPE_TESTS_SANDBOX_CASES_H

#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "worker/sandbox.h"

#include "tests/unit/unit.h"

static inline lua_State *open_sandbox(void)
{
    lua_State *L = luaL_newstate();

    sandbox_open(L);
    sandbox_seal(L);
    ck_assert_int_eq(lua_gettop(L), 0);
    return L;
}

/* Runs a chunk as an actor would, in a new environment; its results stay on the
 * stack. */
static inline int run_in_sandbox(lua_State *L, const char *source)
{
    int status = luaL_loadbufferx(L, source, strlen(source), "=app:test", "t");

    if (status != LUA_OK)
        return status;
    sandbox_push_env(L, true);
    lua_setupvalue(L, -2, 1);
    return lua_pcall(L, 0, LUA_MULTRET, 0);
}

/* A chunk that must not fail. */
static inline void check_in_sandbox(lua_State *L, const char *source)
{
    if (run_in_sandbox(L, source) != LUA_OK)
        ck_abort_msg("%s\n%s", luaL_tolstring(L, -1, NULL), source);
}

#endif
