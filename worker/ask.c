#include "worker/ask.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/codec.h"
#include "worker/functions.h"
#include "worker/modules/errors.h"
#include "worker/runtime.h"
#include "worker/uplink.h"
#include "worker/vm.h"

#define FRAME_FIELDS_BYTES 1024 /* of a CALL, with some room */

/* Reading a variable or the registry isn't waiting to an app: it does so in the first
 * lines of a file, too. */
static struct task *begin(lua_State *L, const char *target)
{
    static const char *const reads[] = {"@env.get", "@registry.get", "@registry.find",
                                        "@registry.snapshot", "@registry.version"};

    for (size_t i = 0; i < N_ELEMENTS(reads); i++)
        if (strncmp(target, reads[i], strlen(reads[i])) == 0)
            return task_begin_read(L);
    return task_begin_block(L);
}

/* The request could not be written: nil and an Error instead of waiting. */
static int refuse(lua_State *L, struct task *task, uint64_t call, const struct err *err)
{
    uplink_unexpect_for(task->actor->vm->rt->uplink, task, call);
    return errors_return_struct(L, err);
}

int ask_system(lua_State *L, const char *target, int first, int n, lua_KContext ctx,
               lua_KFunction k)
{
    struct task *task = begin(L, target);
    struct uplink *uplink = task->actor->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    struct frame_call frame = {.call = uplink_expect_for(uplink, task),
                               .caller = task->actor->pid,
                               .target = bytes_of_text(target)};
    size_t at = buf_len(out);
    struct err err;

    if (!frame_encode_call(out, &frame)) {
        err_set(&err, ERR_UNAVAILABLE, "no memory for a request");
        return refuse(L, task, frame.call, &err);
    }
    if (codec_encode_args(L, first, n, out, &err) == -1) {
        uplink_drop_frame(uplink, at);
        return refuse(L, task, frame.call, &err);
    }
    uplink_end_frame(uplink, at);
    return task_block(L, ctx, k);
}

int ask_send_call(lua_State *L, uint64_t number, const struct ask_call *call,
                  struct err *err)
{
    struct actor *self = actor_current(L);
    struct uplink *uplink = self->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    struct bytes prepared = buf_bytes(&self->vm->rt->scratch);
    struct frame_call frame = {.call = number,
                               .deadline_at_ns = functions_deadline(self),
                               .caller = self->pid,
                               .target = call->target,
                               .context = {prepared.data, call->context_bytes},
                               .options = {prepared.data + call->context_bytes,
                                           prepared.n - call->context_bytes}};
    size_t at = buf_len(out);

    if (!frame_encode_call(out, &frame))
        return err_set(err, ERR_INVALID, "the function ID is too long");
    if (codec_encode_args(L, call->first_arg, lua_gettop(L) - call->first_arg + 1, out,
                          err) == -1) {
        uplink_drop_frame(uplink, at);
        return -1;
    }
    return uplink_end_large_frame(uplink, at, err);
}

int ask_call(lua_State *L, struct task *task, const struct ask_call *call,
             lua_KContext ctx, lua_KFunction k)
{
    uint64_t number = uplink_expect_for(task->actor->vm->rt->uplink, task);
    struct err err;

    if (ask_send_call(L, number, call, &err) == -1)
        return refuse(L, task, number, &err);
    return task_block(L, ctx, k);
}

static void send_encoded(struct task *task, const char *target, struct bytes payload)
{
    struct uplink *uplink = task->actor->vm->rt->uplink;
    struct frame_call frame = {.call = uplink_expect_for(uplink, task),
                               .caller = task->actor->pid,
                               .target = bytes_of_text(target),
                               .args = payload};

    uplink_wrote(uplink, frame_encode_call(conn_out(uplink_conn(uplink)), &frame));
}

int ask_send_encoded(lua_State *L, const char *target, struct bytes payload)
{
    struct task *task = task_begin_block(L);

    if (payload.n > FRAME_MAX_BYTES_DEFAULT - FRAME_FIELDS_BYTES)
        return -1;
    send_encoded(task, target, payload);
    return 0;
}

int ask_system_encoded(lua_State *L, const char *target, struct bytes payload,
                       lua_KContext ctx, lua_KFunction k)
{
    send_encoded(begin(L, target), target, payload);
    return task_block(L, ctx, k);
}

bool ask_reply(lua_State *L, struct bytes *result_out)
{
    struct task *task = task_current(L);

    *result_out = (struct bytes){task->reply, task->reply_bytes};
    return task->reply_status == REPLY_OK;
}

void ask_done(lua_State *L)
{
    struct task *task = task_current(L);

    free(task->reply);
    task->reply = NULL;
}

int ask_result(lua_State *L)
{
    struct bytes result;
    bool ok = ask_reply(L, &result);
    int n = codec_push_result(L, ok, result);

    ask_done(L);
    return n;
}

int ask_result_k(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    return ask_result(L);
}
