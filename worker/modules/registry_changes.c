#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_registry.h"
#include "worker/object.h"
#include "worker/plain.h"
#include "worker/runtime.h"
#include "worker/text_at.h"
#include "worker/vm.h"

#define CREATE "entry.create"
#define UPDATE "entry.update"
#define DELETE "entry.delete"

static const struct object_class changes_class = {"registry.Changes"};

/* ---- entries as bytes ------------------------------------------------------------ */

/* Replaces the id on top, text or {ns, name}, by its text; false: it is neither. */
static bool read_id(lua_State *L)
{
    if (lua_type(L, -1) == LUA_TSTRING)
        return lua_rawlen(L, -1) != 0;
    if (!lua_istable(L, -1))
        return false;
    frozen_get_field(L, -1, "ns");
    frozen_get_field(L, -2, "name");
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING ||
        lua_rawlen(L, -1) == 0)
        return false;
    lua_pushfstring(L, "%s:%s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -4);
    lua_pop(L, 2);
    return true;
}

static bool append_key(struct buf *out, const char *key)
{
    return plain_append_text(out, key, strlen(key));
}

static bool append_text_at(lua_State *L, int idx, struct buf *out)
{
    size_t n;
    const char *text = lua_tolstring(L, idx, &n);

    return plain_append_text(out, text, n);
}

/* Appends the entry at idx as {id, kind, meta, data}; -1 (INVALID: it is none). */
static int append_entry(lua_State *L, int idx, struct buf *out, struct err *err)
{
    int base = lua_gettop(L), id = base + 1, kind = base + 2, meta = base + 3,
        data = base + 4;

    frozen_get_field(L, idx, "id");
    if (!read_id(L))
        return err_set(err, ERR_INVALID, "entry must have valid id field");
    if (frozen_get_field(L, idx, "kind") != LUA_TSTRING || lua_rawlen(L, kind) == 0)
        return err_set(err, ERR_INVALID, "entry must have kind field");
    frozen_get_field(L, idx, "meta");
    frozen_get_field(L, idx, "data");
    if (!lua_istable(L, meta)) {
        lua_newtable(L);
        lua_replace(L, meta);
    }
    if (!plain_append_map(out, lua_isnil(L, data) ? 3 : 4) || !append_key(out, "id") ||
        !append_text_at(L, id, out) || !append_key(out, "kind") ||
        !append_text_at(L, kind, out) || !append_key(out, "meta"))
        return plain_fail_memory(err);
    if (plain_encode_fields(L, meta, out, err) == -1)
        return -1;
    if (!lua_isnil(L, data) && !append_key(out, "data"))
        return plain_fail_memory(err);
    if (!lua_isnil(L, data) && plain_encode(L, data, out, err) == -1)
        return -1;
    lua_settop(L, base);
    return 0;
}

/* Pushes a fresh table of encoded data (a string at idx). */
static void push_decoded(lua_State *L, int idx)
{
    struct err err;
    size_t n;
    const char *data = lua_tolstring(L, idx, &n);

    if (codec_decode_value(L, (const uint8_t *)data, n, false, &err) == -1)
        lua_pushnil(L); /* it was we who wrote it */
}

/* ---- Changes: uservalue 1 is the list of operations, each {kind, entry} encoded -- */

void registry_push_changes(lua_State *L)
{
    lua_newuserdatauv(L, 0, 1);
    object_bless(L, &changes_class);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
}

/* Pushes the list. */
static lua_Integer push_operations(lua_State *L)
{
    object_check(L, 1, &changes_class);
    lua_getiuservalue(L, 1, 1);
    return (lua_Integer)lua_rawlen(L, -1);
}

static int begin_operation(struct buf *out, const char *kind, struct err *err)
{
    buf_clear(out);
    return plain_append_map(out, 2) && append_key(out, "kind") &&
                   append_key(out, kind) && append_key(out, "entry")
               ? 0
               : plain_fail_memory(err);
}

/* Ends a method: the operation in out is one more; the object is the result. */
static int keep_operation(lua_State *L, const struct buf *out)
{
    lua_Integer n = push_operations(L);

    lua_pushlstring(L, (const char *)buf_head(out), buf_len(out));
    lua_rawseti(L, -2, n + 1);
    lua_settop(L, 1);
    return 1;
}

static int add_entry(lua_State *L, const char *kind)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    struct err err;

    object_check(L, 1, &changes_class);
    luaL_checktype(L, 2, LUA_TTABLE);
    if (begin_operation(out, kind, &err) == -1 || append_entry(L, 2, out, &err) == -1)
        return errors_return_struct(L, &err);
    return keep_operation(L, out);
}

static int changes_create(lua_State *L)
{
    return add_entry(L, CREATE);
}

static int changes_update(lua_State *L)
{
    return add_entry(L, UPDATE);
}

static int changes_delete(lua_State *L)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    struct err err;

    object_check(L, 1, &changes_class);
    lua_settop(L, 2);
    if (!read_id(L))
        return errors_return(L, ERR_INVALID,
                             lua_istable(L, 2) ? "id requires ns and name fields"
                                               : "invalid ID format");
    if (begin_operation(out, DELETE, &err) == -1)
        return errors_return_struct(L, &err);
    if (!plain_append_map(out, 1) || !append_key(out, "id") ||
        !append_text_at(L, 2, out)) {
        plain_fail_memory(&err);
        return errors_return_struct(L, &err);
    }
    return keep_operation(L, out);
}

