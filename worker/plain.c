#include "worker/plain.h"

#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "common/buf.h"
#include "common/err.h"

#include "worker/codec.h"
#include "worker/frozen.h"

#define SLOTS_PER_LEVEL 3      /* table, key, value */
#define HOLES_MAX       100000 /* in one list */

/* A table that is being written; it lies on the Lua stack, a map's last key above
 * it. */
struct level {
    bool is_list, text_keys_only;
    lua_Integer n, next; /* list: items in all, which one is next */
};

struct walk {
    lua_State *L;
    struct buf *out;
    struct err *err;
    size_t start; /* of our bytes in out */
    bool is_full; /* there was no memory for some of them */
    int depth;
    struct level levels[PLAIN_MAX_DEPTH];
};

static bool append_header(struct buf *out, uint8_t type, size_t n)
{
    uint8_t bytes[5] = {type, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                        (uint8_t)n};

    return buf_append(out, bytes, sizeof(bytes));
}

bool plain_append_map(struct buf *out, size_t n_pairs)
{
    return append_header(out, 0xdf, n_pairs);
}

bool plain_append_list(struct buf *out, size_t n_items)
{
    return append_header(out, 0xdd, n_items);
}

bool plain_append_text(struct buf *out, const char *text, size_t n_bytes)
{
    return append_header(out, 0xdb, n_bytes) && buf_append(out, text, n_bytes);
}

int plain_fail_memory(struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "no memory for the data");
}

/* Which keys a map's reader can have; tables as keys have no text of their own. */
static bool is_key(lua_State *L, int idx, const struct level *level)
{
    int type = lua_type(L, idx);

    return type == LUA_TSTRING ||
           (!level->text_keys_only && (type == LUA_TNUMBER || type == LUA_TBOOLEAN));
}

static int append_key(struct walk *walk)
{
    size_t n;
    const char *text;

    text = luaL_tolstring(walk->L, -2, &n); /* a copy: next() must find its key */
    walk->is_full |= !plain_append_text(walk->out, text, n);
    if (memchr(text, '\0', n) != NULL)
        return err_set(walk->err, ERR_INVALID, "a key holds a NUL byte");
    lua_pop(walk->L, 1);
    return 0;
}

/* Looks at all keys of the table on top once. */
static size_t measure(lua_State *L, struct level *level)
{
    size_t n_keys = 0;
    lua_Integer n_indices = 0;

    level->n = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        n_keys += is_key(L, -2, level);
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) <= 0)
            continue;
        n_indices++;
        if (lua_tointeger(L, -2) > level->n)
            level->n = lua_tointeger(L, -2);
    }
    level->is_list = level->n > 0 && !level->text_keys_only;
    return level->is_list ? (size_t)(level->n - n_indices) : n_keys;
}

/* Opens the table on top. */
static int open_table(struct walk *walk, bool text_keys_only)
{
    struct level *level = &walk->levels[walk->depth];
    size_t n;

    if (walk->depth == PLAIN_MAX_DEPTH)
        return err_set(walk->err, ERR_INVALID, "tables are nested too deeply");
    if (frozen_push_contents(walk->L, -1))
        lua_replace(walk->L, -2);
    *level = (struct level){.text_keys_only = text_keys_only, .next = 1};
    n = measure(walk->L, level);
    walk->depth++;
    if (!level->is_list) {
        walk->is_full |= !plain_append_map(walk->out, n);
        lua_pushnil(walk->L);
        return 0;
    }
    if (n > HOLES_MAX)
        return err_set(walk->err, ERR_INVALID, "a list has %zu holes", n);
    walk->is_full |= !plain_append_list(walk->out, (size_t)level->n);
    return 0;
}

enum pushed { PUSH_FAILED = -1, PUSH_NOTHING, PUSHED };

static enum pushed push_next_pair(struct walk *walk, const struct level *level)
{
    lua_State *L = walk->L;

    while (lua_next(L, -2) != 0) {
        if (is_key(L, -2, level))
            return append_key(walk) == 0 ? PUSHED : PUSH_FAILED;
        lua_pop(L, 1);
    }
    return PUSH_NOTHING;
}

/* Pushes the innermost table's next value; PUSH_NOTHING: it had none left and is
 * popped. */
static enum pushed push_next(struct walk *walk)
{
    struct level *level = &walk->levels[walk->depth - 1];
    enum pushed pushed = PUSH_NOTHING;

    if (level->is_list && level->next <= level->n) {
        lua_rawgeti(walk->L, -1, level->next++);
        return PUSHED;
    }
    if (!level->is_list)
        pushed = push_next_pair(walk, level);
    if (pushed != PUSH_NOTHING)
        return pushed;
    lua_pop(walk->L, 1);
    walk->depth--;
    return PUSH_NOTHING;
}

/* Writes the value on top, which is no table, and pops it. */
static int write_scalar(struct walk *walk)
{
    lua_State *L = walk->L;
    int type = lua_type(L, -1), failed;

    if (type == LUA_TFUNCTION || type == LUA_TTHREAD || type == LUA_TUSERDATA ||
        type == LUA_TLIGHTUSERDATA) {
        luaL_tolstring(L, -1, NULL);
        lua_replace(L, -2);
    }
    failed = codec_encode_value(L, lua_gettop(L), walk->out, NULL, walk->err);
    lua_pop(L, 1);
    return failed;
}

static int check_size(const struct walk *walk)
{
    if (walk->is_full)
        return plain_fail_memory(walk->err);
    return buf_len(walk->out) - walk->start <= PLAIN_MAX_BYTES
               ? 0
               : err_set(walk->err, ERR_LIMIT_EXCEEDED, "data is larger than %zu bytes",
                         PLAIN_MAX_BYTES);
}

static int write_all(struct walk *walk, bool text_keys_only)
{
    for (;;) {
        int failed = lua_istable(walk->L, -1)
                         ? open_table(walk, text_keys_only && walk->depth == 0)
                         : write_scalar(walk);

        enum pushed pushed = PUSH_NOTHING;

        if (failed == -1 || check_size(walk) == -1)
            return -1;
        while (walk->depth > 0 && pushed == PUSH_NOTHING)
            pushed = push_next(walk);
        if (pushed == PUSH_FAILED)
            return -1;
        if (walk->depth == 0)
            return 0;
    }
}

static int encode(lua_State *L, int idx, struct buf *out, bool text_keys_only,
                  struct err *err)
{
    struct walk walk = {.L = L, .out = out, .err = err, .start = buf_len(out)};
    int top = lua_gettop(L), failed;

    if (!lua_checkstack(L, PLAIN_MAX_DEPTH * SLOTS_PER_LEVEL + LUA_MINSTACK))
        return plain_fail_memory(err);
    lua_pushvalue(L, idx);
    failed = write_all(&walk, text_keys_only);
    lua_settop(L, top);
    if (failed == -1)
        out->end = out->start + walk.start;
    return failed;
}

int plain_encode(lua_State *L, int idx, struct buf *out, struct err *err)
{
    return encode(L, idx, out, false, err);
}

int plain_encode_fields(lua_State *L, int idx, struct buf *out, struct err *err)
{
    return encode(L, idx, out, true, err);
}
