#include "worker/type_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "common/mem.h"
#include "common/value.h"

#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/program.h"
#include "worker/sandbox.h"
#include "worker/unit.h"

#define MAX_DEPTH 100
#ifdef FUZZING
#define MAX_STEPS 10000 /* what reaches the bound shall not take all the time */
#else
#define MAX_STEPS 10000000
#endif
#define MAX_NAMES 64 /* that stand for names */

/* The type parameters of a declaration, and what they are where it is used. */
struct scope {
    const struct program *program;
    const struct unit *unit;
    const struct value *params, *args;
    const struct scope *outer; /* where args mean something */
};

struct check {
    lua_State *L;
    char *why;
    char path[160]; /* "user.tags[2]" */
    int depth;
    long n_steps; /* unions inside each other multiply */
};

/* ---- names ----------------------------------------------------------------------- */

static const struct value *find_declaration(const struct unit *unit, const char *name)
{
    if (unit == NULL || unit->types.type != VALUE_LIST)
        return NULL;
    for (size_t i = 0; i < unit->types.as.list.n; i++) {
        const char *one = value_get_text(&unit->types.as.list.items[i], "name");

        if (one != NULL && strcmp(one, name) == 0)
            return &unit->types.as.list.items[i];
    }
    return NULL;
}

/* Of "lib.Name": the library behind the alias. */
static const struct unit *find_import(const struct program *program, const char *name,
                                      size_t n)
{
    for (int i = 0; program != NULL && i < program->n_bindings; i++) {
        const char *alias = program->bindings[i].alias;

        if (alias != NULL && strlen(alias) == n && memcmp(alias, name, n) == 0)
            return program->bindings[i].unit;
    }
    return NULL;
}

/* The types of libraries are globals of whoever imports them (types_bind()): of those
 * that were loaded before unit, the last one's counts. */
static const struct value *find_in_libraries(const struct program *program,
                                             const struct unit *unit, const char *name,
                                             const struct unit **in_out)
{
    int n = program != NULL ? program->n_bindings : 0, own = 0;

    while (own < n && program->bindings[own].unit != unit)
        own++;
    for (int i = own < n ? own : 0; i-- > 0;) {
        const struct unit *library = program->bindings[i].unit;
        const struct value *declaration = find_declaration(library, name);

        if (declaration != NULL) {
            *in_out = library;
            return declaration;
        }
    }
    return NULL;
}

/* The declaration that name means in unit, and the unit that it stands in. */
static const struct value *find_type(const struct program *program,
                                     const struct unit *unit, const char *name,
                                     const struct unit **in_out)
{
    const char *dot = strrchr(name, '.');
    const struct value *declaration;

    if (dot != NULL) {
        unit = find_import(program, name, (size_t)(dot - name));
        name = dot + 1;
    }
    *in_out = unit;
    declaration = find_declaration(unit, name);
    return declaration != NULL || dot != NULL
               ? declaration
               : find_in_libraries(program, unit, name, in_out);
}

struct checked_type type_resolve(const struct checked_type *type)
{
    struct checked_type found = *type;

    for (int i = 0; i < MAX_NAMES; i++) {
        const char *k = value_get_text(found.node, "k");
        const char *name = value_get_text(found.node, "name");
        const struct value *declaration = NULL;

        if (k != NULL && name != NULL && strcmp(k, "ref") == 0)
            declaration = find_type(found.program, found.unit, name, &found.unit);
        if (declaration == NULL)
            break;
        found.name = name;
        found.node = value_get(declaration, "type");
        found.params = value_get(declaration, "params");
    }
    return found;
}

