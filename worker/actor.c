#include "worker/actor.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/value_codec.h"
#include "worker/channel.h"
#include "worker/codec.h"
#include "worker/functions.h"
#include "worker/modules/errors.h"
#include "worker/program.h"
#include "worker/relations.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

#define MAX_ARGS             10000
#define IDLE_MAX             64     /* ended actors kept per VM for the next ones */
#define MAILBOX_MIN_MESSAGES 100000 /* MB-5: never fewer, whatever their bytes */

/* ---- context -----------------------------------------------------------------------
 */

struct context *context_create(struct bytes bytes)
{
    struct context *context;

    if (bytes.n == 0)
        return NULL;
    context = malloc(sizeof(*context) + bytes.n);
    if (context == NULL)
        return NULL;
    context->n_refs = 1;
    context->n_bytes = (uint32_t)bytes.n;
    memcpy(context->data, bytes.data, bytes.n);
    return context;
}

struct context *context_ref(struct context *context)
{
    if (context != NULL)
        context->n_refs++;
    return context;
}

void context_unref(struct context *context)
{
    if (context != NULL && --context->n_refs == 0)
        free(context);
}

/* ---- the Lua side of an actor -------------------------------------------------------
 */

void actor_push(struct actor *actor, lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, actor->vm->ref_actors);
    lua_rawgeti(L, -1, actor->vm_index);
    lua_remove(L, -2);
}

void actor_push_uservalue(struct actor *actor, lua_State *L, int n)
{
    actor_push(actor, L);
    lua_getiuservalue(L, -1, n);
    lua_remove(L, -2);
}

void actor_set_uservalue(struct actor *actor, lua_State *L, int n)
{
    actor->has_uservalues = actor->has_uservalues || n > ACTOR_UV_MAIN;
    actor_push(actor, L);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, n);
    lua_pop(L, 1);
}

static void push_anchors(struct actor *actor, lua_State *L)
{
    actor_push_uservalue(actor, L, ACTOR_UV_ANCHORS);
    if (!lua_isnil(L, -1))
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    actor_set_uservalue(actor, L, ACTOR_UV_ANCHORS);
}

void actor_anchor(struct actor *actor, lua_State *L, const void *key)
{
    luaL_checkstack(L, 6, NULL);
    push_anchors(actor, L);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, key);
    lua_pop(L, 1);
}

void actor_push_anchored(struct actor *actor, lua_State *L, const void *key)
{
    push_anchors(actor, L);
    lua_rawgetp(L, -1, key);
    lua_remove(L, -2);
}

void actor_release(struct actor *actor, lua_State *L, const void *key)
{
    push_anchors(actor, L);
    lua_pushnil(L);
    lua_rawsetp(L, -2, key);
    lua_pop(L, 1);
}

struct actor *actor_current(lua_State *L)
{
    struct task *task = task_current(L);

    if (task == NULL) {
        luaL_error(L, "this needs a running process");
        return NULL; /* not reached, which not every reader knows */
    }
    return task->actor;
}

static uint32_t take_index(struct vm *vm)
{
    return vm->n_free_indices != 0 ? vm->free_indices[--vm->n_free_indices]
                                   : ++vm->n_indices;
}

static void give_index_back(struct vm *vm, uint32_t index)
{
    if (vm->n_free_indices == vm->free_size) {
        vm->free_size = vm->free_size == 0 ? 64 : 2 * vm->free_size;
        vm->free_indices =
            xrealloc(vm->free_indices, vm->free_size * sizeof(*vm->free_indices));
    }
    vm->free_indices[vm->n_free_indices++] = index;
}

static struct actor *push_new(struct vm *vm, lua_State *L)
{
    struct actor *actor = lua_newuserdatauv(L, sizeof(*actor), ACTOR_N_UV);

    *actor = (struct actor){.vm = vm};
    actor->vm_index = take_index(vm);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->ref_actors);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, actor->vm_index);
    lua_pop(L, 1);
    return actor;
}

static void task_init(struct task *task, struct actor *actor, lua_State *co)
{
    task->actor = actor; /* the rest is zero */
    task->co = task->blocked = co;
    list_init(&task->ready);
    list_init(&task->waiter.node);
}

