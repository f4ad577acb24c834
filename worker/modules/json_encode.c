#include "worker/modules/json_encode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "common/err.h"

#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/modules/json_decode.h"
#include "worker/modules/json_text.h"

#define KEY_TEXT_BYTES 32

/* A growing array in a userdata at a fixed stack index: memory that counts for this
 * Lua state and that an error on the way can't leak. */
struct block {
    int idx;
    char *data;
    size_t n, size; /* bytes */
};

struct key {
    const char *text; /* of a string, which its table keeps alive; else NULL */
    size_t n;
    int type;
    lua_Integer integer;
    char as_text[KEY_TEXT_BYTES]; /* of any other key */
    lua_Number number;
};

struct level { /* one table on the way from the top to the current value */
    const void *identity;
    int table_idx;
    bool is_array;
    size_t i, n;      /* the next member or element, and how many there are */
    size_t first_key; /* of an object, in keys */
};

struct encoder {
    lua_State *L;
    struct block text, keys;
    const char *problem; /* NULL = all well so far */
    char problem_text[64];
    int depth;
    struct level levels[JSON_MAX_DEPTH];
};

/* ---- output ---------------------------------------------------------------------- */

static void block_init(lua_State *L, struct block *block, size_t size)
{
    block->data = lua_newuserdatauv(L, size, 0);
    block->idx = lua_gettop(L);
    block->n = 0;
    block->size = size;
}

/* Room for n more bytes. */
static char *block_reserve(lua_State *L, struct block *block, size_t n)
{
    size_t size = block->size;
    char *data;

    if (block->size - block->n < n) {
        while (size - block->n < n)
            size *= 2;
        data = lua_newuserdatauv(L, size, 0);
        memcpy(data, block->data, block->n);
        lua_replace(L, block->idx);
        block->data = data;
        block->size = size;
    }
    return block->data + block->n;
}

static bool fail(struct encoder *e, const char *problem)
{
    e->problem = problem;
    return false;
}

static bool put(struct encoder *e, const char *text, size_t n)
{
    if (n > JSON_MAX_TEXT_BYTES - e->text.n)
        return fail(e, "json: text is too large");
    memcpy(block_reserve(e->L, &e->text, n), text, n);
    e->text.n += n;
    return true;
}

static bool put_string(struct encoder *e, const char *text, size_t n)
{
    const char *at = text, *end = text + n;
    char escaped[JSON_ESCAPE_BYTES];
    size_t n_run, n_escaped;

    if (!put(e, "\"", 1))
        return false;
    while (at < end) {
        n_run = json_plain_run(at, end);
        if (n_run > 0 && !put(e, at, n_run))
            return false;
        at += n_run;
        if (at == end)
            break;
        at += json_escape(at, end, escaped, &n_escaped);
        if (!put(e, escaped, n_escaped))
            return false;
    }
    return put(e, "\"", 1);
}

static size_t format_number(lua_State *L, int idx, char out[JSON_FLOAT_BYTES])
{
    lua_Number number;

    if (lua_isinteger(L, idx))
        return (size_t)snprintf(out, JSON_FLOAT_BYTES, LUA_INTEGER_FMT,
                                lua_tointeger(L, idx));
    number = lua_tonumber(L, idx);
    if (isfinite(number))
        return json_format_float(out, number);
    return (size_t)snprintf(out, JSON_FLOAT_BYTES, "null");
}

/* ---- tables ---------------------------------------------------------------------- */

/* What the keys of a table are. */
struct shape {
    size_t n, n_elements, n_other_numbers; /* elements: positive integer keys */
    lua_Integer last_element;
};

static void read_key(lua_State *L, int idx, struct key *key)
{
    *key = (struct key){.type = lua_type(L, idx)};
    switch (key->type) {
    case LUA_TSTRING:
        key->text = lua_tolstring(L, idx, &key->n);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx))
            key->integer = lua_tointeger(L, idx);
        else
            key->number = lua_tonumber(L, idx);
        key->n = format_number(L, idx, key->as_text);
        break;
    default:
        key->integer = lua_toboolean(L, idx);
        key->n = (size_t)sprintf(key->as_text, "%s", key->integer ? "true" : "false");
        break;
    }
}

