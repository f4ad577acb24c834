/* Any bytes as a source. What the eraser accepts keeps its lines, doesn't change when
 * it is erased again, and compiles with stock Lua but for the errors that only a
 * compiler can know. What stock Lua takes anyway stays as it is. What the eraser
 * refuses has a diagnostic. */
#include "common/value.h"

#include "worker/erase.h"
#include "worker/type_tree.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "common/buf.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What a compiler may still say about well-formed text. */
static const char *const semantic[] = {
    "no visible label",
    "already defined",
    "break outside",
    "unknown attribute",
    "to const variable",
    "outside a vararg function",
    "multiple to-be",
    "jumps into the scope",
    "C stack overflow",
    "too many",
    "control structure too long",
};

static void must(bool truth, const char *why)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", why);
    abort();
}

static void check_compiles(const struct erased *erased)
{
    lua_State *L = luaL_newstate();
    const char *message;
    bool known = false;

    must(L != NULL, "no state");
    if (luaL_loadbufferx(L, erased->text, erased->n_bytes, "=c", "t") != LUA_OK) {
        message = lua_tostring(L, -1);
        for (unsigned i = 0; i < N_ELEMENTS(semantic); i++)
            known |= strstr(message, semantic[i]) != NULL;
        must(known, message);
    }
    lua_close(L);
}

static size_t count_line_ends(const char *text, size_t n)
{
    size_t n_ends = 0;

    for (size_t i = 0; i < n; i++)
        n_ends += text[i] == '\n' || text[i] == '\r';
    return n_ends;
}

static void check_erased(const struct erased *erased, const char *source, size_t n)
{
    struct erased again;
    struct err err = {0};

    must(count_line_ends(erased->text, erased->n_bytes) == count_line_ends(source, n),
         "lines moved");
    check_compiles(erased);
    must(erase_types(erased->text, erased->n_bytes, "c", &again, &err) == 0, err.text);
    must(again.n_bytes == erased->n_bytes &&
             memcmp(again.text, erased->text, again.n_bytes) == 0,
         "not stable");
    must(again.uses_G <= erased->uses_G, "uses_G appeared");
    erased_finish(&again);
}

static void check_refused(const struct erase_error *error, const char *source, size_t n)
{
    struct buf buf;

    must(error->message[0] != '\0', "no message");
    must(error->line >= 1 && error->col >= 1, "no position");
    buf_init(&buf, 0);
    must(erase_render_error(error, source, n, "a:b", &buf), "not rendered");
    buf_finish(&buf);
}

/* Is source plain Lua that nothing typed looks like? On one line, `x = y as (z)` is two
 * statements to stock Lua; and a label may be spread over lines behind an
 * expression. */
static bool is_plain(const char *source, size_t n)
{
    lua_State *L;
    bool compiles;

    if (memmem(source, n, "as", 2) != NULL || memmem(source, n, "::", 2) != NULL)
        return false;
    L = luaL_newstate();
    must(L != NULL, "no state");
    compiles = luaL_loadbufferx(L, source, n, "=c", "t") == LUA_OK;
    lua_close(L);
    return compiles;
}

/* Declarations can be read, whatever they say. */
static void read_types(const struct erased *erased, const char *source)
{
    for (size_t i = 0; i < erased->n_types; i++) {
        const struct erased_type *at = &erased->types[i];
        struct value type = type_tree_read(source + at->from, at->to - at->from);

        must(type.type == VALUE_NIL || value_text(value_get(&type, "name")) != NULL,
             "a type without a name");
        value_finish(&type);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *source = malloc(n == 0 ? 1 : n); /* a copy of ours: no NUL behind it */
    struct erase_error error;
    struct erased erased;

    must(source != NULL, "no memory");
    if (n != 0)
        memcpy(source, data, n);
    if (erase_types_at(source, n, &erased, &error) == 0) {
        check_erased(&erased, source, n);
        read_types(&erased, source);
        if (is_plain(source, n))
            must(erased.n_bytes == n && memcmp(erased.text, source, n) == 0,
                 "plain Lua changed");
        erased_finish(&erased);
    } else {
        check_refused(&error, source, n);
        must(!is_plain(source, n), error.message);
    }
    free(source);
    return 0;
}
