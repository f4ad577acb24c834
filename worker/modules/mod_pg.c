#include "worker/modules/mod_pg.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_process.h"
#include "worker/object.h"
#include "worker/runtime.h"
#include "worker/trace.h"
#include "worker/vm.h"

#define PAYLOAD_MAX_BYTES (FRAME_MAX_BYTES_DEFAULT - (1u << 20))
#define ROW_BYTES         16u /* of members */

/* uservalue 1: the id of its scope */
struct instance {
    bool is_released;
};

static const struct object_class instance_class = {"pg.Instance"};

/* ---- what all methods do first --------------------------------------------------- */

void pg_push_scope(lua_State *L)
{
    lua_getiuservalue(L, 1, 1);
}

static bool refuse(lua_State *L, const char *method, const char *resource)
{
    char words[40];

    if (resource[0] == '\0') {
        errors_return(L, ERR_PERMISSION_DENIED, "not allowed to use pg.%s", method);
        return false;
    }
    snprintf(words, sizeof(words), "%s", method);
    for (char *at = words; *at != '\0'; at++)
        if (*at == '_')
            *at = ' ';
    errors_return(L, ERR_PERMISSION_DENIED, "not allowed to %s group: %s", words,
                  resource);
    return false;
}

bool pg_allows(lua_State *L, const char *method, const char *resource)
{
    const struct instance *instance = object_check(L, 1, &instance_class);
    char action[40];

    if (instance->is_released) {
        errors_return(L, ERR_INVALID, "pg instance is released");
        return false;
    }
    if (identity_is_free(actor_current(L)))
        return true;
    snprintf(action, sizeof(action), "pg.%s", method);
    return identity_allows(L, action, resource) || refuse(L, method, resource);
}

const char *pg_check_group(lua_State *L)
{
    const char *group;

    object_check(L, 1, &instance_class);
    group = luaL_checkstring(L, 2);
    if (group[0] != '\0')
        return group;
    errors_return(L, ERR_INVALID, "group name is required");
    return NULL;
}

void pg_expand_members(lua_State *L)
{
    int map = lua_gettop(L);
    size_t n = 0;
    lua_Integer at = 0;
    const char *rows;

    luaL_checkstack(L, 8, NULL);
    lua_getfield(L, map, "hosts");
    lua_getfield(L, map, "members");
    rows = lua_tolstring(L, -1, &n);
    lua_createtable(L, (int)(n / ROW_BYTES), 0);
    for (; rows != NULL && n >= ROW_BYTES; n -= ROW_BYTES, rows += ROW_BYTES) {
        uint64_t pid;
        uint32_t host, count;

        memcpy(&pid, rows, 8);
        memcpy(&host, rows + 8, 4);
        memcpy(&count, rows + 12, 4);
        if (lua_rawgeti(L, map + 1, (lua_Integer)host + 1) == LUA_TSTRING) {
            process_push_pid(L, lua_tostring(L, -1), lua_rawlen(L, -1), pid);
            for (uint32_t i = 0; i < count; i++) {
                lua_pushvalue(L, -1);
                lua_rawseti(L, map + 3, ++at);
            }
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_replace(L, map);
    lua_settop(L, map);
}

/* ---- joining, leaving ------------------------------------------------------------ */

/* May the name on top be used? If not, nil and an Error are pushed. */
static bool check_name(lua_State *L, const char *method)
{
    if (lua_type(L, -1) != LUA_TSTRING) {
        errors_return(L, ERR_INVALID, "group name (string) or groups table required");
        return false;
    }
    if (lua_rawlen(L, -1) == 0) {
        errors_return(L, ERR_INVALID, "group name is required");
        return false;
    }
    return pg_allows(L, method, lua_tostring(L, -1));
}

/* Pushes the names at 2, one or a list of them, behind what is on top: how many; 0 =
 * nil and an Error are pushed. */
static int push_names(lua_State *L, const char *method)
{
    int n;

    if (!lua_istable(L, 2)) {
        lua_pushvalue(L, 2);
        return check_name(L, method) ? 1 : 0;
    }
    if (frozen_push_contents(L, 2))
        lua_replace(L, 2);
    n = (int)lua_rawlen(L, 2);
    if (n == 0) {
        errors_return(L, ERR_INVALID, "groups table must not be empty");
        return 0;
    }
    luaL_checkstack(L, n + 10, "too many groups");
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 2, i);
        if (!check_name(L, method))
            return 0;
    }
    return n;
}

static int instance_join(lua_State *L)
{
    struct actor *self = actor_current(L);
    int n;

    object_check(L, 1, &instance_class);
    lua_settop(L, 2);
    pg_push_scope(L);
    lua_pushstring(L, self->host);
    n = push_names(L, "join");
    if (n == 0)
        return 2;
    self->is_known = true;
    return ask_system(L, "@pg.join", 3, n + 2, 0, ask_result_k);
}

static int instance_leave(lua_State *L)
{
    int n;

    object_check(L, 1, &instance_class);
    lua_settop(L, 2);
    pg_push_scope(L);
    n = push_names(L, "leave");
    if (n == 0)
        return 2;
    return ask_system(L, "@pg.leave", 3, n + 1, 0, ask_result_k);
}

/* ---- looking --------------------------------------------------------------------- */

static int got_members(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes result;
    struct err err;
    bool ok;

    (void)status, (void)ctx;
    if (!ask_reply(L, &result))
        return ask_result(L);
    ok =
        codec_decode_args(L, result.data, result.n, 1, &err) == 1 && lua_istable(L, -1);
    ask_done(L);
    if (!ok)
        return errors_return(L, ERR_INTERNAL, "the list of members was malformed");
    pg_expand_members(L);
    return 1;
}

