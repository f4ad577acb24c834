#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_process.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/upgrade.h"
#include "worker/vm.h"

/* ---- options --------------------------------------------------------------------- */

static const char *const option_names[] = {"trap_links", "upgradable"};

static int process_get_options(lua_State *L)
{
    const struct actor *actor = actor_current(L);

    lua_createtable(L, 0, 2);
    lua_pushboolean(L, actor->trap_links);
    lua_setfield(L, -2, "trap_links");
    lua_pushboolean(L, actor->upgradable);
    lua_setfield(L, -2, "upgradable");
    return 1;
}

static int refuse_option(lua_State *L, const char *fmt, const char *name)
{
    lua_pushboolean(L, 0);
    errors_push(L, ERR_INVALID, RETRY_NO, fmt, name);
    return 2;
}

static bool is_option(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(option_names); i++)
        if (strcmp(name, option_names[i]) == 0)
            return true;
    return false;
}

/* The option's value in the table at 1, or what it was. */
static bool read_option(lua_State *L, const char *name, bool before)
{
    bool value = before;

    lua_pushstring(L, name);
    if (lua_rawget(L, 1) == LUA_TBOOLEAN)
        value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static int process_set_options(lua_State *L)
{
    struct actor *actor = actor_current(L);
    bool was_upgradable = actor->upgradable;

    if (!lua_istable(L, 1))
        return refuse_option(L, "options %s must be a table", "parameter");
    lua_settop(L, 1);
    if (frozen_push_contents(L, 1))
        lua_replace(L, 1);
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";

        if (!is_option(name))
            return refuse_option(L, "option %s is not supported", name);
        if (!lua_isboolean(L, 3))
            return refuse_option(L, "%s must be a boolean", name);
    }
    actor->trap_links = read_option(L, "trap_links", actor->trap_links);
    actor->upgradable = read_option(L, "upgradable", actor->upgradable);
    if (actor->upgradable && !was_upgradable)
        upgrade_tell_late(actor);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- upgrade --------------------------------------------------------------------- */

/* UP-1: never comes back, unless it can't even begin. */
static int process_upgrade(lua_State *L)
{
    struct task *task = task_begin_block(L);
    struct actor *actor = task->actor;
    struct buf *scratch = &actor->vm->rt->scratch;
    const char *id = luaL_optstring(L, 1, "");
    int n_args = lua_gettop(L) > 1 ? lua_gettop(L) - 1 : 0;
    struct err err;

    if (actor->instance != NULL)
        return errors_return(L, ERR_INVALID,
                             "upgrade is not available in a function call");
    buf_clear(scratch);
    if (codec_encode_args(L, 2, n_args, scratch, &err) == -1)
        return errors_return_struct(L, &err);
    if (id[0] == '\0')
        id = actor->vm->program->id;
    if (upgrade_request(actor, id, buf_bytes(scratch)) == -1)
        return errors_return(L, ERR_UNAVAILABLE, "no memory for an upgrade");
    return task_block(L, 0, NULL);
}

void process_upgrade_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"get_options", process_get_options},
                                         {"set_options", process_set_options},
                                         {"upgrade", process_upgrade},
                                         {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
}
