#include "worker/modules/time_values.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/lua_cases.h"

#include "worker/modules/zone.h"

static const char *const cases[] = {
    /* now */
    "local a = time.now() local b = time.now()\n"
    "eq(type(a), 'userdata') assert(b:sub(a):nanoseconds() >= 0)\n"
    "assert(math.abs(a:unix() - os.time()) <= 2)\n"
    "eq(tostring(a:location()), 'Local') eq(getmetatable(a), false)",
    "local a = time.now() eq(a:add('1h'):sub(a):hours(), 1)\n"
    "eq(a:equal(a), true) eq(a:after(a), false) eq(a:before(a:add(1)), true)",
    /* durations as arguments (TM-1) */
    "eq(tostring(time.parse_duration('1h30m')), '1h30m0s')\n"
    "eq(tostring(time.parse_duration(1500)), '1.5\xc2\xb5s')\n"
    "eq(time.parse_duration(1.9):nanoseconds(), 1)\n"
    "eq(time.parse_duration(-1.9):nanoseconds(), -1)\n"
    "eq(time.parse_duration(2 * time.SECOND):seconds(), 2)\n"
    "local d = time.parse_duration('5s') eq(time.parse_duration(d):seconds(), 5)",
    "eq(time.parse_duration(1e300):nanoseconds(), math.maxinteger)\n"
    "eq(time.parse_duration(-math.huge):nanoseconds(), math.mininteger)",
    "fails('Invalid', 'time: invalid duration \"abc\"', time.parse_duration('abc'))\n"
    "fails('Invalid', 'time: invalid duration \"\"', time.parse_duration(''))\n"
    "fails('Invalid', 'time: missing unit in duration \"10\"',\n"
    "      time.parse_duration('10'))\n"
    "fails('Invalid', 'time: unknown unit \"d\" in duration \"1d\"',\n"
    "      time.parse_duration('1d'))",
    "local text = 'duration must be number or string'\n"
    "for _, v in ipairs{{}, true, print, 0/0, time.utc, io.stdout} do\n"
    "  fails('Invalid', text, time.parse_duration(v))\n"
    "end\n"
    "fails('Invalid', text, time.parse_duration())",
    /* Duration (TM-6) */
    "local d = time.parse_duration('-1h30m45.123456789s')\n"
    "eq(d:nanoseconds(), -5445123456789) eq(d:microseconds(), -5445123456)\n"
    "eq(d:milliseconds(), -5445123) eq(d:seconds(), -5445.123456789)\n"
    "eq(('%.9f %.9f'):format(d:hours(), d:minutes()), '-1.512534294 -90.752057613')\n"
    "eq(getmetatable(d), false) raises('time.Duration expected', d.seconds, 5)",
    /* date */
    "local t = time.date(2024, 2, 29, 12, 34, 56, 789, time.utc)\n"
    "eq(tostring(t), '2024-02-29 12:34:56.000000789 +0000 UTC')\n"
    "eq(t:unix(), 1709210096) eq(t:unix_nano(), 1709210096000000789)\n"
    "eq(table.concat({t:date()}, ','), '2024,2,29')\n"
    "eq(table.concat({t:clock()}, ','), '12,34,56')\n"
    "eq(t:year(), 2024) eq(t:month(), 2) eq(t:day(), 29) eq(t:hour(), 12)\n"
    "eq(t:minute(), 34) eq(t:second(), 56) eq(t:nanosecond(), 789)\n"
    "eq(t:weekday(), time.THURSDAY) eq(t:year_day(), 60) eq(t:is_zero(), false)\n"
    "eq(time.date(1, 1, 1, 0, 0, 0, 0, time.utc):is_zero(), true)",
    "eq(time.date(2023, 13, 0, 0, 0, 0, 0, time.utc):format('2006-01-02'), "
    "'2023-12-31')\n"
    "eq(time.date(2024, 1, 1, 0, 0, 0, -1, time.utc):format_rfc3339(),\n"
    "   '2023-12-31T23:59:59Z')\n"
    "eq(time.date(2024.9, 1, 1, 0, 0, 0, 0, time.utc):year(), 2024)",
    "raises('bad argument #7', time.date, 2024, 1, 1, 0, 0, 0)\n"
    "raises('Location expected', time.date, 2024, 1, 1, 0, 0, 0, 0, 'UTC')\n"
    "raises('bad argument #2', time.unix, 5)",
    "local big = math.maxinteger\n"
    "local t = time.date(big, big, big, big, big, big, big)\n"
    "assert(#tostring(t) > 10) t:add_date(big, big, big) t:add(big)\n"
    "t = time.unix(math.mininteger, math.mininteger) assert(#tostring(t) > 10)\n"
    "t:truncate(time.parse_duration(big)) t:round(time.parse_duration(big))\n"
    "t:add_date(-big, -big, -big) t:add(-big) t:sub(time.now()) t:year_day()",
    /* zones; local time is Berlin's in this test */
    "local t = time.unix(1720000000, 5)\n"
    "eq(tostring(t), '2024-07-03 11:46:40.000000005 +0200 CEST')\n"
    "eq(tostring(t:utc()), '2024-07-03 09:46:40.000000005 +0000 UTC')\n"
    "eq(tostring(t:utc():in_local()), tostring(t))\n"
    "local ny = time.load_location('America/New_York')\n"
    "eq(tostring(t:in_location(ny)), '2024-07-03 05:46:40.000000005 -0400 EDT')\n"
    "eq(t:in_location(ny):location():string(), 'America/New_York')\n"
    "eq(tostring(ny), 'America/New_York') eq(t:equal(t:utc()), true)\n"
    "eq(tostring(time.utc), 'UTC') eq(tostring(time.localtz), 'Local')\n"
    "eq(tostring(time.load_location('Local')), 'Local')\n"
    "fails('Invalid', 'location must be a Location', t:in_location('UTC'))",
    "fails('Invalid', 'empty location name', time.load_location(''))\n"
    "fails('NotFound', 'unknown time zone Mars/X', time.load_location('Mars/X'))\n"
    "fails('NotFound', 'unknown time zone ../x', time.load_location('../x'))\n"
    "raises('string expected', time.load_location, {})",
    /* a fixed zone outlives the Location it came from */
    "local t = time.unix(0, 0):in_location(time.fixed_zone('XYZ', -3600))\n"
    "for i = 1, 3 do t = t:add('1h') collectgarbage() end\n"
    "eq(tostring(t), '1970-01-01 02:00:00 -0100 XYZ')\n"
    "local l = t:location() t = nil collectgarbage() eq(l:string(), 'XYZ')\n"
    "eq(tostring(time.unix(0, 0):in_location(time.fixed_zone('', 5400))),\n"
    "   '1970-01-01 01:30:00 +0130 +0130')\n"
    "raises('name too long', time.fixed_zone, ('x'):rep(64), 0)\n"
    "raises('out of range', time.fixed_zone, 'x', 1 << 31)",
    /* parse */
    "local t = time.parse(time.RFC3339, '2024-02-29T12:34:56.5Z')\n"
    "eq(tostring(t), '2024-02-29 12:34:56.5 +0000 UTC')\n"
    "t = time.parse(time.RFC3339, '2024-02-29T12:34:56-07:00')\n"
    "eq(tostring(t), '2024-02-29 12:34:56 -0700 -0700')\n"
    "collectgarbage() eq(t:format_rfc3339(), '2024-02-29T12:34:56-07:00')\n"
    "t = time.parse(time.RFC3339, '2024-02-29T12:34:56+01:00')\n"
    "eq(tostring(t:location()), 'Local')\n"
    "t = time.parse(time.DATE_TIME, '2024-07-03 11:46:40') eq(t:unix(), 1720000000)\n"
    "t = time.parse(time.DATE_TIME, '2024-07-03 11:46:40', time.utc)\n"
    "eq(t:unix(), 1720007200)",
    "fails('Invalid', 'parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as "
    "\"2006\"',\n"
    "      time.parse('2006-01-02', 'x'))\n"
    "fails('Invalid', 'parsing time \"2024-02-30\": day out of range',\n"
    "      time.parse('2006-01-02', '2024-02-30'))\n"
    "fails('Invalid', 'parsing time \"2024-02-03 x\": extra text: \" x\"',\n"
    "      time.parse('2006-01-02', '2024-02-03 x'))",
    /* arithmetic */
    "local t = time.date(2024, 1, 31, 10, 0, 0, 0, time.utc)\n"
    "eq(t:add_date(0, 1, 0):format(time.DATE_ONLY), '2024-03-02')\n"
    "eq(t:add_date(1, -1, 1):format(time.DATE_ONLY), '2025-01-01')\n"
    "eq(t:add('-36h'):format(time.DATE_TIME), '2024-01-29 22:00:00')\n"
    "eq(t:sub(t:add('90m')):minutes(), -90)\n"
    "eq(t:add(time.SECOND):after(t), true) eq(t:before(t), false)\n"
    "raises('duration must be number or string', t.add, t, {})\n"
    "raises('invalid duration', t.add, t, 'soon')",
    "local t = time.date(2024, 3, 30, 12, 0, 0, 0, "
    "time.load_location('Europe/Berlin'))\n"
    "eq(t:add_date(0, 0, 1):sub(t):hours(), 23) eq(t:add_date(0, 0, 1):hour(), 12)",
    "local t = time.date(2024, 5, 6, 12, 30, 0, 0, time.utc)\n"
    "local h = time.parse_duration('1h')\n"
    "eq(t:truncate(h):format(time.TIME_ONLY), '12:00:00')\n"
    "eq(t:round(h):format(time.TIME_ONLY), '13:00:00')\n"
    "eq(t:add(-1):round(h):format(time.TIME_ONLY), '12:00:00')\n"
    "eq(t:round(time.parse_duration(0)):equal(t), true)\n"
    "raises('time.Duration expected', t.round, t, '1h')",
    /* long output doesn't fit the first buffer */
    "local t = time.unix(0, 0):utc() local s = t:format(('January '):rep(5000))\n"
    "eq(#s, 40000) eq(s:sub(-8), 'January ')",
    /* wrong selves */
    "local t = time.now()\n"
    "for _, name in ipairs{'unix', 'format', 'add', 'sub', 'utc', 'location', 'round'} "
    "do\n"
    "  raises('time.Time expected', t[name], {}) raises('time.Time expected', "
    "t[name])\n"
    "end\n"
    "raises('time.Time expected', t.sub, t, 5) eq(t.nope, nil)\n"
    "raises('', function() t.x = 1 end)",
    /* constants (TM-8) */
    "eq(time.HOUR, 3600000000000) eq(time.MINUTE, 60000000000)\n"
    "eq(time.SECOND, 1000000000) eq(time.MILLISECOND, 1000000)\n"
    "eq(time.MICROSECOND, 1000) eq(time.NANOSECOND, 1)\n"
    "eq(time.JANUARY, 1) eq(time.DECEMBER, 12) eq(time.SUNDAY, 0) eq(time.SATURDAY, "
    "6)\n"
    "eq(time.KITCHEN, '3:04PM') eq(time.STAMP_NANO, 'Jan _2 15:04:05.000000000')\n"
    "eq(time.RFC3339NANO, '2006-01-02T15:04:05.999999999Z07:00')",
};

