#include "proto/value_codec.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value_walk.h"

#include "proto/frame.h"
#include "proto/value_head.h"

/* ---- decoding -------------------------------------------------------------------- */

#define ERROR_FIELDS 4
static const char *const error_fields[ERROR_FIELDS] = {"kind", "message", "retryable",
                                                       "details"};

/* Maps with more pairs than this look for keys that came twice with a hash map. */
#define SMALL_MAP 16

/* What references to tables may add to a frame of n bytes: six bytes can stand for all
 * the rest of it. */
#define COPIES_MAX_BYTES(n) ((size_t)16 * 1024 * 1024 + 16 * (n))

enum level_kind { LEVEL_LIST, LEVEL_MAP, LEVEL_ERROR };

struct level {
    struct value *container; /* doesn't move while it is open */
    enum level_kind kind;
    uint32_t left;    /* items to come */
    size_t table;     /* its number among the tables */
    size_t ext_end;   /* LEVEL_ERROR: where its body has to end */
    size_t return_at; /* a copied table: where reading goes on, else 0 */
};

struct table_seen {
    size_t at;
    bool open;
};

struct decoder {
    struct value_cursor c;
    size_t n_nodes;
    size_t weight, max_weight; /* VALUE_WEIGHT for each value, and its text */
    size_t copied_weight;      /* the part of it that references have added */
    struct level levels[VALUE_MAX_DEPTH];
    size_t depth;
    struct table_seen *tables; /* for EXT_REF, in pre-order */
    size_t n_tables, size_tables;
    unsigned n_copies; /* tables being read again around here: they were counted */
};

static int refuse(struct decoder *d, const char *what)
{
    return value_head_refuse(&d->c, what);
}

/* Counts a value, or a key, before memory is taken for it. */
static int weigh(struct decoder *d, size_t n_bytes)
{
    d->weight += VALUE_WEIGHT + n_bytes;
    if (d->n_copies != 0)
        d->copied_weight += VALUE_WEIGHT + n_bytes;
    if (d->copied_weight > COPIES_MAX_BYTES(d->c.n))
        return refuse(d, "too much of it is said by reference");
    if (d->weight > d->max_weight) {
        refuse(d, "too large");
        if (d->c.err != NULL)
            d->c.err->kind = ERR_LIMIT_EXCEEDED;
        return -1;
    }
    return 0;
}

static int push_level(struct decoder *d, const struct level *level)
{
    if (d->depth == VALUE_MAX_DEPTH)
        return refuse(d, "nested too deep");
    d->levels[d->depth++] = *level;
    return 0;
}

/* Remembers where a table starts, so that EXT_REF can name it. at is that of its
 * head. */
static size_t note_table(struct decoder *d, size_t at)
{
    if (d->n_tables == d->size_tables) {
        d->size_tables = d->size_tables == 0 ? 16 : d->size_tables * 2;
        d->tables = xrealloc(d->tables, d->size_tables * sizeof(*d->tables));
    }
    d->tables[d->n_tables] = (struct table_seen){.at = at, .open = true};
    return d->n_tables++;
}

static int open_container(struct decoder *d, const struct value_head *head,
                          size_t head_at, struct value *place)
{
    bool list = head->kind == HEAD_LIST;
    struct level level = {.container = place,
                          .kind = list ? LEVEL_LIST : LEVEL_MAP,
                          .left = head->n,
                          .table = SIZE_MAX};

    *place = list ? value_list() : value_map();
    if (d->n_copies == 0)
        level.table = note_table(d, head_at);
    return push_level(d, &level);
}

static int open_error(struct decoder *d, const struct value_head *head,
                      struct value *place)
{
    size_t ext_end = d->c.at + head->n;
    struct value_head array;

