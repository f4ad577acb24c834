#include "worker/channel_private.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/mem.h"

#include "worker/actor.h"
#include "worker/modules/errors.h"
#include "worker/object.h"
#include "worker/sched.h"
#include "worker/trace.h"
#include "worker/vm.h"

#define BUFFER_MAX (1 << 24)

/* Queues are in a list of their actor, so the collector must tell us when it takes one;
 * plain channels, which apps make by the thousand, need no finalizer. */
static const struct object_class channel_class = {"channel"};
static const struct object_class queue_class = {"channel"};

struct channel *channel_test(lua_State *L, int idx)
{
    const struct vm *vm = vm_of(L);
    struct channel *channel = lua_touserdata(L, idx);
    const void *meta;

    /* Every receive comes by here: as object_test(), for two classes at once. */
    if (channel == NULL || !lua_getmetatable(L, idx))
        return NULL;
    meta = lua_topointer(L, -1);
    lua_pop(L, 1);
    return meta == vm->channel_meta || meta == vm->queue_meta ? channel : NULL;
}

struct channel *channel_check(lua_State *L, int idx)
{
    struct channel *channel = channel_test(L, idx);

    return channel != NULL ? channel : object_check(L, idx, &channel_class);
}

static struct channel *push_channel(lua_State *L, struct actor *actor, int n_uv)
{
    struct channel *channel = lua_newuserdatauv(L, sizeof(*channel), n_uv);

    *channel = (struct channel){.actor = actor};
    list_init(&channel->receivers);
    list_init(&channel->senders);
    return channel;
}

void channel_make_queue(lua_State *L, struct channel *channel,
                        void (*decode)(lua_State *L, struct channel *channel,
                                       struct message *message))
{
    object_bless(L, &queue_class);
    channel->is_queue = true;
    channel->room = channel->size;
    msgq_init(&channel->queue);
    channel->topic = NULL;
    channel->n_own = 0;
    channel->decode = decode;
    list_append(&channel->actor->queues, &channel->in_actor);
}

struct channel *channel_push_queue(lua_State *L, struct actor *actor,
                                   void (*decode)(lua_State *L, struct channel *channel,
                                                  struct message *message))
{
    struct channel *channel = push_channel(L, actor, 0);

    channel_make_queue(L, channel, decode);
    return channel;
}

void channel_set_topic(struct channel *channel, const char *text, size_t n_bytes)
{
    channel->topic = xmalloc(sizeof(*channel->topic) + n_bytes);
    channel->topic->n_bytes = n_bytes;
    memcpy(channel->topic->text, text, n_bytes);
    list_remove(&channel->in_actor); /* channel_find() looks at no others */
    list_prepend(&channel->actor->queues, &channel->in_actor);
}

void channel_untie(lua_State *L, struct channel *channel)
{
    free(channel->topic);
    channel->topic = NULL;
    list_remove(&channel->in_actor);
    list_append(&channel->actor->queues, &channel->in_actor);
    actor_take_back(channel->actor, channel);
    actor_release(channel->actor, L, channel);
}

struct channel *channel_find(const struct list *queues, const char *text,
                             size_t n_bytes)
{
    LIST_FOREACH (node, queues) {
        struct channel *channel = container_of(node, struct channel, in_actor);

        if (channel->topic == NULL)
            break;
        if (channel->topic->n_bytes == n_bytes &&
            memcmp(channel->topic->text, text, n_bytes) == 0)
            return channel;
    }
    return NULL;
}

/* ---- waiting tasks --------------------------------------------------------------- */

void channel_wait(struct list *queue, struct waiter *waiter, struct task *task,
                  struct channel *channel, int case_index)
{
    trace_wait(task, channel);
    *waiter = (struct waiter){.task = task,
                              .channel = channel,
                              .case_index = case_index,
                              .sends = queue == &channel->senders};
    list_append(queue, &waiter->node);
}

