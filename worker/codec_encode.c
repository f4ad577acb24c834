#include "worker/codec.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/err.h"

#include "proto/frame.h"

#include "worker/frozen.h"
#include "worker/modules/errors.h"

#define N_FEW 16 /* so many tables are looked for one by one, more by hash */

#define CONTAINER_HEADER_BYTES 5
#define DEPTH_FREE             3 /* so many open tables fit into the slots every C function has */
#define ARRAY32                0xdd
#define MAP32                  0xdf

struct seen_row {
    const void *table; /* NULL: free */
    uint32_t number;
};

/* The tables of a value by identity, numbered in pre-order. */
struct seen {
    uint32_t n;
    uint32_t size; /* of rows, a power of two; 0: all are in few */
    struct seen_row *rows;
    const void *few[N_FEW];
};

/* One open table. On the stack: the table, the key, and while the key itself is being
 * written (a table as key) its value. */
struct frame {
    size_t header; /* where its header is, from the start of the live bytes */
    uint32_t n;
    bool is_map;
    bool in_key;
};

struct encoder {
    lua_State *L;
    struct buf *out;
    struct err *err;
    size_t max_bytes;
    bool with_refs;
    bool found_ref;
    bool careful; /* the value has a table that only looked like an array */
    int depth;
    int base; /* stack top before the value was pushed */
    struct seen seen;
    struct frame frames[CODEC_MAX_DEPTH];
};

enum step { STEP_OK, STEP_FAILED, STEP_RETRY };

/* ---- scalars --------------------------------------------------------------------- */

static inline uint8_t *put_u16(uint8_t *at, uint8_t marker, uint16_t number)
{
    at[0] = marker;
    at[1] = (uint8_t)(number >> 8);
    at[2] = (uint8_t)number;
    return at + 3;
}

static inline uint8_t *put_u32(uint8_t *at, uint8_t marker, uint32_t number)
{
    at[0] = marker;
    number = __builtin_bswap32(number);
    memcpy(at + 1, &number, 4);
    return at + 5;
}

static inline uint8_t *put_u64(uint8_t *at, uint8_t marker, uint64_t number)
{
    at[0] = marker;
    wire_put_u64(at + 1, number);
    return at + 9;
}

static inline bool write_byte(struct buf *out, uint8_t byte)
{
    uint8_t *at = buf_reserve(out, 1);

    if (at == NULL)
        return false;
    *at = byte;
    out->end++;
    return true;
}

static inline uint8_t *put_integer(uint8_t *at, lua_Integer number)
{
    if (number >= 0) {
        if (number < 0x80) {
            *at = (uint8_t)number;
            return at + 1;
        }
        if (number <= 0xff) {
            at[0] = 0xcc;
            at[1] = (uint8_t)number;
            return at + 2;
        }
        if (number <= 0xffff)
            return put_u16(at, 0xcd, (uint16_t)number);
        if (number <= 0xffffffff)
            return put_u32(at, 0xce, (uint32_t)number);
        return put_u64(at, 0xcf, (uint64_t)number);
    }
    if (number >= -32) {
        *at = (uint8_t)number;
        return at + 1;
    }
    if (number >= INT8_MIN) {
        at[0] = 0xd0;
        at[1] = (uint8_t)number;
        return at + 2;
    }
    if (number >= INT16_MIN)
        return put_u16(at, 0xd1, (uint16_t)number);
    if (number >= INT32_MIN)
        return put_u32(at, 0xd2, (uint32_t)number);
    return put_u64(at, 0xd3, (uint64_t)number);
}

static inline bool write_number(lua_State *L, int idx, struct buf *out)
{
    uint8_t *at = buf_reserve(out, 9), *end;

    if (at == NULL)
        return false;
    if (lua_isinteger(L, idx)) {
        end = put_integer(at, lua_tointegerx(L, idx, NULL));
    } else {
        double number = lua_tonumberx(L, idx, NULL);
        uint64_t bits;

        memcpy(&bits, &number, 8);
        end = put_u64(at, 0xcb, bits);
    }
    out->end += (size_t)(end - at);
    return true;
}

