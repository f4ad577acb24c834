#include "worker/modules/mod_process.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"
#include "proto/frame.h"
#include "worker/actor.h"
#include "worker/ask.h"
#include "worker/codec.h"
#include "worker/modules/errors.h"
#include "worker/peers.h"
#include "worker/program.h"
#include "worker/relations.h"
#include "worker/runtime.h"
#include "worker/spawn.h"
#include "worker/uplink.h"
#include "worker/vm.h"

static void push_pid(lua_State *L, const char *host, size_t host_bytes, uint64_t pid)
{
    char text[PID_TEXT_MAX];

    lua_pushlstring(L, text, pid_format(text, host, host_bytes, pid));
}

static int process_pid(lua_State *L)
{
    struct actor *actor = actor_current(L);

    push_pid(L, actor->host, strlen(actor->host), actor->pid);
    return 1;
}

static int process_id(lua_State *L)
{
    lua_pushstring(L, actor_current(L)->vm->program->id);
    return 1;
}

/* ---- dest: a pid or a registered name
 * ------------------------------------------------ */

static int with_named(lua_State *L, int status, lua_KContext ctx)
{
    process_op *run = (process_op *)ctx;
    struct bytes result;
    struct err err;
    uint64_t pid = 0;

    (void)status;
    if (ask_reply(L, &result) &&
        codec_decode_args(L, result.data, result.n, 1, &err) == 1 &&
        lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 1);
        pid = (uint64_t)lua_tointeger(L, -1);
        lua_pop(L, 2);
    }
    ask_done(L);
    if (pid == 0)
        return errors_return(L, ERR_NOT_FOUND,
                             "could not resolve '%s' as PID or registered name",
                             lua_tostring(L, 1));
    return run(L, pid);
}

int process_with_dest(lua_State *L, process_op *run)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    uint64_t pid;

    if (pid_parse(text, n, &pid, NULL, NULL) == PID_OK)
        return run(L, pid);
    return ask_system(L, "@names.lookup", 1, 1, (lua_KContext)run, with_named);
}

/* ---- send
 * ----------------------------------------------------------------------------- */

static int send_to(lua_State *L, uint64_t pid);

static int send_again(lua_State *L, int status, lua_KContext ctx)
{
    uint64_t pid = (uint64_t)ctx;

    (void)status;
    if (peers_check(actor_current(L)->vm->rt, pid) == PEER_UNMAPPED)
        return errors_return(L, ERR_NOT_FOUND, "host not found");
    return send_to(L, pid);
}

static int send_far(lua_State *L, struct actor *self, uint64_t pid)
{
    struct uplink *uplink = self->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    struct frame_send frame = {
        .to = pid, .from = self->pid, .from_host = bytes_of_text(self->host)};
    size_t at = buf_len(out);
    struct err err;

    frame.topic.data = (const uint8_t *)lua_tolstring(L, 2, &frame.topic.n);
    if (!frame_encode_send(out, &frame))
        return errors_return(L, ERR_INVALID, "the topic is too long");
    if (codec_encode_args(L, 3, lua_gettop(L) - 2, out, &err) == -1) {
        uplink_drop_frame(uplink, at);
        return errors_return_struct(L, &err);
    }
    uplink_end_frame(uplink, at);
    lua_pushboolean(L, 1);
    return 1;
}

