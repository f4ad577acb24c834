#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/contracts.h"
#include "worker/modules/call.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_contract.h"
#include "worker/object.h"
#include "worker/runtime.h"
#include "worker/vm.h"

static const struct object_class contract_class = {"contract.Contract"};

/* Immutable. Uservalues: settings for the calls of what is opened from here. */
struct contract_object {
    struct contract *contract;
};

void contract_push_object(lua_State *L, struct contract *contract)
{
    struct contract_object *object =
        lua_newuserdatauv(L, sizeof(*object), CALL_N_SETTINGS);

    object->contract = contract_ref(contract);
    object_bless(L, &contract_class);
}

struct contract *contract_test_object(lua_State *L, int idx)
{
    const struct contract_object *object = object_test(L, idx, &contract_class);

    return object == NULL ? NULL : object->contract;
}

static struct contract *check(lua_State *L)
{
    const struct contract_object *object = object_check(L, 1, &contract_class);

    return object->contract;
}

static int collected(lua_State *L)
{
    struct contract_object *object = lua_touserdata(L, 1);

    contract_unref(object->contract);
    object->contract = NULL;
    return 0;
}

/* ---- what it says ---------------------------------------------------------------- */

static int contract_id(lua_State *L)
{
    lua_pushstring(L, check(L)->id);
    return 1;
}

static void describe_schemas(struct value *record, const struct value *declared,
                             const char *key)
{
    const struct value *schemas = value_get(declared, key);
    struct value *list;

    if (schemas == NULL || schemas->type != VALUE_LIST || schemas->as.list.n == 0)
        return;
    list = value_put(record, key, value_list());
    for (size_t i = 0; i < schemas->as.list.n; i++) {
        const struct value *schema = &schemas->as.list.items[i];
        const struct value *definition = value_get(schema, "definition");
        struct value *row = value_append(list, value_map());
        const char *format = value_get_text(schema, "format");

        value_put(row, "format", value_string(format == NULL ? "" : format));
        if (definition != NULL)
            value_put(row, "definition", value_copy(definition));
    }
}

static struct value describe_method(const struct value *declared)
{
    const char *name = value_get_text(declared, "name");
    const char *description = value_get_text(declared, "description");
    struct value record = value_map();

    value_put(&record, "name", value_string(name == NULL ? "" : name));
    value_put(&record, "description",
              value_string(description == NULL ? "" : description));
    describe_schemas(&record, declared, "input_schemas");
    describe_schemas(&record, declared, "output_schemas");
    return record;
}

/* Pushes the value as Lua has it; takes it. */
static void push_value(lua_State *L, struct value *value)
{
    struct buf *scratch = &actor_current(L)->vm->rt->scratch;
    struct err err;

    buf_clear(scratch);
    value_encode(scratch, value);
    value_finish(value);
    if (codec_decode_value(L, buf_head(scratch), buf_len(scratch), false, &err) == -1)
        lua_pushnil(L);
}

static int contract_methods(lua_State *L)
{
    const struct contract *contract = check(L);
    struct value list = value_list();

    for (size_t i = 0; i < contract->methods.as.list.n; i++)
        value_append(&list, describe_method(&contract->methods.as.list.items[i]));
    push_value(L, &list);
    return 1;
}

static int contract_method(lua_State *L)
{
    const struct contract *contract = check(L);
    const char *name = luaL_checkstring(L, 2);

    for (size_t i = 0; i < contract->methods.as.list.n; i++) {
        const struct value *declared = &contract->methods.as.list.items[i];
        const char *other = value_get_text(declared, "name");
        struct value record;

        if (other == NULL || strcmp(other, name) != 0)
            continue;
        record = describe_method(declared);
        push_value(L, &record);
        lua_pushnil(L);
        return 2;
    }
    return errors_return(L, ERR_NOT_FOUND,
                         "method '%.100s' not found in contract '%.255s'", name,
                         contract->id);
}

static int contract_implementations(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushstring(L, check(L)->id);
    return contract_list_implementations(L, 2);
}

/* ---- settings -------------------------------------------------------------------- */

static void check_contract(lua_State *L)
{
    check(L);
}

static void push_like(lua_State *L)
{
    contract_push_object(L, check(L));
}

static const struct call_owner contracts = {.check = check_contract,
                                            .push_like = push_like,
                                            .context_right = "contract.context",
                                            .security_right = "contract.security",
                                            .use = "use contracts"};

/* ---- opening and calling --------------------------------------------------------- */

static int contract_open(lua_State *L)
{
    check(L);
    if (!lua_isnoneornil(L, 2))
        luaL_checkstring(L, 2);
    if (!lua_isnoneornil(L, 3))
        luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    lua_settop(L, OPEN_N_ARGS);
    return contract_open_binding(L, OPEN_RETURN);
}

/* A method straight on the Contract: of its default binding, opened for this call. */
static int call_default(lua_State *L, enum open_purpose purpose)
{
    check(L);
    for (int i = OPEN_BINDING; i <= OPEN_N_ARGS; i++) {
        lua_pushnil(L);
        lua_insert(L, i);
    }
    return contract_open_binding(L, purpose);
}

static int call(lua_State *L)
{
    return call_default(L, OPEN_CALL);
}

static int call_later(lua_State *L)
{
    return call_default(L, OPEN_CALL_ASYNC);
}

/* Upvalue 1: the methods that every Contract has; they win. */
static int contract_index(lua_State *L)
{
    const struct contract *contract = check(L);
    const char *name;
    bool async;
    size_t n;

    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    name = contract_method_key(L, 2, &n, &async);
    if (name == NULL || contract_find_method(contract, name, n) == NULL)
        return 0;
    lua_pushlstring(L, name, n);
    lua_pushcclosure(L, async ? call_later : call, 1);
    return 1;
}

void contract_object_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"id", contract_id},         {"methods", contract_methods},
        {"method", contract_method}, {"implementations", contract_implementations},
        {"open", contract_open},     {NULL, NULL}};
    static const luaL_Reg events[] = {{"__gc", collected}, {NULL, NULL}};

    object_define_events(L, &contract_class, methods, events);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &contract_class);
    object_push_methods(L, &contract_class);
    call_add_methods(L, &contracts);
    lua_pushcclosure(L, contract_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
