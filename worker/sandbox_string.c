#include "worker/sandbox_lib.h"

#include <stdint.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "common/utf8.h"

#include "worker/sandbox.h"

#define FORMAT_MAX_ARGS 64 /* whose width counts in characters */

static int string_of_text(lua_State *L)
{
    sandbox_text(L, 1);
    return sandbox_call_stock(L);
}

static int string_byte(lua_State *L)
{
    sandbox_text(L, 1);
    sandbox_integer(L, 2);
    sandbox_integer(L, 3);
    return sandbox_call_stock(L);
}

static int string_char(lua_State *L)
{
    int n = lua_gettop(L);

    for (int i = 1; i <= n; i++)
        sandbox_integer(L, i);
    return sandbox_call_stock(L);
}

/* find, match and gmatch: text, pattern, start. */
static int string_find(lua_State *L)
{
    sandbox_text(L, 1);
    sandbox_text(L, 2);
    sandbox_integer(L, 3);
    return sandbox_call_stock(L);
}

static int string_gsub(lua_State *L)
{
    sandbox_text(L, 1);
    sandbox_text(L, 2);
    sandbox_text(L, 3);
    sandbox_integer(L, 4);
    if (lua_isfunction(L, 3))
        return sandbox_gsub(L, lua_upvalueindex(2));
    return sandbox_call_stock(L);
}

/* Fails before it asks for the memory: a huge result would push a state over its
 * ceiling where a smaller limit of its own gives the app an error to handle (L5). */
static int string_rep(lua_State *L)
{
    const struct sandbox_limits *limits = lua_touserdata(L, lua_upvalueindex(2));
    size_t n_text, n_separator = 0;
    lua_Integer n;

    sandbox_text(L, 1);
    sandbox_integer(L, 2);
    luaL_checklstring(L, 1, &n_text);
    n = luaL_checkinteger(L, 2);
    if (!lua_isnoneornil(L, 3)) {
        sandbox_text(L, 3);
        luaL_checklstring(L, 3, &n_separator);
    }
    if (n_text + n_separator == 0) {
        lua_pushliteral(L, ""); /* where stock Lua would count to n */
        return 1;
    }
    if (n > 0 && n_text + n_separator > limits->string_bytes / (size_t)n)
        return luaL_error(L, "resulting string too large");
    return sandbox_call_stock(L);
}

static int string_dump(lua_State *L)
{
    return luaL_error(L, "unable to dump given function");
}

/* ---- format and pack: which arguments are whole numbers is in the first one ------ */

static bool has_fraction(lua_State *L, int first)
{
    int n = lua_gettop(L);

    for (int i = first; i <= n; i++)
        if (lua_type(L, i) == LUA_TNUMBER && !lua_isinteger(L, i))
            return true;
    return false;
}

/* One conversion of a format, behind its '%'. */
struct conversion {
    bool left;            /* flag '-' */
    int width, precision; /* -1 = none */
    char what;            /* 0: the format ends too early */
    const char *end;      /* behind it */
};

static int read_number(const char **at)
{
    int n = 0;

    while (**at >= '0' && **at <= '9' && n < 1000)
        n = n * 10 + (*(*at)++ - '0');
    return n;
}

static struct conversion read_conversion(const char *at)
{
    struct conversion c = {.width = -1, .precision = -1};

    for (; *at == '-' || *at == '+' || *at == ' ' || *at == '#' || *at == '0'; at++)
        c.left = c.left || *at == '-';
    if (*at >= '1' && *at <= '9')
        c.width = read_number(&at);
    if (*at == '.') {
        at++;
        c.precision = read_number(&at);
    }
    c.what = *at;
    c.end = at + (*at != '\0');
    return c;
}

/* A byte that starts a character, or is none of any. */
static bool starts_char(const char *text, size_t n, size_t at)
{
    size_t length = utf8_sequence_bytes(text + at, n - at);

    return length != 0 || ((unsigned char)text[at] & 0xc0) != 0x80;
}

/* Is this text's width in characters another one than in bytes? What becomes a text
 * only now is replaced by it. */
static bool is_wide(lua_State *L, int arg, const struct conversion *c)
{
    const char *text;
    size_t n;

    if (c->what != 's' || (c->width == -1 && c->precision == -1) || c->width > 99 ||
        c->precision > 99 || lua_type(L, arg) <= LUA_TNUMBER /* nor none, nor nil */)
        return false;
    if (lua_type(L, arg) != LUA_TSTRING) {
        luaL_tolstring(L, arg, NULL);
        lua_replace(L, arg);
    }
    text = lua_tolstring(L, arg, &n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] >= 0x80)
            return true;
    return false;
}