/* Takes the task of that waiter out of every queue that it waits in. */
static void withdraw_task(struct waiter *waiter)
{
    struct task *task = waiter->task;

    task->case_index = (int16_t)waiter->case_index;
    list_remove(&waiter->node);
    for (uint16_t i = 0; waiter->case_index != 0 && i < task->n_cases; i++)
        if (task->cases[i].task != NULL)
            list_remove(&task->cases[i].node);
    task->n_cases = 0;
}

static struct waiter *first_of(struct list *queue)
{
    struct list *node = list_first(queue);

    return node != NULL ? container_of(node, struct waiter, node) : NULL;
}

/* The value on top of L (popped) goes to the task that waits to receive. */
static void hand_over(lua_State *L, struct waiter *receiver)
{
    struct task *task = receiver->task;
    bool selects = receiver->case_index != 0;

    withdraw_task(receiver);
    luaL_checkstack(task->blocked, 4, NULL);
    lua_xmove(L, task->blocked, 1);
    if (!selects)
        lua_pushboolean(task->blocked, 1);
    task_wake(task, selects ? WAKE_VALUE : WAKE_VALUES, selects ? 1 : 2);
}

/* Pushes onto L what the task that waits to send wants to send, and lets it go. */
static void take_over(lua_State *L, struct waiter *sender)
{
    struct task *task = sender->task;
    lua_State *from = task->blocked;

    luaL_checkstack(from, 4, NULL);
    if (sender->case_index != 0) {
        /* select keeps its cases as uservalues of the waiters' block, at index 2 */
        lua_getiuservalue(from, 2, sender->case_index);
        lua_getiuservalue(from, -1, 2);
        lua_remove(from, -2);
    } else {
        lua_pushvalue(from, 2);
    }
    lua_xmove(from, L, 1);
    withdraw_task(sender);
    task_wake(task, WAKE_SENT, 0);
}

/* ---- the buffer of a plain channel ----------------------------------------------- */

/* Pops the value on top of L into the ring; idx is the channel's. */
static void buffer_put(lua_State *L, int idx, struct channel *channel)
{
    uint32_t at = (channel->head + channel->n_buffered) % channel->size;

    if (lua_getiuservalue(L, idx, 1) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, idx, 1);
    }
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)at + 1);
    lua_pop(L, 1);
    channel->n_buffered++; /* only now: for want of memory it may have raised */
}

static void buffer_take(lua_State *L, int idx, struct channel *channel)
{
    lua_getiuservalue(L, idx, 1);
    lua_rawgeti(L, -1, (lua_Integer)channel->head + 1);
    lua_pushnil(L);
    lua_rawseti(L, -3, (lua_Integer)channel->head + 1);
    lua_remove(L, -2);
    channel->head = (channel->head + 1) % channel->size;
    channel->n_buffered--;
}

/* ---- what the app sends on a queue (CH-7) ---------------------------------------- */

/* The values lie in a table that the actor holds: queues of which nobody makes such a
 * use have no room for one. Where they begin is at 0. */
static lua_Integer own_first(lua_State *L)
{
    lua_Integer first;

    lua_rawgeti(L, -1, 0);
    first = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return first;
}

/* Pops the value on top of L. */
static void keep_own(lua_State *L, struct channel *channel)
{
    lua_Integer at;

    luaL_checkstack(L, 8, NULL);
    actor_push_anchored(channel->actor, L, &channel->n_own);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushinteger(L, 1);
        lua_rawseti(L, -2, 0);
        actor_anchor(channel->actor, L, &channel->n_own);
    }
    at = own_first(L) + channel->n_own;
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, at);
    lua_pop(L, 2);
    channel->n_own++;
}

static void forget_own(lua_State *L, struct channel *channel)
{
    channel->n_own = 0;
    actor_release(channel->actor, L, &channel->n_own);
}

/* Pushes the oldest; there is one. */
static void take_own(lua_State *L, struct channel *channel)
{
    lua_Integer first;

    actor_push_anchored(channel->actor, L, &channel->n_own);
    first = own_first(L);
    lua_rawgeti(L, -1, first);
    lua_pushnil(L);
    lua_rawseti(L, -3, first);
    lua_pushinteger(L, first + 1);
    lua_rawseti(L, -3, 0);
    lua_remove(L, -2);
    if (--channel->n_own == 0)
        forget_own(L, channel);
}

