#include "worker/modules/time_values.h"

#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>

#include "common/clock.h"
#include "common/duration.h"

#include "worker/modules/errors.h"
#include "worker/modules/zone.h"
#include "worker/object.h"

struct location {
    const struct zone *zone; /* &fixed, or one that outlives the state's objects */
    struct zone fixed;
};

const struct object_class time_class = {"time.Time"};
const struct object_class time_duration_class = {"time.Duration"};
static const struct object_class location_class = {"time.Location"};

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
        object_set_collector(L, zones_box_gc);
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
        duration = object_test(L, idx, &time_duration_class);
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

/* ---- duration -------------------------------------------------------------------- */

static int64_t need_duration_object(lua_State *L)
{
    return *(int64_t *)object_check(L, 1, &time_duration_class);
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
    object_define(L, &time_duration_class, duration_methods, duration_tostring);
    object_bless(L, &time_duration_class);
}

/* ---- location -------------------------------------------------------------------- */

static int location_string(lua_State *L)
{
    const struct location *location = object_check(L, 1, &location_class);

    lua_pushstring(L, location->zone->name);
    return 1;
}

static const luaL_Reg location_methods[] = {{"string", location_string}, {NULL, NULL}};

static struct location *new_location(lua_State *L)
{
    struct location *location = lua_newuserdatauv(L, sizeof(*location), 0);

    location->zone = &zone_utc;
    object_define(L, &location_class, location_methods, location_string);
    object_bless(L, &location_class);
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
    const struct location *location = object_test(L, idx, &location_class);

    return location != NULL ? location->zone : NULL;
}

/* ---- time ------------------------------------------------------------------------ */

const struct time_value *time_test(lua_State *L, int idx)
{
    return object_test(L, idx, &time_class);
}

static void push_time(lua_State *L, struct instant at, int64_t mono_ns,
                      const struct zone *zone, int n_references)
{
    struct time_value *time = lua_newuserdatauv(L, sizeof(*time), n_references);

    *time = (struct time_value){at, mono_ns, zone};
    time_object_define(L);
    object_bless(L, &time_class);
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
