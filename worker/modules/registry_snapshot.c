#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_registry.h"
#include "worker/object.h"

static const struct object_class snapshot_class = {"registry.Snapshot"};

/* What a Snapshot userdata holds: its version; uservalue 1: list of ids, sorted; 2: id
 * -> entry as bytes. */
struct snapshot_object {
    struct registry_version version;
};

enum { UV_IDS = 1, UV_ENTRIES };

/* ---- a little of msgpack: containers are looked into without being decoded ------- */

/* Takes the header of a container: fix is its short form, long16 the one with 16 bits,
 * the one with 32 bits comes after that. */
static bool take_header(struct bytes *rest, uint8_t fix, uint8_t long16,
                        uint32_t *n_out)
{
    const uint8_t *data = rest->data;
    size_t used;

    if (rest->n == 0)
        return false;
    if ((data[0] & 0xf0) == fix) {
        *n_out = data[0] & 0x0f;
        used = 1;
    } else if (data[0] == long16 && rest->n >= 3) {
        *n_out = (uint32_t)data[1] << 8 | data[2];
        used = 3;
    } else if (data[0] == long16 + 1 && rest->n >= 5) {
        *n_out = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 |
                 (uint32_t)data[3] << 8 | data[4];
        used = 5;
    } else {
        return false;
    }
    rest->data += used;
    rest->n -= used;
    return true;
}

/* The items of a list, to be taken one by one with codec_take_value(). */
static bool open_list(struct bytes list, uint32_t *n_out, struct bytes *items_out)
{
    *items_out = list;
    return take_header(items_out, 0x90, 0xdc, n_out);
}

/* Only field names of up to 31 bytes are ever asked for. */
static bool is_text(struct bytes value, const char *text)
{
    size_t n = strlen(text);

    if (value.n == n + 1)
        return value.data[0] == (0xa0 | n) && memcmp(value.data + 1, text, n) == 0;
    return value.n == n + 2 && value.data[0] == 0xd9 && value.data[1] == n &&
           memcmp(value.data + 2, text, n) == 0;
}

/* Takes the value of a field off the map that bytes are; false: no such field. */
static bool find_field(struct bytes map, const char *name, struct bytes *value_out)
{
    struct bytes key, value;
    struct err err;
    uint32_t n;

    if (!take_header(&map, 0x80, 0xde, &n))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (codec_take_value(&map, &key, &err) == -1 ||
            codec_take_value(&map, &value, &err) == -1)
            return false;
        if (is_text(key, name)) {
            *value_out = value;
            return true;
        }
    }
    return false;
}

/* Pushes a field's value; false: there is none. */
static bool push_field(lua_State *L, struct bytes map, const char *name)
{
    struct bytes value;
    struct err err;

    return find_field(map, name, &value) &&
           codec_decode_value(L, value.data, value.n, false, &err) == 0;
}

