#include "worker/modules/mod_uuid.h"

#include <string.h>
#include <sys/random.h>

#include <lauxlib.h>
#include <lua.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"

#include "worker/modules/errors.h"
#include "worker/modules/uuid_text.h"
#include "worker/text_at.h"

static int push_uuid(lua_State *L, struct uuid uuid)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(text, &uuid);
    lua_pushlstring(L, text, UUID_TEXT_BYTES - 1);
    return 1;
}

/* 16 bytes come whole or not at all. */
static bool fill_random(uint8_t out[16])
{
    return getrandom(out, 16, 0) == 16;
}

static int refuse_random(lua_State *L)
{
    return errors_return(L, ERR_INTERNAL, "no random bytes");
}

static int mod_v1(lua_State *L)
{
    uint8_t random[16];

    return fill_random(random) ? push_uuid(L, uuid_make_v1(clock_wall_ns(), random))
                               : refuse_random(L);
}

static int mod_v4(lua_State *L)
{
    uint8_t random[16];

    return fill_random(random) ? push_uuid(L, uuid_make_v4(random)) : refuse_random(L);
}

static int mod_v7(lua_State *L)
{
    uint8_t random[16];

    return fill_random(random) ? push_uuid(L, uuid_make_v7(clock_wall_ns(), random))
                               : refuse_random(L);
}

static int push_named(lua_State *L, enum digest digest, int version)
{
    uint8_t out[DIGEST_MAX_BYTES];
    struct bytes parts[2];
    const char *space_text;
    size_t n_space, n_out;
    struct uuid space;

    if (lua_type(L, 1) != LUA_TSTRING || lua_type(L, 2) != LUA_TSTRING)
        return errors_return(L, ERR_INVALID, "namespace and name must be strings");
    space_text = lua_tolstring(L, 1, &n_space);
    parts[1] = text_at(L, 2);
    if (!uuid_parse(space_text, n_space, &space))
        return errors_return(L, ERR_INVALID, "invalid namespace UUID");
    parts[0] = (struct bytes){space.bytes, sizeof(space.bytes)};
    if (!digest_compute(digest, parts, 2, out, &n_out))
        return errors_return(L, ERR_INTERNAL, "digest is not available here");
    return push_uuid(L, uuid_make_named(out, version));
}

static int mod_v3(lua_State *L)
{
    return push_named(L, DIGEST_MD5, 3);
}

static int mod_v5(lua_State *L)
{
    return push_named(L, DIGEST_SHA1, 5);
}

/* Fills uuid_out and returns 0, or pushes nil and an Error and returns 2. */
static int check_uuid(lua_State *L, struct uuid *uuid_out)
{
    const char *text;
    size_t n;

    if (lua_type(L, 1) != LUA_TSTRING)
        return errors_return(L, ERR_INVALID, "input must be a string");
    text = lua_tolstring(L, 1, &n);
    if (!uuid_parse(text, n, uuid_out))
        return errors_return(L, ERR_INVALID, "invalid UUID format");
    return 0;
}

static int mod_validate(lua_State *L)
{
    bool is_string = lua_type(L, 1) == LUA_TSTRING;
    struct uuid ignored;
    size_t n = 0;
    const char *text = is_string ? lua_tolstring(L, 1, &n) : "";

    lua_pushboolean(L, uuid_parse(text, n, &ignored));
    return 1;
}

static int mod_version(lua_State *L)
{
    struct uuid uuid;
    int n_results = check_uuid(L, &uuid);

    if (n_results != 0)
        return n_results;
    lua_pushinteger(L, uuid_version(&uuid));
    return 1;
}

static int mod_variant(lua_State *L)
{
    struct uuid uuid;
    int n_results = check_uuid(L, &uuid);

    if (n_results != 0)
        return n_results;
    lua_pushstring(L, uuid_variant(&uuid));
    return 1;
}

static int mod_parse(lua_State *L)
{
    struct uuid uuid;
    int n_results = check_uuid(L, &uuid);
    int64_t unix_s;

    if (n_results != 0)
        return n_results;
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, uuid_version(&uuid));
    lua_setfield(L, -2, "version");
    lua_pushstring(L, uuid_variant(&uuid));
    lua_setfield(L, -2, "variant");
    if (uuid_timestamp(&uuid, &unix_s)) {
        lua_pushinteger(L, unix_s);
        lua_setfield(L, -2, "timestamp");
    }
    if (uuid_version(&uuid) == 1) {
        lua_pushlstring(L, (const char *)uuid.bytes + 10, 6);
        lua_setfield(L, -2, "node");
    }
    return 1;
}

static int push_simple(lua_State *L, const char *text)
{
    char simple[32];
    size_t n = 0;

    for (; *text != '\0'; text++)
        if (*text != '-')
            simple[n++] = *text;
    lua_pushlstring(L, simple, n);
    return 1;
}

static int mod_format(lua_State *L)
{
    const char *kind = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    char text[UUID_TEXT_BYTES];
    struct uuid uuid;
    int n_results = check_uuid(L, &uuid);

    if (n_results != 0)
        return n_results;
    uuid_format(text, &uuid);
    if (strcmp(kind, "simple") == 0)
        return push_simple(L, text);
    if (strcmp(kind, "urn") == 0)
        lua_pushfstring(L, "urn:uuid:%s", text);
    else if (strcmp(kind, "standard") == 0)
        lua_pushstring(L, text);
    else
        return errors_return(L, ERR_INVALID, "unsupported format");
    return 1;
}

static const luaL_Reg functions[] = {
    {"v1", mod_v1},
    {"v3", mod_v3},
    {"v4", mod_v4},
    {"v5", mod_v5},
    {"v7", mod_v7},
    {"validate", mod_validate},
    {"version", mod_version},
    {"variant", mod_variant},
    {"parse", mod_parse},
    {"format", mod_format},
    {NULL, NULL},
};

int uuid_open(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
