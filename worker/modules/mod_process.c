#include "worker/modules/mod_process.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"

#include "proto/frame.h"

#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/identity.h"
#include "worker/modules/errors.h"
#include "worker/peers.h"
#include "worker/program.h"
#include "worker/runtime.h"
#include "worker/text_at.h"
#include "worker/trace.h"
#include "worker/uplink.h"
#include "worker/vm.h"

void process_push_pid(lua_State *L, const char *host, size_t host_bytes, uint64_t pid)
{
    char text[PID_TEXT_MAX];

    lua_pushlstring(L, text, pid_format(text, host, host_bytes, pid));
}

static int process_pid(lua_State *L)
{
    struct actor *actor = actor_current(L);

    process_push_pid(L, actor->host, strlen(actor->host), actor->pid);
    return 1;
}

static int process_id(lua_State *L)
{
    lua_pushstring(L, actor_current(L)->vm->program->id);
    return 1;
}

/* ---- dest: a pid or a registered name -------------------------------------------- */

/* nil and err pushed (2), or 0. C-5: the resource is the pid's text, however it was
 * named. */
static int refuse_op(lua_State *L, const struct process_op *op, uint64_t pid,
                     const char *host, size_t host_bytes)
{
    const struct actor *self = actor_current(L);
    char text[PID_TEXT_MAX];

    if (identity_is_free(self))
        return 0;
    pid_format(text, host, host_bytes, pid);
    if (identity_check_process(self, op->action, text))
        return 0;
    return errors_return(L, ERR_PERMISSION_DENIED, "not allowed to %s: %s", op->name,
                         lua_tostring(L, 1));
}

/* Policies went by the host in the pid's text, which anybody can write: it has to be
 * the true one. The text is pid's; `then` goes on with ctx when that is known. */
int process_ask_host(lua_State *L, uint64_t pid, lua_KContext ctx, lua_KFunction then)
{
    lua_pushinteger(L, (lua_Integer)pid);
    return ask_system(L, "@actors.host", lua_gettop(L), 1, ctx, then);
}

bool process_learn_host(lua_State *L)
{
    struct runtime *rt = actor_current(L)->vm->rt;
    uint64_t pid = (uint64_t)lua_tointeger(L, -1);
    struct bytes result;
    struct err err;

    lua_pop(L, 1);
    if (!ask_reply(L, &result)) {
        ask_result(L);
        return false;
    }
    if (codec_decode_args(L, result.data, result.n, 1, &err) != 1 ||
        lua_type(L, -1) != LUA_TSTRING) {
        ask_done(L);
        errors_return(L, ERR_INTERNAL, "the answer about a host was malformed");
        return false;
    }
    ask_done(L);
    peers_learn_host(rt, pid, lua_tostring(L, -1), lua_rawlen(L, -1));
    lua_pop(L, 1);
    return true;
}

static int with_host(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    return process_learn_host(L) ? process_with_dest(L, (const struct process_op *)ctx)
                                 : 2;
}

/* dest was given as the text of a pid. */
static int run_on_text(lua_State *L, const struct process_op *op, uint64_t pid,
                       const char *host, size_t host_bytes)
{
    const struct actor *self = actor_current(L);

    if (identity_is_free(self))
        return op->run(L, pid);
    if (refuse_op(L, op, pid, host, host_bytes) != 0)
        return 2;
    if (!identity_is_held(self))
        return op->run(L, pid);
    switch (peers_check_host(self->vm->rt, pid, host, host_bytes)) {
    case HOST_RIGHT:
        return op->run(L, pid);
    case HOST_UNKNOWN:
        return process_ask_host(L, pid, (lua_KContext)op, with_host);
    case HOST_WRONG:
        break;
    }
    return errors_return(L, ERR_NOT_FOUND, "process not found");
}

