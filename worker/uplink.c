#include "worker/uplink.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/functions.h"
#include "worker/groups.h"
#include "worker/held.h"
#include "worker/inbound.h"
#include "worker/peers.h"
#include "worker/role.h"
#include "worker/runtime.h"
#include "worker/vm.h"

/* A request under way; number = generation << 32 | index. */
struct pending {
    uplink_done *done; /* NULL: free, forgotten, or never wanted */
    void *context;
    uint32_t generation;
    uint32_t next_free;
    bool in_use;
    bool canceled; /* the supervisor has been told */
};

struct uplink {
    struct runtime *rt;
    struct conn *conn;
    struct pending *pending;
    uint32_t n_pending, first_free; /* index 0 is never used */
    struct held *held;
};

struct conn *uplink_conn(struct uplink *uplink)
{
    return uplink->conn;
}

/* ---- requests of ours ------------------------------------------------------------ */

static void grow(struct uplink *uplink)
{
    uint32_t old = uplink->n_pending, n = old == 0 ? 64 : old * 2;

    uplink->pending = xrealloc(uplink->pending, n * sizeof(*uplink->pending));
    for (uint32_t i = old; i < n; i++)
        uplink->pending[i] = (struct pending){.next_free = i + 1 < n ? i + 1 : 0};
    uplink->n_pending = n;
    uplink->first_free = old == 0 ? 1 : old;
}

uint64_t uplink_expect(struct uplink *uplink, uplink_done *done, void *context)
{
    struct pending *pending;
    uint32_t index;

    if (uplink->first_free == 0)
        grow(uplink);
    index = uplink->first_free;
    pending = &uplink->pending[index];
    uplink->first_free = pending->next_free;
    pending->done = done;
    pending->context = context;
    pending->in_use = true;
    pending->canceled = false;
    pending->generation++;
    return (uint64_t)pending->generation << 32 | index;
}

static struct pending *find_pending(struct uplink *uplink, uint64_t call)
{
    uint32_t index = (uint32_t)call;

    if (index == 0 || index >= uplink->n_pending ||
        uplink->pending[index].generation != call >> 32 ||
        !uplink->pending[index].in_use)
        return NULL;
    return &uplink->pending[index];
}

static void release(struct uplink *uplink, struct pending *pending)
{
    pending->in_use = false;
    pending->done = NULL;
    pending->next_free = uplink->first_free;
    uplink->first_free = (uint32_t)(pending - uplink->pending);
}

void uplink_unexpect(struct uplink *uplink, uint64_t call)
{
    struct pending *pending = find_pending(uplink, call);

    if (pending != NULL)
        release(uplink, pending);
}

void uplink_forget(struct uplink *uplink, uint64_t call, bool cancel)
{
    struct pending *pending = find_pending(uplink, call);
    struct frame_cancel frame = {.call = call};

    if (pending == NULL)
        return;
    pending->done = NULL;
    if (!cancel)
        return;
    if (held_drop(uplink->held, call)) { /* the supervisor doesn't know it any more */
        release(uplink, pending);
        return;
    }
    pending->canceled = true;
    uplink_wrote(uplink, frame_encode_cancel(conn_out(uplink->conn), &frame));
}

static void wake_with_reply(void *context, uint8_t status, struct bytes result)
{
    task_wake_reply(context, status, result);
}

static void withdraw_request(struct task *task)
{
    uint64_t call = (uint64_t)(uintptr_t)task->withdraw_state;

    uplink_forget(task->actor->vm->rt->uplink, call, true);
}

uint64_t uplink_expect_for(struct uplink *uplink, struct task *task)
{
    uint64_t call = uplink_expect(uplink, wake_with_reply, task);

    task->withdraw = withdraw_request;
    task->withdraw_state = (void *)(uintptr_t)call;
    return call;
}

void uplink_unexpect_for(struct uplink *uplink, struct task *task, uint64_t call)
{
    task->withdraw = NULL;
    uplink_unexpect(uplink, call);
}

