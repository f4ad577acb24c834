#include <lauxlib.h>

#include "common/err.h"

#include "worker/ask.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_registry.h"
#include "worker/object.h"

static const struct object_class version_class = {"registry.Version"};
static const struct object_class history_class = {"registry.History"};

/* ---- Version --------------------------------------------------------------------- */

void registry_push_version(lua_State *L, struct registry_version version)
{
    struct registry_version *object = lua_newuserdatauv(L, sizeof(*object), 0);

    *object = version;
    object_bless(L, &version_class);
}

const struct registry_version *registry_test_version(lua_State *L, int idx)
{
    return object_test(L, idx, &version_class);
}

static struct registry_version self_at(lua_State *L, int idx)
{
    const struct registry_version *object = object_check(L, idx, &version_class);

    return *object;
}

/* Of the record on top. */
static struct registry_version read_record(lua_State *L)
{
    struct registry_version version = {0, 0};

    if (!lua_istable(L, -1))
        return version;
    lua_getfield(L, -1, "id");
    lua_getfield(L, -2, "parent");
    version.id = (uint64_t)lua_tointeger(L, -2);
    version.parent = (uint64_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return version;
}

int registry_version_result(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    if (lua_isnil(L, -2))
        return 2;
    lua_pop(L, 1);
    registry_push_version(L, read_record(L));
    lua_pushnil(L);
    return 2;
}

static int version_id(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)self_at(L, 1).id);
    return 1;
}

static int version_string(lua_State *L)
{
    lua_pushfstring(L, "v%I", (LUAI_UACINT)self_at(L, 1).id);
    return 1;
}

static int version_tostring(lua_State *L)
{
    lua_pushfstring(L, "registry.Version{v%I}", (LUAI_UACINT)self_at(L, 1).id);
    return 1;
}

static int version_equals(lua_State *L)
{
    const struct registry_version *a = registry_test_version(L, 1);
    const struct registry_version *b = registry_test_version(L, 2);

    lua_pushboolean(L, a != NULL && b != NULL && a->id == b->id);
    return 1;
}

/* ---- neighbours: the records of all versions say who comes before and after ------ */

/* Leaves the list of records on top, or nil (2 values: nil and an Error). */
static bool take_records(lua_State *L)
{
    ask_result(L);
    if (!lua_istable(L, -2))
        return false;
    lua_pop(L, 1);
    return true;
}

/* Pushes the last version (in the order of their ids) that wanted() wants, or nil. */
static void push_last(lua_State *L, uint64_t id,
                      bool (*wanted)(struct registry_version version, uint64_t id))
{
    int list = lua_gettop(L);

    for (lua_Integer i = (lua_Integer)lua_rawlen(L, list); i > 0; i--) {
        struct registry_version version;

        lua_rawgeti(L, list, i);
        version = read_record(L);
        lua_pop(L, 1);
        if (wanted(version, id)) {
            registry_push_version(L, version);
            return;
        }
    }
    lua_pushnil(L);
}

static bool is_it(struct registry_version version, uint64_t id)
{
    return version.id == id;
}

static bool follows(struct registry_version version, uint64_t id)
{
    return version.parent == id && version.id != id;
}

static int found_previous(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    if (!take_records(L))
        return 2;
    push_last(L, self_at(L, 1).parent, is_it);
    return 1;
}

static int found_next(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    if (!take_records(L))
        return 2;
    push_last(L, self_at(L, 1).id, follows);
    return 1;
}

static int version_previous(lua_State *L)
{
    lua_settop(L, 1);
    if (self_at(L, 1).id == 0) {
        lua_pushnil(L);
        return 1;
    }
    return ask_system(L, "@registry.versions", 1, 0, 0, found_previous);
}

static int version_next(lua_State *L)
{
    lua_settop(L, 1);
    self_at(L, 1);
    return ask_system(L, "@registry.versions", 1, 0, 0, found_next);
}

/* ---- History --------------------------------------------------------------------- */

static int got_versions(lua_State *L, int status, lua_KContext ctx)
{
    lua_Integer n;
    int list;

    (void)status, (void)ctx;
    if (!take_records(L))
        return 2;
    list = lua_gettop(L);
    n = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = 1; i <= n; i++) {
        struct registry_version version;

        lua_rawgeti(L, list, i);
        version = read_record(L);
        lua_pop(L, 1);
        registry_push_version(L, version);
        lua_rawseti(L, list, i);
    }
    lua_pushnil(L);
    return 2;
}

int registry_versions(lua_State *L)
{
    lua_settop(L, 0);
    return ask_system(L, "@registry.versions", 1, 0, 0, got_versions);
}

int registry_history(lua_State *L)
{
    lua_newuserdatauv(L, 0, 0);
    object_bless(L, &history_class);
    lua_pushnil(L);
    return 2;
}

static int history_versions(lua_State *L)
{
    object_check(L, 1, &history_class);
    return registry_versions(L);
}

static int got_version(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    if (!take_records(L))
        return 2;
    push_last(L, (uint64_t)lua_tointeger(L, 2), is_it);
    if (lua_isnil(L, -1))
        return errors_return(L, ERR_NOT_FOUND, "version not found");
    lua_pushnil(L);
    return 2;
}

static int history_get_version(lua_State *L)
{
    object_check(L, 1, &history_class);
    if (luaL_checkinteger(L, 2) < 0)
        return errors_return(L, ERR_INVALID, "invalid version ID");
    lua_settop(L, 2);
    return ask_system(L, "@registry.versions", 1, 0, 0, got_version);
}

static int history_snapshot_at(lua_State *L)
{
    object_check(L, 1, &history_class);
    return registry_fetch_snapshot(L, (int64_t)self_at(L, 2).id);
}

static int history_tostring(lua_State *L)
{
    lua_pushliteral(L, "registry.History{}");
    return 1;
}

void registry_version_open(lua_State *L)
{
    static const luaL_Reg version_methods[] = {{"id", version_id},
                                               {"string", version_string},
                                               {"previous", version_previous},
                                               {"next", version_next},
                                               {NULL, NULL}};
    static const luaL_Reg history_methods[] = {{"versions", history_versions},
                                               {"get_version", history_get_version},
                                               {"snapshot_at", history_snapshot_at},
                                               {NULL, NULL}};
    static const luaL_Reg version_events[] = {
        {"__tostring", version_tostring}, {"__eq", version_equals}, {NULL, NULL}};

    object_define_events(L, &version_class, version_methods, version_events);
    object_define(L, &history_class, history_methods, history_tostring);
}