static int with_named(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes result;
    struct err err;
    char host[ID_MAX_BYTES + 1] = "";
    const struct process_op *op;
    uint64_t pid = 0;

    (void)status;
    if (ask_reply(L, &result) &&
        codec_decode_args(L, result.data, result.n, 1, &err) == 1 &&
        lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        pid = (uint64_t)lua_tointeger(L, -2);
        if (lua_type(L, -1) == LUA_TSTRING)
            snprintf(host, sizeof(host), "%s", lua_tostring(L, -1));
        lua_pop(L, 3);
    }
    ask_done(L);
    if (pid == 0)
        return errors_return(L, ERR_NOT_FOUND,
                             "could not resolve '%s' as PID or registered name",
                             lua_tostring(L, 1));
    op = (const struct process_op *)ctx;
    return refuse_op(L, op, pid, host, strlen(host)) != 0 ? 2 : op->run(L, pid);
}

int process_with_dest(lua_State *L, const struct process_op *op)
{
    size_t n, host_bytes;
    const char *text = luaL_checklstring(L, 1, &n), *host;
    uint64_t pid;

    if (pid_parse(text, n, &pid, &host, &host_bytes) == PID_OK)
        return run_on_text(L, op, pid, host, host_bytes);
    return ask_system(L, "@names.lookup", 1, 1, (lua_KContext)op, with_named);
}

/* ---- send ------------------------------------------------------------------------ */

static int send_to(lua_State *L, uint64_t pid);

static int send_again(lua_State *L, int status, lua_KContext ctx)
{
    uint64_t pid = (uint64_t)ctx;

    (void)status;
    if (peers_check(actor_current(L)->vm->rt, pid) == PEER_UNMAPPED)
        return errors_return(L, ERR_NOT_FOUND, "host not found");
    return send_to(L, pid);
}

/* nil and err; trace: of the message that isn't sent, or NULL. */
static int refuse(lua_State *L, const struct actor *self, const uint8_t *trace,
                  const struct err *err)
{
    if (trace != NULL)
        trace_refuse_message(self->vm->rt, trace, err->text);
    return errors_return_struct(L, err);
}

/* The frame but for its payload. */
static bool begin_frame(struct buf *out, const struct actor *self, uint64_t pid,
                        struct bytes topic, const uint8_t *trace)
{
    struct frame_send plain = {.to = pid,
                               .from = self->pid,
                               .from_host = bytes_of_text(self->host),
                               .topic = topic};
    struct frame_send_traced traced;

    if (__builtin_expect(trace == NULL, 1))
        return frame_encode_send(out, &plain);
    traced = (struct frame_send_traced){.to = pid,
                                        .from = self->pid,
                                        .from_host = plain.from_host,
                                        .topic = topic,
                                        .trace = {trace, TRACE_TEXT_BYTES}};
    return frame_encode_send_traced(out, &traced);
}

static int send_far(lua_State *L, struct actor *self, uint64_t pid)
{
    struct uplink *uplink = self->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    struct bytes topic = text_at(L, 2);
    uint8_t text[TRACE_TEXT_BYTES];
    /* it is told first: the receiver may be faster than we */
    bool is_traced = trace_begin_message(self, topic, text);
    size_t at = buf_len(out);
    struct err err;

    if (!begin_frame(out, self, pid, topic, is_traced ? text : NULL)) {
        err_set(&err, ERR_INVALID, "the topic is too long");
        return refuse(L, self, is_traced ? text : NULL, &err);
    }
    if (codec_encode_args(L, 3, lua_gettop(L) - 2, out, &err) == -1) {
        uplink_drop_frame(uplink, at);
        return refuse(L, self, is_traced ? text : NULL, &err);
    }
    uplink_end_frame(uplink, at);
    lua_pushboolean(L, 1);
    return 1;
}

static inline struct message *create(const struct actor *self, struct bytes topic,
                                     struct bytes payload, const uint8_t *trace)
{
    struct bytes host = bytes_of_text(self->host);

