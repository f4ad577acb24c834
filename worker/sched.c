#include "worker/sched.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "common/clock.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/functions.h"
#include "worker/relations.h"
#include "worker/runtime.h"
#include "worker/vm.h"

#define SLICE_MS           4
#define TASKS_PER_TURN     256 /* of one actor, before the next one's turn */
#define TURNS_PER_READING  16  /* of the clock, for it costs as much as a short turn */
#define RETRY_INSTRUCTIONS 100 /* where the code can't yield right now */

/* lua_sethook() visits every call that is open: with very many, a tick would take
 * longer than a slice, and the code between two ticks would get nowhere. */
#define CALLS_MAX 100000

/*
 * What the timer's signal handler touches. lua_sethook() may be called from a signal
 * handler (Lua's own interpreter does it); nothing else of Lua may.
 */
static lua_State *volatile running;
static volatile sig_atomic_t slice;      /* names the slice under way */
static volatile sig_atomic_t tick_slice; /* the one that the last tick saw */
static volatile sig_atomic_t slice_over; /* a tick found the same slice again */
static volatile sig_atomic_t n_idle_ticks;
static volatile sig_atomic_t timer_armed;
static timer_t timer;

static void hook(lua_State *L, lua_Debug *ar);

static void set_timer(int ms)
{
    struct timespec period = {.tv_nsec = ms * 1000000L};
    struct itimerspec spec = {period, period};

    timer_armed = ms != 0;
    timer_settime(timer, 0, &spec, NULL);
}

/* Ticks come while there is work; two in a row without any end them. */
static void on_tick(int signal)
{
    int saved_errno = errno;
    lua_State *L = running;

    (void)signal;
    if (L == NULL) {
        if (++n_idle_ticks >= 2)
            set_timer(0);
    } else if (tick_slice == slice) {
        slice_over = 1;
        lua_sethook(L, hook, LUA_MASKCOUNT, 1);
    }
    tick_slice = slice;
    errno = saved_errno;
}

static bool can_yield(lua_State *L)
{
    return lua_isyieldable(L) && !vm_has_tag(L, VM_TAG_PINNED);
}

/* See sched_run_aside(). */
static void end_aside(lua_State *L)
{
    if (!can_yield(L))
        luaL_error(L, "this takes too long");
    lua_yield(L, 0);
}

static void hook(lua_State *L, lua_Debug *ar)
{
    struct task *task = task_current(L);

    lua_sethook(L, NULL, 0, 0);
    if (lua_getstack(L, CALLS_MAX, ar))
        luaL_error(L, "stack overflow");
    if (vm_of(L)->over)
        vm_check_ceiling(L);
    if (!slice_over)
        return;
    if (task == NULL) {
        end_aside(L);
        return;
    }
    if (!can_yield(L)) {
        lua_sethook(L, hook, LUA_MASKCOUNT, RETRY_INSTRUCTIONS);
        return;
    }
    task->blocked = L;
    task->n_values = 0;
    task->to_scheduler = true;
    task->goes_first = true; /* apps rely on it: only what may block switches (CO-2) */
    lua_yield(L, 0);
}

void sched_interrupt_running(void)
{
    if (running != NULL)
        lua_sethook(running, hook, LUA_MASKCOUNT, 1);
}

void sched_init(struct sched *sched, struct runtime *rt)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};

    *sched = (struct sched){.rt = rt};
    list_init(&sched->ready);
    list_init(&sched->doomed);
    list_init(&sched->graveyard);
    list_init(&sched->endings);
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == -1)
        abort(); /* only for want of memory at the very start */
}

void sched_finish(struct sched *sched)
{
    (void)sched;
    set_timer(0);
    timer_delete(timer);
}

/* Returns the one before. */
static lua_State *enter(lua_State *L)
{
    lua_State *previous = running;

    running = L;
    return previous;
}

static void leave(lua_State *previous)
{
    running = previous;
}

int sched_resume(lua_State *co, lua_State *from, int n_args, int *n_results)
{
    lua_State *previous = enter(co);
    int status;

    /* Its ceiling may have been passed while something else ran: ours, or another VM's
     * coroutine. */
    if (vm_of(co)->over)
        sched_interrupt_running();
    status = lua_resume(co, from, n_args, n_results);
    leave(previous);
    return status;
}

