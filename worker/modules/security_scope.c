#include <lauxlib.h>

#include "worker/actor.h"
#include "worker/identity.h"
#include "worker/modules/mod_security.h"
#include "worker/object.h"
#include "worker/plain.h"
#include "worker/runtime.h"
#include "worker/vm.h"

/* Immutable. Uservalue: the list of policy ids, each once. */
static const struct object_class scope_class = {"Scope"};

static void check(lua_State *L, int idx)
{
    if (object_test(L, idx, &scope_class) == NULL)
        luaL_argerror(L, idx, "Scope expected");
}

/* Makes a Scope of the list on top, which it replaces and owns from now on. */
static void make(lua_State *L)
{
    lua_newuserdatauv(L, 0, 1);
    object_bless(L, &scope_class);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
}

/* Where the id on top (popped) is in the list at ids, 0 = nowhere. */
static lua_Integer find(lua_State *L, int ids)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, ids), at = 0;

    for (lua_Integer i = 1; i <= n && at == 0; i++) {
        lua_rawgeti(L, ids, i);
        if (lua_rawequal(L, -1, -2))
            at = i;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return at;
}

void security_make_scope(lua_State *L)
{
    int list = lua_gettop(L), ids = list + 1, seen = list + 2;
    lua_Integer n = (lua_Integer)lua_rawlen(L, list), n_ids = 0;

    lua_newtable(L);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, list, i) != LUA_TSTRING ||
            !identity_policy_exists(vm_of(L)->rt, lua_tostring(L, -1))) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, -1);
        if (lua_rawget(L, seen) == LUA_TNIL) {
            lua_pushvalue(L, -2);
            lua_pushboolean(L, 1);
            lua_rawset(L, seen);
            lua_pushvalue(L, -2);
            lua_rawseti(L, ids, ++n_ids);
        }
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    lua_replace(L, list);
    make(L);
}

void security_push_scope_ids(lua_State *L, int idx)
{
    check(L, idx);
    lua_getiuservalue(L, idx, 1);
}

void security_push_scope_bytes(lua_State *L, int idx)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    lua_Integer n;
    bool good;

    if (lua_isnoneornil(L, idx))
        luaL_error(L, "scope cannot be nil");
    security_push_scope_ids(L, idx);
    n = (lua_Integer)lua_rawlen(L, -1);
    buf_clear(out);
    good = plain_append_list(out, (size_t)n);
    for (lua_Integer i = 1; good && i <= n; i++) {
        size_t n_bytes;
        const char *id;

        lua_rawgeti(L, -1, i);
        id = lua_tolstring(L, -1, &n_bytes);
        good = plain_append_text(out, id, n_bytes);
        lua_pop(L, 1);
    }
    if (!good)
        luaL_error(L, "not enough memory");
    lua_pop(L, 1);
    lua_pushlstring(L, (const char *)buf_head(out), buf_len(out));
}

/* ---- methods --------------------------------------------------------------------- */

static int scope_evaluate(lua_State *L)
{
    lua_settop(L, 5);
    security_push_scope_ids(L, 1);
    return security_evaluate(L, 6);
}

/* Pushes a copy of the scope's ids but the one at `without` (0 = all). */
static void push_copy(lua_State *L, int ids, lua_Integer without)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, ids), n_copied = 0;

    lua_createtable(L, (int)(n < 1024 ? n : 1024), 0);
    for (lua_Integer i = 1; i <= n; i++)
        if (i != without) {
            lua_rawgeti(L, ids, i);
            lua_rawseti(L, -2, ++n_copied);
        }
}

static int scope_with(lua_State *L)
{
    security_push_scope_ids(L, 1);
    lua_replace(L, 1);
    if (!identity_allows(L, "security.scope.create", "with"))
        return luaL_error(L, "not allowed to add policy to scope");
    if (!security_push_policy_id(L, 2))
        return luaL_argerror(L, 2, "Policy expected");
    lua_pushvalue(L, -1);
    push_copy(L, 1, find(L, 1));
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    make(L);
    return 1;
}

static int scope_without(lua_State *L)
{
    security_push_scope_ids(L, 1);
    lua_replace(L, 1);
    if (!identity_allows(L, "security.scope.create", "without"))
        return luaL_error(L, "not allowed to remove policy from scope");
    security_push_reference(L, 2);
    push_copy(L, 1, find(L, 1));
    make(L);
    return 1;
}

static int scope_contains(lua_State *L)
{
    security_push_scope_ids(L, 1);
    lua_replace(L, 1);
    security_push_reference(L, 2);
    lua_pushboolean(L, find(L, 1) != 0);
    return 1;
}

static int scope_policies(lua_State *L)
{
    lua_Integer n, n_there = 0;

    security_push_scope_ids(L, 1);
    lua_replace(L, 1);
    lua_settop(L, 1);
    n = (lua_Integer)lua_rawlen(L, 1);
    lua_createtable(L, (int)(n < 1024 ? n : 1024), 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        if (!identity_policy_exists(vm_of(L)->rt, lua_tostring(L, -1))) {
            lua_pop(L, 1);
            continue;
        }
        security_make_policy(L);
        lua_rawseti(L, 2, ++n_there);
    }
    return 1;
}

static int scope_tostring(lua_State *L)
{
    security_push_scope_ids(L, 1);
    lua_pushfstring(L, "security.Scope{policies=%I}", (LUAI_UACINT)lua_rawlen(L, -1));
    return 1;
}

void security_scope_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"evaluate", scope_evaluate}, {"with", scope_with},
        {"without", scope_without},   {"contains", scope_contains},
        {"policies", scope_policies}, {NULL, NULL}};

    object_define(L, &scope_class, methods, scope_tostring);
}