static inline bool write_text(struct buf *out, const void *text, size_t n)
{
    uint8_t *at, *start;

    if (n > UINT32_MAX || (start = buf_reserve(out, n + 5)) == NULL)
        return false;
    at = start;
    if (n < 32) {
        *at++ = (uint8_t)(0xa0 | n);
    } else if (n <= 0xff) {
        *at++ = 0xd9;
        *at++ = (uint8_t)n;
    } else if (n <= 0xffff) {
        at = put_u16(at, 0xda, (uint16_t)n);
    } else {
        at = put_u32(at, 0xdb, (uint32_t)n);
    }
    if (n != 0)
        memcpy(at, text, n);
    out->end += (size_t)(at - start) + n;
    return true;
}

static inline bool write_string(lua_State *L, int idx, struct buf *out)
{
    size_t n;
    const char *text = lua_tolstring(L, idx, &n);

    return write_text(out, text, n);
}

static bool encode_error_view(const struct error_view *view, struct buf *out)
{
    size_t mark = buf_len(out), body;
    uint8_t *header = buf_reserve(out, 7);

    if (header == NULL)
        return false;
    out->end += 6;
    if (!write_byte(out, 0x94) || !write_text(out, view->kind.data, view->kind.n) ||
        !write_text(out, view->message.data, view->message.n) ||
        !write_byte(out, view->retryable == RETRY_UNKNOWN
                             ? 0xc0
                             : (view->retryable == RETRY_YES ? 0xc3 : 0xc2)) ||
        !(view->details.n != 0 ? buf_append(out, view->details.data, view->details.n)
                               : write_byte(out, 0xc0))) {
        out->end = out->start + mark;
        return false;
    }
    body = buf_len(out) - mark - 6;
    if (body > UINT32_MAX) {
        out->end = out->start + mark;
        return false;
    }
    header = put_u32(buf_head(out) + mark, 0xc9, (uint32_t)body);
    *header = EXT_ERROR;
    return true;
}

bool codec_encode_error(lua_State *L, int idx, struct buf *out)
{
    struct error_view view;

    return errors_view(L, idx, &view) && encode_error_view(&view, out);
}

/* Writes the value at idx, of that type, which is no table. */
static inline bool write_scalar(lua_State *L, int idx, int type, struct buf *out)
{
    switch (type) {
    case LUA_TNUMBER:
        return write_number(L, idx, out);
    case LUA_TSTRING:
        return write_string(L, idx, out);
    case LUA_TBOOLEAN:
        return write_byte(out, lua_toboolean(L, idx) ? 0xc3 : 0xc2);
    case LUA_TUSERDATA:
        if (errors_test(L, idx))
            return codec_encode_error(L, idx, out);
        return write_byte(out, 0xc0);
    default:
        return write_byte(out, 0xc0);
    }
}

/* ---- tables seen ----------------------------------------------------------------- */

static struct seen_row *seen_slot(const struct seen *seen, const void *table)
{
    uint32_t at = (uint32_t)(((uintptr_t)table * 0x9e3779b97f4a7c15u) >> 32);

    for (;; at++) {
        struct seen_row *row = &seen->rows[at & (seen->size - 1)];

        if (row->table == NULL || row->table == table)
            return row;
    }
}

/* Doubles the rows, or moves the few into the first ones. */
static bool seen_grow(struct seen *seen)
{
    struct seen_row *old = seen->rows;
    uint32_t old_size = seen->size;
    uint32_t size = old_size == 0 ? N_FEW * 8 : old_size * 2;
    struct seen_row *rows =
        size > UINT32_MAX / 4 ? NULL : calloc(size, sizeof(struct seen_row));

    if (rows == NULL)
        return false;
    seen->rows = rows;
    seen->size = size;
    if (old_size == 0)
        for (uint32_t i = 0; i < seen->n; i++)
            *seen_slot(seen, seen->few[i]) = (struct seen_row){seen->few[i], i};
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].table != NULL)
            *seen_slot(seen, old[i].table) = old[i];
    free(old);
    return true;
}

