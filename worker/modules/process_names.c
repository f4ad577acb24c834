#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_process.h"
#include "worker/peers.h"
#include "worker/runtime.h"
#include "worker/vm.h"

enum scope { SCOPE_LOCAL, SCOPE_EVENTUAL, SCOPE_CONSISTENT, SCOPE_STRONG };

/* nil and err pushed (2) when the frame may not do that to the name at 1, else 0. */
static int refuse_name(lua_State *L, const char *verb, lua_Integer scope)
{
    static const char *const scopes[] = {[SCOPE_EVENTUAL] = "eventual",
                                         [SCOPE_CONSISTENT] = "consistent",
                                         [SCOPE_STRONG] = "strong"};
    const char *name = lua_tostring(L, 1);
    bool is_local = scope <= SCOPE_LOCAL || scope > SCOPE_STRONG;
    char action[60];

    if (identity_is_free(actor_current(L)))
        return 0;
    snprintf(action, sizeof(action), "process.registry.%s%s%s", verb,
             is_local ? "" : ".", is_local ? "" : scopes[scope]);
    if (identity_allows_process(L, action, name))
        return 0;
    if (is_local)
        return errors_return(L, ERR_PERMISSION_DENIED, "not allowed to %s name: %s",
                             verb, name);
    return errors_return(L, ERR_PERMISSION_DENIED, "not allowed to %s name (%s): %s",
                         verb, scopes[scope], name);
}

/* nil and err pushed (2) when the scope at idx is none that one node has, or the frame
 * may not do that to the name at 1; else 0. */
static int refuse(lua_State *L, const char *verb, int idx)
{
    int refused;

    if (!lua_isnoneornil(L, idx) && lua_type(L, idx) != LUA_TNUMBER)
        return errors_return(L, ERR_INVALID,
                             "scope must be a number "
                             "(process.registry.LOCAL|EVENTUAL|CONSISTENT|STRONG)");
    refused = refuse_name(L, verb, lua_tointeger(L, idx));
    if (refused != 0 || lua_isnoneornil(L, idx))
        return refused;
    switch (lua_tointeger(L, idx)) {
    case SCOPE_LOCAL:
        return 0;
    case SCOPE_EVENTUAL:
        return errors_return(L, ERR_INTERNAL, "eventual registry not available");
    default:
        return errors_return(L, ERR_INTERNAL, "global registry not available");
    }
}

static bool may_name(const struct actor *self, uint64_t pid, const char *host,
                     size_t host_bytes)
{
    char text[PID_TEXT_MAX];

    pid_format(text, host, host_bytes, pid);
    return identity_check_process(self, "process.registry.foreign", text);
}

/* nil and err pushed (2) when the frame may not name that actor, else 0. */
static int refuse_foreign(lua_State *L, const struct actor *self, uint64_t pid,
                          const char *host, size_t host_bytes)
{
    if (pid == self->pid || identity_is_free(self))
        return 0;
    if (!may_name(self, pid, host, host_bytes))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to register foreign pid %s under name \"%s\"",
                             lua_tostring(L, 2), lua_tostring(L, 1));
    if (identity_is_held(self) &&
        peers_check_host(self->vm->rt, pid, host, host_bytes) != HOST_RIGHT)
        return errors_return(L, ERR_NOT_FOUND, "pid not registered");
    return 0;
}

/* The pid at 2 may be named if its host is the true one, which has to be asked for
 * first, see peers.h. Who may not name it doesn't learn whether it lives. */
static bool must_ask_host(lua_State *L, const struct actor *self, uint64_t *pid_out)
{
    size_t n, host_bytes;
    const char *host, *text;

    if (lua_type(L, 2) != LUA_TSTRING || !identity_is_held(self))
        return false;
    text = lua_tolstring(L, 2, &n);
    return pid_parse(text, n, pid_out, &host, &host_bytes) == PID_OK &&
           peers_check_host(self->vm->rt, *pid_out, host, host_bytes) == HOST_UNKNOWN &&
           may_name(self, *pid_out, host, host_bytes);
}

