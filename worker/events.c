#include "worker/events.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/list.h"
#include "common/mem.h"
#include "common/shelves.h"
#include "common/value.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/channel.h"
#include "worker/codec.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/object.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

static const struct object_class subscription_class = {"events.Subscription"};

struct subscriptions {
    struct shelves by_system;
    struct list wild; /* those of many systems */
};

/* Userdata; uservalue 1 its channel. The patterns are malloc'ed. */
struct subscription {
    struct resource resource;
    struct list node;   /* on its system's shelf or in wild, while it is open */
    struct list *shelf; /* NULL: wild */
    struct actor *actor;
    struct channel *channel;
    char *system, *kind;
    size_t system_bytes, kind_bytes;
};

/* system, kind and path travel as one topic: the lengths of the first two, then all
 * three, any bytes. */
struct topic_head {
    uint16_t system_bytes, kind_bytes;
};
#define EVENT_TEXTS_MAX_BYTES (STR_MAX_BYTES - sizeof(struct topic_head))

struct subscriptions *events_create(void)
{
    struct subscriptions *subscriptions = xcalloc(1, sizeof(*subscriptions));

    shelves_init(&subscriptions->by_system);
    list_init(&subscriptions->wild);
    return subscriptions;
}

void events_destroy(struct subscriptions *subscriptions)
{
    shelves_finish(&subscriptions->by_system);
    free(subscriptions);
}

/* ---- delivery -------------------------------------------------------------------- */

/* EV-3: everything, a prefix, or equality. */
static bool matches(const char *pattern, size_t n, struct bytes text)
{
    if (n != 0 && pattern[n - 1] == '*')
        return text.n >= n - 1 && memcmp(text.data, pattern, n - 1) == 0;
    return text.n == n && memcmp(text.data, pattern, n) == 0;
}

static struct message *make_message(struct runtime *rt, const struct frame_event *frame)
{
    static const struct bytes none = {NULL, 0};
    const struct topic_head head = {(uint16_t)frame->system.n, (uint16_t)frame->kind.n};
    struct buf *scratch = &rt->scratch;

    buf_clear(scratch);
    if (frame->system.n + frame->kind.n + frame->path.n > EVENT_TEXTS_MAX_BYTES ||
        !buf_append(scratch, &head, sizeof(head)) ||
        !buf_append(scratch, frame->system.data, frame->system.n) ||
        !buf_append(scratch, frame->kind.data, frame->kind.n) ||
        !buf_append(scratch, frame->path.data, frame->path.n))
        return NULL;
    return message_create(MSG_EVENT, 0, none, buf_bytes(scratch), frame->payload);
}

static void publish_to(const struct list *subscriptions, struct runtime *rt,
                       const struct frame_event *frame)
{
    LIST_FOREACH (node, subscriptions) {
        struct subscription *one = container_of(node, struct subscription, node);
        struct message *message;

        if (!matches(one->system, one->system_bytes, frame->system) ||
            !matches(one->kind, one->kind_bytes, frame->kind))
            continue;
        message = make_message(rt, frame);
        if (message != NULL)
            actor_deliver_news(one->actor, one->channel, message);
    }
}

void events_publish(struct runtime *rt, const struct frame_event *frame)
{
    const struct list *shelf =
        shelves_find(&rt->subscriptions->by_system, (const char *)frame->system.data,
                     frame->system.n);

    publish_to(&rt->subscriptions->wild, rt, frame);
    if (shelf != NULL)
        publish_to(shelf, rt, frame);
}

static const char *set_text(lua_State *L, const char *key, const char *text, size_t n)
{
    lua_pushlstring(L, text, n);
    lua_setfield(L, -2, key);
    return text + n;
}

static void decode(lua_State *L, struct channel *channel, struct message *message)
{
    const char *text = message_topic(message) + sizeof(struct topic_head);
    struct topic_head head;
    struct err err;
    int n;

    (void)channel;
    memcpy(&head, message_topic(message), sizeof(head));
    lua_createtable(L, 0, 4);
    text = set_text(L, "system", text, head.system_bytes);
    text = set_text(L, "kind", text, head.kind_bytes);
    set_text(L, "path", text,
             message->topic_bytes - sizeof(head) - head.system_bytes - head.kind_bytes);
    n = codec_decode_args(L, message_payload(message), message->payload_bytes, 1, &err);
    if (n == 1)
        lua_setfield(L, -2, "data");
}

/* ---- subscribe, send ------------------------------------------------------------- */

static void forget_patterns(struct subscription *one)
{
    list_remove(&one->node);
    if (one->shelf != NULL)
        shelves_tidy(&one->actor->vm->rt->subscriptions->by_system, one->shelf);
    free(one->system);
    free(one->kind);
    one->system = one->kind = NULL;
}

/* The supervisor counts the patterns of this worker: each subscribe needs its
 * opposite. */
static void unsubscribe(struct subscription *one)
{
    struct value patterns[2] = {value_bytes(one->system, one->system_bytes),
                                value_bytes(one->kind, one->kind_bytes)};

    uplink_ask(one->actor->vm->rt->uplink, "@events.unsubscribe", patterns, 2, NULL,
               NULL);
    value_finish(&patterns[0]);
    value_finish(&patterns[1]);
    forget_patterns(one);
}

static void withdraw(struct resource *resource)
{
    unsubscribe(container_of(resource, struct subscription, resource));
}

