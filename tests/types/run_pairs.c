/*
 * Runs pairs of programs, one with types and one without, and compares what they do.
 *
 * Standard input: for each pair the typed and the plain program, each behind its length
 * (32 bits, little-endian). The types of the first are erased; then both run, each in a
 * state of its own, with the same few libraries, a bound on instructions, and `print`
 * and `line` (the caller's line) that write to a buffer. What they printed and the
 * message that they may have ended with must be the same. Programs that differ are
 * shown on standard output; the exit status says whether there were any.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "common/buf.h"
#include "common/err.h"

#include "worker/erase.h"

#define MAX_BYTES        (1 << 20) /* of one program */
#define MAX_INSTRUCTIONS 2000000
#define MAX_SHOWN        5

struct program {
    char *text;
    size_t n;
};

static bool read_program(struct program *out)
{
    uint8_t head[4];
    uint32_t n;

    if (fread(head, 1, sizeof(head), stdin) != sizeof(head))
        return false;
    n = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
        (uint32_t)head[3] << 24;
    if (n > MAX_BYTES)
        return false;
    out->text = malloc(n + 1);
    out->n = n;
    if (out->text == NULL || fread(out->text, 1, n, stdin) != n)
        return false;
    out->text[n] = '\0';
    return true;
}

/* ---- one run --------------------------------------------------------------------- */

static struct buf *output_of(lua_State *L)
{
    return *(struct buf **)lua_getextraspace(L);
}

static int print(lua_State *L)
{
    int n = lua_gettop(L);

    for (int i = 1; i <= n; i++) {
        const char *text = luaL_tolstring(L, i, NULL);

        /* A table's address is nobody's business. */
        if (lua_type(L, i) >= LUA_TTABLE)
            text = luaL_typename(L, i);
        buf_printf(output_of(L), "%s%s", i > 1 ? "\t" : "", text);
        lua_pop(L, 1);
    }
    buf_append_text(output_of(L), "\n");
    return 0;
}

static int line(lua_State *L)
{
    lua_Debug ar;

    lua_getstack(L, 1, &ar);
    lua_getinfo(L, "l", &ar);
    lua_pushinteger(L, ar.currentline);
    return 1;
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    luaL_error(L, "too long");
}

static lua_State *make_state(struct buf *output)
{
    lua_State *L = luaL_newstate();

    if (L == NULL)
        abort();
    *(struct buf **)lua_getextraspace(L) = output;
    luaL_requiref(L, "_G", luaopen_base, 1);
    luaL_requiref(L, "string", luaopen_string, 1);
    luaL_requiref(L, "table", luaopen_table, 1);
    luaL_requiref(L, "math", luaopen_math, 1);
    luaL_requiref(L, "coroutine", luaopen_coroutine, 1);
    lua_settop(L, 0);
    lua_register(L, "print", print);
    lua_register(L, "line", line);
    lua_sethook(L, on_count, LUA_MASKCOUNT, MAX_INSTRUCTIONS);
    return L;
}

static void run(const char *text, size_t n, struct buf *output)
{
    lua_State *L = make_state(output);

    if (luaL_loadbufferx(L, text, n, "=p", "t") != LUA_OK)
        buf_printf(output, "doesn't compile: %s\n", lua_tostring(L, -1));
    else if (lua_pcall(L, 0, 0, 0) != LUA_OK)
        buf_printf(output, "ended with: %s\n", luaL_tolstring(L, -1, NULL));
    lua_close(L);
}

static void run_typed(const struct program *program, struct buf *output,
                      struct erased *erased)
{
    struct err err = {0};

    if (erase_types(program->text, program->n, "p", erased, &err) == -1)
        buf_printf(output, "types can't be erased: %s\n", err.text);
    else
        run(erased->text, erased->n_bytes, output);
}

/* ---- pairs ----------------------------------------------------------------------- */

static void show(unsigned long index, const struct program programs[2],
                 const struct erased *erased, struct buf outputs[2])
{
    printf("==== pair %lu\n-- typed\n%s\n-- erased\n%s\n-- plain\n%s\n", index,
           programs[0].text, erased->text != NULL ? erased->text : "(nothing)",
           programs[1].text);
    printf("-- typed says\n%.*s\n-- plain says\n%.*s\n", (int)buf_len(&outputs[0]),
           (char *)buf_head(&outputs[0]), (int)buf_len(&outputs[1]),
           (char *)buf_head(&outputs[1]));
}

static bool is_same(unsigned long index, const struct program programs[2], bool shown,
                    bool *compiles)
{
    struct erased erased = {0};
    struct buf outputs[2];
    bool same;

    buf_init(&outputs[0], 0);
    buf_init(&outputs[1], 0);
    run_typed(&programs[0], &outputs[0], &erased);
    run(programs[1].text, programs[1].n, &outputs[1]);
    same = buf_len(&outputs[0]) == buf_len(&outputs[1]) &&
           (buf_len(&outputs[0]) == 0 ||
            memcmp(buf_head(&outputs[0]), buf_head(&outputs[1]),
                   buf_len(&outputs[0])) == 0);
    buf_append(&outputs[1], "", 1);
    *compiles = strstr((char *)buf_head(&outputs[1]), "doesn't compile") == NULL;
    outputs[1].end--;
    if ((!same || !*compiles) && shown)
        show(index, programs, &erased, outputs);
    erased_finish(&erased);
    buf_finish(&outputs[0]);
    buf_finish(&outputs[1]);
    return same;
}

int main(void)
{
    unsigned long n = 0, n_different = 0, n_broken = 0;
    struct program programs[2] = {0};

    while (read_program(&programs[0]) && read_program(&programs[1])) {
        bool compiles;

        if (!is_same(n++, programs, n_different + n_broken < MAX_SHOWN, &compiles))
            n_different++;
        else if (!compiles)
            n_broken++; /* the generator's fault: such a pair says nothing */
        for (int i = 0; i < 2; i++) {
            free(programs[i].text);
            programs[i].text = NULL;
        }
    }
    free(programs[0].text);
    printf("%lu pairs, %lu different, %lu that don't compile\n", n, n_different,
           n_broken);
    return n != 0 && n_different == 0 && n_broken == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