/* Leaves name, pid as integer, host text at 1, 2, 3; 2 = nil and err are on top. */
static int prepare_register(lua_State *L, struct actor *self)
{
    static const char *const wrongs[] = {[PID_NO_BRACES] = "missing braces",
                                         [PID_NO_PIPE] = "missing pipe",
                                         [PID_BAD_NUMBER] = "not a number"};
    enum pid_parse_result parsed;
    const char *text, *host = self->host;
    size_t n, host_bytes = strlen(host);
    uint64_t pid = self->pid;
    struct actor *owner = self;

    if (!lua_isnoneornil(L, 2)) {
        if (lua_type(L, 2) != LUA_TSTRING)
            return errors_return(L, ERR_INVALID, "pid must be a string");
        text = lua_tolstring(L, 2, &n);
        parsed = pid_parse(text, n, &pid, &host, &host_bytes);
        if (parsed != PID_OK)
            return errors_return(L, ERR_INVALID, "invalid pid format: %s",
                                 wrongs[parsed]);
        if (refuse_foreign(L, self, pid, host, host_bytes) != 0)
            return 2;
        owner = slots_find(&self->vm->rt->slots, pid);
    }
    if (owner != NULL)
        owner->is_known = true;
    lua_pushlstring(L, host, host_bytes);
    lua_pushinteger(L, (lua_Integer)pid);
    lua_replace(L, 2);
    lua_replace(L, 3);
    lua_settop(L, 3);
    return 0;
}

static int register_known(lua_State *L)
{
    if (prepare_register(L, actor_current(L)) != 0)
        return 2;
    return ask_system(L, "@names.register", 1, 3, 0, ask_result_k);
}

static int with_host(lua_State *L, int status, lua_KContext ctx)
{
    struct err err;

    (void)status, (void)ctx;
    if (process_learn_host(L))
        return register_known(L);
    errors_to_struct(L, -1, &err);
    return err.kind == ERR_NOT_FOUND
               ? errors_return(L, ERR_NOT_FOUND, "pid not registered")
               : 2;
}

static int registry_register(lua_State *L)
{
    uint64_t pid;

    luaL_checkstring(L, 1);
    lua_settop(L, 3);
    if (refuse(L, "register", 3) != 0)
        return 2;
    if (must_ask_host(L, actor_current(L), &pid))
        return process_ask_host(L, pid, 0, with_host);
    return register_known(L);
}

static int registry_unregister(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 2);
    if (refuse(L, "unregister", 2) != 0)
        return 2;
    return ask_system(L, "@names.unregister", 1, 1, 0, ask_result_k);
}

static int looked_up(lua_State *L, int status, lua_KContext ctx)
{
    char text[PID_TEXT_MAX];
    struct bytes result;
    struct err err;
    size_t n;
    bool ok;

    (void)status, (void)ctx;
    if (!ask_reply(L, &result))
        return ask_result(L);
    ok = codec_decode_args(L, result.data, result.n, 1, &err) == 1 &&
         lua_istable(L, -1) && lua_rawgeti(L, -1, 1) == LUA_TNUMBER &&
         lua_rawgeti(L, -2, 2) == LUA_TSTRING;
    ask_done(L);
    if (!ok)
        return errors_return(L, ERR_INTERNAL, "the answer to a lookup was malformed");
    n = pid_format(text, lua_tostring(L, -1), lua_rawlen(L, -1),
                   (uint64_t)lua_tointeger(L, -2));
    lua_pushlstring(L, text, n);
    return 1;
}

static int registry_lookup(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 1);
    return ask_system(L, "@names.lookup", 1, 1, 0, looked_up);
}

void process_names_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"register", registry_register},
                                         {"unregister", registry_unregister},
                                         {"lookup", registry_lookup},
                                         {NULL, NULL}};
    static const char *const scopes[] = {"LOCAL", "EVENTUAL", "CONSISTENT", "STRONG"};

    luaL_newlib(L, functions);
    for (size_t i = 0; i < N_ELEMENTS(scopes); i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_setfield(L, -2, scopes[i]);
    }
    lua_setfield(L, -2, "registry");
}
