#include "worker/sandbox_lib.h"

#include <math.h>
#include <stdint.h>
#include <sys/random.h>

#include <lauxlib.h>
#include <lualib.h>

/* ---- names of Lua 5.1 ------------------------------------------------------------ */

static int math_atan2(lua_State *L)
{
    lua_pushnumber(L, atan2(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

static int math_cosh(lua_State *L)
{
    lua_pushnumber(L, cosh(luaL_checknumber(L, 1)));
    return 1;
}

static int math_sinh(lua_State *L)
{
    lua_pushnumber(L, sinh(luaL_checknumber(L, 1)));
    return 1;
}

static int math_tanh(lua_State *L)
{
    lua_pushnumber(L, tanh(luaL_checknumber(L, 1)));
    return 1;
}

static int math_log10(lua_State *L)
{
    lua_pushnumber(L, log10(luaL_checknumber(L, 1)));
    return 1;
}

static int math_pow(lua_State *L)
{
    lua_pushnumber(L, pow(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

static int math_frexp(lua_State *L)
{
    int exponent;

    lua_pushnumber(L, frexp(luaL_checknumber(L, 1), &exponent));
    lua_pushinteger(L, exponent);
    return 2;
}

static int math_ldexp(lua_State *L)
{
    lua_Number mantissa = luaL_checknumber(L, 1);
    lua_Integer exponent;

    sandbox_integer(L, 2);
    exponent = luaL_checkinteger(L, 2);
    if (exponent > INT16_MAX) /* any beyond a few thousand gives infinity or zero */
        exponent = INT16_MAX;
    if (exponent < INT16_MIN)
        exponent = INT16_MIN;
    lua_pushnumber(L, ldexp(mantissa, (int)exponent));
    return 1;
}

/* ---- wrapped --------------------------------------------------------------------- */

/* Upvalues: the stock function's own first one, its generator, and the function. */
static int math_random(lua_State *L)
{
    sandbox_integer(L, 1);
    sandbox_integer(L, 2);
    return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

static int math_ult(lua_State *L)
{
    sandbox_integer(L, 1);
    sandbox_integer(L, 2);
    return sandbox_call_stock(L);
}

static int math_randomseed(lua_State *L)
{
    (void)L; /* LUA-44: the generator is seeded already, and shared by many actors */
    return 0;
}

static const luaL_Reg added[] = {
    {"atan2", math_atan2}, {"cosh", math_cosh},   {"frexp", math_frexp},
    {"ldexp", math_ldexp}, {"log10", math_log10}, {"pow", math_pow},
    {"sinh", math_sinh},   {"tanh", math_tanh},   {"randomseed", math_randomseed},
    {NULL, NULL},
};

static const struct sandbox_wrap wrapped[] = {
    {"abs", NULL, NULL},        {"acos", NULL, NULL},       {"asin", NULL, NULL},
    {"atan", NULL, NULL},       {"ceil", NULL, NULL},       {"cos", NULL, NULL},
    {"deg", NULL, NULL},        {"exp", NULL, NULL},        {"floor", NULL, NULL},
    {"fmod", NULL, NULL},       {"huge", NULL, NULL},       {"log", NULL, NULL},
    {"max", NULL, NULL},        {"maxinteger", NULL, NULL}, {"min", NULL, NULL},
    {"mininteger", NULL, NULL}, {"mod", NULL, "fmod"},      {"modf", NULL, NULL},
    {"pi", NULL, NULL},         {"rad", NULL, NULL},        {"sin", NULL, NULL},
    {"sqrt", NULL, NULL},       {"tan", NULL, NULL},        {"tointeger", NULL, NULL},
    {"type", NULL, NULL},       {"ult", math_ult, NULL},    {NULL, NULL, NULL},
};

/* Seeds the generator of the stock library at that index. Stock Lua takes the time and
 * an address, which states of one process would share. */
static void seed(lua_State *L, int stock)
{
    lua_Integer seeds[2];

    if (getrandom(seeds, sizeof(seeds), GRND_NONBLOCK) != sizeof(seeds))
        return; /* then stock Lua's own seed it is */
    lua_getfield(L, stock, "randomseed");
    lua_pushinteger(L, seeds[0]);
    lua_pushinteger(L, seeds[1]);
    lua_call(L, 2, 0);
}

void sandbox_push_math(lua_State *L)
{
    int stock;

    lua_pushcfunction(L, luaopen_math);
    lua_call(L, 0, 1);
    stock = lua_gettop(L);
    seed(L, stock);
    luaL_newlib(L, added);
    sandbox_copy(L, stock, wrapped);
    lua_getfield(L, stock, "random");
    lua_getupvalue(L, -1, 1);
    lua_pushcfunction(L, lua_tocfunction(L, -2));
    lua_pushcclosure(L, math_random, 2);
    lua_setfield(L, -3, "random");
    lua_pop(L, 1);
    lua_remove(L, stock);
}