/* Counts a key and notes it as a member's name. */
static bool note_key(struct encoder *e, struct shape *shape, int idx)
{
    int type = lua_type(e->L, idx);
    lua_Integer integer;

    shape->n++;
    if (lua_isinteger(e->L, idx) && (integer = lua_tointeger(e->L, idx)) >= 1) {
        shape->n_elements++;
        if (integer > shape->last_element)
            shape->last_element = integer;
        return true;
    }
    shape->n_other_numbers += type == LUA_TNUMBER;
    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
        snprintf(e->problem_text, sizeof(e->problem_text),
                 "cannot encode a table key of type %s", lua_typename(e->L, type));
        return fail(e, e->problem_text);
    }
    block_reserve(e->L, &e->keys, sizeof(struct key));
    read_key(e->L, idx, (struct key *)(e->keys.data + e->keys.n));
    e->keys.n += sizeof(struct key);
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    const char *x_text = x->text != NULL ? x->text : x->as_text;
    const char *y_text = y->text != NULL ? y->text : y->as_text;
    int order = memcmp(x_text, y_text, x->n < y->n ? x->n : y->n);

    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

/* Decides between array and object; the table is at the top of the stack. */
static bool read_shape(struct encoder *e, struct level *level)
{
    struct shape shape = {0};

    level->first_key = e->keys.n / sizeof(struct key);
    lua_pushnil(e->L);
    while (lua_next(e->L, level->table_idx)) {
        lua_pop(e->L, 1);
        if (!note_key(e, &shape, lua_gettop(e->L)))
            return false;
    }
    level->n = shape.n;
    level->is_array = shape.n_elements > 0 ||
                      (shape.n == 0 && !json_is_marked_object(e->L, level->table_idx));
    if (shape.n_elements == 0) {
        qsort((struct key *)e->keys.data + level->first_key, shape.n,
              sizeof(struct key), compare_keys);
        return true;
    }
    if (shape.n_elements + shape.n_other_numbers < shape.n)
        return fail(e, "cannot encode mixed-key table: table has both numeric and "
                       "non-numeric keys");
    if (shape.n_elements < shape.n || (size_t)shape.last_element != shape.n)
        return fail(e, "cannot encode sparse array: non-contiguous numeric keys found");
    return true;
}

/* Enters the table at the top of the stack, which stays there until it is left. */
static bool enter_table(struct encoder *e)
{
    const void *identity = lua_topointer(e->L, -1);
    struct level *level;

    for (int i = 0; i < e->depth; i++)
        if (e->levels[i].identity == identity)
            return fail(e, "cannot encode recursively nested tables to JSON");
    if (e->depth == JSON_MAX_DEPTH)
        return fail(e, "exceeded maximum nesting depth for JSON encoding");
    if (frozen_push_contents(e->L, -1))
        lua_replace(e->L, -2);
    level = &e->levels[e->depth];
    *level = (struct level){.identity = identity, .table_idx = lua_gettop(e->L)};
    if (!read_shape(e, level))
        return false;
    e->depth++;
    return put(e, level->is_array ? "[" : "{", 1);
}

static bool leave_table(struct encoder *e)
{
    struct level *level = &e->levels[--e->depth];

    lua_settop(e->L, level->table_idx - 1);
    e->keys.n = level->first_key * sizeof(struct key);
    return put(e, level->is_array ? "]" : "}", 1);
}

static const struct key *level_key(const struct encoder *e, const struct level *level,
                                   size_t i)
{
    return (const struct key *)e->keys.data + level->first_key + i;
}

static void push_key(lua_State *L, const struct key *key)
{
    if (key->type == LUA_TSTRING)
        lua_pushlstring(L, key->text, key->n);
    else if (key->type == LUA_TBOOLEAN)
        lua_pushboolean(L, (int)key->integer);
    else if (key->integer != 0 || key->number == 0)
        lua_pushinteger(L, key->integer);
    else
        lua_pushnumber(L, key->number);
}

/* Writes what stands before the next value of the innermost table, and pushes it. */
static bool next_value(struct encoder *e)
{
    struct level *level = &e->levels[e->depth - 1];
    const struct key *key;

    if (level->i > 0 && !put(e, ",", 1))
        return false;
    level->i++;
    if (level->is_array) {
        lua_rawgeti(e->L, level->table_idx, (lua_Integer)level->i);
        return true;
    }
    key = level_key(e, level, level->i - 1);
    if (!put_string(e, key->text != NULL ? key->text : key->as_text, key->n) ||
        !put(e, ":", 1))
        return false;
    push_key(e->L, key);
    lua_rawget(e->L, level->table_idx);
    return true;
}

