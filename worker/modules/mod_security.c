#include "worker/modules/mod_security.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/context.h"
#include "worker/frozen.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/plain.h"
#include "worker/runtime.h"
#include "worker/vm.h"

/* ---- the frame's own ------------------------------------------------------------- */

static int get_actor(lua_State *L)
{
    struct bytes bytes;

    if (!context_find(actor_current(L)->context, "actor", &bytes) ||
        !security_push_actor(L, bytes))
        lua_pushnil(L);
    return 1;
}

static int get_scope(lua_State *L)
{
    struct bytes bytes;
    struct err err;

    if (!context_find(actor_current(L)->context, "scope", &bytes) ||
        codec_decode_value(L, bytes.data, bytes.n, false, &err) == -1) {
        lua_pushnil(L);
    } else if (lua_istable(L, -1)) {
        security_make_scope(L);
    } else {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    return 1;
}

/* The check's metadata at idx (a table, or nothing) as a map of its text keys; the
 * caller owns it. Raises when it is neither. */
static struct value read_meta(lua_State *L, int idx)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    struct value meta = {0};
    struct err err;

    if (lua_isnoneornil(L, idx))
        return value_map();
    luaL_checktype(L, idx, LUA_TTABLE);
    buf_clear(out);
    if (plain_encode_fields(L, idx, out, &err) == -1 ||
        value_decode(buf_head(out), buf_len(out), NULL, &meta, &err) == -1)
        luaL_argerror(L, idx, err.text);
    return meta;
}

static int can(lua_State *L)
{
    const char *action = luaL_checkstring(L, 1), *resource = luaL_checkstring(L, 2);
    struct value meta = read_meta(L, 3);
    bool allowed = identity_can(actor_current(L), action, resource, &meta);

    value_finish(&meta);
    lua_pushboolean(L, allowed);
    return 1;
}

/* The list of texts at idx; the caller owns it. */
static struct value read_ids(lua_State *L, int idx)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
    struct value ids = value_list();

    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, idx, i);
        value_append(&ids, value_string(lua_tostring(L, -1)));
        lua_pop(L, 1);
    }
    return ids;
}

int security_evaluate(lua_State *L, int ids)
{
    static const char *const names[] = {"undefined", "allow", "deny"};
    struct policy_check check = {.action = luaL_checkstring(L, 3),
                                 .resource = luaL_checkstring(L, 4)};
    struct value meta, actor, policies;
    enum policy_effect effect;

    if (!lua_isnoneornil(L, 5))
        luaL_checktype(L, 5, LUA_TTABLE);
    security_push_actor_id(L, 2);
    meta = read_meta(L, 5);
    actor = security_read_actor(L, 2);
    policies = read_ids(L, ids);
    check.actor = &actor;
    check.meta = &meta;
    effect = identity_evaluate(vm_of(L)->rt, &policies, &check);
    value_finish(&policies);
    value_finish(&meta);
    value_finish(&actor);
    lua_pushstring(L, names[effect]);
    return 1;
}

/* ---- looking up and making ------------------------------------------------------- */

static int get_policy(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);

    if (!identity_allows(L, "security.policy.get", id))
        return errors_return(L, ERR_INVALID, "permission denied: access policy");
    if (!identity_policy_exists(vm_of(L)->rt, id))
        return errors_return(L, ERR_INTERNAL, "get policy: policy not found");
    lua_settop(L, 1);
    security_make_policy(L);
    lua_pushnil(L);
    return 2;
}

static int named_scope(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);

    if (!identity_allows(L, "security.policy_group.get", id))
        return errors_return(L, ERR_INVALID, "permission denied: access policy group");
    if (!identity_push_group(L, id))
        return errors_return(L, ERR_INTERNAL,
                             "get policy group: policy group not found");
    security_make_scope(L);
    lua_pushnil(L);
    return 2;
}

/* Items that are no policies are skipped (S-41). */
static int new_scope(lua_State *L)
{
    lua_Integer n, n_ids = 0;

    if (!identity_allows(L, "security.scope.create", "custom"))
        return luaL_error(L, "not allowed to create custom scopes");
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    if (frozen_push_contents(L, 1))
        lua_replace(L, 1);
    lua_newtable(L);
    n = (lua_Integer)lua_rawlen(L, 1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        if (security_push_policy_id(L, lua_gettop(L)))
            lua_rawseti(L, 2, ++n_ids);
        lua_settop(L, 2);
    }
    security_make_scope(L);
    return 1;
}

static int new_actor(lua_State *L)
{
    size_t n;
    const char *id = luaL_checklstring(L, 1, &n);

    /* The check would see what stands before it, conditions all of the id. */
    luaL_argcheck(L, strlen(id) == n, 1, "an actor's id has no NUL bytes");
    if (!identity_allows(L, "security.actor.create", id))
        return luaL_error(L, "not allowed to create actor with ID: %s", id);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    security_make_actor(L);
    return 1;
}

int mod_security_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"actor", get_actor},
                                         {"can", can},
                                         {"named_scope", named_scope},
                                         {"new_actor", new_actor},
                                         {"new_scope", new_scope},
                                         {"policy", get_policy},
                                         {"scope", get_scope},
                                         {"token_store", token_store_acquire},
                                         {NULL, NULL}};

    security_actor_open(L);
    security_scope_open(L);
    security_policy_open(L);
    token_store_open(L);
    luaL_newlib(L, functions);
    return 1;
}
