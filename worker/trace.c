#include "worker/trace.h"

#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "worker/channel.h"
#include "worker/program.h"
#include "worker/uplink.h"

/* Whatever it works for at the moment. */
static const uint8_t *own_trace(const struct actor *actor)
{
    return actor->context != NULL ? trace_find(context_bytes(actor->context)) : NULL;
}

/* Takes items. */
static void tell(const struct runtime *rt, const char *target, struct value *items,
                 size_t n)
{
    uplink_ask(rt->uplink, target, items, n, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        value_finish(&items[i]);
}

static struct value pid_text(const struct actor *actor)
{
    char text[PID_TEXT_MAX];

    pid_format(text, actor->host, strlen(actor->host), actor->pid);
    return value_string(text);
}

static void tell_ran(const struct actor *actor, const uint8_t *trace)
{
    tell(actor->vm->rt, "@trace.ran",
         (struct value[]){value_int((int64_t)trace_get_span(trace)), pid_text(actor),
                          value_int(clock_wall_ns())},
         3);
}

static void tell_end(const struct runtime *rt, const uint8_t *trace, bool failed,
                     const char *why)
{
    tell(rt, "@trace.end",
         (struct value[]){value_int((int64_t)trace_get_span(trace)), value_bool(failed),
                          value_string(why), value_int(clock_wall_ns())},
         4);
}

static void tell_outcome(const struct runtime *rt, const uint8_t *trace,
                         const struct outcome *outcome)
{
    struct err err, bad;

    if (!outcome->failed || error_decode(outcome->result, &err, &bad) == -1)
        err.text[0] = '\0';
    tell_end(rt, trace, outcome->failed, err.text);
}

void trace_note_call(struct actor *actor)
{
    const uint8_t *trace = own_trace(actor);

    if (trace != NULL)
        tell_ran(actor, trace);
}

void trace_enter_process(struct actor *actor)
{
    const uint8_t *trace = own_trace(actor);
    struct context *own;

    if (trace == NULL)
        return;
    if (context_create(context_bytes(actor->context), &own) == -1)
        return;
    trace_set_span(own->data + (trace - actor->context->data), trace_new_span());
    context_unref(actor->context);
    actor->context = own;
}

void trace_note_process(struct actor *actor, const struct context *inherited)
{
    const uint8_t *trace = own_trace(actor), *above;

    if (trace == NULL)
        return;
    above = trace_find(context_bytes(inherited));
    tell(actor->vm->rt, "@trace.begin",
         (struct value[]){value_bytes(trace, TRACE_TEXT_BYTES),
                          value_int(above != NULL ? (int64_t)trace_get_span(above) : 0),
                          value_string(actor->vm->program->id), pid_text(actor),
                          value_int(actor->started_at_ns)},
         5);
}

void trace_note_end(struct actor *actor, const struct outcome *outcome)
{
    const uint8_t *trace = actor->instance == NULL ? own_trace(actor) : NULL;

    if (trace != NULL)
        tell_outcome(actor->vm->rt, trace, outcome);
}

/* ---- messages -------------------------------------------------------------------- */

bool trace_begin_message_slow(struct actor *actor, struct bytes topic,
                              uint8_t *text_out)
{
    const uint8_t *trace = trace_of(actor);

    if (trace == NULL)
        return false;
    memcpy(text_out, trace, TRACE_TEXT_BYTES);
    trace_set_span(text_out, trace_new_span());
    tell(actor->vm->rt, "@trace.begin",
         (struct value[]){value_bytes(text_out, TRACE_TEXT_BYTES),
                          value_int((int64_t)trace_get_span(trace)),
                          value_bytes(topic.data, topic.n), pid_text(actor),
                          value_int(clock_wall_ns()), value_bool(true)},
         6);
    return true;
}

void trace_refuse_message(struct runtime *rt, const uint8_t *text, const char *why)
{
    tell_end(rt, text, true, why);
}

static void end_work(struct task *task, const struct outcome *outcome)
{
    static const struct outcome fine;

    if (task->owns_work)
        tell_outcome(task->actor->vm->rt, trace_find(context_bytes(task->work)),
                     outcome != NULL ? outcome : &fine);
    context_unref(task->work);
    task->work = NULL;
}

/* What the process inherited, in the trace of the message. */
static struct context *context_for(const struct actor *actor, const uint8_t *text)
{
    struct context *context = NULL;
    struct buf buf;

    buf_init(&buf, 0);
    if (trace_put(&buf, context_bytes(actor->context), text))
        context_create(buf_bytes(&buf), &context);
    buf_finish(&buf);
    if (context == NULL || context->is_traced)
        return context;
    context_unref(context);
    return NULL;
}

/* Only what another actor has sent is other work: not a timer's tick, not an answer. */
void trace_receive_slow(struct task *task, const struct message *message)
{
    struct actor *actor = task->actor;

    if (message->kind != MSG_USER || message->from == 0)
        return;
    if (task->work != NULL)
        end_work(task, NULL);
    if (!message->is_traced)
        return;
    tell_ran(actor, message_trace(message));
    if (actor->instance == NULL)
        task->work = context_for(actor, message_trace(message));
    task->owns_work = task->work != NULL;
    if (task->work == NULL)
        tell_end(actor->vm->rt, message_trace(message), false, "");
}

/* Channels that the actor made, timers and answers are part of the work. */
void trace_wait_slow(struct task *task, const struct channel *channel)
{
    if (channel->is_queue &&
        (channel->topic != NULL || channel == channel->actor->inbox))
        end_work(task, NULL);
}

void trace_inherit(struct task *task, const struct task *from)
{
    if (from != NULL && from->actor == task->actor)
        task->work = context_ref(from->work);
}

void trace_leave_slow(struct task *task, const struct outcome *outcome)
{
    end_work(task, outcome);
}
