
#include <lauxlib.h>

#include "common/err.h"

#include "proto/context_map.h"
#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/context.h"
#include "worker/frozen.h"
#include "worker/identity.h"
#include "worker/modules/mod_process.h"
#include "worker/modules/mod_security.h"
#include "worker/modules/process_spawn.h"
#include "worker/object.h"
#include "worker/plain.h"
#include "worker/runtime.h"
#include "worker/text_at.h"
#include "worker/vm.h"

static const struct object_class spawner_class = {"process.Spawner"};

/*
 * Immutable: each method copies its receiver (SP-2). The number of first messages, and
 * as uservalues: context values, options, the messages as bytes (topic, list of
 * arguments, topic, ...), the name; as bytes: actor and scope instead of inherited
 * ones, and the context of the frame that made it, which is what it starts from (an
 * instance may keep a spawner from one call to the next).
 */
struct spawner {
    uint32_t n_messages;
    uint8_t graph; /* 1: there are back references in them */
};

enum {
    UV_CONTEXT = 1,
    UV_OPTIONS,
    UV_MESSAGES,
    UV_NAME,
    UV_ACTOR,
    UV_SCOPE,
    UV_INHERITED,
    N_UV = UV_INHERITED
};

static struct spawner *push_new(lua_State *L)
{
    struct spawner *spawner = lua_newuserdatauv(L, sizeof(*spawner), N_UV);

    spawner->n_messages = 0;
    spawner->graph = 0;
    object_bless(L, &spawner_class);
    return spawner;
}

static struct spawner *self(lua_State *L)
{
    return object_check(L, 1, &spawner_class);
}

/* Pushes a copy of the spawner at 1. */
static struct spawner *push_copy(lua_State *L)
{
    struct spawner *original = self(L), *copy = push_new(L);

    *copy = *original;
    for (int n = 1; n <= N_UV; n++) {
        lua_getiuservalue(L, 1, n);
        lua_setiuservalue(L, -2, n);
    }
    return copy;
}

static void check_keys(lua_State *L, int idx, const char *what)
{
    luaL_checktype(L, idx, LUA_TTABLE);
    if (!frozen_push_contents(L, idx))
        lua_pushvalue(L, idx);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s keys must be strings", what);
    lua_pop(L, 1);
}

/* Merges the table at idx into that uservalue of the spawner on top. */
static void merge(lua_State *L, int idx, int uservalue)
{
    int spawner = lua_gettop(L);

    lua_newtable(L);
    if (lua_getiuservalue(L, spawner, uservalue) == LUA_TTABLE)
        context_merge(L, spawner + 1, -1);
    lua_pop(L, 1);
    context_merge(L, spawner + 1, idx);
    lua_setiuservalue(L, spawner, uservalue);
}

/* ---- making one ------------------------------------------------------------------ */

/* Pushes a spawner that starts from the present frame. */
static void push_fresh(lua_State *L)
{
    struct bytes inherited = context_bytes(actor_current(L)->context);

    push_new(L);
    if (inherited.n == 0)
        return;
    lua_pushlstring(L, (const char *)inherited.data, inherited.n);
    lua_setiuservalue(L, -2, UV_INHERITED);
}

static void need(lua_State *L, const char *action, const char *resource,
                 const char *what)
{
    if (!identity_allows_process(L, action, resource))
        luaL_error(L, "not allowed to spawn processes with custom %s", what);
}

/* The network is the one option that needs a permission of its own (S-80). */
static void need_network(lua_State *L, int options)
{
    const char *network;

    frozen_get_field(L, options, "network");
    network = lua_tostring(L, -1);
    if (network != NULL && !identity_allows(L, "network.select", network))
        luaL_error(L, "not allowed: network %s", network);
    lua_pop(L, 1);
}

static int with_context(lua_State *L)
{
    need(L, "process.context", "context", "context");
    check_keys(L, 1, "context");
    push_fresh(L);
    merge(L, 1, UV_CONTEXT);
    return 1;
}

static int with_options(lua_State *L)
{
    need(L, "process.context", "context", "options");
    check_keys(L, 1, "options");
    need_network(L, 1);
    push_fresh(L);
    merge(L, 1, UV_OPTIONS);
    return 1;
}

