#include "supervisor/actor_targets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/actors.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/names.h"
#include "supervisor/spawn_reply.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"
#include "supervisor/worker_ask.h"

#define ASK_TIMEOUT_MS 2000  /* a worker that is busy elsewhere */
#define LIST_MAX       50000 /* actors in one answer */
#define OPERATOR_HOST  "node:operator"

/* The one answer of a worker becomes the request's own. */
static void pass_on(void *context, uint8_t status, struct bytes result)
{
    struct request *request = context;
    struct err err;

    if (status == REPLY_OK) {
        request_reply_raw(request, result);
        return;
    }
    error_of_bytes(result, &err);
    request_fail(request, &err);
}

/* The pid that the first argument means and its worker; NULL = answered. */
static struct worker *find_actor(struct request *request, uint64_t *pid_out)
{
    const struct value *name = request_arg(request, 0);
    struct worker *worker = NULL;

    if (value_text(name) == NULL) {
        request_refuse(request, ERR_INVALID, "PID or name required");
        return NULL;
    }
    if (pid_parse(name->as.string.data, name->as.string.n, pid_out, NULL, NULL) !=
        PID_OK)
        *pid_out = names_find(request->sup->names, value_to_bytes(name), NULL);
    if (*pid_out != 0 && actors_alive(request->sup, *pid_out))
        worker = workers_find(request->sup->workers, pid_index(*pid_out));
    if (worker == NULL)
        request_refuse(request, ERR_NOT_FOUND, "process not found: %.200s",
                       value_text(name));
    return worker;
}

/* ---- list ------------------------------------------------------------------------ */

struct asked { /* one worker */
    struct gathering *gathering;
    uint32_t index;
    pid_t os_pid;
};

struct gathering {
    struct request *request;
    struct value list, silent; /* silent: workers that didn't answer in time */
    unsigned n_pending;
    unsigned n_silent;
    size_t limit;    /* actors of one worker */
    size_t n_living; /* in all those that were asked */
    bool is_cut;
    struct asked asked[];
};

static void free_gathering(struct gathering *gathering)
{
    value_finish(&gathering->list);
    value_finish(&gathering->silent);
    free(gathering);
}

/* Whoever asks for it hears whether those are all: {actors, total, cut, silent,
 * silent_workers: [{pool, os_pid}]}. */
static void reply_all(struct gathering *gathering)
{
    struct value map = value_map();

    value_put(&map, "actors", gathering->list);
    value_put(&map, "total", value_int((int64_t)gathering->n_living));
    value_put(&map, "cut", value_bool(gathering->is_cut));
    value_put(&map, "silent", value_int(gathering->n_silent));
    value_put(&map, "silent_workers", gathering->silent);
    gathering->list = gathering->silent = (struct value){0};
    request_reply(gathering->request, &map);
    value_finish(&map);
}

static int compare_pids(const void *a, const void *b)
{
    const char *left = value_get_text(a, "pid"), *right = value_get_text(b, "pid");

    return strcmp(left != NULL ? left : "", right != NULL ? right : "");
}

/* Workers answer as they can; whoever compares two lists wants one order. */
static void end_gathering(struct gathering *gathering)
{
    if (--gathering->n_pending != 0)
        return;
    if (gathering->list.as.list.n > 1)
        qsort(gathering->list.as.list.items, gathering->list.as.list.n,
              sizeof(gathering->list.as.list.items[0]), compare_pids);
    if (value_get_bool(request_arg(gathering->request, 0), "count", false))
        reply_all(gathering);
    else
        request_reply(gathering->request, &gathering->list);
    free_gathering(gathering);
}

static void drop_gathering(struct request *request)
{
    free_gathering(request->state);
}

static void take_actors(struct gathering *gathering, struct value *found)
{
    size_t n = value_list_n(found);

    if (n >= gathering->limit)
        gathering->is_cut = true;
    for (size_t i = 0; i < n; i++) {
        value_append(&gathering->list, found->as.list.items[i]);
        found->as.list.items[i] = (struct value){0};
    }
}

