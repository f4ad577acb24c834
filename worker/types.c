#include "worker/types.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/object.h"
#include "worker/program.h"
#include "worker/sandbox.h"
#include "worker/type_check.h"
#include "worker/unit.h"

static const struct object_class type_class = {"type"};

/* Their addresses are keys of the registry: a table unit → {name → type}, and the
 * program. */
static const char units_key, program_key;

static const char *const primitives[] = {"any",    "unknown", "never",  "boolean",
                                         "number", "integer", "thread", "userdata"};

/* Libraries that are also the name of a type. */
static const char *const callable_libraries[] = {"string", "table"};

/* ---- type values ----------------------------------------------------------------- */

static void push_type(lua_State *L, const struct checked_type *type)
{
    struct checked_type *value = lua_newuserdatauv(L, sizeof(*value), 0);

    *value = *type;
    object_bless(L, &type_class);
}

static const struct checked_type *check_type(lua_State *L)
{
    return object_check(L, 1, &type_class);
}

static void push_node(lua_State *L, const struct checked_type *of,
                      const struct value *node)
{
    struct checked_type type = {.program = of->program, .unit = of->unit, .node = node};

    if (node == NULL)
        lua_pushnil(L);
    else
        push_type(L, &type);
}

static int fail(lua_State *L, const struct checked_type *type, const char *why)
{
    const char *name = type->name != NULL ? type->name : "value";

    return errors_return(L, ERR_INVALID, "%s: %s", name, why);
}

/* T:is(v) → v, nil or nil, err */
static int type_is(lua_State *L)
{
    const struct checked_type *type = check_type(L);
    char why[TYPE_CHECK_TEXT_BYTES];

    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (!type_check(L, 2, type, why))
        return fail(L, type, why);
    lua_pushnil(L);
    return 2;
}

/* T(v) → v, or raises */
static int type_call(lua_State *L)
{
    const struct checked_type *type = check_type(L);
    char why[TYPE_CHECK_TEXT_BYTES];

    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (!type_check(L, 2, type, why))
        return luaL_error(L, "%s: %s", type->name != NULL ? type->name : "value", why);
    return 1;
}

/* string(v), table(v): the library is called as if it were the type. Upvalue: that. */
static int library_call(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_replace(L, 1);
    return type_call(L);
}

/* ---- looking into one ------------------------------------------------------------ */

static const struct {
    const char *k, *kind;
} kinds[] = {
    {"any", "any"},       {"prim", "primitive"}, {"lit", "literal"},
    {"ref", "ref"},       {"array", "array"},    {"map", "map"},
    {"record", "record"}, {"or", "union"},       {"and", "intersection"},
    {"opt", "optional"},  {"fun", "function"},   {"keyof", "keyof"},
};

static const struct value *resolved(lua_State *L)
{
    return type_resolve(check_type(L)).node;
}

static int type_kind(lua_State *L)
{
    const struct value *node = resolved(L);
    const char *k = node != NULL ? value_get_text(node, "k") : "prim";

    for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
        if (k != NULL && strcmp(kinds[i].k, k) == 0) {
            lua_pushstring(L, kinds[i].kind);
            return 1;
        }
    lua_pushliteral(L, "any");
    return 1;
}

static int type_name(lua_State *L)
{
    const struct checked_type *type = check_type(L);
    const char *name = type->name;

    if (name == NULL)
        name = value_get_text(type->node, "name");
    lua_pushstring(L, name); /* nil for NULL */
    return 1;
}

/* name → type; an optional field's type is optional. */
static int type_fields(lua_State *L)
{
    struct checked_type type = type_resolve(check_type(L));
    const struct value *fields = value_get(type.node, "fields");

    if (fields == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, (int)fields->as.list.n);
    for (size_t i = 0; i < fields->as.list.n; i++) {
        const struct value *field = &fields->as.list.items[i];

        push_node(L, &type, value_get(field, "type"));
        lua_setfield(L, -2, value_get_text(field, "name"));
    }
    return 1;
}

static int push_part(lua_State *L, const char *key)
{
    struct checked_type type = type_resolve(check_type(L));

    push_node(L, &type, value_get(type.node, key));
    return 1;
}

