#include "worker/actor.h"

#include <assert.h>
#include <stdlib.h>

#include <lauxlib.h>

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
#include "worker/trace.h"
#include "worker/uplink.h"
#include "worker/upgrade.h"
#include "worker/vm.h"

#define IDLE_MAX 64 /* ended actors kept per VM for the next ones */

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
    trace_leave(task, NULL);
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

static void drop_run(struct actor *actor)
{
    struct list *node;

    drop_task(&actor->main);
    drop_belongings(actor);
    while ((node = list_take_first(&actor->queues)) != NULL)
        channel_abandon(container_of(node, struct channel, in_actor));
}

static void drop_all(struct actor *actor)
{
    drop_run(actor);
    msgq_clear(&actor->mailbox);
    free(actor->start);
    actor->start = NULL;
}

void actor_strip(struct actor *actor)
{
    list_remove(&actor->in_ready);
    actor_recall_messages(actor);
    drop_run(actor);
    actor->inbox = actor->events = NULL;
    actor->trap_links = actor->upgradable = false;
    actor->stage = ACTOR_UPGRADING;
    actor->doom = DOOM_NONE;
}

void actor_end(struct actor *actor, const struct outcome *outcome)
{
    struct runtime *rt = actor->vm->rt;
    uint64_t pid = actor->pid;

    assert(pid != 0);
    actor->stage = ACTOR_ENDED;
    list_remove(&actor->in_ready);
    trace_leave(&actor->main, outcome);
    drop_all(actor);
    if (actor->instance != NULL)
        functions_ended(actor, outcome);
    if (actor->is_known)
        uplink_send_gone(rt->uplink, pid);
    slots_leave(&rt->slots, pid);
    actor->pid = 0;
    relations_end(actor, pid, outcome);
    trace_note_end(actor, outcome);
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

void actor_retire(struct actor *actor)
{
    struct vm *vm = actor->vm;

    vm->n_trusted++;
    luaL_unref(vm->L, LUA_REGISTRYINDEX, actor->fn_ref);
    actor_forget(actor, vm->L);
    vm->n_actors--;
    vm->program->n_actors--;
    vm->n_trusted--;
}

void actor_bury(struct actor *actor)
{
    struct vm *vm = actor->vm;

    vm->n_trusted++;
    clear_uservalues(actor, vm->L);
    if (actor->instance != NULL) {
        renew_main(actor, vm->L);
        actor_reset(actor, actor->host);
        functions_instance_free(actor);
    } else {
        vm->n_actors--;
        vm->program->n_actors--;
        if (vm->n_idle < IDLE_MAX) {
            renew_main(actor, vm->L);
            list_prepend(&vm->idle, &actor->in_ready);
            vm->n_idle++;
        } else {
            actor_forget(actor, vm->L);
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

    if (n_results > 2) { /* the others may have filled the stack */
        lua_settop(L, first + 1);
        n_results = 2;
    }
    if (!lua_checkstack(L, LUA_MINSTACK))
        mem_give_up(LUA_MINSTACK);
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
    if (program->is_interceptor) {
        err.kind = ERR_INTERNAL; /* it isn't what was called that isn't there */
        err_wrap(&err, "interceptor %s", program->id);
    }
    if (start->is_upgrade) {
        err.kind = ERR_INTERNAL;
        err.retryable = RETRY_UNKNOWN; /* a service starts it anew */
        err_wrap(&err, "upgrade: init failed");
    }
    if (start->on_loaded != NULL)
        start->on_loaded(start->context, actor, &err);
    actor_fail(actor, &err);
}

/* Replaces an app's object, on top of L, by its text. Its __tostring is the app's, too:
 * it runs on nobody's behalf, not on that of who spawns this actor, in a VM of its own
 * perhaps; and it may have no end. */
static void name_raised(struct sched *sched, lua_State *L)
{
    int raised = lua_gettop(L), n = 0;
    lua_State *co;

    if (lua_type(L, raised) != LUA_TTABLE ||
        luaL_getmetafield(L, raised, "__tostring") == LUA_TNIL)
        return;
    co = lua_newthread(L);
    vm_set_tag(co, VM_TAG_TASK, true);
    lua_insert(L, -2);
    lua_pushvalue(L, raised);
    lua_xmove(L, co, 2);
    if (sched_run_aside(sched, co, 1, &n) == LUA_OK && n > 0 && lua_isstring(co, -n)) {
        lua_pushvalue(co, -n);
        lua_xmove(co, L, 1);
        lua_tostring(L, -1);
    } else {
        lua_pushliteral(L, "(error object is a table value)");
    }
    lua_replace(L, raised);
    lua_settop(L, raised);
}

static void task_failed(struct task *task)
{
    struct actor *actor = task->actor;
    struct sched *sched = &actor->vm->rt->sched;
    struct task *current = sched->current;
    lua_State *L = actor->vm->L;
    struct outcome outcome;

    sched->current = NULL;
    actor->vm->n_trusted++;
    lua_settop(L, 0);
    lua_xmove(task->co, L, 1);
    name_raised(sched, L);
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

    trace_leave(task, NULL);
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
        actor_loaded(actor);
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
        [DOOM_UNTOLD] = {ERR_UNAVAILABLE, RETRY_YES,
                         "no memory for an event that it waits for"},
        [DOOM_LINGER] = {ERR_TIMEOUT, RETRY_NO, "linger time is over"},
    };
    struct err err;

    if (actor->stage == ACTOR_ENDED)
        return;
    if (actor->doom == DOOM_UPGRADE) {
        upgrade_begin(actor);
        return;
    }
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