/* It may have died in the meantime: then there is nobody to look at. */
static void note_silent(struct gathering *gathering, const struct asked *asked)
{
    const struct worker *worker =
        workers_find(gathering->request->sup->workers, asked->index);
    struct value row;

    gathering->n_silent++;
    if (worker == NULL || worker->os_pid != asked->os_pid)
        return;
    row = value_map();
    value_put(&row, "pool", value_string(worker_entry(worker)));
    value_put(&row, "os_pid", value_int(worker->os_pid));
    value_append(&gathering->silent, row);
}

/* A worker that can't answer in time is left out: the others are worth showing. */
static void on_actors(void *context, uint8_t status, struct bytes result)
{
    const struct asked *asked = context;
    struct gathering *gathering = asked->gathering;
    struct value payload = {0};

    if (status == REPLY_OK && payload_decode(result, &payload, NULL) == 0)
        take_actors(gathering, value_item(&payload, 0));
    else
        note_silent(gathering, asked);
    value_finish(&payload);
    end_gathering(gathering);
}

static bool has_actors(const struct worker *worker)
{
    return worker->state == WORKER_READY && strcmp(worker_role(worker), "compile") != 0;
}

/* host: only actors of that one; NULL: of all. */
static void gather(struct request *request, const char *host)
{
    struct supervisor *sup = request->sup;
    uint32_t n_workers = workers_count(sup->workers);
    struct gathering *gathering =
        xcalloc(1, sizeof(*gathering) + n_workers * sizeof(gathering->asked[0]));
    struct asked *asked = gathering->asked;
    struct value limit = value_int(LIST_MAX / (n_workers > 0 ? n_workers : 1));

    gathering->request = request;
    request->state = gathering;
    request->on_drop = drop_gathering;
    gathering->list = value_list();
    gathering->silent = value_list();
    gathering->n_pending = 1; /* this loop */
    gathering->limit = (size_t)limit.as.integer;
    WORKERS_FOREACH (worker, sup->workers) {
        if (!has_actors(worker) ||
            (host != NULL && strcmp(worker_entry(worker), host) != 0))
            continue;
        gathering->n_pending++;
        gathering->n_living += worker->n_actors;
        assert(asked < gathering->asked + n_workers);
        *asked = (struct asked){gathering, worker->index, worker->os_pid};
        worker_ask(worker, "@actors.list", &limit, 1, ASK_TIMEOUT_MS, on_actors,
                   asked++);
    }
    end_gathering(gathering);
}

static void handle_list(struct request *request)
{
    gather(request, NULL);
}

static void handle_of_host(struct request *request)
{
    const char *host = request_text(request, 0);

    gather(request, host != NULL ? host : "");
}

static void handle_inspect(struct request *request)
{
    struct worker *worker;
    struct value pid;
    uint64_t number;

    worker = find_actor(request, &number);
    if (worker == NULL)
        return;
    pid = value_int((int64_t)number);
    worker_ask(worker, "@actors.inspect", &pid, 1, ASK_TIMEOUT_MS, pass_on, request);
}

/* An actor asks whether a pid's text tells the truth about its host. */
static void handle_host(struct request *request)
{
    const struct value *pid = request_arg_as(request, 0, VALUE_INT);
    struct worker *worker = NULL;

    if (pid != NULL)
        worker =
            workers_find(request->sup->workers, pid_index((uint64_t)pid->as.integer));
    if (worker == NULL || worker->state == WORKER_DEAD)
        request_refuse(request, ERR_NOT_FOUND, "process not found");
    else
        worker_ask(worker, "@actors.host", pid, 1, ASK_TIMEOUT_MS, pass_on, request);
}

/* ---- signals --------------------------------------------------------------------- */

