#include "worker/modules/mod_io.h"

#include <errno.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/modules/errors.h"
#include "worker/runtime.h"
#include "worker/terminal.h"
#include "worker/text_at.h"
#include "worker/vm.h"

#define READ_DEFAULT_BYTES 1024

/* NULL in everything but a process of a terminal host. */
static struct terminal *terminal_of(lua_State *L)
{
    const struct actor *actor = actor_current(L);

    return actor->instance != NULL ? NULL : actor->vm->rt->terminal;
}

static int no_terminal(lua_State *L)
{
    return errors_return(L, ERR_UNAVAILABLE, "no terminal context");
}

/* ---- output ---------------------------------------------------------------------- */

static int wrote(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes text;

    (void)status, (void)ctx;
    if (ask_reply(L, &text)) {
        ask_done(L);
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushlstring(L, (const char *)text.data, text.n);
    ask_done(L);
    return errors_return(L, ERR_UNAVAILABLE, "write: %s", lua_tostring(L, -1));
}

static bool can_block(lua_State *L)
{
    return lua_isyieldable(L) && actor_current(L)->stage != ACTOR_LOADING;
}

/* Writes the string on top of the stack. */
static int write_top(lua_State *L, struct terminal *terminal, int stream)
{
    struct bytes rest = text_at(L, -1);
    int failed = terminal_write(terminal, stream, &rest);

    if (failed == 0 && rest.n != 0) {
        if (can_block(L)) {
            terminal_wait_output(terminal, stream, task_begin_block(L), rest);
            return task_block(L, 0, wrote);
        }
        failed = terminal_write_all(terminal, stream, rest);
    }
    if (failed == -1)
        return errors_return(L, ERR_UNAVAILABLE, "write: %s", strerror(errno));
    lua_pushboolean(L, 1);
    return 1;
}

/* Pushes all arguments as one string. */
static void push_joined(lua_State *L, const char *between, const char *end)
{
    int n = lua_gettop(L);
    luaL_Buffer text;

    luaL_buffinit(L, &text);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addstring(&text, between);
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&text);
    }
    luaL_addstring(&text, end);
    luaL_pushresult(&text);
}

static int output(lua_State *L, int stream, const char *between, const char *end)
{
    struct terminal *terminal = terminal_of(L);

    if (terminal == NULL)
        return no_terminal(L);
    push_joined(L, between, end);
    return write_top(L, terminal, stream);
}

static int io_write(lua_State *L)
{
    return output(L, 1, "", "");
}

static int io_print(lua_State *L)
{
    return output(L, 1, "\t", "\n");
}

static int io_eprint(lua_State *L)
{
    return output(L, 2, "\t", "\n");
}

/* Nothing is ever held back. */
static int io_flush(lua_State *L)
{
    if (terminal_of(L) == NULL)
        return no_terminal(L);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- input ----------------------------------------------------------------------- */

static int got_input(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes text;
    bool ok = ask_reply(L, &text);

    (void)status, (void)ctx;
    lua_pushlstring(L, (const char *)text.data, text.n);
    ask_done(L);
    if (ok) {
        lua_pushnil(L);
        return 2;
    }
    if (lua_rawlen(L, -1) == 0)
        return errors_return(L, ERR_NOT_FOUND, "EOF");
    return errors_return(L, ERR_UNAVAILABLE, "read: %s", lua_tostring(L, -1));
}

static int input(lua_State *L, struct terminal *terminal, size_t max_bytes)
{
    struct bytes text;

    if (terminal_take(terminal, max_bytes, &text)) {
        lua_pushlstring(L, (const char *)text.data, text.n);
        lua_pushnil(L);
        return 2;
    }
    terminal_wait_input(terminal, task_begin_block(L), max_bytes);
    return task_block(L, 0, got_input);
}

static int io_read(lua_State *L)
{
    struct terminal *terminal = terminal_of(L);
    lua_Integer n = luaL_optinteger(L, 1, READ_DEFAULT_BYTES);

    if (terminal == NULL)
        return no_terminal(L);
    if (n <= 0)
        n = READ_DEFAULT_BYTES;
    if ((lua_Unsigned)n > TERMINAL_READ_MAX_BYTES)
        n = (lua_Integer)TERMINAL_READ_MAX_BYTES;
    return input(L, terminal, (size_t)n);
}

static int io_readline(lua_State *L)
{
    struct terminal *terminal = terminal_of(L);

    return terminal != NULL ? input(L, terminal, 0) : no_terminal(L);
}

/* ---- the rest -------------------------------------------------------------------- */

/* What the process was started with, as far as it is text. */
static int io_args(lua_State *L)
{
    const struct terminal *terminal = terminal_of(L);
    struct bytes payload = {NULL, 0};
    struct err err;
    int n = 0, n_texts = 0, result;

    lua_settop(L, 0);
    lua_newtable(L);
    result = lua_gettop(L);
    if (terminal != NULL)
        payload = terminal_args(terminal);
    if (payload.n != 0)
        n = codec_decode_args(L, payload.data, payload.n, CODEC_MAX_ARGS, &err);
    for (int i = 1; i <= n; i++) {
        if (lua_type(L, result + i) != LUA_TSTRING)
            continue;
        lua_pushvalue(L, result + i);
        lua_rawseti(L, result, ++n_texts);
    }
    lua_settop(L, result);
    return 1;
}

static int io_raw(lua_State *L)
{
    struct terminal *terminal = terminal_of(L);
    struct err err;

    if (terminal == NULL)
        return no_terminal(L);
    if (terminal_set_raw(terminal, actor_current(L),
                         lua_isnoneornil(L, 1) || lua_toboolean(L, 1), &err) == -1)
        return errors_return_struct(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

int mod_io_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"write", io_write}, {"print", io_print},       {"eprint", io_eprint},
        {"read", io_read},   {"readline", io_readline}, {"flush", io_flush},
        {"args", io_args},   {"raw", io_raw},           {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
