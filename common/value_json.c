#include "common/value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/utf8.h"
#include "common/value_walk.h"

#define JSON_MAX_BYTES ((size_t)64 << 20)

/* The text that stands for one byte inside quotes, NULL when it stands for itself. */
static const char *escape_of(unsigned char c, char scratch[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20 && c != 0x7f)
            return NULL;
        snprintf(scratch, 8, "\\u%04x", c);
        return scratch;
    }
}

/* Bytes that are no UTF-8 become U+FFFD: JSON can't carry them. */
static bool write_string(struct buf *buf, const char *text, size_t n)
{
    size_t plain = 0;

    if (!buf_append(buf, "\"", 1))
        return false;
    for (size_t i = 0; i < n;) {
        char scratch[8];
        size_t sequence = utf8_sequence_bytes(text + i, n - i);
        const char *escape =
            sequence == 0 ? "\\ufffd" : escape_of((unsigned char)text[i], scratch);

        if (escape != NULL) {
            if (!buf_append(buf, text + plain, i - plain) ||
                !buf_append_text(buf, escape))
                return false;
            plain = i + 1;
        }
        i += sequence == 0 ? 1 : sequence;
    }
    return buf_append(buf, text + plain, n - plain) && buf_append(buf, "\"", 1);
}

/* The shortest text that reads back as the same number. */
static bool write_real(struct buf *buf, double real)
{
    char text[40];

    if (!isfinite(real))
        return buf_append_text(buf, "null");
    if (real == floor(real) && fabs(real) < 1e15) {
        snprintf(text, sizeof(text), "%.0f", real);
        return buf_append_text(buf, text);
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    return buf_append_text(buf, text);
}

static bool write_scalar(struct buf *buf, const struct value *value)
{
    switch (value->type) {
    case VALUE_BOOL:
        return buf_append_text(buf, value->as.boolean ? "true" : "false");
    case VALUE_INT:
        return buf_printf(buf, "%lld", (long long)value->as.integer);
    case VALUE_FLOAT:
        return write_real(buf, value->as.real);
    case VALUE_STRING:
        return write_string(buf, value->as.string.data, value->as.string.n);
    default:
        return buf_append_text(buf, "null");
    }
}

static bool write_newline(struct buf *buf, int indent, size_t depth)
{
    uint8_t *at;
    size_t n = (size_t)indent * depth;

    if (indent == 0)
        return true;
    if (!buf_append(buf, "\n", 1) || (at = buf_reserve(buf, n)) == NULL)
        return false;
    memset(at, ' ', n);
    buf->end += n;
    return true;
}

/* What stands before an item: comma, line break and the key. */
static bool write_lead(struct buf *buf, const struct value_walk *walk, int indent)
{
    if (walk->depth == 0)
        return true;
    if (walk->index != 0 && !buf_append(buf, ",", 1))
        return false;
    if (!write_newline(buf, indent, walk->depth))
        return false;
    if (walk->key == NULL)
        return true;
    return write_string(buf, walk->key, strlen(walk->key)) &&
           buf_append(buf, ": ", indent == 0 ? 1 : 2);
}

static bool write_event(struct buf *buf, const struct value_walk *walk,
                        enum value_visit event, int indent)
{
    bool list = walk->value->type == VALUE_LIST;
    bool empty = list ? walk->value->as.list.n == 0 : walk->value->as.map.n == 0;

    if (event == VISIT_CLOSE)
        return (empty || write_newline(buf, indent, walk->depth)) &&
               buf_append(buf, list ? "]" : "}", 1);
    if (!write_lead(buf, walk, indent))
        return false;
    if (event == VISIT_OPEN)
        return buf_append(buf, list ? "[" : "{", 1);
    return write_scalar(buf, walk->value);
}

bool value_write_json(struct buf *buf, const struct value *value, int indent)
{
    struct value_walk walk;
    enum value_visit event;
    bool ok = true;

    value_walk_init(&walk, value);
    while (ok && (event = value_walk_next(&walk)) != VISIT_END)
        ok = write_event(buf, &walk, event, indent);
    value_walk_finish(&walk);
    return ok;
}

struct read_level {
    json_t *from;
    void *iter;          /* next pair of an object */
    size_t next;         /* next item of an array */
    struct value *place; /* doesn't move while its level is open */
};

static struct value node_of_json(json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return value_map();
    case JSON_ARRAY:
        return value_list();
    case JSON_STRING:
        return value_bytes(json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return value_int(json_integer_value(json));
    case JSON_REAL:
        return value_float(json_real_value(json));
    case JSON_NULL:
        return (struct value){0};
    default:
        return value_bool(json_is_true(json));
    }
}

/* The next child of level's container, put into its place; NULL at the end. */
static json_t *take_child(struct read_level *level, struct value **place_out)
{
    json_t *child;

    if (json_is_array(level->from)) {
        child = json_array_get(level->from, level->next++);
        if (child != NULL)
            *place_out = value_append(level->place, node_of_json(child));
        return child;
    }
    if (level->iter == NULL)
        return NULL;
    child = json_object_iter_value(level->iter);
    *place_out =
        value_add_n(level->place, json_object_iter_key(level->iter),
                    json_object_iter_key_len(level->iter), node_of_json(child));
    level->iter = json_object_iter_next(level->from, level->iter);
    return child;
}

static int value_of_json(json_t *root, struct value *out, struct err *err)
{
    struct read_level levels[VALUE_MAX_DEPTH];
    struct value *place = out;
    json_t *json = root;
    size_t n = 0;

    *out = node_of_json(root);
    for (;;) {
        if (json != NULL && (json_is_object(json) || json_is_array(json))) {
            if (n == VALUE_MAX_DEPTH)
                return err_set(err, ERR_INVALID, "JSON is nested deeper than %d",
                               VALUE_MAX_DEPTH);
            levels[n++] = (struct read_level){
                .from = json, .iter = json_object_iter(json), .place = place};
        } else if (json == NULL) {
            n--;
        }
        if (n == 0)
            return 0;
        json = take_child(&levels[n - 1], &place);
    }
}

int value_read_json(const char *text, size_t n_bytes, struct value *value_out,
                    struct err *err)
{
    json_error_t why;
    json_t *root;
    struct value value = {0};
    int rc;

    if (n_bytes > JSON_MAX_BYTES)
        return err_set(err, ERR_INVALID, "JSON text has %zu bytes, more than %zu",
                       n_bytes, JSON_MAX_BYTES);
    root = json_loadb(text, n_bytes,
                      JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return err_set(err, ERR_INVALID, "line %d, column %d: %s", why.line, why.column,
                       why.text);
    rc = value_of_json(root, &value, err);
    json_decref(root);
    if (rc == -1)
        value_finish(&value);
    else
        *value_out = value;
    return rc;
}