START_TEST(time_module_does_what_its_cases_say)
{
    setenv("TZ", "Europe/Berlin", 1);
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0)
        lua_case_run(time_open, "time", cases[_i]);
}
END_TEST

static int check_duration(lua_State *L)
{
    int64_t ns = 0;

    if (!time_check_duration(L, 1, &ns))
        return 2;
    time_push(L, ns, 0, &zone_utc);
    return 1;
}

START_TEST(time_values_serve_other_modules)
{
    lua_State *L = luaL_newstate();
    const struct time_value *time;

    lua_pushcfunction(L, check_duration); /* works without the module being open */
    lua_pushliteral(L, "1.5s");
    ck_assert_int_eq(lua_pcall(L, 1, LUA_MULTRET, 0), LUA_OK);
    ck_assert_int_eq(lua_gettop(L), 1);
    time = time_test(L, 1);
    ck_assert_ptr_nonnull(time);
    ck_assert_int_eq(time->at.s, 1);
    ck_assert_int_eq(time->at.ns, 500000000);
    ck_assert_str_eq(luaL_tolstring(L, 1, NULL), "1970-01-01 00:00:01.5 +0000 UTC");
    lua_settop(L, 0);
    lua_pushboolean(L, 1);
    ck_assert_ptr_null(time_test(L, 1));
    lua_close(L);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, time_module_does_what_its_cases_say, 0, N_ELEMENTS(cases));
    tcase_add_test(tc, time_values_serve_other_modules);
}

int main(void)
{
    return unit_main("time", fill);
}
