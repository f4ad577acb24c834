#include "worker/modules/mod_ctx.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "proto/trace_context.h"

#include "worker/actor.h"
#include "worker/context.h"
#include "worker/modules/errors.h"
#include "worker/trace.h"

static int ctx_get(lua_State *L)
{
    size_t n;
    const char *key = luaL_checklstring(L, 1, &n);
    const uint8_t *trace;

    if (n == 0)
        return errors_return(L, ERR_INVALID, "empty key");
    if (strcmp(key, TRACEPARENT) == 0 && (trace = trace_of(actor_current(L))) != NULL) {
        lua_pushlstring(L, (const char *)trace, TRACE_TEXT_BYTES);
        lua_pushnil(L);
        return 2;
    }
    context_push_values(L, context_bytes(actor_current(L)->context));
    lua_pushvalue(L, 1);
    if (lua_rawget(L, -2) == LUA_TNIL)
        return errors_return(L, ERR_NOT_FOUND, "key not found: %s", key);
    lua_pushnil(L);
    return 2;
}

static int ctx_all(lua_State *L)
{
    context_push_values(L, context_bytes(actor_current(L)->context));
    lua_pushnil(L);
    return 2;
}

int mod_ctx_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"get", ctx_get}, {"all", ctx_all}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