static struct actor *take_idle(struct vm *vm)
{
    struct list *node = list_take_first(&vm->idle);

    if (node != NULL)
        vm->n_idle--;
    return node != NULL ? container_of(node, struct actor, in_ready) : NULL;
}

/* Everything but what outlives a run. */
static void reset(struct actor *actor, const char *host)
{
    lua_State *co = actor->main.co;

    memset(&actor->pid, 0, sizeof(*actor) - offsetof(struct actor, pid));
    actor->host = host;
    task_init(&actor->main, actor, co);
    list_init(&actor->in_ready);
    list_init(&actor->ready);
    list_init(&actor->queues);
    msgq_init(&actor->mailbox);
}

struct belongings *actor_belongings(struct actor *actor)
{
    if (actor->belongings == NULL) {
        actor->belongings = xcalloc(1, sizeof(*actor->belongings));
        list_init(&actor->belongings->tasks);
        list_init(&actor->belongings->resources);
        list_init(&actor->belongings->exits);
    }
    return actor->belongings;
}

void actor_add_resource(struct actor *actor, struct resource *resource)
{
    list_append(&actor_belongings(actor)->resources, &resource->node);
}

bool actor_take_exit(struct actor *watcher, uint64_t pid, bool failed,
                     struct bytes result)
{
    if (watcher->belongings == NULL)
        return false;
    LIST_FOREACH (node, &watcher->belongings->exits) {
        struct exit_wait *wait = container_of(node, struct exit_wait, node);

        if (wait->pid != pid)
            continue;
        list_remove(&wait->node);
        wait->done(wait, failed, result);
        return true;
    }
    return false;
}

struct actor *actor_create(struct vm *vm, const char *host)
{
    lua_State *L = vm->L;
    struct actor *actor = take_idle(vm);

    vm->n_trusted++;
    if (actor == NULL) {
        actor = push_new(vm, L);
        actor->main.co = lua_newthread(L);
        vm_set_tag(actor->main.co, VM_TAG_TASK, true);
        lua_setiuservalue(L, -2, ACTOR_UV_MAIN);
        lua_pop(L, 1);
    }
    actor->fn_ref = LUA_NOREF;
    actor->instance = NULL;
    reset(actor, host);
    vm->n_actors++;
    vm->program->n_actors++;
    vm->n_trusted--;
    return actor;
}

struct start *start_create(struct bytes args)
{
    struct start *start = malloc(sizeof(*start) + args.n);

    if (start == NULL)
        return NULL;
    *start = (struct start){.args_bytes = (uint32_t)args.n};
    if (args.n != 0)
        memcpy(start->args, args.data, args.n);
    return start;
}

/* ---- loading: the first run of the main coroutine returns the method
 * -----------------
 */

/* The result of a library is a global of its alias; the entry's own stays on top. */
static void bind_result(lua_State *L, const struct binding *binding)
{
    if (binding->alias != NULL)
        lua_setfield(L, 1, binding->alias);
}

/* Replaces the chunk's value on top by the function to run (LUA-32). */
static void find_method(lua_State *L, struct start *start, const struct unit *unit)
{
    start->has_run_chunk = true;
    if (lua_istable(L, -1)) {
        lua_pushstring(L, unit->method);
        lua_rawget(L, -2);
        lua_remove(L, -2);
    }
    if (!lua_isfunction(L, -1)) {
        errors_push(L, ERR_NOT_FOUND, RETRY_NO, "method \"%s\" not found in module",
                    unit->method);
        lua_error(L);
    }
}

/* ctx = the binding whose chunk has just returned, 1-based. */
static int load_next(lua_State *L, int status, lua_KContext ctx)
{
    struct actor *actor = actor_current(L);
    const struct program *program = actor->vm->program;
    int i = (int)ctx;

    (void)status;
    if (i > 0)
        bind_result(L, &program->bindings[i - 1]);
    while (i < program->n_bindings) {
        actor->start->load_at = (uint32_t)i++;
        lua_rawgeti(L, LUA_REGISTRYINDEX, actor->vm->ref_chunks);
        lua_rawgeti(L, -1, i);
        lua_replace(L, -2);
        lua_pushvalue(L, 1);
        lua_callk(L, 1, 1, i, load_next);
        bind_result(L, &program->bindings[i - 1]);
    }
    find_method(L, actor->start, program->unit);
    return 1;
}

