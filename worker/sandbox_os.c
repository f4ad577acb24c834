#include "worker/sandbox_lib.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "common/clock.h"

#include "worker/sandbox.h"

static int os_clock(lua_State *L)
{
    const struct sandbox_limits *limits = sandbox_limits(L);

    lua_pushnumber(L, (double)(clock_monotonic_ns() - limits->started_at_ns) / 1e9);
    return 1;
}

static int os_difftime(lua_State *L)
{
    luaL_checknumber(L, 1);
    luaL_checknumber(L, 2);
    lua_settop(L, 2);
    lua_arith(L, LUA_OPSUB);
    return 1;
}

/* ---- date ------------------------------------------------------------------------ */

static void set_field(lua_State *L, const char *name, int value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void push_fields(lua_State *L, const struct tm *tm)
{
    lua_createtable(L, 0, 9);
    set_field(L, "year", tm->tm_year + 1900);
    set_field(L, "month", tm->tm_mon + 1);
    set_field(L, "day", tm->tm_mday);
    set_field(L, "hour", tm->tm_hour);
    set_field(L, "min", tm->tm_min);
    set_field(L, "sec", tm->tm_sec);
    set_field(L, "yday", tm->tm_yday + 1);
    set_field(L, "wday", tm->tm_wday + 1);
    lua_pushboolean(L, tm->tm_isdst > 0);
    lua_setfield(L, -2, "isdst");
}

/* Adds what one specifier stands for; unknown ones are kept as text. */
static void add_specifier(luaL_Buffer *buffer, char specifier, const struct tm *tm)
{
    char format[] = {'%', specifier, '\0'};
    char *room;

    if (strchr("aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%", specifier) == NULL) {
        luaL_addlstring(buffer, format, 2);
        return;
    }
    room = luaL_prepbuffsize(buffer, 256);
    luaL_addsize(buffer, strftime(room, 256, format, tm));
}

static void push_text(lua_State *L, const char *format, size_t n, const struct tm *tm)
{
    luaL_Buffer buffer;

    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < n; i++) {
        if (format[i] == '%' && i + 1 < n && format[i + 1] != '\0')
            add_specifier(&buffer, format[++i], tm);
        else
            luaL_addchar(&buffer, format[i]);
    }
    luaL_pushresult(&buffer);
}

static int os_date(lua_State *L)
{
    size_t n;
    const char *format = luaL_optlstring(L, 1, "%c", &n);
    bool utc = n != 0 && format[0] == '!';
    struct tm tm;
    time_t at;

    sandbox_integer(L, 2);
    at = (time_t)luaL_optinteger(L, 2, (lua_Integer)time(NULL));
    if ((utc ? gmtime_r(&at, &tm) : localtime_r(&at, &tm)) == NULL)
        return luaL_error(L, "date result cannot be represented in this installation");
    format += utc;
    n -= utc;
    if (strncmp(format, "*t", 2) == 0)
        push_fields(L, &tm);
    else
        push_text(L, format, n, &tm);
    return 1;
}

/* ---- time ------------------------------------------------------------------------ */

/* A field of the table at 1 as an int after subtracting `offset`, or the default. */
static int get_field(lua_State *L, const char *name, int offset, int missing)
{
    lua_Integer value;
    int is_integer;

    if (lua_getfield(L, 1, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return missing;
    }
    sandbox_integer(L, lua_gettop(L));
    value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer)
        luaL_error(L, "field '%s' is not an integer", name);
    if (value < INT_MIN / 2 || value > INT_MAX / 2)
        luaL_error(L, "field '%s' is out-of-bound", name);
    lua_pop(L, 1);
    return (int)value - offset;
}

static int os_time(lua_State *L)
{
    time_t now = time(NULL), at;
    struct tm today, tm = {.tm_isdst = -1};

    if (lua_isnoneornil(L, 1)) {
        lua_pushinteger(L, (lua_Integer)now);
        return 1;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    localtime_r(&now, &today);
    tm.tm_year = get_field(L, "year", 1900, today.tm_year);
    tm.tm_mon = get_field(L, "month", 1, today.tm_mon);
    tm.tm_mday = get_field(L, "day", 0, today.tm_mday);
    tm.tm_hour = get_field(L, "hour", 0, 0);
    tm.tm_min = get_field(L, "min", 0, 0);
    tm.tm_sec = get_field(L, "sec", 0, 0);
    if (lua_getfield(L, 1, "isdst") != LUA_TNIL)
        tm.tm_isdst = lua_toboolean(L, -1);
    errno = 0;
    at = mktime(&tm);
    if (at == (time_t)-1 && errno != 0)
        return luaL_error(L, "time result cannot be represented in this installation");
    lua_pushinteger(L, (lua_Integer)at);
    return 1;
}

static const luaL_Reg functions[] = {
    {"clock", os_clock}, {"date", os_date}, {"difftime", os_difftime},
    {"time", os_time},   {NULL, NULL},
};

void sandbox_push_os(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_pushliteral(L, "wippy");
    lua_setfield(L, -2, "platform");
}