static int changes_ops(lua_State *L)
{
    lua_Integer n = push_operations(L);
    int operations = lua_gettop(L);

    lua_newtable(L);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, operations, i);
        push_decoded(L, -1);
        lua_rawseti(L, operations + 1, i);
        lua_pop(L, 1);
    }
    return 1;
}

/* The arguments of @registry.apply: the n operations of the list on top. */
static int encode_operations(lua_State *L, lua_Integer n, struct buf *out,
                             struct err *err)
{
    size_t n_bytes;

    if (!buf_append(out, "\x00\x91", 2) || /* no back references, one argument */
        !plain_append_list(out, (size_t)n))
        return plain_fail_memory(err);
    for (lua_Integer i = 1; i <= n; i++) {
        const char *bytes;
        bool good;

        lua_rawgeti(L, -1, i);
        bytes = lua_tolstring(L, -1, &n_bytes);
        good = buf_append(out, bytes, n_bytes);
        lua_pop(L, 1);
        if (!good)
            return plain_fail_memory(err);
        if (buf_len(out) > CODEC_MAX_BYTES / 2)
            return err_set(err, ERR_LIMIT_EXCEEDED, "the changes are too large");
    }
    return 0;
}

static int changes_apply(lua_State *L)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    lua_Integer n = push_operations(L);
    struct err err;

    if (n == 0)
        return errors_return(L, ERR_INVALID, "no changes to apply");
    if (!identity_allows(L, "registry.apply", ""))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to apply registry changes");
    buf_clear(out);
    if (encode_operations(L, n, out, &err) == -1)
        return errors_return_struct(L, &err);
    return ask_system_encoded(L, "@registry.apply", buf_bytes(out), 0,
                              registry_version_result);
}

static int changes_tostring(lua_State *L)
{
    lua_pushfstring(L, "registry.Changes{ops=%I}", (LUAI_UACINT)push_operations(L));
    return 1;
}

/* ---- build_delta ----------------------------------------------------------------- */

/* Puts the valid entries of the list at idx, encoded, into the table at map by id, and
 * their ids into the list at ids. */
static void index_entries(lua_State *L, int idx, int map, int ids)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    lua_Integer n, n_ids = 0;
    int top = lua_gettop(L);
    struct err err;

    if (frozen_push_contents(L, idx))
        lua_replace(L, idx);
    n = (lua_Integer)lua_rawlen(L, idx);
    for (lua_Integer i = 1; i <= n; i++) {
        buf_clear(out);
        lua_rawgeti(L, idx, i);
        if (lua_istable(L, -1) && append_entry(L, top + 1, out, &err) == 0) {
            frozen_get_field(L, top + 1, "id");
            read_id(L);
            lua_pushvalue(L, -1);
            lua_rawseti(L, ids, ++n_ids);
            lua_pushlstring(L, (const char *)buf_head(out), buf_len(out));
            lua_rawset(L, map);
        }
        lua_settop(L, top);
    }
}

static bool is_same(struct bytes a, struct bytes b)
{
    struct value left, right;
    bool same;

    if (a.n == b.n && memcmp(a.data, b.data, a.n) == 0)
        return true;
    if (value_decode(a.data, a.n, NULL, &left, NULL) == -1)
        return false;
    same = value_decode(b.data, b.n, NULL, &right, NULL) == 0;
    if (same) {
        same = value_equal(&left, &right);
        value_finish(&right);
    }
    value_finish(&left);
    return same;
}

/* Appends {kind, entry} to the list at idx; the entry's bytes are on top. */
static void add_delta(lua_State *L, int idx, const char *kind)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, kind);
    lua_setfield(L, -2, "kind");
    push_decoded(L, -2);
    lua_setfield(L, -2, "entry");
    lua_rawseti(L, idx, (lua_Integer)lua_rawlen(L, idx) + 1);
}

/* For each id of the list at ids: what is in the table at mine, what is in other's. */
static void compare(lua_State *L, int ids, int mine, int other, int result,
                    bool deletes)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, ids);
    int top = lua_gettop(L);

    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, ids, i);
        lua_pushvalue(L, -1);
        lua_rawget(L, other);
        lua_rotate(L, -2, 1);
        lua_rawget(L, mine);
        if (lua_isnil(L, -2))
            add_delta(L, result, deletes ? DELETE : CREATE);
        else if (!deletes && !is_same(text_at(L, -2), text_at(L, -1)))
            add_delta(L, result, UPDATE);
        lua_settop(L, top);
    }
}

int registry_build_delta(lua_State *L)
{
    enum { FROM = 1, TO, FROM_MAP, FROM_IDS, TO_MAP, TO_IDS, RESULT };

    luaL_checktype(L, FROM, LUA_TTABLE);
    luaL_checktype(L, TO, LUA_TTABLE);
    lua_settop(L, TO);
    for (int i = FROM_MAP; i <= RESULT; i++)
        lua_newtable(L);
    index_entries(L, FROM, FROM_MAP, FROM_IDS);
    index_entries(L, TO, TO_MAP, TO_IDS);
    compare(L, TO_IDS, TO_MAP, FROM_MAP, RESULT, false);
    compare(L, FROM_IDS, FROM_MAP, TO_MAP, RESULT, true);
    lua_pushnil(L);
    return 2;
}

void registry_changes_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"create", changes_create}, {"update", changes_update},
        {"delete", changes_delete}, {"ops", changes_ops},
        {"apply", changes_apply},   {NULL, NULL}};

    object_define(L, &changes_class, methods, changes_tostring);
}
