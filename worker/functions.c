#include "worker/functions.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/channel.h"
#include "worker/program.h"
#include "worker/role.h"
#include "worker/runtime.h"
#include "worker/trace.h"
#include "worker/unit.h"
#include "worker/uplink.h"
#include "worker/vm.h"

struct function {
    char *id;
    struct program *program; /* NULL while it is fetched */
    struct list idle;        /* instances */
    struct instance *home;   /* shared: who has loaded the method for all */
    uint32_t n_homes;        /* that were let go */
};

struct instance {
    struct list node; /* in function->idle or functions->busy */
    struct function *function;
    struct functions *functions;
    struct actor *actor;
    uint64_t call, deadline_at_ns; /* call 0: it only warms up */
    uint32_t nth_home;             /* whose method it runs; not shared: 0 */
    bool lingers;                  /* answered; tasks run on */
    ev_timer linger;
};

struct functions {
    struct runtime *rt;
    struct map by_id;
    struct list busy;
    struct list waiting; /* struct waiting_call */
    uint32_t n_busy;     /* of both */
    /* who wants to know how loading ends, see functions_warm_up(); or NULL */
    void (*loaded)(struct runtime *rt, struct bytes error);
};

/* A call that waits for its program. */
struct waiting_call {
    struct list node;
    struct functions *functions; /* NULL: it was cancelled */
    struct function *function;
    uint64_t call, deadline_at_ns;
    struct context *context;
    struct start *start;
};

struct functions *functions_create(struct runtime *rt)
{
    struct functions *functions = xcalloc(1, sizeof(*functions));

    functions->rt = rt;
    map_init(&functions->by_id);
    list_init(&functions->busy);
    list_init(&functions->waiting);
    return functions;
}

static void free_waiting(struct list *calls)
{
    struct list *node;

    while ((node = list_take_first(calls)) != NULL) {
        struct waiting_call *waiting = container_of(node, struct waiting_call, node);

        context_unref(waiting->context);
        free(waiting->start);
        free(waiting);
    }
}

static void free_instances(struct ev_loop *loop, struct list *instances)
{
    struct list *node;

    while ((node = list_take_first(instances)) != NULL) {
        struct instance *instance = container_of(node, struct instance, node);

        ev_timer_stop(loop, &instance->linger);
        free(instance);
    }
}

void functions_destroy(struct functions *functions)
{
    if (functions == NULL)
        return;
    free_waiting(&functions->waiting);
    free_instances(functions->rt->loop, &functions->busy);
    MAP_FOREACH (row, &functions->by_id) {
        struct function *function = row->value;

        free_instances(functions->rt->loop, &function->idle);
        free(function->id);
        free(function);
    }
    map_finish(&functions->by_id);
    free(functions);
}

uint64_t functions_deadline(const struct actor *actor)
{
    const struct instance *instance = actor->instance;

    return instance != NULL && !instance->lingers ? instance->deadline_at_ns : 0;
}

uint64_t functions_open_call(const struct actor *actor)
{
    const struct instance *instance = actor->instance;

    return instance != NULL && !instance->lingers ? instance->call : 0;
}

uint32_t functions_n_busy(const struct functions *functions)
{
    return functions->n_busy;
}

static struct function *get_function(struct functions *functions, struct bytes id)
{
    struct function *function =
        map_find(&functions->by_id, (const char *)id.data, id.n);

    if (function != NULL)
        return function;
    function = xcalloc(1, sizeof(*function));
    function->id = xstrndup((const char *)id.data, id.n);
    list_init(&function->idle);
    map_put(&functions->by_id, function->id, id.n, function);
    return function;
}

/* ---- the end of a call ----------------------------------------------------------- */

static void send_free(struct runtime *rt, uint64_t call)
{
    uplink_wrote(rt->uplink, frame_encode_free(conn_out(uplink_conn(rt->uplink)),
                                               &(struct frame_free){.call = call}));
}

/* F-4: nobody waits for it (any more), so an error can only be logged. */
static void log_error_of(struct actor *actor, const struct outcome *outcome,
                         const char *note)
{
    struct value fields = value_map();
    struct err error, unreadable;

    if (error_decode(outcome->result, &error, &unreadable) == -1)
        error = unreadable;
    value_put(&fields, "function", value_string(actor->host));
    value_put(&fields, "note", value_string(note));
    uplink_log(actor->vm->rt->uplink, LOG_ERROR, "app", value_string(error.text),
               fields);
}

