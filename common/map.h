/*
 * map -- hash map from text (bytes) or a 64-bit integer to a pointer.
 *
 * Open addressing with linear probing and backward-shift deletion. Text keys are
 * borrowed: they must live as long as their row (usually inside the value). Hashes are
 * seeded per process, so that nobody can choose keys that collide.
 *
 * A large map grows a few rows at a time: its old table stays beside the new one and is
 * emptied by the puts to come, so that none of them stands still for all rows. Only a
 * look for what isn't in the new table pays for it, by a second one in the old.
 */
#ifndef TROUPE_COMMON_MAP_H
#define TROUPE_COMMON_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_row {
    const char *text; /* NULL for integer keys */
    uint64_t number;  /* the integer key, or the length of text */
    uint64_t hash;    /* 0 = free row */
    void *value;
};

struct map {
    struct map_row *rows;
    size_t n, size;      /* rows used, in both tables; rows there (a power of two) */
    struct map_old *old; /* NULL unless it is growing */
};

void map_init(struct map *map);
void map_finish(struct map *map); /* frees the rows, not keys or values */

void *map_find(const struct map *map, const char *text, size_t n_bytes);
void *map_find_number(const struct map *map, uint64_t number);

/* Adds or replaces; returns the value that was there, NULL if none. */
void *map_put(struct map *map, const char *text, size_t n_bytes, void *value);
void *map_put_number(struct map *map, uint64_t number, void *value);

/* Removes; returns the value that was there, NULL if none. */
void *map_remove(struct map *map, const char *text, size_t n_bytes);
void *map_remove_number(struct map *map, uint64_t number);

/* The row behind that one, the first for NULL; NULL when there is none. */
struct map_row *map_next(const struct map *map, const struct map_row *row);

/* Visits every row; the body must not add to or remove from this map. */
#define MAP_FOREACH(row, map)                                                          \
    for (struct map_row *row = map_next(map, NULL); row != NULL;                       \
         row = map_next(map, row))

#endif
