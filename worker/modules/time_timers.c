#include "worker/modules/mod_time.h"

#include <stdlib.h>

#include <ev.h>
#include <lauxlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include "worker/actor.h"
#include "worker/channel.h"
#include "worker/modules/errors.h"
#include "worker/modules/time_values.h"
#include "worker/object.h"
#include "worker/runtime.h"
#include "worker/vm.h"

#define TICKER_BUFFER 16 /* TM-4 */

static const struct object_class timer_class = {"time.Timer"};
static const struct object_class ticker_class = {"time.Ticker"};

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

/* ---- sleep ----------------------------------------------------------------------- */

struct sleeper {
    ev_timer timer;
    struct task *task;
};

static void sleep_withdraw(struct task *task)
{
    struct sleeper *sleeper = task->withdraw_state;

    ev_timer_stop(task->actor->vm->rt->loop, &sleeper->timer);
    free(sleeper);
}

static void on_slept(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct sleeper *sleeper = container_of(timer, struct sleeper, timer);
    struct task *task = sleeper->task;

    (void)loop, (void)revents;
    free(sleeper);
    task_wake(task, WAKE_PLAIN, 0);
}

static int slept(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

static int time_sleep(lua_State *L)
{
    struct sleeper *sleeper;
    struct task *task;
    int64_t ns;

    if (!time_check_duration(L, 1, &ns))
        return 2;
    task = task_begin_block(L);
    if (ns <= 0)
        return task_pause(L, 0, slept);
    sleeper = xcalloc(1, sizeof(*sleeper));
    sleeper->task = task;
    ev_timer_init(&sleeper->timer, on_slept, 0., 0.);
    ev_now_update(task->actor->vm->rt->loop); /* the slice may have lasted a while */
    ev_timer_set(&sleeper->timer, seconds(ns), 0.);
    ev_timer_start(task->actor->vm->rt->loop, &sleeper->timer);
    task->withdraw = sleep_withdraw;
    task->withdraw_state = sleeper;
    return task_block(L, 0, slept);
}

/* ---- timers and tickers ---------------------------------------------------------- */

/* Userdata (time.after's too, which no app sees); uservalue 1 its channel. */
struct timer {
    struct resource resource;
    ev_timer timer;
    struct actor *actor;
    struct channel *channel;
    bool repeats;
};

static void withdraw(struct resource *resource)
{
    struct timer *timer = container_of(resource, struct timer, resource);

    ev_timer_stop(timer->actor->vm->rt->loop, &timer->timer);
}

static void decode_tick(lua_State *L, struct channel *channel, struct message *message)
{
    (void)channel;
    time_push(L, message->at_ns,
              clock_monotonic_ns() - clock_wall_ns() + message->at_ns, NULL);
}

/* Nobody holds on to it for the loop any more. */
static void retire(struct timer *timer)
{
    struct actor *actor = timer->actor;

    ev_timer_stop(actor->vm->rt->loop, &timer->timer);
    list_remove(&timer->resource.node);
    actor->vm->n_trusted++;
    actor_release(actor, actor->vm->L, timer);
    actor->vm->n_trusted--;
}

static void on_due(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    static const struct bytes none = {NULL, 0};
    struct timer *timer = container_of(watcher, struct timer, timer);
    struct message *message = message_create(MSG_TICK, 0, none, none, none);

    (void)loop, (void)revents;
    if (message != NULL) {
        message->at_ns = clock_wall_ns();
        channel_deliver(timer->channel, message);
    } else if (!timer->repeats) {
        actor_doom(timer->actor, DOOM_UNTOLD);
    }
    if (!timer->repeats)
        retire(timer);
}

/* Pushes a timer object whose channel is anchored with it; first due after ns. */
static struct timer *push_timer(lua_State *L, const struct object_class *class,
                                int64_t ns, bool repeats)
{
    struct actor *actor = task_begin_block(L)->actor;
    struct timer *timer = lua_newuserdatauv(L, sizeof(*timer), 1);

    *timer = (struct timer){.actor = actor, .repeats = repeats};
    timer->resource.withdraw = withdraw;
    timer->channel = channel_push_queue(L, actor, decode_tick);
    timer->channel->close_when_empty = !repeats;
    timer->channel->queue_max = repeats ? TICKER_BUFFER : 0;
    lua_setiuservalue(L, -2, 1);
    object_bless(L, class);
    actor_anchor(actor, L, timer);
    actor_add_resource(actor, &timer->resource);
    ev_now_update(actor->vm->rt->loop);
    ev_timer_init(&timer->timer, on_due, seconds(ns), repeats ? seconds(ns) : 0.);
    ev_timer_start(actor->vm->rt->loop, &timer->timer);
    return timer;
}

/* false with nil and an Error pushed when argument 1 is no duration above zero. */
static bool check_positive(lua_State *L, const char *function, int64_t *ns_out)
{
    if (!time_check_duration(L, 1, ns_out))
        return false;
    if (*ns_out > 0)
        return true;
    errors_return(L, ERR_INVALID, "%s: duration must be > 0", function);
    return false;
}

static int time_after(lua_State *L)
{
    int64_t ns;

    if (!check_positive(L, "time.after", &ns))
        return 2;
    push_timer(L, &timer_class, ns, false);
    lua_getiuservalue(L, -1, 1);
    return 1;
}

static int time_timer(lua_State *L)
{
    int64_t ns;

    if (!check_positive(L, "time.timer", &ns))
        return 2;
    push_timer(L, &timer_class, ns, false);
    return 1;
}

static int time_ticker(lua_State *L)
{
    int64_t ns;

    if (!check_positive(L, "time.ticker", &ns))
        return 2;
    push_timer(L, &ticker_class, ns, true);
    return 1;
}

static struct timer *check_timer(lua_State *L)
{
    struct timer *timer = object_test(L, 1, &ticker_class);

    return timer != NULL ? timer : object_check(L, 1, &timer_class);
}

static int timer_response(lua_State *L)
{
    check_timer(L);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

/* TM-3: true if it was pending; TM-4: a ticker says true always. */
static int timer_stop(lua_State *L)
{
    struct timer *timer = check_timer(L);
    bool pending = ev_is_active(&timer->timer) && !timer->channel->closed;

    if (pending) {
        retire(timer);
        channel_close(timer->channel);
    }
    lua_pushboolean(L, pending || timer->repeats);
    return 1;
}

/* A fired or stopped timer can't be armed again. */
static int timer_reset(lua_State *L)
{
    struct timer *timer = object_check(L, 1, &timer_class);
    int64_t ns = time_need_duration(L, 2);

    if (ns <= 0)
        return luaL_error(L, "timer:reset: duration must be > 0");
    lua_pushboolean(L, ev_is_active(&timer->timer));
    if (ev_is_active(&timer->timer)) {
        ev_now_update(timer->actor->vm->rt->loop);
        ev_timer_stop(timer->actor->vm->rt->loop, &timer->timer);
        ev_timer_set(&timer->timer, seconds(ns), 0.);
        ev_timer_start(timer->actor->vm->rt->loop, &timer->timer);
    }
    return 1;
}

int mod_time_open(lua_State *L)
{
    static const luaL_Reg timer_methods[] = {{"response", timer_response},
                                             {"channel", timer_response},
                                             {"stop", timer_stop},
                                             {"reset", timer_reset},
                                             {NULL, NULL}};
    static const luaL_Reg ticker_methods[] = {{"response", timer_response},
                                              {"channel", timer_response},
                                              {"stop", timer_stop},
                                              {NULL, NULL}};
    static const luaL_Reg functions[] = {{"sleep", time_sleep},
                                         {"after", time_after},
                                         {"timer", time_timer},
                                         {"ticker", time_ticker},
                                         {NULL, NULL}};

    object_define(L, &timer_class, timer_methods, NULL);
    object_define(L, &ticker_class, ticker_methods, NULL);
    time_open(L);
    luaL_setfuncs(L, functions, 0);
    return 1;
}