static int push_parts(lua_State *L, const char *key)
{
    struct checked_type type = type_resolve(check_type(L));
    const struct value *list = value_get(type.node, key);

    if (list == NULL || list->type != VALUE_LIST) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, (int)list->as.list.n, 0);
    for (size_t i = 0; i < list->as.list.n; i++) {
        push_node(L, &type, &list->as.list.items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int type_elem(lua_State *L)
{
    return push_part(L, "elem");
}

static int type_key(lua_State *L)
{
    return push_part(L, "key");
}

static int type_val(lua_State *L)
{
    return push_part(L, "val");
}

static int type_inner(lua_State *L)
{
    return push_part(L, "inner");
}

static int type_variants(lua_State *L)
{
    return push_parts(L, "of");
}

static int type_params(lua_State *L)
{
    return push_parts(L, "params");
}

static int type_ret(lua_State *L)
{
    return push_parts(L, "ret");
}

static int type_to_string(lua_State *L)
{
    const struct checked_type *type = check_type(L);

    if (type->name != NULL)
        lua_pushfstring(L, "type %s", type->name);
    else
        lua_pushliteral(L, "type");
    return 1;
}

/* ---- what programs see ----------------------------------------------------------- */

/* type(v): "type" for types. Upvalue: the stock function. */
static int base_type(lua_State *L)
{
    if (object_test(L, 1, &type_class) == NULL)
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
    lua_pushliteral(L, "type");
    return 1;
}

static void define_class(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"is", type_is},         {"kind", type_kind},   {"name", type_name},
        {"fields", type_fields}, {"elem", type_elem},   {"key", type_key},
        {"val", type_val},       {"inner", type_inner}, {"variants", type_variants},
        {"params", type_params}, {"ret", type_ret},     {NULL, NULL},
    };
    static const luaL_Reg events[] = {
        {"__tostring", type_to_string}, {"__call", type_call}, {NULL, NULL}};

    object_define_events(L, &type_class, methods, events);
}

static void push_primitive(lua_State *L, const char *name)
{
    push_type(L, &(struct checked_type){.name = name});
}

/* Pushes {name → type} of unit; made once per VM. */
static void push_types(lua_State *L, const struct unit *unit)
{
    struct checked_type type = {.unit = unit};

    lua_rawgetp(L, LUA_REGISTRYINDEX, &units_key);
    if (lua_rawgetp(L, -1, unit) == LUA_TTABLE) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &program_key);
    type.program = lua_touserdata(L, -1);
    lua_pop(L, 1);
    lua_newtable(L);
    for (size_t i = 0; i < unit->types.as.list.n; i++) {
        const struct value *row = &unit->types.as.list.items[i];

        type.name = value_get_text(row, "name");
        type.node = value_get(row, "type");
        type.params = value_get(row, "params");
        push_type(L, &type);
        lua_setfield(L, -2, type.name);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, unit);
    lua_remove(L, -2);
}

static bool has_types(const struct unit *unit)
{
    return unit->types.type == VALUE_LIST && unit->types.as.list.n != 0;
}

void types_bind(lua_State *L, int env, const struct unit *unit)
{
    if (!has_types(unit))
        return;
    env = lua_absindex(L, env);
    luaL_checkstack(L, 8, NULL);
    push_types(L, unit);
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        /* A type that another unit declared goes, any other global stays. */
        lua_pushvalue(L, -2);
        lua_gettable(L, env);
        if (lua_isnil(L, -1) || object_test(L, -1, &type_class) != NULL) {
            lua_pushvalue(L, -3);
            lua_pushvalue(L, -3);
            lua_rawset(L, env);
        }
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

void types_export(lua_State *L, const struct unit *unit)
{
    int top = lua_gettop(L), table = top;

    if (!has_types(unit) || !lua_istable(L, table))
        return;
    luaL_checkstack(L, 8, NULL);
    table += frozen_push_contents(L, table);
    push_types(L, unit);
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        lua_pushvalue(L, -2);
        if (lua_rawget(L, table) == LUA_TNIL) {
            lua_pushvalue(L, -3);
            lua_pushvalue(L, -3);
            lua_rawset(L, table);
        }
        lua_pop(L, 2);
    }
    lua_settop(L, top);
}

/* The shared globals are on top. */
static void add_globals(lua_State *L)
{
    lua_getfield(L, -1, "type");
    lua_pushcclosure(L, base_type, 1);
    lua_setfield(L, -2, "type");
    for (size_t i = 0; i < N_ELEMENTS(primitives); i++) {
        push_primitive(L, primitives[i]);
        lua_setfield(L, -2, primitives[i]);
    }
}

void types_open(lua_State *L, const struct program *program)
{
    lua_pushlightuserdata(L, (void *)program);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &program_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &units_key);
    define_class(L);
    sandbox_push_globals(L);
    add_globals(L);
    lua_pop(L, 1);
}

void types_seal(lua_State *L)
{
    sandbox_push_globals(L);
    for (size_t i = 0; i < N_ELEMENTS(callable_libraries); i++) {
        lua_getfield(L, -1, callable_libraries[i]);
        if (lua_getmetatable(L, -1)) {
            push_primitive(L, callable_libraries[i]);
            lua_pushcclosure(L, library_call, 1);
            lua_setfield(L, -2, "__call");
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}
