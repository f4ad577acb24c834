/*
 * sandbox_lib -- shared by the files that wrap a stock library; no business of others.
 *
 * A wrapper is a C closure whose first upvalue is the stock function. It repairs the
 * arguments in place and then calls that function in its own frame, so that a call
 * costs no second frame and argument errors name the right function.
 */
#ifndef TROUPE_WORKER_SANDBOX_LIB_H
#define TROUPE_WORKER_SANDBOX_LIB_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "worker/modules/errors.h"

/* Each pushes a library's table. */
void sandbox_push_string(lua_State *L); /* and gives strings their metatable */
void sandbox_push_table(lua_State *L);
void sandbox_push_math(lua_State *L);
void sandbox_push_os(lua_State *L);

/* Of the functions that an app's function goes into and may block (LUA-34): sort with a
 * comparator at index 2; gsub with a function at index 3, find is where string.find
 * is. */
int sandbox_sort(lua_State *L);
int sandbox_gsub(lua_State *L, int find);

/* What Lua asks before it refuses bitwise operators on fractions (LUA-20). */
void sandbox_set_number_metatable(lua_State *L);

/* Pushes lower or upper for UTF-8 text around the stock function on top, which goes. */
void sandbox_wrap_case(lua_State *L, bool upper);

/* A function of a stock library, by its name or under another one; NULL: as it is. */
struct sandbox_wrap {
    const char *name;
    lua_CFunction wrapper;
    const char *stock_name; /* NULL: name */
};

/* Copies what the rows name from the stock table at index `from` to the table on
 * top. */
void sandbox_copy(lua_State *L, int from, const struct sandbox_wrap *rows);

/* Truncates the number at idx towards zero (LUA-41); see sandbox_integer(). */
void sandbox_truncate(lua_State *L, int idx);

static inline int sandbox_call_stock(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Makes an argument fit for a whole-number parameter; free of cost if it is one. What
 * is no number stays, for the stock function to complain about. */
static inline void sandbox_integer(lua_State *L, int idx)
{
    if (!lua_isinteger(L, idx) && !lua_isnoneornil(L, idx))
        sandbox_truncate(L, idx);
}

/* Makes an argument fit for a text parameter: an Error becomes its message (C-1). */
static inline void sandbox_text(lua_State *L, int idx)
{
    size_t n;
    const char *message;

    if (lua_type(L, idx) == LUA_TUSERDATA && errors_test(L, idx)) {
        message = errors_message(L, idx, &n);
        lua_pushlstring(L, message, n);
        lua_replace(L, idx);
    }
}

#endif