void functions_ended(struct actor *actor, const struct outcome *outcome)
{
    struct instance *instance = actor->instance;
    struct runtime *rt = actor->vm->rt;

    ev_timer_stop(rt->loop, &instance->linger);
    if (instance->call == 0) {
        if (instance->functions->loaded != NULL)
            instance->functions->loaded(rt, outcome->failed ? outcome->result
                                                            : (struct bytes){NULL, 0});
        else if (outcome->failed && actor->doom == DOOM_NONE)
            log_error_of(actor, outcome, "its slot was to be warm");
        return;
    }
    if (!instance->lingers) {
        uplink_reply(rt->uplink, instance->call,
                     outcome->failed ? REPLY_ERROR : REPLY_OK, outcome->result);
        return;
    }
    if (outcome->failed && actor->doom == DOOM_NONE)
        log_error_of(actor, outcome, "its call was answered before");
    send_free(rt, instance->call);
}

/* The next one to load the method has it for all from then on. */
static void leave_home(struct function *function)
{
    function->home = NULL;
    function->n_homes++;
}

/* It gets no call any more. */
static void drop_instance(struct instance *instance)
{
    if (instance->function->home == instance)
        leave_home(instance->function);
    list_remove(&instance->node);
    actor_retire(instance->actor);
    free(instance);
}

static void drop_idle(struct function *function, const struct vm *vm)
{
    LIST_FOREACH_SAFE (node, &function->idle) {
        struct instance *instance = container_of(node, struct instance, node);

        if (instance->actor->vm == vm)
            drop_instance(instance);
    }
}

/* What instances keep from call to call takes up so much that each call from now on
 * could fail: they all go. A call that had most of the memory for itself is another
 * matter. */
static void __attribute__((cold, noinline))
make_room(struct function *function, struct vm *vm)
{
    size_t enough = vm->starved ? vm->soft_bytes / 2 : vm->soft_bytes;

    vm->starved = false;
    lua_gc(vm->L, LUA_GCCOLLECT);
    if (vm->used_bytes <= enough)
        return;
    if (function->home != NULL && function->home->actor->vm == vm)
        leave_home(function);
    drop_idle(function, vm);
    lua_gc(vm->L, LUA_GCCOLLECT);
    vm->crowded = vm->used_bytes > enough;
}

void functions_instance_free(struct actor *actor)
{
    struct instance *instance = actor->instance;
    struct function *function = instance->function;
    struct vm *vm = actor->vm;

    instance->functions->n_busy--;
    if (vm->program->stale || instance->nth_home != function->n_homes) {
        drop_instance(instance);
        return;
    }
    list_remove(&instance->node);
    list_prepend(&function->idle, &instance->node);
    if (vm->used_bytes > vm->soft_bytes || vm->starved)
        make_room(function, vm);
}

void functions_forget_stale(struct functions *functions)
{
    MAP_FOREACH (row, &functions->by_id) {
        struct function *function = row->value;
        struct list *node;

        if (function->program == NULL || !function->program->stale)
            continue;
        function->program = NULL;
        if (function->home != NULL) /* which may be busy for long */
            leave_home(function);
        while ((node = list_first(&function->idle)) != NULL)
            drop_instance(container_of(node, struct instance, node));
    }
}

/* ---- lingering (F-4) ------------------------------------------------------------- */

static bool is_fed_from_outside(const struct actor *actor, const struct waiter *waiter)
{
    const struct channel *channel = waiter->channel;

    return channel->is_queue && channel->topic == NULL && channel != actor->inbox &&
           channel != actor->events;
}

/* Does the task wait for nothing but channels that only this actor could feed? */
static bool waits_in_vain(const struct actor *actor, const struct task *task)
{
    bool waits = !list_empty(&task->waiter.node);

    if (task->state != TASK_BLOCKED)
        return false;
    if (waits && is_fed_from_outside(actor, &task->waiter))
        return false;
    for (uint16_t i = 0; i < task->n_cases; i++) {
        waits = true;
        if (task->cases[i].task != NULL && is_fed_from_outside(actor, &task->cases[i]))
            return false;
    }
    return waits;
}

static void on_linger_over(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct instance *instance = container_of(timer, struct instance, linger);

    (void)loop, (void)revents;
    actor_doom(instance->actor, DOOM_LINGER);
}

/* Has it a task that will go on by itself? */
static bool has_live_task(const struct actor *actor)
{
    LIST_FOREACH (node, &actor->belongings->tasks)
        if (!waits_in_vain(actor, &container_of(node, struct extra_task, node)->task))
            return true;
    return false;
}