static int load(lua_State *L)
{
    vm_push_env(vm_of(L), L);
    return load_next(L, LUA_OK, 0);
}

/* It never was anybody: no pid, no end to tell of. */
static void discard(struct actor *actor)
{
    actor->stage = ACTOR_ENDED;
    context_unref(actor->context);
    actor->context = NULL;
    list_append(&actor->vm->rt->sched.graveyard, &actor->in_ready);
}

static int enter(struct actor *actor, struct start *start, struct err *err)
{
    actor->pid = slots_enter(&actor->vm->rt->slots, actor);
    if (actor->pid == 0) {
        free(start);
        if (actor->instance == NULL)
            discard(actor);
        return err_set(err, ERR_LIMIT_EXCEEDED, "max processes limit exceeded");
    }
    actor->start = start;
    actor->started_at_ns = (int64_t)(ev_now(actor->vm->rt->loop) * 1e9);
    return 0;
}

int actor_start(struct actor *actor, struct start *start, struct err *err)
{
    if (enter(actor, start, err) == -1)
        return -1;
    lua_pushcfunction(actor->main.co, load);
    task_make_ready(&actor->main);
    task_run_now(&actor->main);
    return 0;
}

/* The method is on top of the main coroutine: makes it run with the actor's arguments.
 * It is the coroutine's body itself, with no frame of ours below it. */
static void run_method(struct actor *actor)
{
    struct start *start = actor->start;
    lua_State *co = actor->main.co;
    struct err err;
    int n = 0;

    actor->start = NULL;
    actor->stage = ACTOR_RUNNING;
    actor->vm->n_trusted++;
    if (start->args_bytes != 0)
        n = codec_decode_args(co, start->args, start->args_bytes, MAX_ARGS, &err);
    actor->vm->n_trusted--;
    free(start);
    if (n == -1) {
        actor_fail(actor, &err);
        return;
    }
    actor->main.blocked = co;
    actor->main.n_values = (int16_t)n;
    task_make_ready(&actor->main);
}

int actor_restart(struct actor *actor, struct start *start, struct err *err)
{
    if (enter(actor, start, err) == -1)
        return -1;
    lua_rawgeti(actor->main.co, LUA_REGISTRYINDEX, actor->fn_ref);
    run_method(actor);
    return 0;
}

static void loaded(struct actor *actor)
{
    struct start *start = actor->start;
    lua_State *co = actor->main.co;

    if (actor->instance != NULL) {
        actor->vm->n_trusted++;
        lua_pushvalue(co, -1);
        actor->fn_ref = luaL_ref(co, LUA_REGISTRYINDEX);
        actor->vm->n_trusted--;
    }
    if (start->on_loaded != NULL)
        start->on_loaded(start->context, actor, NULL);
    run_method(actor);
}

struct task *actor_spawn_task(struct actor *actor, lua_State *L)
{
    struct extra_task *extra = lua_newuserdatauv(L, sizeof(*extra), 1);
    lua_State *co = lua_newthread(L);

    vm_set_tag(co, VM_TAG_TASK, true);
    memset(extra, 0, sizeof(*extra));
    task_init(&extra->task, actor, co);
    lua_setiuservalue(L, -2, 1);
    actor_anchor(actor, L, extra);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_xmove(L, co, 1);
    lua_pop(L, 1);
    actor_push_anchored(actor, L, extra); /* the caller gets the thread */
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
    list_append(&actor_belongings(actor)->tasks, &extra->node);
    actor->belongings->n_tasks++;
    task_make_ready(&extra->task);
    return &extra->task;
}

/* ---- the end ------------------------------------------------------------------------
 */

static void drop_task(struct task *task)
{
    if (task->withdraw != NULL)
        task->withdraw(task);
    task->withdraw = NULL;
    list_remove(&task->ready);
    list_remove(&task->waiter.node);
    for (uint16_t i = 0; i < task->n_cases; i++)
        if (task->cases[i].task != NULL)
            list_remove(&task->cases[i].node);
    task->n_cases = 0;
    message_destroy(task->message);
    free(task->reply);
    task->message = NULL;
    task->reply = NULL;
    task->state = TASK_DONE;
}

