#include "worker/sandbox_lib.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "worker/sandbox.h"

static int string_of_text(lua_State *L)
{
    sandbox_text(L, 1);
    return sandbox_call_stock(L);
}

static int string_byte(lua_State *L)
{
    sandbox_text(L, 1);
    sandbox_integer(L, 2);
    sandbox_integer(L, 3);
    return sandbox_call_stock(L);
}

static int string_char(lua_State *L)
{
    int n = lua_gettop(L);

    for (int i = 1; i <= n; i++)
        sandbox_integer(L, i);
    return sandbox_call_stock(L);
}

/* find, match and gmatch: text, pattern, start. */
static int string_find(lua_State *L)
{
    sandbox_text(L, 1);
    sandbox_text(L, 2);
    sandbox_integer(L, 3);
    return sandbox_call_stock(L);
}

static int string_gsub(lua_State *L)
{
    sandbox_text(L, 1);
    sandbox_text(L, 2);
    sandbox_text(L, 3);
    sandbox_integer(L, 4);
    return sandbox_call_stock(L);
}

/* Fails before it asks for the memory: a huge result would push a state over its
 * ceiling where a smaller limit of its own gives the app an error to handle (L5). */
static int string_rep(lua_State *L)
{
    const struct sandbox_limits *limits = lua_touserdata(L, lua_upvalueindex(2));
    size_t n_text, n_separator = 0;
    lua_Integer n;

    sandbox_text(L, 1);
    sandbox_integer(L, 2);
    luaL_checklstring(L, 1, &n_text);
    n = luaL_checkinteger(L, 2);
    if (!lua_isnoneornil(L, 3)) {
        sandbox_text(L, 3);
        luaL_checklstring(L, 3, &n_separator);
    }
    if (n_text + n_separator == 0) {
        lua_pushliteral(L, ""); /* where stock Lua would count to n */
        return 1;
    }
    if (n > 0 && n_text + n_separator > limits->string_bytes / (size_t)n)
        return luaL_error(L, "resulting string too large");
    return sandbox_call_stock(L);
}

static int string_dump(lua_State *L)
{
    return luaL_error(L, "unable to dump given function");
}

/* ---- format and pack: which arguments are whole numbers is in the first one
 * ---------- */

static bool has_fraction(lua_State *L, int first)
{
    int n = lua_gettop(L);

    for (int i = first; i <= n; i++)
        if (lua_type(L, i) == LUA_TNUMBER && !lua_isinteger(L, i))
            return true;
    return false;
}

static int string_format(lua_State *L)
{
    const char *at;
    int arg = 1;

    sandbox_text(L, 1);
    if (lua_type(L, 1) != LUA_TSTRING || !has_fraction(L, 2))
        return sandbox_call_stock(L);
    for (at = lua_tostring(L, 1); (at = strchr(at, '%')) != NULL; at++) {
        at++;
        if (*at == '%')
            continue;
        at += strspn(at, "-+ #0123456789.");
        if (*at == '\0')
            break;
        arg++;
        if (strchr("cdiouxX", *at) != NULL)
            sandbox_integer(L, arg);
    }
    return sandbox_call_stock(L);
}

static int string_pack(lua_State *L)
{
    const char *at;
    int arg = 1;

    if (lua_type(L, 1) != LUA_TSTRING || !has_fraction(L, 2))
        return sandbox_call_stock(L);
    for (at = lua_tostring(L, 1); *at != '\0'; at++) {
        if (*at == 'X' && at[1] != '\0') {
            at++; /* aligns to the option that follows; takes no argument */
        } else if (strchr("bBhHlLjJTiI", *at) != NULL) {
            sandbox_integer(L, ++arg);
        } else if (strchr("fdnszc", *at) != NULL) {
            arg++;
        }
    }
    return sandbox_call_stock(L);
}

static int string_unpack(lua_State *L)
{
    sandbox_integer(L, 3);
    return sandbox_call_stock(L);
}

static const struct sandbox_wrap functions[] = {
    {"byte", string_byte, NULL},       {"char", string_char, NULL},
    {"dump", string_dump, NULL},       {"find", string_find, NULL},
    {"format", string_format, NULL},   {"gfind", string_find, "gmatch"},
    {"gmatch", string_find, NULL},     {"gsub", string_gsub, NULL},
    {"len", string_of_text, NULL},     {"match", string_find, NULL},
    {"pack", string_pack, NULL},       {"packsize", NULL, NULL},
    {"reverse", string_of_text, NULL}, {"sub", string_byte, NULL},
    {"unpack", string_unpack, NULL},   {NULL, NULL, NULL},
};

/* Strings find the methods in our table, and nobody gets at the metatable (L3). */
static void set_metatable(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void sandbox_push_string(lua_State *L)
{
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    lua_newtable(L);
    sandbox_copy(L, -2, functions);
    lua_getfield(L, -2, "rep");
    lua_pushlightuserdata(L, sandbox_limits(L));
    lua_pushcclosure(L, string_rep, 2);
    lua_setfield(L, -2, "rep");
    lua_getfield(L, -2, "lower");
    sandbox_wrap_case(L, false);
    lua_setfield(L, -2, "lower");
    lua_getfield(L, -2, "upper");
    sandbox_wrap_case(L, true);
    lua_setfield(L, -2, "upper");
    set_metatable(L);
    lua_remove(L, -2);
}
