#include "worker/codec.h"

#include "common/err.h"

#include "proto/frame.h"

#include "worker/modules/errors.h"

/* No table is made larger than this on the word of a count; it grows as values come. */
#define PRESIZE_MAX 4096

/* So many open tables fit into the stack slots that every C function has. */
#define DEPTH_FREE 3

struct cursor {
    const uint8_t *at, *end;
};

enum token {
    TOKEN_NIL,
    TOKEN_BOOLEAN,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_STRING,
    TOKEN_ARRAY,
    TOKEN_MAP,
    TOKEN_EXT,
};

/* One head of a value: what it is and, by token, its value or how much follows it. */
struct head {
    enum token token;
    uint8_t ext_type;
    uint32_t n; /* bytes, items or pairs that follow */
    union {
        bool boolean;
        lua_Integer integer;
        double number;
    } as;
};

struct frame {
    uint32_t left; /* items or pairs to come, this one included */
    uint32_t index;
    bool is_map;
    bool has_key; /* a key is on the stack, its value comes */
    bool bad_key; /* and it is one that Lua can't hold */
};

/* ---- heads ----------------------------------------------------------------------- */

static inline size_t bytes_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline uint64_t take_big_endian(struct cursor *c, unsigned n)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < n; i++)
        number = number << 8 | c->at[i];
    c->at += n;
    return number;
}

static inline bool set_sized(const struct cursor *c, struct head *head,
                             enum token token, uint32_t n)
{
    size_t least = token == TOKEN_MAP ? (size_t)n * 2 : n;

    head->token = token;
    head->n = n;
    return least <= bytes_left(c);
}

static inline bool set_integer(struct head *head, lua_Integer integer)
{
    head->token = TOKEN_INTEGER;
    head->as.integer = integer;
    return true;
}

static bool set_float(struct head *head, uint64_t bits, unsigned width)
{
    uint32_t bits32 = (uint32_t)bits;
    float number32;

    head->token = TOKEN_FLOAT;
    if (width == 8) {
        memcpy(&head->as.number, &bits, 8);
    } else {
        memcpy(&number32, &bits32, 4);
        head->as.number = (double)number32;
    }
    return true;
}

static bool set_unsigned(struct head *head, uint64_t number)
{
    if (number <= INT64_MAX)
        return set_integer(head, (lua_Integer)number);
    head->token = TOKEN_FLOAT;
    head->as.number = (double)number;
    return true;
}

static bool set_ext(struct cursor *c, struct head *head, uint32_t n)
{
    if (bytes_left(c) == 0)
        return false;
    head->ext_type = *c->at++;
    return set_sized(c, head, TOKEN_EXT, n);
}

