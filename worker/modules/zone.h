/*
 * zone -- time zones: fixed offsets and those of the IANA database.
 *
 * A named zone is read once from the system's TZif files and stays in a struct zones
 * (one per Lua state) until that is destroyed; its memory is bounded by the number of
 * files there. A fixed zone is a plain struct without heap memory that its user keeps.
 * Names come from apps: nothing but letters, digits, '_', '+', '-' and inner slashes
 * reaches the file system, and a file is checked byte by byte before it is believed.
 */
#ifndef TROUPE_WORKER_MODULES_ZONE_H
#define TROUPE_WORKER_MODULES_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct civil_parts;
struct err;
struct zone_table;

#define ZONE_NAME_BYTES 64

struct zone {
    char name[ZONE_NAME_BYTES]; /* a fixed zone's is its abbreviation as well */
    int32_t offset_s;           /* of a fixed zone, east of UTC */
    struct zone_table *table;   /* NULL = fixed */
};

struct zone_span {      /* a stretch of time in which the clock doesn't jump */
    const char *abbrev; /* borrowed from the zone; may be "" */
    int32_t offset_s;
    bool is_dst;
    int64_t start_s, end_s; /* unix seconds: start <= t < end */
};

struct zones;

extern const struct zone zone_utc;

/* False when the name is too long. */
bool zone_init_fixed(struct zone *zone, const char *name, size_t n_bytes,
                     int32_t offset_s);

/* Never fails: without a usable TZ or /etc/localtime local time is UTC. The directory
 * is borrowed; NULL means the system's. */
struct zones *zones_create(const char *directory);
void zones_destroy(struct zones *zones); /* NULL is fine */

/* Both borrowed until zones_destroy. Errors: INVALID for "", NOT_FOUND. */
const struct zone *zones_get(struct zones *zones, const char *name, size_t n_bytes,
                             struct err *err);
const struct zone *zones_local(const struct zones *zones);

void zone_find(const struct zone *zone, int64_t unix_s, struct zone_span *span_out);

/* The offset that abbreviation has (had) in this zone, best at that wall-clock time. */
bool zone_find_abbrev(const struct zone *zone, const char *abbrev, size_t n_bytes,
                      int64_t wall_s, int32_t *offset_s_out);

/* Unix seconds of a wall-clock time. In a gap or an overlap of the clock one of the
 * two possible answers is given. */
int64_t zone_civil_to_unix(const struct zone *zone, const struct civil_parts *parts);

/* A table from the bytes of a TZif file, NULL when they are not one. Public for its
 * tests and its fuzzer; zone_find works on a struct zone with that table. */
struct zone_table *zone_table_parse(const uint8_t *data, size_t n_bytes);
void zone_table_destroy(struct zone_table *table); /* NULL is fine */

#endif
