#include "common/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/mem.h"

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

void map_finish(struct map *map)
{
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

static void grow(struct map *map)
{
    struct map old = *map;

    map->size = old.size == 0 ? 8 : old.size * 2;
    map->rows = xcalloc(map->size, sizeof(*map->rows));
    MAP_FOREACH (row, &old)
        *probe(map, row->text, row->number, row->hash) = *row;
    free(old.rows);
}

static void *put(struct map *map, const char *text, uint64_t number, uint64_t hash,
                 void *value)
{
    struct map_row *row;
    void *old;

    if (4 * (map->n + 1) > 3 * map->size)
        grow(map);
    row = probe(map, text, number, hash);
    old = row->hash != 0 ? row->value : NULL;
    if (row->hash == 0)
        map->n++;
    *row = (struct map_row){text, number, hash, value};
    return old;
}

static void *take(struct map *map, struct map_row *row)
{
    size_t mask = map->size - 1, hole, i;
    void *value = row->value;

    if (row->hash == 0)
        return NULL;
    hole = (size_t)(row - map->rows);
    for (i = (hole + 1) & mask; map->rows[i].hash != 0; i = (i + 1) & mask) {
        size_t home = (map->rows[i].hash >> 7) & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->rows[hole] = map->rows[i];
            hole = i;
        }
    }
    map->rows[hole].hash = 0;
    map->n--;
    return value;
}

void *map_find(const struct map *map, const char *text, size_t n_bytes)
{
    const struct map_row *row;

    if (map->n == 0)
        return NULL;
    row = probe(map, text, n_bytes, hash_text(text, n_bytes));
    return row->hash != 0 ? row->value : NULL;
}

void *map_find_number(const struct map *map, uint64_t number)
{
    const struct map_row *row;

    if (map->n == 0)
        return NULL;
    row = probe(map, NULL, number, hash_number(number));
    return row->hash != 0 ? row->value : NULL;
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
    return take(map, probe(map, text, n_bytes, hash_text(text, n_bytes)));
}

void *map_remove_number(struct map *map, uint64_t number)
{
    if (map->n == 0)
        return NULL;
    return take(map, probe(map, NULL, number, hash_number(number)));
}