/* The bytes 0xc0 to 0xdf. */
static bool take_wide_head(struct cursor *c, struct head *head, uint8_t byte)
{
    /* bytes of the number behind the marker, the type of an ext not included */
    static const uint8_t widths[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                       1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
    unsigned width = widths[byte - 0xc0];
    uint64_t number;

    if (bytes_left(c) < width)
        return false;
    number = take_big_endian(c, width);
    switch (byte) {
    case 0xc0:
        head->token = TOKEN_NIL;
        return true;
    case 0xc1: /* never used */
        return false;
    case 0xc2:
    case 0xc3:
        head->token = TOKEN_BOOLEAN;
        head->as.boolean = byte == 0xc3;
        return true;
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return set_ext(c, head, (uint32_t)number);
    case 0xca:
    case 0xcb:
        return set_float(head, number, width);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return set_unsigned(head, number);
    case 0xd0:
        return set_integer(head, (int8_t)number);
    case 0xd1:
        return set_integer(head, (int16_t)number);
    case 0xd2:
        return set_integer(head, (int32_t)number);
    case 0xd3:
        return set_integer(head, (lua_Integer)number);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return set_ext(c, head, 1u << (byte - 0xd4));
    case 0xdc:
    case 0xdd:
        return set_sized(c, head, TOKEN_ARRAY, (uint32_t)number);
    case 0xde:
    case 0xdf:
        return set_sized(c, head, TOKEN_MAP, (uint32_t)number);
    default: /* bin and str of all widths */
        return set_sized(c, head, TOKEN_STRING, (uint32_t)number);
    }
}

/* Takes the next head; false when the bytes end before it, or before the least that it
 * announces. Afterwards n bytes of a string or ext are there for sure. */
static inline bool take_head(struct cursor *c, struct head *head)
{
    uint8_t byte;

    if (c->at == c->end)
        return false;
    byte = *c->at++;
    if (byte < 0x80)
        return set_integer(head, byte);
    if (byte >= 0xe0)
        return set_integer(head, (int8_t)byte);
    if (byte >= 0xc0)
        return take_wide_head(c, head, byte);
    if (byte >= 0xa0)
        return set_sized(c, head, TOKEN_STRING, byte & 31);
    if (byte >= 0x90)
        return set_sized(c, head, TOKEN_ARRAY, byte & 15);
    return set_sized(c, head, TOKEN_MAP, byte & 15);
}

static int fail_malformed(struct err *err)
{
    return err_set(err, ERR_INVALID, "malformed msgpack data");
}

/* Takes one whole value without looking into it. */
static bool skip_value(struct cursor *c)
{
    struct head head;

    for (uint64_t left = 1; left != 0; left--) {
        if (!take_head(c, &head))
            return false;
        switch (head.token) {
        case TOKEN_STRING:
        case TOKEN_EXT:
            c->at += head.n;
            break;
        case TOKEN_ARRAY:
            left += head.n;
            break;
        case TOKEN_MAP:
            left += (uint64_t)head.n * 2;
            break;
        default:
            break;
        }
        if (left - 1 > bytes_left(c))
            return false;
    }
    return true;
}

/* ---- errors ---------------------------------------------------------------------- */

static bool take_string(struct cursor *c, struct bytes *string_out)
{
    struct head head;

    if (!take_head(c, &head) || head.token != TOKEN_STRING)
        return false;
    *string_out = (struct bytes){c->at, head.n};
    c->at += head.n;
    return true;
}

/* The body of an EXT_ERROR. The details stay encoded, see errors.h. */
static bool read_error(struct bytes body, struct error_view *view)
{
    struct cursor c = {body.data, body.data + body.n};
    struct head head;

    if (!take_head(&c, &head) || head.token != TOKEN_ARRAY || head.n != 4 ||
        !take_string(&c, &view->kind) || !take_string(&c, &view->message) ||
        !take_head(&c, &head))
        return false;
    view->retryable = RETRY_UNKNOWN;
    if (head.token == TOKEN_BOOLEAN)
        view->retryable = head.as.boolean ? RETRY_YES : RETRY_NO;
    else if (head.token != TOKEN_NIL)
        return false;
    view->details = (struct bytes){c.at, bytes_left(&c)};
    if (!skip_value(&c) || c.at != c.end)
        return false;
    if (view->details.data[0] == 0xc0)
        view->details.n = 0;
    return true;
}

int codec_decode_error(lua_State *L, const uint8_t *data, size_t n_bytes,
                       struct err *err)
{
    struct cursor c = {data, data + n_bytes};
    struct error_view view;
    struct head head;

    if (!take_head(&c, &head) || head.token != TOKEN_EXT ||
        head.ext_type != EXT_ERROR || head.n != bytes_left(&c) ||
        !read_error((struct bytes){c.at, head.n}, &view))
        return fail_malformed(err);
    errors_push_view(L, &view);
    return 0;
}

/* ---- values ---------------------------------------------------------------------- */

enum pushed { PUSHED_VALUE, PUSHED_NIL, PUSHED_NAN, PUSHED_NOTHING };

/* refs is the stack index of the table that holds all tables so far in their order (so
 * the one with number 0 is its first), 0 for none. */
static enum pushed push_ext(lua_State *L, struct cursor *c, const struct head *head,
                            int refs)
{
    struct bytes body = {c->at, head->n};
    struct error_view view;
    uint32_t number;

    c->at += head->n;
    switch (head->ext_type) {
    case EXT_ERROR:
        if (!read_error(body, &view))
            return PUSHED_NOTHING;
        errors_push_view(L, &view);
        return PUSHED_VALUE;
    case EXT_REF:
        if (refs == 0 || body.n != 4)
            return PUSHED_NOTHING;
        memcpy(&number, body.data, 4);
        number = __builtin_bswap32(number);
        if (lua_rawgeti(L, refs, (lua_Integer)number + 1) == LUA_TTABLE)
            return PUSHED_VALUE;
        return PUSHED_NOTHING;
    default:
        lua_pushnil(L); /* somebody's own type */
        return PUSHED_NIL;
    }
}

static inline enum pushed push_scalar(lua_State *L, struct cursor *c,
                                      const struct head *head, int refs)
{
    switch (head->token) {
    case TOKEN_NIL:
        lua_pushnil(L);
        return PUSHED_NIL;
    case TOKEN_BOOLEAN:
        lua_pushboolean(L, head->as.boolean);
        return PUSHED_VALUE;
    case TOKEN_INTEGER:
        lua_pushinteger(L, head->as.integer);
        return PUSHED_VALUE;
    case TOKEN_FLOAT:
        lua_pushnumber(L, head->as.number);
        return head->as.number == head->as.number ? PUSHED_VALUE : PUSHED_NAN;
    case TOKEN_STRING:
        lua_pushlstring(L, (const char *)c->at, head->n);
        c->at += head->n;
        return PUSHED_VALUE;
    default:
        return push_ext(L, c, head, refs);
    }
}

static void open_table(lua_State *L, const struct head *head, int refs)
{
    int n = head->n > PRESIZE_MAX ? PRESIZE_MAX : (int)head->n;

    lua_createtable(L, head->token == TOKEN_ARRAY ? n : 0,
                    head->token == TOKEN_MAP ? n : 0);
    if (refs != 0) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, refs, (lua_Integer)lua_rawlen(L, refs) + 1);
    }
}

