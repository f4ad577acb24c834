/*
 * calendar -- arithmetic on instants and on the proleptic Gregorian calendar.
 *
 * An instant is seconds since 1970 (UTC, no leap seconds) and nanoseconds within that
 * second. A civil time is what a wall clock shows; turning one into the other needs a
 * zone's offset (zone.h). Nothing here can overflow: results saturate at the ends of
 * the range, which lie some 292 billion years away.
 */
#ifndef TROUPE_WORKER_MODULES_CALENDAR_H
#define TROUPE_WORKER_MODULES_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S    1000000000
#define ZERO_TIME_S (-62135596800) /* 0001-01-01 00:00:00 UTC */

struct instant {
    int64_t s;
    int32_t ns; /* 0 .. 999999999 */
};

struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int weekday;  /* 0 = Sunday */
    int year_day; /* from 1 */
};

/* Parts as an app gives them; any of them may lie outside its usual range. */
struct civil_parts {
    int64_t year, month, day, hour, minute, second;
};

bool is_leap_year(int64_t year);
int days_in_month(int month, int64_t year);
int days_before_month(int month, bool leap); /* days of the year before it */

int64_t seconds_add(int64_t a, int64_t b); /* saturates */

/* seconds: since 1970 on that wall clock (that is, the zone's offset is added). */
struct civil civil_from_seconds(int64_t seconds);

/* The way back. Out-of-range parts normalise: month 13 is next January. */
int64_t civil_to_seconds(const struct civil_parts *parts);

struct instant instant_from_ns(int64_t unix_ns);
struct instant instant_make(int64_t s, int64_t ns); /* ns of any size and sign */
int64_t instant_to_ns(struct instant at);           /* wraps outside 1678 .. 2262 */
struct instant instant_add(struct instant at, int64_t ns);
int64_t instant_sub(struct instant a, struct instant b); /* ns, saturates */
int instant_compare(struct instant a, struct instant b); /* -1, 0, 1 */

/* What is left of the time since year 1 after taking as many whole steps as fit;
 * step_ns must be positive. 0 <= result < step_ns. */
int64_t instant_modulo(struct instant at, int64_t step_ns);

#endif
