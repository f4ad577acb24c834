#include "worker/modules/call.h"

#include "common/err.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/context.h"
#include "worker/modules/errors.h"
#include "worker/modules/mod_funcs.h"
#include "worker/runtime.h"
#include "worker/text_at.h"
#include "worker/trace.h"
#include "worker/uplink.h"
#include "worker/vm.h"

/* ---- what goes into the frame ---------------------------------------------------- */

/* Appends the effective context of the call: the frame's own with what the settings
 * replace (F-14). */
static int append_context(lua_State *L, const struct call_plan *plan,
                          struct actor *self, struct buf *out)
{
    struct context_changes changes = {0};
    struct bytes inherited = context_bytes(trace_context(self));
    int top = lua_gettop(L), failed;

    if (plan->settings == 0)
        return buf_append(out, inherited.data, inherited.n) ? 0 : -1;
    if (lua_getiuservalue(L, plan->settings, CALL_CONTEXT) == LUA_TTABLE)
        changes.values = lua_gettop(L);
    changes.actor = text_push_uservalue(L, plan->settings, CALL_ACTOR);
    changes.scope = text_push_uservalue(L, plan->settings, CALL_SCOPE);
    failed = context_encode(L, inherited, &changes, out);
    lua_settop(L, top);
    return failed;
}

/* Appends what with_options said; the supervisor knows the target's own (F-51). */
static int append_options(lua_State *L, const struct call_plan *plan, struct buf *out)
{
    struct err err;
    int failed = 0;

    if (plan->settings == 0)
        return 0;
    if (lua_getiuservalue(L, plan->settings, CALL_OPTIONS) == LUA_TTABLE)
        failed = codec_encode_args(L, lua_gettop(L), 1, out, &err);
    lua_pop(L, 1);
    return failed;
}

/* What can raise, before anything is written or expected: encodes context and options
 * into the runtime's scratch buffer. */
static int prepare(lua_State *L, struct call_plan *plan, struct err *err)
{
    struct actor *self = actor_current(L);
    struct buf *scratch = &self->vm->rt->scratch;

    buf_clear(scratch);
    if (append_context(L, plan, self, scratch) == -1)
        return err_set(err, ERR_INVALID, "the call's context can't be sent");
    plan->context_bytes = buf_len(scratch);
    if (append_options(L, plan, scratch) == -1)
        return err_set(err, ERR_INVALID, "the call's options can't be sent");
    return 0;
}

/* 0, or nil and an Error pushed (2). Arguments are looked at in the form in which they
 * travel, apart from the frame: a check may have something to say to the supervisor. */
static int check_args(lua_State *L, const struct call_plan *plan)
{
    struct runtime *rt = actor_current(L)->vm->rt;
    struct buf args;
    struct err err;
    bool failed, ok = true;

    buf_init(&args, 0);
    buf_clear(&rt->scratch);
    failed = codec_encode_args(L, plan->target + 1, lua_gettop(L) - plan->target, &args,
                               &err) == -1;
    if (!failed)
        ok = plan->check->arguments(plan->check, rt, buf_bytes(&args), &rt->scratch);
    buf_finish(&args);
    if (failed)
        return errors_return_struct(L, &err);
    return ok ? 0 : codec_push_result(L, false, buf_bytes(&rt->scratch));
}

/* What was prepared, and where the arguments are. */
static struct ask_call ask_for(lua_State *L, const struct call_plan *plan)
{
    return (struct ask_call){.target = text_at(L, plan->target),
                             .context_bytes = plan->context_bytes,
                             .first_arg = plan->target + 1};
}

/* ---- calling --------------------------------------------------------------------- */

/* F-21: an error has the stack of whom it comes to. */
static int result_k(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes result;
    bool ok = ask_reply(L, &result);
    int n = ask_result(L);

    (void)status, (void)ctx;
    if (!ok)
        errors_add_stack(L);
    return n;
}

static int checked_result_k(lua_State *L, int status, lua_KContext ctx)
{
    const struct call_check *check = (const struct call_check *)ctx;
    struct runtime *rt = actor_current(L)->vm->rt;
    struct bytes result;
    int n;

    if (!ask_reply(L, &result))
        return result_k(L, status, 0);
    buf_clear(&rt->scratch);
    if (check->result(check, rt, result, &rt->scratch))
        return ask_result(L);
    n = codec_push_result(L, false, buf_bytes(&rt->scratch));
    ask_done(L);
    errors_add_stack(L);
    return n;
}

int call_sync(lua_State *L, struct call_plan *plan)
{
    struct task *task = task_begin_block(L);
    int refused = plan->check == NULL ? 0 : check_args(L, plan);
    struct ask_call ask;
    struct err err;

    if (refused != 0)
        return refused;
    if (prepare(L, plan, &err) == -1)
        return errors_return_struct(L, &err);
    ask = ask_for(L, plan);
    if (plan->check != NULL)
        return ask_call(L, task, &ask, (lua_KContext)plan->check, checked_result_k);
    return ask_call(L, task, &ask, 0, result_k);
}

int call_async(lua_State *L, struct call_plan *plan)
{
    struct uplink *uplink = actor_current(L)->vm->rt->uplink;
    struct future *future;
    struct ask_call ask;
    struct err err;
    uint64_t call;
    int refused = plan->check == NULL ? 0 : check_args(L, plan);

    if (refused != 0)
        return refused;
    if (prepare(L, plan, &err) == -1)
        return errors_return_struct(L, &err);
    future = future_push(L);
    if (plan->check != NULL)
        future_set_check(L, future, plan->check, plan->settings);
    lua_insert(L, 1); /* the arguments stay on top */
    plan->target++;
    call = uplink_expect(uplink, future_done, future);
    future_set_call(future, call);
    ask = ask_for(L, plan);
    if (ask_send_call(L, call, &ask, &err) == -1) {
        uplink_unexpect(uplink, call);
        future_settle(future);
        return errors_return_struct(L, &err);
    }
    lua_settop(L, 1);
    return 1;
}
