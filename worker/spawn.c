#include "worker/spawn.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/program.h"
#include "worker/relations.h"
#include "worker/runtime.h"
#include "worker/trace.h"
#include "worker/vm.h"

/* A spawn between its request and the end of loading; owns copies of the bytes. */
struct birth {
    struct list node; /* in rt->births */
    struct runtime *rt;
    uint64_t call;
    struct actor *actor; /* NULL before it loads */
    bool given_up;
    uint64_t parent;
    uint8_t flags;
    bool is_known;
    struct context *context;
    struct start *start; /* NULL once the actor has it */
    uint8_t *messages;
    uint32_t messages_bytes;
    void (*done)(void *context, struct actor *actor, const struct err *err);
    void *done_context;
};

static void finish(struct birth *birth, struct actor *actor, const struct err *err)
{
    list_remove(&birth->node);
    birth->done(birth->done_context, actor, err);
    context_unref(birth->context);
    free(birth->start);
    free(birth->messages);
    free(birth);
}

/* Of a text as MessagePack: how many bytes come before its first. */
static size_t text_head_bytes(struct bytes text)
{
    switch (text.n != 0 ? text.data[0] : 0) {
    case 0xd9:
        return 2;
    case 0xda:
        return 3;
    case 0xdb:
        return 5;
    default:
        return 1;
    }
}

/* One [topic, args] pair; the args become a payload of their own. */
static int deliver_first(struct actor *actor, bool graph, struct bytes topic,
                         struct bytes args)
{
    struct buf *scratch = &actor->vm->rt->scratch;
    size_t head = text_head_bytes(topic);
    struct message *message;
    uint8_t flag = graph;

    if (topic.n < head)
        return -1;
    buf_clear(scratch);
    if (!buf_append(scratch, &flag, 1) || !buf_append(scratch, args.data, args.n))
        return -1;
    message = message_create(MSG_USER, 0, (struct bytes){NULL, 0},
                             (struct bytes){topic.data + head, topic.n - head},
                             buf_bytes(scratch));
    return message != NULL ? actor_deliver(actor, message) : -1;
}

/* SP-7: queued in order before the pid is handed out. */
static void deliver_messages(struct actor *actor, struct bytes messages)
{
    struct bytes rest, topic, args;
    struct err err;
    uint32_t n;
    bool graph;

    if (messages.n == 0 || codec_open_args(messages, &graph, &n, &rest, &err) == -1)
        return;
    for (uint32_t i = 0; i + 1 < n; i += 2)
        if (codec_take_value(&rest, &topic, &err) == -1 ||
            codec_take_value(&rest, &args, &err) == -1 ||
            deliver_first(actor, graph, topic, args) == -1)
            return;
}

static void relate(struct actor *actor, uint64_t parent_pid, enum relation relation)
{
    struct actor *parent = slots_find(&actor->vm->rt->slots, parent_pid);

    if (parent != NULL) {
        relations_join(parent, actor, relation);
        return;
    }
    if (pid_index(parent_pid) == actor->vm->rt->slots.index)
        return; /* it has ended meanwhile */
    relations_add_watcher(actor, parent_pid, relation);
    if (relation == RELATION_LINK)
        relations_add_watched(actor, parent_pid, relation);
    actor->is_known = true;
}

/* Is it linked to a parent of this worker that has ended meanwhile? */
static bool is_bereft(const struct birth *birth)
{
    return (birth->flags & SPAWN_LINK) != 0 &&
           pid_index(birth->parent) == birth->rt->slots.index &&
           slots_find(&birth->rt->slots, birth->parent) == NULL;
}

/* As actors_add_edge() does for a parent of another worker. */
static void tell_bereft(struct actor *actor, uint64_t parent)
{
    struct buf *scratch = &actor->vm->rt->scratch;
    struct err err;

    buf_clear(scratch);
    err_set(&err, ERR_NOT_FOUND, "pid not registered");
    error_encode(scratch, &err);
    actor_tell(actor, MSG_DOWN, parent, bytes_of_text(actor->host), true,
               buf_bytes(scratch));
}