static bool has_identity(lua_State *L)
{
    int top = lua_gettop(L);
    struct bytes inherited = text_push_uservalue(L, 1, UV_INHERITED), found;
    bool has = context_map_find(inherited, "actor", &found) ||
               context_map_find(inherited, "scope", &found) ||
               text_push_uservalue(L, 1, UV_ACTOR).n != 0 ||
               text_push_uservalue(L, 1, UV_SCOPE).n != 0;

    lua_settop(L, top);
    return has;
}

static int spawner_with_context(lua_State *L)
{
    self(L);
    need(L, "process.context", "context", "context");
    if (has_identity(L))
        need(L, "process.security", "security", "security context");
    check_keys(L, 2, "context");
    push_copy(L);
    merge(L, 2, UV_CONTEXT);
    return 1;
}

static int spawner_with_options(lua_State *L)
{
    self(L);
    need(L, "process.context", "context", "options");
    check_keys(L, 2, "options");
    need_network(L, 2);
    push_copy(L);
    merge(L, 2, UV_OPTIONS);
    return 1;
}

/* Replaces the actor or the scope by the object at 2. */
static int replace_identity(lua_State *L, void (*push)(lua_State *L, int idx),
                            int uservalue)
{
    self(L);
    need(L, "process.security", "security", "security context");
    lua_settop(L, 2);
    push_copy(L);
    push(L, 2);
    lua_setiuservalue(L, 3, uservalue);
    return 1;
}

static int spawner_with_actor(lua_State *L)
{
    return replace_identity(L, security_push_actor_bytes, UV_ACTOR);
}

static int spawner_with_scope(lua_State *L)
{
    return replace_identity(L, security_push_scope_bytes, UV_SCOPE);
}

static int spawner_with_name(lua_State *L)
{
    size_t n;

    self(L);
    luaL_checklstring(L, 2, &n);
    if (n == 0)
        return luaL_error(L, "name cannot be empty");
    /* To claim a name with a spawn needs no right of its own (S-80), but who denies
     * that name means all ways to get it. */
    if (identity_denies(actor_current(L), "process.registry.register",
                        lua_tostring(L, 2)))
        return luaL_error(L, "not allowed to register name: %s", lua_tostring(L, 2));
    push_copy(L);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, UV_NAME);
    return 1;
}

/* Appends topic and list of the arguments from 2 on. The list will be taken out and be
 * the array of a payload: so back references count within each argument. */
static int append_message(lua_State *L, int n_args, struct buf *out, uint8_t *graph,
                          struct err *err)
{
    size_t n;
    const char *topic = lua_tolstring(L, 2, &n);

    if (codec_check_count(n_args, err) == -1)
        return -1;
    if (!plain_append_text(out, topic, n) || !plain_append_list(out, (size_t)n_args))
        return plain_fail_memory(err);
    for (int i = 0; i < n_args; i++) {
        bool has_refs = false;

        if (codec_encode_value(L, 3 + i, out, &has_refs, err) == -1)
            return -1;
        *graph |= has_refs;
    }
    return 0;
}

static int spawner_with_message(lua_State *L)
{
    struct buf *out = &actor_current(L)->vm->rt->scratch;
    int n_args = lua_gettop(L) - 2;
    uint8_t graph = self(L)->graph;
    struct spawner *copy;
    struct err err;

    if (luaL_checkstring(L, 2)[0] == '@')
        return luaL_error(L, "cannot send to @ topics");
    if (lua_rawlen(L, 2) > STR_MAX_BYTES)
        return luaL_error(L, "the topic is too long");
    buf_clear(out);
    if (append_message(L, n_args, out, &graph, &err) == -1)
        return luaL_error(L, "%s", err.text);
    lua_pushlstring(L, (const char *)buf_head(out), buf_len(out));
    copy = push_copy(L);
    copy->n_messages++;
    copy->graph = graph;
    if (lua_getiuservalue(L, -1, UV_MESSAGES) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushliteral(L, "");
    }
    lua_pushvalue(L, -3);
    lua_concat(L, 2);
    lua_setiuservalue(L, -2, UV_MESSAGES);
    return 1;
}

/* ---- using it -------------------------------------------------------------------- */

