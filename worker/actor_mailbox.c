#include "worker/actor.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "worker/channel.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

#define MAILBOX_MIN_MESSAGES 100000 /* MB-5: never fewer, whatever their bytes */

/* More than that can't be on its way: the supervisor holds no more for a worker. */
#define ON_ITS_WAY_MAX_BYTES (256ull * 1024 * 1024)

static void count_in(struct actor *actor, struct message *message)
{
    message->is_counted = true;
    message->number = actor->n_counted++;
    actor->mailbox_bytes += message_size(message);
    actor->mailbox_n++;
    if (!actor->is_full && actor->mailbox_n > MAILBOX_MIN_MESSAGES &&
        actor->mailbox_bytes > actor->vm->rt->settings.mailbox_max_bytes) {
        actor->is_full = true;
        actor->full_at_bytes = actor->mailbox_bytes;
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
        actor->misses_news = false;
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

static int drop(struct actor *actor, struct message *message)
{
    message_destroy(message);
    actor->vm->rt->n_mailbox_drops++;
    return -1;
}

static int take_in(struct actor *actor, struct message *message)
{
    struct channel *channel;

    count_in(actor, message);
    channel = taker(actor, message);
    if (channel != NULL)
        channel_deliver(channel, message);
    else
        msgq_append(&actor->mailbox, message);
    return 0;
}

int actor_deliver(struct actor *actor, struct message *message)
{
    if (message->kind == MSG_DOWN && !actor->trap_links) {
        message_destroy(message);
        actor_doom(actor, DOOM_LINK);
        return 0;
    }
    if (message->kind == MSG_USER && actor->is_full)
        return drop(actor, message);
    return take_in(actor, message);
}

int actor_deliver_accepted(struct actor *actor, struct message *message)
{
    if (actor->is_full &&
        actor->mailbox_bytes > actor->full_at_bytes + ON_ITS_WAY_MAX_BYTES)
        return drop(actor, message);
    return take_in(actor, message);
}

static void warn_of_missed_news(struct actor *actor)
{
    char pid[PID_TEXT_MAX];
    struct value fields = value_map();

    actor->misses_news = true;
    pid_format(pid, actor->host, strlen(actor->host), actor->pid);
    value_put(&fields, "pid", value_string(pid));
    value_put(&fields, "entry", value_string(actor->vm->program->id));
    uplink_log(actor->vm->rt->uplink, LOG_WARN, "app",
               value_string("a mailbox is full of events that nobody receives, "
                            "further ones are dropped"),
               fields);
}

void actor_deliver_news(struct actor *actor, struct channel *channel,
                        struct message *message)
{
    if (actor->is_full) {
        if (!actor->misses_news)
            warn_of_missed_news(actor);
        drop(actor, message);
        return;
    }
    count_in(actor, message);
    channel_deliver(channel, message);
}

void actor_tell(struct actor *actor, enum message_kind kind, uint64_t from,
                struct bytes host, bool failed, struct bytes payload)
{
    struct message *message =
        message_create(kind, from, host, (struct bytes){NULL, 0}, payload);

    if (message == NULL) {
        actor_doom(actor, DOOM_UNTOLD);
        return;
    }
    message->at_ns = clock_wall_ns();
    message->failed = failed;
    actor_deliver(actor, message);
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
    msgq_move(queue, &rest);
}

void actor_reroute(struct actor *actor, struct channel *channel)
{
    sift(actor, &actor->mailbox, channel);
    if (channel != actor->inbox && actor->inbox != NULL && channel->topic != NULL)
        sift(actor, &actor->inbox->queue, channel);
}

/* Their numbers may have passed 2^32, but never all of that at once. */
static bool is_older(const struct message *message, const struct message *than)
{
    return (int32_t)(message->number - than->number) < 0;
}

/* Both are in order of arrival, and empty afterwards. */
static void merge(struct msgq *a, struct msgq *b, struct msgq *out)
{
    msgq_init(out);
    while (a->first != NULL || b->first != NULL) {
        bool from_a =
            b->first == NULL || (a->first != NULL && is_older(a->first, b->first));

        msgq_append(out, msgq_take(from_a ? a : b));
    }
}

void actor_take_back(struct actor *actor, struct channel *channel)
{
    struct channel *inbox = actor->inbox;
    struct msgq kept, all;
    struct message *message;

    if (channel->queue.n <= channel->room || (inbox != NULL && inbox->closed))
        return;
    msgq_init(&kept);
    while (kept.n < channel->room && (message = msgq_take(&channel->queue)) != NULL)
        msgq_append(&kept, message);
    merge(inbox != NULL ? &inbox->queue : &actor->mailbox, &channel->queue, &all);
    msgq_move(&channel->queue, &kept);
    if (inbox == NULL)
        msgq_move(&actor->mailbox, &all);
    while (inbox != NULL && (message = msgq_take(&all)) != NULL)
        channel_deliver(inbox, message); /* somebody may wait in it */
}

/* ---- back into the mailbox, for another run -------------------------------------- */

struct harvest {
    struct message **all;
    uint32_t n, n_size;
};

/* What isn't counted was never the mailbox's: timers, futures. Subscriptions end with
 * the run that made them. News of old code is no news to the new one. */
static void keep(struct harvest *harvest, struct message *message)
{
    if (message == NULL)
        return;
    if (!message->is_counted || message->kind == MSG_EVENT ||
        message->kind == MSG_OUTDATED) {
        message_destroy(message);
        return;
    }
    if (harvest->n == harvest->n_size) {
        harvest->n_size = harvest->n_size == 0 ? 64 : 2 * harvest->n_size;
        harvest->all = xrealloc(harvest->all, harvest->n_size * sizeof(*harvest->all));
    }
    harvest->all[harvest->n++] = message;
}

static void keep_queue(struct harvest *harvest, struct msgq *queue)
{
    struct message *message;

    while ((message = msgq_take(queue)) != NULL)
        keep(harvest, message);
}

/* One that was handed to a task that has not run since. */
static void keep_handed(struct harvest *harvest, struct task *task)
{
    keep(harvest, task->message);
    task->message = NULL;
}

static int compare_numbers(const void *a, const void *b)
{
    const struct message *const *left = a, *const *right = b;

    return is_older(*left, *right) ? -1 : is_older(*right, *left);
}

void actor_recall_messages(struct actor *actor)
{
    struct harvest harvest = {0};

    keep_queue(&harvest, &actor->mailbox);
    keep_handed(&harvest, &actor->main);
    if (actor->belongings != NULL)
        LIST_FOREACH (node, &actor->belongings->tasks)
            keep_handed(&harvest, &container_of(node, struct extra_task, node)->task);
    LIST_FOREACH (node, &actor->queues)
        keep_queue(&harvest, &container_of(node, struct channel, in_actor)->queue);
    if (actor->is_full)
        slots_set_full(&actor->vm->rt->slots, actor->pid, false);
    actor->is_full = false;
    actor->misses_news = false;
    actor->mailbox_bytes = 0;
    actor->mailbox_n = 0;
    if (harvest.n > 1)
        qsort(harvest.all, harvest.n, sizeof(struct message *), compare_numbers);
    for (uint32_t i = 0; i < harvest.n; i++) {
        count_in(actor, harvest.all[i]);
        msgq_append(&actor->mailbox, harvest.all[i]);
    }
    free(harvest.all);
}