static int members(lua_State *L, const char *method)
{
    const char *group = pg_check_group(L);

    if (group == NULL || !pg_allows(L, method, group))
        return 2;
    lua_settop(L, 2);
    pg_push_scope(L);
    lua_insert(L, 2);
    return ask_system(L, "@pg.members", 2, 2, 0, got_members);
}

static int instance_get_members(lua_State *L)
{
    return members(L, "get_members");
}

static int instance_get_local_members(lua_State *L)
{
    return members(L, "get_local_members");
}

static int which_groups(lua_State *L, const char *method)
{
    if (!pg_allows(L, method, ""))
        return 2;
    lua_settop(L, 1);
    pg_push_scope(L);
    return ask_system(L, "@pg.groups", 2, 1, 0, ask_result_k);
}

static int instance_which_groups(lua_State *L)
{
    return which_groups(L, "which_groups");
}

static int instance_which_local_groups(lua_State *L)
{
    return which_groups(L, "which_local_groups");
}

/* ---- broadcast ------------------------------------------------------------------- */

/* What is wrong with the topic at 3; NULL = nothing. */
static const char *find_fault(lua_State *L)
{
    size_t n;
    const char *topic = luaL_checklstring(L, 3, &n);

    if (n == 0)
        return "topic is required";
    if (topic[0] == '@')
        return "cannot send to @ topics";
    return n > STR_MAX_BYTES ? "the topic is too long" : NULL;
}

/* The arguments of @pg.broadcast; the message's own are in scratch. */
static int encode_broadcast(lua_State *L, const char *scope, struct buf *out)
{
    struct actor *self = actor_current(L);
    struct bytes payload = buf_bytes(&self->vm->rt->scratch);
    const uint8_t *trace = trace_of(self);
    struct value args[6] = {
        value_string(scope),
        value_bytes(lua_tostring(L, 2), lua_rawlen(L, 2)),
        value_bytes(lua_tostring(L, 3), lua_rawlen(L, 3)),
        value_string(self->host),
        value_bytes(payload.data, payload.n),
        value_bytes(trace, trace != NULL ? TRACE_TEXT_BYTES : 0),
    };
    bool made = payload_encode(out, args, trace != NULL ? 6 : 5);

    for (size_t i = 0; i < N_ELEMENTS(args); i++)
        value_finish(&args[i]);
    return made ? 0 : -1;
}

static int broadcast(lua_State *L, const char *method)
{
    const char *group = pg_check_group(L), *fault;
    struct actor *self = task_begin_block(L)->actor;
    struct buf *scratch = &self->vm->rt->scratch, args;
    struct err err;
    int failed;

    if (group == NULL)
        return 2;
    fault = find_fault(L);
    if (fault != NULL)
        return errors_return(L, ERR_INVALID, "%s", fault);
    if (!pg_allows(L, method, group))
        return 2;
    buf_clear(scratch);
    if (codec_encode_args(L, 4, lua_gettop(L) - 3, scratch, &err) == -1)
        return errors_return_struct(L, &err);
    pg_push_scope(L);
    buf_init(&args, PAYLOAD_MAX_BYTES);
    failed = encode_broadcast(L, lua_tostring(L, -1), &args);
    if (failed == 0)
        failed = ask_send_encoded(L, "@pg.broadcast", buf_bytes(&args));
    buf_finish(&args);
    if (failed == -1)
        return errors_return(L, ERR_LIMIT_EXCEEDED, "value too large (limit %d bytes)",
                             (int)PAYLOAD_MAX_BYTES);
    return task_block(L, 0, ask_result_k);
}

static int instance_broadcast(lua_State *L)
{
    return broadcast(L, "broadcast");
}

static int instance_broadcast_local(lua_State *L)
{
    return broadcast(L, "broadcast_local");
}

/* ---- instances ------------------------------------------------------------------- */

static int instance_release(lua_State *L)
{
    struct instance *instance = object_check(L, 1, &instance_class);

    instance->is_released = true;
    lua_pushboolean(L, 1);
    return 1;
}

static int instance_tostring(lua_State *L)
{
    const struct instance *instance = object_check(L, 1, &instance_class);

    pg_push_scope(L);
    lua_pushfstring(L, "pg.Instance{%s%s}", lua_tostring(L, -1),
                    instance->is_released ? ", released" : "");
    return 1;
}

static int opened(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes result;
    struct instance *instance;

    (void)status, (void)ctx;
    if (!ask_reply(L, &result))
        return ask_result(L);
    ask_done(L);
    instance = lua_newuserdatauv(L, sizeof(*instance), 1);
    *instance = (struct instance){0};
    object_bless(L, &instance_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

static int pg_open(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);

    if (id[0] == '\0')
        return errors_return(L, ERR_INVALID, "resource id is required");
    if (!identity_allows(L, "pg.open", id))
        return errors_return(L, ERR_PERMISSION_DENIED,
                             "not allowed to access pg scope: %s", id);
    lua_settop(L, 1);
    return ask_system(L, "@pg.open", 1, 1, 0, opened);
}

int mod_pg_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"broadcast", instance_broadcast},
        {"broadcast_local", instance_broadcast_local},
        {"events", pg_events},
        {"get_local_members", instance_get_local_members},
        {"get_members", instance_get_members},
        {"join", instance_join},
        {"leave", instance_leave},
        {"monitor", pg_monitor},
        {"release", instance_release},
        {"which_groups", instance_which_groups},
        {"which_local_groups", instance_which_local_groups},
        {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", pg_open}, {NULL, NULL}};

    object_define(L, &instance_class, methods, instance_tostring);
    pg_watch_open(L);
    luaL_newlib(L, functions);
    return 1;
}
