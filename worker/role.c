#include "worker/role.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

#include "worker/actor.h"
#include "worker/compile.h"
#include "worker/contracts.h"
#include "worker/confine.h"
#include "worker/functions.h"
#include "worker/groups.h"
#include "worker/inspect.h"
#include "worker/policies.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/terminal.h"
#include "worker/uplink.h"
#include "worker/upgrade.h"

#define VM_ACTORS_DEFAULT         500
#define VM_MAX_BYTES_DEFAULT      (64ll * 1024 * 1024)
#define MAILBOX_MAX_BYTES_DEFAULT (64ll * 1024 * 1024)

/* ---- set-up ---------------------------------------------------------------------- */

static int read_role(const char *name, enum role *role_out, struct err *err)
{
    static const char *const names[] = {[ROLE_POOL] = "pool",
                                        [ROLE_HOST] = "host",
                                        [ROLE_TERMINAL] = "terminal",
                                        [ROLE_COMPILE] = "compile"};

    for (size_t i = 0; name != NULL && i < N_ELEMENTS(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *role_out = (enum role)i;
            return 0;
        }
    return err_set(err, ERR_INVALID, "SETUP names no role that this worker has: %s",
                   name != NULL ? name : "(none)");
}

static enum validation read_validation(const char *name)
{
    static const char *const names[] = {[VALIDATION_ENFORCE] = "enforce",
                                        [VALIDATION_WARN] = "warn",
                                        [VALIDATION_OFF] = "off"};

    for (size_t i = 0; name != NULL && i < N_ELEMENTS(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum validation)i;
    return VALIDATION_ENFORCE;
}

static int read_settings(struct settings *settings, const struct value *map,
                         struct err *err)
{
    const char *entry = value_get_text(map, "entry");

    if (read_role(value_get_text(map, "role"), &settings->role, err) == -1)
        return -1;
    snprintf(settings->entry, sizeof(settings->entry), "%s",
             entry != NULL ? entry : "");
    settings->vm_actors = (uint32_t)value_get_int(map, "vm_actors", VM_ACTORS_DEFAULT);
    settings->vm_max_bytes =
        (uint64_t)value_get_int(map, "vm_max_bytes", VM_MAX_BYTES_DEFAULT);
    settings->mailbox_max_bytes =
        (uint64_t)value_get_int(map, "mailbox_max_bytes", MAILBOX_MAX_BYTES_DEFAULT);
    settings->log_level = (int)value_get_int(map, "log_level", LOG_DEBUG);
    settings->n_warm = (uint32_t)value_get_int(map, "warm", 0);
    settings->probe = value_get_bool(map, "probe", false);
    settings->shared = value_get_bool(map, "shared", false);
    settings->strict_mode = value_get_bool(map, "strict_mode", false);
    settings->validation = read_validation(value_get_text(map, "contract_validation"));
    if (settings->vm_actors == 0)
        settings->vm_actors = VM_ACTORS_DEFAULT;
    return 0;
}

static void send_ready(struct runtime *rt)
{
    uplink_wrote(rt->uplink, frame_encode_ready(conn_out(uplink_conn(rt->uplink)),
                                                &(struct frame_ready){0}));
}

/* The last thing that a worker says. */
static void send_failed(struct runtime *rt, struct bytes error)
{
    struct frame_failed frame = {.error = error};

    uplink_wrote(rt->uplink,
                 frame_encode_failed(conn_out(uplink_conn(rt->uplink)), &frame));
    rt->stop = true;
}

static void send_failed_for(struct runtime *rt, const struct err *err)
{
    buf_clear(&rt->scratch);
    error_encode(&rt->scratch, err);
    send_failed(rt, buf_bytes(&rt->scratch));
}

/* One instance of a process that has to prove itself. */
static void on_probed(struct runtime *rt, struct bytes error)
{
    if (rt->n_probing == 0)
        return; /* it has been told */
    if (error.n != 0) {
        rt->n_probing = 0;
        send_failed(rt, error);
    } else if (--rt->n_probing == 0) {
        send_ready(rt);
    }
}

static void probe(struct runtime *rt, struct program *program)
{
    uint32_t n = rt->settings.n_warm != 0 ? rt->settings.n_warm : 1;

    rt->n_probing = n;
    functions_warm_up(rt, program, n, on_probed);
}

static void on_code(void *context, struct program *program, const struct err *err)
{
    struct runtime *rt = context;

    if (program != NULL && rt->settings.probe) {
        probe(rt, program);
        return;
    }
    if (program != NULL) {
        send_ready(rt);
        functions_warm_up(rt, program, rt->settings.n_warm, NULL);
        return;
    }
    send_failed_for(rt, err);
}

int role_on_setup(struct runtime *rt, struct bytes body, struct err *err)
{
    struct settings *settings = &rt->settings;
    struct value map = {0};
    struct frame_setup frame;
    size_t used;
    int failed;

    if (rt->set_up)
        return err_set(err, ERR_INVALID, "SETUP came twice");
    if (frame_decode_setup(body, &frame, err) == -1 ||
        value_decode(frame.settings.data, frame.settings.n, &used, &map, err) == -1)
        return -1;
    if (frame.index == 0 || frame.index >= PID_MAX_WORKERS) {
        value_finish(&map);
        return err_set(err, ERR_INVALID, "worker index %u is out of range",
                       frame.index);
    }
    failed = read_settings(settings, &map, err);
    value_finish(&map);
    if (failed == -1)
        return -1;
    if (confine_self(&frame, err) == -1) {
        send_failed_for(rt, err);
        return 0;
    }
    settings->index = frame.index;
    slots_init(&rt->slots, frame.index, rt->liveness);
    rt->set_up = true;
    if (settings->role == ROLE_TERMINAL)
        rt->terminal = terminal_create(rt->loop, (const int[3]){0, 1, 2});
    if (settings->role == ROLE_POOL && settings->entry[0] != '\0')
        programs_get(rt->programs, settings->entry, strlen(settings->entry), on_code,
                     rt);
    else
        send_ready(rt);
    return 0;
}

/* ---- heartbeat ------------------------------------------------------------------- */

int role_on_ping(struct runtime *rt, struct bytes body, struct err *err)
{
    struct value figures = value_map();
    struct frame_ping ping;
    struct frame_pong pong;

    if (frame_decode_ping(body, &ping, err) == -1)
        return -1;
    value_put(&figures, "actors", value_int(rt->slots.n_live));
    value_put(&figures, "calls", value_int(functions_n_busy(rt->functions)));
    value_put(&figures, "heap_bytes", value_int(inspect_heap_bytes(rt)));
    value_put(&figures, "slices", value_int((int64_t)rt->sched.n_slices));
    value_put(&figures, "drops", value_int((int64_t)rt->n_mailbox_drops));
    buf_clear(&rt->scratch);
    value_encode(&rt->scratch, &figures);
    value_finish(&figures);
    pong = (struct frame_pong){.seq = ping.seq, .figures = buf_bytes(&rt->scratch)};
    uplink_wrote(rt->uplink,
                 frame_encode_pong(conn_out(uplink_conn(rt->uplink)), &pong));
    return 0;
}

/* ---- drain ----------------------------------------------------------------------- */

/* PH-4: every process gets CANCEL from the zero pid. */
static void cancel_all(struct runtime *rt)
{
    static const uint8_t reason[] = "\xb2scheduler shutdown"; /* msgpack, 18 bytes */

    for (uint32_t slot = 1; slot < rt->slots.n_used; slot++) {
        struct actor *actor = slots_at(&rt->slots, slot);

        if (actor != NULL && actor->instance == NULL)
            actor_tell(actor, MSG_CANCEL, 0, (struct bytes){NULL, 0}, false,
                       (struct bytes){reason, sizeof(reason) - 1});
    }
}

static bool is_host(const struct runtime *rt)
{
    return rt->settings.role == ROLE_HOST || rt->settings.role == ROLE_TERMINAL;
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    actors_end_all(container_of(timer, struct runtime, drain_timer));
}

/* PH-4: their watchers hear of them as of any that was terminated, which they would not
 * if the supervisor had to kill us. */
static void end_all_at(struct runtime *rt, uint64_t deadline_at_ns)
{
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();
    uint64_t left_ns = deadline_at_ns > now_ns ? deadline_at_ns - now_ns : 0;

    ev_timer_stop(rt->loop, &rt->drain_timer);
    ev_now_update(rt->loop);
    ev_timer_init(&rt->drain_timer, on_deadline, (double)left_ns / 1e9, 0.);
    ev_timer_start(rt->loop, &rt->drain_timer);
}

/* A second one only sets another deadline. */
int role_on_drain(struct runtime *rt, struct bytes body, struct err *err)
{
    struct frame_drain frame;
    bool is_first = !rt->draining;

    if (frame_decode_drain(body, &frame, err) == -1)
        return -1;
    rt->draining = true;
    functions_drain(rt->functions);
    if (!is_host(rt))
        return 0;
    if (is_first)
        cancel_all(rt);
    end_all_at(rt, frame.deadline_at_ns);
    return 0;
}

void role_check_drained(struct runtime *rt)
{
    if (rt->draining && !sched_has_work(&rt->sched) &&
        (is_host(rt) ? rt->slots.n_live == 0 : functions_n_busy(rt->functions) == 0))
        rt->stop = true;
}

/* ---- calls to the worker itself -------------------------------------------------- */

static int forget_contracts(struct runtime *rt, const struct value *args,
                            struct value *result, struct err *err)
{
    (void)args, (void)result, (void)err;
    contracts_forget(rt->contracts);
    return 0;
}

static int forget_code(struct runtime *rt, const struct value *args,
                       struct value *result, struct err *err)
{
    (void)err;
    programs_forget(rt->programs, args);
    upgrade_spread_news(rt, args, result);
    functions_forget_stale(rt->functions);
    programs_sweep(rt->programs);
    return 0;
}

static const struct {
    const char *target;
    /* Fills result; -1 and err when it can't be done. */
    int (*answer)(struct runtime *rt, const struct value *args, struct value *result,
                  struct err *err);
} targets[] = {
    {"@actors.host", inspect_host},   {"@actors.inspect", inspect_actor},
    {"@actors.list", inspect_actors}, {"@code.forget", forget_code},
    {"@compile", compile_source},     {"@contract.forget", forget_contracts},
    {"@policies.set", policies_set},  {"@pg.deliver", groups_deliver},
};

static int answer(struct runtime *rt, const struct frame_call *frame,
                  struct value *result, struct err *err)
{
    struct value args = {0};
    int failed;

    for (size_t i = 0; i < N_ELEMENTS(targets); i++) {
        if (!bytes_equal_text(frame->target, targets[i].target))
            continue;
        if (payload_decode(frame->args, &args, err) == -1)
            return -1;
        failed = targets[i].answer(rt, &args, result, err);
        value_finish(&args);
        return failed;
    }
    return err_set(err, ERR_NOT_FOUND, "a worker has no target %.*s",
                   (int)frame->target.n, (const char *)frame->target.data);
}

void role_on_system_call(struct runtime *rt, const struct frame_call *frame)
{
    struct value result = {0};
    struct err err;
    bool failed = answer(rt, frame, &result, &err) == -1;

    buf_clear(&rt->scratch);
    if (!failed && !payload_encode(&rt->scratch, &result, 1)) {
        failed = true;
        value_finish(&result);
        buf_clear(&rt->scratch);
        err_set(&err, ERR_UNAVAILABLE, "no memory for the answer");
    }
    if (failed && result.type == VALUE_MAP)
        error_encode_value(&rt->scratch, &result);
    else if (failed)
        error_encode(&rt->scratch, &err);
    value_finish(&result);
    uplink_reply(rt->uplink, frame->call, failed ? REPLY_ERROR : REPLY_OK,
                 buf_bytes(&rt->scratch));
}
