#include "worker/modules/mod_logger.h"

#include <string.h>

#include <lauxlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/log.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/modules/log_fields.h"
#include "worker/object.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

#define MESSAGE_MAX_BYTES ((size_t)64 * 1024)

/* Uservalue 1: fields added by with(); 2: name. */
static const struct object_class logger_class = {"logger.Logger"};

static void push_location(lua_State *L, const struct actor *actor)
{
    lua_Debug ar;

    if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar) && ar.currentline > 0)
        lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
    else
        lua_pushstring(L, actor->vm->program->id);
}

/* A field of that name which the app passed itself wins (LG-2). */
static void set_default(lua_State *L, int fields, const char *key)
{
    if (lua_getfield(L, fields, key) == LUA_TNIL) {
        lua_pushvalue(L, -2);
        lua_setfield(L, fields, key);
    }
    lua_pop(L, 2);
}

static void add_origin(lua_State *L, int fields, const struct actor *actor)
{
    char text[PID_TEXT_MAX];

    lua_pushlstring(L, text,
                    pid_format(text, actor->host, strlen(actor->host), actor->pid));
    set_default(L, fields, "pid");
    push_location(L, actor);
    set_default(L, fields, "location");
}

/* Errors log as their message, other objects as their text. */
static void copy_fields(lua_State *L, int to, int from)
{
    if (!lua_istable(L, from))
        return;
    if (!frozen_push_contents(L, from))
        lua_pushvalue(L, from);
    from = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, from) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        lua_pushvalue(L, -2);
        if (errors_test(L, -2))
            lua_pushstring(L, errors_message(L, -2, NULL));
        else if (lua_type(L, -2) == LUA_TUSERDATA)
            luaL_tolstring(L, -2, NULL);
        else
            lua_pushvalue(L, -2);
        lua_rawset(L, to);
    }
    lua_pop(L, 1);
}

/* Message at idx (text), fields table at fields. */
static void send_record(lua_State *L, int level, const char *logger, int idx,
                        int fields)
{
    struct actor *actor = actor_current(L);
    struct buf *out = conn_out(uplink_conn(actor->vm->rt->uplink));
    struct buf *record = &actor->vm->rt->record;
    struct frame_log frame = {.level = (uint8_t)level,
                              .at_ns = (uint64_t)clock_wall_ns(),
                              .logger = bytes_of_text(logger)};
    size_t at = buf_len(out);
    struct err err;

    if (level < actor->vm->rt->settings.log_level)
        return;
    buf_clear(record);
    if (!log_fields_encode(L, fields, record)) /* may raise: nothing is in out yet */
        return;
    if (!frame_encode_log(out, &frame) ||
        codec_encode_value(L, idx, out, NULL, &err) == -1 ||
        !buf_append(out, buf_head(record), buf_len(record))) {
        uplink_drop_frame(actor->vm->rt->uplink, at);
        return;
    }
    uplink_end_frame(actor->vm->rt->uplink, at);
}

static void cut_message(lua_State *L, int idx)
{
    if (lua_rawlen(L, idx) <= MESSAGE_MAX_BYTES)
        return;
    lua_pushlstring(L, lua_tostring(L, idx), MESSAGE_MAX_BYTES);
    lua_replace(L, idx);
}

static int log_at(lua_State *L, int level)
{
    struct actor *actor = actor_current(L);
    const char *name = "app";

    object_check(L, 1, &logger_class);
    luaL_checkstring(L, 2);
    if (level < actor->vm->rt->settings.log_level)
        return 0;
    lua_settop(L, 3);
    lua_newtable(L);
    lua_getiuservalue(L, 1, 1);
    copy_fields(L, 4, 5);
    copy_fields(L, 4, 3);
    lua_settop(L, 4);
    add_origin(L, 4, actor);
    cut_message(L, 2);
    if (lua_getiuservalue(L, 1, 2) == LUA_TSTRING)
        name = lua_tostring(L, -1);
    send_record(L, level, name, 2, 4);
    return 0;
}

static int logger_debug(lua_State *L)
{
    return log_at(L, LOG_DEBUG);
}

static int logger_info(lua_State *L)
{
    return log_at(L, LOG_INFO);
}

static int logger_warn(lua_State *L)
{
    return log_at(L, LOG_WARN);
}

static int logger_error(lua_State *L)
{
    return log_at(L, LOG_ERROR);
}

static void push_logger(lua_State *L)
{
    lua_newuserdatauv(L, 0, 2);
    object_bless(L, &logger_class);
}

static int logger_with(lua_State *L)
{
    object_check(L, 1, &logger_class);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    push_logger(L);
    lua_newtable(L);
    lua_getiuservalue(L, 1, 1);
    copy_fields(L, 4, 5);
    copy_fields(L, 4, 2);
    lua_settop(L, 4);
    lua_setiuservalue(L, 3, 1);
    lua_getiuservalue(L, 1, 2);
    lua_setiuservalue(L, 3, 2);
    return 1;
}

static int logger_named(lua_State *L)
{
    size_t n;

    object_check(L, 1, &logger_class);
    luaL_checklstring(L, 2, &n);
    if (n == 0)
        return luaL_error(L, "name cannot be empty");
    lua_settop(L, 2);
    push_logger(L);
    lua_getiuservalue(L, 1, 1);
    lua_setiuservalue(L, 3, 1);
    if (lua_getiuservalue(L, 1, 2) == LUA_TSTRING)
        lua_pushfstring(L, "%s.%s", lua_tostring(L, -1), lua_tostring(L, 2));
    else
        lua_pushvalue(L, 2);
    lua_setiuservalue(L, 3, 2);
    lua_settop(L, 3);
    return 1;
}

int mod_logger_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"debug", logger_debug},
                                       {"info", logger_info},
                                       {"warn", logger_warn},
                                       {"error", logger_error},
                                       {"with", logger_with},
                                       {"named", logger_named},
                                       {NULL, NULL}};

    object_define(L, &logger_class, methods, NULL);
    push_logger(L);
    return 1;
}

/* LUA-40: one record at info level, arguments joined by one blank. */
static int print(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer text;

    luaL_buffinit(L, &text);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&text, ' ');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    cut_message(L, n + 1);
    lua_newtable(L);
    add_origin(L, n + 2, actor_current(L));
    send_record(L, LOG_INFO, "app", n + 1, n + 2);
    return 0;
}

void mod_logger_open_print(lua_State *L)
{
    lua_pushcfunction(L, print);
}