/* ---- what is wrong --------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool wrong(struct check *c,
                                                        const char *fmt, ...)
{
    va_list args;
    int n = 0;

    if (c->path[0] != '\0')
        n = snprintf(c->why, TYPE_CHECK_TEXT_BYTES, "field '%s': ", c->path);
    va_start(args, fmt);
    vsnprintf(c->why + n, (size_t)(TYPE_CHECK_TEXT_BYTES - n), fmt, args);
    va_end(args);
    return false;
}

static const char *type_name_of(lua_State *L, int idx)
{
    if (errors_test(L, idx))
        return "error";
    return luaL_typename(L, idx);
}

static bool expected(struct check *c, int idx, const char *what)
{
    return wrong(c, "expected %s, got %s", what, type_name_of(c->L, idx));
}

/* Steps into a field; returns where to cut the path off again. */
static size_t enter_field(struct check *c, const char *name)
{
    size_t n = strlen(c->path);

    snprintf(c->path + n, sizeof(c->path) - n, "%s%s", n != 0 ? "." : "", name);
    return n;
}

static size_t enter_index(struct check *c, lua_Integer index)
{
    size_t n = strlen(c->path);

    snprintf(c->path + n, sizeof(c->path) - n, "[%lld]", (long long)index);
    return n;
}

/* ---- simple types ---------------------------------------------------------------- */

static bool is_whole(lua_State *L, int idx)
{
    lua_Number number;

    if (lua_type(L, idx) != LUA_TNUMBER)
        return false;
    if (lua_isinteger(L, idx))
        return true;
    number = lua_tonumber(L, idx);
    return number == floor(number) && fabs(number) < 0x1p63;
}