    if (value_head_read(&d->c, &array) == -1)
        return -1;
    if (array.kind != HEAD_LIST || array.n != ERROR_FIELDS)
        return refuse(d, "an error has four fields");
    *place = value_map();
    return push_level(d, &(struct level){.container = place,
                                         .kind = LEVEL_ERROR,
                                         .left = ERROR_FIELDS,
                                         .table = SIZE_MAX,
                                         .ext_end = ext_end});
}

/* Reads the table named once more, into place. */
static int copy_table(struct decoder *d, const struct value_head *head,
                      struct value *place)
{
    uint64_t which = 0;
    size_t return_at;
    struct value_head again;

    if (head->n != 4)
        return refuse(d, "a reference has four bytes");
    if (value_head_read_uint(&d->c, 4, &which) == -1)
        return -1;
    if (which >= d->n_tables)
        return refuse(d, "a reference to a table that isn't there");
    if (d->tables[which].open)
        return refuse(d, "a table that contains itself can't be given here");
    return_at = d->c.at;
    d->c.at = d->tables[which].at;
    d->n_copies++;
    if (value_head_read(&d->c, &again) == -1 ||
        open_container(d, &again, 0, place) == -1)
        return -1;
    d->levels[d->depth - 1].return_at = return_at;
    return 0;
}

static int read_item(struct decoder *d, struct value *place)
{
    size_t head_at = d->c.at;
    struct value_head head;

    if (++d->n_nodes > VALUE_DECODE_MAX_NODES)
        return refuse(d, "too many values");
    if (value_head_read(&d->c, &head) == -1 ||
        weigh(d, head.kind == HEAD_STRING ? head.n : 0) == -1)
        return -1;
    switch (head.kind) {
    case HEAD_SCALAR:
        *place = head.scalar;
        return 0;
    case HEAD_STRING:
        *place = value_bytes(d->c.data + d->c.at, head.n);
        d->c.at += head.n;
        return 0;
    case HEAD_LIST:
    case HEAD_MAP:
        return open_container(d, &head, head_at, place);
    default:
        break;
    }
    if (head.ext_type == EXT_ERROR)
        return open_error(d, &head, place);
    if (head.ext_type == EXT_REF)
        return copy_table(d, &head, place);
    return refuse(d, "unknown ext type");
}

/* Reads a key and adds it with a nil, to be filled next. */
static int read_key(struct decoder *d, struct value *map, struct value **place_out)
{
    char number[24];
    const char *text = number;
    size_t n;
    struct value_head head;

    if (value_head_read(&d->c, &head) == -1 ||
        weigh(d, head.kind == HEAD_STRING ? head.n : 0) == -1)
        return -1;
    if (head.kind == HEAD_STRING) {
        text = (const char *)d->c.data + d->c.at;
        n = head.n;
        d->c.at += n;
        if (memchr(text, '\0', n) != NULL)
            return refuse(d, "a key holds a NUL byte");
    } else if (head.kind == HEAD_SCALAR && head.scalar.type == VALUE_INT) {
        n = (size_t)snprintf(number, sizeof(number), "%lld",
                             (long long)head.scalar.as.integer);
    } else {
        return refuse(d, "a key is neither text nor an integer");
    }
    *place_out = map->as.map.n < SMALL_MAP
                     ? value_put_n(map, text, n, (struct value){0})
                     : value_add_n(map, text, n, (struct value){0});
    return 0;
}

/* Of keys that came twice the last value stays, at the place of the first. */
static void merge_duplicates(struct value *map)
{
    struct value_pair *pairs = map->as.map.pairs;
    size_t kept = 0;
    struct map seen;

    map_init(&seen);
    for (size_t i = 0; i < map->as.map.n; i++) {
        size_t n = strlen(pairs[i].key);
        struct value_pair *first = map_find(&seen, pairs[i].key, n);

        if (first != NULL) {
            free(pairs[i].key);
            value_finish(&first->value);
            first->value = pairs[i].value;
            continue;
        }
        pairs[kept] = pairs[i];
        map_put(&seen, pairs[kept].key, n, &pairs[kept]);
        kept++;
    }
    map->as.map.n = kept;
    map_finish(&seen);
}