static int send_near(lua_State *L, struct actor *self, struct actor *target)
{
    struct buf *scratch = &self->vm->rt->scratch;
    struct message *message;
    struct bytes topic;
    struct err err;

    topic.data = (const uint8_t *)lua_tolstring(L, 2, &topic.n);
    buf_clear(scratch);
    if (codec_encode_args(L, 3, lua_gettop(L) - 2, scratch, &err) == -1)
        return errors_return_struct(L, &err);
    if (topic.n > STR_MAX_BYTES)
        return errors_return(L, ERR_INVALID, "the topic is too long");
    message = message_create(MSG_USER, self->pid, bytes_of_text(self->host), topic,
                             buf_bytes(scratch));
    if (message == NULL)
        return errors_return(L, ERR_UNAVAILABLE, "no memory for the message");
    if (actor_deliver(target, message) == -1) {
        lua_pushnil(L);
        errors_push(L, ERR_RATE_LIMITED, RETRY_YES, "mailbox full");
        return 2;
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
    const char *topic;

    if (lua_gettop(L) < 2)
        return errors_return(L, ERR_INVALID,
                             "send requires at least destination and topic arguments");
    luaL_checkstring(L, 1);
    topic = luaL_checkstring(L, 2);
    if (topic[0] == '@')
        return errors_return(L, ERR_INVALID, "cannot send to @ topics");
    return process_with_dest(L, send_to);
}

/* ---- spawn
 * ---------------------------------------------------------------------------- */

/* A spawn on this host until its answer; outlives its task if that is dropped. */
struct spawn_wait {
    struct task *task; /* NULL while nobody is blocked */
    bool done, abandoned;
    uint64_t pid;
    const char *host;
    struct err err;
};

static void on_spawned(void *context, struct actor *actor, const struct err *err)
{
    struct spawn_wait *wait = context;

    if (wait->abandoned) {
        free(wait);
        return;
    }
    wait->done = true;
    if (actor != NULL) {
        wait->pid = actor->pid;
        wait->host = actor->host;
    } else {
        wait->err = *err;
    }
    if (wait->task != NULL)
        task_wake(wait->task, WAKE_PLAIN, 0);
}

static void abandon_spawn(struct task *task)
{
    struct spawn_wait *wait = task->withdraw_state;

    wait->abandoned = true;
}

static int push_spawned(lua_State *L, struct spawn_wait *wait)
{
    uint64_t pid = wait->pid;
    const char *host = wait->host;
    struct err err;

    if (pid == 0)
        err = wait->err;
    free(wait);
    if (pid == 0)
        return errors_return_struct(L, &err);
    push_pid(L, host, strlen(host), pid);
    return 1;
}

static int spawned_near(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    return push_spawned(L, (struct spawn_wait *)ctx);
}

static struct bytes text_at(lua_State *L, int idx)
{
    struct bytes text;

    text.data = (const uint8_t *)lua_tolstring(L, idx, &text.n);
    return text;
}

static int spawn_near(lua_State *L, struct actor *self, uint8_t flags)
{
    struct buf *scratch = &self->vm->rt->scratch;
    struct spawn_request request = {.entry = text_at(L, 1),
                                    .parent = self->pid,
                                    .flags = flags,
                                    .inherited = self->context};
    struct spawn_wait *wait;
    struct task *task = task_begin_block(L);
    struct err err;

    buf_clear(scratch);
    if (codec_encode_args(L, 3, lua_gettop(L) - 2, scratch, &err) == -1)
        return errors_return_struct(L, &err);
    request.args = buf_bytes(scratch);
    wait = malloc(sizeof(*wait));
    if (wait == NULL)
        return errors_return(L, ERR_UNAVAILABLE, "no memory for a process");
    wait->task = NULL;
    wait->done = wait->abandoned = false;
    wait->pid = 0;
    spawn_local(self->vm->rt, &request, on_spawned, wait);
    if (wait->done)
        return push_spawned(L, wait);
    wait->task = task;
    task->withdraw = abandon_spawn;
    task->withdraw_state = wait;
    return task_block(L, (lua_KContext)wait, spawned_near);
}

/* The watches of a spawn elsewhere exist since the supervisor saw its REPLY. */
static void remember_watches(struct actor *self, uint64_t pid, uint8_t flags)
{
    if (flags == 0)
        return;
    self->is_known = true;
    if ((flags & SPAWN_MONITOR) != 0)
        relations_add_watched(self, pid, RELATION_MONITOR);
    if ((flags & SPAWN_LINK) != 0) {
        relations_add_watched(self, pid, RELATION_LINK);
        relations_add_watcher(self, pid, RELATION_LINK);
    }
}

static int spawned_far(lua_State *L, int status, lua_KContext ctx)
{
    struct bytes result;
    struct err err;
    int n;

    (void)status;
    if (!ask_reply(L, &result))
        return ask_result(L);
    n = codec_decode_args(L, result.data, result.n, 2, &err);
    ask_done(L);
    if (n != 2 || !lua_isinteger(L, -2) || !lua_isstring(L, -1))
        return errors_return(L, ERR_INTERNAL, "the answer to a spawn was malformed");
    remember_watches(actor_current(L), (uint64_t)lua_tointeger(L, -2), (uint8_t)ctx);
    push_pid(L, lua_tostring(L, -1), lua_rawlen(L, -1), (uint64_t)lua_tointeger(L, -2));
    return 1;
}

static int spawn_far(lua_State *L, struct actor *self, uint8_t flags)
{
    struct uplink *uplink = self->vm->rt->uplink;
    struct buf *out = conn_out(uplink_conn(uplink));
    struct task *task = task_begin_block(L);
    struct frame_spawn frame = {.parent = self->pid,
                                .flags = flags,
                                .parent_host = bytes_of_text(self->host),
                                .entry = text_at(L, 1),
                                .host = text_at(L, 2)};
    size_t at = buf_len(out);
    struct err err = {0};

    if (self->context != NULL)
        frame.context = (struct bytes){self->context->data, self->context->n_bytes};
    frame.call = uplink_expect_for(uplink, task);
    if (!frame_encode_spawn(out, &frame))
        err_set(&err, ERR_INVALID, "the id or host is too long");
    else if (codec_encode_args(L, 3, lua_gettop(L) - 2, out, &err) == 0)
        err.kind = ERR_UNKNOWN;
    if (err.kind != ERR_UNKNOWN) {
        uplink_drop_frame(uplink, at);
        task->withdraw = NULL;
        uplink_unexpect(uplink, frame.call);
        return errors_return_struct(L, &err);
    }
    uplink_end_frame(uplink, at);
    return task_block(L, flags, spawned_far);
}

static int spawn(lua_State *L, const char *name, uint8_t flags)
{
    struct actor *self = actor_current(L);
    const struct settings *settings = &self->vm->rt->settings;

    if (lua_gettop(L) < 2)
        return errors_return(L, ERR_INVALID,
                             "%s requires at least id and host arguments", name);
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    if (settings->role == ROLE_HOST && !self->vm->rt->draining &&
        strcmp(lua_tostring(L, 2), settings->entry) == 0)
        return spawn_near(L, self, flags);
    return spawn_far(L, self, flags);
}

static int process_spawn(lua_State *L)
{
    return spawn(L, "spawn", 0);
}

static int process_spawn_monitored(lua_State *L)
{
    return spawn(L, "spawn_monitored", SPAWN_MONITOR);
}

static int process_spawn_linked(lua_State *L)
{
    return spawn(L, "spawn_linked", SPAWN_LINK);
}

static int process_spawn_linked_monitored(lua_State *L)
{
    return spawn(L, "spawn_linked_monitored", SPAWN_LINK | SPAWN_MONITOR);
}

/* ---- options
 * -------------------------------------------------------------------------- */

static int process_get_options(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, actor_current(L)->trap_links);
    lua_setfield(L, -2, "trap_links");
    return 1;
}