/* Pushes bytes as a string, which keeps them while the plan is carried out. */
static struct bytes push_bytes(lua_State *L, const struct buf *buf)
{
    lua_pushlstring(L, (const char *)buf_head(buf), buf_len(buf));
    return text_at(L, -1);
}

/* What the new process inherits. Its bytes are never none: those would stand for the
 * caller's own. */
static struct bytes push_context(lua_State *L)
{
    struct buf *scratch = &actor_current(L)->vm->rt->scratch;
    struct context_changes changes = {0};
    struct bytes inherited;

    if (lua_getiuservalue(L, 1, UV_CONTEXT) == LUA_TTABLE)
        changes.values = lua_gettop(L);
    changes.actor = text_push_uservalue(L, 1, UV_ACTOR);
    changes.scope = text_push_uservalue(L, 1, UV_SCOPE);
    inherited = text_push_uservalue(L, 1, UV_INHERITED);
    buf_clear(scratch);
    if (context_encode(L, inherited, &changes, scratch) == -1)
        luaL_error(L, "context values are nested too deeply");
    return buf_len(scratch) != 0 ? push_bytes(L, scratch) : context_empty;
}

static struct bytes push_messages(lua_State *L, const struct spawner *spawner)
{
    struct buf *scratch = &actor_current(L)->vm->rt->scratch;
    size_t n;
    const char *messages;

    if (spawner->n_messages == 0)
        return (struct bytes){NULL, 0};
    lua_getiuservalue(L, 1, UV_MESSAGES);
    messages = lua_tolstring(L, -1, &n);
    buf_clear(scratch);
    if (!buf_append(scratch, &spawner->graph, 1) ||
        !plain_append_list(scratch, 2 * (size_t)spawner->n_messages) ||
        !buf_append(scratch, messages, n))
        luaL_error(L, "not enough memory");
    return push_bytes(L, scratch);
}

static int run(lua_State *L, const char *method, uint8_t flags, lua_CFunction again,
               int (*start)(lua_State *, const struct spawn_plan *))
{
    const struct spawner *spawner = self(L);
    struct spawn_plan plan = {
        .id = 2, .host = 3, .n_args = lua_gettop(L) - 3, .flags = flags};

    if (plan.n_args < 0)
        return luaL_error(L, "%s requires at least id and host arguments", method);
    luaL_checkstring(L, 2);
    luaL_checkstring(L, 3);
    if (actor_should_give_way(L, actor_current(L)))
        return task_give_way(L, again);
    if (process_spawn_denied(L, &plan, start == process_exec))
        return luaL_error(L, "%s", lua_tostring(L, -1));
    plan.context = push_context(L);
    plan.messages = push_messages(L, spawner);
    plan.name = text_push_uservalue(L, 1, UV_NAME);
    return start(L, &plan);
}

static int spawner_spawn(lua_State *L)
{
    return run(L, "spawn", 0, spawner_spawn, process_spawn);
}

static int spawner_spawn_monitored(lua_State *L)
{
    return run(L, "spawn_monitored", SPAWN_MONITOR, spawner_spawn_monitored,
               process_spawn);
}

static int spawner_spawn_linked(lua_State *L)
{
    return run(L, "spawn_linked", SPAWN_LINK, spawner_spawn_linked, process_spawn);
}

static int spawner_spawn_linked_monitored(lua_State *L)
{
    return run(L, "spawn_linked_monitored", SPAWN_LINK | SPAWN_MONITOR,
               spawner_spawn_linked_monitored, process_spawn);
}

static int spawner_exec(lua_State *L)
{
    return run(L, "exec", 0, spawner_exec, process_exec);
}

void process_spawner_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"with_context", spawner_with_context},
        {"with_options", spawner_with_options},
        {"with_actor", spawner_with_actor},
        {"with_scope", spawner_with_scope},
        {"with_name", spawner_with_name},
        {"with_message", spawner_with_message},
        {"spawn", spawner_spawn},
        {"spawn_monitored", spawner_spawn_monitored},
        {"spawn_linked", spawner_spawn_linked},
        {"spawn_linked_monitored", spawner_spawn_linked_monitored},
        {"exec", spawner_exec},
        {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"with_context", with_context}, {"with_options", with_options}, {NULL, NULL}};

    object_define(L, &spawner_class, methods, NULL);
    luaL_setfuncs(L, functions, 0);
}
