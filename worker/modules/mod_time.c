/* The functions and constants of module `time` that need no scheduler (TM-2, TM-8). */
#include "worker/modules/time_values.h"

#include <lauxlib.h>
#include <lua.h>

#include "common/err.h"
#include "common/mem.h"

#include "worker/modules/errors.h"
#include "worker/modules/time_layout.h"
#include "worker/modules/time_parts.h"
#include "worker/modules/zone.h"

/* Two days either way: beyond any zone, and far from what could overflow. */
#define MAX_OFFSET_S 172800

static int mod_now(lua_State *L)
{
    time_push_now(L);
    return 1;
}

/* Leaves a Location at idx: what the app gave, else that of local time. */
static const struct zone *need_location(lua_State *L, int idx)
{
    const struct zone *zone;

    lua_settop(L, idx);
    if (lua_isnil(L, idx)) {
        time_push_location(L, zones_local(time_zones(L)));
        lua_replace(L, idx);
    }
    zone = time_test_location(L, idx);
    if (zone == NULL)
        luaL_typeerror(L, idx, "Location");
    return zone;
}

static int mod_date(lua_State *L)
{
    struct civil_parts parts = {
        .year = time_need_integer(L, 1),
        .month = time_need_integer(L, 2),
        .day = time_need_integer(L, 3),
        .hour = time_need_integer(L, 4),
        .minute = time_need_integer(L, 5),
        .second = time_need_integer(L, 6),
    };
    struct instant carry = instant_from_ns(time_need_integer(L, 7));
    const struct zone *zone = need_location(L, 8);

    parts.second = seconds_add(parts.second, carry.s);
    time_push_in_zone_of(
        L, (struct instant){zone_civil_to_unix(zone, &parts), carry.ns}, 0, 8);
    return 1;
}

static int mod_unix(lua_State *L)
{
    struct instant at = instant_make(time_need_integer(L, 1), time_need_integer(L, 2));

    need_location(L, 3);
    time_push_in_zone_of(L, at, 0, 3);
    return 1;
}

static int mod_parse(lua_State *L)
{
    size_t n_layout, n_text;
    const char *layout = luaL_checklstring(L, 1, &n_layout);
    const char *text = luaL_checklstring(L, 2, &n_text);
    const struct zone *zone = need_location(L, 3);
    struct time_parsed parsed;
    struct err err = {0};

    if (time_layout_parse(layout, n_layout, text, n_text, zone, &parsed, &err) == -1)
        return errors_return_struct(L, &err);
    if (parsed.zone == NULL) {
        time_push_fixed(L, &parsed.fixed);
        lua_replace(L, 3);
    } else if (parsed.zone != zone) {
        time_push_location(L, parsed.zone);
        lua_replace(L, 3);
    }
    time_push_in_zone_of(L, parsed.at, 0, 3);
    return 1;
}

static int mod_parse_duration(lua_State *L)
{
    int64_t ns;

    if (!time_check_duration(L, 1, &ns))
        return 2;
    time_push_duration(L, ns);
    return 1;
}

static int mod_load_location(lua_State *L)
{
    size_t n_name;
    const char *name = luaL_checklstring(L, 1, &n_name);
    const struct zone *zone;
    struct err err = {0};

    zone = zones_get(time_zones(L), name, n_name, &err);
    if (zone == NULL)
        return errors_return_struct(L, &err);
    time_push_location(L, zone);
    return 1;
}

static int mod_fixed_zone(lua_State *L)
{
    size_t n_name;
    const char *name = luaL_checklstring(L, 1, &n_name);
    int64_t offset_s = time_need_integer(L, 2);
    struct zone fixed;

    luaL_argcheck(L, offset_s >= -MAX_OFFSET_S && offset_s <= MAX_OFFSET_S, 2,
                  "offset out of range");
    luaL_argcheck(L, zone_init_fixed(&fixed, name, n_name, (int32_t)offset_s), 1,
                  "name too long");
    time_push_fixed(L, &fixed);
    return 1;
}

static const luaL_Reg functions[] = {
    {"now", mod_now},
    {"date", mod_date},
    {"unix", mod_unix},
    {"parse", mod_parse},
    {"parse_duration", mod_parse_duration},
    {"load_location", mod_load_location},
    {"fixed_zone", mod_fixed_zone},
    {NULL, NULL},
};

static const struct {
    const char *name;
    int64_t number;
} numbers[] = {
    {"NANOSECOND", 1},    {"MICROSECOND", 1000},       {"MILLISECOND", 1000000},
    {"SECOND", NS_PER_S}, {"MINUTE", 60LL * NS_PER_S}, {"HOUR", 3600LL * NS_PER_S},
};

static const struct {
    const char *name, *layout;
} layouts[] = {
    {"RFC3339", "2006-01-02T15:04:05Z07:00"},
    {"RFC3339NANO", "2006-01-02T15:04:05.999999999Z07:00"},
    {"RFC822", "02 Jan 06 15:04 MST"},
    {"RFC822Z", "02 Jan 06 15:04 -0700"},
    {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
    {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},
    {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
    {"KITCHEN", "3:04PM"},
    {"STAMP", "Jan _2 15:04:05"},
    {"STAMP_MILLI", "Jan _2 15:04:05.000"},
    {"STAMP_MICRO", "Jan _2 15:04:05.000000"},
    {"STAMP_NANO", "Jan _2 15:04:05.000000000"},
    {"DATE_TIME", "2006-01-02 15:04:05"},
    {"DATE_ONLY", "2006-01-02"},
    {"TIME_ONLY", "15:04:05"},
};

/* "January" -> JANUARY */
static void set_upper_case(lua_State *L, const char *name, int number)
{
    char upper[16] = "";

    for (size_t i = 0; name[i] != '\0' && i < sizeof(upper) - 1; i++)
        upper[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
    lua_pushinteger(L, number);
    lua_setfield(L, -2, upper);
}

int time_open(lua_State *L)
{
    luaL_newlib(L, functions);
    for (size_t i = 0; i < N_ELEMENTS(numbers); i++) {
        lua_pushinteger(L, numbers[i].number);
        lua_setfield(L, -2, numbers[i].name);
    }
    for (size_t i = 0; i < N_ELEMENTS(layouts); i++) {
        lua_pushstring(L, layouts[i].layout);
        lua_setfield(L, -2, layouts[i].name);
    }
    for (int i = 0; i < 12; i++)
        set_upper_case(L, time_month_names[i], i + 1);
    for (int i = 0; i < 7; i++)
        set_upper_case(L, time_weekday_names[i], i);
    time_push_location(L, &zone_utc);
    lua_setfield(L, -2, "utc");
    time_push_location(L, zones_local(time_zones(L)));
    lua_setfield(L, -2, "localtz");
    return 1;
}
