#include "worker/modules/time_values.h"

#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>

#include "common/clock.h"
#include "common/duration.h"

#include "worker/modules/errors.h"
#include "worker/modules/zone.h"

struct location {
    const struct zone
        *zone; /* = &fixed, or one that outlives the Lua state's objects */
    struct zone fixed;
};

static const char zones_key;

/* ---- zones of a Lua state -------------------------------------------------------- */

static int zones_box_gc(lua_State *L)
{
    struct zones **box = lua_touserdata(L, 1);

    zones_destroy(*box);
    *box = NULL;
    return 0;
}

struct zones *time_zones(lua_State *L)
{
    struct zones **box;

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &zones_key) == LUA_TNIL) {
        lua_pop(L, 1);
        box = lua_newuserdatauv(L, sizeof(struct zones *), 0);
        *box = NULL;
        lua_createtable(L, 0, 2);
        lua_pushcfunction(L, zones_box_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &zones_key);
        *box = zones_create(NULL);
    }
    box = lua_touserdata(L, -1);
    lua_pop(L, 1); /* the registry keeps it */
    return *box;
}

/* ---- numbers and durations from apps --------------------------------------------- */

/* Without its fraction; the ends of the range when it is beyond them. NaN gives 0. */
static int64_t truncate_number(lua_Number number)
{
    if (!(number > -9223372036854775808.0))
        return number != number ? 0 : INT64_MIN;
    return number < 9223372036854775808.0 ? (int64_t)number : INT64_MAX;
}

int64_t time_need_integer(lua_State *L, int idx)
{
    if (lua_isinteger(L, idx))
        return lua_tointeger(L, idx);
    return truncate_number(luaL_checknumber(L, idx));
}

static bool read_duration(lua_State *L, int idx, int64_t *ns_out,
                          char error_out[DURATION_ERROR_BYTES])
{
    const int64_t *duration;
    const char *text;
    size_t n;

    switch (lua_type(L, idx)) {
    case LUA_TNUMBER:
        if (lua_tonumber(L, idx) != lua_tonumber(L, idx))
            break;
        *ns_out = time_need_integer(L, idx);
        return true;
    case LUA_TSTRING:
        text = lua_tolstring(L, idx, &n);
        return duration_parse(text, n, ns_out, error_out);
    case LUA_TUSERDATA:
        duration = luaL_testudata(L, idx, TIME_DURATION);
        if (duration == NULL)
            break;
        *ns_out = *duration;
        return true;
    default:
        break;
    }
    snprintf(error_out, DURATION_ERROR_BYTES, "duration must be number or string");
    return false;
}

bool time_check_duration(lua_State *L, int idx, int64_t *ns_out)
{
    char error[DURATION_ERROR_BYTES];

    if (read_duration(L, idx, ns_out, error))
        return true;
    errors_return(L, ERR_INVALID, "%s", error);
    return false;
}

int64_t time_need_duration(lua_State *L, int idx)
{
    char error[DURATION_ERROR_BYTES];
    int64_t ns = 0;

    if (!read_duration(L, idx, &ns, error))
        luaL_argerror(L, idx, error);
    return ns;
}

/* ---- metatables ------------------------------------------------------------------ */