static void send_signal(struct request *request, uint8_t op, const char *reason)
{
    struct origin origin = {.type = ORIGIN_INTERNAL,
                            .who.internal = {pass_on, request}};
    struct value text = value_string(reason);
    struct frame_signal frame = {.op = op, .from_host = bytes_of_text(OPERATOR_HOST)};
    struct err err = {0};
    struct worker *worker;
    struct buf frame_bytes, rest;
    struct bytes body;

    worker = find_actor(request, &frame.to);
    if (worker != NULL) {
        buf_init(&frame_bytes, 0);
        buf_init(&rest, 0);
        if (value_encode(&rest, &text)) {
            frame.reason = buf_bytes(&rest);
            frame_encode_signal(&frame_bytes, &frame);
        }
        if (frame_body(&frame_bytes, &body)) {
            calls_forward(request->sup->calls, &origin, FRAME_SIGNAL, worker, body);
        } else {
            err_set(&err, ERR_UNAVAILABLE, "no memory for the signal");
            origin_fail(&origin, &err);
        }
        buf_finish(&frame_bytes);
        buf_finish(&rest);
    }
    value_finish(&text);
}

static void handle_cancel(struct request *request)
{
    const char *reason = request_text(request, 1);

    send_signal(request, SIGNAL_CANCEL,
                reason != NULL ? reason : "cancelled by the operator");
}

static void handle_terminate(struct request *request)
{
    send_signal(request, SIGNAL_TERMINATE, "terminated by the operator");
}

/* ---- send and spawn -------------------------------------------------------------- */

static void handle_send(struct request *request)
{
    const struct value done = value_bool(true), *topic = request_arg(request, 1);
    struct frame_send frame = {.from_host = bytes_of_text(OPERATOR_HOST)};
    struct worker *worker;
    struct buf payload;
    bool sent;

    if (value_text(topic) == NULL || topic->as.string.n == 0 ||
        topic->as.string.n > STR_MAX_BYTES) {
        request_refuse(request, ERR_INVALID, "topic required");
        return;
    }
    worker = find_actor(request, &frame.to);
    if (worker == NULL)
        return;
    frame.topic = value_to_bytes(topic);
    buf_init(&payload, 0);
    sent = payload_encode(&payload, request->args.as.list.items + 2,
                          request->args.as.list.n - 2);
    frame.payload = buf_bytes(&payload);
    sent = sent && frame_encode_send(conn_out(worker->conn), &frame);
    if (sent)
        conn_wrote(worker->conn);
    buf_finish(&payload);
    if (sent) {
        request_reply(request, &done);
    } else {
        request_refuse(request, ERR_UNAVAILABLE,
                       "the actor's worker takes no more for now");
    }
}

/* [pid, host] becomes the pid's text. */
static void on_spawned(void *context, uint8_t status, struct bytes result)
{
    struct request *request = context;
    struct value list = {0};
    char text[PID_TEXT_MAX];
    struct bytes host;
    uint64_t pid;
    struct err err;

    if (status != REPLY_OK) {
        pass_on(request, status, result);
        return;
    }
    if (spawn_reply_read(result, &list, &pid, &host, &err) == -1) {
        request_fail(request, &err);
    } else {
        pid_format(text, (const char *)host.data, host.n, pid);
        request_reply_taken(request, value_string(text));
    }
    value_finish(&list);
}

static void handle_spawn(struct request *request)
{
    struct origin origin = {.type = ORIGIN_INTERNAL,
                            .who.internal = {on_spawned, request}};
    const char *entry = request_text(request, 0), *host = request_text(request, 1);
    const char *name = request_text(request, 3);
    const struct value none = value_list(), *args = request_arg(request, 2);

    if (entry == NULL || host == NULL) {
        request_refuse(request, ERR_INVALID, "entry and host required");
        return;
    }
    calls_spawn_internal(request->sup, &origin, entry, host, name != NULL ? name : "",
                         args != NULL && args->type == VALUE_LIST ? args : &none,
                         (struct bytes){NULL, 0}, 0);
}

static const struct system_target targets[] = {
    {"actors.cancel", handle_cancel, ALLOW_CLIENT},
    {"actors.host", handle_host, ALLOW_WORKER},
    {"actors.inspect", handle_inspect, ALLOW_CLIENT},
    {"actors.list", handle_list, ALLOW_CLIENT},
    {"actors.of_host", handle_of_host, ALLOW_WORKER},
    {"actors.send", handle_send, ALLOW_CLIENT},
    {"actors.spawn", handle_spawn, ALLOW_CLIENT},
    {"actors.terminate", handle_terminate, ALLOW_CLIENT},
};

void actor_targets_add(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