/* Gives the value on top to the innermost open table, and every table that is complete
 * by that to the one around it. Returns the new depth; 0: the value on top is the
 * whole. */
static inline int attach_value(lua_State *L, enum pushed pushed, struct frame *frames,
                               int depth)
{
    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];

        if (!frame->is_map) {
            frame->index++;
            if (pushed == PUSHED_NIL)
                lua_pop(L, 1);
            else
                lua_rawseti(L, -2, frame->index);
        } else if (!frame->has_key) {
            frame->has_key = true;
            frame->bad_key = pushed != PUSHED_VALUE;
            return depth;
        } else {
            frame->has_key = false;
            if (pushed == PUSHED_NIL || frame->bad_key)
                lua_pop(L, 2); /* no key or no value: left out */
            else
                lua_rawset(L, -3);
        }
        pushed = PUSHED_VALUE;
        if (--frame->left != 0)
            return depth;
        depth--;
    }
    return 0;
}

/* Pushes one value off the cursor. On failure the stack may hold more than before. */
static int decode_value(lua_State *L, struct cursor *c, int refs, struct err *err)
{
    struct frame frames[CODEC_MAX_DEPTH];
    enum pushed pushed;
    struct head head;
    int depth = 0;

    do {
        if (!take_head(c, &head))
            return fail_malformed(err);
        if (head.token == TOKEN_ARRAY || head.token == TOKEN_MAP) {
            if (depth == CODEC_MAX_DEPTH)
                return err_set(err, ERR_INVALID,
                               "data nested too deeply (more than %d levels)",
                               CODEC_MAX_DEPTH);
            if (depth >= DEPTH_FREE && !lua_checkstack(L, 10))
                return err_set(err, ERR_UNAVAILABLE, "no memory for the stack");
            open_table(L, &head, refs);
            pushed = PUSHED_VALUE;
            if (head.n != 0) {
                frames[depth++] = (struct frame){
                    .left = head.n,
                    .is_map = head.token == TOKEN_MAP,
                };
                continue;
            }
        } else {
            pushed = push_scalar(L, c, &head, refs);
            if (pushed == PUSHED_NOTHING)
                return fail_malformed(err);
        }
        depth = attach_value(L, pushed, frames, depth);
    } while (depth > 0);
    return 0;
}

