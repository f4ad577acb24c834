#include "worker/modules/mod_json.h"

#include <lauxlib.h>
#include <lua.h>

#include "worker/modules/errors.h"
#include "worker/modules/json_decode.h"
#include "worker/modules/json_encode.h"
#include "worker/modules/json_validate.h"
#include "worker/modules/payload.h"

static int mod_encode(lua_State *L)
{
    lua_settop(L, 1); /* nothing at all is nil */
    return json_push_encoded(L, 1) ? 1 : 2;
}

static int mod_decode(lua_State *L)
{
    const char *text;
    size_t n_text;

    if (lua_type(L, 1) != LUA_TSTRING)
        return errors_return(L, ERR_INVALID, "string expected");
    text = lua_tolstring(L, 1, &n_text);
    return json_push_decoded(L, text, n_text) ? 1 : 2;
}

static const luaL_Reg functions[] = {
    {"encode", mod_encode},
    {"decode", mod_decode},
    {NULL, NULL},
};

int json_open(lua_State *L)
{
    luaL_newlib(L, functions);
    json_validate_open(L);
    return 1;
}

void json_add_transcoder(lua_State *L)
{
    payload_add_transcoder(L, PAYLOAD_JSON, mod_encode, mod_decode);
}