static int close_level(struct decoder *d)
{
    struct level *level = &d->levels[--d->depth];

    if (level->kind == LEVEL_MAP && level->container->as.map.n > SMALL_MAP)
        merge_duplicates(level->container);
    if (level->kind == LEVEL_ERROR && level->ext_end != d->c.at)
        return refuse(d, "an error ends where it shouldn't");
    if (level->table != SIZE_MAX)
        d->tables[level->table].open = false;
    if (level->return_at != 0) {
        d->c.at = level->return_at;
        d->n_copies--;
    }
    return 0;
}

static int fill_level(struct decoder *d, struct level *level)
{
    struct value *place = level->container;

    level->left--;
    if (level->kind == LEVEL_MAP) {
        if (read_key(d, level->container, &place) == -1)
            return -1;
    } else if (level->kind == LEVEL_LIST) {
        place = value_append(level->container, (struct value){0});
    } else {
        const char *name = error_fields[ERROR_FIELDS - 1 - level->left];

        place = value_add_n(level->container, name, strlen(name), (struct value){0});
    }
    return read_item(d, place);
}

static int decode_one(struct decoder *d, struct value *out)
{
    d->n_tables = 0;
    if (read_item(d, out) == -1)
        return -1;
    while (d->depth > 0) {
        struct level *level = &d->levels[d->depth - 1];

        if ((level->left == 0 ? close_level(d) : fill_level(d, level)) == -1)
            return -1;
    }
    return 0;
}

static int decode_all(struct decoder *d, size_t *used_out, struct value *out)
{
    struct value value = {0};
    int rc = decode_one(d, &value);

    if (rc == 0 && used_out == NULL && d->c.at != d->c.n)
        rc = refuse(d, "bytes are left over");
    free(d->tables);
    if (rc == -1) {
        value_finish(&value);
        return -1;
    }
    if (used_out != NULL)
        *used_out = d->c.at;
    *out = value;
    return 0;
}

int value_decode(const uint8_t *data, size_t n_bytes, size_t *used_out,
                 struct value *out, struct err *err)
{
    struct decoder d = {.c = {.data = data, .n = n_bytes, .err = err},
                        .max_weight = SIZE_MAX};

    return decode_all(&d, used_out, out);
}

int value_decode_bounded(struct bytes bytes, size_t max_weight, struct value *out,
                         struct err *err)
{
    struct decoder d = {.c = {.data = bytes.data, .n = bytes.n, .err = err},
                        .max_weight = max_weight};

    return decode_all(&d, NULL, out);
}

static int decode_payload(struct decoder *d, struct value *list)
{
    struct value_head head;

    if (value_head_read(&d->c, &head) == -1)
        return -1;
    if (head.kind != HEAD_SCALAR || head.scalar.type != VALUE_INT ||
        (uint64_t)head.scalar.as.integer > 1)
        return refuse(d, "a payload starts with its graph flag");
    if (value_head_read(&d->c, &head) == -1)
        return -1;
    if (head.kind != HEAD_LIST)
        return refuse(d, "a payload is an array");
    for (uint32_t i = 0; i < head.n; i++)
        if (decode_one(d, value_append(list, (struct value){0})) == -1)
            return -1;
    return d->c.at == d->c.n ? 0 : refuse(d, "bytes are left over");
}

int payload_decode_weighed(struct bytes bytes, struct value *list_out,
                           size_t *weight_out, struct err *err)
{
    struct decoder d = {.c = {.data = bytes.data, .n = bytes.n, .err = err},
                        .max_weight = SIZE_MAX};
    struct value list = value_list();
    int rc = bytes.n == 0 ? 0 : decode_payload(&d, &list);

    free(d.tables);
    if (rc == -1)
        value_finish(&list);
    else
        *list_out = list;
    *weight_out = d.weight;
    return rc;
}