void time_push_metatable(lua_State *L, const char *name, const luaL_Reg *methods,
                         lua_CFunction to_string)
{
    if (!luaL_newmetatable(L, name))
        return;
    lua_pushcfunction(L, to_string);
    lua_setfield(L, -2, "__tostring");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

/* ---- duration -------------------------------------------------------------------- */

static int64_t need_duration_object(lua_State *L)
{
    return *(int64_t *)luaL_checkudata(L, 1, TIME_DURATION);
}

static int duration_nanoseconds(lua_State *L)
{
    lua_pushinteger(L, need_duration_object(L));
    return 1;
}

static int duration_microseconds(lua_State *L)
{
    lua_pushinteger(L, need_duration_object(L) / 1000);
    return 1;
}

static int duration_milliseconds(lua_State *L)
{
    lua_pushinteger(L, need_duration_object(L) / 1000000);
    return 1;
}

/* Whole units and the rest apart: more exact than one division of a large number. Whole
 * ones are integers, which print without ".0" (LUA-21). */
static int push_units(lua_State *L, int64_t unit_ns)
{
    int64_t ns = need_duration_object(L), whole = ns / unit_ns, rest = ns % unit_ns;

    if (rest == 0)
        lua_pushinteger(L, whole);
    else
        lua_pushnumber(L, (lua_Number)whole + (lua_Number)rest / (lua_Number)unit_ns);
    return 1;
}

static int duration_seconds(lua_State *L)
{
    return push_units(L, NS_PER_S);
}

static int duration_minutes(lua_State *L)
{
    return push_units(L, 60LL * NS_PER_S);
}

static int duration_hours(lua_State *L)
{
    return push_units(L, 3600LL * NS_PER_S);
}

static int duration_tostring(lua_State *L)
{
    char text[DURATION_TEXT_BYTES];

    lua_pushlstring(L, text, duration_format(text, need_duration_object(L)));
    return 1;
}

static const luaL_Reg duration_methods[] = {
    {"nanoseconds", duration_nanoseconds},
    {"microseconds", duration_microseconds},
    {"milliseconds", duration_milliseconds},
    {"seconds", duration_seconds},
    {"minutes", duration_minutes},
    {"hours", duration_hours},
    {NULL, NULL},
};

void time_push_duration(lua_State *L, int64_t ns)
{
    int64_t *duration = lua_newuserdatauv(L, sizeof(*duration), 0);

    *duration = ns;
    time_push_metatable(L, TIME_DURATION, duration_methods, duration_tostring);
    lua_setmetatable(L, -2);
}

/* ---- location -------------------------------------------------------------------- */

static int location_string(lua_State *L)
{
    const struct location *location = luaL_checkudata(L, 1, TIME_LOCATION);

    lua_pushstring(L, location->zone->name);
    return 1;
}

static const luaL_Reg location_methods[] = {{"string", location_string}, {NULL, NULL}};

static struct location *new_location(lua_State *L)
{
    struct location *location = lua_newuserdatauv(L, sizeof(*location), 0);

    location->zone = &zone_utc;
    time_push_metatable(L, TIME_LOCATION, location_methods, location_string);
    lua_setmetatable(L, -2);
    return location;
}

void time_push_location(lua_State *L, const struct zone *zone)
{
    new_location(L)->zone = zone;
}

const struct zone *time_push_fixed(lua_State *L, const struct zone *fixed)
{
    struct location *location = new_location(L);

    location->fixed = *fixed;
    location->zone = &location->fixed;
    return location->zone;
}

const struct zone *time_test_location(lua_State *L, int idx)
{
    const struct location *location = luaL_testudata(L, idx, TIME_LOCATION);

    return location != NULL ? location->zone : NULL;
}

/* ---- time ------------------------------------------------------------------------ */

const struct time_value *time_test(lua_State *L, int idx)
{
    return luaL_testudata(L, idx, TIME_OBJECT);
}

static void push_time(lua_State *L, struct instant at, int64_t mono_ns,
                      const struct zone *zone, int n_references)
{
    struct time_value *time = lua_newuserdatauv(L, sizeof(*time), n_references);

    *time = (struct time_value){at, mono_ns, zone};
    if (luaL_getmetatable(L, TIME_OBJECT) == LUA_TNIL) {
        lua_pop(L, 1);
        time_object_register(L);
        luaL_getmetatable(L, TIME_OBJECT);
    }
    lua_setmetatable(L, -2);
}

void time_push(lua_State *L, int64_t wall_ns, int64_t mono_ns, const struct zone *zone)
{
    push_time(L, instant_from_ns(wall_ns), mono_ns,
              zone != NULL ? zone : zones_local(time_zones(L)), 0);
}

void time_push_now(lua_State *L)
{
    time_push(L, clock_wall_ns(), clock_monotonic_ns(), NULL);
}

void time_push_in_zone_of(lua_State *L, struct instant at, int64_t mono_ns,
                          int zone_idx)
{
    const struct zone *zone = time_test_location(L, zone_idx);
    bool is_location = zone != NULL;

    zone_idx = lua_absindex(L, zone_idx);
    if (!is_location)
        zone = time_test(L, zone_idx)->zone;
    if (zone->table != NULL || zone == &zone_utc) {
        push_time(L, at, mono_ns, zone, 0);
        return;
    }
    push_time(L, at, mono_ns, zone, 1);
    if (is_location)
        lua_pushvalue(L, zone_idx);
    else
        lua_getiuservalue(L, zone_idx, 1); /* the Location it took the zone from */
    lua_setiuservalue(L, -2, 1);
}
