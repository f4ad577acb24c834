/*
 * trace -- what this worker tells of calls and processes that belong to a trace.
 *
 * The trace is in the context that they inherit (proto/trace_context.h), so whatever
 * they call or spawn belongs to it too. The supervisor sees calls come and go; it hears
 * from here which process runs one, and of the spans of spawned processes and of
 * messages, which may begin and end without it. What belongs to no trace costs a look
 * at its context, which most don't have.
 *
 * A message sent from within a trace has a span: it waits until it is received, and
 * runs until its receiver asks for the next one. So long the task that received it (and
 * those that this one starts) works for that message: what it calls, spawns and sends
 * is below it, whatever trace the process itself was begun in. A function's call works
 * for its caller only; messages to it end as they are received.
 */
#ifndef TROUPE_WORKER_TRACE_H
#define TROUPE_WORKER_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/trace_context.h"

#include "worker/actor.h"
#include "worker/context.h"
#include "worker/runtime.h"
#include "worker/vm.h"

struct channel;

/* What is called or spawned from here inherits this. */
static inline struct context *trace_context(const struct actor *actor)
{
    const struct task *task = actor->vm->rt->sched.current;

    if (__builtin_expect(task != NULL && task->work != NULL, 0) && task->actor == actor)
        return task->work;
    return actor->context;
}

/* The traceparent (TRACE_TEXT_BYTES, no NUL) of what it does; NULL: it is in no
 * trace. */
static inline const uint8_t *trace_of(const struct actor *actor)
{
    const struct context *context = trace_context(actor);

    return context != NULL && context->is_traced ? trace_find(context_bytes(context))
                                                 : NULL;
}

/* An instance has begun with a call. */
void trace_note_call(struct actor *actor);

/* A process gets a span of its own below the one that its context names; from here on
 * that context is its own. */
void trace_enter_process(struct actor *actor);
/* It has a pid now; inherited is the context that it came with. */
void trace_note_process(struct actor *actor, const struct context *inherited);

/* ---- messages -------------------------------------------------------------------- */

/* The span of a message that actor is about to send; false: it is in no trace. text_out
 * has TRACE_TEXT_BYTES. It begins, and if the message can't be sent it ends. */
bool trace_begin_message_slow(struct actor *actor, struct bytes topic,
                              uint8_t *text_out);
static inline bool trace_begin_message(struct actor *actor, struct bytes topic,
                                       uint8_t *text_out)
{
    return __builtin_expect(trace_context(actor) != NULL, 0) &&
           trace_begin_message_slow(actor, topic, text_out);
}
void trace_refuse_message(struct runtime *rt, const uint8_t *text, const char *why);

/* A task receives a message, or waits for one in that channel. */
void trace_receive_slow(struct task *task, const struct message *message);
static inline void trace_receive(struct task *task, const struct message *message)
{
    if (__builtin_expect(message->is_traced || task->work != NULL, 0))
        trace_receive_slow(task, message);
}
void trace_wait_slow(struct task *task, const struct channel *channel);
static inline void trace_wait(struct task *task, const struct channel *channel)
{
    if (__builtin_expect(task->work != NULL, 0))
        trace_wait_slow(task, channel);
}

/* A new task of the running one's actor works for the same. */
void trace_inherit(struct task *task, const struct task *from);

/* Nothing of the task runs any more; its actor ends with that outcome, NULL: nothing is
 * wrong. */
void trace_leave_slow(struct task *task, const struct outcome *outcome);
static inline void trace_leave(struct task *task, const struct outcome *outcome)
{
    if (__builtin_expect(task->work != NULL, 0))
        trace_leave_slow(task, outcome);
}

/* ---- the end of a process -------------------------------------------------------- */

/* It ends, and has its context still. */
void trace_note_end(struct actor *actor, const struct outcome *outcome);

#endif
