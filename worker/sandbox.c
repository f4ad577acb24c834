#include "worker/sandbox.h"

#include <math.h>

#include <lauxlib.h>
#include <lualib.h>

#include "common/clock.h"
#include "common/mem.h"

#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/modules/payload.h"
#include "worker/sandbox_lib.h"

#define SEAL_DEPTH           4 /* globals, modules, what is in them, and in that */
#define STRING_BYTES_DEFAULT ((size_t)64 * 1024 * 1024)

/* Their addresses are the keys of the registry. */
static const char globals_key, env_metatable_key, limits_key;

/* ---- helpers for the libraries --------------------------------------------------- */

void sandbox_truncate(lua_State *L, int idx)
{
    lua_Number number;
    lua_Integer integer = 0; /* what NaN becomes */
    int is_integer;

    lua_tointegerx(L, idx, &is_integer);
    if (is_integer || !lua_isnumber(L, idx))
        return;
    number = trunc(lua_tonumber(L, idx));
    if (number >= 0x1p63)
        integer = LUA_MAXINTEGER;
    else if (number < -0x1p63)
        integer = LUA_MININTEGER;
    else if (number == number)
        integer = (lua_Integer)number;
    lua_pushinteger(L, integer);
    lua_replace(L, idx);
}

void sandbox_copy(lua_State *L, int from, const struct sandbox_wrap *rows)
{
    from = lua_absindex(L, from);
    for (; rows->name != NULL; rows++) {
        lua_getfield(L, from, rows->stock_name != NULL ? rows->stock_name : rows->name);
        if (rows->wrapper != NULL)
            lua_pushcclosure(L, rows->wrapper, 1);
        lua_setfield(L, -2, rows->name);
    }
}

struct sandbox_limits *sandbox_limits(lua_State *L)
{
    struct sandbox_limits *limits;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &limits_key);
    limits = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return limits;
}

/* ---- base functions -------------------------------------------------------------- */

static int base_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (frozen_push_contents(L, 1))
        lua_replace(L, 1);
    if (lua_next(L, 1) != 0)
        return 2;
    lua_pushnil(L);
    return 1;
}

/* Upvalue: next. Raw, without __pairs (LUA-23). */
static int base_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int ipairs_step(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 2);

    luaL_checktype(L, 1, LUA_TTABLE);
    if (frozen_push_contents(L, 1))
        lua_replace(L, 1);
    i = (lua_Integer)((lua_Unsigned)i + 1); /* wraps, as stock Lua's does */
    lua_pushinteger(L, i);
    return lua_rawgeti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

static int base_ipairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushcfunction(L, ipairs_step);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static bool is_env(lua_State *L, int idx)
{
    bool same;

    if (!lua_getmetatable(L, idx))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &env_metatable_key);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* To an app an environment is one table with the shared globals (LUA-30): code that is
 * to run anywhere asks for rawget(_G, "unpack"). */
static int base_rawget(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (frozen_push_contents(L, 1))
        lua_replace(L, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 1) == LUA_TNIL && is_env(L, 1)) {
        sandbox_push_globals(L);
        lua_pushvalue(L, 2);
        lua_rawget(L, -2);
    }
    return 1;
}

static int base_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (frozen_test(L, 1))
        return luaL_error(L, "attempt to modify Immutable table");
    return sandbox_call_stock(L);
}

static int base_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_type(L, 1) == LUA_TNUMBER || !lua_getmetatable(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    if (luaL_getmetafield(L, 1, "__metatable") == LUA_TBOOLEAN && frozen_test(L, 1))
        lua_pushnil(L); /* had none before it was frozen */
    return 1;
}

/* Hides __gc from the stock function: Lua looks for it once, here, and what has no
 * finaliser now never gets one. A finaliser runs at any allocation of anybody in the
 * state, and no hook can end one that loops. */
static int base_setmetatable(lua_State *L)
{
    int n_results;

    if (lua_type(L, 2) != LUA_TTABLE)
        return sandbox_call_stock(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) == LUA_TNIL) {
        lua_settop(L, 2);
        return sandbox_call_stock(L);
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_pushliteral(L, "__gc");
    lua_pushnil(L);
    lua_rawset(L, 2);
    lua_pushvalue(L, 2);
    n_results = lua_setmetatable(L, 1);
    lua_pushliteral(L, "__gc");
    lua_pushvalue(L, 3);
    lua_rawset(L, 2);
    lua_settop(L, 1);
    return n_results;
}

static int base_select(lua_State *L)
{
    sandbox_integer(L, 1);
    return sandbox_call_stock(L);
}

static int base_tonumber(lua_State *L)
{
    if (!lua_isnoneornil(L, 2))
        sandbox_integer(L, 2);
    return sandbox_call_stock(L);
}

static const struct sandbox_wrap base_functions[] = {
    {"assert", NULL, NULL},
    {"error", NULL, NULL},
    {"getmetatable", base_getmetatable, NULL},
    {"ipairs", base_ipairs, NULL},
    {"next", base_next, NULL},
    {"pcall", NULL, NULL},
    {"rawequal", NULL, NULL},
    {"rawget", base_rawget, NULL},
    {"rawset", base_rawset, NULL},
    {"select", base_select, NULL},
    {"setmetatable", base_setmetatable, NULL},
    {"tonumber", base_tonumber, NULL},
    {"tostring", NULL, NULL},
    {"type", NULL, NULL},
    {"xpcall", NULL, NULL},
    {NULL, NULL, NULL},
};

