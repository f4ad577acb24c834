#include "worker/actor.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/mem.h"

#include "worker/codec.h"
#include "worker/frozen.h"
#include "worker/interceptor.h"
#include "worker/modules/errors.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/trace.h"
#include "worker/types.h"
#include "worker/unit.h"
#include "worker/vm.h"

/* Arguments of so many bytes may be decoded whatever memory is left: it is little that
 * they come to. */
#define ARGS_TRUSTED_BYTES (32u << 10)

/* ---- the Lua side of an actor ---------------------------------------------------- */

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

void actor_forget(struct actor *actor, lua_State *L)
{
    struct vm *vm = actor->vm;

    give_index_back(vm, actor->vm_index);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->ref_actors);
    lua_pushnil(L);
    lua_rawseti(L, -2, actor->vm_index);
    lua_pop(L, 1);
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

void actor_reset(struct actor *actor, const char *host)
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
    actor_reset(actor, host);
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

/* ---- loading: the first run of the main coroutine returns the method ------------- */

/* The result of a library is a global of its alias; the entry's own stays on top. */
static void bind_result(lua_State *L, const struct binding *binding, bool has_types)
{
    if (has_types)
        types_export(L, binding->unit);
    if (binding->alias != NULL)
        lua_setfield(L, 1, binding->alias);
}

/* Replaces the chunk's value on top by the function to run (LUA-32). */
static void find_method(lua_State *L, struct start *start, const struct unit *unit)
{
    start->has_run_chunk = true;
    if (start->only_loads && unit->method[0] == '\0')
        return; /* a module: its methods are called by their own names */
    if (lua_istable(L, -1)) {
        frozen_get_field(L, -1, unit->method);
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
        bind_result(L, &program->bindings[i - 1], program->has_types);
    while (i < program->n_bindings) {
        if (program->has_types)
            types_bind(L, 1, program->bindings[i].unit);
        actor->start->load_at = (uint32_t)i++;
        lua_rawgeti(L, LUA_REGISTRYINDEX, actor->vm->ref_chunks);
        lua_rawgeti(L, -1, i);
        lua_replace(L, -2);
        lua_pushvalue(L, 1);
        lua_callk(L, 1, 1, i, load_next);
        bind_result(L, &program->bindings[i - 1], program->has_types);
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

/* Some arguments: the start and an err, as pointers. */
static int decode_many(lua_State *L)
{
    const struct start *start = lua_touserdata(L, 1);
    struct err *err = lua_touserdata(L, 2);
    int n = codec_decode_args(L, start->args, start->args_bytes, CODEC_MAX_ARGS, err);

    return n == -1 ? luaL_error(L, "%s", err->text) : n;
}

/* Arguments that may take up the memory of the VM many times over, once they are
 * decoded. */
static int __attribute__((cold, noinline))
push_many(lua_State *co, struct start *start, struct err *err)
{
    int top = lua_gettop(co);

    *err = (struct err){.kind = ERR_INTERNAL, .retryable = RETRY_NO};
    if (!lua_checkstack(co, LUA_MINSTACK))
        return err_set(err, ERR_UNAVAILABLE, "no memory for the stack");
    lua_pushcfunction(co, decode_many);
    lua_pushlightuserdata(co, start);
    lua_pushlightuserdata(co, err);
    if (lua_pcall(co, 2, LUA_MULTRET, 0) == LUA_OK)
        return lua_gettop(co) - top;
    if (err->text[0] == '\0')
        err_set(err, ERR_INTERNAL, "%s", lua_tostring(co, -1));
    lua_settop(co, top);
    return -1;
}

/* Pushes the actor's arguments; their number, or -1. */
static int push_args(struct vm *vm, lua_State *co, struct start *start, struct err *err)
{
    int n;

    if (start->args_bytes == 0)
        return 0;
    if (start->args_bytes > ARGS_TRUSTED_BYTES)
        return push_many(co, start, err);
    vm->n_trusted++;
    n = codec_decode_args(co, start->args, start->args_bytes, CODEC_MAX_ARGS, err);
    vm->n_trusted--;
    return n;
}

/* The method is on top of the main coroutine: makes it run with the actor's arguments.
 * It is the coroutine's body itself, with no frame of ours below it. */
static void run_method(struct actor *actor)
{
    struct start *start = actor->start;
    lua_State *co = actor->main.co;
    struct err err;
    int n;

    actor->start = NULL;
    actor->stage = ACTOR_RUNNING;
    n = push_args(actor->vm, co, start, &err);
    actor->vm->n_trusted++;
    if (__builtin_expect(actor->vm->program->is_interceptor, 0) && n != -1)
        n = interceptor_enter(actor, co, n, &err);
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

void actor_take_over(struct actor *actor, struct actor *old)
{
    actor->pid = old->pid;
    actor->start = old->start;
    actor->relations = old->relations;
    actor->context = old->context;
    actor->started_at_ns = old->started_at_ns;
    actor->n_steps = old->n_steps;
    actor->is_known = old->is_known;
    actor->is_full = old->is_full;
    actor->full_at_bytes = old->full_at_bytes;
    actor->mailbox_bytes = old->mailbox_bytes;
    actor->mailbox_n = old->mailbox_n;
    actor->n_counted = old->n_counted;
    msgq_move(&actor->mailbox, &old->mailbox);
    slots_hand_over(&actor->vm->rt->slots, actor->pid, actor);
    old->pid = 0;
    old->start = NULL;
    old->relations = NULL;
    old->context = NULL;
    discard(old);
    lua_pushcfunction(actor->main.co, load);
    task_make_ready(&actor->main);
    task_run_now(&actor->main);
}

int actor_restart(struct actor *actor, struct start *start, struct err *err)
{
    if (enter(actor, start, err) == -1)
        return -1;
    lua_rawgeti(actor->main.co, LUA_REGISTRYINDEX, actor->fn_ref);
    run_method(actor);
    return 0;
}

void actor_loaded(struct actor *actor)
{
    struct start *start = actor->start;
    lua_State *co = actor->main.co;

    if (actor->instance != NULL) {
        vm_set_tag(co, VM_TAG_PINNED, false);
        actor->vm->n_trusted++;
        lua_pushvalue(co, -1);
        actor->fn_ref = luaL_ref(co, LUA_REGISTRYINDEX);
        actor->vm->n_trusted--;
    }
    if (start->on_loaded != NULL)
        start->on_loaded(start->context, actor, NULL);
    if (start->only_loads)
        actor_end(actor, &(struct outcome){0});
    else
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
    actor_anchor(actor, L, extra); /* the last that may raise */
    trace_inherit(&extra->task, actor->vm->rt->sched.current);
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
