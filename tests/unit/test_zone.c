#include "worker/modules/zone.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

#include "tests/unit/unit.h"

#include "worker/modules/calendar.h"
#include "worker/modules/zone_rule.h"

static bool has_tzdata(void)
{
    return access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
}

static const struct {
    const char *zone;
    int64_t at_s;
    const char *abbrev;
    int32_t offset_s;
    int is_dst;
} spans[] = {
    {"Europe/Berlin", -5000000000, "LMT", 3208, 0},
    {"Europe/Berlin", 0, "CET", 3600, 0},
    {"Europe/Berlin", 1711846799, "CET", 3600, 0},
    {"Europe/Berlin", 1711846800, "CEST", 7200, 1},
    {"Europe/Berlin", 1729990800, "CET", 3600, 0},
    {"Europe/Berlin", 4102444800, "CET", 3600, 0},
    {"Europe/Berlin", 4118000000, "CEST", 7200, 1},
    {"Europe/Berlin", 32519000000, "CEST", 7200, 1},
    {"America/New_York", -5000000000, "LMT", -17762, 0},
    {"America/New_York", 0, "EST", -18000, 0},
    {"America/New_York", 1711846799, "EDT", -14400, 1},
    {"America/New_York", 1711846800, "EDT", -14400, 1},
    {"America/New_York", 1729990800, "EDT", -14400, 1},
    {"America/New_York", 4102444800, "EST", -18000, 0},
    {"America/New_York", 4118000000, "EDT", -14400, 1},
    {"America/New_York", 32519000000, "EDT", -14400, 1},
    {"Asia/Kolkata", -5000000000, "LMT", 21208, 0},
    {"Asia/Kolkata", 0, "IST", 19800, 0},
    {"Asia/Kolkata", 1711846799, "IST", 19800, 0},
    {"Asia/Kolkata", 1711846800, "IST", 19800, 0},
    {"Asia/Kolkata", 1729990800, "IST", 19800, 0},
    {"Asia/Kolkata", 4102444800, "IST", 19800, 0},
    {"Asia/Kolkata", 4118000000, "IST", 19800, 0},
    {"Asia/Kolkata", 32519000000, "IST", 19800, 0},
    {"Australia/Lord_Howe", -5000000000, "LMT", 38180, 0},
    {"Australia/Lord_Howe", 0, "AEST", 36000, 0},
    {"Australia/Lord_Howe", 1711846799, "+11", 39600, 1},
    {"Australia/Lord_Howe", 1711846800, "+11", 39600, 1},
    {"Australia/Lord_Howe", 1729990800, "+11", 39600, 1},
    {"Australia/Lord_Howe", 4102444800, "+11", 39600, 1},
    {"Australia/Lord_Howe", 4118000000, "+1030", 37800, 0},
    {"Australia/Lord_Howe", 32519000000, "+1030", 37800, 0},
    {"Pacific/Apia", -5000000000, "LMT", 45184, 0},
    {"Pacific/Apia", 0, "-11", -39600, 0},
    {"Pacific/Apia", 1711846799, "+13", 46800, 0},
    {"Pacific/Apia", 1711846800, "+13", 46800, 0},
    {"Pacific/Apia", 1729990800, "+13", 46800, 0},
    {"Pacific/Apia", 4102444800, "+13", 46800, 0},
    {"Pacific/Apia", 4118000000, "+13", 46800, 0},
    {"Pacific/Apia", 32519000000, "+13", 46800, 0},
    {"America/Sao_Paulo", -5000000000, "LMT", -11188, 0},
    {"America/Sao_Paulo", 0, "-03", -10800, 0},
    {"America/Sao_Paulo", 1711846799, "-03", -10800, 0},
    {"America/Sao_Paulo", 1711846800, "-03", -10800, 0},
    {"America/Sao_Paulo", 1729990800, "-03", -10800, 0},
    {"America/Sao_Paulo", 4102444800, "-03", -10800, 0},
    {"America/Sao_Paulo", 4118000000, "-03", -10800, 0},
    {"America/Sao_Paulo", 32519000000, "-03", -10800, 0},
    {"Antarctica/Troll", -5000000000, "-00", 0, 0},
    {"Antarctica/Troll", 0, "-00", 0, 0},
    {"Antarctica/Troll", 1711846799, "+00", 0, 0},
    {"Antarctica/Troll", 1711846800, "+02", 7200, 1},
    {"Antarctica/Troll", 1729990800, "+00", 0, 0},
    {"Antarctica/Troll", 4102444800, "+00", 0, 0},
    {"Antarctica/Troll", 4118000000, "+02", 7200, 1},
    {"Antarctica/Troll", 32519000000, "+02", 7200, 1},
};

