#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/id.h"

#include "worker/actor.h"
#include "worker/channel.h"
#include "worker/codec.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_process.h"
#include "worker/modules/payload.h"
#include "worker/object.h"

#define LISTEN_ROOM 1 /* PR-17 */

static const struct object_class message_class = {"process.Message"};

/* ---- message objects: the struct and its bytes, copied into Lua's heap ----------- */

static struct message *check_message(lua_State *L)
{
    return object_check(L, 1, &message_class);
}

/* channel->decode of the inbox and of listen{message = true}: pushes a Message. */
static void decode_message(lua_State *L, struct channel *channel,
                           struct message *message)
{
    size_t n = message_size(message);

    (void)channel;
    memcpy(lua_newuserdatauv(L, n, 0), message, n);
    object_bless(L, &message_class);
}

static int message_topic_method(lua_State *L)
{
    const struct message *message = check_message(L);

    lua_pushlstring(L, message_topic(message), message->topic_bytes);
    return 1;
}

static void push_from(lua_State *L, const struct message *message)
{
    char text[PID_TEXT_MAX];
    size_t n;

    n = pid_format(text, message_host(message), message->host_bytes, message->from);
    lua_pushlstring(L, text, n);
}

/* The runtime's own messages have no sender (MB-4, DX-9). */
static int message_from(lua_State *L)
{
    const struct message *message = check_message(L);

    if (message->from == 0)
        lua_pushliteral(L, "");
    else
        push_from(L, message);
    return 1;
}

static struct bytes payload_of(const struct message *message)
{
    return (struct bytes){message_payload(message), message->payload_bytes};
}

static int message_payload_method(lua_State *L)
{
    const struct message *message = check_message(L);
    struct bytes rest, value;
    struct err err;
    uint32_t n;
    bool graph;

    if (codec_open_args(payload_of(message), &graph, &n, &rest, &err) == -1)
        return errors_return_struct(L, &err);
    if (n == 0) {
        lua_pushnil(L);
        return 1;
    }
    if (n == 1) {
        payload_push_encoded(L, rest, graph);
        return 1;
    }
    lua_createtable(L, (int)(n < 256 ? n : 256), 0);
    for (uint32_t i = 0; i < n; i++) {
        if (codec_take_value(&rest, &value, &err) == -1)
            return errors_return_struct(L, &err);
        payload_push_encoded(L, value, graph);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int message_tostring(lua_State *L)
{
    const struct message *message = check_message(L);

    lua_pushfstring(L, "process.Message{topic=%s}", message_topic(message));
    return 1;
}

void process_message_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"topic", message_topic_method},
                                       {"from", message_from},
                                       {"payload", message_payload_method},
                                       {NULL, NULL}};

    object_define(L, &message_class, methods, message_tostring);
}

/* ---- what a listen channel and events() deliver ---------------------------------- */

/* Puts the n values on top into a list, which it pushes instead. */
static void pack_values(lua_State *L, int n)
{
    int list = lua_gettop(L) - n + 1;

    lua_createtable(L, n, 0);
    lua_insert(L, list);
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, list, i);
}

/* Pushes the values of a message's payload; their number, 0 for a malformed one. */
static int push_payload(lua_State *L, const struct message *message)
{
    struct bytes payload = payload_of(message);
    struct err err;
    int n = codec_decode_args(L, payload.data, payload.n, CODEC_MAX_ARGS, &err);

    return n > 0 ? n : 0;
}

/* PR-17: one payload → the value, none → nil, several → an array of values. */
static void decode_raw(lua_State *L, struct channel *channel, struct message *message)
{
    int n;

    if (channel->wants_message) {
        decode_message(L, channel, message);
        return;
    }
    n = push_payload(L, message);
    if (n == 0)
        lua_pushnil(L);
    else if (n > 1)
        pack_values(L, n);
}

/* result = {value = } or {error = } (EX-2). */
static void set_result(lua_State *L, const struct message *message)
{
    struct bytes payload = payload_of(message);
    struct err err;

    lua_createtable(L, 0, 1);
    if (message->failed) {
        if (codec_decode_error(L, payload.data, payload.n, &err) == -1)
            errors_push_struct(L, &err);
        lua_setfield(L, -2, "error");
    } else if (codec_decode_args(L, payload.data, payload.n, 1, &err) == 1) {
        lua_setfield(L, -2, "value");
    }
    lua_setfield(L, -2, "result");
}

static void set_sources(lua_State *L, const struct message *message)
{
    pack_values(L, push_payload(L, message));
    lua_setfield(L, -2, "sources");
}

