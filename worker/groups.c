#include "worker/groups.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/trace_context.h"

#include "worker/runtime.h"
#include "worker/trace.h"
#include "worker/uplink.h"
#include "worker/vm.h"

/* A watch that the supervisor has not answered yet; outlives who asked. */
struct group_request {
    struct list node;
    struct runtime *rt;
    struct group_watch *watch; /* NULL: it has been ended */
    struct task *task;         /* NULL: it has been dropped */
    char *scope, *group;
    size_t group_bytes;
};

struct group_watches {
    struct list active, requests;
};

struct group_watches *groups_create(void)
{
    struct group_watches *watches = xcalloc(1, sizeof(*watches));

    list_init(&watches->active);
    list_init(&watches->requests);
    return watches;
}

static void free_request(struct group_request *request)
{
    list_remove(&request->node);
    free(request->scope);
    free(request->group);
    free(request);
}

void groups_destroy(struct group_watches *watches)
{
    struct list *node;

    while ((node = list_first(&watches->requests)) != NULL)
        free_request(container_of(node, struct group_request, node));
    free(watches);
}

/* ---- watches --------------------------------------------------------------------- */

/* The group's name may have any bytes. */
static void ask(struct runtime *rt, const char *target, const char *scope,
                const char *group, size_t group_bytes, uplink_done *done, void *context)
{
    struct value args[2] = {value_string(scope)};

    if (group != NULL)
        args[1] = value_bytes(group, group_bytes);

    uplink_ask(rt->uplink, target, args, N_ELEMENTS(args), done, context);
    value_finish(&args[0]);
    value_finish(&args[1]);
}

static void on_watched(void *context, uint8_t status, struct bytes result)
{
    struct group_request *request = context;
    struct group_watch *watch = request->watch;
    struct runtime *rt = request->rt;

    if (watch != NULL) {
        watch->request = NULL;
        watch->active = status == REPLY_OK;
    }
    if (watch != NULL && status == REPLY_OK)
        list_append(&rt->group_watches->active, &watch->node);
    else if (status == REPLY_OK)
        ask(rt, "@pg.unwatch", request->scope, request->group, request->group_bytes,
            NULL, NULL);
    if (request->task != NULL)
        task_wake_reply(request->task, status, result);
    free_request(request);
}

static void drop_task(struct task *task)
{
    struct group_request *request = task->withdraw_state;

    request->task = NULL;
}

void groups_start_watch(struct group_watch *watch, struct task *task)
{
    struct runtime *rt = watch->actor->vm->rt;
    struct group_request *request = xcalloc(1, sizeof(*request));

    request->rt = rt;
    request->watch = watch;
    request->task = task;
    request->scope = xstrdup(watch->scope);
    if (watch->group != NULL)
        request->group = xstrndup(watch->group, watch->group_bytes);
    request->group_bytes = watch->group_bytes;
    list_append(&rt->group_watches->requests, &request->node);
    watch->request = request;
    task->withdraw = drop_task;
    task->withdraw_state = request;
    ask(rt, "@pg.watch", watch->scope, watch->group, watch->group_bytes, on_watched,
        request);
}

void groups_end_watch(struct group_watch *watch)
{
    struct runtime *rt = watch->actor->vm->rt;

    if (watch->request != NULL)
        watch->request->watch = NULL;
    if (watch->active)
        ask(rt, "@pg.unwatch", watch->scope, watch->group, watch->group_bytes, NULL,
            NULL);
    watch->active = false;
    watch->request = NULL;
    list_remove(&watch->node);
    free(watch->scope);
    free(watch->group);
    watch->scope = watch->group = NULL;
}

static bool concerns(const struct group_watch *watch, const struct frame_group *frame)
{
    return bytes_equal_text(frame->scope, watch->scope) &&
           (watch->group == NULL ||
            (frame->group.n == watch->group_bytes &&
             memcmp(frame->group.data, watch->group, watch->group_bytes) == 0));
}

/* The kind and the group travel as one topic. */
static struct message *make_message(struct runtime *rt, const struct frame_group *frame)
{
    static const struct bytes none = {NULL, 0};
    const char *kind = frame->what == GROUP_JOINED ? "member.joined" : "member.left";

