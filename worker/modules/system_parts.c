/* system.hosts, .supervisor, .node, .cluster, .raft, .lock (SY-9 to SY-16). */
#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_system.h"

/* ---- hosts ----------------------------------------------------------------------- */

static int hosts_list(lua_State *L)
{
    if (system_refuse(L, "system.read", "hosts") != 0)
        return 2;
    return ask_system(L, "@system.hosts", 1, 0, 0, ask_result_k);
}

/* SY-10 has what is counted of a process below stats. */
static void reshape_process(lua_State *L)
{
    static const char *const hidden[] = {"mailbox", "mailbox_bytes", "threads"};

    lua_createtable(L, 0, 1);
    lua_getfield(L, -2, "threads");
    lua_setfield(L, -2, "threads");
    lua_setfield(L, -2, "stats");
    for (size_t i = 0; i < N_ELEMENTS(hidden); i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, hidden[i]);
    }
}

static int got_processes(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_settop(L, 0);
    ask_result(L);
    for (lua_Integer i = 1; lua_istable(L, 1) && i <= (lua_Integer)lua_rawlen(L, 1);
         i++) {
        lua_rawgeti(L, 1, i);
        reshape_process(L);
        lua_pop(L, 1);
    }
    return 2;
}

static int hosts_processes(lua_State *L)
{
    if (system_refuse(L, "system.read", "hosts") != 0)
        return 2;
    if (lua_isnoneornil(L, 1) || luaL_checkstring(L, 1)[0] == '\0')
        return errors_return(L, ERR_INVALID, "host ID required");
    return ask_system(L, "@actors.of_host", 1, 1, 0, got_processes);
}

void system_push_hosts(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"list", hosts_list}, {"processes", hosts_processes}, {NULL, NULL}};

    luaL_newlib(L, functions);
}

/* ---- supervisor ------------------------------------------------------------------ */

/* Pushes the record of SY-11 for the one on top, which it replaces. */
static void reshape_service(lua_State *L)
{
    static const struct {
        const char *from, *to;
    } fields[] = {{"id", "id"},
                  {"state", "status"},
                  {"desired", "desired"},
                  {"retry_count", "retry_count"},
                  {"last_update", "last_update"},
                  {"started_at", "started_at"},
                  {"details", "details"}};

    lua_createtable(L, 0, 7);
    for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
        lua_getfield(L, -2, fields[i].from);
        lua_setfield(L, -2, fields[i].to);
    }
    lua_remove(L, -2);
}

static int got_service(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_settop(L, 1);
    ask_result(L);
    if (!lua_istable(L, 2))
        return errors_return(L, ERR_INTERNAL, "service not found: %s",
                             lua_tostring(L, 1));
    lua_settop(L, 2);
    reshape_service(L);
    lua_pushnil(L);
    return 2;
}

static int supervisor_state(lua_State *L)
{
    if (system_refuse(L, "system.read", "supervisor") != 0)
        return 2;
    if (lua_isnoneornil(L, 1) || luaL_checkstring(L, 1)[0] == '\0')
        return errors_return(L, ERR_INVALID, "service ID required");
    return ask_system(L, "@services.get", 1, 1, 0, got_service);
}

static int got_services(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_settop(L, 0);
    ask_result(L);
    if (!lua_istable(L, 1))
        return 2;
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 1); i++) {
        lua_rawgeti(L, 1, i);
        reshape_service(L);
        lua_rawseti(L, 1, i);
    }
    return 2;
}

static int supervisor_states(lua_State *L)
{
    if (system_refuse(L, "system.read", "supervisor") != 0)
        return 2;
    return ask_system(L, "@services.list", 1, 0, 0, got_services);
}

void system_push_supervisor(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"state", supervisor_state}, {"states", supervisor_states}, {NULL, NULL}};

    luaL_newlib(L, functions);
}

/* ---- node, cluster, raft: there is one node -------------------------------------- */

