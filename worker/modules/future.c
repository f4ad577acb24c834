#include <stdlib.h>

#include <lauxlib.h>

#include "common/err.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/channel.h"
#include "worker/codec.h"
#include "worker/modules/call.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_funcs.h"
#include "worker/modules/payload.h"
#include "worker/object.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

static const struct object_class future_class = {"funcs.Future"};

/*
 * Userdata; uservalue 1 its channel, 2 its result (Payload or Error) once looked at, 3
 * what keeps its check alive.
 * The actor holds on to it until its REPLY is there or nobody wants that any more.
 */
struct future {
    struct resource resource; /* in the actor's list as long */
    struct actor *actor;
    struct channel *channel;
    const struct call_check *check; /* of the result, NULL = none */
    uint64_t call;
    uint8_t *result; /* malloc'ed, owned */
    uint32_t result_bytes;
    bool complete, failed, canceled;
};

/* F-33: what a process has started ends with it; what a function has goes on, unless it
 * is cancelled itself. */
static void withdraw(struct resource *resource)
{
    struct future *future = container_of(resource, struct future, resource);
    const struct actor *actor = future->actor;

    uplink_forget(actor->vm->rt->uplink, future->call,
                  actor->instance == NULL || actor->doom != DOOM_NONE);
}

void future_settle(struct future *future)
{
    struct actor *actor = future->actor;

    list_remove(&future->resource.node);
    actor->vm->n_trusted++;
    actor_release(actor, actor->vm->L, future);
    actor->vm->n_trusted--;
}

static int collected(lua_State *L)
{
    struct future *future = lua_touserdata(L, 1);

    free(future->result);
    future->result = NULL;
    return 0;
}

/* What the bytes of a REPLY stand for: a Payload or an Error (F-17). */
static void push_outcome(lua_State *L, bool failed, struct bytes result)
{
    struct bytes rest;
    struct err err;
    uint32_t n;
    bool graph;

    if (failed) {
        if (codec_decode_error(L, result.data, result.n, &err) == -1)
            errors_push_struct(L, &err);
        errors_add_stack(L);
        return;
    }
    if (codec_open_args(result, &graph, &n, &rest, &err) == -1) {
        errors_push_struct(L, &err);
    } else if (n == 0) {
        lua_pushnil(L);
        payload_push_value(L, lua_gettop(L));
        lua_remove(L, -2);
    } else {
        payload_push_encoded(L, rest, graph);
    }
}

static void decode(lua_State *L, struct channel *channel, struct message *message)
{
    (void)channel;
    push_outcome(L, message->failed,
                 (struct bytes){message_payload(message), message->payload_bytes});
}

struct future *future_push(lua_State *L)
{
    struct actor *actor = actor_current(L);
    struct future *future = lua_newuserdatauv(L, sizeof(*future), 3);

    *future = (struct future){.actor = actor};
    list_init(&future->resource.node);
    object_bless(L, &future_class);
    future->channel = channel_push_queue(L, actor, decode);
    future->channel->close_when_empty = true;
    lua_setiuservalue(L, -2, 1);
    future->resource.withdraw = withdraw;
    actor_anchor(actor, L, future);
    actor_add_resource(actor, &future->resource);
    return future;
}

void future_set_check(lua_State *L, struct future *future,
                      const struct call_check *check, int owner)
{
    future->check = check;
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, 3);
}

void future_set_call(struct future *future, uint64_t call)
{
    future->call = call;
}

/* What the REPLY comes to once its result was checked. */
static uint8_t check_result(const struct future *future, uint8_t status,
                            struct bytes *result)
{
    struct runtime *rt = future->actor->vm->rt;

    if (future->check == NULL || status == REPLY_ERROR)
        return status;
    buf_clear(&rt->scratch);
    if (future->check->result(future->check, rt, *result, &rt->scratch))
        return status;
    *result = buf_bytes(&rt->scratch);
    return REPLY_ERROR;
}

void future_done(void *context, uint8_t status, struct bytes result)
{
    static const struct bytes none = {NULL, 0};
    struct future *future = context;
    struct message *message;

    status = check_result(future, status, &result);
    future_settle(future);
    future->complete = true;
    future->failed = status == REPLY_ERROR;
    future->result = malloc(result.n + 1);
    message = message_create(MSG_USER, 0, none, none, result);
    if (future->result == NULL || message == NULL) {
        message_destroy(message);
        actor_doom(future->actor, DOOM_UNTOLD);
        return;
    }
    memcpy(future->result, result.data, result.n);
    future->result_bytes = (uint32_t)result.n;
    message->failed = future->failed;
    channel_deliver(future->channel, message);
}

/* ---- methods --------------------------------------------------------------------- */

static struct future *check(lua_State *L)
{
    return object_check(L, 1, &future_class);
}

static int future_response(lua_State *L)
{
    check(L);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

static int future_is_complete(lua_State *L)
{
    lua_pushboolean(L, check(L)->complete);
    return 1;
}

static int future_is_canceled(lua_State *L)
{
    lua_pushboolean(L, check(L)->canceled);
    return 1;
}

/* Pushes the outcome, the same object each time. */
static void push_kept(lua_State *L, const struct future *future)
{
    lua_settop(L, 1);
    if (lua_getiuservalue(L, 1, 2) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    push_outcome(L, future->failed,
                 (struct bytes){future->result, future->result_bytes});
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 2);
}

static int future_result(lua_State *L)
{
    const struct future *future = check(L);

    if (future->canceled)
        return errors_return(L, ERR_CANCELED, "canceled");
    if (!future->complete) {
        lua_pushnil(L);
        lua_pushnil(L);
        return 2;
    }
    push_kept(L, future);
    lua_pushnil(L);
    if (future->failed)
        lua_insert(L, -2);
    return 2;
}

static int future_error(lua_State *L)
{
    const struct future *future = check(L);

    if (future->complete && future->failed) {
        push_kept(L, future);
        lua_pushboolean(L, 1);
    } else {
        lua_pushnil(L);
        lua_pushboolean(L, 0);
    }
    return 2;
}

/* F-18: closes the channel and cancels the callee. */
static int future_cancel(lua_State *L)
{
    struct future *future = check(L);

    if (!list_empty(&future->resource.node)) {
        uplink_forget(future->actor->vm->rt->uplink, future->call, true);
        future_settle(future);
    }
    future->canceled = true;
    channel_close(future->channel);
    lua_pushboolean(L, 1);
    return 1;
}

void future_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"response", future_response},       {"channel", future_response},
        {"is_complete", future_is_complete}, {"is_canceled", future_is_canceled},
        {"result", future_result},           {"error", future_error},
        {"cancel", future_cancel},           {NULL, NULL}};
    static const luaL_Reg events[] = {{"__gc", collected}, {NULL, NULL}};

    object_define_events(L, &future_class, methods, events);
}
