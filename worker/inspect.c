#include "worker/inspect.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/value.h"

#include "worker/actor.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/vm.h"

#define LIST_MAX   10000 /* unless asked for fewer or more */
#define STACK_MAX  20    /* levels of one that is shown */
#define LINE_BYTES 300

static void add_heap(void *context, const struct program *program)
{
    int64_t *sum = context;

    LIST_FOREACH (node, &program->vms)
        *sum += (int64_t)container_of(node, struct vm, in_program)->used_bytes;
}

int64_t inspect_heap_bytes(const struct runtime *rt)
{
    int64_t sum = 0;

    programs_each(rt->programs, add_heap, &sum);
    return sum;
}

static const char *state_of(const struct actor *actor)
{
    if (actor->stage == ACTOR_LOADING || actor->stage == ACTOR_UPGRADING)
        return "starting";
    if (!list_empty(&actor->ready))
        return actor->n_running != 0 ? "running" : "ready";
    return actor->main.state == TASK_BLOCKED && !list_empty(&actor->main.waiter.node)
               ? "idle"
               : "blocked";
}

static struct value describe(const struct actor *actor)
{
    struct value map = value_map();
    char text[PID_TEXT_MAX];

    pid_format(text, actor->host, strlen(actor->host), actor->pid);
    value_put(&map, "pid", value_string(text));
    value_put(&map, "host", value_string(actor->host));
    value_put(&map, "source", value_string(actor->vm->program->id));
    value_put(&map, "state", value_string(state_of(actor)));
    value_put(&map, "steps", value_int((int64_t)actor->n_steps));
    value_put(&map, "started_at", value_int(actor->started_at_ns));
    value_put(&map, "mailbox", value_int(actor->mailbox_n));
    value_put(&map, "mailbox_bytes", value_int((int64_t)actor->mailbox_bytes));
    value_put(
        &map, "threads",
        value_int(
            1 + (actor->belongings != NULL ? (int64_t)actor->belongings->n_tasks : 0)));
    return map;
}

int inspect_actors(struct runtime *rt, const struct value *args, struct value *result,
                   struct err *err)
{
    int64_t max = LIST_MAX;

    (void)err;
    if (args->as.list.n > 0 && args->as.list.items[0].type == VALUE_INT)
        max = args->as.list.items[0].as.integer;
    *result = value_list();
    for (uint32_t slot = 1; slot < rt->slots.n_used && max > 0; slot++)
        if (slots_at(&rt->slots, slot) != NULL) {
            value_append(result, describe(slots_at(&rt->slots, slot)));
            max--;
        }
    return 0;
}

static void add_stack(struct value *list, const struct task *task)
{
    char line[LINE_BYTES];
    lua_Debug ar;

    for (int level = 0; level < STACK_MAX && lua_getstack(task->blocked, level, &ar);
         level++) {
        lua_getinfo(task->blocked, "Sl", &ar);
        if (ar.currentline <= 0)
            continue;
        snprintf(line, sizeof(line), "%s:%d", ar.short_src, ar.currentline);
        value_append(list, value_string(line));
    }
}

/* The actor whose pid is the one argument; NULL and err when there is none. */
static struct actor *find_actor(const struct runtime *rt, const struct value *args,
                                struct err *err)
{
    struct actor *actor = NULL;
    uint64_t pid = 0;

    if (args->as.list.n == 1 && args->as.list.items[0].type == VALUE_INT)
        pid = (uint64_t)args->as.list.items[0].as.integer;
    if (pid != 0)
        actor = slots_find(&rt->slots, pid);
    if (actor == NULL)
        err_set(err, ERR_NOT_FOUND, "process not found");
    return actor;
}

int inspect_host(struct runtime *rt, const struct value *args, struct value *result,
                 struct err *err)
{
    const struct actor *actor = find_actor(rt, args, err);

    if (actor == NULL)
        return -1;
    *result = value_string(actor->host);
    return 0;
}

int inspect_actor(struct runtime *rt, const struct value *args, struct value *result,
                  struct err *err)
{
    const struct actor *actor = find_actor(rt, args, err);
    struct value stack;

    if (actor == NULL)
        return -1;
    stack = value_list();
    *result = describe(actor);
    value_put(result, "trap_links", value_bool(actor->trap_links));
    value_put(result, "vm_bytes", value_int((int64_t)actor->vm->used_bytes));
    value_put(result, "vm_actors", value_int(actor->vm->n_actors));
    add_stack(&stack, &actor->main);
    value_put(result, "stack", stack);
    return 0;
}
