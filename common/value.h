/*
 * value -- plain data as a tree: what YAML, JSON, registry entries and @targets carry.
 *
 * A value owns everything below it. Maps keep insertion order and have text keys;
 * strings may hold any bytes and end with an uncounted NUL. A zeroed struct is nil.
 */
#ifndef TROUPE_COMMON_VALUE_H
#define TROUPE_COMMON_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct bytes;
struct err;

#define VALUE_MAX_DEPTH 64 /* containers inside each other that any reader accepts */

enum value_type {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_MAP,
};

struct value {
    enum value_type type;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            char *data;
            size_t n;
        } string;
        struct {
            struct value *items;
            size_t n, size;
        } list;
        struct {
            struct value_pair *pairs;
            size_t n, size;
        } map;
    } as;
};

struct value_pair {
    char *key;
    struct value value;
};

void value_finish(struct value *value); /* frees what it owns; leaves nil */
struct value value_copy(const struct value *value);
size_t value_count_bytes(const struct value *value); /* of memory, about */
bool value_equal(const struct value *a, const struct value *b);

struct value value_bool(bool boolean);
struct value value_int(int64_t integer);
struct value value_float(double real);
struct value value_string(const char *text); /* copies; NULL gives nil */
struct value value_bytes(const void *data, size_t n_bytes);
struct value value_list(void);
struct value value_map(void);

/* Both take item. A map key that exists is replaced. Return the place where it now is
 * (borrowed until the next change of the container). */
struct value *value_append(struct value *list, struct value item);
struct value *value_put(struct value *map, const char *key, struct value item);
/* The n bytes of key hold no NUL. */
struct value *value_put_n(struct value *map, const char *key, size_t n,
                          struct value item);
bool value_remove(struct value *map, const char *key);

/* As value_put_n for a key that the caller knows to be new: looks at no other key. */
struct value *value_add_n(struct value *map, const char *key, size_t n,
                          struct value item);

/* All accept NULL and values of another type: NULL or the given fallback. Borrowed. */
struct value *value_get(const struct value *map, const char *key);
struct value *value_get_n(const struct value *map, const char *key, size_t n);
struct value *value_get_path(const struct value *map, const char *dotted_path);
const char *value_text(const struct value *value);     /* strings only, or NULL */
struct bytes value_to_bytes(const struct value *text); /* of a string: borrowed */
const char *value_get_text(const struct value *map, const char *key); /* the same */
struct value *value_item(const struct value *list, size_t i);
/* How many items and pairs; 0. Here so that analyzers see what isn't 0 to be there. */
static inline size_t value_list_n(const struct value *list)
{
    return list != NULL && list->type == VALUE_LIST ? list->as.list.n : 0;
}
static inline size_t value_map_n(const struct value *map)
{
    return map != NULL && map->type == VALUE_MAP ? map->as.map.n : 0;
}
int64_t value_get_int(const struct value *map, const char *key, int64_t fallback);
bool value_get_bool(const struct value *map, const char *key, bool fallback);

/* JSON text. Integral floats print without ".0", map keys in their order. indent 0 =
 * one line. false when the buffer's bound is reached. */
bool value_write_json(struct buf *buf, const struct value *value, int indent);

/* Parses one JSON document (jansson underneath); nesting and size are bounded.
 * Errors: INVALID with line and column. value_out is untouched on failure. */
int value_read_json(const char *text, size_t n_bytes, struct value *value_out,
                    struct err *err);

#endif
