#include "worker/modules/mod_registry.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/plain.h"
#include "worker/runtime.h"
#include "worker/vm.h"

/* ---- reading --------------------------------------------------------------------- */

static int get(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);

    if (!identity_allows(L, "registry.get", id))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to access entry: %s", id);
    lua_settop(L, 1);
    return ask_system(L, "@registry.get", 1, 1, 0, ask_result_k);
}

/* The arguments of @registry.find. */
static int encode_query(lua_State *L, int idx, int64_t version, struct buf *out,
                        struct err *err)
{
    int failed;

    if (!buf_append(out, "\x00", 1) || /* no back references */
        !plain_append_list(out, version < 0 ? 1 : 2))
        return plain_fail_memory(err);
    if (plain_encode_fields(L, idx, out, err) == -1)
        return -1;
    if (version < 0)
        return 0;
    lua_pushinteger(L, version);
    failed = plain_encode(L, lua_gettop(L), out, err);
    lua_pop(L, 1);
    return failed;
}

int registry_find(lua_State *L, int idx, int64_t version, lua_KFunction k)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    struct err err;

    luaL_checktype(L, idx, LUA_TTABLE);
    buf_clear(out);
    if (encode_query(L, idx, version, out, &err) == -1)
        return errors_return_struct(L, &err);
    return ask_system_encoded(L, "@registry.find", buf_bytes(out), 0, k);
}

void registry_filter(lua_State *L, int idx)
{
    lua_Integer n, n_kept = 0;

    if (identity_is_free(actor_current(L)) || !lua_istable(L, idx))
        return;
    idx = lua_absindex(L, idx);
    n = (lua_Integer)lua_rawlen(L, idx);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, idx, i);
        lua_getfield(L, -1, "id");
        if (identity_allows(L, "registry.get", lua_tostring(L, -1))) {
            lua_pop(L, 1);
            lua_rawseti(L, idx, ++n_kept);
        } else {
            lua_pop(L, 2);
        }
    }
    for (lua_Integer i = n_kept + 1; i <= n; i++) {
        lua_pushnil(L);
        lua_rawseti(L, idx, i);
    }
}

static int found(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    registry_filter(L, -2);
    return 2;
}

static int find(lua_State *L)
{
    return registry_find(L, 1, -1, found);
}

static int parse_id(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    const char *colon = strchr(text, ':');

    lua_createtable(L, 0, 2);
    lua_pushlstring(L, text, colon != NULL ? (size_t)(colon - text) : 0);
    lua_setfield(L, -2, "ns");
    lua_pushstring(L, colon != NULL ? colon + 1 : text);
    lua_setfield(L, -2, "name");
    return 1;
}

static int snapshot(lua_State *L)
{
    return registry_fetch_snapshot(L, -1);
}

static int snapshot_at(lua_State *L)
{
    lua_Integer version = luaL_checkinteger(L, 1);

    if (version <= 0)
        return errors_return(L, ERR_INVALID, "invalid version ID");
    return registry_fetch_snapshot(L, version);
}

static int current_version(lua_State *L)
{
    lua_settop(L, 0);
    return ask_system(L, "@registry.version", 1, 0, 0, registry_version_result);
}

/* ---- changing -------------------------------------------------------------------- */

/* REG-31: the failures of a switch are false and Internal, but for a refusal. */
static int switched(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    if (!lua_isnil(L, -2)) {
        lua_pushboolean(L, 1);
        lua_pushnil(L);
        return 2;
    }
    if (strcmp(errors_kind(L, -1, NULL), "PermissionDenied") != 0)
        errors_push(L, ERR_INTERNAL, errors_retryable(L, -1), "%s",
                    errors_message(L, -1, NULL));
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int apply_version(lua_State *L)
{
    const struct registry_version *version = registry_test_version(L, 1);

    if (version == NULL) {
        lua_pushboolean(L, 0);
        errors_push(L, ERR_INVALID, RETRY_NO, "expected version object");
        return 2;
    }
    if (!identity_allows(L, "registry.apply_version", "")) {
        lua_pushboolean(L, 0);
        errors_push(L, ERR_PERMISSION_DENIED, RETRY_NO,
                    "registry version change is not allowed");
        return 2;
    }
    lua_settop(L, 1);
    lua_pushinteger(L, (lua_Integer)version->id);
    return ask_system(L, "@registry.apply_version", 2, 1, 0, switched);
}

int mod_registry_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"get", get},
                                         {"find", find},
                                         {"parse_id", parse_id},
                                         {"snapshot", snapshot},
                                         {"snapshot_at", snapshot_at},
                                         {"current_version", current_version},
                                         {"versions", registry_versions},
                                         {"history", registry_history},
                                         {"apply_version", apply_version},
                                         {"build_delta", registry_build_delta},
                                         {NULL, NULL}};

    registry_version_open(L);
    registry_snapshot_open(L);
    registry_changes_open(L);
    luaL_newlib(L, functions);
    return 1;
}
