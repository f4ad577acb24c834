#include "worker/modules/time_layout.h"

#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"

#include "tests/unit/unit.h"

static bool has_tzdata(void)
{
    return access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
}

static void append(void *context, const char *text, size_t n_bytes)
{
    ck_assert(buf_append(context, text, n_bytes));
}

static const struct {
    const char *layout;
    struct instant at;
    const char *zone; /* without a slash: a fixed zone of that name */
    int32_t offset_s;
    const char *want;
} formatted[] = {
    {"2006-01-02T15:04:05Z07:00",
     {1706933106, 7080000},
     "UTC",
     0,
     "2024-02-03T04:05:06Z"},
    {"2006-01-02T15:04:05.999999999Z07:00",
     {1706933106, 7080000},
     "UTC",
     0,
     "2024-02-03T04:05:06.00708Z"},
    {"02 Jan 06 15:04 MST", {1706933106, 7080000}, "UTC", 0, "03 Feb 24 04:05 UTC"},
    {"02 Jan 06 15:04 -0700", {1706933106, 7080000}, "UTC", 0, "03 Feb 24 04:05 +0000"},
    {"Monday, 02-Jan-06 15:04:05 MST",
     {1706933106, 7080000},
     "UTC",
     0,
     "Saturday, 03-Feb-24 04:05:06 UTC"},
    {"Mon, 02 Jan 2006 15:04:05 MST",
     {1706933106, 7080000},
     "UTC",
     0,
     "Sat, 03 Feb 2024 04:05:06 UTC"},
    {"Mon, 02 Jan 2006 15:04:05 -0700",
     {1706933106, 7080000},
     "UTC",
     0,
     "Sat, 03 Feb 2024 04:05:06 +0000"},
    {"3:04PM", {1706933106, 7080000}, "UTC", 0, "4:05AM"},
    {"Jan _2 15:04:05", {1706933106, 7080000}, "UTC", 0, "Feb  3 04:05:06"},
    {"Jan _2 15:04:05.000", {1706933106, 7080000}, "UTC", 0, "Feb  3 04:05:06.007"},
    {"Jan _2 15:04:05.000000",
     {1706933106, 7080000},
     "UTC",
     0,
     "Feb  3 04:05:06.007080"},
    {"Jan _2 15:04:05.000000000",
     {1706933106, 7080000},
     "UTC",
     0,
     "Feb  3 04:05:06.007080000"},
    {"2006-01-02 15:04:05", {1706933106, 7080000}, "UTC", 0, "2024-02-03 04:05:06"},
    {"2006-01-02", {1706933106, 7080000}, "UTC", 0, "2024-02-03"},
    {"15:04:05", {1706933106, 7080000}, "UTC", 0, "04:05:06"},
    {"2006-01-02 15:04:05.999999999 -0700 MST",
     {1706933106, 7080000},
     "UTC",
     0,
     "2024-02-03 04:05:06.00708 +0000 UTC"},
    {"January Jan Janu Monday Mon Mons 01 1 02 _2 2 002 __2 15 03 3 PM pm 04 4 05 5 "
     "2006 06 _2006",
     {1706933106, 7080000},
     "UTC",
     0,
     "February Feb Janu Saturday Sat Mons 02 2 03  3 3 034  34 04 04 4 AM am 05 5 06 6 "
     "2024 24 _2024"},
    {"Z070000 Z07:00:00 Z07 -070000 -07:00:00 -07",
     {1706933106, 7080000},
     "UTC",
     0,
     "Z Z Z +000000 +00:00:00 +00"},
    {"05,000 05.0000 05.00a 05.001 05,999 05.99 .9",
     {1706933106, 7080000},
     "UTC",
     0,
     "06,007 06.0070 06.00a 06.002 06,007 06 "},
    {"Jan. Juny MSTX day/2nd 0102 20060102150405",
     {1706933106, 7080000},
     "UTC",
     0,
     "Feb. Juny UTCX day/3nd 0203 20240203040506"},
    {"", {1706933106, 7080000}, "UTC", 0, ""},
    {"plain text", {1706933106, 7080000}, "UTC", 0, "plain text"},
    {"x.000000000000", {1706933106, 7080000}, "UTC", 0, "x.007080000"},
    {"2006-01-02T15:04:05Z07:00",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "2023-11-25T23:00:59+01:00"},
    {"2006-01-02T15:04:05.999999999Z07:00",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "2023-11-25T23:00:59+01:00"},
    {"02 Jan 06 15:04 MST",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "25 Nov 23 23:00 CET"},
    {"02 Jan 06 15:04 -0700",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "25 Nov 23 23:00 +0100"},
    {"Monday, 02-Jan-06 15:04:05 MST",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "Saturday, 25-Nov-23 23:00:59 CET"},
    {"Mon, 02 Jan 2006 15:04:05 MST",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "Sat, 25 Nov 2023 23:00:59 CET"},
    {"Mon, 02 Jan 2006 15:04:05 -0700",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "Sat, 25 Nov 2023 23:00:59 +0100"},
    {"3:04PM", {1700949659, 0}, "Europe/Berlin", 3600, "11:00PM"},
    {"Jan _2 15:04:05", {1700949659, 0}, "Europe/Berlin", 3600, "Nov 25 23:00:59"},
    {"Jan _2 15:04:05.000",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "Nov 25 23:00:59.000"},
    {"Jan _2 15:04:05.000000",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "Nov 25 23:00:59.000000"},
    {"Jan _2 15:04:05.000000000",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "Nov 25 23:00:59.000000000"},
    {"2006-01-02 15:04:05",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "2023-11-25 23:00:59"},
    {"2006-01-02", {1700949659, 0}, "Europe/Berlin", 3600, "2023-11-25"},
    {"15:04:05", {1700949659, 0}, "Europe/Berlin", 3600, "23:00:59"},
    {"2006-01-02 15:04:05.999999999 -0700 MST",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "2023-11-25 23:00:59 +0100 CET"},
    {"January Jan Janu Monday Mon Mons 01 1 02 _2 2 002 __2 15 03 3 PM pm 04 4 05 5 "
     "2006 06 _2006",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "November Nov Janu Saturday Sat Mons 11 11 25 25 25 329 329 23 11 11 PM pm 00 0 "
     "59 59 2023 23 _2023"},
    {"Z070000 Z07:00:00 Z07 -070000 -07:00:00 -07",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "+010000 +01:00:00 +01 +010000 +01:00:00 +01"},
    {"05,000 05.0000 05.00a 05.001 05,999 05.99 .9",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "59,000 59.0000 59.00a 59.011 59 59 "},
    {"Jan. Juny MSTX day/2nd 0102 20060102150405",
     {1700949659, 0},
     "Europe/Berlin",
     3600,
     "Nov. Juny CETX day/25nd 1125 20231125230059"},
    {"", {1700949659, 0}, "Europe/Berlin", 3600, ""},
    {"plain text", {1700949659, 0}, "Europe/Berlin", 3600, "plain text"},
    {"x.000000000000", {1700949659, 0}, "Europe/Berlin", 3600, "x.000000000"},
    {"2006-01-02T15:04:05Z07:00",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "1999-07-04T12:30:00-04:00"},
    {"2006-01-02T15:04:05.999999999Z07:00",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "1999-07-04T12:30:00.999999999-04:00"},
    {"Monday, 02-Jan-06 15:04:05 MST",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "Sunday, 04-Jul-99 12:30:00 EDT"},
    {"3:04PM", {931105800, 999999999}, "America/New_York", -14400, "12:30PM"},
    {"Jan _2 15:04:05.000000",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "Jul  4 12:30:00.999999"},
    {"2006-01-02", {931105800, 999999999}, "America/New_York", -14400, "1999-07-04"},
    {"January Jan Janu Monday Mon Mons 01 1 02 _2 2 002 __2 15 03 3 PM pm 04 4 05 5 "
     "2006 06 _2006",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "July Jul Janu Sunday Sun Mons 07 7 04  4 4 185 185 12 12 12 PM pm 30 30 00 0 "
     "1999 99 _1999"},
    {"Z070000 Z07:00:00 Z07 -070000 -07:00:00 -07",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "-040000 -04:00:00 -04 -040000 -04:00:00 -04"},
    {"05,000 05.0000 05.00a 05.001 05,999 05.99 .9",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "00,999 00.9999 00.99a 00.007 00,999 00.99 .9"},
    {"Jan. Juny MSTX day/2nd 0102 20060102150405",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "Jul. Juny EDTX day/4nd 0704 19990704123000"},
    {"", {931105800, 999999999}, "America/New_York", -14400, ""},
    {"plain text", {931105800, 999999999}, "America/New_York", -14400, "plain text"},
    {"x.000000000000",
     {931105800, 999999999},
     "America/New_York",
     -14400,
     "x.999999999"},
    {"2006-01-02T15:04:05Z07:00",
     {-61945590600, 120000000},
     "",
     -12600,
     "0007-01-09T00:00:00-03:30"},
    {"02 Jan 06 15:04 -0700",
     {-61945590600, 120000000},
     "",
     -12600,
     "09 Jan 07 00:00 -0330"},
    {"Mon, 02 Jan 2006 15:04:05 -0700",
     {-61945590600, 120000000},
     "",
     -12600,
     "Tue, 09 Jan 0007 00:00:00 -0330"},
    {"Jan _2 15:04:05.000",
     {-61945590600, 120000000},
     "",
     -12600,
     "Jan  9 00:00:00.120"},
    {"2006-01-02 15:04:05",
     {-61945590600, 120000000},
     "",
     -12600,
     "0007-01-09 00:00:00"},
    {"2006-01-02 15:04:05.999999999 -0700 MST",
     {-61945590600, 120000000},
     "",
     -12600,
     "0007-01-09 00:00:00.12 -0330 -0330"},
    {"January Jan Janu Monday Mon Mons 01 1 02 _2 2 002 __2 15 03 3 PM pm 04 4 05 5 "
     "2006 06 _2006",
     {-61945590600, 120000000},
     "",
     -12600,
     "January Jan Janu Tuesday Tue Mons 01 1 09  9 9 009   9 00 12 12 AM am 00 0 00 0 "
     "0007 07 _0007"},
    {"Z070000 Z07:00:00 Z07 -070000 -07:00:00 -07",
     {-61945590600, 120000000},
     "",
     -12600,
     "-033000 -03:30:00 -03 -033000 -03:30:00 -03"},
    {"05,000 05.0000 05.00a 05.001 05,999 05.99 .9",
     {-61945590600, 120000000},
     "",
     -12600,
     "00,120 00.1200 00.12a 00.001 00,12 00.12 .1"},
    {"Jan. Juny MSTX day/2nd 0102 20060102150405",
     {-61945590600, 120000000},
     "",
     -12600,
     "Jan. Juny -0330X day/9nd 0109 00070109000000"},
    {"", {-61945590600, 120000000}, "", -12600, ""},
    {"plain text", {-61945590600, 120000000}, "", -12600, "plain text"},
    {"x.000000000000", {-61945590600, 120000000}, "", -12600, "x.120000000"},
    {"2006-01-02T15:04:05Z07:00",
     {-63177108809, 1},
     "LMT",
     3208,
     "-0033-12-31T11:59:59+00:53"},
    {"02 Jan 06 15:04 MST", {-63177108809, 1}, "LMT", 3208, "31 Dec 33 11:59 LMT"},
    {"Mon, 02 Jan 2006 15:04:05 MST",
     {-63177108809, 1},
     "LMT",
     3208,
     "Sun, 31 Dec -0033 11:59:59 LMT"},
    {"Jan _2 15:04:05", {-63177108809, 1}, "LMT", 3208, "Dec 31 11:59:59"},
    {"Jan _2 15:04:05.000000000",
     {-63177108809, 1},
     "LMT",
     3208,
     "Dec 31 11:59:59.000000001"},
    {"15:04:05", {-63177108809, 1}, "LMT", 3208, "11:59:59"},
    {"January Jan Janu Monday Mon Mons 01 1 02 _2 2 002 __2 15 03 3 PM pm 04 4 05 5 "
     "2006 06 _2006",
     {-63177108809, 1},
     "LMT",
     3208,
     "December Dec Janu Sunday Sun Mons 12 12 31 31 31 365 365 11 11 11 AM am 59 59 59 "
     "59 -0033 33 _-0033"},
    {"Z070000 Z07:00:00 Z07 -070000 -07:00:00 -07",
     {-63177108809, 1},
     "LMT",
     3208,
     "+005328 +00:53:28 +00 +005328 +00:53:28 +00"},
    {"05,000 05.0000 05.00a 05.001 05,999 05.99 .9",
     {-63177108809, 1},
     "LMT",
     3208,
     "59,000 59.0000 59.00a 59.012 59 59 "},
    {"Jan. Juny MSTX day/2nd 0102 20060102150405",
     {-63177108809, 1},
     "LMT",
     3208,
     "Dec. Juny LMTX day/31nd 1231 -00331231115959"},
    {"", {-63177108809, 1}, "LMT", 3208, ""},
    {"plain text", {-63177108809, 1}, "LMT", 3208, "plain text"},
    {"x.000000000000", {-63177108809, 1}, "LMT", 3208, "x.000000001"},
    {"2006-01-02T15:04:05Z07:00",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "12345-10-10T10:10:10+05:30"},
    {"2006-01-02T15:04:05.999999999Z07:00",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "12345-10-10T10:10:10.0000001+05:30"},
    {"Monday, 02-Jan-06 15:04:05 MST",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "Wednesday, 10-Oct-45 10:10:10 IST"},
    {"3:04PM", {327427764010, 100}, "Asia/Kolkata", 19800, "10:10AM"},
    {"Jan _2 15:04:05.000000",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "Oct 10 10:10:10.000000"},
    {"2006-01-02", {327427764010, 100}, "Asia/Kolkata", 19800, "12345-10-10"},
    {"January Jan Janu Monday Mon Mons 01 1 02 _2 2 002 __2 15 03 3 PM pm 04 4 05 5 "
     "2006 06 _2006",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "October Oct Janu Wednesday Wed Mons 10 10 10 10 10 283 283 10 10 10 AM am 10 10 "
     "10 10 12345 45 _12345"},
    {"Z070000 Z07:00:00 Z07 -070000 -07:00:00 -07",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "+053000 +05:30:00 +05 +053000 +05:30:00 +05"},
    {"05,000 05.0000 05.00a 05.001 05,999 05.99 .9",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "10,000 10.0000 10.00a 10.010 10 10 "},
    {"Jan. Juny MSTX day/2nd 0102 20060102150405",
     {327427764010, 100},
     "Asia/Kolkata",
     19800,
     "Oct. Juny ISTX day/10nd 1010 123451010101010"},
    {"", {327427764010, 100}, "Asia/Kolkata", 19800, ""},
    {"plain text", {327427764010, 100}, "Asia/Kolkata", 19800, "plain text"},
    {"x.000000000000", {327427764010, 100}, "Asia/Kolkata", 19800, "x.000000100"},
};

