#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/value.h"

#include "worker/actor.h"
#include "worker/context.h"
#include "worker/contracts.h"
#include "worker/identity.h"
#include "worker/modules/call.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_contract.h"
#include "worker/object.h"
#include "worker/runtime.h"
#include "worker/vm.h"

static const struct object_class instance_class = {"contract.Instance"};

/* Uservalues: the settings of its calls; the context is its scope. */
struct instance_object {
    struct binding_record *binding;
};

void contract_push_instance(lua_State *L, struct binding_record *binding)
{
    struct instance_object *object =
        lua_newuserdatauv(L, sizeof(*object), CALL_N_SETTINGS);

    object->binding = binding_ref(binding);
    object_bless(L, &instance_class);
}

bool contract_test_instance(lua_State *L, int idx, struct binding_record **binding_out)
{
    const struct instance_object *object = object_test(L, idx, &instance_class);

    if (object != NULL)
        *binding_out = object->binding;
    return object != NULL;
}

static int collected(lua_State *L)
{
    struct instance_object *object = lua_touserdata(L, 1);

    binding_unref(object->binding);
    object->binding = NULL;
    return 0;
}

const char *contract_method_key(lua_State *L, int idx, size_t *n_out, bool *async_out)
{
    static const char suffix[] = "_async";
    const size_t n_suffix = sizeof(suffix) - 1;
    const char *name;

    *async_out = false;
    if (lua_type(L, idx) != LUA_TSTRING)
        return NULL;
    name = lua_tolstring(L, idx, n_out);
    if (*n_out > n_suffix && memcmp(name + *n_out - n_suffix, suffix, n_suffix) == 0) {
        *n_out -= n_suffix;
        *async_out = true;
    }
    return name;
}

/* ---- context_required (F-67) ----------------------------------------------------- */

/* Has the instance at 1 a value under that key, or the caller (table at values)? */
static bool has_key(lua_State *L, int values, const char *key)
{
    int top = lua_gettop(L);
    bool found = lua_getfield(L, values, key) != LUA_TNIL;

    if (!found && lua_getiuservalue(L, 1, CALL_CONTEXT) == LUA_TTABLE)
        found = lua_getfield(L, -1, key) != LUA_TNIL;
    lua_settop(L, top);
    return found;
}

static int refuse_missing(lua_State *L, const struct value *required,
                          const bool *missing)
{
    struct value details = value_map(), *keys;
    char text[800] = "missing required context keys: [";
    size_t n = strlen(text);

    keys = value_put(&details, "missing_keys", value_list());
    for (size_t i = 0; i < required->as.list.n; i++) {
        const char *key = value_text(&required->as.list.items[i]);

        if (!missing[i])
            continue;
        if (n + 110 < sizeof(text))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.100s",
                                  keys->as.list.n == 0 ? "" : ", ", key);
        value_append(keys, value_string(key));
    }
    snprintf(text + n, sizeof(text) - n, "]");
    return contract_return_details(L, ERR_INVALID, text, &details);
}

/* 0, or nil and an Error (2). */
static int check_required(lua_State *L, const struct bound_contract *of)
{
    const struct value *required = &of->required;
    bool *missing, any = false;
    size_t n = required->type == VALUE_LIST ? required->as.list.n : 0;
    int top = lua_gettop(L);

    if (n == 0)
        return 0;
    missing = lua_newuserdatauv(L, n, 0);
    context_push_values(L, context_bytes(actor_current(L)->context));
    for (size_t i = 0; i < n; i++) {
        const char *key = value_text(&required->as.list.items[i]);

        missing[i] = key != NULL && !has_key(L, top + 2, key);
        any = any || missing[i];
    }
    if (any)
        return refuse_missing(L, required, missing);
    lua_settop(L, top);
    return 0;
}

/* ---- calling --------------------------------------------------------------------- */

int contract_call_method(lua_State *L, bool async)
{
    const struct instance_object *object = object_check(L, 1, &instance_class);
    struct call_plan plan = {.target = 2, .settings = 1};
    struct bound_method method;
    const char *name;
    int refused;
    size_t n;

    lua_insert(L, 2); /* the name; the function will stand in its place */
    name = lua_tolstring(L, 2, &n);
    if (!binding_find_method(object->binding, name, n, &method) ||
        method.function == NULL)
        return errors_return(L, ERR_NOT_FOUND, "method '%.100s' not bound", name);
    if (!identity_allows(L, "contract.call", name))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to call method: %.100s", name);
    refused = check_required(L, method.of);
    if (refused != 0)
        return refused;
    lua_pushstring(L, method.function);
    lua_replace(L, 2);
    if (actor_current(L)->vm->rt->settings.validation != VALIDATION_OFF)
        plan.check = &method.method->check;
    return async ? call_async(L, &plan) : call_sync(L, &plan);
}

static int call(lua_State *L)
{
    object_check(L, 1, &instance_class);
    lua_pushvalue(L, lua_upvalueindex(1));
    return contract_call_method(L, false);
}

static int call_later(lua_State *L)
{
    object_check(L, 1, &instance_class);
    lua_pushvalue(L, lua_upvalueindex(1));
    return contract_call_method(L, true);
}

/* A name that no contract of the binding has is nil. */
static int instance_index(lua_State *L)
{
    const struct instance_object *object = object_check(L, 1, &instance_class);
    struct bound_method method;
    size_t n;
    bool async;
    const char *name = contract_method_key(L, 2, &n, &async);

    if (name == NULL || !binding_find_method(object->binding, name, n, &method))
        return 0;
    lua_pushlstring(L, name, n);
    lua_pushcclosure(L, async ? call_later : call, 1);
    return 1;
}

void contract_instance_open(lua_State *L)
{
    static const luaL_Reg events[] = {
        {"__index", instance_index}, {"__gc", collected}, {NULL, NULL}};

    object_define_events(L, &instance_class, NULL, events);
}
