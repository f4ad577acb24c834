#include "worker/modules/mod_expr.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/expr.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/codec.h"
#include "worker/modules/errors.h"
#include "worker/object.h"
#include "worker/plain.h"

/* Uservalue: the text. */
static const struct object_class program_class = {"Program"};

/* Upvalue 1 of every function: what the state keeps. */
struct kept {
    struct list all; /* the one used last in front */
    struct map by_text;
    unsigned n;
    size_t n_bytes;
    struct buf scratch; /* here, so that nothing is lost when Lua has no memory */
};

struct row {
    struct list node;
    struct expr *expr;
    size_t n_text;
    char text[];
};

/* ---- what is kept ---------------------------------------------------------------- */

static void drop(struct kept *kept, struct row *row)
{
    map_remove(&kept->by_text, row->text, row->n_text);
    list_remove(&row->node);
    kept->n_bytes -= expr_size_bytes(row->expr);
    kept->n--;
    expr_destroy(row->expr);
    free(row);
}

static void drop_last(struct kept *kept)
{
    drop(kept, container_of(kept->all.prev, struct row, node));
}

/* Takes expr, which isn't there yet. */
static const struct expr *keep(struct kept *kept, const char *text, size_t n,
                               struct expr *expr)
{
    struct row *row = xmalloc(sizeof(*row) + n + 1);

    row->expr = expr;
    row->n_text = n;
    memcpy(row->text, text, n);
    row->text[n] = '\0';
    list_init(&row->node);
    list_prepend(&kept->all, &row->node);
    map_put(&kept->by_text, row->text, n, row);
    kept->n++;
    kept->n_bytes += expr_size_bytes(expr);
    while (kept->n > 1 &&
           (kept->n > MOD_EXPR_KEPT || kept->n_bytes > MOD_EXPR_KEPT_BYTES))
        drop_last(kept);
    return expr;
}

static const struct expr *find(struct kept *kept, const char *text, size_t n)
{
    struct row *row = map_find(&kept->by_text, text, n);

    if (row == NULL)
        return NULL;
    list_remove(&row->node);
    list_prepend(&kept->all, &row->node);
    return row->expr;
}

/* Compiled, perhaps before; NULL and err. Borrowed until the next call. */
static const struct expr *get(struct kept *kept, const char *text, size_t n,
                              struct err *err)
{
    const struct expr *known = find(kept, text, n);
    struct expr *expr;

    if (known != NULL)
        return known;
    expr = expr_compile(text, n, NULL, 0, err);
    return expr != NULL ? keep(kept, text, n, expr) : NULL;
}

static int collected(lua_State *L)
{
    struct kept *kept = lua_touserdata(L, 1);

    while (kept->n != 0)
        drop_last(kept);
    map_finish(&kept->by_text);
    buf_finish(&kept->scratch);
    return 0;
}

static struct kept *kept_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* Pushes what a state keeps. */
static void push_kept(lua_State *L)
{
    struct kept *kept = lua_newuserdatauv(L, sizeof(*kept), 0);

    *kept = (struct kept){0};
    list_init(&kept->all);
    map_init(&kept->by_text);
    buf_init(&kept->scratch, PLAIN_MAX_BYTES);
    object_set_collector(L, collected);
}

/* ---- values in and out ----------------------------------------------------------- */

/* Whatever goes wrong with an expression that is there is Internal. */
static int refuse(lua_State *L, struct err *err)
{
    err->kind = ERR_INTERNAL;
    return errors_return_struct(L, err);
}

static void check_env(lua_State *L, int idx)
{
    if (!lua_isnoneornil(L, idx))
        luaL_checktype(L, idx, LUA_TTABLE);
}

/* The variables at idx, an empty map when there are none. The caller owns them. */
static int read_env(lua_State *L, int idx, struct value *out, struct err *err)
{
    struct buf *scratch = &kept_of(L)->scratch;

    *out = value_map();
    if (lua_isnoneornil(L, idx))
        return 0;
    buf_clear(scratch);
    if (plain_encode_fields(L, idx, scratch, err) == -1)
        return -1;
    return value_decode(buf_head(scratch), buf_len(scratch), NULL, out, err);
}

/* Takes value. */
static int push_result(lua_State *L, struct value *value)
{
    struct buf *scratch = &kept_of(L)->scratch;
    struct err err;
    bool fits;

    buf_clear(scratch);
    fits = value_encode(scratch, value);
    value_finish(value);
    if (!fits) {
        err_set(&err, ERR_INTERNAL, "the result is too large");
        return errors_return_struct(L, &err);
    }
    if (codec_decode_value(L, buf_head(scratch), buf_len(scratch), false, &err) == -1)
        return refuse(L, &err);
    return 1;
}

static int evaluate(lua_State *L, const char *text, size_t n, int env)
{
    struct value variables, result;
    const struct expr *expr;
    struct err err;
    int failed;

    check_env(L, env);
    if (read_env(L, env, &variables, &err) == -1)
        return refuse(L, &err);
    expr = get(kept_of(L), text, n, &err);
    failed = expr != NULL ? expr_evaluate(expr, &variables, &result, &err) : -1;
    value_finish(&variables);
    return failed == -1 ? refuse(L, &err) : push_result(L, &result);
}

/* ---- the functions --------------------------------------------------------------- */

/* false: nil and an Error were pushed. */
static bool check_text(lua_State *L, const char **text, size_t *n)
{
    *text = luaL_checklstring(L, 1, n);
    if (*n != 0)
        return true;
    errors_return(L, ERR_INVALID, "expression cannot be empty");
    return false;
}

static int mod_eval(lua_State *L)
{
    const char *text;
    size_t n;

    return check_text(L, &text, &n) ? evaluate(L, text, n, 2) : 2;
}

/* Compiles it with the sketch at 2, if there is one, to see whether it fits. */
static int try_sketch(lua_State *L, const char *text, size_t n, struct err *err)
{
    struct value sketch;
    struct expr *expr;

    if (read_env(L, 2, &sketch, err) == -1)
        return -1;
    expr = expr_compile(text, n, &sketch, EXPR_NAMES, err);
    value_finish(&sketch);
    expr_destroy(expr);
    return expr != NULL ? 0 : -1;
}

static int mod_compile(lua_State *L)
{
    const char *text;
    struct err err;
    size_t n;

    check_env(L, 2);
    if (!check_text(L, &text, &n))
        return 2;
    if ((!lua_isnoneornil(L, 2) && try_sketch(L, text, n, &err) == -1) ||
        get(kept_of(L), text, n, &err) == NULL)
        return refuse(L, &err);
    lua_newuserdatauv(L, 0, 1);
    object_bless(L, &program_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

static int program_run(lua_State *L)
{
    const char *text;
    size_t n;

    object_check(L, 1, &program_class);
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, 1);
    text = lua_tolstring(L, 3, &n);
    return evaluate(L, text, n, 2);
}

int mod_expr_open(lua_State *L)
{
    object_define(L, &program_class, NULL, NULL);
    lua_createtable(L, 0, 2);
    push_kept(L);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, mod_eval, 1);
    lua_setfield(L, -3, "eval");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, mod_compile, 1);
    lua_setfield(L, -3, "compile");
    object_push_methods(L, &program_class);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, program_run, 1);
    lua_setfield(L, -2, "run");
    lua_pop(L, 2);
    return 1;
}