static void drop_belongings(struct actor *actor)
{
    struct belongings *belongings = actor->belongings;
    struct list *node;

    if (belongings == NULL)
        return;
    while ((node = list_take_first(&belongings->tasks)) != NULL)
        drop_task(&container_of(node, struct extra_task, node)->task);
    while ((node = list_take_first(&belongings->resources)) != NULL) {
        struct resource *resource = container_of(node, struct resource, node);

        resource->withdraw(resource);
    }
    actor->belongings = NULL;
    free(belongings);
}

static void drop_all(struct actor *actor)
{
    struct list *node;

    drop_task(&actor->main);
    drop_belongings(actor);
    while ((node = list_take_first(&actor->queues)) != NULL)
        channel_abandon(container_of(node, struct channel, in_actor));
    msgq_clear(&actor->mailbox);
    free(actor->start);
    actor->start = NULL;
}

void actor_end(struct actor *actor, const struct outcome *outcome)
{
    struct runtime *rt = actor->vm->rt;
    uint64_t pid = actor->pid;

    assert(pid != 0);
    actor->stage = ACTOR_ENDED;
    list_remove(&actor->in_ready);
    drop_all(actor);
    if (actor->instance != NULL)
        functions_ended(actor, outcome);
    if (actor->is_known)
        uplink_send_gone(rt->uplink, pid);
    slots_leave(&rt->slots, pid);
    actor->pid = 0;
    relations_end(actor, pid, outcome);
    context_unref(actor->context);
    actor->context = NULL;
    list_append(&rt->sched.graveyard, &actor->in_ready);
}

/* A coroutine that ended well is ready for another run; any other one is replaced, its
 * pending <close> variables never run (MP-23). */
static void renew_main(struct actor *actor, lua_State *L)
{
    if (actor->keeps_main) {
        lua_settop(actor->main.co, 0);
        return;
    }
    actor->main.co = lua_newthread(L);
    vm_set_tag(actor->main.co, VM_TAG_TASK, true);
    actor_set_uservalue(actor, L, ACTOR_UV_MAIN);
}

static void clear_uservalues(struct actor *actor, lua_State *L)
{
    if (actor->instance != NULL && !actor->has_uservalues)
        return;
    actor_push(actor, L);
    for (int n = ACTOR_UV_INBOX; n <= ACTOR_UV_ANCHORS; n++) {
        lua_pushnil(L);
        lua_setiuservalue(L, -2, n);
    }
    lua_pop(L, 1);
}

static void forget(struct actor *actor, lua_State *L)
{
    struct vm *vm = actor->vm;

    give_index_back(vm, actor->vm_index);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->ref_actors);
    lua_pushnil(L);
    lua_rawseti(L, -2, actor->vm_index);
    lua_pop(L, 1);
}

void actor_bury(struct actor *actor)
{
    struct vm *vm = actor->vm;

    vm->n_trusted++;
    clear_uservalues(actor, vm->L);
    if (actor->instance != NULL) {
        renew_main(actor, vm->L);
        reset(actor, actor->host);
        functions_instance_free(actor);
    } else {
        vm->n_actors--;
        vm->program->n_actors--;
        if (vm->n_idle < IDLE_MAX) {
            renew_main(actor, vm->L);
            list_prepend(&vm->idle, &actor->in_ready);
            vm->n_idle++;
        } else {
            forget(actor, vm->L);
        }
    }
    vm->n_trusted--;
    if (vm->n_actors == 0)
        program_vm_emptied(vm);
}

/* Encodes what main returned or raised (LUA-33, LUA-54); the values are on top of L. */
static void encode_outcome(lua_State *L, bool raised, int n_results, struct buf *out,
                           struct outcome *outcome_out)
{
    struct err err;
    int first = lua_gettop(L) - n_results + 1;