/* 1 and the number of a table that was seen, 0 and its new number otherwise; -1 when
 * there is no memory. */
static int seen_add(struct seen *seen, const void *table, uint32_t *number_out)
{
    struct seen_row *row;

    if (seen->size == 0) {
        for (uint32_t i = 0; i < seen->n; i++) {
            if (seen->few[i] == table) {
                *number_out = i;
                return 1;
            }
        }
        if (seen->n < N_FEW) {
            seen->few[seen->n++] = table;
            return 0;
        }
    }
    if (seen->n >= seen->size / 2 && !seen_grow(seen))
        return -1;
    row = seen_slot(seen, table);
    if (row->table != NULL) {
        *number_out = row->number;
        return 1;
    }
    *row = (struct seen_row){table, seen->n++};
    return 0;
}

static void seen_clear(struct seen *seen)
{
    if (seen->size != 0)
        free(seen->rows);
    seen->n = 0;
    seen->size = 0;
    seen->rows = NULL;
}

/* ---- failing --------------------------------------------------------------------- */

static int set_size_error(const struct buf *out, struct err *err)
{
    return err_set(err, ERR_LIMIT_EXCEEDED, "value too large (limit %zu bytes)",
                   out->max_bytes != 0 ? out->max_bytes : CODEC_MAX_BYTES);
}

static enum step fail_size(struct encoder *e)
{
    set_size_error(e->out, e->err);
    return STEP_FAILED;
}

/* Describes the way down to the table on top of the stack, for as long as it fits. */
static enum step fail_depth(struct encoder *e)
{
    lua_State *L = e->L;
    char path[256];
    size_t n = 0;
    int key = e->base + 2;

    for (int i = 0; i < e->depth && n < sizeof(path) - 48; i++) {
        switch (lua_type(L, key)) {
        case LUA_TSTRING:
            n += (size_t)snprintf(path + n, 40, ".%.32s", lua_tostring(L, key));
            break;
        case LUA_TNUMBER:
            n += (size_t)snprintf(path + n, 40, "[%.14g]", lua_tonumber(L, key));
            break;
        default:
            n += (size_t)snprintf(path + n, 40, "[%s]",
                                  lua_typename(L, lua_type(L, key)));
        }
        key += e->frames[i].in_key ? 3 : 2;
    }
    path[n] = '\0';
    err_set(e->err, ERR_INVALID, "value nested too deeply (more than %d levels) at %s",
            CODEC_MAX_DEPTH, path);
    return STEP_FAILED;
}

/* ---- tables ---------------------------------------------------------------------- */

/* Are the keys of the table on top exactly 1..n? Only asked after a guess went
 * wrong. */
static bool is_sequence(lua_State *L)
{
    lua_Unsigned n = lua_rawlen(L, -1), count = 0;

    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || (lua_Unsigned)lua_tointeger(L, -1) - 1 >= n) {
            lua_pop(L, 1);
            return false;
        }
        count++;
    }
    return count == n;
}

/* Starts the table on top of the stack: afterwards its nil key is on top, or, when it
 * was seen before, nothing of it. */
static enum step open_table(struct encoder *e, bool *opened_out)
{
    lua_State *L = e->L;
    struct frame *frame;
    uint32_t number;
    uint8_t *at;
    int seen = 0;

    if (e->with_refs && (seen = seen_add(&e->seen, lua_topointer(L, -1), &number)) < 0)
        return fail_size(e);
    *opened_out = seen == 0;
    if ((at = buf_reserve(e->out, 6)) == NULL)
        return fail_size(e);
    if (seen) {
        at[0] = 0xd6;
        put_u32(at + 1, EXT_REF, number);
        e->out->end += 6;
        e->found_ref = true;
        lua_pop(L, 1);
        return STEP_OK;
    }
    if (e->depth == CODEC_MAX_DEPTH)
        return fail_depth(e);
    if (e->depth >= DEPTH_FREE && !lua_checkstack(L, 8))
        return fail_size(e);
    if (frozen_push_contents(L, -1))
        lua_replace(L, -2);
    frame = &e->frames[e->depth++];
    frame->header = buf_len(e->out);
    frame->n = 0;
    frame->in_key = false;
    frame->is_map = lua_rawlen(L, -1) == 0 || (e->careful && !is_sequence(L));
    e->out->end += CONTAINER_HEADER_BYTES;
    lua_pushnil(L);
    return STEP_OK;
}

