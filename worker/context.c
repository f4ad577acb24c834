#include "worker/context.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"

#include "proto/context_map.h"
#include "proto/trace_context.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/identity.h"
#include "worker/text_at.h"

#define CONVERT_MAX_DEPTH  32
#define LIST_MAX_ITEMS     (1 << 20) /* a table with a larger index is a map */
#define LIST_ITEMS_AT_ONCE 1024      /* that memory is taken for before they are seen */

const struct bytes context_empty = {(const uint8_t *)"\0\x91\x80", 3};

/* It says as much as no bytes; then nothing is kept for the frame. */
static bool is_empty(struct bytes bytes)
{
    return bytes.n == context_empty.n &&
           memcmp(bytes.data, context_empty.data, context_empty.n) == 0;
}

int context_create(struct bytes bytes, struct context **context_out)
{
    struct context *context;

    *context_out = NULL;
    if (bytes.n == 0 || is_empty(bytes))
        return 0;
    context = malloc(sizeof(*context) + bytes.n);
    if (context == NULL)
        return -1;
    context->n_refs = 1;
    context->identity = NULL;
    context->knows_identity = false;
    context->is_traced = trace_find(bytes) != NULL;
    context->n_bytes = (uint32_t)bytes.n;
    memcpy(context->data, bytes.data, bytes.n);
    *context_out = context;
    return 0;
}

struct context *context_ref(struct context *context)
{
    if (context != NULL)
        context->n_refs++;
    return context;
}

void context_unref(struct context *context)
{
    if (context == NULL || --context->n_refs != 0)
        return;
    identity_destroy(context->identity);
    free(context);
}

struct bytes context_bytes(const struct context *context)
{
    if (context == NULL)
        return (struct bytes){NULL, 0};
    return (struct bytes){context->data, context->n_bytes};
}

bool context_find(const struct context *context, const char *key,
                  struct bytes *value_out)
{
    return context != NULL && context_map_find(context_bytes(context), key, value_out);
}

void context_push_values(lua_State *L, struct bytes context)
{
    struct bytes values;
    struct err err;
    int top = lua_gettop(L);

    if (context_map_find(context, "values", &values)) {
        if (codec_decode_value(L, values.data, values.n, false, &err) == 0 &&
            lua_istable(L, -1))
            return;
        lua_settop(L, top);
    }
    lua_newtable(L);
}

/* The highest positive integer key of the table on top. */
static lua_Integer highest_index(lua_State *L)
{
    lua_Integer max = 0;

    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > max)
            max = lua_tointeger(L, -2);
    return max;
}

static void convert(lua_State *L, int depth);

/* Replaces the table on top by a list of its first n items. */
static void convert_list(lua_State *L, lua_Integer n, /* NOLINT(misc-no-recursion) */
                         int depth)
{
    lua_createtable(L, n < LIST_ITEMS_AT_ONCE ? (int)n : LIST_ITEMS_AT_ONCE, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -2, i);
        convert(L, depth + 1);
        lua_rawseti(L, -2, i);
    }
    lua_remove(L, -2);
}

/* Pushes the text of a key. No code of the app runs for it: half a context may be
 * written by then, with an identity in it, where other calls would write theirs. */
static void push_key_text(lua_State *L, int idx)
{
    if (lua_istable(L, idx))
        lua_pushfstring(L, "table: %p", lua_topointer(L, idx));
    else
        luaL_tolstring(L, idx, NULL);
}

static void convert_map(lua_State *L, int depth) /* NOLINT(misc-no-recursion) */
{
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3) != 0; lua_pop(L, 1)) {
        push_key_text(L, -2);
        lua_pushvalue(L, -2);
        convert(L, depth + 1);
        lua_rawset(L, -5);
    }
    lua_remove(L, -2);
}

/* Replaces the value on top. Recursion is bounded by CONVERT_MAX_DEPTH. */
static void convert(lua_State *L, int depth) /* NOLINT(misc-no-recursion) */
{
    lua_Integer n;

    luaL_checkstack(L, 10, NULL);
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        if (depth == CONVERT_MAX_DEPTH)
            luaL_error(L, "context values are nested too deeply");
        if (frozen_push_contents(L, -1))
            lua_replace(L, -2);
        n = highest_index(L);
        if (n > 0 && n <= LIST_MAX_ITEMS)
            convert_list(L, n, depth);
        else
            convert_map(L, depth);
        break;
    case LUA_TFUNCTION:
    case LUA_TUSERDATA:
    case LUA_TTHREAD:
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
        break;
    default:
        break;
    }
}

void context_merge(lua_State *L, int to, int from)
{
    to = lua_absindex(L, to);
    from = lua_absindex(L, from);
    if (!frozen_push_contents(L, from))
        lua_pushvalue(L, from);
    from = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, from) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        convert(L, 0);
        lua_rawset(L, to);
    }
    lua_pop(L, 1);
}

/* Lays the table at idx over these values; leaves nothing on the stack. */
static int append_values(lua_State *L, int idx, struct bytes inherited, struct buf *out)
{
    struct err err;
    int failed;

    idx = lua_absindex(L, idx);
    context_push_values(L, inherited);
    context_merge(L, -1, idx);
    failed = context_map_append_key(out, "values")
                 ? codec_encode_value(L, lua_gettop(L), out, NULL, &err)
                 : -1;
    lua_pop(L, 1);
    return failed;
}

static bool append_pair(struct buf *out, const char *key, struct bytes value)
{
    return value.n == 0 ||
           (context_map_append_key(out, key) && buf_append(out, value.data, value.n));
}

static int encode(lua_State *L, struct bytes inherited,
                  const struct context_changes *changes, struct buf *out)
{
    const char *keys[3];
    size_t n = 0;

    if (changes->values != 0)
        keys[n++] = "values";
    if (changes->actor.n != 0)
        keys[n++] = "actor";
    if (changes->scope.n != 0)
        keys[n++] = "scope";
    if (n == 0)
        return buf_append(out, inherited.data, inherited.n) ? 0 : -1;
    if (!context_map_begin(out, inherited, keys, n) ||
        !append_pair(out, "actor", changes->actor) ||
        !append_pair(out, "scope", changes->scope))
        return -1;
    if (changes->values == 0)
        return 0;
    return append_values(L, changes->values,
                         changes->only_values ? (struct bytes){NULL, 0} : inherited,
                         out);
}

/* Makes the context at the end of out part of that trace. */
static int join_trace(struct buf *out, size_t at, const uint8_t *text)
{
    struct bytes context = {buf_head(out) + at, buf_len(out) - at};
    struct buf traced;
    bool ok;

    buf_init(&traced, 0);
    ok = trace_put(&traced, context, text);
    out->end -= context.n;
    ok = ok && buf_append(out, buf_head(&traced), buf_len(&traced));
    buf_finish(&traced);
    return ok ? 0 : -1;
}

int context_encode(lua_State *L, struct bytes inherited,
                   const struct context_changes *changes, struct buf *out)
{
    size_t at = buf_len(out);
    struct bytes text = {NULL, 0};
    int failed = encode(L, inherited, changes, out);

    if (failed == -1 || changes->values == 0)
        return failed;
    lua_pushliteral(L, TRACEPARENT);
    if (lua_rawget(L, changes->values < 0 ? changes->values - 1 : changes->values) ==
        LUA_TSTRING)
        text = text_at(L, -1);
    if (trace_check(text))
        failed = join_trace(out, at, text.data);
    lua_pop(L, 1);
    return failed;
}