START_TEST(zone_knows_the_offset_of_its_time)
{
    struct zones *zones = zones_create(NULL);
    const struct zone *zone;
    struct err err = {0};
    struct zone_span span;

    if (has_tzdata()) {
        zone = zones_get(zones, spans[_i].zone, strlen(spans[_i].zone), &err);
        ck_assert_msg(zone != NULL, "%s", err.text);
        ck_assert_str_eq(zone->name, spans[_i].zone);
        zone_find(zone, spans[_i].at_s, &span);
        ck_assert_str_eq(span.abbrev, spans[_i].abbrev);
        ck_assert_int_eq(span.offset_s, spans[_i].offset_s);
        ck_assert_int_eq(span.is_dst, spans[_i].is_dst);
        ck_assert(span.start_s <= spans[_i].at_s && spans[_i].at_s < span.end_s);
    }
    zones_destroy(zones);
}
END_TEST

static const struct {
    const char *zone;
    struct civil_parts parts;
    int64_t want_s;
} walls[] = {
    {"Europe/Berlin", {2024, 3, 31, 2, 30, 0}, 1711848600},
    {"Europe/Berlin", {2024, 3, 31, 1, 59, 59}, 1711846799},
    {"Europe/Berlin", {2024, 3, 31, 3, 0, 0}, 1711846800},
    {"Europe/Berlin", {2024, 10, 27, 2, 30, 0}, 1729992600},
    {"Europe/Berlin", {2024, 10, 27, 1, 59, 59}, 1729987199},
    {"Europe/Berlin", {2024, 10, 27, 3, 0, 0}, 1729994400},
    {"Europe/Berlin", {2050, 7, 1, 12, 0, 0}, 2540282400},
    {"Australia/Lord_Howe", {2024, 4, 7, 1, 45, 0}, 1712416500},
    {"Australia/Lord_Howe", {2024, 10, 6, 2, 15, 0}, 1728143100},
    {"Pacific/Apia", {2011, 12, 30, 12, 0, 0}, 1325282400},
    {"Europe/Berlin", {1800, 1, 1, 0, 0, 0}, -5364665608},
    {"Europe/Berlin", {2024, 13, 0, 25, 61, -1}, 1735693259},
};

START_TEST(zone_turns_wall_clocks_into_instants)
{
    struct zones *zones = zones_create(NULL);
    const struct zone *zone;
    struct err err = {0};

    if (has_tzdata()) {
        zone = zones_get(zones, walls[_i].zone, strlen(walls[_i].zone), &err);
        ck_assert_msg(zone != NULL, "%s", err.text);
        ck_assert_int_eq(zone_civil_to_unix(zone, &walls[_i].parts), walls[_i].want_s);
    }
    zones_destroy(zones);
}
END_TEST

static const struct {
    const char *name;
    size_t n;
    enum err_kind kind;
    const char *text;
} refused[] = {
    {"", 0, ERR_INVALID, "empty location name"},
    {"Mars/Phobos", 11, ERR_NOT_FOUND, "unknown time zone Mars/Phobos"},
    {"..", 2, ERR_NOT_FOUND, "unknown time zone .."},
    {"../../etc/passwd", 16, ERR_NOT_FOUND, "unknown time zone ../../etc/passwd"},
    {"/etc/localtime", 14, ERR_NOT_FOUND, "unknown time zone /etc/localtime"},
    {"Europe/../UTC", 13, ERR_NOT_FOUND, "unknown time zone Europe/../UTC"},
    {"Europe//Berlin", 14, ERR_NOT_FOUND, "unknown time zone Europe//Berlin"},
    {"Europe/", 7, ERR_NOT_FOUND, "unknown time zone Europe/"},
    {"Europe", 6, ERR_NOT_FOUND, "unknown time zone Europe"},
    {"zone.tab", 8, ERR_NOT_FOUND, "unknown time zone zone.tab"},
    {"Europe/Berlin\0x", 15, ERR_NOT_FOUND, "unknown time zone Europe/Berlin"},
};

