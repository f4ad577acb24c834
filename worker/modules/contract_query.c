#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/hex.h"

#include "worker/modules/errors.h"
#include "worker/modules/mod_contract.h"

/* Pushes the text decoded; false: a '%' with no two digits behind it, nothing
 * pushed. */
static bool push_decoded(lua_State *L, const char *text, size_t n)
{
    luaL_Buffer out;

    for (size_t i = 0; i < n; i++)
        if (text[i] == '%' &&
            (n - i < 3 || hex_digit(text[i + 1]) == -1 || hex_digit(text[i + 2]) == -1))
            return false;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '%') {
            luaL_addchar(&out,
                         (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2])));
            i += 2;
        } else {
            luaL_addchar(&out, text[i] == '+' ? ' ' : text[i]);
        }
    }
    luaL_pushresult(&out);
    return true;
}

/* Only digits, with a sign before and one point among them? */
static bool looks_like_number(const char *text, bool *point_out)
{
    size_t n_digits = 0;

    *point_out = false;
    if (*text == '-' || *text == '+')
        text++;
    for (; *text != '\0'; text++) {
        if (*text >= '0' && *text <= '9')
            n_digits++;
        else if (*text == '.' && !*point_out)
            *point_out = true;
        else
            return false;
    }
    return n_digits != 0;
}

/* Replaces the text on top by what it says (F-65). A whole number that is too large for
 * an integer stays a text: as a float it would lose digits. */
static void convert(lua_State *L)
{
    const char *text = lua_tostring(L, -1);
    bool point;

    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        lua_pushboolean(L, text[0] == 't');
        lua_replace(L, -2);
        return;
    }
    if (lua_rawlen(L, -1) != strlen(text) || !looks_like_number(text, &point) ||
        lua_stringtonumber(L, text[0] == '+' ? text + 1 : text) == 0)
        return;
    if (!point && !lua_isinteger(L, -1))
        lua_pop(L, 1);
    else
        lua_replace(L, -2);
}

/* Adds "key=value" to the table on top unless the key is there. */
static bool add_pair(lua_State *L, const char *text, size_t n)
{
    const char *equals = memchr(text, '=', n);
    size_t n_key = equals == NULL ? n : (size_t)(equals - text);

    if (memchr(text, ';', n) != NULL || !push_decoded(L, text, n_key))
        return false;
    if (equals == NULL)
        lua_pushliteral(L, "");
    else if (!push_decoded(L, equals + 1, n - n_key - 1))
        return false;
    convert(L);
    lua_pushvalue(L, -2);
    if (lua_rawget(L, -4) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_rawset(L, -3);
    } else {
        lua_pop(L, 3);
    }
    return true;
}

int contract_split_query(lua_State *L, int idx)
{
    size_t n;
    const char *text = lua_tolstring(L, idx, &n);
    const char *at = memchr(text, '?', n), *end = text + n;

    lua_newtable(L);
    if (at == NULL)
        return 0;
    lua_pushlstring(L, text, (size_t)(at - text));
    lua_insert(L, -2);
    for (at++; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t n_pair = (size_t)((next == NULL ? end : next) - at);

        if (n_pair != 0 && !add_pair(L, at, n_pair))
            return errors_return(L, ERR_INVALID,
                                 "parse binding ID failed: '%.100s' is no query", at);
        at += n_pair + 1;
    }
    lua_insert(L, -2);
    lua_replace(L, idx);
    return 0;
}
