#include "worker/inbound.h"

#include <stdlib.h>

#include "common/err.h"
#include "common/mem.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/events.h"
#include "worker/functions.h"
#include "worker/relations.h"
#include "worker/runtime.h"
#include "worker/spawn.h"
#include "worker/terminal.h"
#include "worker/trace.h"
#include "worker/uplink.h"

static void reply_not_found(struct runtime *rt, uint64_t call, const char *text)
{
    struct err err;

    if (call == 0)
        return;
    err_set(&err, ERR_NOT_FOUND, "%s", text);
    uplink_reply_error(rt->uplink, call, &err);
}

static void reply_true(struct runtime *rt, uint64_t call)
{
    static const uint8_t payload[] = {0x00, 0x91, 0xc3}; /* no references, [true] */

    if (call != 0)
        uplink_reply(rt->uplink, call, REPLY_OK,
                     (struct bytes){payload, sizeof(payload)});
}

int inbound_on_send(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_send frame;
    struct actor *actor;
    struct message *message;

    if (frame_decode_send(body, &frame, err) == -1)
        return -1;
    actor = slots_find(&rt->slots, frame.to);
    if (actor == NULL)
        return 0; /* it ended while the message was on its way */
    message = message_create(MSG_USER, frame.from, frame.from_host, frame.topic,
                             frame.payload);
    if (message != NULL)
        actor_deliver_accepted(actor, message);
    return 0;
}

int inbound_on_send_traced(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_send_traced frame;
    struct actor *actor;
    struct message *message = NULL;

    if (frame_decode_send_traced(body, &frame, err) == -1)
        return -1;
    if (frame.trace.n != TRACE_TEXT_BYTES || !trace_check(frame.trace))
        return err_set(err, ERR_INVALID, "a SEND_TRACED without a trace");
    actor = slots_find(&rt->slots, frame.to);
    if (actor == NULL) {
        trace_refuse_message(rt, frame.trace.data, "process not found");
        return 0;
    }
    message = message_create_traced(frame.from, frame.from_host, frame.topic,
                                    frame.payload, frame.trace.data);
    if (message == NULL || actor_deliver_accepted(actor, message) == -1)
        trace_refuse_message(rt, frame.trace.data, "mailbox full");
    return 0;
}

/* ---- spawn ----------------------------------------------------------------------- */

/* A SPAWN from another worker, until it is loaded. */
struct arrival {
    struct runtime *rt;
    uint64_t call;
};

static void reply_pid(struct runtime *rt, uint64_t call, const struct actor *actor)
{
    struct value items[2] = {value_int((int64_t)actor->pid), value_string(actor->host)};

    buf_clear(&rt->scratch);
    payload_encode(&rt->scratch, items, N_ELEMENTS(items));
    uplink_reply(rt->uplink, call, REPLY_OK, buf_bytes(&rt->scratch));
    value_finish(&items[1]);
}

static void on_arrived(void *context, struct actor *actor, const struct err *err)
{
    struct arrival *arrival = context;

    if (err == NULL)
        reply_pid(arrival->rt, arrival->call, actor);
    else
        uplink_reply_error(arrival->rt->uplink, arrival->call, err);
    free(arrival);
}

int inbound_on_spawn(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_spawn frame;
    struct arrival *arrival;

    if (frame_decode_spawn(body, &frame, err) == -1)
        return -1;
    if (rt->terminal != NULL && !terminal_keep_args(rt->terminal, frame.args))
        return err_set(err, ERR_UNAVAILABLE,
                       "no memory for the arguments of a process");
    arrival = xcalloc(1, sizeof(*arrival));
    arrival->rt = rt;
    arrival->call = frame.call;
    spawn_local(
        rt,
        &(struct spawn_request){.entry = frame.entry,
                                .parent = frame.parent,
                                .flags = frame.flags,
                                .is_known = frame.name.n != 0 || frame.flags != 0,
                                .context = frame.context,
                                .messages = frame.messages,
                                .call = frame.call,
                                .args = frame.args},
        on_arrived, arrival);
    return 0;
}

