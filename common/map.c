#include "common/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/mem.h"

#define LARGE      4096 /* rows of a table that isn't moved at once */
/* Looked at for each put: 2 would be enough to be done in time. */
#define MOVE_SLOTS 8

/* What a map has grown out of: the slots below next_slot are free. */
struct map_old {
    struct map table; /* its own old is NULL */
    size_t next_slot;
};

static uint64_t seed;

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

/* The halves of a 128-bit product: one multiplication mixes all bits of both. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const char *at, size_t n)
{
    uint64_t word = 0;

    memcpy(&word, at, n);
    return word;
}

/* Eight bytes a step, the last step overlapping the one before; who doesn't know the
 * seed can't predict any of the products. */
static uint64_t hash_text(const char *text, size_t n)
{
    uint64_t h = seed ^ (n * 0x9e3779b97f4a7c15u), last = 0;
    size_t at;

    if (n >= 8) {
        for (at = 0; at + 8 < n; at += 8)
            h = fold(h ^ load(text + at, 8), seed | 1);
        last = load(text + n - 8, 8);
    } else if (n >= 4) {
        last = load(text, 4) << 32 | load(text + n - 4, 4);
    } else if (n > 0) {
        last = (uint64_t)(uint8_t)text[0] << 16 | (uint64_t)(uint8_t)text[n / 2] << 8 |
               (uint8_t)text[n - 1];
    }
    return mix(h ^ fold(h ^ last, seed | 1)) | 1;
}

static uint64_t hash_number(uint64_t number)
{
    return mix(number ^ seed) | 1;
}

static void ensure_seed(void)
{
    while (seed == 0)
        if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
            seed = (uint64_t)(uintptr_t)&seed ^ 0x9e3779b97f4a7c15u;
}

void map_init(struct map *map)
{
    ensure_seed();
    *map = (struct map){0};
}

static void free_old(struct map *map)
{
    free(map->old->table.rows);
    free(map->old);
    map->old = NULL;
}

void map_finish(struct map *map)
{
    if (map->old != NULL)
        free_old(map);
    free(map->rows);
    *map = (struct map){0};
}

static int same_key(const struct map_row *row, const char *text, uint64_t number)
{
    if (row->number != number || (row->text == NULL) != (text == NULL))
        return 0;
    return text == NULL || row->text == text || memcmp(row->text, text, number) == 0;
}

/* The row of that key, or the free row where it would go. */
static struct map_row *probe(const struct map *map, const char *text, uint64_t number,
                             uint64_t hash)
{
    size_t mask = map->size - 1, i = (hash >> 7) & mask;

    while (map->rows[i].hash != 0 &&
           !(map->rows[i].hash == hash && same_key(&map->rows[i], text, number)))
        i = (i + 1) & mask;
    return &map->rows[i];
}

/* Frees a row of a table, n being kept by whoever asks. */
static void free_row(const struct map *map, const struct map_row *row)
{
    size_t mask = map->size - 1, hole = (size_t)(row - map->rows), i;

    for (i = (hole + 1) & mask; map->rows[i].hash != 0; i = (i + 1) & mask) {
        size_t home = (map->rows[i].hash >> 7) & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->rows[hole] = map->rows[i];
            hole = i;
        }
    }
    map->rows[hole].hash = 0;
}

/* The rows behind a freed one close up, so a slot is left only when it stays free; they
 * never get into those before it, which are free. */
static void move_some(struct map *map)
{
    struct map_old *old = map->old;

    for (unsigned n = 0; n < MOVE_SLOTS && old->next_slot < old->table.size; n++) {
        struct map_row *row = &old->table.rows[old->next_slot];

        if (row->hash == 0) {
            old->next_slot++;
            continue;
        }
        *probe(map, row->text, row->number, row->hash) = *row;
        free_row(&old->table, row);
    }
    if (old->next_slot == old->table.size)
        free_old(map);
}