static int subscribed(lua_State *L, int status, lua_KContext ctx)
{
    struct subscription *one = lua_touserdata(L, 3);
    struct bytes result;

    (void)status, (void)ctx;
    if (!ask_reply(L, &result)) {
        list_remove(&one->resource.node);
        forget_patterns(one); /* it was never counted */
        channel_close(one->channel);
        actor_release(one->actor, L, one);
        return ask_result(L);
    }
    ask_done(L);
    lua_settop(L, 3);
    return 1;
}

static void set_patterns(lua_State *L, struct subscription *one)
{
    const char *system = lua_tolstring(L, 1, &one->system_bytes);
    const char *kind = lua_tolstring(L, 2, &one->kind_bytes);

    one->system = xstrndup(system, one->system_bytes);
    one->kind = xstrndup(kind, one->kind_bytes);
}

static void keep(struct subscriptions *subscriptions, struct subscription *one)
{
    if (one->system[one->system_bytes - 1] != '*')
        one->shelf =
            shelves_get(&subscriptions->by_system, one->system, one->system_bytes);
    list_append(one->shelf != NULL ? one->shelf : &subscriptions->wild, &one->node);
}

/* Registered here before the supervisor knows of it, so that nothing sent after the
 * answer can be missed. */
static int events_subscribe(lua_State *L)
{
    struct actor *actor = task_begin_block(L)->actor;
    size_t system_bytes, kind_bytes;
    const char *system = luaL_checklstring(L, 1, &system_bytes);
    struct subscription *one;

    luaL_optlstring(L, 2, "*", &kind_bytes);
    if (system_bytes == 0)
        return errors_return(L, ERR_INVALID, "system pattern is required");
    if (system_bytes > STR_MAX_BYTES || kind_bytes > STR_MAX_BYTES)
        return errors_return(L, ERR_INVALID, "system or kind pattern is too long");
    if (!identity_allows(L, "events.subscribe", system))
        return errors_return(L, ERR_INVALID,
                             "not allowed to subscribe to events from system: %s",
                             system);
    lua_settop(L, 2);
    if (lua_isnil(L, 2) || kind_bytes == 0) {
        lua_pushliteral(L, "*");
        lua_replace(L, 2);
    }
    one = lua_newuserdatauv(L, sizeof(*one), 1);
    *one = (struct subscription){.actor = actor};
    object_bless(L, &subscription_class);
    one->channel = channel_push_queue(L, actor, decode);
    lua_setiuservalue(L, 3, 1);
    actor_anchor(actor, L, one); /* the last that may raise */
    set_patterns(L, one);
    one->resource.withdraw = withdraw;
    actor_add_resource(actor, &one->resource);
    keep(actor->vm->rt->subscriptions, one);
    return ask_system(L, "@events.subscribe", 1, 2, 0, subscribed);
}

/* Sends it with the value at 4, if there is one. */
static int send_event(lua_State *L, const struct frame_event *frame)
{
    struct uplink *uplink = actor_current(L)->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    size_t at = buf_len(out);
    struct err err;

    if (frame->system.n + frame->kind.n + frame->path.n > EVENT_TEXTS_MAX_BYTES ||
        !frame_encode_event(out, frame))
        return errors_return(L, ERR_INVALID, "system, kind or path is too long");
    if (codec_encode_args(L, 4, lua_isnil(L, 4) ? 0 : 1, out, &err) == -1) {
        uplink_drop_frame(uplink, at);
        return errors_return_struct(L, &err);
    }
    uplink_end_frame(uplink, at);
    lua_pushboolean(L, 1);
    return 1;
}

static int events_send(lua_State *L)
{
    static const char *const names[] = {"system", "kind", "path"};
    const struct slots *slots = &actor_current(L)->vm->rt->slots;
    struct bytes texts[N_ELEMENTS(names)];

    for (int i = 0; i < (int)N_ELEMENTS(names); i++) {
        texts[i].data = (const uint8_t *)luaL_optlstring(L, i + 1, "", &texts[i].n);
        if (texts[i].n == 0)
            return errors_return(L, ERR_INVALID, "%s is required", names[i]);
    }
    if (!identity_allows(L, "events.send", (const char *)texts[0].data))
        return errors_return(L, ERR_INVALID, "not allowed to send events to system: %s",
                             (const char *)texts[0].data);
    if (__builtin_expect(liveness_has_bit(slots->liveness, LIVENESS_QUIET_BIT), 0)) {
        lua_pushnil(L);
        errors_push(L, ERR_RATE_LIMITED, RETRY_YES, "subscribers are too far behind");
        return 2;
    }
    lua_settop(L, 4);
    return send_event(L, &(struct frame_event){
                             .system = texts[0], .kind = texts[1], .path = texts[2]});
}

/* ---- subscription objects -------------------------------------------------------- */

static int subscription_channel(lua_State *L)
{
    object_check(L, 1, &subscription_class);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

static int subscription_close(lua_State *L)
{
    struct subscription *one = object_check(L, 1, &subscription_class);

    if (one->system != NULL) {
        list_remove(&one->resource.node);
        unsubscribe(one);
        channel_close(one->channel);
        actor_release(one->actor, L, one);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int subscription_tostring(lua_State *L)
{
    lua_pushliteral(L, "events.Subscription{}");
    return 1;
}

int events_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"channel", subscription_channel}, {"close", subscription_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"subscribe", events_subscribe}, {"send", events_send}, {NULL, NULL}};

    object_define(L, &subscription_class, methods, subscription_tostring);
    luaL_newlib(L, functions);
    return 1;
}