static void close_table(struct encoder *e)
{
    struct frame *frame = &e->frames[--e->depth];
    uint8_t *at = buf_head(e->out) + frame->header;

    put_u32(at, frame->is_map ? MAP32 : ARRAY32, frame->n);
    lua_pop(e->L, 1);
}

/* Is this something that arrives as other than nil? */
static inline bool is_sendable(lua_State *L, int idx, int type)
{
    return (type != LUA_TFUNCTION && type != LUA_TUSERDATA && type != LUA_TTHREAD &&
            type != LUA_TLIGHTUSERDATA) ||
           errors_test(L, idx);
}

/* Writes the key under the value on top. A table as key is left on top, opened_out says
 * so; a pair that can't travel is popped and *skip_out true. */
static inline enum step write_key(struct encoder *e, struct frame *frame,
                                  int value_type, bool *skip_out, bool *opened_out)
{
    lua_State *L = e->L;
    int type = lua_type(L, -2);

    *skip_out = *opened_out = false;
    if (!is_sendable(L, -1, value_type) || !is_sendable(L, -2, type)) {
        lua_pop(L, 1);
        *skip_out = true;
        return STEP_OK;
    }
    frame->n++;
    if (type == LUA_TSTRING)
        return write_string(L, -2, e->out) ? STEP_OK : fail_size(e);
    if (type != LUA_TTABLE)
        return write_scalar(L, -2, type, e->out) ? STEP_OK : fail_size(e);
    frame->in_key = true;
    lua_pushvalue(L, -2);
    return open_table(e, opened_out);
}

/* Checks that the key under the value on top is the next of a sequence. */
static inline bool take_index(lua_State *L, struct frame *frame)
{
    return lua_isinteger(L, -2) && lua_tointegerx(L, -2, NULL) == ++frame->n;
}

/* Writes the value on top and pops it; a table stays and is opened. */
static inline enum step write_value(struct encoder *e, int type, bool *opened_out)
{
    *opened_out = false;
    if (type == LUA_TTABLE)
        return open_table(e, opened_out);
    if (!write_scalar(e->L, -1, type, e->out))
        return fail_size(e);
    lua_pop(e->L, 1);
    return STEP_OK;
}

/* Like lua_next for a table known to be a sequence, whatever order it is stored in. */
static bool next_item(lua_State *L, struct frame *frame)
{
    bool more = frame->n < lua_rawlen(L, -2);

    lua_pop(L, 1);
    if (more) {
        lua_pushinteger(L, ++frame->n);
        lua_rawgeti(L, -2, frame->n);
    }
    return more;
}

static enum step take_item(struct encoder *e, struct frame *frame)
{
    bool opened;

    if (e->careful ? !next_item(e->L, frame) : lua_next(e->L, -2) == 0) {
        close_table(e);
        return STEP_OK;
    }
    if (!e->careful && !take_index(e->L, frame))
        return STEP_RETRY;
    return write_value(e, lua_type(e->L, -1), &opened);
}

/* One turn: the next pair of the innermost table, or its end, or the value whose key
 * was a table. */
static enum step take_turn(struct encoder *e)
{
    struct frame *frame = &e->frames[e->depth - 1];
    lua_State *L = e->L;
    bool skip, opened;
    enum step step;
    int type;

    if (buf_len(e->out) > e->max_bytes)
        return fail_size(e);
    if (frame->in_key) {
        frame->in_key = false;
        return write_value(e, lua_type(L, -1), &opened);
    }
    if (!frame->is_map)
        return take_item(e, frame);
    if (lua_next(L, -2) == 0) {
        close_table(e);
        return STEP_OK;
    }
    type = lua_type(L, -1);
    step = write_key(e, frame, type, &skip, &opened);
    if (step != STEP_OK || skip || frame->in_key)
        return step;
    return write_value(e, type, &opened);
}