struct task *task_current(lua_State *L)
{
    return vm_of(L)->rt->sched.current;
}

/* ---- queues ---------------------------------------------------------------------- */

static void queue_actor(struct actor *actor)
{
    if (list_empty(&actor->in_ready) && actor->doom == DOOM_NONE)
        list_append(&actor->vm->rt->sched.ready, &actor->in_ready);
}

void task_make_ready(struct task *task)
{
    assert(list_empty(&task->ready));
    task->state = TASK_READY;
    list_append(&task->actor->ready, &task->ready);
    queue_actor(task->actor);
}

/* Before all that aren't in such a hurry. */
static void make_ready_first(struct task *task)
{
    struct list *place = task->actor->ready.next;

    while (place != &task->actor->ready &&
           container_of(place, struct task, ready)->goes_first)
        place = place->next;
    task->state = TASK_READY;
    list_append(place, &task->ready);
    queue_actor(task->actor);
}

void task_wake(struct task *task, enum wake wake, int n_values)
{
    assert(task->state == TASK_BLOCKED);
    task->wake = wake;
    task->n_values = (int16_t)n_values;
    task->withdraw = NULL;
    if (task->goes_first)
        make_ready_first(task);
    else
        task_make_ready(task);
}

void task_wake_reply(struct task *task, uint8_t status, struct bytes result)
{
    free(task->reply); /* one that it could not decode */
    task->reply = malloc(result.n + 1);
    task->reply_bytes = task->reply != NULL ? (uint32_t)result.n : 0;
    task->reply_status = task->reply != NULL ? status : REPLY_ERROR;
    if (result.n != 0 && task->reply != NULL)
        memcpy(task->reply, result.data, result.n);
    task_wake(task, WAKE_REPLY, 0);
}

static int refuse_at_file_level(lua_State *L)
{
    return luaL_error(L, "attempt to block at file level: only functions that run "
                         "after the file was loaded may wait");
}

static void need_yield(lua_State *L)
{
    if (!can_yield(L))
        luaL_error(L, "attempt to yield across a C-call boundary");
}

struct task *task_begin_block(lua_State *L)
{
    struct task *task = task_current(L);

    if (task == NULL || task->actor->stage == ACTOR_LOADING)
        refuse_at_file_level(L);
    need_yield(L);
    return task;
}

struct task *task_begin_read(lua_State *L)
{
    struct task *task = task_current(L);

    if (task == NULL || task->actor->stage != ACTOR_LOADING)
        return task_begin_block(L);
    if (vm_has_tag(task->co, VM_TAG_PINNED))
        refuse_at_file_level(L);
    need_yield(L);
    return task;
}

int task_pause(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
    struct task *task = task_current(L);

    task->blocked = L;
    task->n_values = 0;
    task->to_scheduler = true;
    return lua_yieldk(L, 0, ctx, k);
}

int task_block(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
    task_current(L)->state = TASK_BLOCKED;
    return task_pause(L, ctx, k);
}

bool task_should_give_way(lua_State *L, struct actor *actor)
{
    const struct task *task = task_current(L);

    if (task == NULL || task->actor != actor || actor->stage == ACTOR_LOADING ||
        !can_yield(L))
        return false;
    actor->is_crowded = false;
    return !list_empty(&actor->ready);
}

static int begin_again(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    return ((lua_CFunction)ctx)(L);
}

int task_give_way(lua_State *L, lua_CFunction f)
{
    return task_pause(L, (lua_KContext)f, begin_again);
}

/* ---- running --------------------------------------------------------------------- */

/* After a yield that nobody blocked for: preempted, paused, or the app's own yield with
 * no resumer above it, which lets others run (CO-5). Other actors may have their turn
 * in between; siblings only where the app yielded. */
static void yielded(struct task *task, int n_results)
{
    bool to_scheduler = task->to_scheduler;

    task->to_scheduler = false;
    if (to_scheduler && task->state != TASK_RUNNING)
        return; /* it is blocked, or woken already */
    if (!to_scheduler) {
        lua_pop(task->co, n_results);
        task->blocked = task->co;
        task->n_values = 0;
    }
    task_make_ready(task);
    if (task->goes_first) { /* preempted: even before others in a hurry */
        list_remove(&task->ready);
        list_prepend(&task->actor->ready, &task->ready);
    }
}