static void decode_event(lua_State *L, struct channel *channel, struct message *message)
{
    static const char *const kinds[] = {[MSG_EXIT] = "pid.exit",
                                        [MSG_DOWN] = "pid.link.down",
                                        [MSG_CANCEL] = "pid.cancel",
                                        [MSG_OUTDATED] = "pid.outdated"};
    struct err err;

    (void)channel;
    lua_createtable(L, 0, 4);
    lua_pushstring(L, kinds[message->kind]);
    lua_setfield(L, -2, "kind");
    push_from(L, message);
    lua_setfield(L, -2, "from");
    lua_pushinteger(L, message->at_ns / 1000000000);
    lua_setfield(L, -2, "at");
    if (message->kind == MSG_OUTDATED) {
        set_sources(L, message);
        return;
    }
    if (message->kind != MSG_CANCEL) {
        set_result(L, message);
        return;
    }
    if (codec_decode_value(L, message_payload(message), message->payload_bytes, false,
                           &err) == -1)
        lua_pushliteral(L, "");
    lua_setfield(L, -2, "reason");
}

/* ---- inbox, events, listen ------------------------------------------------------- */

static int process_inbox(lua_State *L)
{
    struct actor *actor = actor_current(L);

    if (actor->inbox == NULL) {
        actor->inbox = channel_push_queue(L, actor, decode_message);
        actor_set_uservalue(actor, L, ACTOR_UV_INBOX);
        actor_reroute(actor, actor->inbox);
    }
    actor_push_uservalue(actor, L, ACTOR_UV_INBOX);
    return 1;
}

static int process_events(lua_State *L)
{
    struct actor *actor = actor_current(L);
    struct channel *events;

    if (actor->events == NULL) {
        events = channel_push_queue(L, actor, decode_event);
        actor_anchor(actor, L, events); /* the last that may raise */
        actor->events = events;
        actor_reroute(actor, actor->events);
    }
    actor_push_anchored(actor, L, actor->events);
    return 1;
}

static int process_listen(lua_State *L)
{
    struct actor *actor = actor_current(L);
    size_t n;
    const char *topic = luaL_checklstring(L, 1, &n);
    struct channel *channel;

    if (n == 0)
        return errors_return(L, ERR_INVALID, "topic cannot be empty");
    if (topic[0] == '@')
        return errors_return(L, ERR_INVALID, "cannot listen to @ topics");
    channel = channel_find(&actor->queues, topic, n);
    if (channel != NULL) {
        actor_push_anchored(actor, L, channel);
        return 1;
    }
    lua_settop(L, 2);
    if (lua_istable(L, 2))
        lua_getfield(L, 2, "message");
    channel = channel_push_queue(L, actor, decode_raw);
    channel->room = LISTEN_ROOM;
    channel->wants_message = lua_gettop(L) == 4 && lua_toboolean(L, 3);
    actor_anchor(actor, L, channel); /* the last that may raise */
    channel_set_topic(channel, topic, n);
    actor_reroute(actor, channel);
    return 1;
}

static int refuse_channel(lua_State *L)
{
    lua_pushboolean(L, 0);
    errors_push(L, ERR_INVALID, RETRY_NO, "this channel is tied to no topic");
    return 2;
}

/* Later messages of its topic go to the inbox; what it had room for can still be
 * received. */
static int process_unlisten(lua_State *L)
{
    struct channel *channel = channel_test(L, 1);

    if (channel == NULL || !channel->is_queue || channel->topic == NULL)
        return refuse_channel(L);
    channel_untie(L, channel);
    channel_close(channel);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- subscribe, unsubscribe (MB-6) ----------------------------------------------- */

/* An own channel becomes a queue channel of that topic; it must be fresh. */
static int subscribe(lua_State *L)
{
    struct actor *actor = actor_current(L);
    size_t n;
    const char *topic = luaL_checklstring(L, 1, &n);
    struct channel *channel = channel_check(L, 2);
    struct channel *other = channel_find(&actor->queues, topic, n);

    if (n == 0)
        return errors_return(L, ERR_INVALID, "topic cannot be empty");
    if (topic[0] == '@')
        return errors_return(L, ERR_INVALID, "cannot listen to @ topics");
    if (other != NULL && other != channel)
        return errors_return(L, ERR_ALREADY_EXISTS, "topic \"%s\" already subscribed",
                             topic);
    if (other == NULL) {
        if (channel->is_queue || channel->n_buffered != 0 || channel->closed ||
            !list_empty(&channel->senders))
            return errors_return(L, ERR_INVALID_STATE,
                                 "the channel must be open, empty and not subscribed");
        lua_pushvalue(L, 2);
        actor_anchor(actor, L, channel); /* the last that may raise */
        channel->actor = actor; /* another call may have made it, and be gone */
        channel_make_queue(L, channel, decode_raw);
        channel_set_topic(channel, topic, n);
        actor_reroute(actor, channel);
    }
    lua_settop(L, 2);
    return 1;
}

void mod_process_open_subscribe(lua_State *L, int idx)
{
    lua_pushcfunction(L, subscribe);
    lua_setfield(L, idx, "subscribe");
    lua_pushcfunction(L, process_unlisten);
    lua_setfield(L, idx, "unsubscribe");
}

void process_mailbox_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"inbox", process_inbox},
                                         {"events", process_events},
                                         {"listen", process_listen},
                                         {"unlisten", process_unlisten},
                                         {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
}