void uplink_ask(struct uplink *uplink, const char *target, const struct value *items,
                size_t n_items, uplink_done *done, void *context)
{
    struct buf args;
    struct frame_call frame = {.target = bytes_of_text(target)};
    bool encoded;

    buf_init(&args, 0);
    encoded = payload_encode(&args, items, n_items);
    frame.call = uplink_expect(uplink, done, context);
    frame.args = buf_bytes(&args);
    uplink_wrote(uplink, encoded && frame_encode_call(conn_out(uplink->conn), &frame));
    buf_finish(&args);
}

void uplink_log(struct uplink *uplink, enum log_level level, const char *logger,
                struct value message, struct value fields)
{
    struct frame_log frame = {.level = (uint8_t)level,
                              .at_ns = (uint64_t)clock_wall_ns(),
                              .logger = bytes_of_text(logger)};
    struct buf record; /* not the scratch buffer: the caller may be using it */

    buf_init(&record, 0);
    if ((int)level >= uplink->rt->settings.log_level &&
        value_encode(&record, &message) && value_encode(&record, &fields)) {
        frame.record = buf_bytes(&record);
        frame_encode_log(conn_out(uplink->conn), &frame);
        conn_wrote(uplink->conn);
    }
    buf_finish(&record);
    value_finish(&message);
    value_finish(&fields);
}

void uplink_end_frame(struct uplink *uplink, size_t at)
{
    struct buf *out = conn_out(uplink->conn);
    uint32_t big =
        __builtin_bswap32((uint32_t)(buf_len(out) - at - FRAME_HEADER_BYTES));

    memcpy(buf_head(out) + at + 1, &big, 4);
    conn_wrote(uplink->conn);
}

int uplink_end_large_frame(struct uplink *uplink, size_t at, struct err *err)
{
    size_t n_bytes = buf_len(conn_out(uplink->conn)) - at - FRAME_HEADER_BYTES;

    if (n_bytes <= FRAME_MAX_BYTES_DEFAULT) {
        uplink_end_frame(uplink, at);
        return 0;
    }
    uplink_drop_frame(uplink, at);
    return err_set(err, ERR_LIMIT_EXCEEDED, "value too large (limit %u bytes)",
                   FRAME_MAX_BYTES_DEFAULT);
}

void uplink_drop_frame(struct uplink *uplink, size_t at)
{
    struct buf *out = conn_out(uplink->conn);

    out->end = out->start + at;
    conn_wrote(uplink->conn);
}

void uplink_wrote(struct uplink *uplink, bool encoded)
{
    if (!encoded)
        mem_give_up(FRAME_HEADER_BYTES);
    conn_wrote(uplink->conn);
}

void uplink_reply(struct uplink *uplink, uint64_t call, uint8_t status,
                  struct bytes result)
{
    struct frame_reply frame = {.call = call, .status = status, .result = result};

    uplink_wrote(uplink, frame_encode_reply(conn_out(uplink->conn), &frame));
}

void uplink_reply_error(struct uplink *uplink, uint64_t call, const struct err *err)
{
    struct buf *scratch = &uplink->rt->scratch;

    buf_clear(scratch);
    error_encode(scratch, err);
    uplink_reply(uplink, call, REPLY_ERROR, buf_bytes(scratch));
}

void uplink_send_exit(struct uplink *uplink, const struct frame_exit *frame)
{
    uplink_wrote(uplink, frame_encode_exit(conn_out(uplink->conn), frame));
}

void uplink_send_gone(struct uplink *uplink, uint64_t pid)
{
    struct frame_gone frame = {.pid = pid};

    uplink_wrote(uplink, frame_encode_gone(conn_out(uplink->conn), &frame));
}

/* ---- frames that come in --------------------------------------------------------- */