static int refuse_option(lua_State *L, const char *fmt, const char *name)
{
    lua_pushboolean(L, 0);
    errors_push(L, ERR_INVALID, RETRY_NO, fmt, name);
    return 2;
}

static int process_set_options(lua_State *L)
{
    struct actor *actor = actor_current(L);

    if (!lua_istable(L, 1))
        return refuse_option(L, "options %s must be a table", "parameter");
    lua_settop(L, 1);
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";

        if (strcmp(name, "trap_links") != 0)
            return refuse_option(L, "option %s is not supported", name);
        if (!lua_isboolean(L, 3))
            return refuse_option(L, "%s must be a boolean", name);
    }
    if (lua_getfield(L, 1, "trap_links") == LUA_TBOOLEAN)
        actor->trap_links = lua_toboolean(L, -1);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- the module
 * ------------------------------------------------------------------------ */

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
        {"id", process_id},
        {"pid", process_pid},
        {"send", process_send},
        {"spawn", process_spawn},
        {"spawn_monitored", process_spawn_monitored},
        {"spawn_linked", process_spawn_linked},
        {"spawn_linked_monitored", process_spawn_linked_monitored},
        {"get_options", process_get_options},
        {"set_options", process_set_options},
        {NULL, NULL}};

    process_message_open(L);
    luaL_newlib(L, functions);
    add_event_names(L);
    process_mailbox_open(L);
    process_watch_open(L);
    process_names_open(L);
    return 1;
}