static void on_loaded(void *context, struct actor *actor, const struct err *err)
{
    struct birth *birth = context;
    uint64_t parent = birth->parent;
    bool bereft = is_bereft(birth);

    if (err != NULL) {
        finish(birth, NULL, err);
        return;
    }
    if ((birth->flags & SPAWN_MONITOR) != 0)
        relate(actor, birth->parent, RELATION_MONITOR);
    if ((birth->flags & SPAWN_LINK) != 0)
        relate(actor, birth->parent, RELATION_LINK);
    trace_note_process(actor, birth->context);
    deliver_messages(actor, (struct bytes){birth->messages, birth->messages_bytes});
    finish(birth, actor, NULL);
    if (bereft)
        tell_bereft(actor, parent);
}

/* The VM for it; NULL with why there is none. */
static struct vm *find_vm(const struct birth *birth, struct program *program,
                          const struct err *err, struct err *why_out)
{
    if (birth->given_up) {
        err_set(why_out, ERR_CANCELED, "context canceled");
        return NULL;
    }
    if (program_check_process(program, err, why_out) == -1)
        return NULL;
    return program_vm(program, why_out);
}

static void on_program(void *context, struct program *program, const struct err *err)
{
    struct birth *birth = context;
    struct start *start = birth->start;
    struct actor *actor;
    struct err why;
    struct vm *vm = find_vm(birth, program, err, &why);

    if (vm == NULL) {
        finish(birth, NULL, &why);
        return;
    }
    actor = actor_create(vm, birth->rt->settings.entry);
    actor->context = context_ref(birth->context);
    trace_enter_process(actor);
    actor->is_known = birth->is_known;
    start->on_loaded = on_loaded;
    start->context = birth;
    birth->start = NULL;
    birth->actor = actor;
    if (actor_start(actor, start, &why) == -1)
        finish(birth, NULL, &why);
}

/* Copies what is needed once the program is here. False: no memory for it. */
static bool keep_request(struct birth *birth, const struct spawn_request *request)
{
    birth->start = start_create(request->args);
    if (birth->start == NULL)
        return false;
    if (request->inherited != NULL)
        birth->context = context_ref(request->inherited);
    else if (context_create(request->context, &birth->context) == -1)
        return false;
    if (request->messages.n == 0)
        return true;
    birth->messages = malloc(request->messages.n);
    if (birth->messages == NULL)
        return false;
    memcpy(birth->messages, request->messages.data, request->messages.n);
    birth->messages_bytes = (uint32_t)request->messages.n;
    return true;
}

void spawn_local(struct runtime *rt, const struct spawn_request *request,
                 void (*done)(void *context, struct actor *actor,
                              const struct err *err),
                 void *context)
{
    struct birth *birth = xcalloc(1, sizeof(*birth));
    struct err err;

    list_append(&rt->births, &birth->node);
    birth->rt = rt;
    birth->call = request->call;
    birth->parent = request->parent;
    birth->flags = request->flags;
    birth->is_known = request->is_known;
    birth->done = done;
    birth->done_context = context;
    if (!keep_request(birth, request)) {
        err_set(&err, ERR_UNAVAILABLE, "no memory for a process");
        finish(birth, NULL, &err);
        return;
    }
    programs_get(rt->programs, (const char *)request->entry.data, request->entry.n,
                 on_program, birth);
}

bool spawn_give_up(struct runtime *rt, uint64_t call)
{
    LIST_FOREACH (node, &rt->births) {
        struct birth *birth = container_of(node, struct birth, node);

        if (birth->call != call)
            continue;
        birth->given_up = true;
        if (birth->actor != NULL)
            actor_doom(birth->actor, DOOM_CANCELED);
        return true;
    }
    return false;
}
