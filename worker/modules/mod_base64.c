#include "worker/modules/mod_base64.h"

#include <lauxlib.h>
#include <lua.h>

#include "common/base64.h"
#include "common/err.h"

#include "worker/modules/errors.h"

static int mod_encode(lua_State *L)
{
    const char *data;
    luaL_Buffer buffer;
    size_t n;

    if (lua_type(L, 1) != LUA_TSTRING)
        return errors_return(L, ERR_INVALID, "string expected");
    data = lua_tolstring(L, 1, &n);
    luaL_buffinitsize(L, &buffer, (n / 3 + 1) * 4);
    luaL_pushresultsize(
        &buffer, base64_encode(luaL_buffaddr(&buffer), (const uint8_t *)data, n));
    return 1;
}

static int mod_decode(lua_State *L)
{
    luaL_Buffer buffer;
    size_t n, n_out, bad_at;
    const char *text;

    if (lua_type(L, 1) != LUA_TSTRING)
        return errors_return(L, ERR_INVALID, "string expected");
    text = lua_tolstring(L, 1, &n);
    luaL_buffinitsize(L, &buffer, (n / 4 + 1) * 3);
    if (!base64_decode((uint8_t *)luaL_buffaddr(&buffer), text, n, &n_out, &bad_at))
        return errors_return(L, ERR_INVALID, "illegal base64 data at input byte %zu",
                             bad_at);
    luaL_pushresultsize(&buffer, n_out);
    return 1;
}

static const luaL_Reg functions[] = {
    {"encode", mod_encode},
    {"decode", mod_decode},
    {NULL, NULL},
};

int base64_open(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