START_TEST(time_layout_formats_like_go)
{
    struct zones *zones = zones_create(NULL);
    const char *name = formatted[_i].zone;
    const struct zone *zone;
    struct zone fixed;
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(zone_init_fixed(&fixed, name, strlen(name), formatted[_i].offset_s));
    zone =
        strchr(name, '/') != NULL ? zones_get(zones, name, strlen(name), NULL) : &fixed;
    if (zone != NULL || has_tzdata()) {
        time_layout_format(formatted[_i].layout, strlen(formatted[_i].layout),
                           formatted[_i].at, zone, append, &buf);
        ck_assert(buf_append(&buf, "", 1));
        ck_assert_str_eq((char *)buf_head(&buf), formatted[_i].want);
    }
    buf_finish(&buf);
    zones_destroy(zones);
}
END_TEST

static const struct {
    const char *layout, *text;
    int64_t want_s;
    int32_t want_ns, want_offset_s;
    const char *want_zone;
    const char *want_error; /* NULL = parses */
} parsed[] = {
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:56Z", 1709210096, 0, 0, "UTC",
     NULL},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:56.789Z", 1709210096, 789000000, 0,
     "UTC", NULL},
    {"2006-01-02T15:04:05Z07:00", "2024-07-29T12:34:56+02:00", 1722249296, 0, 7200,
     "Europe/Berlin", NULL},
    {"2006-01-02T15:04:05Z07:00", "2024-07-29T12:34:56+03:00", 1722245696, 0, 10800,
     "fixed ", NULL},
    {"2006-01-02T15:04:05Z07:00", "2024-01-29T12:34:56,5-11:30", 1706573096, 500000000,
     -41400, "fixed ", NULL},
    {"2006-01-02T15:04:05Z07:00", "2024-02-30T12:34:56Z", 0, 0, 0, NULL,
     "parsing time \"2024-02-30T12:34:56Z\": day out of range"},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T24:34:56Z", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T24:34:56Z\": hour out of range"},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:60:56Z", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T12:60:56Z\": minute out of range"},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:60Z", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T12:34:60Z\": second out of range"},
    {"2006-01-02T15:04:05Z07:00", "2024-13-29T12:34:56Z", 0, 0, 0, NULL,
     "parsing time \"2024-13-29T12:34:56Z\": month out of range"},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29", 0, 0, 0, NULL,
     "parsing time \"2024-02-29\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" "
     "as \"T\""},
    {"2006-01-02T15:04:05Z07:00", "", 0, 0, 0, NULL,
     "parsing time \"\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as "
     "\"2006\""},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:56", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T12:34:56\" as \"2006-01-02T15:04:05Z07:00\": cannot "
     "parse \"\" as \"Z07:00\""},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:56Zx", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T12:34:56Zx\": extra text: \"x\""},
    {"2006-01-02T15:04:05Z07:00", "x", 0, 0, 0, NULL,
     "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as "
     "\"2006\""},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:56+25:00", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T12:34:56+25:00\": time zone offset hour out of range"},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:56+02:61", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T12:34:56+02:61\": time zone offset minute out of "
     "range"},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T12:34:56*02:00", 0, 0, 0, NULL,
     "parsing time \"2024-02-29T12:34:56*02:00\" as \"2006-01-02T15:04:05Z07:00\": "
     "cannot parse \"*02:00\" as \"Z07:00\""},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29T1:34:56Z", 1709170496, 0, 0, "UTC", NULL},
    {"2006-01-02T15:04:05Z07:00", "2024-02-29 12:34:56Z", 0, 0, 0, NULL,
     "parsing time \"2024-02-29 12:34:56Z\" as \"2006-01-02T15:04:05Z07:00\": cannot "
     "parse \" 12:34:56Z\" as \"T\""},
    {"2006-01-02 15:04:05", "2024-07-01 10:20:30", 1719822030, 0, 7200, "Europe/Berlin",
     NULL},
    {"2006-01-02 15:04:05", "2024-07-01   10:20:30", 1719822030, 0, 7200,
     "Europe/Berlin", NULL},
    {"2006-01-02 15:04:05", "2024-07-01 10:20:30.25", 1719822030, 250000000, 7200,
     "Europe/Berlin", NULL},
    {"2006-01-02 15:04:05", "2024-07-01 10:20:30.1234567899", 1719822030, 123456789,
     7200, "Europe/Berlin", NULL},
    {"2006-01-02 15:04:05", "2024-07-01 10:20:30.", 0, 0, 0, NULL,
     "parsing time \"2024-07-01 10:20:30.\": extra text: \".\""},
    {"2006-01-02 15:04:05", "2024-07-01 10:20", 0, 0, 0, NULL,
     "parsing time \"2024-07-01 10:20\" as \"2006-01-02 15:04:05\": cannot parse \"\" "
     "as \":\""},
    {"2006-01-02", "2024-03-31", 1711839600, 0, 3600, "Europe/Berlin", NULL},
    {"2006-01-02", "2024-3-31", 0, 0, 0, NULL,
     "parsing time \"2024-3-31\" as \"2006-01-02\": cannot parse \"3-31\" as \"01\""},
    {"2006-01-02", "2023-02-29", 0, 0, 0, NULL,
     "parsing time \"2023-02-29\": day out of range"},
    {"2006-01-02", "2024-00-10", 0, 0, 0, NULL,
     "parsing time \"2024-00-10\": month out of range"},
    {"2006-01-02", "2024-01-00", 0, 0, 0, NULL,
     "parsing time \"2024-01-00\": day out of range"},
    {"2006-01-02", "2024-01-32", 0, 0, 0, NULL,
     "parsing time \"2024-01-32\": day out of range"},
    {"2006-01-02", "2024-01-01 ", 0, 0, 0, NULL,
     "parsing time \"2024-01-01 \": extra text: \" \""},
    {"2006-01-02", "garbage \"x\" \xff", 0, 0, 0, NULL,
     "parsing time \"garbage \\\"x\\\" \\xff\" as \"2006-01-02\": cannot parse "
     "\"garbage \\\"x\\\" \\xff\" as \"2006\""},
    {"15:04:05", "23:59:59", -62167136009, 0, 3208, "Europe/Berlin", NULL},
    {"3:04PM", "3:04PM", -62167168168, 0, 3208, "Europe/Berlin", NULL},
    {"3:04PM", "12:04AM", -62167222168, 0, 3208, "Europe/Berlin", NULL},
    {"3:04PM", "12:04PM", -62167178968, 0, 3208, "Europe/Berlin", NULL},
    {"3:04PM", "13:04PM", 0, 0, 0, NULL, "parsing time \"13:04PM\": hour out of range"},
    {"3:04PM", "3:04pm", 0, 0, 0, NULL,
     "parsing time \"3:04pm\" as \"3:04PM\": cannot parse \"pm\" as \"PM\""},
    {"3:04PM", "3:04", 0, 0, 0, NULL,
     "parsing time \"3:04\" as \"3:04PM\": cannot parse \"\" as \"PM\""},
    {"3:04pm", "3:04pm", -62167168168, 0, 3208, "Europe/Berlin", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 CET", 1136210640, 0, 3600, "Europe/Berlin",
     NULL},
    {"02 Jan 06 15:04 MST", "02 Jul 06 15:04 CEST", 1151845440, 0, 7200,
     "Europe/Berlin", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 PST", 1136214240, 0, 0, "fixed PST", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 UTC", 1136214240, 0, 0, "UTC", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 GMT+3", 1136214240, 0, 10800,
     "fixed GMT+3", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 GMT-11", 1136214240, 0, -39600,
     "fixed GMT-11", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 GMT", 1136214240, 0, 0, "fixed GMT", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 abc", 0, 0, 0, NULL,
     "parsing time \"02 Jan 06 15:04 abc\" as \"02 Jan 06 15:04 MST\": cannot parse "
     "\"abc\" as \"MST\""},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 GMT+24", 0, 0, 0, NULL,
     "parsing time \"02 Jan 06 15:04 GMT+24\": extra text: \"+24\""},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 +03", 1136214240, 0, 0, "fixed +03", NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 WITA", 1136214240, 0, 0, "fixed WITA",
     NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 ABCD", 0, 0, 0, NULL,
     "parsing time \"02 Jan 06 15:04 ABCD\" as \"02 Jan 06 15:04 MST\": cannot parse "
     "\"ABCD\" as \"MST\""},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 ABCDET", 0, 0, 0, NULL,
     "parsing time \"02 Jan 06 15:04 ABCDET\" as \"02 Jan 06 15:04 MST\": cannot parse "
     "\"ABCDET\" as \"MST\""},
    {"02 Jan 06 15:04 MST", "02 Jan 06 15:04 ChST", 1136214240, 0, 0, "fixed ChST",
     NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 69 15:04 CET", -31398960, 0, 3600, "Europe/Berlin",
     NULL},
    {"02 Jan 06 15:04 MST", "02 Jan 68 15:04 CET", 3092738640, 0, 3600, "Europe/Berlin",
     NULL},
    {"02 Jan 06 15:04 -0700", "02 Jan 06 15:04 -0700", 1136239440, 0, -25200, "fixed ",
     NULL},
    {"Monday, 02-Jan-06 15:04:05 MST", "Monday, 02-Jan-06 15:04:05 CET", 1136210645, 0,
     3600, "Europe/Berlin", NULL},
    {"Monday, 02-Jan-06 15:04:05 MST", "Mon, 02-Jan-06 15:04:05 CET", 0, 0, 0, NULL,
     "parsing time \"Mon, 02-Jan-06 15:04:05 CET\" as \"Monday, 02-Jan-06 15:04:05 "
     "MST\": cannot parse \"Mon, 02-Jan-06 15:04:05 CET\" as \"Monday\""},
    {"Mon, 02 Jan 2006 15:04:05 -0700", "tue, 02 FEB 2021 15:04:05 +0100", 1612274645,
     0, 3600, "Europe/Berlin", NULL},
    {"Mon, 02 Jan 2006 15:04:05 MST", "Mon, 02 Foo 2006 15:04:05 CET", 0, 0, 0, NULL,
     "parsing time \"Mon, 02 Foo 2006 15:04:05 CET\" as \"Mon, 02 Jan 2006 15:04:05 "
     "MST\": cannot parse \"Foo 2006 15:04:05 CET\" as \"Jan\""},
    {"Jan _2 15:04:05.000", "Jan  2 15:04:05.123", -62167081763, 123000000, 3208,
     "Europe/Berlin", NULL},
    {"Jan _2 15:04:05.000", "Jan 12 15:04:05.12", 0, 0, 0, NULL,
     "parsing time \"Jan 12 15:04:05.12\" as \"Jan _2 15:04:05.000\": cannot parse "
     "\".12\" as \".000\""},
    {"Jan _2 15:04:05.000", "Jan 12 15:04:05.1234", 0, 0, 0, NULL,
     "parsing time \"Jan 12 15:04:05.1234\": extra text: \"4\""},
    {"Jan _2 15:04:05", "Jan _2 15:04:05", 0, 0, 0, NULL,
     "parsing time \"Jan _2 15:04:05\" as \"Jan _2 15:04:05\": cannot parse \"_2 "
     "15:04:05\" as \"_2\""},
    {"2006 002", "2024 060", 1709161200, 0, 3600, "Europe/Berlin", NULL},
    {"2006 002", "2024 366", 1735599600, 0, 3600, "Europe/Berlin", NULL},
    {"2006 002", "2023 366", 0, 0, 0, NULL,
     "parsing time \"2023 366\": day-of-year out of range"},
    {"2006 002", "2023 000", 0, 0, 0, NULL,
     "parsing time \"2023 000\": day-of-year out of range"},
    {"2006 __2", "2023   9", 1673218800, 0, 3600, "Europe/Berlin", NULL},
    {"2006 __2", "2023 100", 1681077600, 0, 7200, "Europe/Berlin", NULL},
    {"2006-01 002", "2023-02 032", 1675206000, 0, 3600, "Europe/Berlin", NULL},
    {"2006-01 002", "2023-03 032", 0, 0, 0, NULL,
     "parsing time \"2023-03 032\": day-of-year does not match month"},
    {"2006-01-02 002", "2023-02-02 032", 0, 0, 0, NULL,
     "parsing time \"2023-02-02 032\": day-of-year does not match day"},
    {"2006 002", "2023 31", 0, 0, 0, NULL,
     "parsing time \"2023 31\" as \"2006 002\": cannot parse \"31\" as \"002\""},
    {"2006 002", "2024 061", 1709247600, 0, 3600, "Europe/Berlin", NULL},
    {"2006 002", "2023 059", 1677538800, 0, 3600, "Europe/Berlin", NULL},
    {"05.999", "30.5", -62167222378, 500000000, 3208, "Europe/Berlin", NULL},
    {"05.999", "30", -62167222378, 0, 3208, "Europe/Berlin", NULL},
    {"05.000", "30.5", 0, 0, 0, NULL,
     "parsing time \"30.5\" as \"05.000\": cannot parse \".5\" as \".000\""},
    {"05.00", "30,50", -62167222378, 500000000, 3208, "Europe/Berlin", NULL},
    {"15:04:05.000 MST", "10:00:00.123 CET", -62167186800, 123000000, 3208,
     "Europe/Berlin", NULL},
    {"2006-01-02 15:04:05 -0700 MST", "2024-07-01 10:00:00 +0200 CEST", 1719820800, 0,
     7200, "Europe/Berlin", NULL},
    {"2006-01-02 15:04:05 -0700 MST", "2024-07-01 10:00:00 +0200 XXX", 1719820800, 0,
     7200, "fixed XXX", NULL},
    {"2006-01-02 15:04:05 -070000", "2024-07-01 10:00:00 +020001", 1719820799, 0, 7201,
     "fixed ", NULL},
    {"2006-01-02 15:04:05 Z07", "2024-07-01 10:00:00 -03", 1719838800, 0, -10800,
     "fixed ", NULL},
    {"-07:00:00", "-01:02:03", -62167215477, 0, -3723, "fixed ", NULL},
    {"-07:00", "+01", 0, 0, 0, NULL,
     "parsing time \"+01\" as \"-07:00\": cannot parse \"+01\" as \"-07:00\""},
    {"", "", -62167222408, 0, 3208, "Europe/Berlin", NULL},
    {"", "x", 0, 0, 0, NULL, "parsing time \"x\": extra text: \"x\""},
    {"abc", "abc", -62167222408, 0, 3208, "Europe/Berlin", NULL},
    {"abc", "abd", 0, 0, 0, NULL,
     "parsing time \"abd\" as \"abc\": cannot parse \"d\" as \"abc\""},
    {"January 2, 2006", "february 29, 2024", 1709161200, 0, 3600, "Europe/Berlin",
     NULL},
    {"Jan 2 2006", "Sept 2 2006", 0, 0, 0, NULL,
     "parsing time \"Sept 2 2006\" as \"Jan 2 2006\": cannot parse \"t 2 2006\" as \" "
     "\""},
    {"4:5", "7:8", -62167221980, 0, 3208, "Europe/Berlin", NULL},
    {"15h", "7h", -62167197208, 0, 3208, "Europe/Berlin", NULL},
    {"2006-01-02 15:04:05", "2024-03-31 02:30:00", 1711848600, 0, 7200, "Europe/Berlin",
     NULL},
    {"2006-01-02 15:04:05", "2024-10-27 02:30:00", 1729992600, 0, 3600, "Europe/Berlin",
     NULL},
    {"06", "5", 0, 0, 0, NULL,
     "parsing time \"5\" as \"06\": cannot parse \"5\" as \"06\""},
    {"2006", "12", 0, 0, 0, NULL,
     "parsing time \"12\" as \"2006\": cannot parse \"12\" as \"2006\""},
    {"2006", "abcd", 0, 0, 0, NULL,
     "parsing time \"abcd\" as \"2006\": cannot parse \"abcd\" as \"2006\""},
    {"2006", "20a4", 0, 0, 0, NULL,
     "parsing time \"20a4\" as \"2006\": cannot parse \"20a4\" as \"2006\""},
    {"1", "x", 0, 0, 0, NULL,
     "parsing time \"x\" as \"1\": cannot parse \"x\" as \"1\""},
    {"02", "1", 0, 0, 0, NULL,
     "parsing time \"1\" as \"02\": cannot parse \"1\" as \"02\""},
};