START_TEST(zones_refuse_names)
{
    struct zones *zones = zones_create(NULL);
    struct err err = {0};

    ck_assert_ptr_null(zones_get(zones, refused[_i].name, refused[_i].n, &err));
    ck_assert_int_eq(err.kind, refused[_i].kind);
    ck_assert_str_eq(err.text, refused[_i].text);
    zones_destroy(zones);
}
END_TEST

START_TEST(zones_have_utc_and_local_always)
{
    struct zones *zones;
    struct zone_span span;

    setenv("TZ", "No/Such_Zone", 1);
    zones = zones_create("/nonexistent");
    ck_assert_ptr_eq(zones_get(zones, "UTC", 3, NULL), &zone_utc);
    ck_assert_ptr_eq(zones_get(zones, "Local", 5, NULL), zones_local(zones));
    ck_assert_str_eq(zones_local(zones)->name, "Local");
    zone_find(zones_local(zones), 1700000000, &span);
    ck_assert_str_eq(span.abbrev, "UTC");
    ck_assert_int_eq(span.offset_s, 0);
    zones_destroy(zones);
    if (!has_tzdata())
        return;
    setenv("TZ", ":Asia/Kolkata", 1);
    zones = zones_create(NULL);
    zone_find(zones_local(zones), 1700000000, &span);
    ck_assert_str_eq(span.abbrev, "IST");
    ck_assert_str_eq(zones_local(zones)->name, "Local");
    zones_destroy(zones);
}
END_TEST

START_TEST(zone_finds_offsets_by_abbreviation)
{
    struct zones *zones = zones_create(NULL);
    const struct zone *berlin;
    struct zone fixed;
    int32_t offset_s = 0;

    ck_assert(zone_init_fixed(&fixed, "XYZ", 3, 1234));
    ck_assert(zone_find_abbrev(&fixed, "XYZ", 3, 0, &offset_s));
    ck_assert_int_eq(offset_s, 1234);
    ck_assert(!zone_find_abbrev(&fixed, "XY", 2, 0, &offset_s));
    if (has_tzdata()) {
        berlin = zones_get(zones, "Europe/Berlin", 13, NULL);
        ck_assert(zone_find_abbrev(berlin, "CEST", 4, 1720000000, &offset_s));
        ck_assert_int_eq(offset_s, 7200);
        ck_assert(zone_find_abbrev(berlin, "CEST", 4, 1700000000, &offset_s));
        ck_assert_int_eq(offset_s, 7200);
        ck_assert(!zone_find_abbrev(berlin, "PST", 3, 1700000000, &offset_s));
    }
    zones_destroy(zones);
}
END_TEST

static const struct {
    const char *rule;
    int64_t at_s;
    const char *abbrev; /* NULL = the rule is refused */
    int32_t offset_s;
} rules[] = {
    {"UTC0", 0, "UTC", 0},
    {"<-03>3", 1700000000, "-03", -10800},
    {"<+0545>-5:45", 1700000000, "+0545", 20700},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 4118000000, "CEST", 7200},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 4102444800, "CET", 3600},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1711846799, "CET", 3600},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1711846800, "CEST", 7200},
    {"EST5EDT", 1720000000, "EDT", -14400},
    {"EST5EDT", 1705000000, "EST", -18000},
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", 1705000000, "AEDT", 39600}, /* over New Year */
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", 1720000000, "AEST", 36000},
    {"XXX3EDT4,0/0,J365/23", 1720000000, "EDT", -14400}, /* summer all year */
    {"XXX3EDT4,0/0,J365/23", 1704081600, "EDT", -14400},
    {"AAA0BBB,J60/0,J61/0", 1709251200, "BBB", 3600}, /* 2024-03-01: no leap day */
    {"AAA0BBB,59/0,60/0", 1709164800, "BBB", 3600},   /* 2024-02-29 */
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1711846800, "-01", -3600},
    {"", 0, NULL, 0},
    {"AB1", 0, NULL, 0},
    {"ABC", 0, NULL, 0},
    {"ABC25", 0, NULL, 0},
    {"ABC1:60", 0, NULL, 0},
    {"<ABC1", 0, NULL, 0},
    {"ABC1DEF,M13.1.0,M1.1.0", 0, NULL, 0},
    {"ABC1DEF,M3.6.0,M1.1.0", 0, NULL, 0},
    {"ABC1DEF,J0,J2", 0, NULL, 0},
    {"ABC1DEF,J1/168,J2", 0, NULL, 0},
    {"ABC1DEF,J1", 0, NULL, 0},
    {"ABC1DEF,J1,J2x", 0, NULL, 0},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ1", 0, NULL, 0},
    {"ABC99999999999999999999", 0, NULL, 0},
};

