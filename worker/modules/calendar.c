#include "worker/modules/calendar.h"

#define DAY_S        86400
#define DAYS_PER_ERA 146097 /* 400 years */
#define MAX_YEAR     292000000000

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

static int64_t clamp_wide(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : x < INT64_MIN ? INT64_MIN : (int64_t)x;
}

bool is_leap_year(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int days_before_month(int month, bool leap)
{
    static const int16_t before[] = {0,   31,  59,  90,  120, 151, 181,
                                     212, 243, 273, 304, 334, 365};

    return before[month - 1] + (leap && month > 2);
}

int days_in_month(int month, int64_t year)
{
    bool leap = is_leap_year(year);

    return days_before_month(month + 1, leap) - days_before_month(month, leap);
}

int64_t seconds_add(int64_t a, int64_t b)
{
    return clamp_wide((__int128)a + b);
}

/* Days since 1970-01-01 of the first day of a month. Years start in March here, so
 * that the leap day is the last one and month lengths follow one linear formula. */
static int64_t days_from_month(int64_t year, int month)
{
    int64_t march_year = year - (month <= 2), era = floor_div(march_year, 400);
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;

    return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 -
           year_of_era / 100 + day_of_year - 719468;
}

struct civil civil_from_seconds(int64_t seconds)
{
    int64_t days = floor_div(seconds, DAY_S), shifted = days + 719468;
    int in_day = (int)floor_mod(seconds, DAY_S);
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int of_era = (int)(shifted - era * DAYS_PER_ERA);
    int year_of_era =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / (DAYS_PER_ERA - 1)) / 365;
    int of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted_month = (5 * of_year + 2) / 153;
    struct civil civil = {
        .month = shifted_month + (shifted_month < 10 ? 3 : -9),
        .day = of_year - (153 * shifted_month + 2) / 5 + 1,
        .hour = in_day / 3600,
        .minute = in_day / 60 % 60,
        .second = in_day % 60,
        .weekday = (int)floor_mod(days + 4, 7),
    };

    civil.year = era * 400 + year_of_era + (civil.month <= 2);
    civil.year_day =
        days_before_month(civil.month, is_leap_year(civil.year)) + civil.day;
    return civil;
}

int64_t civil_to_seconds(const struct civil_parts *parts)
{
    __int128 month = (__int128)parts->month - 1, year = parts->year, seconds;
    __int128 carry = month / 12 - (month % 12 < 0);

    year += carry;
    month -= carry * 12;
    year = year > MAX_YEAR ? MAX_YEAR : year < -MAX_YEAR ? -MAX_YEAR : year;
    seconds = days_from_month((int64_t)year, (int)month + 1);
    seconds += (__int128)parts->day - 1;
    seconds = seconds * DAY_S + (__int128)parts->hour * 3600 +
              (__int128)parts->minute * 60 + parts->second;
    return clamp_wide(seconds);
}

struct instant instant_make(int64_t s, int64_t ns)
{
    return (struct instant){seconds_add(s, floor_div(ns, NS_PER_S)),
                            (int32_t)floor_mod(ns, NS_PER_S)};
}

struct instant instant_from_ns(int64_t unix_ns)
{
    return instant_make(0, unix_ns);
}

int64_t instant_to_ns(struct instant at)
{
    return (int64_t)((uint64_t)at.s * NS_PER_S + (uint64_t)at.ns);
}

struct instant instant_add(struct instant at, int64_t ns)
{
    return instant_make(seconds_add(at.s, floor_div(ns, NS_PER_S)),
                        at.ns + floor_mod(ns, NS_PER_S));
}

int64_t instant_sub(struct instant a, struct instant b)
{
    __int128 s = (__int128)a.s - b.s;

    return clamp_wide(s * NS_PER_S + (a.ns - b.ns));
}

int instant_compare(struct instant a, struct instant b)
{
    if (a.s != b.s)
        return a.s < b.s ? -1 : 1;
    return (a.ns > b.ns) - (a.ns < b.ns);
}

int64_t instant_modulo(struct instant at, int64_t step_ns)
{
    __int128 since = ((__int128)at.s - ZERO_TIME_S) * NS_PER_S + at.ns;
    __int128 rest = since % step_ns;

    return (int64_t)(rest < 0 ? rest + step_ns : rest);
}
