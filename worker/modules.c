#include "worker/modules.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "common/mem.h"

#include "worker/channel.h"
#include "worker/events.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_base64.h"
#include "worker/modules/mod_contract.h"
#include "worker/modules/mod_ctx.h"
#include "worker/modules/mod_env.h"
#include "worker/modules/mod_expr.h"
#include "worker/modules/mod_funcs.h"
#include "worker/modules/mod_hash.h"
#include "worker/modules/mod_io.h"
#include "worker/modules/mod_json.h"
#include "worker/modules/mod_logger.h"
#include "worker/modules/mod_metrics.h"
#include "worker/modules/mod_pg.h"
#include "worker/modules/mod_process.h"
#include "worker/modules/mod_registry.h"
#include "worker/modules/mod_security.h"
#include "worker/modules/mod_system.h"
#include "worker/modules/mod_time.h"
#include "worker/modules/mod_uuid.h"
#include "worker/modules/payload.h"
#include "worker/sandbox.h"

// clang-format off
static const struct {
    const char *name;
    lua_CFunction open; /* pushes the module's table (or object) */
    bool always;
} rows[] = {
    {"base64",   base64_open,       false},
    {"channel",  channel_open,      true},
    {"contract", mod_contract_open, false},
    {"ctx",      mod_ctx_open,      false},
    {"env",      mod_env_open,      false},
    {"errors",   errors_open,       true},
    {"events",   events_open,       false},
    {"expr",     mod_expr_open,     false},
    {"funcs",    mod_funcs_open,    false},
    {"hash",     hash_open,         false},
    {"io",       mod_io_open,       false},
    {"json",     json_open,         false},
    {"logger",   mod_logger_open,   false},
    {"metrics",  mod_metrics_open,  false},
    {"payload",  payload_open,      true},
    {"pg",       mod_pg_open,       false},
    {"process",  mod_process_open,  true},
    {"registry", mod_registry_open, false},
    {"security", mod_security_open, false},
    {"system",   mod_system_open,   false},
    {"time",     mod_time_open,     false},
    {"uuid",     uuid_open,         false},
};
// clang-format on

const char *modules_name(size_t i)
{
    return i < N_ELEMENTS(rows) ? rows[i].name : NULL;
}

static bool is_wanted(const char *name, const char *const *names, int n_names)
{
    for (int i = 0; i < n_names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Pushes the _ENV of the function at that level: an upvalue, or the first local of a
 * chunk (compile.c put it there). */
static bool push_env_of(lua_State *L, lua_Debug *ar)
{
    const char *name = lua_getlocal(L, ar, 1);

    if (name != NULL && strcmp(name, "_ENV") == 0)
        return true;
    if (name != NULL)
        lua_pop(L, 1);
    lua_getinfo(L, "f", ar);
    for (int i = 1; (name = lua_getupvalue(L, -1, i)) != NULL; i++) {
        if (strcmp(name, "_ENV") == 0) {
            lua_remove(L, -2);
            return true;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return false;
}

/* REQ-01 rule 2: everything is bound already; require only looks, in the globals of
 * whoever called it (a pcall may lie between). */
static int require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_Debug ar;

    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        if (!push_env_of(L, &ar))
            continue;
        if (lua_getfield(L, -1, name) != LUA_TNIL)
            return 1;
        break;
    }
    return luaL_error(L, "module '%s' not found", name);
}

void modules_open(lua_State *L, const char *const *names, int n_names)
{
    json_add_transcoder(L);
    sandbox_push_globals(L);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (!rows[i].always && !is_wanted(rows[i].name, names, n_names))
            continue;
        lua_pushcfunction(L, rows[i].open);
        lua_call(L, 0, 1);
        lua_setfield(L, -2, rows[i].name);
    }
    lua_pushcfunction(L, require);
    lua_setfield(L, -2, "require");
    mod_logger_open_print(L);
    lua_setfield(L, -2, "print");
    mod_process_open_subscribe(L, lua_gettop(L));
    lua_pop(L, 1);
}
