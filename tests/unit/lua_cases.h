/*
 * lua_cases -- runs Lua snippets against one module in a fresh, bare state.
 *
 * A snippet sees the module as a global of its name and three functions more:
 * eq(got, want), fails(kind, text, nil, err) for results of fallible functions, and
 * raises(pattern, function, ...).
 */
#ifndef TROUPE_TESTS_LUA_CASES_H
#define TROUPE_TESTS_LUA_CASES_H

#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "tests/unit/unit.h"

static const char lua_case_prelude[] =
    "function eq(got, want)\n"
    "  if got ~= want or math.type(got) ~= math.type(want) then\n"
    "    error(string.format('got %s, want %s', tostring(got), tostring(want)), 2)\n"
    "  end\n"
    "end\n"
    "function fails(kind, text, value, err)\n"
    "  eq(value, nil)\n"
    "  if err == nil then error('no error', 2) end\n"
    "  eq(err:message(), text)\n"
    "  eq(err:kind(), kind)\n"
    "  eq(err:retryable(), false)\n"
    "end\n"
    "function raises(pattern, f, ...)\n"
    "  local ok, err = pcall(f, ...)\n"
    "  if ok or not tostring(err):find(pattern) then\n"
    "    error('raised ' .. tostring(err), 2)\n"
    "  end\n"
    "end\n";

static inline lua_State *lua_case_open(lua_CFunction open, const char *name)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    ck_assert_int_eq(luaL_dostring(L, lua_case_prelude), LUA_OK);
    lua_pushcfunction(L, open);
    ck_assert_int_eq(lua_pcall(L, 0, 1, 0), LUA_OK);
    lua_setglobal(L, name);
    return L;
}

static inline void lua_case_run(lua_CFunction open, const char *name, const char *chunk)
{
    lua_State *L = lua_case_open(open, name);
    int status = luaL_loadbuffer(L, chunk, strlen(chunk), "=case");

    if (status == LUA_OK)
        status = lua_pcall(L, 0, 0, 0);
    ck_assert_msg(status == LUA_OK, "%s\n%s", luaL_tolstring(L, -1, NULL), chunk);
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
    lua_close(L);
}

#endif