/* ---- receive --------------------------------------------------------------------- */

static void push_decoded(lua_State *L, struct channel *channel, struct message *message)
{
    struct task *task = task_current(L);

    if (task != NULL) { /* if decoding raises, the task's end frees it */
        message_destroy(task->message);
        task->message = message;
        trace_receive(task, message);
    }
    channel->decode(L, channel, message);
    if (task != NULL)
        task->message = NULL;
    message_destroy(message);
}

bool channel_try_receive(lua_State *L, int idx, struct channel *channel)
{
    struct waiter *sender;

    if (channel->is_queue) {
        struct message *message = msgq_take(&channel->queue);

        if (message == NULL && channel->n_own == 0)
            return false;
        if (message == NULL) {
            take_own(L, channel);
            return true;
        }
        actor_consumed(channel->actor, message);
        if (channel->close_when_empty)
            channel->closed = true;
        push_decoded(L, channel, message);
        return true;
    }
    sender = first_of(&channel->senders);
    if (channel->n_buffered != 0) {
        buffer_take(L, idx, channel);
        if (sender != NULL) {
            take_over(L, sender);
            buffer_put(L, idx, channel);
        }
        return true;
    }
    if (sender == NULL)
        return false;
    take_over(L, sender);
    return true;
}

bool channel_received(lua_State *L, struct task *task, struct channel *channel)
{
    struct message *message = task->message;

    if (task->wake == WAKE_CLOSED) {
        lua_pushnil(L);
        return false;
    }
    if (task->wake == WAKE_MESSAGE) {
        task->message = NULL;
        push_decoded(L, channel, message);
    }
    return true;
}

static int receive_k(lua_State *L, int status, lua_KContext ctx)
{
    struct task *task = task_current(L);

    (void)status, (void)ctx;
    if (task->wake == WAKE_VALUES)
        return 2;
    lua_pushboolean(L, channel_received(L, task, lua_touserdata(L, 1)));
    return 2;
}

static int channel_receive(lua_State *L)
{
    struct channel *channel = channel_check(L, 1);
    struct task *task;

    lua_settop(L, 1);
    /* a closed one may be left of an actor that is gone */
    if (channel->is_queue && !channel->closed &&
        actor_should_give_way(L, channel->actor))
        return task_give_way(L, channel_receive);
    if (channel_try_receive(L, 1, channel)) {
        lua_pushboolean(L, 1);
        return 2;
    }
    if (channel->closed) {
        lua_pushnil(L);
        lua_pushboolean(L, 0);
        return 2;
    }
    task = task_begin_block(L);
    channel_wait(&channel->receivers, &task->waiter, task, channel, 0);
    return task_block(L, 0, receive_k);
}

/* ---- send ------------------------------------------------------------------------ */

bool channel_try_send(lua_State *L, int idx, struct channel *channel)
{
    struct waiter *receiver = first_of(&channel->receivers);

    if (receiver != NULL)
        hand_over(L, receiver);
    else if (channel->is_queue)
        keep_own(L, channel);
    else if (channel->n_buffered < channel->size)
        buffer_put(L, idx, channel);
    else
        return false;
    return true;
}

static int send_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    if (task_current(L)->wake == WAKE_CLOSED)
        return errors_return(L, ERR_INVALID_STATE, "send on closed channel");
    lua_pushboolean(L, 1);
    return 1;
}