bool functions_lingers(struct actor *actor, const struct outcome *outcome)
{
    struct instance *instance = actor->instance;
    struct runtime *rt = actor->vm->rt;
    /* Its own, whosoever process an inline function runs in. */
    uint64_t linger_ms = actor->vm->program->unit->linger_ms;

    if (instance == NULL || outcome->failed || actor->belongings == NULL ||
        linger_ms == 0 || rt->draining || !has_live_task(actor))
        return false;
    uplink_reply(rt->uplink, instance->call, REPLY_OK | REPLY_LINGERS, outcome->result);
    instance->lingers = true;
    ev_timer_set(&instance->linger, (double)linger_ms / 1000., 0.);
    ev_timer_start(rt->loop, &instance->linger);
    return true;
}

void functions_came_to_rest(struct actor *actor)
{
    struct outcome outcome = {0};

    if (actor->instance->lingers && !has_live_task(actor))
        actor_end(actor, &outcome);
}

void functions_drain(struct functions *functions)
{
    LIST_FOREACH (node, &functions->busy) {
        struct instance *instance = container_of(node, struct instance, node);

        if (instance->lingers || (instance->call == 0 && functions->loaded == NULL))
            actor_doom(instance->actor, DOOM_LINGER);
    }
}

/* ---- the start of a call --------------------------------------------------------- */

/* What it runs is what home runs. */
static void share_method(struct actor *actor, const struct actor *home)
{
    struct vm *vm = actor->vm;

    vm->n_trusted++;
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, home->fn_ref);
    actor->fn_ref = luaL_ref(vm->L, LUA_REGISTRYINDEX);
    vm->n_trusted--;
}

/* The first one makes itself at home, or the next if that has failed to load. */
static void __attribute__((cold, noinline))
make_shared(struct function *function, struct instance *instance)
{
    if (function->home == NULL || function->home->actor->fn_ref == LUA_NOREF)
        function->home = instance;
    else
        share_method(instance->actor, function->home->actor);
}

static struct instance *new_instance(struct functions *functions,
                                     struct function *function, struct err *err)
{
    const struct instance *home = function->home;
    struct vm *vm = home != NULL ? home->actor->vm : program_vm(function->program, err);
    struct instance *instance;

    if (vm == NULL)
        return NULL;
    instance = xcalloc(1, sizeof(*instance));
    instance->function = function;
    instance->functions = functions;
    instance->nth_home = function->n_homes;
    list_init(&instance->node);
    ev_timer_init(&instance->linger, on_linger_over, 0., 0.);
    instance->actor = actor_create(vm, function->id);
    instance->actor->instance = instance;
    if (functions->rt->settings.shared)
        make_shared(function, instance);
    return instance;
}

static struct instance *take_instance(struct functions *functions,
                                      struct function *function, struct err *err)
{
    struct list *node;

    if (list_empty(&function->idle) && functions->rt->sched.current == NULL)
        sched_settle(&functions->rt->sched);
    node = list_take_first(&function->idle);
    return node != NULL ? container_of(node, struct instance, node)
                        : new_instance(functions, function, err);
}

/* Takes start and context. */
static void start_call(struct functions *functions, struct function *function,
                       const struct waiting_call *call)
{
    struct err err;
    struct instance *instance = take_instance(functions, function, &err);
    struct actor *actor;
    int failed;

    if (instance == NULL) {
        context_unref(call->context);
        free(call->start);
        uplink_reply_error(functions->rt->uplink, call->call, &err);
        return;
    }
    actor = instance->actor;
    instance->call = call->call;
    instance->deadline_at_ns = call->deadline_at_ns;
    instance->lingers = false;
    list_append(&functions->busy, &instance->node);
    functions->n_busy++;
    actor->context = call->context;
    /* A shared file isn't preempted while it loads: nobody may come before it is
     * there. */
    if (actor->fn_ref == LUA_NOREF && functions->rt->settings.shared)
        vm_set_tag(actor->main.co, VM_TAG_PINNED, true);
    failed = actor->fn_ref == LUA_NOREF ? actor_start(actor, call->start, &err)
                                        : actor_restart(actor, call->start, &err);
    if (failed == -1) {
        context_unref(actor->context);
        actor->context = NULL;
        functions_instance_free(actor);
        uplink_reply_error(functions->rt->uplink, call->call, &err);
    } else if (actor->pid != 0) {
        trace_note_call(actor);
    }
}

static void on_program(void *context, struct program *program, const struct err *err)
{
    struct waiting_call *waiting = context;
    struct functions *functions = waiting->functions;

    if (program != NULL)
        waiting->function->program = program;
    list_remove(&waiting->node);
    if (functions == NULL) {
        free(waiting); /* answered and emptied already */
        return;
    }
    functions->n_busy--;
    if (program != NULL) {
        start_call(functions, waiting->function, waiting);
    } else {
        uplink_reply_error(functions->rt->uplink, waiting->call, err);
        context_unref(waiting->context);
        free(waiting->start);
    }
    free(waiting);
}