/* The same with back references, which need a table to look them up in. */
static int decode_graph(lua_State *L, struct cursor *c, struct err *err)
{
    lua_newtable(L);
    if (decode_value(L, c, lua_gettop(L), err) == -1)
        return -1;
    lua_remove(L, -2);
    return 0;
}

int codec_decode_value(lua_State *L, const uint8_t *data, size_t n_bytes, bool graph,
                       struct err *err)
{
    struct cursor c = {data, data + n_bytes};
    int top = lua_gettop(L);

    if ((graph ? decode_graph(L, &c, err) : decode_value(L, &c, 0, err)) == -1 ||
        (c.at != c.end && fail_malformed(err) == -1)) {
        lua_settop(L, top);
        return -1;
    }
    return 0;
}

/* ---- payloads -------------------------------------------------------------------- */

static int open_args(struct cursor *c, bool *graph_out, uint32_t *n_out,
                     struct err *err)
{
    struct head head;

    if (!take_head(c, &head) || head.token != TOKEN_INTEGER || head.as.integer < 0 ||
        head.as.integer > 1)
        return fail_malformed(err);
    *graph_out = head.as.integer == 1;
    if (!take_head(c, &head) || head.token != TOKEN_ARRAY)
        return fail_malformed(err);
    *n_out = head.n;
    return 0;
}

int codec_open_args(struct bytes payload, bool *graph_out, uint32_t *n_values_out,
                    struct bytes *values_out, struct err *err)
{
    struct cursor c = {payload.data, payload.data + payload.n};

    if (open_args(&c, graph_out, n_values_out, err) == -1)
        return -1;
    *values_out = (struct bytes){c.at, bytes_left(&c)};
    return 0;
}

int codec_take_value(struct bytes *rest, struct bytes *value_out, struct err *err)
{
    struct cursor c = {rest->data, rest->data + rest->n};

    if (!skip_value(&c))
        return fail_malformed(err);
    *value_out = (struct bytes){rest->data, (size_t)(c.at - rest->data)};
    rest->data = c.at;
    rest->n -= value_out->n;
    return 0;
}

int codec_decode_args(lua_State *L, const uint8_t *data, size_t n_bytes, int max_values,
                      struct err *err)
{
    struct cursor c = {data, data + n_bytes};
    int top = lua_gettop(L);
    uint32_t n = 0;
    bool graph = false;

    if (open_args(&c, &graph, &n, err) == -1)
        return -1;
    if (n > (uint32_t)max_values)
        return err_set(err, ERR_INVALID, "%u values where at most %d are allowed", n,
                       max_values);
    if (!lua_checkstack(L, (int)n + 10))
        return err_set(err, ERR_UNAVAILABLE, "no memory for %u values", n);
    for (uint32_t i = 0; i < n; i++)
        if ((graph ? decode_graph(L, &c, err) : decode_value(L, &c, 0, err)) == -1)
            goto fail;
    if (c.at == c.end)
        return (int)n;
    fail_malformed(err);
fail:
    lua_settop(L, top);
    return -1;
}

int codec_push_result(lua_State *L, bool ok, struct bytes result)
{
    struct err err = {.kind = ERR_UNKNOWN};

    if (ok) {
        int n = codec_decode_args(L, result.data, result.n, 1, &err);

        if (n == 0)
            lua_pushnil(L);
        if (n >= 0) {
            lua_pushnil(L);
            return 2;
        }
    }
    lua_pushnil(L);
    if (ok || codec_decode_error(L, result.data, result.n, &err) == -1)
        errors_push(L, ERR_INTERNAL, RETRY_NO, "unreadable result: %s", err.text);
    return 2;
}