    lua_checkstack(L, LUA_MINSTACK);
    buf_clear(out);
    outcome_out->failed = raised;
    if (!raised && n_results >= 2) {
        if (lua_type(L, first + 1) == LUA_TSTRING) {
            errors_push(L, ERR_INTERNAL, RETRY_NO, "%s", lua_tostring(L, first + 1));
            lua_replace(L, first + 1);
        }
        outcome_out->failed = errors_test(L, first + 1);
        if (outcome_out->failed)
            lua_pushvalue(L, first + 1);
    }
    if (outcome_out->failed) {
        errors_push_raised(L, lua_gettop(L));
        codec_encode_error(L, lua_gettop(L), out);
    } else if (codec_encode_args(L, first, n_results > 1 ? 1 : n_results, out, &err) ==
               -1) {
        outcome_out->failed = true;
        errors_push_struct(L, &err);
        codec_encode_error(L, lua_gettop(L), out);
    }
    outcome_out->result = buf_bytes(out);
}

/* PM-2c: an error while loading is the spawner's. */
static void loading_failed(struct actor *actor, lua_State *L)
{
    const struct program *program = actor->vm->program;
    struct start *start = actor->start;
    const struct binding *binding = &program->bindings[start->load_at];
    struct err err;

    errors_push_raised(L, lua_gettop(L));
    errors_to_struct(L, lua_gettop(L), &err);
    if (!start->has_run_chunk) {
        err.kind = ERR_INTERNAL;
        err.retryable = RETRY_NO;
        if (binding->alias != NULL)
            err_wrap(&err, "failed to load dependency %s", binding->alias);
        else
            err_wrap(&err, "failed to execute script");
    }
    if (start->on_loaded != NULL)
        start->on_loaded(start->context, actor, &err);
    actor_fail(actor, &err);
}

static void task_failed(struct task *task)
{
    struct actor *actor = task->actor;
    struct sched *sched = &actor->vm->rt->sched;
    struct task *current = sched->current;
    lua_State *L = actor->vm->L;
    struct outcome outcome;

    /* A __tostring of what was raised runs on nobody's behalf: not on that of who
     * spawns this actor, in a VM of its own perhaps. */
    sched->current = NULL;
    actor->vm->n_trusted++;
    lua_settop(L, 0);
    lua_xmove(task->co, L, 1);
    if (actor->stage == ACTOR_LOADING) {
        loading_failed(actor, L);
    } else {
        encode_outcome(L, true, 1, &actor->vm->rt->scratch, &outcome);
        actor_end(actor, &outcome);
    }
    lua_settop(L, 0);
    actor->vm->n_trusted--;
    sched->current = current;
}

static void extra_ended(struct actor *actor, struct task *task)
{
    struct extra_task *extra = container_of(task, struct extra_task, task);

    lua_settop(task->co, 0); /* dead, for coroutine.status() */
    list_remove(&extra->node);
    actor->belongings->n_tasks--;
    actor->vm->n_trusted++;
    actor_release(actor, actor->vm->L, extra);
    actor->vm->n_trusted--;
}

void actor_task_ended(struct task *task, int status, int n_results)
{
    struct actor *actor = task->actor;
    struct outcome outcome;

    task->state = TASK_DONE;
    if (status != LUA_OK) {
        task_failed(task);
    } else if (task != &actor->main) {
        extra_ended(actor, task);
    } else if (actor->stage == ACTOR_LOADING) {
        loaded(actor);
    } else {
        actor->keeps_main = true;
        actor->vm->n_trusted++;
        encode_outcome(task->co, false, n_results, &actor->vm->rt->scratch, &outcome);
        actor->vm->n_trusted--;
        if (!functions_lingers(actor, &outcome))
            actor_end(actor, &outcome);
    }
}

void actor_fail(struct actor *actor, const struct err *err)
{
    struct buf *out = &actor->vm->rt->scratch;
    struct outcome outcome = {.failed = true};

    buf_clear(out);
    error_encode(out, err);
    outcome.result = buf_bytes(out);
    actor_end(actor, &outcome);
}

void actor_doom(struct actor *actor, enum doom doom)
{
    if (actor->doom != DOOM_NONE || actor->stage == ACTOR_ENDED)
        return;
    actor->doom = doom;
    list_remove(&actor->in_ready);
    list_append(&actor->vm->rt->sched.doomed, &actor->in_ready);
}