static void run_task(struct sched *sched, struct task *task)
{
    int n_results, n = task->blocked == task->co ? task->n_values : 0, status;
    struct task *previous = sched->current;

    task->state = TASK_RUNNING;
    task->goes_first = false;
    sched->current = task;
    task->actor->n_running++;
    status = sched_resume(task->co, NULL, n, &n_results);
    task->actor->n_running--;
    sched->current = previous;
    if (status == LUA_YIELD)
        yielded(task, n_results);
    else
        actor_task_ended(task, status, n_results);
}

static void begin_slice(struct sched *sched)
{
    sched->n_slices++;
    slice = (sig_atomic_t)(sched->n_slices & 0x7fffffff);
    slice_over = 0;
}

static void start_ticking(void)
{
    n_idle_ticks = 0;
    if (!timer_armed)
        set_timer(SLICE_MS);
}

void task_run_now(struct task *task)
{
    struct sched *sched = &task->actor->vm->rt->sched;

    list_remove(&task->ready);
    if (sched->current == NULL) {
        start_ticking();
        begin_slice(sched);
    }
    run_task(sched, task);
}

int sched_run_aside(struct sched *sched, lua_State *co, int n_args, int *n_results)
{
    struct vm *vm = vm_of(co);
    struct task *current = sched->current;
    sig_atomic_t outer_slice = slice, was_over = slice_over;
    uint32_t n_trusted = vm->n_trusted;
    int status;

    start_ticking();
    begin_slice(sched);
    sched->current = NULL;
    vm->n_trusted = 0;
    status = sched_resume(co, NULL, n_args, n_results);
    vm->n_trusted = n_trusted;
    sched->current = current;
    slice = outer_slice; /* who this is nested in gets no more time for it */
    slice_over = was_over;
    return status;
}

/* Actors that share state: nobody comes between when one was preempted in the middle of
 * something. */
static void __attribute__((cold, noinline)) queue_first(struct actor *actor)
{
    const struct task *first = container_of(actor->ready.next, struct task, ready);

    queue_actor(actor);
    if (!first->goes_first || actor->doom != DOOM_NONE)
        return;
    list_remove(&actor->in_ready); /* from where yielded() has put it */
    list_prepend(&actor->vm->rt->sched.ready, &actor->in_ready);
}

/* The turn is over, not its work: siblings that are in no hurry wait for the one who
 * used it up. */
static void queue_crowded(struct actor *actor)
{
    queue_actor(actor);
    if (!container_of(actor->ready.prev, struct task, ready)->goes_first)
        actor->is_crowded = true;
}

/* One actor's turn. The actor may end in it; then nothing of it is touched any more. */
static void run_actor(struct sched *sched, struct actor *actor)
{
    uint64_t pid = actor->pid;

    begin_slice(sched);
    for (int n = 0; n < TASKS_PER_TURN && !slice_over; n++) {
        struct list *node = list_take_first(&actor->ready);

        if (node == NULL)
            break;
        actor->n_steps++;
        run_task(sched, container_of(node, struct task, ready));
        if (actor->pid != pid || actor->doom != DOOM_NONE)
            return;
    }
    if (!list_empty(&actor->ready) && sched->rt->settings.shared)
        queue_first(actor);
    else if (!list_empty(&actor->ready))
        queue_crowded(actor);
    else if (actor->instance != NULL)
        functions_came_to_rest(actor);
}

void sched_settle(struct sched *sched)
{
    struct list *node;

    while ((node = list_take_first(&sched->doomed)) != NULL)
        actor_end_doomed(container_of(node, struct actor, in_ready));
    while ((node = list_take_first(&sched->graveyard)) != NULL)
        actor_bury(container_of(node, struct actor, in_ready));
}

void sched_run(struct sched *sched, int64_t budget_ns)
{
    int64_t end_ns = clock_monotonic_ns() + budget_ns;
    struct list *node;

    start_ticking();
    sched_settle(sched);
    if (!list_empty(&sched->endings))
        relations_go_on(sched->rt, RELATIONS_PER_TURN);
    for (unsigned n = 1; (node = list_take_first(&sched->ready)) != NULL; n++) {
        run_actor(sched, container_of(node, struct actor, in_ready));
        sched_settle(sched);
        if ((slice_over || n % TURNS_PER_READING == 0) &&
            clock_monotonic_ns() >= end_ns)
            break;
    }
}