/* ---- values ---------------------------------------------------------------------- */

/* Writes the value at the top and pops it; a table is entered and stays. */
static bool put_value(struct encoder *e)
{
    lua_State *L = e->L;
    char number[JSON_FLOAT_BYTES];
    const char *text = "null";
    size_t n = 4;
    bool ok;

    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        return enter_table(e);
    case LUA_TBOOLEAN:
        text = lua_toboolean(L, -1) ? "true" : "false";
        ok = put(e, text, strlen(text));
        break;
    case LUA_TNUMBER:
        ok = put(e, number, format_number(L, -1, number));
        break;
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &n);
        ok = put_string(e, text, n);
        break;
    default:
        if (errors_test(L, -1)) {
            text = errors_message(L, -1, &n);
            ok = put_string(e, text, n);
        } else {
            ok = put(e, "null", 4);
        }
        break;
    }
    lua_pop(L, 1);
    return ok;
}

static bool put_all(struct encoder *e)
{
    struct level *level;

    if (!put_value(e))
        return false;
    while (e->depth > 0) {
        level = &e->levels[e->depth - 1];
        if (level->i == level->n) {
            if (!leave_table(e))
                return false;
        } else if (!next_value(e) || !put_value(e)) {
            return false;
        }
    }
    return true;
}

/* ---- the place of a problem ------------------------------------------------------ */

#define PATH_BYTES 200 /* so that msgpack needs one byte for its length */

/* "$.rows[3].name", as much of it as fits. */
static size_t write_path(const struct encoder *e, char out[PATH_BYTES])
{
    size_t n = 1;
    int n_step;

    out[0] = '$';
    for (int i = 0; i < e->depth && e->levels[i].i > 0; i++) {
        const struct level *level = &e->levels[i];
        const struct key *key;

        if (level->is_array) {
            n_step = snprintf(out + n, PATH_BYTES - n, "[%zu]", level->i);
        } else {
            key = level_key(e, level, level->i - 1);
            n_step = snprintf(out + n, PATH_BYTES - n, ".%.*s",
                              key->n < 40 ? (int)key->n : 40,
                              key->text != NULL ? key->text : key->as_text);
        }
        if (n_step >= (int)(PATH_BYTES - n))
            break;
        n += (size_t)n_step;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)out[i];

        if (c < ' ' || c >= 0x7f) /* control bytes and beyond ASCII */
            out[i] = '?';
    }
    return n;
}

static void push_problem(const struct encoder *e)
{
    uint8_t details[8 + PATH_BYTES] = {0x81, 0xa4, 'p', 'a', 't', 'h', 0xd9};
    size_t n_path = write_path(e, (char *)details + 8);

    details[7] = (uint8_t)n_path;
    lua_pushnil(e->L);
    errors_push_view(e->L,
                     &(struct error_view){
                         .kind = {(const uint8_t *)"Internal", 8},
                         .message = {(const uint8_t *)e->problem, strlen(e->problem)},
                         .retryable = RETRY_NO,
                         .details = {details, 8 + n_path},
                     });
}

bool json_push_encoded(lua_State *L, int idx)
{
    struct encoder e; /* large: its levels are filled as they are entered */

    e.L = L;
    e.problem = NULL;
    e.depth = 0;
    idx = lua_absindex(L, idx);
    luaL_checkstack(L, JSON_MAX_DEPTH + 16, "not enough stack to encode JSON");
    block_init(L, &e.text, 1024);
    block_init(L, &e.keys, 16 * sizeof(struct key));
    lua_pushvalue(L, idx);
    if (!put_all(&e)) {
        lua_settop(L, e.keys.idx);
        push_problem(&e);
        lua_copy(L, -2, e.text.idx);
        lua_copy(L, -1, e.keys.idx);
        lua_settop(L, e.keys.idx);
        return false;
    }
    lua_pushlstring(L, e.text.data, e.text.n);
    lua_replace(L, e.text.idx);
    lua_settop(L, e.text.idx);
    return true;
}
