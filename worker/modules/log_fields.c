#include "worker/modules/log_fields.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#include "worker/codec.h"
#include "worker/plain.h"

#define HEAD_BYTES ((size_t)5)  /* of a map, a text */
#define LEAST_LEFT ((size_t)64) /* of a field's value that is worth it */
#define LAST_BYTES ((size_t)48) /* for how many fields there was no room */

static const char *const first_ones[] = {"pid", "location"};

struct fields {
    lua_State *L;
    struct buf *out;
    size_t end; /* of out: what may be used */
    uint32_t n, n_left_out;
    bool is_full; /* there was no memory for some of it */
};

static size_t room(const struct fields *f)
{
    return buf_len(f->out) < f->end ? f->end - buf_len(f->out) : 0;
}

static void append_words(struct fields *f, const char *words)
{
    f->is_full |= !plain_append_text(f->out, words, strlen(words));
}

/* The table on top: too large or no plain data, it is named instead. */
static void append_table(struct fields *f)
{
    size_t at = buf_len(f->out), most = room(f), n_bytes;
    struct err err = {0};
    char words[sizeof(err.text) + 2];

    if (plain_encode(f->L, lua_gettop(f->L), f->out, &err) == -1) {
        snprintf(words, sizeof(words), "(%.*s)", (int)LEAST_LEFT - 8, err.text);
        append_words(f, words);
        return;
    }
    n_bytes = buf_len(f->out) - at;
    if (n_bytes <= most)
        return;
    f->out->end = f->out->start + at;
    snprintf(words, sizeof(words), "(a table of %zu bytes)", n_bytes);
    append_words(f, words);
}

static void append_text(struct fields *f)
{
    size_t n, most = room(f) - HEAD_BYTES;
    const char *text = lua_tolstring(f->L, -1, &n);

    f->is_full |= !plain_append_text(f->out, text, n < most ? n : most);
}

/* The value is on top. */
static void append_field(struct fields *f, const char *key, size_t n_key)
{
    int type = lua_type(f->L, -1);
    struct err err;

    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN &&
        type != LUA_TTABLE)
        return;
    if (memchr(key, '\0', n_key) != NULL ||
        n_key + 2 * HEAD_BYTES + LEAST_LEFT > room(f)) {
        f->n_left_out++;
        return;
    }
    f->n++;
    f->is_full |= !plain_append_text(f->out, key, n_key);
    if (type == LUA_TTABLE)
        append_table(f);
    else if (type == LUA_TSTRING)
        append_text(f);
    else
        f->is_full |=
            codec_encode_value(f->L, lua_gettop(f->L), f->out, NULL, &err) == -1;
}

static bool is_first(const char *key)
{
    for (size_t i = 0; i < N_ELEMENTS(first_ones); i++)
        if (strcmp(key, first_ones[i]) == 0)
            return true;
    return false;
}

static bool may_be_large(lua_State *L, int idx)
{
    return lua_istable(L, idx) ||
           (lua_type(L, idx) == LUA_TSTRING && lua_rawlen(L, idx) > LEAST_LEFT);
}

/* What may be large takes no room from what isn't. */
static void append_those(struct fields *f, int idx, bool large)
{
    lua_State *L = f->L;

    for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) {
        size_t n;
        const char *key = lua_tolstring(L, -2, &n);

        if (may_be_large(L, -1) == large && !is_first(key))
            append_field(f, key, n);
    }
}

static void append_all(struct fields *f, int idx)
{
    lua_State *L = f->L;

    for (size_t i = 0; i < N_ELEMENTS(first_ones); i++) {
        lua_getfield(L, idx, first_ones[i]);
        append_field(f, first_ones[i], strlen(first_ones[i]));
        lua_pop(L, 1);
    }
    append_those(f, idx, false);
    append_those(f, idx, true);
}

bool log_fields_encode(lua_State *L, int idx, struct buf *out)
{
    size_t at = buf_len(out);
    struct fields f = {
        .L = L, .out = out, .end = at + LOG_FIELDS_MAX_BYTES - LAST_BYTES};
    uint32_t big;

    if (!plain_append_map(out, 0))
        return false;
    append_all(&f, idx);
    if (f.n_left_out != 0) {
        append_words(&f, "fields_left_out");
        lua_pushinteger(L, f.n_left_out);
        f.is_full |= codec_encode_value(L, lua_gettop(L), out, NULL, NULL) == -1;
        lua_pop(L, 1);
        f.n++;
    }
    big = __builtin_bswap32(f.n);
    memcpy(buf_head(out) + at + 1, &big, sizeof(big));
    return !f.is_full;
}