    if (__builtin_expect(trace != NULL, 0))
        return message_create_traced(self->pid, host, topic, payload, trace);
    return message_create(MSG_USER, self->pid, host, topic, payload);
}

static int send_near(lua_State *L, struct actor *self, struct actor *target)
{
    struct buf *scratch = &self->vm->rt->scratch;
    struct bytes topic = text_at(L, 2);
    uint8_t text[TRACE_TEXT_BYTES];
    struct message *message;
    bool is_traced;
    struct err err;

    buf_clear(scratch);
    if (codec_encode_args(L, 3, lua_gettop(L) - 2, scratch, &err) == -1)
        return errors_return_struct(L, &err);
    if (topic.n > STR_MAX_BYTES)
        return errors_return(L, ERR_INVALID, "the topic is too long");
    is_traced = trace_begin_message(self, topic, text);
    message = create(self, topic, buf_bytes(scratch), is_traced ? text : NULL);
    if (message == NULL) {
        err_set(&err, ERR_UNAVAILABLE, "no memory for the message");
        return refuse(L, self, is_traced ? text : NULL, &err);
    }
    if (actor_deliver(target, message) == -1) {
        err_set(&err, ERR_RATE_LIMITED, "mailbox full");
        return refuse(L, self, is_traced ? text : NULL, &err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int send_to(lua_State *L, uint64_t pid)
{
    struct actor *self = actor_current(L);
    struct runtime *rt = self->vm->rt;
    struct actor *target = slots_find(&rt->slots, pid);

    if (target != NULL && target->doom == DOOM_NONE)
        return send_near(L, self, target);
    switch (target != NULL ? PEER_DEAD : peers_check(rt, pid)) {
    case PEER_ALIVE:
        return send_far(L, self, pid);
    case PEER_FULL:
        lua_pushnil(L);
        errors_push(L, ERR_RATE_LIMITED, RETRY_YES, "mailbox full");
        return 2;
    case PEER_UNMAPPED:
        peers_ask(rt, pid_index(pid), task_begin_block(L));
        return task_block(L, (lua_KContext)pid, send_again);
    case PEER_DEAD:
        break;
    }
    return errors_return(L, ERR_NOT_FOUND,
                         pid_index(pid) == 0 ? "host not found" : "process not found");
}

static int process_send(lua_State *L)
{
    static const struct process_op op = {"send", "process.send", send_to};
    const char *topic;

    if (lua_gettop(L) < 2)
        return errors_return(L, ERR_INVALID,
                             "send requires at least destination and topic arguments");
    luaL_checkstring(L, 1);
    topic = luaL_checkstring(L, 2);
    if (topic[0] == '@')
        return errors_return(L, ERR_INVALID, "cannot send to @ topics");
    if (actor_should_give_way(L, actor_current(L)))
        return task_give_way(L, process_send);
    return process_with_dest(L, &op);
}

/* ---- the module ------------------------------------------------------------------ */

static void add_event_names(lua_State *L)
{
    static const char *const names[][2] = {{"CANCEL", "pid.cancel"},
                                           {"EXIT", "pid.exit"},
                                           {"LINK_DOWN", "pid.link.down"},
                                           {"OUTDATED", "pid.outdated"}};

    lua_createtable(L, 0, (int)N_ELEMENTS(names));
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        lua_pushstring(L, names[i][1]);
        lua_setfield(L, -2, names[i][0]);
    }
    lua_setfield(L, -2, "event");
}

int mod_process_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"id", process_id}, {"pid", process_pid}, {"send", process_send}, {NULL, NULL}};

    process_message_open(L);
    luaL_newlib(L, functions);
    add_event_names(L);
    process_mailbox_open(L);
    process_watch_open(L);
    process_names_open(L);
    process_spawn_open(L);
    process_spawner_open(L);
    process_upgrade_open(L);
    return 1;
}
