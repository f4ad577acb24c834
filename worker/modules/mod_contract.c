#include "worker/modules/mod_contract.h"

#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/contracts.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_funcs.h"
#include "worker/runtime.h"
#include "worker/vm.h"

int contract_return_details(lua_State *L, enum err_kind kind, const char *message,
                            struct value *details)
{
    struct buf *scratch = &actor_current(L)->vm->rt->scratch;
    struct value fields = value_map();

    value_put(&fields, "kind", value_string(err_kind_name(kind)));
    value_put(&fields, "message", value_string(message));
    value_put(&fields, "retryable", value_bool(false));
    value_put(&fields, "details", *details);
    buf_clear(scratch);
    error_encode_value(scratch, &fields);
    value_finish(&fields);
    *details = (struct value){0};
    return codec_push_result(L, false, buf_bytes(scratch));
}

int contract_read_reply(struct bytes result, struct value *out, struct err *err)
{
    struct value list = {0};

    if (payload_decode(result, &list, err) == -1)
        return -1;
    if (list.as.list.n == 0) {
        value_finish(&list);
        return err_set(err, ERR_INTERNAL, "the supervisor answered nothing");
    }
    *out = list.as.list.items[0];
    list.as.list.items[0] = (struct value){0};
    value_finish(&list);
    return 0;
}

/* ---- contract.get ---------------------------------------------------------------- */

static int got_definition(lua_State *L, int status, lua_KContext ctx)
{
    struct contract *contract = NULL;
    struct value record = {0};
    struct bytes result;
    struct err err;

    (void)status, (void)ctx;
    if (!ask_reply(L, &result))
        return ask_result(L);
    if (contract_read_reply(result, &record, &err) == 0)
        contract = contracts_add(actor_current(L)->vm->rt->contracts, &record, &err);
    value_finish(&record);
    ask_done(L);
    if (contract == NULL)
        return errors_return_struct(L, &err);
    contract_push_object(L, contract);
    lua_pushnil(L);
    return 2;
}

static int module_get(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);
    struct contract *contract;

    if (!identity_allows(L, "contract.get", id))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to access contract: %.255s", id);
    contract = contracts_find(actor_current(L)->vm->rt->contracts, id);
    if (contract == NULL)
        return ask_system(L, "@contract.get", 1, 1, 0, got_definition);
    contract_push_object(L, contract);
    lua_pushnil(L);
    return 2;
}

/* ---- the rest -------------------------------------------------------------------- */

static int module_open(lua_State *L)
{
    luaL_checkstring(L, 1);
    for (int i = 2; i <= 3; i++)
        if (!lua_isnoneornil(L, i))
            luaL_checktype(L, i, LUA_TTABLE);
    lua_settop(L, 3);
    lua_pushnil(L);
    lua_insert(L, OPEN_SETTINGS);
    return contract_open_binding(L, OPEN_RETURN);
}

int contract_list_implementations(lua_State *L, int idx)
{
    const char *id = lua_tostring(L, idx);

    if (!identity_allows(L, "contract.implementations", id))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to list implementations: %.255s", id);
    return ask_system(L, "@contract.implementations", idx, 1, 0, ask_result_k);
}

static int module_find_implementations(lua_State *L)
{
    luaL_checkstring(L, 1);
    return contract_list_implementations(L, 1);
}

static bool keeps(const struct binding_record *binding, const char *id)
{
    for (uint32_t i = 0; i < binding->n_contracts; i++)
        if (strcmp(binding->contracts[i].contract->id, id) == 0)
            return true;
    return false;
}

static int module_is(lua_State *L)
{
    struct binding_record *binding;
    const char *id;

    luaL_checktype(L, 1, LUA_TUSERDATA);
    id = luaL_checkstring(L, 2);
    lua_pushboolean(L, contract_test_instance(L, 1, &binding) && keeps(binding, id));
    return 1;
}

int mod_contract_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"get", module_get},
        {"open", module_open},
        {"find_implementations", module_find_implementations},
        {"is", module_is},
        {NULL, NULL}};

    future_open(L);
    contract_object_open(L);
    contract_instance_open(L);
    luaL_newlib(L, functions);
    return 1;
}
