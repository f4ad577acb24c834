#include "worker/channel_private.h"

#include <lauxlib.h>

#include "worker/actor.h"
#include "worker/frozen.h"
#include "worker/modules/errors.h"
#include "worker/object.h"
#include "worker/sched.h"

#define CASES_MAX 4096 /* of one select */

static const struct object_class case_class = {"channel.case"};

/* A case of a select: uservalue 1 the channel, 2 the value to send. */
struct channel_case {
    struct channel *channel;
    bool sends;
};

static int push_case(lua_State *L, bool sends)
{
    struct channel *channel = channel_check(L, 1);
    struct channel_case *one;

    one = lua_newuserdatauv(L, sizeof(*one), sends ? 2 : 1);
    *one = (struct channel_case){channel, sends};
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    if (sends) {
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -2, 2);
    }
    object_bless(L, &case_class);
    return 1;
}

int channel_case_receive(lua_State *L)
{
    lua_settop(L, 1);
    return push_case(L, false);
}

int channel_case_send(lua_State *L)
{
    lua_settop(L, 2);
    return push_case(L, true);
}

/* Pops the value on top into {channel = , value = , ok = }; the case is at idx. */
static int push_selected(lua_State *L, int idx, bool ok)
{
    lua_createtable(L, 0, 3);
    lua_insert(L, -2);
    lua_setfield(L, -2, "value");
    lua_getiuservalue(L, idx, 1);
    lua_setfield(L, -2, "channel");
    lua_pushboolean(L, ok);
    lua_setfield(L, -2, "ok");
    return 1;
}

/* 1 with the result table pushed when that case is ready; the case is on top. */
static int try_case(lua_State *L, struct channel_case *one)
{
    struct channel *channel = one->channel;
    int idx = lua_gettop(L);

    lua_getiuservalue(L, idx, 1);
    if (one->sends) {
        if (channel->closed)
            return 0;
        lua_getiuservalue(L, idx, 2);
        lua_pushvalue(L, -1);
        return channel_try_send(L, idx + 1, channel) ? push_selected(L, idx, true) : 0;
    }
    if (channel_try_receive(L, idx + 1, channel))
        return push_selected(L, idx, true);
    if (!channel->closed)
        return 0;
    lua_pushnil(L);
    return push_selected(L, idx, false);
}

static int select_k(lua_State *L, int status, lua_KContext ctx)
{
    struct task *task = task_current(L);
    struct channel_case *one;
    int value_idx;

    (void)status, (void)ctx;
    if (task->wake == WAKE_CLOSED && task->waiter.sends)
        return errors_return(L, ERR_INVALID_STATE, "send on closed channel");
    lua_getiuservalue(L, 2, task->case_index);
    one = lua_touserdata(L, -1);
    if (task->wake == WAKE_VALUE) {
        value_idx = lua_gettop(L) - 1;
        lua_pushvalue(L, value_idx);
        return push_selected(L, value_idx + 1, true);
    }
    if (task->wake == WAKE_SENT) {
        lua_getiuservalue(L, -1, 2);
        return push_selected(L, lua_gettop(L) - 1, true);
    }
    value_idx = lua_gettop(L);
    return push_selected(L, value_idx, channel_received(L, task, one->channel));
}

/* Waits for all cases at once. The waiters lie in a block of userdata at index 2 whose
 * uservalues are the cases: nothing that the app does to its table matters any more. */
static int block_on_cases(lua_State *L, int n)
{
    struct task *task = task_begin_block(L);
    struct waiter *waiters;

    lua_settop(L, 1);
    waiters = lua_newuserdatauv(L, (size_t)(n > 0 ? n : 1) * sizeof(*waiters), n);
    task->cases = waiters;
    task->n_cases = (uint16_t)n;
    for (int i = 0; i < n; i++) {
        struct channel_case *one;

        waiters[i] = (struct waiter){0};
        lua_rawgeti(L, 1, i + 1);
        one = object_test(L, -1, &case_class);
        lua_setiuservalue(L, 2, i + 1);
        if (one == NULL || (one->sends && one->channel->closed))
            continue;
        channel_wait(one->sends ? &one->channel->senders : &one->channel->receivers,
                     &waiters[i], task, one->channel, i + 1);
    }
    return task_block(L, 0, select_k);
}

static bool has_default(lua_State *L)
{
    bool given = lua_toboolean(L, 2);

    lua_getfield(L, 1, "default");
    given = given || lua_toboolean(L, -1);
    lua_pop(L, 1);
    return given;
}

/* CH-5: those between siblings alone never give up the processor. */
static bool has_queue(lua_State *L, int n)
{
    bool found = false;

    for (int i = 1; i <= n && !found; i++) {
        const struct channel_case *one;

        lua_rawgeti(L, 1, i);
        one = object_test(L, -1, &case_class);
        found = one != NULL && one->channel->is_queue;
        lua_pop(L, 1);
    }
    return found;
}

static bool select_should_give_way(lua_State *L, int n)
{
    struct task *task = task_current(L);

    return task != NULL && __builtin_expect(task->actor->is_crowded, 0) &&
           has_queue(L, n) && !has_default(L) && task_should_give_way(L, task->actor);
}

int channel_select(lua_State *L)
{
    int n;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (frozen_push_contents(L, 1))
        lua_replace(L, 1);
    luaL_argcheck(L, lua_rawlen(L, 1) <= CASES_MAX, 1, "too many cases");
    n = (int)lua_rawlen(L, 1);
    if (select_should_give_way(L, n))
        return task_give_way(L, channel_select);
    for (int i = 1; i <= n; i++) {
        struct channel_case *one;

        lua_rawgeti(L, 1, i);
        one = object_test(L, -1, &case_class);
        if (one != NULL && try_case(L, one))
            return 1;
        lua_settop(L, 2);
    }
    if (!has_default(L))
        return block_on_cases(L, n);
    lua_createtable(L, 0, 2);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "default");
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
}

void channel_define_cases(lua_State *L)
{
    object_define(L, &case_class, NULL, NULL);
}