static enum step encode_table(struct encoder *e)
{
    bool opened;
    enum step step = open_table(e, &opened);

    while (step == STEP_OK && e->depth > 0)
        step = take_turn(e);
    return step;
}

static void begin_tree(struct encoder *e, int idx, bool careful)
{
    e->careful = careful;
    e->depth = 0;
    e->found_ref = false;
    seen_clear(&e->seen);
    lua_pushvalue(e->L, idx);
}

/* Encodes the table at idx. A table with a border above 0 is taken for an array until a
 * key says otherwise; then the whole value starts again and looks before it guesses, so
 * that the time stays linear in the size however deep the wrong guess sits. */
static int encode_tree(lua_State *L, int idx, struct buf *out, bool *graph_out,
                       struct err *err)
{
    struct encoder e;
    size_t mark = buf_len(out);
    enum step step;

    e.L = L;
    e.out = out;
    e.err = err;
    e.max_bytes = out->max_bytes != 0 ? out->max_bytes : mark + CODEC_MAX_BYTES;
    e.with_refs = graph_out != NULL;
    e.seen.size = 0;
    e.base = lua_gettop(L);
    idx = lua_absindex(L, idx);
    begin_tree(&e, idx, false);
    while ((step = encode_table(&e)) == STEP_RETRY) {
        out->end = out->start + mark;
        lua_settop(L, e.base);
        begin_tree(&e, idx, true);
    }
    seen_clear(&e.seen);
    if (step == STEP_OK && buf_len(out) > e.max_bytes)
        step = fail_size(&e);
    if (step != STEP_OK) {
        out->end = out->start + mark;
        lua_settop(L, e.base);
        return -1;
    }
    if (e.found_ref)
        *graph_out = true;
    return 0;
}

int codec_encode_value(lua_State *L, int idx, struct buf *out, bool *graph_out,
                       struct err *err)
{
    size_t mark = buf_len(out);
    int type = lua_type(L, idx);

    if (graph_out != NULL)
        *graph_out = false;
    if (type == LUA_TTABLE)
        return encode_tree(L, idx, out, graph_out, err);
    if (write_scalar(L, idx, type, out) &&
        (out->max_bytes != 0 || buf_len(out) - mark <= CODEC_MAX_BYTES))
        return 0;
    out->end = out->start + mark;
    return set_size_error(out, err);
}

static bool write_array_header(struct buf *out, uint32_t n)
{
    uint8_t *at = buf_reserve(out, 5), *end;

    if (at == NULL)
        return false;
    if (n < 16) {
        *at = (uint8_t)(0x90 | n);
        end = at + 1;
    } else {
        end = put_u32(at, ARRAY32, n);
    }
    out->end += (size_t)(end - at);
    return true;
}

int codec_check_count(int n, struct err *err)
{
    return n > CODEC_MAX_ARGS
               ? err_set(err, ERR_INVALID, "%d values where at most %d are allowed", n,
                         CODEC_MAX_ARGS)
               : 0;
}

int codec_encode_args(lua_State *L, int first, int n, struct buf *out, struct err *err)
{
    size_t mark = buf_len(out);
    bool any_graph = false;

    if (codec_check_count(n, err) == -1)
        return -1;
    if (!write_byte(out, 0) || !write_array_header(out, (uint32_t)n))
        goto full;
    for (int i = first; i < first + n; i++) {
        int type = lua_type(L, i);
        bool graph = false;

        if (type != LUA_TTABLE) {
            if (!write_scalar(L, i, type, out))
                goto full;
        } else if (encode_tree(L, i, out, &graph, err) == -1) {
            out->end = out->start + mark;
            return n > 1 ? err_wrap(err, "argument #%d", i - first + 1) : -1;
        }
        any_graph = any_graph || graph;
        if (buf_len(out) - mark > CODEC_MAX_BYTES && out->max_bytes == 0)
            goto full;
    }
    if (any_graph)
        buf_head(out)[mark] = 1;
    return 0;
full:
    out->end = out->start + mark;
    return set_size_error(out, err);
}