START_TEST(zone_rule_follows_posix)
{
    struct zone_rule rule;
    struct zone_span span;
    bool ok = zone_rule_parse(rules[_i].rule, strlen(rules[_i].rule), &rule);

    ck_assert_msg(ok == (rules[_i].abbrev != NULL), "%s", rules[_i].rule);
    if (!ok)
        return;
    zone_rule_find(&rule, rules[_i].at_s, &span);
    ck_assert_str_eq(span.abbrev, rules[_i].abbrev);
    ck_assert_int_eq(span.offset_s, rules[_i].offset_s);
    ck_assert(span.start_s <= rules[_i].at_s && rules[_i].at_s < span.end_s);
    zone_rule_find(&rule, INT64_MAX, &span); /* must not overflow */
    zone_rule_find(&rule, INT64_MIN, &span);
}
END_TEST

/* A version 1 file: UTC-1 "OLD", from time 1000 on UTC+1 "NEW". */
static size_t make_small_file(uint8_t *out, uint8_t type_of, uint8_t abbrev_at)
{
    static const uint8_t types[] = {0xff, 0xff, 0xf1, 0xf0, 0, 0,
                                    0,    0,    0x0e, 0x10, 0, 4};
    size_t n = 44;

    memset(out, 0, n);
    memcpy(out, "TZif", 4); /* then version 0 = 1 */
    out[35] = 1;            /* transitions */
    out[39] = 2;            /* types */
    out[43] = 8;            /* bytes of names */
    memcpy(out + n, "\0\0\x03\xe8", 4);
    out[n + 4] = type_of;
    memcpy(out + n + 5, types, sizeof(types));
    out[n + 16] = abbrev_at;
    memcpy(out + n + 17, "OLD\0NEW\0", 8);
    return n + 25;
}

START_TEST(zone_table_reads_and_refuses_files)
{
    uint8_t file[128];
    size_t n = make_small_file(file, 1, 4);
    struct zone zone = {.table = zone_table_parse(file, n)};
    struct zone_span span;

    ck_assert_ptr_nonnull(zone.table);
    zone_find(&zone, 999, &span);
    ck_assert_str_eq(span.abbrev, "OLD");
    ck_assert_int_eq(span.offset_s, -3600);
    ck_assert_int_eq(span.end_s, 1000);
    zone_find(&zone, 1000, &span);
    ck_assert_str_eq(span.abbrev, "NEW");
    ck_assert_int_eq(span.start_s, 1000);
    zone_table_destroy(zone.table);
    for (size_t cut = 0; cut < n; cut++) { /* exact copies let the sanitizer see */
        uint8_t *exact = malloc(cut + 1);

        memcpy(exact, file, cut);
        ck_assert_ptr_null(zone_table_parse(exact, cut));
        free(exact);
    }
    n = make_small_file(file, 2, 4); /* no such type */
    ck_assert_ptr_null(zone_table_parse(file, n));
    n = make_small_file(file, 1, 8); /* name out of bounds */
    ck_assert_ptr_null(zone_table_parse(file, n));
    n = make_small_file(file, 1, 4);
    file[32] = 0xff; /* 4 billion transitions */
    ck_assert_ptr_null(zone_table_parse(file, n));
    n = make_small_file(file, 1, 4);
    file[4] = '2'; /* promises a second block that isn't there */
    ck_assert_ptr_null(zone_table_parse(file, n));
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, zone_knows_the_offset_of_its_time, 0, N_ELEMENTS(spans));
    tcase_add_loop_test(tc, zone_turns_wall_clocks_into_instants, 0, N_ELEMENTS(walls));
    tcase_add_loop_test(tc, zones_refuse_names, 0, N_ELEMENTS(refused));
    tcase_add_test(tc, zones_have_utc_and_local_always);
    tcase_add_test(tc, zone_finds_offsets_by_abbreviation);
    tcase_add_loop_test(tc, zone_rule_follows_posix, 0, N_ELEMENTS(rules));
    tcase_add_test(tc, zone_table_reads_and_refuses_files);
}

int main(void)
{
    return unit_main("zone", fill);
}
