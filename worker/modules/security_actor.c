#include <lauxlib.h>

#include "common/err.h"

#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/modules/mod_security.h"
#include "worker/object.h"
#include "worker/plain.h"
#include "worker/runtime.h"
#include "worker/vm.h"

/* Uservalues: the id, and the bytes of {id, meta}. */
static const struct object_class actor_class = {"Actor"};

enum { UV_ID = 1, UV_BYTES };

/* Makes an Actor of id and bytes on top, which it replaces. */
static void make(lua_State *L)
{
    lua_newuserdatauv(L, 0, 2);
    object_bless(L, &actor_class);
    lua_insert(L, -3);
    lua_setiuservalue(L, -3, UV_BYTES);
    lua_setiuservalue(L, -2, UV_ID);
}

bool security_push_actor(lua_State *L, struct bytes actor)
{
    int top = lua_gettop(L);

    if (codec_decode_value(L, actor.data, actor.n, false, NULL) == -1)
        return false;
    if (!lua_istable(L, -1) || lua_getfield(L, -1, "id") != LUA_TSTRING) {
        lua_settop(L, top);
        return false;
    }
    lua_replace(L, top + 1);
    lua_pushlstring(L, (const char *)actor.data, actor.n);
    make(L);
    return true;
}

/* Whoever has this identity later must be able to read it, or may do nothing. */
static void check_readable(lua_State *L, struct bytes actor)
{
    struct value decoded;
    struct err err;

    if (value_decode(actor.data, actor.n, NULL, &decoded, &err) == -1)
        luaL_error(L, "the actor's meta: %s", err.text);
    value_finish(&decoded);
}

void security_make_actor(lua_State *L)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    int meta = lua_gettop(L), id = meta - 1;
    struct err err;
    size_t n;
    const char *text = lua_tolstring(L, id, &n);

    buf_clear(out);
    if (!plain_append_map(out, 2) || !plain_append_text(out, "id", 2) ||
        !plain_append_text(out, text, n) || !plain_append_text(out, "meta", 4))
        luaL_error(L, "not enough memory");
    if (!lua_istable(L, meta)) {
        lua_newtable(L);
        lua_replace(L, meta);
    }
    if (plain_encode_fields(L, meta, out, &err) == -1)
        luaL_error(L, "the actor's meta: %s", err.text);
    check_readable(L, buf_bytes(out));
    lua_pop(L, 1);
    lua_pushlstring(L, (const char *)buf_head(out), buf_len(out));
    make(L);
}

static void check(lua_State *L, int idx)
{
    if (object_test(L, idx, &actor_class) == NULL)
        luaL_argerror(L, idx, "Actor expected");
}

const char *security_push_actor_id(lua_State *L, int idx)
{
    check(L, idx);
    lua_getiuservalue(L, idx, UV_ID);
    return lua_tostring(L, -1);
}

void security_push_actor_bytes(lua_State *L, int idx)
{
    if (lua_isnoneornil(L, idx))
        luaL_error(L, "actor cannot be nil");
    check(L, idx);
    lua_getiuservalue(L, idx, UV_BYTES);
}

void security_push_actor_meta(lua_State *L, int idx)
{
    int top = lua_gettop(L);
    struct err err;
    size_t n;
    const char *data;

    security_push_actor_bytes(L, idx);
    data = lua_tolstring(L, -1, &n);
    if (codec_decode_value(L, (const uint8_t *)data, n, false, &err) == -1 ||
        lua_getfield(L, -1, "meta") != LUA_TTABLE)
        lua_newtable(L);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

struct value security_read_actor(lua_State *L, int idx)
{
    struct value actor = {0};
    size_t n;
    const char *data;

    security_push_actor_bytes(L, idx);
    data = lua_tolstring(L, -1, &n);
    if (value_decode((const uint8_t *)data, n, NULL, &actor, NULL) == -1)
        actor = value_map(); /* it was one when the Actor was made */
    lua_pop(L, 1);
    return actor;
}

/* ---- methods --------------------------------------------------------------------- */

static int actor_id(lua_State *L)
{
    security_push_actor_id(L, 1);
    return 1;
}

static int actor_meta(lua_State *L)
{
    security_push_actor_meta(L, 1);
    return 1;
}

static int actor_tostring(lua_State *L)
{
    lua_pushfstring(L, "security.Actor{%s}", security_push_actor_id(L, 1));
    return 1;
}

void security_actor_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"id", actor_id}, {"meta", actor_meta}, {NULL, NULL}};

    object_define(L, &actor_class, methods, actor_tostring);
}
