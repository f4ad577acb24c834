/*
 * zone_table -- the contents of one TZif file (RFC 8536), for zone.c only.
 *
 * One block of memory; the arrays point into it. Leap seconds are ignored, as by
 * everybody whose clock follows POSIX.
 */
#ifndef TROUPE_WORKER_MODULES_ZONE_TABLE_H
#define TROUPE_WORKER_MODULES_ZONE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/modules/zone_rule.h"

struct zone_type {
    int32_t offset_s;
    bool is_dst;
    uint8_t abbrev_at; /* in abbrevs */
};

struct zone_table {
    size_t n_times, n_types; /* n_types >= 1 */
    const int64_t *times;    /* transitions, ascending unix seconds */
    const uint8_t *type_of;  /* the type that starts there, < n_types */
    const struct zone_type *types;
    const char *abbrevs; /* NUL-terminated names, one after the other */
    size_t first_type;   /* before the first transition */
    bool has_rule;       /* after the last one */
    struct zone_rule rule;
};

#endif