/* Replaces a text by what `%10.5s` makes of it when characters count (LUA-42). */
static void pad(lua_State *L, int arg, const struct conversion *c)
{
    size_t n, n_chars = 0, cut = 0;
    const char *text = lua_tolstring(L, arg, &n);
    luaL_Buffer buffer;

    while (cut < n && (c->precision == -1 || n_chars < (size_t)c->precision)) {
        cut++;
        while (cut < n && !starts_char(text, n, cut))
            cut++;
        n_chars++;
    }
    luaL_buffinit(L, &buffer);
    for (size_t i = n_chars; !c->left && c->width > 0 && i < (size_t)c->width; i++)
        luaL_addchar(&buffer, ' ');
    luaL_addlstring(&buffer, text, cut);
    for (size_t i = n_chars; c->left && c->width > 0 && i < (size_t)c->width; i++)
        luaL_addchar(&buffer, ' ');
    luaL_pushresult(&buffer);
    lua_replace(L, arg);
}

/* Once a text is padded by us, its conversion is a plain "%s": wide says which. */
static void rewrite_format(lua_State *L, uint64_t wide)
{
    size_t n;
    const char *format = lua_tolstring(L, 1, &n), *end = format + n, *percent;
    luaL_Buffer buffer;
    int arg = 1;

    luaL_buffinit(L, &buffer);
    while ((percent = memchr(format, '%', (size_t)(end - format))) != NULL) {
        struct conversion c = read_conversion(percent + 1);

        luaL_addlstring(&buffer, format, (size_t)(percent - format));
        if (c.what != '%' && ++arg < FORMAT_MAX_ARGS && (wide >> arg & 1))
            luaL_addstring(&buffer, "%s");
        else
            luaL_addlstring(&buffer, percent, (size_t)(c.end - percent));
        format = c.end;
    }
    luaL_addlstring(&buffer, format, (size_t)(end - format));
    luaL_pushresult(&buffer);
    lua_replace(L, 1);
}

static int string_format(lua_State *L)
{
    const char *at, *end;
    uint64_t wide = 0;
    size_t n;
    int arg = 1;

    sandbox_text(L, 1);
    if (lua_type(L, 1) != LUA_TSTRING)
        return sandbox_call_stock(L);
    at = lua_tolstring(L, 1, &n);
    for (end = at + n; (at = memchr(at, '%', (size_t)(end - at))) != NULL;) {
        struct conversion c = read_conversion(at + 1);

        at = c.end;
        if (c.what == '%' || c.what == '\0')
            continue;
        arg++;
        if (c.what != 's') {
            if (lua_type(L, arg) == LUA_TNUMBER && !lua_isinteger(L, arg) &&
                strchr("cdiouxX", c.what) != NULL)
                sandbox_truncate(L, arg);
        } else if (arg < FORMAT_MAX_ARGS && is_wide(L, arg, &c)) {
            pad(L, arg, &c);
            wide |= (uint64_t)1 << arg;
        }
    }
    if (wide != 0)
        rewrite_format(L, wide);
    return sandbox_call_stock(L);
}

static int string_pack(lua_State *L)
{
    const char *at;
    int arg = 1;

    if (lua_type(L, 1) != LUA_TSTRING || !has_fraction(L, 2))
        return sandbox_call_stock(L);
    for (at = lua_tostring(L, 1); *at != '\0'; at++) {
        if (*at == 'X' && at[1] != '\0') {
            at++; /* aligns to the option that follows; takes no argument */
        } else if (strchr("bBhHlLjJTiI", *at) != NULL) {
            sandbox_integer(L, ++arg);
        } else if (strchr("fdnszc", *at) != NULL) {
            arg++;
        }
    }
    return sandbox_call_stock(L);
}

static int string_unpack(lua_State *L)
{
    sandbox_integer(L, 3);
    return sandbox_call_stock(L);
}

static const struct sandbox_wrap functions[] = {
    {"byte", string_byte, NULL},
    {"char", string_char, NULL},
    {"dump", string_dump, NULL},
    {"find", string_find, NULL},
    {"format", string_format, NULL},
    {"gfind", string_find, "gmatch"},
    {"gmatch", string_find, NULL},
    {"len", string_of_text, NULL},
    {"match", string_find, NULL},
    {"pack", string_pack, NULL},
    {"packsize", NULL, NULL},
    {"reverse", string_of_text, NULL},
    {"sub", string_byte, NULL},
    {"unpack", string_unpack, NULL},
    {NULL, NULL, NULL},
};

/* Strings find the methods in our table, and nobody gets at the metatable (L3). */
static void set_metatable(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void sandbox_push_string(lua_State *L)
{
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    lua_newtable(L);
    sandbox_copy(L, -2, functions);
    lua_getfield(L, -2, "rep");
    lua_pushlightuserdata(L, sandbox_limits(L));
    lua_pushcclosure(L, string_rep, 2);
    lua_setfield(L, -2, "rep");
    lua_getfield(L, -2, "gsub");
    lua_getfield(L, -3, "find");
    lua_pushcclosure(L, string_gsub, 2);
    lua_setfield(L, -2, "gsub");
    lua_getfield(L, -2, "lower");
    sandbox_wrap_case(L, false);
    lua_setfield(L, -2, "lower");
    lua_getfield(L, -2, "upper");
    sandbox_wrap_case(L, true);
    lua_setfield(L, -2, "upper");
    set_metatable(L);
    lua_remove(L, -2);
}
