/*
 * zone_rule -- the text at the end of a TZif file: "CET-1CEST,M3.5.0,M10.5.0/3".
 *
 * It says how a zone's clock goes after the last transition the file lists (the syntax
 * of POSIX TZ with the extensions of RFC 8536). A rule owns no memory.
 */
#ifndef TROUPE_WORKER_MODULES_ZONE_RULE_H
#define TROUPE_WORKER_MODULES_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zone_span;

#define ZONE_ABBREV_BYTES 16

enum zone_day { ZONE_DAY_JULIAN, ZONE_DAY_OF_YEAR, ZONE_DAY_OF_WEEK };

struct zone_change { /* when daylight saving starts or ends */
    enum zone_day kind;
    int day;         /* 1 .. 365 without leap days, 0 .. 365, or 0 = Sunday */
    int week, month; /* for a day of the week; week 5 is the last one */
    int32_t time_s;  /* after midnight of the clock that ends there; may be negative */
};

struct zone_rule {
    char std[ZONE_ABBREV_BYTES], dst[ZONE_ABBREV_BYTES];
    int32_t std_offset_s, dst_offset_s; /* east of UTC */
    bool has_dst;
    struct zone_change start, end; /* of daylight saving */
};

bool zone_rule_parse(const char *text, size_t n_bytes, struct zone_rule *rule_out);

/* The stretch of time around that instant; abbrev in span_out is borrowed from rule. */
void zone_rule_find(const struct zone_rule *rule, int64_t unix_s,
                    struct zone_span *span_out);

#endif
