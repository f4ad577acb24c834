#include "worker/trace.h"

#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/value.h"
#include "proto/trace_context.h"
#include "proto/value_codec.h"
#include "worker/actor.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

const uint8_t *trace_of(const struct actor *actor)
{
    return actor->context != NULL ? trace_find(context_bytes(actor->context)) : NULL;
}

/* Nobody waits for the answer. Takes items. */
static void ignore(void *context, uint8_t status, struct bytes result)
{
    (void)context, (void)status, (void)result;
}

static void tell(const struct actor *actor, const char *target, struct value *items,
                 size_t n)
{
    uplink_ask(actor->vm->rt->uplink, target, items, n, ignore, NULL);
    for (size_t i = 0; i < n; i++)
        value_finish(&items[i]);
}

static struct value pid_text(const struct actor *actor)
{
    char text[PID_TEXT_MAX];

    pid_format(text, actor->host, strlen(actor->host), actor->pid);
    return value_string(text);
}

void trace_note_call(struct actor *actor)
{
    const uint8_t *trace = trace_of(actor);

    if (trace != NULL)
        tell(actor, "@trace.ran",
             (struct value[]){value_int((int64_t)trace_get_span(trace)),
                              pid_text(actor), value_int(clock_wall_ns())},
             3);
}

void trace_enter_process(struct actor *actor)
{
    const uint8_t *trace = trace_of(actor);
    struct context *own;

    if (trace == NULL)
        return;
    own = context_create(context_bytes(actor->context));
    trace_set_span(own->data + (trace - actor->context->data), trace_new_span());
    context_unref(actor->context);
    actor->context = own;
}

void trace_note_process(struct actor *actor, const struct context *inherited)
{
    const uint8_t *trace = trace_of(actor), *above;

    if (trace == NULL)
        return;
    above = trace_find(context_bytes(inherited));
    tell(actor, "@trace.begin",
         (struct value[]){value_bytes(trace, TRACE_TEXT_BYTES),
                          value_int(above != NULL ? (int64_t)trace_get_span(above) : 0),
                          value_string(actor->vm->program->id), pid_text(actor),
                          value_int(actor->started_at_ns)},
         5);
}

void trace_note_end(struct actor *actor, const struct outcome *outcome)
{
    const uint8_t *trace = actor->instance == NULL ? trace_of(actor) : NULL;
    struct err err, bad;

    if (trace == NULL)
        return;
    if (!outcome->failed || error_decode(outcome->result, &err, &bad) == -1)
        err.text[0] = '\0';
    tell(actor, "@trace.end",
         (struct value[]){value_int((int64_t)trace_get_span(trace)),
                          value_bool(outcome->failed), value_string(err.text),
                          value_int(clock_wall_ns())},
         4);
}