static void move_all(struct map *map, const struct map *from)
{
    MAP_FOREACH (row, from)
        *probe(map, row->text, row->number, row->hash) = *row;
    free(from->rows);
}

static void grow(struct map *map)
{
    struct map from = *map;

    while (map->old != NULL)
        move_some(map);
    from.old = NULL;
    map->size = from.size == 0 ? 8 : from.size * 2;
    map->rows = xcalloc(map->size, sizeof(*map->rows));
    if (from.size < LARGE) {
        move_all(map, &from);
        return;
    }
    map->old = xcalloc(1, sizeof(*map->old));
    map->old->table = from;
}

/* The row of that key, NULL if there is none; *table_out is the table it is in. */
static struct map_row *find_row(const struct map *map, const char *text,
                                uint64_t number, uint64_t hash,
                                const struct map **table_out)
{
    struct map_row *row = probe(map, text, number, hash);

    *table_out = map;
    if (row->hash == 0 && map->old != NULL) {
        *table_out = &map->old->table;
        row = probe(*table_out, text, number, hash);
    }
    return row->hash != 0 ? row : NULL;
}

static void *put(struct map *map, const char *text, uint64_t number, uint64_t hash,
                 void *value)
{
    struct map_row *row;
    void *before;

    if (4 * (map->n + 1) > 3 * map->size)
        grow(map);
    if (map->old != NULL)
        move_some(map);
    row = probe(map, text, number, hash);
    if (row->hash == 0 && map->old != NULL) {
        struct map_row *other = probe(&map->old->table, text, number, hash);

        row = other->hash != 0 ? other : row;
    }
    before = row->hash != 0 ? row->value : NULL;
    map->n += row->hash == 0;
    *row = (struct map_row){text, number, hash, value};
    return before;
}

static void *take(struct map *map, const char *text, uint64_t number, uint64_t hash)
{
    const struct map *table;
    struct map_row *row = find_row(map, text, number, hash, &table);
    void *value;

    if (row == NULL)
        return NULL;
    value = row->value;
    free_row(table, row);
    map->n--;
    return value;
}

static void *find(const struct map *map, const char *text, uint64_t number,
                  uint64_t hash)
{
    const struct map *table;
    const struct map_row *row = find_row(map, text, number, hash, &table);

    return row != NULL ? row->value : NULL;
}

void *map_find(const struct map *map, const char *text, size_t n_bytes)
{
    if (map->n == 0)
        return NULL;
    return find(map, text, n_bytes, hash_text(text, n_bytes));
}

void *map_find_number(const struct map *map, uint64_t number)
{
    if (map->n == 0)
        return NULL;
    return find(map, NULL, number, hash_number(number));
}

void *map_put(struct map *map, const char *text, size_t n_bytes, void *value)
{
    return put(map, text, n_bytes, hash_text(text, n_bytes), value);
}

void *map_put_number(struct map *map, uint64_t number, void *value)
{
    return put(map, NULL, number, hash_number(number), value);
}

void *map_remove(struct map *map, const char *text, size_t n_bytes)
{
    if (map->n == 0)
        return NULL;
    return take(map, text, n_bytes, hash_text(text, n_bytes));
}

void *map_remove_number(struct map *map, uint64_t number)
{
    if (map->n == 0)
        return NULL;
    return take(map, NULL, number, hash_number(number));
}

/* The rows of the old table come behind those of the new one. */
struct map_row *map_next(const struct map *map, const struct map_row *row)
{
    const struct map *old = map->old != NULL ? &map->old->table : NULL;
    const struct map *table = map;
    size_t i = 0;

    if (row != NULL) {
        if (old != NULL && row >= old->rows && row < old->rows + old->size)
            table = old;
        i = (size_t)(row - table->rows) + 1;
    }
    for (;;) {
        for (; i < table->size; i++)
            if (table->rows[i].hash != 0)
                return &table->rows[i];
        if (table == old || old == NULL)
            return NULL;
        table = old;
        i = 0;
    }
}