static bool check_primitive(struct check *c, int idx, const char *name)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {
        {"nil", LUA_TNIL},       {"boolean", LUA_TBOOLEAN},
        {"number", LUA_TNUMBER}, {"string", LUA_TSTRING},
        {"table", LUA_TTABLE},   {"function", LUA_TFUNCTION},
        {"thread", LUA_TTHREAD}, {"userdata", LUA_TUSERDATA},
    };

    for (size_t i = 0; i < N_ELEMENTS(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return lua_type(c->L, idx) == types[i].type || expected(c, idx, name);
    if (strcmp(name, "integer") == 0)
        return is_whole(c->L, idx) || expected(c, idx, name);
    if (strcmp(name, "error") == 0)
        return errors_test(c->L, idx) || expected(c, idx, name);
    if (strcmp(name, "never") == 0)
        return expected(c, idx, name);
    return true;
}

static bool equals_literal(lua_State *L, int idx, const struct value *value)
{
    size_t n;
    const char *text;

    switch (value->type) {
    case VALUE_BOOL:
        return lua_isboolean(L, idx) && lua_toboolean(L, idx) == value->as.boolean;
    case VALUE_INT:
        return lua_type(L, idx) == LUA_TNUMBER && is_whole(L, idx) &&
               lua_tointeger(L, idx) == value->as.integer;
    case VALUE_FLOAT:
        return lua_type(L, idx) == LUA_TNUMBER &&
               lua_tonumber(L, idx) == value->as.real;
    case VALUE_STRING:
        if (lua_type(L, idx) != LUA_TSTRING)
            return false;
        text = lua_tolstring(L, idx, &n);
        return n == value->as.string.n && memcmp(text, value->as.string.data, n) == 0;
    default:
        return true;
    }
}

static void describe_literal(const struct value *value, char *out, size_t out_bytes)
{
    switch (value->type) {
    case VALUE_BOOL:
        snprintf(out, out_bytes, "%s", value->as.boolean ? "true" : "false");
        break;
    case VALUE_INT:
        snprintf(out, out_bytes, "%lld", (long long)value->as.integer);
        break;
    case VALUE_FLOAT:
        snprintf(out, out_bytes, "%.14g", value->as.real);
        break;
    default:
        snprintf(out, out_bytes, "\"%s\"", value_text(value));
    }
}

static bool check_literal(struct check *c, int idx, const struct value *node)
{
    const struct value *value = value_get(node, "value");
    char text[80];

    if (equals_literal(c->L, idx, value))
        return true;
    describe_literal(value, text, sizeof(text));
    return expected(c, idx, text);
}

/* ---- annotations ----------------------------------------------------------------- */

static bool number_of(const struct value *args, size_t at, double *out)
{
    const struct value *arg =
        args != NULL && args->as.list.n > at ? &args->as.list.items[at] : NULL;

    if (arg == NULL || (arg->type != VALUE_INT && arg->type != VALUE_FLOAT))
        return false;
    *out = arg->type == VALUE_INT ? (double)arg->as.integer : arg->as.real;
    return true;
}

static bool length_of(lua_State *L, int idx, double *out)
{
    bool frozen = lua_type(L, idx) == LUA_TTABLE && frozen_push_contents(L, idx);

    if (!frozen && lua_type(L, idx) != LUA_TTABLE && lua_type(L, idx) != LUA_TSTRING)
        return false;
    *out = (double)lua_rawlen(L, frozen ? -1 : idx);
    if (frozen)
        lua_pop(L, 1);
    return true;
}

/* By string.find of the sandbox, which is bounded as any call of the app is. */
static bool matches_pattern(lua_State *L, int idx, const struct value *pattern)
{
    int top = lua_gettop(L);
    bool found;

    sandbox_push_globals(L);
    lua_getfield(L, -1, "string");
    lua_getfield(L, -1, "find");
    lua_pushvalue(L, idx);
    lua_pushlstring(L, pattern->as.string.data, pattern->as.string.n);
    lua_call(L, 2, 1);
    found = !lua_isnil(L, -1);
    lua_settop(L, top);
    return found;
}

static bool check_limits(struct check *c, int idx, const char *name,
                         const struct value *args)
{
    double number = 0, limit = 0;

    if (lua_type(c->L, idx) == LUA_TNUMBER && number_of(args, 0, &limit)) {
        number = lua_tonumber(c->L, idx);
        if (strcmp(name, "min") == 0 && !(number >= limit))
            return wrong(c, "minimum is %.14g, got %.14g", limit, number);
        if (strcmp(name, "max") == 0 && !(number <= limit))
            return wrong(c, "maximum is %.14g, got %.14g", limit, number);
    }
    if (strstr(name, "len") == NULL || !number_of(args, 0, &limit) ||
        !length_of(c->L, idx, &number))
        return true;
    if (strcmp(name, "min_len") == 0 && number < limit)
        return wrong(c, "length must be at least %.14g, is %.14g", limit, number);
    if (strcmp(name, "max_len") == 0 && number > limit)
        return wrong(c, "length must be at most %.14g, is %.14g", limit, number);
    if (strcmp(name, "len") == 0 && number != limit)
        return wrong(c, "length must be %.14g, is %.14g", limit, number);
    return true;
}

static bool check_annotations(struct check *c, int idx, const struct value *node)
{
    const struct value *list = value_get(node, "ann");

    for (size_t i = 0; list != NULL && i < list->as.list.n; i++) {
        const char *name = value_get_text(&list->as.list.items[i], "name");
        const struct value *args = value_get(&list->as.list.items[i], "args");

        if (!check_limits(c, idx, name, args))
            return false;
        if (strcmp(name, "pattern") == 0 && args != NULL && args->as.list.n != 0 &&
            args->as.list.items[0].type == VALUE_STRING &&
            lua_type(c->L, idx) == LUA_TSTRING &&
            !matches_pattern(c->L, idx, &args->as.list.items[0]))
            return wrong(c, "doesn't match the pattern %s",
                         args->as.list.items[0].as.string.data);
    }
    return true;
}

/* ---- compound types ----------------------------------------------------------------
 *
 * They check their parts through check(), which bounds the depth.
 */

// NOLINTBEGIN(misc-no-recursion)

static bool check(struct check *c, int idx, const struct value *node,
                  const struct scope *scope);

/* Replaces the table on top by its contents when it is frozen. */
static void look_inside(lua_State *L)
{
    if (frozen_push_contents(L, -1))
        lua_remove(L, -2);
}

static bool check_array(struct check *c, int idx, const struct value *node,
                        const struct scope *scope)
{
    const struct value *elem = value_get(node, "elem");
    int top = lua_gettop(c->L);
    lua_Integer n;
    bool good = true;

    if (!lua_istable(c->L, idx))
        return expected(c, idx, "array");
    lua_pushvalue(c->L, idx);
    look_inside(c->L);
    n = (lua_Integer)lua_rawlen(c->L, -1);
    for (lua_Integer i = 1; good && i <= n; i++) {
        size_t cut = enter_index(c, i);

        lua_rawgeti(c->L, top + 1, i);
        good = check(c, top + 2, elem, scope);
        lua_settop(c->L, top + 1);
        c->path[cut] = '\0';
    }
    lua_settop(c->L, top);
    return good;
}

static bool check_pair(struct check *c, int top, const struct value *node,
                       const struct scope *scope)
{
    size_t cut = strlen(c->path);
    bool good;

    if (lua_type(c->L, top + 2) == LUA_TSTRING)
        enter_field(c, lua_tostring(c->L, top + 2));
    else if (lua_isinteger(c->L, top + 2))
        enter_index(c, lua_tointeger(c->L, top + 2));
    good = check(c, top + 2, value_get(node, "key"), scope) &&
           check(c, top + 3, value_get(node, "val"), scope);
    c->path[cut] = '\0';
    return good;
}

static bool check_map(struct check *c, int idx, const struct value *node,
                      const struct scope *scope)
{
    int top = lua_gettop(c->L);
    bool good = true;

    if (!lua_istable(c->L, idx))
        return expected(c, idx, "map");
    lua_pushvalue(c->L, idx);
    look_inside(c->L);
    lua_pushnil(c->L);
    while (good && lua_next(c->L, top + 1) != 0) {
        good = check_pair(c, top, node, scope);
        lua_settop(c->L, top + 2);
    }
    lua_settop(c->L, top);
    return good;
}

static bool check_field(struct check *c, int table, const struct value *field,
                        const struct scope *scope)
{
    const char *name = value_get_text(field, "name");
    int top = lua_gettop(c->L);
    size_t cut;
    bool good;

    lua_pushstring(c->L, name);
    if (lua_rawget(c->L, table) == LUA_TNIL && value_get_bool(field, "opt", false)) {
        lua_settop(c->L, top);
        return true;
    }
    cut = enter_field(c, name);
    good = check(c, top + 1, value_get(field, "type"), scope);
    lua_settop(c->L, top);
    c->path[cut] = '\0';
    return good;
}

static bool check_record(struct check *c, int idx, const struct value *node,
                         const struct scope *scope)
{
    const struct value *fields = value_get(node, "fields");
    int top = lua_gettop(c->L);
    bool good = true;

    if (!lua_istable(c->L, idx))
        return expected(c, idx, "record");
    lua_pushvalue(c->L, idx);
    look_inside(c->L);
    for (size_t i = 0; good && i < fields->as.list.n; i++)
        good = check_field(c, top + 1, &fields->as.list.items[i], scope);
    lua_settop(c->L, top);
    return good;
}

static bool check_any_of(struct check *c, int idx, const struct value *node,
                         const struct scope *scope)
{
    const struct value *list = value_get(node, "of");

    for (size_t i = 0; i < list->as.list.n; i++)
        if (check(c, idx, &list->as.list.items[i], scope))
            return true;
    return expected(c, idx, "one of a union's types");
}

static bool check_all_of(struct check *c, int idx, const struct value *node,
                         const struct scope *scope)
{
    const struct value *list = value_get(node, "of");

    for (size_t i = 0; i < list->as.list.n; i++)
        if (!check(c, idx, &list->as.list.items[i], scope))
            return false;
    return true;
}

static bool check_optional(struct check *c, int idx, const struct value *node,
                           const struct scope *scope)
{
    return lua_isnil(c->L, idx) || check(c, idx, value_get(node, "inner"), scope);
}

static bool check_function(struct check *c, int idx, const struct value *node,
                           const struct scope *scope)
{
    (void)node, (void)scope;
    return lua_isfunction(c->L, idx) || expected(c, idx, "function");
}

static bool check_keyof(struct check *c, int idx, const struct value *node,
                        const struct scope *scope)
{
    struct checked_type of = {.program = scope->program,
                              .unit = scope->unit,
                              .node = value_get(node, "inner")};
    struct checked_type record = type_resolve(&of);
    const struct value *fields = value_get(record.node, "fields");

    for (size_t i = 0; fields != NULL && i < fields->as.list.n; i++)
        if (equals_literal(c->L, idx, value_get(&fields->as.list.items[i], "name")))
            return true;
    return fields == NULL || expected(c, idx, "the name of a field");
}

/* A type parameter: what it was given, or anything. */
static bool check_parameter(struct check *c, int idx, const struct scope *scope,
                            size_t at)
{
    if (scope->args == NULL || at >= scope->args->as.list.n || scope->outer == NULL)
        return true;
    return check(c, idx, &scope->args->as.list.items[at], scope->outer);
}

static bool check_name(struct check *c, int idx, const struct value *node,
                       const struct scope *scope)
{
    const char *name = value_get_text(node, "name");
    struct scope inner = {
        .program = scope->program, .args = value_get(node, "args"), .outer = scope};
    const struct value *declaration;

    for (size_t i = 0; scope->params != NULL && i < scope->params->as.list.n; i++)
        if (strcmp(value_text(&scope->params->as.list.items[i]), name) == 0)
            return check_parameter(c, idx, scope, i);
    declaration = find_type(scope->program, scope->unit, name, &inner.unit);
    if (declaration == NULL)
        return true;
    inner.params = value_get(declaration, "params");
    return check(c, idx, value_get(declaration, "type"), &inner);
}

static bool check_primitive_in(struct check *c, int idx, const struct value *node,
                               const struct scope *scope)
{
    (void)scope;
    return check_primitive(c, idx, value_get_text(node, "name"));
}

static bool check_literal_in(struct check *c, int idx, const struct value *node,
                             const struct scope *scope)
{
    (void)scope;
    return check_literal(c, idx, node);
}

static bool check(struct check *c, int idx, const struct value *node,
                  const struct scope *scope)
{
    static const struct {
        const char *k;
        bool (*check)(struct check *c, int idx, const struct value *node,
                      const struct scope *scope);
    } rows[] = {
        {"prim", check_primitive_in}, {"lit", check_literal_in},
        {"ref", check_name},          {"array", check_array},
        {"map", check_map},           {"record", check_record},
        {"or", check_any_of},         {"and", check_all_of},
        {"opt", check_optional},      {"fun", check_function},
        {"keyof", check_keyof},
    };
    const char *k = value_get_text(node, "k");
    bool good = true;

    if (++c->n_steps > MAX_STEPS)
        return wrong(c, "checking it takes too long");
    if (++c->depth > MAX_DEPTH || !lua_checkstack(c->L, 8)) {
        c->depth--;
        return wrong(c, "nested deeper than %d levels", MAX_DEPTH);
    }
    for (size_t i = 0; k != NULL && i < N_ELEMENTS(rows); i++)
        if (strcmp(rows[i].k, k) == 0) {
            good = rows[i].check(c, idx, node, scope);
            break;
        }
    c->depth--;
    return good && check_annotations(c, idx, node);
}

// NOLINTEND(misc-no-recursion)

bool type_check(lua_State *L, int idx, const struct checked_type *type,
                char why[TYPE_CHECK_TEXT_BYTES])
{
    struct scope scope = {
        .program = type->program, .unit = type->unit, .params = type->params};
    struct check c = {.L = L, .why = why};

    why[0] = '\0';
    if (type->node == NULL)
        return check_primitive(&c, lua_absindex(L, idx), type->name);
    return check(&c, lua_absindex(L, idx), type->node, &scope);
}