static void wait_for_program(struct functions *functions,
                             const struct waiting_call *call)
{
    struct waiting_call *waiting = xcalloc(1, sizeof(*waiting));

    *waiting = *call;
    waiting->functions = functions;
    list_append(&functions->waiting, &waiting->node);
    functions->n_busy++;
    programs_get(functions->rt->programs, waiting->function->id,
                 strlen(waiting->function->id), on_program, waiting);
}

/* The rest of what was to be loaded can't even be tried. */
static void fail_to_load(struct runtime *rt, const struct err *err)
{
    struct buf error;

    if (rt->functions->loaded == NULL)
        return; /* the first calls will say so */
    buf_init(&error, 0);
    error_encode(&error, err);
    rt->functions->loaded(rt, buf_bytes(&error));
    buf_finish(&error);
}

static int warm_one(struct functions *functions, struct function *function,
                    struct err *err)
{
    struct start *start = start_create((struct bytes){NULL, 0});
    struct instance *instance;

    if (start == NULL)
        return err_set(err, ERR_UNAVAILABLE, "no memory for an instance");
    instance = new_instance(functions, function, err);
    if (instance == NULL) {
        free(start);
        return -1;
    }
    instance->call = instance->deadline_at_ns = 0;
    list_append(&functions->busy, &instance->node);
    functions->n_busy++;
    start->only_loads = true;
    if (actor_start(instance->actor, start, err) == 0)
        return 0;
    functions_instance_free(instance->actor);
    return -1;
}

void functions_warm_up(struct runtime *rt, struct program *program, uint32_t n,
                       void (*loaded)(struct runtime *rt, struct bytes error))
{
    struct functions *functions = rt->functions;
    struct function *function = get_function(functions, bytes_of_text(program->id));
    struct err err;

    function->program = program;
    functions->loaded = loaded;
    for (uint32_t i = 0; i < n; i++) {
        if (warm_one(functions, function, &err) == 0)
            continue;
        fail_to_load(rt, &err);
        return;
    }
}

int functions_on_call(struct runtime *rt, struct bytes body, struct err *err)
{
    struct waiting_call call = {0};
    struct frame_call frame;

    if (frame_decode_call(body, &frame, err) == -1)
        return -1;
    if (frame.target.n != 0 && frame.target.data[0] == '@') {
        role_on_system_call(rt, &frame);
        return 0;
    }
    call.start = start_create(frame.args);
    if (call.start == NULL)
        return err_set(err, ERR_UNAVAILABLE, "no memory for the arguments of a call");
    if (context_create(frame.context, &call.context) == -1) {
        free(call.start);
        return err_set(err, ERR_UNAVAILABLE, "no memory for the context of a call");
    }
    call.call = frame.call;
    call.deadline_at_ns = frame.deadline_at_ns;
    call.function = get_function(rt->functions, frame.target);
    if (call.function->program != NULL)
        start_call(rt->functions, call.function, &call);
    else
        wait_for_program(rt->functions, &call);
    return 0;
}

/* F-33: what only waits for its program never starts. */
static void cancel_waiting(struct waiting_call *waiting)
{
    struct functions *functions = waiting->functions;
    struct err err;

    functions->n_busy--;
    waiting->functions = NULL;
    context_unref(waiting->context);
    waiting->context = NULL;
    free(waiting->start);
    waiting->start = NULL;
    err_set(&err, ERR_CANCELED, "context canceled");
    uplink_reply_error(functions->rt->uplink, waiting->call, &err);
}

static struct waiting_call *find_waiting(const struct functions *functions,
                                         uint64_t call)
{
    LIST_FOREACH (node, &functions->waiting) {
        struct waiting_call *waiting = container_of(node, struct waiting_call, node);

        if (waiting->functions != NULL && waiting->call == call)
            return waiting;
    }
    return NULL;
}

/* F-33: dropped at its next yield, wherever it is. A lingering call isn't anybody's. */
void functions_cancel(struct runtime *rt, uint64_t call)
{
    struct waiting_call *waiting = find_waiting(rt->functions, call);

    if (waiting != NULL) {
        cancel_waiting(waiting);
        return;
    }
    LIST_FOREACH (node, &rt->functions->busy) {
        struct instance *instance = container_of(node, struct instance, node);

        if (instance->call == call && !instance->lingers) {
            actor_doom(instance->actor, DOOM_CANCELED);
            return;
        }
    }
}
