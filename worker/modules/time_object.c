/* The methods of Time (TM-5). */
#include "worker/modules/time_values.h"

#include <lauxlib.h>
#include <lua.h>

#include "worker/modules/errors.h"
#include "worker/modules/time_layout.h"
#include "worker/modules/zone.h"
#include "worker/object.h"

#define LAYOUT_RFC3339  "2006-01-02T15:04:05Z07:00"
#define LAYOUT_TOSTRING "2006-01-02 15:04:05.999999999 -0700 MST"

static const struct time_value *need_time(lua_State *L, int idx)
{
    return object_check(L, idx, &time_class);
}

static struct civil civil_of(const struct time_value *time)
{
    struct zone_span span;

    zone_find(time->zone, time->at.s, &span);
    return civil_from_seconds(seconds_add(time->at.s, span.offset_s));
}

/* ---- arithmetic ------------------------------------------------------------------ */

static int64_t shift_mono(int64_t mono_ns, int64_t ns)
{
    int64_t sum;

    if (mono_ns == 0 || __builtin_add_overflow(mono_ns, ns, &sum))
        return 0;
    return sum;
}

static int time_add(lua_State *L)
{
    const struct time_value *time = need_time(L, 1);
    int64_t ns = time_need_duration(L, 2);

    time_push_in_zone_of(L, instant_add(time->at, ns), shift_mono(time->mono_ns, ns),
                         1);
    return 1;
}

/* Two readings of the monotonic clock tell more than two of the wall clock. */
static int64_t difference(const struct time_value *a, const struct time_value *b)
{
    int64_t ns;

    if (a->mono_ns != 0 && b->mono_ns != 0 &&
        !__builtin_sub_overflow(a->mono_ns, b->mono_ns, &ns))
        return ns;
    return instant_sub(a->at, b->at);
}

static int time_sub(lua_State *L)
{
    time_push_duration(L, difference(need_time(L, 1), need_time(L, 2)));
    return 1;
}

static int compare(lua_State *L)
{
    const struct time_value *a = need_time(L, 1), *b = need_time(L, 2);

    if (a->mono_ns != 0 && b->mono_ns != 0)
        return (a->mono_ns > b->mono_ns) - (a->mono_ns < b->mono_ns);
    return instant_compare(a->at, b->at);
}

static int time_after(lua_State *L)
{
    lua_pushboolean(L, compare(L) > 0);
    return 1;
}

static int time_before(lua_State *L)
{
    lua_pushboolean(L, compare(L) < 0);
    return 1;
}

static int time_equal(lua_State *L)
{
    lua_pushboolean(L, compare(L) == 0);
    return 1;
}

static int time_add_date(lua_State *L)
{
    const struct time_value *time = need_time(L, 1);
    struct civil now = civil_of(time);
    struct civil_parts parts = {
        .year = seconds_add(now.year, time_need_integer(L, 2)),
        .month = seconds_add(now.month, time_need_integer(L, 3)),
        .day = seconds_add(now.day, time_need_integer(L, 4)),
        .hour = now.hour,
        .minute = now.minute,
        .second = now.second,
    };
    struct instant at = {zone_civil_to_unix(time->zone, &parts), time->at.ns};

    time_push_in_zone_of(L, at, 0, 1);
    return 1;
}

static int64_t need_step(lua_State *L)
{
    return *(int64_t *)object_check(L, 2, &time_duration_class);
}

static int time_truncate(lua_State *L)
{
    const struct time_value *time = need_time(L, 1);
    int64_t step_ns = need_step(L);
    struct instant at = time->at;

    if (step_ns > 0)
        at = instant_add(at, -instant_modulo(at, step_ns));
    time_push_in_zone_of(L, at, 0, 1);
    return 1;
}

/* Halves go up. */
static int time_round(lua_State *L)
{
    const struct time_value *time = need_time(L, 1);
    int64_t step_ns = need_step(L), rest_ns;
    struct instant at = time->at;

    if (step_ns > 0) {
        rest_ns = instant_modulo(at, step_ns);
        at =
            instant_add(at, rest_ns < step_ns - rest_ns ? -rest_ns : step_ns - rest_ns);
    }
    time_push_in_zone_of(L, at, 0, 1);
    return 1;
}

/* ---- text ------------------------------------------------------------------------ */

static void add_text(void *context, const char *text, size_t n_bytes)
{
    luaL_addlstring(context, text, n_bytes);
}

