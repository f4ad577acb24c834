#include "worker/modules/mod_system.h"

#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "worker/ask.h"
#include "worker/identity.h"
#include "worker/modules.h"
#include "worker/modules/errors.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

int system_refuse(lua_State *L, const char *action, const char *resource)
{
    if (identity_allows(L, action, resource))
        return 0;
    return errors_return(L, ERR_INVALID, "permission denied: %s on %s", action,
                         resource);
}

/* ---- exit (SY-1) ----------------------------------------------------------------- */

static int system_exit(lua_State *L)
{
    lua_Integer code = luaL_optinteger(L, 1, 0);
    struct value number = value_int(code);

    if (!identity_allows(L, "system.exit", ""))
        return errors_return(L, ERR_INVALID, "permission denied: system.exit");
    uplink_ask(vm_of(L)->rt->uplink, "@system.exit", &number, 1, NULL, NULL);
    lua_pushboolean(L, true);
    lua_pushnil(L);
    return 2;
}

/* ---- modules (SY-2) -------------------------------------------------------------- */

static const struct about {
    const char *name, *description, *classes; /* joined by blanks */
} abouts[] = {
    {"base64", "Base64 text", "deterministic encoding"},
    {"channel", "channels between coroutines", "process nondeterministic"},
    {"contract", "interfaces and what implements them", "nondeterministic"},
    {"ctx", "values that calls inherit", "deterministic"},
    {"env", "environment variables", "nondeterministic"},
    {"errors", "structured errors", "deterministic"},
    {"events", "the event bus", "nondeterministic process"},
    {"expr", "expressions", "nondeterministic"},
    {"funcs", "calls of functions", "nondeterministic"},
    {"hash", "hashes and message authentication codes", "deterministic encoding"},
    {"io", "the terminal", "io nondeterministic"},
    {"json", "JSON text and schemas", "deterministic encoding"},
    {"logger", "log records", "nondeterministic io"},
    {"metrics", "counters, gauges and histograms", "nondeterministic"},
    {"payload", "values in other formats", "deterministic encoding"},
    {"pg", "groups of processes", "nondeterministic process"},
    {"process", "processes, messages and names", "nondeterministic process"},
    {"registry", "entries and their versions", "nondeterministic storage"},
    {"security", "actors, scopes, policies and tokens", "nondeterministic security"},
    {"system", "the program that runs all this", "nondeterministic"},
    {"time", "clocks, timers, dates", "nondeterministic time"},
    {"uuid", "unique identifiers", "nondeterministic"},
};

static const struct about *find_about(const char *name)
{
    static const struct about none = {NULL, "", "nondeterministic"};

    for (size_t i = 0; i < N_ELEMENTS(abouts); i++)
        if (strcmp(abouts[i].name, name) == 0)
            return &abouts[i];
    return &none;
}

static void push_words(lua_State *L, const char *words)
{
    lua_Integer n = 0;

    lua_newtable(L);
    while (*words != '\0') {
        size_t n_bytes = strcspn(words, " ");

        lua_pushlstring(L, words, n_bytes);
        lua_rawseti(L, -2, ++n);
        words += n_bytes + (words[n_bytes] == ' ');
    }
}

static int system_modules(lua_State *L)
{
    const char *name;

    if (system_refuse(L, "system.read", "modules") != 0)
        return 2;
    lua_newtable(L);
    for (size_t i = 0; (name = modules_name(i)) != NULL; i++) {
        const struct about *about = find_about(name);

        lua_createtable(L, 0, 3);
        lua_pushstring(L, name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, about->description);
        lua_setfield(L, -2, "description");
        push_words(L, about->classes);
        lua_setfield(L, -2, "class");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushnil(L);
    return 2;
}

/* ---- runtime (SY-6, SY-7) -------------------------------------------------------- */

/* The field of @system.figures whose name lies at 1, plus the integer at 2. */
static int got_figure(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_settop(L, 2);
    ask_result(L);
    if (lua_isnil(L, 3))
        return 2;
    lua_pushvalue(L, 1);
    lua_rawget(L, 3);
    if (lua_isinteger(L, -1)) {
        lua_pushinteger(L, lua_tointeger(L, -1) + lua_tointeger(L, 2));
        lua_remove(L, -2);
    }
    lua_pushnil(L);
    return 2;
}

static int ask_figure(lua_State *L, const char *field, lua_Integer plus)
{
    lua_settop(L, 0);
    lua_pushstring(L, field);
    lua_pushinteger(L, plus);
    return ask_system(L, "@system.figures", 1, 0, 0, got_figure);
}

static int runtime_goroutines(lua_State *L)
{
    if (system_refuse(L, "system.read", "goroutines") != 0)
        return 2;
    return ask_figure(L, "other_actors", (lua_Integer)vm_of(L)->rt->slots.n_live);
}

/* Accepts a number and goes on as before: pools say what runs at a time. */
static int runtime_max_procs(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        if (system_refuse(L, "system.read", "gomaxprocs") != 0)
            return 2;
    } else {
        if (system_refuse(L, "system.control", "gomaxprocs") != 0)
            return 2;
        if (luaL_checkinteger(L, 1) < 1)
            return errors_return(L, ERR_INVALID, "GOMAXPROCS value must be positive");
    }
    return ask_figure(L, "cpus", 0);
}

static int runtime_cpu_count(lua_State *L)
{
    if (system_refuse(L, "system.read", "cpu") != 0)
        return 2;
    return ask_figure(L, "cpus", 0);
}

/* ---- process (SY-8) -------------------------------------------------------------- */

static int process_pid(lua_State *L)
{
    if (system_refuse(L, "system.read", "pid") != 0)
        return 2;
    lua_pushinteger(L, getpid());
    lua_pushnil(L);
    return 2;
}

static int process_hostname(lua_State *L)
{
    if (system_refuse(L, "system.read", "hostname") != 0)
        return 2;
    return ask_figure(L, "hostname", 0);
}

static int process_cwd(lua_State *L)
{
    if (system_refuse(L, "system.read", "cwd") != 0)
        return 2;
    return ask_figure(L, "cwd", 0);
}

/* ---- the module ------------------------------------------------------------------ */

static void push_runtime(lua_State *L)
{
    static const luaL_Reg functions[] = {{"goroutines", runtime_goroutines},
                                         {"max_procs", runtime_max_procs},
                                         {"cpu_count", runtime_cpu_count},
                                         {NULL, NULL}};

    luaL_newlib(L, functions);
}

static void push_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pid", process_pid},
                                         {"hostname", process_hostname},
                                         {"cwd", process_cwd},
                                         {NULL, NULL}};

    luaL_newlib(L, functions);
}

static const struct {
    const char *name;
    void (*push)(lua_State *L);
} parts[] = {
    {"cluster", system_push_cluster}, {"gc", system_push_gc},
    {"hosts", system_push_hosts},     {"lock", system_push_lock},
    {"memory", system_push_memory},   {"node", system_push_node},
    {"process", push_process},        {"raft", system_push_raft},
    {"runtime", push_runtime},        {"supervisor", system_push_supervisor},
};

int mod_system_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"exit", system_exit}, {"modules", system_modules}, {NULL, NULL}};

    luaL_newlib(L, functions);
    for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
        parts[i].push(L);
        lua_setfield(L, -2, parts[i].name);
    }
    return 1;
}