static int channel_send(lua_State *L)
{
    struct channel *channel = channel_check(L, 1);
    struct task *task;

    lua_settop(L, 2);
    if (channel->closed)
        return luaL_error(L, "send on closed channel");
    lua_pushvalue(L, 2);
    if (channel_try_send(L, 1, channel)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pop(L, 1);
    task = task_begin_block(L);
    channel_wait(&channel->senders, &task->waiter, task, channel, 0);
    return task_block(L, 0, send_k);
}

/* ---- close ----------------------------------------------------------------------- */

static void wake_all_closed(struct list *queue)
{
    struct waiter *waiter;

    while ((waiter = first_of(queue)) != NULL) {
        struct task *task = waiter->task;

        task->waiter.sends = waiter->sends; /* a select asks which kind closed */
        withdraw_task(waiter);
        task_wake(task, WAKE_CLOSED, 0);
    }
}

void channel_close(struct channel *channel)
{
    if (channel->closed)
        return;
    channel->closed = true;
    wake_all_closed(&channel->receivers);
    if (!channel->is_queue)
        wake_all_closed(&channel->senders);
}

static int channel_close_method(lua_State *L)
{
    struct channel *channel = channel_check(L, 1);

    if (channel->is_queue && channel->topic != NULL)
        channel_untie(L, channel); /* later messages have another taker, or none yet */
    channel_close(channel);
    return 0;
}

void channel_deliver(struct channel *channel, struct message *message)
{
    struct waiter *receiver = first_of(&channel->receivers);

    if (channel->closed ||
        (channel->queue_max != 0 && channel->queue.n >= channel->queue_max)) {
        actor_consumed(channel->actor, message);
        message_destroy(message);
        return;
    }
    if (receiver == NULL) {
        msgq_append(&channel->queue, message);
        return;
    }
    actor_consumed(channel->actor, message);
    withdraw_task(receiver);
    if (__builtin_expect(receiver->task->message != NULL, 0))
        message_destroy(receiver->task->message); /* it could not decode that one */
    receiver->task->message = message;
    task_wake(receiver->task, WAKE_MESSAGE, 0);
    if (channel->close_when_empty)
        channel_close(channel);
}

void channel_abandon(struct channel *channel)
{
    channel->closed = true;
    channel->n_own = 0; /* the actor holds on to nothing any more */
    msgq_clear(&channel->queue);
    free(channel->topic);
    channel->topic = NULL;
    list_remove(&channel->in_actor);
    wake_all_closed(&channel->receivers);
}

/* Nobody can receive from it any more; its actor may live on. */
static int channel_collected(lua_State *L)
{
    struct channel *channel = lua_touserdata(L, 1);
    struct message *message;

    if (channel->n_own != 0)
        forget_own(L, channel);
    while ((message = msgq_take(&channel->queue)) != NULL) {
        actor_consumed(channel->actor, message);
        message_destroy(message);
    }
    channel_abandon(channel);
    return 0;
}

/* ---- the module ------------------------------------------------------------------ */

static int channel_new(lua_State *L)
{
    lua_Number size = luaL_optnumber(L, 1, 0);
    struct channel *channel;

    luaL_argcheck(L, size < BUFFER_MAX, 1, "buffer too large");
    channel = push_channel(L, actor_current(L), 1);
    object_bless(L, &channel_class);
    channel->size = size >= 1 ? (uint32_t)size : 0;
    return 1;
}

static int channel_tostring(lua_State *L)
{
    lua_pushfstring(L, "channel: %p", (void *)channel_check(L, 1));
    return 1;
}

int channel_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"send", channel_send},
                                       {"receive", channel_receive},
                                       {"close", channel_close_method},
                                       {"case_send", channel_case_send},
                                       {"case_receive", channel_case_receive},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"new", channel_new}, {"select", channel_select}, {NULL, NULL}};
    static const luaL_Reg queue_events[] = {
        {"__tostring", channel_tostring}, {"__gc", channel_collected}, {NULL, NULL}};

    object_define(L, &channel_class, methods, channel_tostring);
    object_define_events(L, &queue_class, methods, queue_events);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &channel_class);
    vm_of(L)->channel_meta = lua_topointer(L, -1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &queue_class);
    vm_of(L)->queue_meta = lua_topointer(L, -1);
    lua_pop(L, 2);
    channel_define_cases(L);
    luaL_newlib(L, functions);
    return 1;
}