START_TEST(time_layout_parses_like_go)
{
    const char *layout = parsed[_i].layout, *text = parsed[_i].text, *want;
    struct zones *zones = zones_create(NULL);
    const struct zone *zone;
    struct time_parsed got;
    struct zone_span span;
    struct err err = {0};
    int rc;

    if (!has_tzdata())
        goto done;
    zone = zones_get(zones, "Europe/Berlin", 13, &err);
    rc =
        time_layout_parse(layout, strlen(layout), text, strlen(text), zone, &got, &err);
    if (parsed[_i].want_error != NULL) {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.kind, ERR_INVALID);
        ck_assert_str_eq(err.text, parsed[_i].want_error);
        goto done;
    }
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(got.at.s, parsed[_i].want_s);
    ck_assert_int_eq(got.at.ns, parsed[_i].want_ns);
    zone = got.zone != NULL ? got.zone : &got.fixed;
    zone_find(zone, got.at.s, &span);
    ck_assert_int_eq(span.offset_s, parsed[_i].want_offset_s);
    want = parsed[_i].want_zone;
    if (strncmp(want, "fixed ", 6) == 0) {
        ck_assert_ptr_null(got.zone);
        want += 6;
    }
    ck_assert_str_eq(zone->name, want);
done:
    zones_destroy(zones);
}
END_TEST

START_TEST(time_layout_cuts_long_text_in_errors)
{
    char layout[4096], text[4096];
    struct time_parsed got;
    struct err err = {0};

    memset(layout, '\xfe', sizeof(layout));
    memset(text, '\xff', sizeof(text));
    ck_assert_int_eq(time_layout_parse(layout, sizeof(layout), text, sizeof(text),
                                       &zone_utc, &got, &err),
                     -1);
    ck_assert_ptr_nonnull(strstr(err.text, "\\xff...\" as \"\\xfe"));
    ck_assert_ptr_nonnull(strstr(err.text, "cannot parse \"\\xff"));
    ck_assert_uint_lt(strlen(err.text), sizeof(err.text) - 1);
    ck_assert_int_eq(
        time_layout_parse("", 0, text, sizeof(text), &zone_utc, &got, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "extra text: \"\\xff"));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, time_layout_formats_like_go, 0, N_ELEMENTS(formatted));
    tcase_add_loop_test(tc, time_layout_parses_like_go, 0, N_ELEMENTS(parsed));
    tcase_add_test(tc, time_layout_cuts_long_text_in_errors);
}

int main(void)
{
    return unit_main("time_layout", fill);
}
