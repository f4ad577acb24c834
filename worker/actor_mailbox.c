#include "worker/actor.h"

#include "worker/channel.h"
#include "worker/runtime.h"
#include "worker/vm.h"

#define MAILBOX_MIN_MESSAGES 100000 /* MB-5: never fewer, whatever their bytes */

static void count_in(struct actor *actor, struct message *message)
{
    message->is_counted = true;
    actor->mailbox_bytes += message_size(message);
    actor->mailbox_n++;
    if (!actor->is_full && actor->mailbox_n > MAILBOX_MIN_MESSAGES &&
        actor->mailbox_bytes > actor->vm->rt->settings.mailbox_max_bytes) {
        actor->is_full = true;
        slots_set_full(&actor->vm->rt->slots, actor->pid, true);
    }
}

void actor_consumed(struct actor *actor, const struct message *message)
{
    if (!message->is_counted)
        return;
    actor->mailbox_bytes -= message_size(message);
    actor->mailbox_n--;
    if (actor->is_full &&
        (actor->mailbox_n <= MAILBOX_MIN_MESSAGES ||
         actor->mailbox_bytes < actor->vm->rt->settings.mailbox_max_bytes / 4 * 3)) {
        actor->is_full = false;
        slots_set_full(&actor->vm->rt->slots, actor->pid, false);
    }
}

/* MB-2: the topic's own listener, else the inbox, else nobody yet. */
static struct channel *taker(struct actor *actor, const struct message *message)
{
    struct channel *channel;

    if (message->kind != MSG_USER)
        return actor->events;
    channel =
        channel_find(&actor->queues, message_topic(message), message->topic_bytes);
    if (channel != NULL)
        return channel;
    return message_topic(message)[0] != '@' ? actor->inbox : NULL;
}

int actor_deliver(struct actor *actor, struct message *message)
{
    struct channel *channel;

    if (message->kind == MSG_DOWN && !actor->trap_links) {
        message_destroy(message);
        actor_doom(actor, DOOM_LINK);
        return 0;
    }
    if (message->kind == MSG_USER && actor->is_full) {
        message_destroy(message);
        return -1;
    }
    count_in(actor, message);
    channel = taker(actor, message);
    if (channel != NULL)
        channel_deliver(channel, message);
    else
        msgq_append(&actor->mailbox, message);
    return 0;
}

static bool goes_to(struct actor *actor, const struct message *message,
                    const struct channel *channel)
{
    return taker(actor, message) == channel;
}

/* Moves what channel takes out of a queue, in order. */
static void sift(struct actor *actor, struct msgq *queue, struct channel *channel)
{
    struct msgq rest;
    struct message *message;

    msgq_init(&rest);
    while ((message = msgq_take(queue)) != NULL) {
        if (goes_to(actor, message, channel))
            channel_deliver(channel, message); /* somebody may wait in it already */
        else
            msgq_append(&rest, message);
    }
    *queue = rest;
    if (rest.first == NULL)
        queue->last = &queue->first;
}

void actor_reroute(struct actor *actor, struct channel *channel)
{
    sift(actor, &actor->mailbox, channel);
    if (channel != actor->inbox && actor->inbox != NULL && channel->topic != NULL)
        sift(actor, &actor->inbox->queue, channel);
}
