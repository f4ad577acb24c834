#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/channel.h"
#include "worker/codec.h"
#include "worker/groups.h"
#include "worker/modules/mod_pg.h"
#include "worker/object.h"

static const struct object_class watch_class = {"pg.Subscription"};

/* ---- events ---------------------------------------------------------------------- */

/* PG-3; the topic is "kind\0group", the payload the members. */
static void decode(lua_State *L, struct channel *channel, struct message *message)
{
    const char *kind = message_topic(message);
    size_t n_kind = strlen(kind) + 1;
    struct err err;

    (void)channel;
    lua_createtable(L, 0, 4);
    lua_pushliteral(L, "pg");
    lua_setfield(L, -2, "system");
    lua_pushstring(L, kind);
    lua_setfield(L, -2, "kind");
    lua_pushlstring(L, kind + n_kind, message->topic_bytes - n_kind);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "path");
    lua_createtable(L, 0, 2);
    lua_insert(L, -2);
    lua_setfield(L, -2, "Group");
    if (codec_decode_value(L, message_payload(message), message->payload_bytes, false,
                           &err) == -1)
        lua_newtable(L);
    pg_expand_members(L);
    lua_setfield(L, -2, "PIDs");
    lua_setfield(L, -2, "data");
}

/* ---- subscribing ----------------------------------------------------------------- */

static void withdraw(struct resource *resource)
{
    groups_end_watch(container_of(resource, struct group_watch, resource));
}

static void end(lua_State *L, struct group_watch *watch)
{
    list_remove(&watch->resource.node);
    groups_end_watch(watch);
    channel_close(watch->channel);
    actor_release(watch->actor, L, watch);
}

/* Pushes {group → pids} of the answer on top. */
static void expand_groups(lua_State *L)
{
    int list;

    lua_getfield(L, -1, "groups");
    list = lua_gettop(L);
    lua_newtable(L);
    for (lua_Integer i = 1; lua_istable(L, list); i++) {
        if (lua_rawgeti(L, list, i) != LUA_TTABLE)
            break;
        lua_getfield(L, -1, "name");
        lua_insert(L, -2);
        pg_expand_members(L);
        lua_settable(L, list + 1);
    }
    lua_settop(L, list + 1);
}

/* The subscription is at 3. */
static int watched(lua_State *L, int status, lua_KContext ctx)
{
    struct group_watch *watch = lua_touserdata(L, 3);
    struct bytes result;
    struct err err;

    (void)status, (void)ctx;
    lua_settop(L, 3);
    if (!ask_reply(L, &result)) {
        end(L, watch);
        return ask_result(L);
    }
    if (codec_decode_args(L, result.data, result.n, 1, &err) != 1 ||
        !lua_istable(L, -1)) {
        lua_settop(L, 3);
        lua_newtable(L);
    }
    ask_done(L);
    if (lua_isnil(L, 2))
        expand_groups(L);
    else
        pg_expand_members(L);
    lua_pushvalue(L, 3);
    lua_insert(L, -2);
    return 2;
}

/* The scope's id is on top, the group (or nil) at 2. */
static int watch(lua_State *L)
{
    struct task *task = task_begin_block(L);
    struct actor *actor = task->actor;
    struct group_watch *one = lua_newuserdatauv(L, sizeof(*one), 1);

    *one = (struct group_watch){.actor = actor};
    list_init(&one->node);
    object_bless(L, &watch_class);
    one->channel = channel_push_queue(L, actor, decode);
    lua_setiuservalue(L, -2, 1);
    actor_anchor(actor, L, one); /* the last that may raise */
    one->scope = xstrdup(lua_tostring(L, -2));
    if (!lua_isnil(L, 2)) {
        one->group_bytes = lua_rawlen(L, 2);
        one->group = xstrndup(lua_tostring(L, 2), one->group_bytes);
    }
    one->resource.withdraw = withdraw;
    actor_add_resource(actor, &one->resource);
    lua_replace(L, 3);
    lua_settop(L, 3);
    groups_start_watch(one, task);
    return task_block(L, 0, watched);
}

int pg_monitor(lua_State *L)
{
    const char *group = pg_check_group(L);

    if (group == NULL || !pg_allows(L, "monitor", group))
        return 2;
    lua_settop(L, 2);
    pg_push_scope(L);
    return watch(L);
}

int pg_events(lua_State *L)
{
    if (!pg_allows(L, "events", ""))
        return 2;
    lua_settop(L, 1);
    lua_pushnil(L);
    pg_push_scope(L);
    return watch(L);
}

/* ---- subscription objects -------------------------------------------------------- */

static int watch_channel(lua_State *L)
{
    object_check(L, 1, &watch_class);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

/* What is queued can still be received, with {flush = true} or without (DX-16). */
static int watch_close(lua_State *L)
{
    struct group_watch *one = object_check(L, 1, &watch_class);

    if (one->scope != NULL)
        end(L, one);
    lua_pushboolean(L, 1);
    return 1;
}

static int watch_tostring(lua_State *L)
{
    lua_pushliteral(L, "pg.Subscription{}");
    return 1;
}

void pg_watch_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"channel", watch_channel}, {"close", watch_close}, {NULL, NULL}};

    object_define(L, &watch_class, methods, watch_tostring);
}