static uint64_t number_field(lua_State *L, struct bytes map, const char *name)
{
    uint64_t number = 0;

    if (push_field(L, map, name)) {
        number = (uint64_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    return number;
}

/* ---- making one ------------------------------------------------------------------ */

/* Fills the tables at ids and entries; -1: the list is no list of entries. */
static int keep_entries(lua_State *L, struct bytes list, int ids, int entries)
{
    struct bytes rest, entry;
    struct err err;
    uint32_t n;

    if (!open_list(list, &n, &rest))
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (codec_take_value(&rest, &entry, &err) == -1 || !push_field(L, entry, "id"))
            return -1;
        lua_pushvalue(L, -1);
        lua_rawseti(L, ids, (lua_Integer)i + 1);
        lua_pushlstring(L, (const char *)entry.data, entry.n);
        lua_rawset(L, entries);
    }
    return 0;
}

static bool push_snapshot(lua_State *L, struct bytes record)
{
    struct snapshot_object *object = lua_newuserdatauv(L, sizeof(*object), 2);
    int self = lua_gettop(L);
    struct bytes list;

    object->version.id = number_field(L, record, "id");
    object->version.parent = number_field(L, record, "parent");
    object_bless(L, &snapshot_class);
    lua_newtable(L);
    lua_newtable(L);
    if (!find_field(record, "entries", &list) ||
        keep_entries(L, list, self + 1, self + 2) == -1)
        return false;
    lua_setiuservalue(L, self, UV_ENTRIES);
    lua_setiuservalue(L, self, UV_IDS);
    return true;
}

/* In err_kind's place: who asks for a version that isn't there hears that. */
static int fail_snapshot(lua_State *L, bool by_version)
{
    ask_result(L);
    if (by_version && strcmp(errors_kind(L, -1, NULL), "NotFound") == 0)
        return errors_return(L, ERR_NOT_FOUND, "version not found");
    return 2;
}

static int got_snapshot(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes payload, values, record;
    struct err err;
    uint32_t n;
    bool graph;

    (void)status;
    if (!ask_reply(L, &payload))
        return fail_snapshot(L, ctx >= 0);
    if (codec_open_args(payload, &graph, &n, &values, &err) == -1 || n != 1 ||
        codec_take_value(&values, &record, &err) == -1 || !push_snapshot(L, record)) {
        ask_done(L);
        return errors_return(L, ERR_INTERNAL, "the registry's answer was malformed");
    }
    ask_done(L);
    lua_pushnil(L);
    return 2;
}

int registry_fetch_snapshot(lua_State *L, int64_t version)
{
    lua_settop(L, 0);
    if (version >= 0)
        lua_pushinteger(L, version);
    return ask_system(L, "@registry.snapshot", 1, lua_gettop(L), (lua_KContext)version,
                      got_snapshot);
}

/* ---- using it -------------------------------------------------------------------- */

static const struct snapshot_object *self(lua_State *L)
{
    return object_check(L, 1, &snapshot_class);
}

/* Pushes a fresh table of the entry whose bytes are on top, instead of them. */
static void decode_top(lua_State *L)
{
    struct err err;
    size_t n;
    const char *data = lua_tolstring(L, -1, &n);

    if (codec_decode_value(L, (const uint8_t *)data, n, false, &err) == -1)
        lua_pushnil(L); /* it was one when it came */
    lua_replace(L, -2);
}

static bool in_namespace(const char *id, const char *space, size_t n)
{
    return space == NULL ||
           (strncmp(id, space, n) == 0 && strnlen(id, n) == n && id[n] == ':');
}

/* Pushes the list of entries of a namespace, NULL = all. */
static void push_entries(lua_State *L, const char *space, size_t space_bytes)
{
    int list, ids, entries;
    lua_Integer n_all, n = 0;

    lua_newtable(L);
    list = lua_gettop(L);
    ids = list + 1;
    entries = list + 2;
    lua_getiuservalue(L, 1, UV_IDS);
    lua_getiuservalue(L, 1, UV_ENTRIES);
    n_all = (lua_Integer)lua_rawlen(L, ids);
    for (lua_Integer i = 1; i <= n_all; i++) {
        lua_rawgeti(L, ids, i);
        if (in_namespace(lua_tostring(L, -1), space, space_bytes) &&
            identity_allows(L, "registry.get", lua_tostring(L, -1))) {
            lua_rawget(L, entries);
            decode_top(L);
            lua_rawseti(L, list, ++n);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_settop(L, list);
}

static int snapshot_entries(lua_State *L)
{
    self(L);
    push_entries(L, NULL, 0);
    lua_pushnil(L);
    return 2;
}

static int snapshot_namespace(lua_State *L)
{
    size_t n;
    const char *space = luaL_checklstring(L, 2, &n);

    self(L);
    push_entries(L, space, n);
    return 1;
}

static int snapshot_get(lua_State *L)
{
    const char *id = luaL_checkstring(L, 2);

    self(L);
    if (!identity_allows(L, "registry.get", id))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to access entry: %.255s", id);
    lua_getiuservalue(L, 1, UV_ENTRIES);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) == LUA_TNIL)
        return errors_return(L, ERR_NOT_FOUND, "entry not found: %.255s", id);
    decode_top(L);
    lua_pushnil(L);
    return 2;
}

static int found(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    ask_result(L);
    if (lua_isnil(L, -2))
        return 2;
    lua_pop(L, 1);
    registry_filter(L, -1);
    return 1;
}

/* The query language is the supervisor's; a version's entries never change. */
static int snapshot_find(lua_State *L)
{
    int64_t version = (int64_t)self(L)->version.id;

    return registry_find(L, 2, version, found);
}

static int snapshot_changes(lua_State *L)
{
    self(L);
    registry_push_changes(L);
    return 1;
}

static int snapshot_version(lua_State *L)
{
    registry_push_version(L, self(L)->version);
    return 1;
}

static int snapshot_tostring(lua_State *L)
{
    lua_pushfstring(L, "registry.Snapshot{version=v%I}",
                    (LUAI_UACINT)self(L)->version.id);
    return 1;
}

void registry_snapshot_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"entries", snapshot_entries},
                                       {"get", snapshot_get},
                                       {"find", snapshot_find},
                                       {"namespace", snapshot_namespace},
                                       {"changes", snapshot_changes},
                                       {"version", snapshot_version},
                                       {NULL, NULL}};

    object_define(L, &snapshot_class, methods, snapshot_tostring);
}
