#include "worker/modules/mod_hash.h"

#include <stdint.h>

#include <lua.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/mem.h"

#include "worker/modules/errors.h"
#include "worker/text_at.h"

static const struct row {
    const char *name;
    enum digest digest;
    bool has_secret;
} rows[] = {
    {"md5", DIGEST_MD5, false},           {"sha1", DIGEST_SHA1, false},
    {"sha256", DIGEST_SHA256, false},     {"sha512", DIGEST_SHA512, false},
    {"hmac_md5", DIGEST_MD5, true},       {"hmac_sha1", DIGEST_SHA1, true},
    {"hmac_sha256", DIGEST_SHA256, true}, {"hmac_sha512", DIGEST_SHA512, true},
};

static void push_hex(lua_State *L, const uint8_t *data, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    char text[2 * DIGEST_MAX_BYTES];

    for (size_t i = 0; i < n; i++) {
        text[2 * i] = hex[data[i] >> 4];
        text[2 * i + 1] = hex[data[i] & 15];
    }
    lua_pushlstring(L, text, 2 * n);
}

static bool compute(lua_State *L, const struct row *row, uint8_t out[DIGEST_MAX_BYTES],
                    size_t *n_out)
{
    struct bytes data = text_at(L, 1);

    if (!row->has_secret)
        return digest_compute(row->digest, &data, 1, out, n_out);
    return digest_hmac(row->digest, text_at(L, 2), data, out, n_out);
}

/* All of rows; the upvalue is the row. */
static int mod_digest(lua_State *L)
{
    const struct row *row = lua_touserdata(L, lua_upvalueindex(1));
    uint8_t out[DIGEST_MAX_BYTES];
    size_t n;

    lua_settop(L, 3);
    if (lua_type(L, 1) != LUA_TSTRING)
        return errors_return(L, ERR_INVALID, "data must be a string");
    if (row->has_secret && lua_type(L, 2) != LUA_TSTRING)
        return errors_return(L, ERR_INVALID, "secret must be a string");
    if (!compute(L, row, out, &n))
        return errors_return(L, ERR_INTERNAL, "%s is not available here", row->name);
    if (lua_toboolean(L, row->has_secret ? 3 : 2))
        lua_pushlstring(L, (const char *)out, n);
    else
        push_hex(L, out, n);
    return 1;
}

/* The data at 1; NULL with nil and an Error pushed: it is no text. */
static const uint8_t *check_data(lua_State *L, size_t *n_out)
{
    if (lua_type(L, 1) == LUA_TSTRING)
        return (const uint8_t *)lua_tolstring(L, 1, n_out);
    errors_return(L, ERR_INVALID, "data must be a string");
    return NULL;
}

static int mod_fnv32(lua_State *L)
{
    uint32_t hash = 2166136261u;
    size_t n;
    const uint8_t *data = check_data(L, &n);

    if (data == NULL)
        return 2;
    for (size_t i = 0; i < n; i++)
        hash = hash * 16777619u ^ data[i];
    lua_pushinteger(L, hash);
    return 1;
}

/* A float, which keeps 53 of the 64 bits: apps have stored such values. */
static int mod_fnv64(lua_State *L)
{
    uint64_t hash = 14695981039346656037u;
    size_t n;
    const uint8_t *data = check_data(L, &n);

    if (data == NULL)
        return 2;
    for (size_t i = 0; i < n; i++)
        hash = hash * 1099511628211u ^ data[i];
    lua_pushnumber(L, (lua_Number)hash);
    return 1;
}

int hash_open(lua_State *L)
{
    lua_createtable(L, 0, N_ELEMENTS(rows) + 2);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        lua_pushlightuserdata(L, (void *)&rows[i]);
        lua_pushcclosure(L, mod_digest, 1);
        lua_setfield(L, -2, rows[i].name);
    }
    lua_pushcfunction(L, mod_fnv32);
    lua_setfield(L, -2, "fnv32");
    lua_pushcfunction(L, mod_fnv64);
    lua_setfield(L, -2, "fnv64");
    return 1;
}