static int got_node_id(lua_State *L, int status, lua_KContext ctx)
{
    bool is_list = ctx != 0;

    (void)status;
    lua_settop(L, 0);
    ask_result(L);
    if (!lua_istable(L, 1))
        return 2;
    lua_getfield(L, 1, "hostname");
    if (is_list) {
        lua_createtable(L, 1, 0);
        lua_createtable(L, 0, 2);
        lua_pushvalue(L, -3);
        lua_setfield(L, -2, "id");
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "is_local");
        lua_rawseti(L, -2, 1);
    }
    lua_pushnil(L);
    return 2;
}

static int node_id(lua_State *L)
{
    if (system_refuse(L, "system.read", "node") != 0)
        return 2;
    return ask_system(L, "@system.figures", 1, 0, 0, got_node_id);
}

static int node_addr(lua_State *L)
{
    if (system_refuse(L, "system.read", "node") != 0)
        return 2;
    return errors_return(L, ERR_INTERNAL, "local node address not available");
}

static int node_role(lua_State *L)
{
    if (system_refuse(L, "system.read", "node") != 0)
        return 2;
    lua_pushliteral(L, "non-member");
    lua_pushnil(L);
    return 2;
}

void system_push_node(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"id", node_id}, {"addr", node_addr}, {"role", node_role}, {NULL, NULL}};

    luaL_newlib(L, functions);
}

static int cluster_members(lua_State *L)
{
    if (system_refuse(L, "system.read", "cluster") != 0)
        return 2;
    return ask_system(L, "@system.figures", 1, 0, 1, got_node_id);
}

static int cluster_leader(lua_State *L)
{
    if (system_refuse(L, "system.read", "cluster") != 0)
        return 2;
    lua_pushliteral(L, "");
    lua_pushnil(L);
    return 2;
}

static int cluster_size(lua_State *L)
{
    if (system_refuse(L, "system.read", "cluster") != 0)
        return 2;
    lua_pushinteger(L, 1);
    lua_pushnil(L);
    return 2;
}

void system_push_cluster(lua_State *L)
{
    static const luaL_Reg functions[] = {{"members", cluster_members},
                                         {"leader", cluster_leader},
                                         {"size", cluster_size},
                                         {NULL, NULL}};

    luaL_newlib(L, functions);
}

static int raft_nothing(lua_State *L)
{
    if (system_refuse(L, "system.read", "raft") != 0)
        return 2;
    return errors_return(L, ERR_INTERNAL, "raft not available");
}

static int raft_stats(lua_State *L)
{
    if (system_refuse(L, "system.read", "raft_stats") != 0)
        return 2;
    return errors_return(L, ERR_INTERNAL, "raft not available");
}

void system_push_raft(lua_State *L)
{
    static const luaL_Reg functions[] = {{"is_leader", raft_nothing},
                                         {"is_member", raft_nothing},
                                         {"role", raft_nothing},
                                         {"term", raft_nothing},
                                         {"commit_index", raft_nothing},
                                         {"stats", raft_stats},
                                         {NULL, NULL}};

    luaL_newlib(L, functions);
}

/* ---- lock ------------------------------------------------------------------------ */

/* false, err instead of nil, err. */
static int got_lock(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_settop(L, 0);
    ask_result(L);
    if (lua_isnil(L, 1)) {
        lua_pushboolean(L, false);
        lua_replace(L, 1);
    }
    return 2;
}

static int ask_lock(lua_State *L, const char *target)
{
    const char *name = luaL_checkstring(L, 1);

    if (!identity_allows(L, "system.lock", name)) {
        errors_return(L, ERR_PERMISSION_DENIED, "permission denied: system.lock on %s",
                      name);
        lua_pushboolean(L, false);
        lua_replace(L, -3);
        return 2;
    }
    actor_current(L)->is_known = true; /* its end releases what it holds */
    lua_settop(L, 1);
    return ask_system(L, target, 1, 1, 0, got_lock);
}

static int lock_acquire(lua_State *L)
{
    return ask_lock(L, "@locks.acquire");
}

static int lock_release(lua_State *L)
{
    return ask_lock(L, "@locks.release");
}

void system_push_lock(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"acquire", lock_acquire}, {"release", lock_release}, {NULL, NULL}};

    luaL_newlib(L, functions);
}