int payload_decode(struct bytes bytes, struct value *list_out, struct err *err)
{
    size_t weight;

    return payload_decode_weighed(bytes, list_out, &weight, err);
}

static void err_of_fields(const struct value *fields, struct err *out)
{
    const char *kind = value_get_text(fields, "kind");
    const char *message = value_get_text(fields, "message");
    const struct value *retryable = value_get(fields, "retryable");

    err_set(out, kind == NULL ? ERR_UNKNOWN : err_kind_find(kind), "%s",
            message == NULL ? "" : message);
    out->retryable = retryable == NULL || retryable->type != VALUE_BOOL ? RETRY_UNKNOWN
                     : retryable->as.boolean                            ? RETRY_YES
                                                                        : RETRY_NO;
}

int error_decode(struct bytes bytes, struct err *why_out, struct err *err)
{
    struct decoder d = {.c = {.data = bytes.data, .n = bytes.n, .err = err}};
    struct value fields = {0};
    struct value_head head;
    int rc = value_head_read(&d.c, &head);

    if (rc == 0 && (head.kind != HEAD_EXT || head.ext_type != EXT_ERROR))
        rc = refuse(&d, "no error");
    if (rc == 0)
        rc = value_decode(bytes.data, bytes.n, NULL, &fields, err);
    if (rc == 0)
        err_of_fields(&fields, why_out);
    value_finish(&fields);
    return rc;
}

void error_of_bytes(struct bytes bytes, struct err *out)
{
    struct err why, bad;

    *out = error_decode(bytes, &why, &bad) == 0 ? why : bad;
}

/* ---- encoding -------------------------------------------------------------------- */

static bool put_number(struct buf *buf, uint8_t lead, uint64_t number, size_t n_bytes)
{
    uint8_t bytes[9] = {lead};

    for (size_t i = 0; i < n_bytes; i++)
        bytes[1 + i] = (uint8_t)(number >> 8 * (n_bytes - 1 - i));
    return buf_append(buf, bytes, n_bytes + 1);
}

static bool put_int(struct buf *buf, int64_t number)
{
    if (number >= -32 && number <= 127)
        return put_number(buf, (uint8_t)number, 0, 0);
    if (number >= INT8_MIN && number < 0)
        return put_number(buf, 0xd0, (uint64_t)number, 1);
    if (number >= 0 && number <= UINT16_MAX)
        return put_number(buf, 0xcd, (uint64_t)number, 2);
    if (number >= INT32_MIN && number <= INT32_MAX)
        return put_number(buf, 0xd2, (uint64_t)number, 4);
    return put_number(buf, 0xd3, (uint64_t)number, 8);
}

static bool put_real(struct buf *buf, double real)
{
    uint64_t bits;

    memcpy(&bits, &real, 8);
    return put_number(buf, 0xcb, bits, 8);
}

static bool put_string(struct buf *buf, const char *text, size_t n)
{
    bool ok;

    if (n > UINT32_MAX)
        return false;
    if (n < 32)
        ok = put_number(buf, 0xa0 | (uint8_t)n, 0, 0);
    else if (n <= UINT8_MAX)
        ok = put_number(buf, 0xd9, n, 1);
    else if (n <= UINT16_MAX)
        ok = put_number(buf, 0xda, n, 2);
    else
        ok = put_number(buf, 0xdb, n, 4);
    return ok && buf_append(buf, text, n);
}

static bool put_container(struct buf *buf, uint8_t short_lead, uint8_t long_lead,
                          size_t n)
{
    if (n > UINT32_MAX)
        return false;
    if (n < 16)
        return put_number(buf, short_lead | (uint8_t)n, 0, 0);
    if (n <= UINT16_MAX)
        return put_number(buf, long_lead, n, 2);
    return put_number(buf, long_lead + 1, n, 4);
}

