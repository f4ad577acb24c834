/*
 * Declared types as values: any text with declarations, and any value that is held
 * against each of them. A type says the same twice, says why it refuses, and can be
 * looked into however it was declared.
 *
 * Input: a source, a NUL byte, the value as JSON.
 */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/codec.h"
#include "worker/erase.h"
#include "worker/program.h"
#include "worker/sandbox.h"
#include "worker/type_check.h"
#include "worker/type_tree.h"
#include "worker/types.h"
#include "worker/unit.h"

#define MAX_LOOKS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What an app can ask of a type; `value` is held against all that can be reached. */
static const char look[] =
    "local types, value, most = ...\n"
    "local todo, n = {}, 0\n"
    "for _, t in pairs(types) do todo[#todo + 1] = t end\n"
    "local function add(x)\n"
    "  if type(x) == 'type' then todo[#todo + 1] = x\n"
    "  elseif type(x) == 'table' then\n"
    "    for _, part in pairs(x) do todo[#todo + 1] = part end\n"
    "  end\n"
    "end\n"
    "while #todo > 0 and n < most do\n"
    "  local t = table.remove(todo)\n"
    "  n = n + 1\n"
    "  if type(t) == 'type' then\n"
    "    local got, why = t:is(value)\n"
    "    assert(why == nil or got == nil)\n"
    "    assert(pcall(t, value) == (why == nil))\n"
    "    assert(type(tostring(t)) == 'string' and type(t:kind()) == 'string')\n"
    "    t:name()\n"
    "    for _, ask in ipairs{'fields', 'elem', 'key', 'val', 'inner', 'variants',\n"
    "        'params', 'ret'} do add(t[ask](t)) end\n"
    "  end\n"
    "end\n";

static void must(bool truth)
{
    if (!truth)
        abort();
}

static struct value read_types(const struct erased *erased, const char *source)
{
    struct value types = value_list();

    for (size_t i = 0; i < erased->n_types; i++) {
        const struct erased_type *at = &erased->types[i];
        struct value type = type_tree_read(source + at->from, at->to - at->from);

        if (type.type == VALUE_NIL)
            value_finish(&type);
        else
            value_append(&types, type);
    }
    return types;
}

static bool push_value(lua_State *L, const struct value *value)
{
    struct buf bytes;
    struct err err;
    bool done;

    buf_init(&bytes, 0);
    done = value_encode(&bytes, value) &&
           codec_decode_value(L, buf_head(&bytes), buf_len(&bytes), true, &err) == 0;
    buf_finish(&bytes);
    return done;
}

static void check_each(lua_State *L, int idx, const struct program *program)
{
    const struct value *types = &program->unit->types;

    for (size_t i = 0; i < types->as.list.n; i++) {
        const struct value *row = &types->as.list.items[i];
        struct checked_type type = {.program = program,
                                    .unit = program->unit,
                                    .name = value_get_text(row, "name"),
                                    .node = value_get(row, "type"),
                                    .params = value_get(row, "params")};
        char why[TYPE_CHECK_TEXT_BYTES] = "";
        bool fits = type_check(L, idx, &type, why);

        must(fits || why[0] != '\0');
        must(fits == type_check(L, idx, &type, why));
    }
}

struct job {
    struct program *program;
    const struct value *value;
};

static int run(lua_State *L)
{
    const struct job *job = lua_touserdata(L, 1);

    sandbox_open(L);
    types_open(L, job->program);
    sandbox_seal(L);
    types_seal(L);
    if (!push_value(L, job->value))
        return 0;
    check_each(L, lua_gettop(L), job->program);
    must(luaL_loadbufferx(L, look, sizeof(look) - 1, "=look", "t") == LUA_OK);
    sandbox_push_env(L, true);
    lua_setupvalue(L, -2, 1);
    sandbox_push_env(L, true);
    types_bind(L, lua_gettop(L), job->program->unit);
    lua_pushvalue(L, 2);
    lua_pushinteger(L, MAX_LOOKS);
    lua_call(L, 3, 0);
    return 0;
}

static void try_types(struct program *program, const struct value *value)
{
    struct job job = {program, value};
    lua_State *L = luaL_newstate();
    const char *message;

    must(L != NULL);
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, &job);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        message = lua_tostring(L, -1);
        must(message == NULL || strstr(message, "assertion failed") == NULL);
    }
    lua_close(L);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = n != 0 ? memchr(data, '\0', n) : NULL;
    size_t n_source = end != NULL ? (size_t)(end - data) : n;
    struct unit unit = {.n_refs = 1};
    struct program program = {.unit = &unit, .has_types = true};
    struct value value = value_int(3);
    struct erase_error error;
    struct erased erased;
    struct err err;
    char *source = malloc(n_source + 1);

    must(source != NULL);
    memcpy(source, data, n_source);
    source[n_source] = '\0';
    if (erase_types_at(source, n_source, &erased, &error) == 0) {
        unit.types = read_types(&erased, source);
        if (end != NULL)
            value_read_json((const char *)end + 1, n - n_source - 1, &value, &err);
        if (unit.types.as.list.n != 0)
            try_types(&program, &value);
        value_finish(&unit.types);
        erased_finish(&erased);
    }
    value_finish(&value);
    free(source);
    return 0;
}
