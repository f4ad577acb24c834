#include "worker/upgrade.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/channel.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/unit.h"
#include "worker/vm.h"

/* ---- a new run under an old pid -------------------------------------------------- */

/* Who waits for the new code; the actor may end meanwhile. */
struct upgrade {
    struct runtime *rt;
    uint64_t pid;
};

/* The entry's id lies behind the arguments. */
static const char *entry_of(const struct start *start)
{
    return (const char *)start->args + start->args_bytes;
}

int upgrade_request(struct actor *actor, const char *entry, struct bytes args)
{
    size_t n = strlen(entry) + 1;
    struct start *start = malloc(sizeof(*start) + args.n + n);

    if (start == NULL)
        return -1;
    *start = (struct start){.is_upgrade = true, .args_bytes = (uint32_t)args.n};
    if (args.n != 0)
        memcpy(start->args, args.data, args.n);
    memcpy(start->args + args.n, entry, n);
    actor->start = start;
    actor_doom(actor, DOOM_UPGRADE);
    return 0;
}

/* A failure that the supervising service may make good by a fresh start (SV-6). */
static void fail(struct actor *actor, const struct err *why, const char *step)
{
    struct err err;

    err_set(&err, ERR_INTERNAL, "upgrade: %s%s%s", step, why != NULL ? ": " : "",
            why != NULL ? why->text : "");
    err.retryable = RETRY_UNKNOWN;
    actor_fail(actor, &err);
}

static void move_on(struct actor *old, struct program *program)
{
    struct err err;
    struct vm *vm = program_vm(program, &err);

    if (vm == NULL)
        fail(old, &err, "create failed");
    else
        actor_take_over(actor_create(vm, old->host), old);
}

static void on_program(void *context, struct program *program, const struct err *err)
{
    struct upgrade *upgrade = context;
    struct actor *actor = slots_find(&upgrade->rt->slots, upgrade->pid);
    struct err why;

    free(upgrade);
    if (actor == NULL || actor->stage != ACTOR_UPGRADING || actor->doom != DOOM_NONE)
        return; /* it was ended while it waited, or is about to be */
    if (program_check_process(program, err, &why) == 0)
        move_on(actor, program);
    else if (why.kind == ERR_NOT_FOUND &&
             strcmp(entry_of(actor->start), actor->vm->program->id) == 0)
        fail(actor, NULL, "no source");
    else
        fail(actor, &why, "create failed");
}

void upgrade_begin(struct actor *actor)
{
    struct upgrade *upgrade = xmalloc(sizeof(*upgrade));
    const char *entry = entry_of(actor->start);

    *upgrade = (struct upgrade){.rt = actor->vm->rt, .pid = actor->pid};
    actor_strip(actor);
    programs_get(upgrade->rt->programs, entry, strlen(entry), on_program, upgrade);
}

/* ---- OUTDATED -------------------------------------------------------------------- */

static bool contains(const struct value *list, const char *text)
{
    for (size_t i = 0; i < list->as.list.n; i++) {
        const char *one = value_text(&list->as.list.items[i]);

        if (one != NULL && strcmp(one, text) == 0)
            return true;
    }
    return false;
}

static void add_missing(struct value *list, const struct value *more)
{
    for (size_t i = 0; i < more->as.list.n; i++) {
        const char *text = value_text(&more->as.list.items[i]);

        if (text != NULL && !contains(list, text))
            value_append(list, value_string(text));
    }
}

/* What of the ids that program is made of. */
static struct value sources_of(const struct program *program, const struct value *ids)
{
    struct value sources = value_list();

    for (int i = 0; i < program->n_bindings; i++) {
        const char *id = program->bindings[i].unit->id;

        if (contains(ids, id) && !contains(&sources, id))
            value_append(&sources, value_string(id));
    }
    return sources;
}

/* Where events wait that nobody has received yet. */
static struct msgq *events_of(struct actor *actor)
{
    return actor->events != NULL ? &actor->events->queue : &actor->mailbox;
}

/* The place of the event that waits there, or NULL. */
static struct message **find_pending(struct msgq *queue)
{
    for (struct message **at = &queue->first; *at != NULL; at = &(*at)->next)
        if ((*at)->kind == MSG_OUTDATED)
            return at;
    return NULL;
}

/* Takes the event that waits out of its queue and adds its sources to the list. */
static void merge_pending(struct actor *actor, struct value *list)
{
    struct msgq *queue = events_of(actor);
    struct message **at = find_pending(queue), *message;
    struct value sources = {0};
    struct err err;

    if (at == NULL)
        return;
    message = *at;
    *at = message->next;
    if (queue->last == &message->next)
        queue->last = at;
    queue->n--;
    actor_consumed(actor, message);
    if (payload_decode((struct bytes){message_payload(message), message->payload_bytes},
                       &sources, &err) == 0)
        add_missing(list, &sources);
    value_finish(&sources);
    message_destroy(message);
}

static void deliver(struct actor *actor, struct value *sources)
{
    struct buf *scratch = &actor->vm->rt->scratch;
    struct value list = value_list();

    merge_pending(actor, &list);
    add_missing(&list, sources);
    buf_clear(scratch);
    payload_encode(scratch, list.as.list.items, list.as.list.n);
    value_finish(&list);
    actor_tell(actor, MSG_OUTDATED, 0, (struct bytes){NULL, 0}, false,
               buf_bytes(scratch));
}

static bool tell(struct actor *actor, const struct value *ids)
{
    struct value sources = sources_of(actor->vm->program, ids);
    bool concerned = sources.as.list.n != 0;

    if (concerned)
        deliver(actor, &sources);
    value_finish(&sources);
    return concerned;
}

void upgrade_spread_news(struct runtime *rt, const struct value *ids,
                         struct value *pids_out)
{
    *pids_out = value_list();
    for (uint32_t slot = 1; slot < rt->slots.n_used; slot++) {
        struct actor *actor = slots_at(&rt->slots, slot);

        if (actor != NULL && actor->upgradable && tell(actor, ids))
            value_append(pids_out, value_int((int64_t)actor->pid));
    }
}

void upgrade_tell_late(struct actor *actor)
{
    const struct program *program = actor->vm->program;

    if (program->stale && program->changes.type == VALUE_LIST)
        tell(actor, &program->changes);
}