static int push_formatted(lua_State *L, const char *layout, size_t n_layout)
{
    const struct time_value *time = need_time(L, 1);
    luaL_Buffer buffer;

    luaL_buffinit(L, &buffer);
    time_layout_format(layout, n_layout, time->at, time->zone, add_text, &buffer);
    luaL_pushresult(&buffer);
    return 1;
}

static int time_format(lua_State *L)
{
    size_t n_layout;
    const char *layout;

    need_time(L, 1);
    layout = luaL_checklstring(L, 2, &n_layout);
    return push_formatted(L, layout, n_layout);
}

static int time_format_rfc3339(lua_State *L)
{
    return push_formatted(L, LAYOUT_RFC3339, sizeof(LAYOUT_RFC3339) - 1);
}

static int time_tostring(lua_State *L)
{
    return push_formatted(L, LAYOUT_TOSTRING, sizeof(LAYOUT_TOSTRING) - 1);
}

/* ---- parts ----------------------------------------------------------------------- */

static int time_unix(lua_State *L)
{
    lua_pushinteger(L, need_time(L, 1)->at.s);
    return 1;
}

static int time_unix_nano(lua_State *L)
{
    lua_pushinteger(L, instant_to_ns(need_time(L, 1)->at));
    return 1;
}

static int push_three(lua_State *L, int64_t a, int64_t b, int64_t c)
{
    lua_pushinteger(L, a);
    lua_pushinteger(L, b);
    lua_pushinteger(L, c);
    return 3;
}

static int time_date(lua_State *L)
{
    struct civil civil = civil_of(need_time(L, 1));

    return push_three(L, civil.year, civil.month, civil.day);
}

static int time_clock(lua_State *L)
{
    struct civil civil = civil_of(need_time(L, 1));

    return push_three(L, civil.hour, civil.minute, civil.second);
}

static int push_integer(lua_State *L, int64_t number)
{
    lua_pushinteger(L, number);
    return 1;
}

static int time_year(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).year);
}

static int time_month(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).month);
}

static int time_day(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).day);
}

static int time_hour(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).hour);
}

static int time_minute(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).minute);
}

static int time_second(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).second);
}

static int time_nanosecond(lua_State *L)
{
    return push_integer(L, need_time(L, 1)->at.ns);
}

static int time_weekday(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).weekday);
}

static int time_year_day(lua_State *L)
{
    return push_integer(L, civil_of(need_time(L, 1)).year_day);
}

static int time_is_zero(lua_State *L)
{
    const struct time_value *time = need_time(L, 1);

    lua_pushboolean(L, time->at.s == ZERO_TIME_S && time->at.ns == 0);
    return 1;
}

/* ---- zones ----------------------------------------------------------------------- */

static int time_in_location(lua_State *L)
{
    const struct time_value *time = need_time(L, 1);

    if (time_test_location(L, 2) == NULL)
        return errors_return(L, ERR_INVALID, "location must be a Location");
    time_push_in_zone_of(L, time->at, 0, 2);
    return 1;
}

static int push_in(lua_State *L, const struct zone *zone)
{
    time_push_location(L, zone);
    time_push_in_zone_of(L, need_time(L, 1)->at, 0, -1);
    return 1;
}

static int time_utc(lua_State *L)
{
    return push_in(L, &zone_utc);
}

static int time_in_local(lua_State *L)
{
    return push_in(L, zones_local(time_zones(L)));
}

static int time_location(lua_State *L)
{
    const struct time_value *time = need_time(L, 1);

    if (lua_getiuservalue(L, 1, 1) != LUA_TUSERDATA)
        time_push_location(L, time->zone);
    return 1;
}

static const luaL_Reg methods[] = {
    {"add", time_add},
    {"sub", time_sub},
    {"add_date", time_add_date},
    {"after", time_after},
    {"before", time_before},
    {"equal", time_equal},
    {"format", time_format},
    {"format_rfc3339", time_format_rfc3339},
    {"unix", time_unix},
    {"unix_nano", time_unix_nano},
    {"date", time_date},
    {"clock", time_clock},
    {"year", time_year},
    {"month", time_month},
    {"day", time_day},
    {"hour", time_hour},
    {"minute", time_minute},
    {"second", time_second},
    {"nanosecond", time_nanosecond},
    {"weekday", time_weekday},
    {"year_day", time_year_day},
    {"is_zero", time_is_zero},
    {"in_location", time_in_location},
    {"utc", time_utc},
    {"in_local", time_in_local},
    {"location", time_location},
    {"round", time_round},
    {"truncate", time_truncate},
    {NULL, NULL},
};

void time_object_define(lua_State *L)
{
    object_define(L, &time_class, methods, time_tostring);
}