void actor_end_doomed(struct actor *actor)
{
    static const struct {
        enum err_kind kind;
        enum err_retry retryable;
        const char *text;
    } rows[] = {
        [DOOM_TERMINATED] = {ERR_INTERNAL, RETRY_UNKNOWN, "process terminated"},
        [DOOM_LINK] = {ERR_INTERNAL, RETRY_UNKNOWN, "linked process failed"},
        [DOOM_CANCELED] = {ERR_CANCELED, RETRY_NO, "context canceled"},
        [DOOM_LINGER] = {ERR_TIMEOUT, RETRY_NO, "linger time is over"},
    };
    struct err err;

    if (actor->stage == ACTOR_ENDED)
        return;
    err_set(&err, rows[actor->doom].kind, "%s", rows[actor->doom].text);
    err.retryable = rows[actor->doom].retryable;
    if (actor->stage == ACTOR_LOADING && actor->start->on_loaded != NULL)
        actor->start->on_loaded(actor->start->context, actor, &err);
    actor_fail(actor, &err);
}

void actors_end_all(struct runtime *rt)
{
    for (uint32_t slot = 1; slot < rt->slots.n_used; slot++)
        if (slots_at(&rt->slots, slot) != NULL)
            actor_doom(slots_at(&rt->slots, slot), DOOM_TERMINATED);
    sched_settle(&rt->sched);
}

/* ---- mailbox ------------------------------------------------------------------------
 */

static void count_in(struct actor *actor, struct message *message)
{
    message->is_counted = true;
    actor->mailbox_bytes += message_size(message);
    actor->mailbox_n++;
    if (!actor->is_full && actor->mailbox_n > MAILBOX_MIN_MESSAGES &&
        actor->mailbox_bytes > actor->vm->rt->settings.mailbox_max_bytes) {
        actor->is_full = true;
        slots_set_full(&actor->vm->rt->slots, actor->pid, true);
    }
}

void actor_consumed(struct actor *actor, const struct message *message)
{
    if (!message->is_counted)
        return;
    actor->mailbox_bytes -= message_size(message);
    actor->mailbox_n--;
    if (actor->is_full &&
        (actor->mailbox_n <= MAILBOX_MIN_MESSAGES ||
         actor->mailbox_bytes < actor->vm->rt->settings.mailbox_max_bytes / 4 * 3)) {
        actor->is_full = false;
        slots_set_full(&actor->vm->rt->slots, actor->pid, false);
    }
}

/* MB-2: the topic's own listener, else the inbox, else nobody yet. */
static struct channel *taker(struct actor *actor, const struct message *message)
{
    struct channel *channel;

    if (message->kind != MSG_USER)
        return actor->events;
    channel =
        channel_find(&actor->queues, message_topic(message), message->topic_bytes);
    if (channel != NULL)
        return channel;
    return message_topic(message)[0] != '@' ? actor->inbox : NULL;
}

int actor_deliver(struct actor *actor, struct message *message)
{
    struct channel *channel;

    if (message->kind == MSG_DOWN && !actor->trap_links) {
        message_destroy(message);
        actor_doom(actor, DOOM_LINK);
        return 0;
    }
    if (message->kind == MSG_USER && actor->is_full) {
        message_destroy(message);
        return -1;
    }
    count_in(actor, message);
    channel = taker(actor, message);
    if (channel != NULL)
        channel_deliver(channel, message);
    else
        msgq_append(&actor->mailbox, message);
    return 0;
}

static bool goes_to(struct actor *actor, const struct message *message,
                    const struct channel *channel)
{
    return taker(actor, message) == channel;
}

/* Moves what channel takes out of a queue, in order. */
static void sift(struct actor *actor, struct msgq *queue, struct channel *channel)
{
    struct msgq rest;
    struct message *message;

    msgq_init(&rest);
    while ((message = msgq_take(queue)) != NULL) {
        if (goes_to(actor, message, channel))
            channel_deliver(channel, message); /* somebody may wait in it already */
        else
            msgq_append(&rest, message);
    }
    *queue = rest;
    if (rest.first == NULL)
        queue->last = &queue->first;
}

void actor_reroute(struct actor *actor, struct channel *channel)
{
    sift(actor, &actor->mailbox, channel);
    if (channel != actor->inbox && actor->inbox != NULL && channel->topic != NULL)
        sift(actor, &actor->inbox->queue, channel);
}