/* Empties the table on top. */
static void clear_table(lua_State *L)
{
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, -4);
    }
}

/* Fills the table on top with the base functions. Stock Lua puts them, and the loaders
 * with them, into the state's own global table; that is left empty. */
static void add_base(lua_State *L)
{
    lua_pushcfunction(L, luaopen_base);
    lua_call(L, 0, 1);
    lua_insert(L, -2);
    sandbox_copy(L, -2, base_functions);
    lua_getfield(L, -1, "next");
    lua_pushcclosure(L, base_pairs, 1);
    lua_setfield(L, -2, "pairs");
    lua_insert(L, -2);
    clear_table(L);
    lua_pop(L, 1);
}

/* ---- small libraries ------------------------------------------------------------- */

static const struct sandbox_wrap coroutine_functions[] = {
    {"create", NULL, NULL}, {"isyieldable", NULL, NULL}, {"running", NULL, NULL},
    {"status", NULL, NULL}, {"yield", NULL, NULL},       {NULL, NULL, NULL},
};

static void push_coroutine(lua_State *L)
{
    lua_pushcfunction(L, luaopen_coroutine);
    lua_call(L, 0, 1);
    lua_newtable(L);
    sandbox_copy(L, -2, coroutine_functions);
    lua_remove(L, -2);
}

static int package_loadlib(lua_State *L)
{
    return errors_return(L, ERR_PERMISSION_DENIED, "package.loadlib is not available");
}

static int package_seeall(lua_State *L)
{
    (void)L;
    return 0;
}

/* There so that code which looks at package.path doesn't fail; nothing consults it. */
static void push_package(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"loadlib", package_loadlib},
        {"seeall", package_seeall},
        {NULL, NULL},
    };

    luaL_newlib(L, functions);
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "path");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "cpath");
}

/* ---- putting it together --------------------------------------------------------- */

static void make_limits(lua_State *L)
{
    struct sandbox_limits *limits = lua_newuserdatauv(L, sizeof(*limits), 0);

    *limits = (struct sandbox_limits){
        .string_bytes = STRING_BYTES_DEFAULT,
        .started_at_ns = clock_monotonic_ns(),
    };
    lua_rawsetp(L, LUA_REGISTRYINDEX, &limits_key);
}

/* All environments share a metatable: globals, then nothing. Takes the globals'
 * index. */
static void make_env_metatable(lua_State *L, int globals)
{
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, globals);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &env_metatable_key);
}

void sandbox_open(lua_State *L)
{
    static const struct {
        const char *name;
        void (*push)(lua_State *L);
    } libraries[] = {
        {"coroutine", push_coroutine},   {"math", sandbox_push_math},
        {"os", sandbox_push_os},         {"package", push_package},
        {"string", sandbox_push_string}, {"table", sandbox_push_table},
    };

    luaL_checkstack(L, 20, NULL);
    make_limits(L);
    lua_newtable(L);
    make_env_metatable(L, lua_gettop(L));
    add_base(L);
    for (size_t i = 0; i < N_ELEMENTS(libraries); i++) {
        libraries[i].push(L);
        lua_setfield(L, -2, libraries[i].name);
    }
    sandbox_set_number_metatable(L);
    errors_open(L);
    lua_setfield(L, -2, "errors");
    payload_open(L);
    lua_setfield(L, -2, "payload");
    lua_getfield(L, -1, "table");
    lua_getfield(L, -1, "unpack");
    lua_setfield(L, -3, "unpack");
    lua_pop(L, 1);
    lua_pushliteral(L, "Lua 5.3 - Wippy Modification");
    lua_setfield(L, -2, "_VERSION");
    lua_pushliteral(L, "GopherLua 0.2 Wippy Edition");
    lua_setfield(L, -2, "_GOPHER_LUA_VERSION");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
}

/* Freezes the tables in the table on top, and those in them: process.registry is as
 * shared as process. Recursion is bounded by depth. */
static void freeze_fields(lua_State *L, int depth) /* NOLINT(misc-no-recursion) */
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        if (lua_type(L, -1) == LUA_TTABLE && !frozen_test(L, -1)) {
            if (depth > 1)
                freeze_fields(L, depth - 1);
            lua_pushvalue(L, -2);
            frozen_push_proxy(L, -2);
            lua_rawset(L, -5); /* another value for a key that is there: allowed */
        }
        lua_pop(L, 1);
    }
}

void sandbox_seal(lua_State *L)
{
    sandbox_push_globals(L);
    freeze_fields(L, SEAL_DEPTH);
    lua_pop(L, 1);
}

void sandbox_push_globals(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key);
}

void sandbox_push_env(lua_State *L, bool wants_G)
{
    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &env_metatable_key);
    lua_setmetatable(L, -2);
    if (wants_G) {
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "_G");
    }
}