static int on_reply(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_reply frame;
    struct pending *pending;
    uplink_done *done;
    void *context;

    if (frame_decode_reply(body, &frame, err) == -1)
        return -1;
    pending = find_pending(rt->uplink, frame.call);
    if (pending == NULL)
        return err_set(err, ERR_INVALID, "REPLY to a call that was never made");
    done = pending->done;
    context = pending->context;
    release(rt->uplink, pending);
    if (done != NULL)
        done(context, frame.status & REPLY_ERROR, frame.result);
    return 0;
}

static int on_hold(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_hold frame;
    struct pending *pending;

    if (frame_decode_hold(body, &frame, err) == -1)
        return -1;
    pending = find_pending(rt->uplink, frame.call);
    if (pending == NULL)
        return err_set(err, ERR_INVALID, "HOLD of a call that was never made");
    if (held_add(rt->uplink->held, &frame, err) == -1)
        return -1;
    if (pending->canceled) { /* it came too late for the supervisor */
        held_drop(rt->uplink->held, frame.call);
        release(rt->uplink, pending);
    }
    return 0;
}

static int on_resume(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_resume frame;

    if (frame_decode_resume(body, &frame, err) == -1)
        return -1;
    held_resume(rt->uplink->held, frame.queue, frame.n);
    return 0;
}

typedef int frame_handler(struct runtime *rt, struct bytes body, struct err *err);

static frame_handler *const handlers[256] = {
    [FRAME_SETUP] = role_on_setup,
    [FRAME_PING] = role_on_ping,
    [FRAME_DRAIN] = role_on_drain,
    [FRAME_MAPPED] = peers_on_mapped,
    [FRAME_CALL] = functions_on_call,
    [FRAME_REPLY] = on_reply,
    [FRAME_CANCEL] = inbound_on_cancel,
    [FRAME_HOLD] = on_hold,
    [FRAME_RESUME] = on_resume,
    [FRAME_SEND] = inbound_on_send,
    [FRAME_SEND_TRACED] = inbound_on_send_traced,
    [FRAME_SPAWN] = inbound_on_spawn,
    [FRAME_WATCH] = inbound_on_watch,
    [FRAME_EXIT] = inbound_on_exit,
    [FRAME_SIGNAL] = inbound_on_signal,
    [FRAME_EVENT] = inbound_on_event,
    [FRAME_GROUP] = groups_on_group,
};

static int on_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    struct runtime *rt = context;

    if (handlers[type] == NULL)
        return err_set(err, ERR_INVALID, "frame %s (%u) is not for a worker",
                       frame_name(type), type);
    if (!rt->set_up && type != FRAME_SETUP && type != FRAME_PING)
        return err_set(err, ERR_INVALID, "frame %s came before SETUP",
                       frame_name(type));
    return handlers[type](rt, body, err);
}

static void on_closed(void *context, const struct err *reason)
{
    struct runtime *rt = context;

    /* Its own end is no news; anything else is a bug worth a line before we go. */
    if (reason->kind != ERR_UNAVAILABLE) {
        log_error("bad frame from the supervisor, worker ends", "reason=%s",
                  reason->text);
        rt->exit_status = EXIT_FAILURE;
    }
    rt->stop = true;
}

struct uplink *uplink_create(struct runtime *rt, int fd)
{
    static const struct conn_callbacks callbacks = {on_frame, on_closed};
    struct conn_limits limits = conn_limits_default;
    struct uplink *uplink = xcalloc(1, sizeof(*uplink));

    limits.takes_fds = true; /* MAPPED brings one */
    limits.frame_max_bytes += FRAME_GROWTH_BYTES;
    limits.out_max_bytes = 0; /* bounded by what the app has: each call waits for one */
    uplink->rt = rt;
    uplink->conn = conn_create(&rt->conns, fd, &limits, &callbacks, rt);
    uplink->held = held_create(rt->loop, uplink->conn);
    return uplink;
}

void uplink_destroy(struct uplink *uplink)
{
    if (uplink == NULL)
        return;
    held_destroy(uplink->held);
    conn_destroy(uplink->conn);
    free(uplink->pending);
    free(uplink);
}