    buf_clear(&rt->scratch);
    if (!buf_append(&rt->scratch, kind, strlen(kind) + 1) ||
        !buf_append(&rt->scratch, frame->group.data, frame->group.n) ||
        buf_len(&rt->scratch) > STR_MAX_BYTES)
        return NULL;
    return message_create(MSG_EVENT, 0, none, buf_bytes(&rt->scratch), frame->members);
}

int groups_on_group(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_group frame;

    if (frame_decode_group(body, &frame, err) == -1)
        return -1;
    if (frame.what != GROUP_JOINED && frame.what != GROUP_LEFT)
        return err_set(err, ERR_INVALID, "GROUP of unknown kind %u", frame.what);
    LIST_FOREACH (node, &rt->group_watches->active) {
        struct group_watch *watch = container_of(node, struct group_watch, node);
        struct message *message;

        if (!concerns(watch, &frame))
            continue;
        message = make_message(rt, &frame);
        if (message != NULL)
            actor_deliver_news(watch->actor, watch->channel, message);
    }
    return 0;
}

/* ---- messages to members --------------------------------------------------------- */

static bool is_delivery(const struct value *args)
{
    const struct value *items = args->as.list.items;
    size_t n = args->as.list.n;

    if ((n != 5 && n != 7) || items[0].type != VALUE_INT)
        return false;
    for (size_t i = 1; i < n; i++)
        if (items[i].type != VALUE_STRING)
            return false;
    if (n == 7 && (items[5].as.string.n != TRACE_TEXT_BYTES ||
                   !trace_check(value_to_bytes(&items[5]))))
        return false;
    return items[4].as.string.n % sizeof(uint64_t) == 0 &&
           (n == 5 || items[6].as.string.n % sizeof(uint64_t) == 0);
}

static uint64_t number_at(const struct value *numbers, size_t i)
{
    uint64_t number;

    memcpy(&number, numbers->as.string.data + i * sizeof(number), sizeof(number));
    return number;
}

/* text_out: of the span that the message for the i-th pid has; false: it has none. */
static bool find_span(const struct value *args, size_t i, uint8_t *text_out)
{
    const struct value *items = args->as.list.items;

    if (args->as.list.n == 5 || i >= items[6].as.string.n / sizeof(uint64_t))
        return false;
    memcpy(text_out, items[5].as.string.data, TRACE_TEXT_BYTES);
    trace_set_span(text_out, number_at(&items[6], i));
    return true;
}

static struct message *make_copy(const struct value *items, const uint8_t *trace)
{
    uint64_t from = (uint64_t)items[0].as.integer;
    struct bytes host = value_to_bytes(&items[1]), topic = value_to_bytes(&items[2]),
                 payload = value_to_bytes(&items[3]);

    return trace != NULL ? message_create_traced(from, host, topic, payload, trace)
                         : message_create(MSG_USER, from, host, topic, payload);
}

/* trace: of its span, or NULL. */
static void deliver_to(struct runtime *rt, uint64_t pid, const struct value *items,
                       const uint8_t *trace)
{
    struct actor *actor = slots_find(&rt->slots, pid);
    struct message *message = actor != NULL ? make_copy(items, trace) : NULL;

    if (message != NULL && actor_deliver(actor, message) == 0)
        return;
    if (trace != NULL)
        trace_refuse_message(rt, trace,
                             actor == NULL     ? "process not found"
                             : message == NULL ? "no memory for the message"
                                               : "mailbox full");
}

/* Who has ended meanwhile, or has a full mailbox, gets none. */
int groups_deliver(struct runtime *rt, const struct value *args, struct value *result,
                   struct err *err)
{
    const struct value *items = args->as.list.items;

    (void)result;
    if (!is_delivery(args))
        return err_set(err, ERR_INVALID, "@pg.deliver was called the wrong way");
    for (size_t i = 0; i < items[4].as.string.n / sizeof(uint64_t); i++) {
        uint8_t trace[TRACE_TEXT_BYTES];

        deliver_to(rt, number_at(&items[4], i), items,
                   find_span(args, i, trace) ? trace : NULL);
    }
    return 0;
}
