/* system.memory and system.gc (SY-3 to SY-5). */
#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"

#include "worker/ask.h"
#include "worker/inspect.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_system.h"
#include "worker/vm.h"

#define PAUSE_MAX 1000 /* what the interpreter can remember */

static int with_integer(lua_State *L, lua_Integer number)
{
    lua_pushinteger(L, number);
    lua_pushnil(L);
    return 2;
}

/* ---- memory ---------------------------------------------------------------------- */

static const char *const stats_keys[] = {
    "alloc",     "total_alloc",  "sys",           "heap_alloc",   "heap_sys",
    "heap_idle", "heap_in_use",  "heap_released", "heap_objects", "stack_in_use",
    "stack_sys", "mspan_in_use", "mspan_sys",     "num_gc",       "next_gc"};

static void set(lua_State *L, int idx, const char *key, lua_Integer number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, idx, key);
}

/* Expects the reply of @system.figures as a table at idx; what is in Lua heaps. */
static lua_Integer heap_bytes(lua_State *L, int idx)
{
    lua_Integer others;

    lua_getfield(L, idx, "other_heap_bytes");
    others = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return others + inspect_heap_bytes(vm_of(L)->rt);
}

static int got_stats(lua_State *L, int status, lua_KContext ctx)
{
    static const char *const in_heaps[] = {"alloc", "heap_alloc", "heap_in_use"};
    lua_Integer heap, sys;

    (void)status, (void)ctx;
    lua_settop(L, 0);
    ask_result(L);
    if (lua_isnil(L, 1))
        return 2;
    heap = heap_bytes(L, 1);
    lua_getfield(L, 1, "rss_bytes");
    sys = lua_tointeger(L, -1);
    lua_createtable(L, 0, N_ELEMENTS(stats_keys));
    for (size_t i = 0; i < N_ELEMENTS(stats_keys); i++)
        set(L, lua_gettop(L), stats_keys[i], 0);
    for (size_t i = 0; i < N_ELEMENTS(in_heaps); i++)
        set(L, lua_gettop(L), in_heaps[i], heap);
    set(L, lua_gettop(L), "sys", sys > heap ? sys : heap);
    set(L, lua_gettop(L), "heap_sys", sys > heap ? sys : heap);
    lua_pushnil(L);
    return 2;
}

static int got_allocated(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_settop(L, 0);
    ask_result(L);
    return lua_isnil(L, 1) ? 2 : with_integer(L, heap_bytes(L, 1));
}

static int memory_stats(lua_State *L)
{
    if (system_refuse(L, "system.read", "memory") != 0)
        return 2;
    return ask_system(L, "@system.figures", 1, 0, 0, got_stats);
}

static int memory_allocated(lua_State *L)
{
    if (system_refuse(L, "system.read", "memory") != 0)
        return 2;
    return ask_system(L, "@system.figures", 1, 0, 0, got_allocated);
}

/* The interpreter counts bytes, no objects. */
static int memory_heap_objects(lua_State *L)
{
    if (system_refuse(L, "system.read", "memory") != 0)
        return 2;
    return with_integer(L, 0);
}

static int memory_get_limit(lua_State *L)
{
    if (system_refuse(L, "system.read", "memory_limit") != 0)
        return 2;
    return with_integer(L, vm_of(L)->asked_bytes);
}

/* Where it comes from, a limit makes the collector work harder and fails nothing. */
static int memory_set_limit(lua_State *L)
{
    struct vm *vm = vm_of(L);
    int64_t old = vm->asked_bytes;
    lua_Integer limit;

    if (system_refuse(L, "system.control", "memory_limit") != 0)
        return 2;
    if (lua_isnoneornil(L, 1))
        return errors_return(L, ERR_INVALID, "memory limit value required");
    limit = luaL_checkinteger(L, 1);
    if (limit < -1)
        return errors_return(L, ERR_INVALID, "limit must be non-negative or -1");
    vm->asked_bytes = limit;
    if (limit != -1 && vm->used_bytes > (size_t)limit)
        lua_gc(L, LUA_GCCOLLECT);
    return with_integer(L, old);
}

void system_push_memory(lua_State *L)
{
    static const luaL_Reg functions[] = {{"stats", memory_stats},
                                         {"allocated", memory_allocated},
                                         {"heap_objects", memory_heap_objects},
                                         {"get_limit", memory_get_limit},
                                         {"set_limit", memory_set_limit},
                                         {NULL, NULL}};

    luaL_newlib(L, functions);
}

/* ---- gc: of this Lua state ------------------------------------------------------- */

static int gc_collect(lua_State *L)
{
    if (system_refuse(L, "system.gc", "gc") != 0)
        return 2;
    lua_gc(L, LUA_GCCOLLECT);
    lua_pushboolean(L, true);
    lua_pushnil(L);
    return 2;
}

/* By how much a heap may grow until it is collected again: the pause without what was
 * there. Asking the interpreter for it means setting it. */
static int get_pause(lua_State *L)
{
    int pause = lua_gc(L, LUA_GCSETPAUSE, 200);

    lua_gc(L, LUA_GCSETPAUSE, pause);
    return pause;
}

static int gc_get_percent(lua_State *L)
{
    if (system_refuse(L, "system.read", "gc_percent") != 0)
        return 2;
    return with_integer(L, get_pause(L) - 100);
}

static int gc_set_percent(lua_State *L)
{
    lua_Integer percent;
    int old;

    if (system_refuse(L, "system.gc", "gc_percent") != 0)
        return 2;
    if (lua_isnoneornil(L, 1))
        return errors_return(L, ERR_INVALID, "percent value required");
    percent = luaL_checkinteger(L, 1);
    old = get_pause(L);
    if (percent < 0 || percent > PAUSE_MAX - 100) /* never, as far as that goes */
        percent = PAUSE_MAX - 100;
    lua_gc(L, LUA_GCSETPAUSE, (int)percent + 100);
    return with_integer(L, old - 100);
}

void system_push_gc(lua_State *L)
{
    static const luaL_Reg functions[] = {{"collect", gc_collect},
                                         {"get_percent", gc_get_percent},
                                         {"set_percent", gc_set_percent},
                                         {NULL, NULL}};

    luaL_newlib(L, functions);
}