/* Calls and spawns share their numbers. */
int inbound_on_cancel(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_cancel frame;

    if (frame_decode_cancel(body, &frame, err) == -1)
        return -1;
    if (!spawn_give_up(rt, frame.call))
        functions_cancel(rt, frame.call);
    return 0;
}

/* ---- watches --------------------------------------------------------------------- */

static void watch(struct actor *target, const struct frame_watch *frame)
{
    enum relation relation = frame->op == WATCH_LINK ? RELATION_LINK : RELATION_MONITOR;

    relations_add_watcher(target, frame->watcher, relation);
    if (relation == RELATION_LINK)
        relations_add_watched(target, frame->watcher, relation);
    target->is_known = true;
}

static void unwatch(struct actor *target, const struct frame_watch *frame)
{
    enum relation relation =
        frame->op == WATCH_UNLINK ? RELATION_LINK : RELATION_MONITOR;

    relations_remove_watcher(target, frame->watcher, relation);
    if (relation == RELATION_LINK)
        relations_remove_watched(target, frame->watcher, relation);
}

int inbound_on_watch(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_watch frame;
    struct actor *target;
    bool adds;

    if (frame_decode_watch(body, &frame, err) == -1)
        return -1;
    if (frame.op < WATCH_MONITOR || frame.op > WATCH_UNLINK)
        return err_set(err, ERR_INVALID, "WATCH with op %u", frame.op);
    adds = frame.op == WATCH_MONITOR || frame.op == WATCH_LINK;
    target = slots_find(&rt->slots, frame.target);
    if (target == NULL && adds) {
        reply_not_found(rt, frame.call, "pid not registered");
        return 0;
    }
    if (target != NULL && adds)
        watch(target, &frame);
    else if (target != NULL)
        unwatch(target, &frame);
    reply_true(rt, frame.call);
    return 0;
}

static void tell_of_exit(struct actor *watcher, const struct frame_exit *frame,
                         enum message_kind kind)
{
    actor_tell(watcher, kind, frame->from, frame->from_host, frame->failed != 0,
               frame->result);
}

/* Who has thought better of it while this was on its way hears nothing. */
int inbound_on_exit(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_exit frame;
    struct actor *watcher;
    bool monitors, is_linked;

    if (frame_decode_exit(body, &frame, err) == -1)
        return -1;
    watcher = slots_find(&rt->slots, frame.to);
    if (watcher == NULL)
        return 0;
    monitors = relations_has_watched(watcher, frame.from, RELATION_MONITOR);
    is_linked = relations_has_watched(watcher, frame.from, RELATION_LINK);
    relations_remove_watched(watcher, frame.from, RELATION_MONITOR);
    relations_remove_watched(watcher, frame.from, RELATION_LINK);
    relations_remove_watcher(watcher, frame.from, RELATION_LINK);
    if ((frame.what & EXIT_EVENT) != 0 && monitors &&
        !actor_take_exit(watcher, frame.from, frame.failed != 0, frame.result))
        tell_of_exit(watcher, &frame, MSG_EXIT);
    if ((frame.what & LINK_DOWN_EVENT) != 0 && is_linked)
        tell_of_exit(watcher, &frame, MSG_DOWN);
    return 0;
}

/* ---- signals --------------------------------------------------------------------- */

int inbound_on_signal(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_signal frame;
    struct actor *actor;

    if (frame_decode_signal(body, &frame, err) == -1)
        return -1;
    if (frame.op != SIGNAL_CANCEL && frame.op != SIGNAL_TERMINATE)
        return err_set(err, ERR_INVALID, "SIGNAL with op %u", frame.op);
    actor = slots_find(&rt->slots, frame.to);
    if (actor == NULL || actor->doom != DOOM_NONE) {
        reply_not_found(rt, frame.call, "process not found");
        return 0;
    }
    if (frame.op == SIGNAL_CANCEL)
        actor_tell(actor, MSG_CANCEL, frame.from, frame.from_host, false, frame.reason);
    else
        actor_doom(actor, DOOM_TERMINATED);
    reply_true(rt, frame.call);
    return 0;
}

int inbound_on_event(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_event frame;

    if (frame_decode_event(body, &frame, err) == -1)
        return -1;
    events_publish(rt, &frame);
    return 0;
}