static bool put_node(struct buf *buf, const struct value *value)
{
    switch (value->type) {
    case VALUE_BOOL:
        return put_number(buf, value->as.boolean ? 0xc3 : 0xc2, 0, 0);
    case VALUE_INT:
        return put_int(buf, value->as.integer);
    case VALUE_FLOAT:
        return put_real(buf, value->as.real);
    case VALUE_STRING:
        return put_string(buf, value->as.string.data, value->as.string.n);
    case VALUE_LIST:
        return put_container(buf, 0x90, 0xdc, value->as.list.n);
    case VALUE_MAP:
        return put_container(buf, 0x80, 0xde, value->as.map.n);
    default:
        return put_number(buf, 0xc0, 0, 0);
    }
}

static bool encode_tree(struct buf *buf, const struct value *value)
{
    struct value_walk walk;
    enum value_visit event;
    bool ok = true;

    value_walk_init(&walk, value);
    while (ok && (event = value_walk_next(&walk)) != VISIT_END) {
        if (event == VISIT_CLOSE)
            continue;
        if (walk.key != NULL)
            ok = put_string(buf, walk.key, strlen(walk.key));
        ok = ok && put_node(buf, walk.value);
    }
    value_walk_finish(&walk);
    return ok;
}

/* Undoes what was appended since the buffer had n live bytes. */
static bool kept(struct buf *buf, size_t n, bool ok)
{
    if (!ok)
        buf->end = buf->start + n;
    return ok;
}

bool value_encode(struct buf *buf, const struct value *value)
{
    size_t before = buf_len(buf);

    return kept(buf, before, encode_tree(buf, value));
}

bool payload_encode(struct buf *buf, const struct value *items, size_t n_items)
{
    size_t before = buf_len(buf);
    bool ok = put_number(buf, 0, 0, 0) && put_container(buf, 0x90, 0xdc, n_items);

    for (size_t i = 0; ok && i < n_items; i++)
        ok = encode_tree(buf, &items[i]);
    return kept(buf, before, ok);
}

/* The ext's head (8 bits or 32 bits of length) goes before a body of known size. */
static bool put_ext(struct buf *buf, uint8_t type, struct bytes body)
{
    size_t before = buf_len(buf);
    bool ok = body.n <= UINT8_MAX    ? put_number(buf, 0xc7, body.n, 1)
              : body.n <= UINT32_MAX ? put_number(buf, 0xc9, body.n, 4)
                                     : false;

    return kept(buf, before,
                ok && buf_append(buf, &type, 1) && buf_append(buf, body.data, body.n));
}

bool error_encode_value(struct buf *buf, const struct value *fields)
{
    static const struct value nil = {0};
    struct buf body;
    bool ok;

    buf_init(&body, buf->max_bytes);
    ok = put_container(&body, 0x90, 0xdc, ERROR_FIELDS);
    for (size_t i = 0; ok && i < ERROR_FIELDS; i++) {
        const struct value *field = value_get(fields, error_fields[i]);

        ok = encode_tree(&body, field == NULL ? &nil : field);
    }
    ok = ok && put_ext(buf, EXT_ERROR, buf_bytes(&body));
    buf_finish(&body);
    return ok;
}

bool error_encode_with(struct buf *buf, const struct err *why, struct value details)
{
    struct value fields = value_map();
    bool ok;

    value_put(&fields, "kind", value_string(err_kind_name(why->kind)));
    value_put(&fields, "message", value_string(why->text));
    if (why->retryable != RETRY_UNKNOWN)
        value_put(&fields, "retryable", value_bool(why->retryable == RETRY_YES));
    value_put(&fields, "details", details);
    ok = error_encode_value(buf, &fields);
    value_finish(&fields);
    return ok;
}

bool error_encode(struct buf *buf, const struct err *why)
{
    return error_encode_with(buf, why, (struct value){0});
}
