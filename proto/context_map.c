#include "proto/context_map.h"

#include <stdint.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/value_skip.h"

/* Pairs that have not been taken yet. */
struct cursor {
    struct bytes rest;
    uint32_t n_left;
};

struct pair {
    struct bytes key;   /* its text */
    struct bytes value; /* its bytes */
    struct bytes whole;
};

static uint32_t read_number(const uint8_t *data, size_t n_bytes)
{
    uint32_t number = 0;

    for (size_t i = 0; i < n_bytes; i++)
        number = number << 8 | data[i];
    return number;
}

/* The pairs of the one map that the payload is; none when it is something else. */
static struct cursor open_map(struct bytes context)
{
    const struct cursor none = {{NULL, 0}, 0};
    struct bytes map;
    uint8_t graph, marker;
    uint32_t n_values;
    size_t head;

    if (context.n == 0 || !payload_split(context, &graph, &n_values, &map) ||
        graph != 0 || n_values != 1 || map.n == 0)
        return none;
    marker = map.data[0];
    if ((marker & 0xf0) == 0x80)
        return (struct cursor){{map.data + 1, map.n - 1}, marker & 0x0f};
    head = marker == 0xde ? 3 : marker == 0xdf ? 5 : 0;
    if (head == 0 || map.n < head)
        return none;
    return (struct cursor){{map.data + head, map.n - head},
                           read_number(map.data + 1, head - 1)};
}

/* data is NULL for what is no text. */
static struct bytes text_of(struct bytes value)
{
    uint8_t marker = value.data[0];
    size_t head = (marker & 0xe0) == 0xa0 ? 1
                  : marker == 0xd9        ? 2
                  : marker == 0xda        ? 3
                  : marker == 0xdb        ? 5
                                          : 0;

    if (head == 0)
        return (struct bytes){NULL, 0};
    return (struct bytes){value.data + head, value.n - head};
}

static bool next_pair(struct cursor *cursor, struct pair *pair)
{
    struct bytes key;

    if (cursor->n_left == 0)
        return false;
    pair->whole = cursor->rest;
    if (!value_skip(&cursor->rest, &key) || !value_skip(&cursor->rest, &pair->value)) {
        cursor->n_left = 0;
        return false;
    }
    pair->key = text_of(key);
    pair->whole.n -= cursor->rest.n;
    cursor->n_left--;
    return true;
}

static bool is_key(const struct pair *pair, const char *key)
{
    size_t n = strlen(key);

    return pair->key.data != NULL && pair->key.n == n &&
           memcmp(pair->key.data, key, n) == 0;
}

bool context_map_find(struct bytes context, const char *key, struct bytes *value_out)
{
    struct cursor cursor = open_map(context);
    struct pair pair;

    while (next_pair(&cursor, &pair))
        if (is_key(&pair, key)) {
            *value_out = pair.value;
            return true;
        }
    return false;
}

static bool is_replaced(const struct pair *pair, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_key(pair, keys[i]))
            return true;
    return false;
}

/* Graph flag, array of one, map of n_pairs. */
static bool append_head(struct buf *out, uint32_t n_pairs)
{
    uint8_t head[7] = {0, 0x91, (uint8_t)(0x80 | n_pairs)};

    if (n_pairs <= 0x0f)
        return buf_append(out, head, 3);
    head[2] = 0xdf;
    wire_put_u32(head + 3, n_pairs);
    return buf_append(out, head, sizeof(head));
}

bool context_map_begin(struct buf *out, struct bytes context, const char *const *keys,
                       size_t n)
{
    struct cursor cursor = open_map(context);
    struct pair pair;
    uint32_t n_kept = 0;

    while (next_pair(&cursor, &pair))
        n_kept += !is_replaced(&pair, keys, n);
    if (!append_head(out, n_kept + (uint32_t)n))
        return false;
    cursor = open_map(context);
    while (next_pair(&cursor, &pair))
        if (!is_replaced(&pair, keys, n) &&
            !buf_append(out, pair.whole.data, pair.whole.n))
            return false;
    return true;
}

bool context_map_append_key(struct buf *out, const char *key)
{
    size_t n = strlen(key);
    uint8_t head[2] = {0xd9, (uint8_t)n};

    if (n > UINT8_MAX)
        return false;
    return buf_append(out, head, sizeof(head)) && buf_append(out, key, n);
}

struct bytes context_map_find_text(struct bytes context, const char *key)
{
    struct bytes value;

    return context_map_find(context, key, &value) ? text_of(value)
                                                  : (struct bytes){NULL, 0};
}

static bool append_text(struct buf *out, struct bytes text)
{
    uint8_t head[5] = {0xdb};

    wire_put_u32(head + 1, (uint32_t)text.n);
    return text.n <= UINT32_MAX && buf_append(out, head, sizeof(head)) &&
           buf_append(out, text.data, text.n);
}

bool context_map_put_text(struct buf *out, struct bytes context, const char *key,
                          struct bytes text)
{
    return context_map_begin(out, context, &key, 1) &&
           context_map_append_key(out, key) && append_text(out, text);
}
