/*
 * Opening a binding: one function that waits at most twice, for the id of a default and
 * for a binding that isn't here yet. What it knows is on the stack, in this order, so
 * that it can go on after each wait; arguments of a method lie behind.
 */

#include "common/err.h"
#include "common/value.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/contracts.h"
#include "worker/identity.h"
#include "worker/modules/call.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_contract.h"
#include "worker/runtime.h"
#include "worker/vm.h"

enum { OPEN_ID = OPEN_N_ARGS + 1, OPEN_QUERY, OPEN_N_SLOTS = OPEN_QUERY };

static struct contracts *contracts_of(lua_State *L)
{
    return actor_current(L)->vm->rt->contracts;
}

/* ---- the instance is there ------------------------------------------------------- */

/* Query values, then those of with_context, then the scope table (F-65). */
static void set_scope(lua_State *L, int instance)
{
    call_merge_context(L, instance, OPEN_QUERY);
    if (lua_isuserdata(L, OPEN_SETTINGS)) {
        if (lua_getiuservalue(L, OPEN_SETTINGS, CALL_CONTEXT) == LUA_TTABLE)
            call_merge_context(L, instance, -1);
        lua_pop(L, 1);
    }
    if (lua_istable(L, OPEN_SCOPE))
        call_merge_context(L, instance, OPEN_SCOPE);
}

/* Pushes the Instance; 0, or nil and an Error (2). */
static int push_opened(lua_State *L, struct binding_record *binding)
{
    int instance;

    contract_push_instance(L, binding);
    instance = lua_gettop(L);
    if (lua_isuserdata(L, OPEN_SETTINGS)) {
        call_copy_settings(L, OPEN_SETTINGS, instance);
        lua_pushnil(L);
        lua_setiuservalue(L, instance, CALL_CONTEXT);
    }
    set_scope(L, instance);
    if (lua_istable(L, OPEN_OPTIONS))
        return call_set_options(L, instance, OPEN_OPTIONS);
    return 0;
}

static int finish(lua_State *L, struct binding_record *binding,
                  enum open_purpose purpose)
{
    int refused = push_opened(L, binding);

    if (refused != 0)
        return refused;
    if (purpose == OPEN_RETURN)
        return 1;
    lua_replace(L, OPEN_SETTINGS);
    lua_rotate(L, OPEN_SETTINGS + 1, -(OPEN_N_SLOTS - 1));
    lua_settop(L, lua_gettop(L) - (OPEN_N_SLOTS - 1));
    lua_pushvalue(L, lua_upvalueindex(1));
    return contract_call_method(L, purpose == OPEN_CALL_ASYNC);
}

/* ---- the binding ----------------------------------------------------------------- */

static int got_binding(lua_State *L, int status, lua_KContext purpose)
{
    struct binding_record *binding = NULL;
    struct value record = {0};
    struct bytes result;
    struct err err;

    (void)status;
    if (!ask_reply(L, &result))
        return ask_result(L);
    if (contract_read_reply(result, &record, &err) == 0)
        binding = contracts_add_binding(contracts_of(L), &record, &err);
    value_finish(&record);
    ask_done(L);
    if (binding == NULL)
        return errors_return_struct(L, &err);
    return finish(L, binding, (enum open_purpose)purpose);
}

static int open_id(lua_State *L, enum open_purpose purpose)
{
    struct binding_record *binding;
    const char *id;
    int refused;

    lua_pushvalue(L, OPEN_BINDING);
    lua_insert(L, OPEN_ID);
    refused = contract_split_query(L, OPEN_ID);
    if (refused != 0)
        return refused;
    lua_insert(L, OPEN_QUERY);
    id = lua_tostring(L, OPEN_ID);
    if (!identity_allows(L, "contract.open", id))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to open binding: %.255s", id);
    binding = contracts_find_binding(contracts_of(L), id);
    if (binding != NULL)
        return finish(L, binding, purpose);
    return ask_system(L, "@contract.open", OPEN_ID, 1, (lua_KContext)purpose,
                      got_binding);
}

/* ---- the default ----------------------------------------------------------------- */

static int open_default(lua_State *L, const char *binding, enum open_purpose purpose)
{
    lua_pushstring(L, binding);
    lua_replace(L, OPEN_BINDING);
    return open_id(L, purpose);
}

static int got_default(lua_State *L, int status, lua_KContext purpose)
{
    const struct contract *contract = contract_test_object(L, OPEN_SETTINGS);
    const char *binding = NULL;
    struct value record = {0};
    struct bytes result;
    struct err err;

    (void)status;
    if (!ask_reply(L, &result))
        return ask_result(L);
    err_set(&err, ERR_INTERNAL, "the supervisor named no binding");
    if (contract_read_reply(result, &record, &err) == 0 && value_text(&record) != NULL)
        binding =
            contracts_add_default(contracts_of(L), contract->id, value_text(&record));
    value_finish(&record);
    ask_done(L);
    if (binding == NULL)
        return errors_return_struct(L, &err);
    lua_pop(L, 1); /* the id that was asked about */
    return open_default(L, binding, (enum open_purpose)purpose);
}

int contract_open_binding(lua_State *L, enum open_purpose purpose)
{
    const struct contract *contract = contract_test_object(L, OPEN_SETTINGS);
    const char *binding;

    if (!lua_isnil(L, OPEN_BINDING))
        return open_id(L, purpose);
    binding = contracts_find_default(contracts_of(L), contract->id);
    if (binding != NULL)
        return open_default(L, binding, purpose);
    lua_pushstring(L, contract->id);
    return ask_system(L, "@contract.default", lua_gettop(L), 1, (lua_KContext)purpose,
                      got_default);
}
