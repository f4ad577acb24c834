#include "supervisor/router_spawn.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/id.h"
#include "common/list.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"
#include "proto/value_skip.h"

#include "supervisor/actors.h"
#include "supervisor/calls.h"
#include "supervisor/core.h"
#include "supervisor/names.h"
#include "supervisor/pool.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/router.h"
#include "supervisor/spawn_reply.h"
#include "supervisor/worker.h"

/* Of one peer: what its spawns that wait may take before another one comes. */
#define PEER_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct router {
    struct supervisor *sup;
    struct list waiting; /* struct waiting_spawn */
    size_t n_waiting;
};

/* The name is about to be somebody else's: tried again when that is settled. */
struct waiting_spawn {
    struct list link;
    struct router *router;
    struct name_waiter waiter;
    struct origin origin;
    size_t n_bytes;
    uint8_t body[];
};

/* What the REPLY of a spawn brings about besides the answer. */
struct spawn_note {
    uint64_t parent;
    uint8_t flags;
    size_t name_bytes;
    uint8_t name[];
};

/* ---- lookups --------------------------------------------------------------------- */

static void fail_no_host(struct supervisor *sup, const struct origin *origin,
                         struct bytes host)
{
    struct err err;

    if (registry_find(sup->registry, host.data, host.n) != NULL) {
        err_set(&err, ERR_INTERNAL, "host does not implement process.Host");
        origin_fail(origin, &err);
        return;
    }
    err_set(&err, ERR_NOT_FOUND, "host not found");
    router_fail_about(origin, &err, "host_id", host);
}

static struct pool *find_host(struct supervisor *sup, struct bytes host)
{
    struct pool *pool = pools_find(sup->pools, host.data, host.n);

    return pool != NULL && pool_kind_is_host(pool_kind(pool)) ? pool : NULL;
}

static bool is_process(struct supervisor *sup, struct bytes id)
{
    const struct entry *entry = registry_find(sup->registry, id.data, id.n);

    return entry != NULL && entry->type != NULL &&
           (entry->type->flags & KIND_PROCESS) != 0;
}

/* ---- the outcome ----------------------------------------------------------------- */

static void on_outcome(struct supervisor *sup, struct call *call, uint8_t status,
                       struct bytes result)
{
    struct spawn_note *note = call->note;
    struct bytes name = {note->name, note->name_bytes};
    struct value list = {0};
    struct bytes host;
    uint64_t pid;
    struct err err;

    call->note = NULL;
    if (status == REPLY_OK &&
        (spawn_reply_read(result, &list, &pid, &host, &err) == -1 ||
         !worker_owns_pid(call->callee, pid))) {
        worker_kill(call->callee,
                    "was killed: it answered a spawn with no pid of its own");
        status = REPLY_ERROR;
    }
    if (status == REPLY_OK) {
        if (name.n != 0)
            names_claim_succeed(sup->names, name, pid, host);
        if (note->flags != 0)
            actors_add_edge(sup, note->parent, pid, note->flags);
    } else if (name.n != 0) {
        names_claim_fail(sup->names, name);
    }
    value_finish(&list);
    free(note);
}

static void submit(struct supervisor *sup, const struct origin *origin,
                   const struct frame_spawn *frame, struct bytes body,
                   struct pool *pool)
{
    struct err err = {0};
    struct call *call = calls_open(sup->calls, origin, FRAME_SPAWN, 0, &err);
    struct spawn_note *note;

    if (call == NULL) {
        if (frame->name.n != 0)
            names_claim_fail(sup->names, frame->name);
        origin_fail(origin, &err);
        return;
    }
    if (frame->flags != 0 || frame->name.n != 0) {
        note = xmalloc(sizeof(*note) + frame->name.n);
        note->parent = frame->parent;
        note->flags = frame->flags;
        note->name_bytes = frame->name.n;
        memcpy(note->name, frame->name.data, frame->name.n);
        call->on_outcome = on_outcome;
        call->note = note;
    }
    pool_submit(pool, call, body);
}

/* ---- a name that is taken -------------------------------------------------------- */

static void ignore_result(void *context, uint8_t status, struct bytes result)
{
    (void)context, (void)status, (void)result;
}

/* args are passed on as they are: tables that occur twice in them stay shared. */
static void send_message(struct worker *to, uint64_t pid, uint8_t graph,
                         const struct value *topic, struct bytes args)
{
    struct frame_send frame = {.to = pid};
    struct buf payload;

    buf_init(&payload, 0);
    if (buf_append(&payload, &graph, 1) && buf_append(&payload, args.data, args.n)) {
        frame.topic = value_to_bytes(topic);
        frame.payload = buf_bytes(&payload);
        if (frame_encode_send(conn_out(to->conn), &frame))
            conn_wrote(to->conn);
    }
    buf_finish(&payload);
}

static void send_first_messages(struct worker *to, uint64_t pid, struct bytes messages)
{
    struct bytes rest, name, args;
    uint32_t n;
    uint8_t graph;

    if (!payload_split(messages, &graph, &n, &rest))
        return;
    for (uint32_t i = 0; i + 1 < n; i += 2) {
        struct value topic = {0};

        if (!value_skip(&rest, &name) || !value_skip(&rest, &args) ||
            value_decode(name.data, name.n, NULL, &topic, NULL) == -1)
            return;
        if (topic.type == VALUE_STRING)
            send_message(to, pid, graph, &topic, args);
        value_finish(&topic);
    }
}

static void watch_for_parent(struct supervisor *sup, struct worker *owner, uint64_t pid,
                             const struct frame_spawn *frame)
{
    static const struct {
        uint8_t flag, op;
    } watches[] = {{SPAWN_MONITOR, WATCH_MONITOR}, {SPAWN_LINK, WATCH_LINK}};
    struct origin origin = {.type = ORIGIN_INTERNAL,
                            .who.internal = {ignore_result, sup->router}};

    /* The owner is no child: the end of who asked for it is none of its affairs. */
    if (pid_index(frame->parent) != 0 && !actors_alive(sup, frame->parent))
        return;
    for (size_t i = 0; i < N_ELEMENTS(watches); i++) {
        struct frame_watch watch = {.watcher = frame->parent,
                                    .target = pid,
                                    .op = watches[i].op,
                                    .watcher_host = frame->parent_host};
        struct bytes body;
        struct buf buf;

        if ((frame->flags & watches[i].flag) == 0)
            continue;
        buf_init(&buf, 0);
        if (frame_encode_watch(&buf, &watch) && frame_body(&buf, &body))
            calls_forward(sup->calls, &origin, FRAME_WATCH, owner, body);
        buf_finish(&buf);
    }
    if (frame->flags != 0)
        actors_add_edge(sup, frame->parent, pid, frame->flags);
}

static void answer_with_owner(struct supervisor *sup, const struct origin *origin,
                              const struct frame_spawn *frame, uint64_t pid,
                              struct bytes host)
{
    struct worker *owner = workers_find(sup->workers, pid_index(pid));
    struct value items[2] = {value_int((int64_t)pid), value_bytes(host.data, host.n)};
    struct buf buf;

    if (owner != NULL && !worker_is_flooded(owner)) {
        send_first_messages(owner, pid, frame->messages);
        watch_for_parent(sup, owner, pid, frame);
    }
    buf_init(&buf, 0);
    payload_encode(&buf, items, N_ELEMENTS(items));
    origin_reply(origin, REPLY_OK, buf_bytes(&buf));
    buf_finish(&buf);
    value_finish(&items[1]);
}

/* ---- a name that is about to be taken -------------------------------------------- */

static void forget_waiting(struct waiting_spawn *spawn)
{
    struct peer_use *use = origin_use(&spawn->origin);

    list_remove(&spawn->link);
    spawn->router->n_waiting--;
    if (use != NULL) {
        use->n_spawns--;
        use->spawn_bytes -= spawn->n_bytes;
    }
}

static void free_waiting(struct waiting_spawn *spawn)
{
    forget_waiting(spawn);
    free(spawn);
}

static void on_settled(struct name_waiter *waiter)
{
    struct waiting_spawn *spawn = container_of(waiter, struct waiting_spawn, waiter);

    forget_waiting(spawn);
    router_spawn(spawn->router->sup, &spawn->origin,
                 (struct bytes){spawn->body, spawn->n_bytes});
    free(spawn);
}

static bool may_wait(const struct router *router, const struct peer_use *use)
{
    if (use == NULL)
        return router->n_waiting < SPAWNS_MAX_WAITING;
    return use->spawn_bytes <= PEER_MAX_BYTES &&
           use_is_fair(use->n_spawns, router->n_waiting, SPAWNS_MAX_WAITING);
}

static struct waiting_spawn *make_waiting(struct router *router,
                                          const struct origin *origin,
                                          struct bytes body)
{
    struct peer_use *use = origin_use(origin);
    struct waiting_spawn *spawn =
        may_wait(router, use) ? malloc(sizeof(*spawn) + body.n) : NULL;

    if (spawn == NULL)
        return NULL;
    router->n_waiting++;
    if (use != NULL) {
        use->n_spawns++;
        use->spawn_bytes += body.n;
    }
    spawn->router = router;
    spawn->origin = *origin;
    spawn->n_bytes = body.n;
    spawn->waiter.on_settled = on_settled;
    list_init(&spawn->waiter.link);
    memcpy(spawn->body, body.data, body.n);
    list_append(&router->waiting, &spawn->link);
    return spawn;
}

static void spawn_named(struct supervisor *sup, const struct origin *origin,
                        const struct frame_spawn *frame, struct bytes body,
                        struct pool *pool)
{
    struct waiting_spawn *spawn = make_waiting(sup->router, origin, body);
    struct err err = {0};
    struct bytes host;
    uint64_t pid;

    if (spawn == NULL) {
        err_set(&err, ERR_RATE_LIMITED, "too many spawns wait for a name");
        origin_fail(origin, &err);
        return;
    }
    switch (names_claim_for_spawn(sup->names, frame->name, &spawn->waiter, &pid, &host,
                                  &err)) {
    case NAME_WAIT:
        return;
    case NAME_CLAIMED:
        submit(sup, origin, frame, body, pool);
        break;
    case NAME_TAKEN:
        answer_with_owner(sup, origin, frame, pid, host);
        break;
    case NAME_REFUSED:
        origin_fail(origin, &err);
        break;
    }
    free_waiting(spawn);
}

bool router_spawn_cancel(struct supervisor *sup, const struct origin *origin)
{
    LIST_FOREACH (node, &sup->router->waiting) {
        struct waiting_spawn *spawn = container_of(node, struct waiting_spawn, link);
        struct err err;

        if (!origin_is_same(&spawn->origin, origin))
            continue;
        names_stop_waiting(&spawn->waiter);
        free_waiting(spawn);
        err_set(&err, ERR_CANCELED, "context canceled");
        origin_fail(origin, &err);
        return true;
    }
    return false;
}

void router_spawn_origin_gone(struct supervisor *sup, const struct worker *worker)
{
    LIST_FOREACH_SAFE (node, &sup->router->waiting) {
        struct waiting_spawn *spawn = container_of(node, struct waiting_spawn, link);

        if (spawn->origin.type != ORIGIN_WORKER || spawn->origin.who.worker != worker)
            continue;
        names_stop_waiting(&spawn->waiter);
        free_waiting(spawn);
    }
}

/* ---- in -------------------------------------------------------------------------- */

void router_spawn(struct supervisor *sup, const struct origin *origin,
                  struct bytes body)
{
    struct frame_spawn frame;
    struct pool *pool;
    struct err err = {0};

    if (frame_decode_spawn(body, &frame, &err) == -1) {
        origin_fail(origin, &err);
        return;
    }
    pool = find_host(sup, frame.host);
    if (pool == NULL) {
        fail_no_host(sup, origin, frame.host);
        return;
    }
    if (!is_process(sup, frame.entry)) {
        err_set(&err, ERR_NOT_FOUND, "factory not found");
        router_fail_about(origin, &err, "factory_id", frame.entry);
        return;
    }
    if (frame.name.n != 0)
        spawn_named(sup, origin, &frame, body, pool);
    else
        submit(sup, origin, &frame, body, pool);
}

void calls_spawn_internal(struct supervisor *sup, const struct origin *origin,
                          const char *entry, const char *host, const char *name,
                          const struct value *args, struct bytes context,
                          uint64_t watcher)
{
    struct frame_spawn frame = {.parent = watcher,
                                .flags = watcher != 0 ? SPAWN_MONITOR : 0,
                                .entry = bytes_of_text(entry),
                                .host = bytes_of_text(host),
                                .name = bytes_of_text(name),
                                .context = context};
    bool is_list = args != NULL && args->type == VALUE_LIST;
    struct err err = {0};
    struct buf payload, buf;
    struct bytes body;

    buf_init(&payload, 0);
    buf_init(&buf, 0);
    if (payload_encode(&payload, is_list ? args->as.list.items : NULL,
                       is_list ? args->as.list.n : 0)) {
        frame.args = buf_bytes(&payload);
        frame_encode_spawn(&buf, &frame);
    }
    if (frame_body(&buf, &body)) {
        router_spawn(sup, origin, body);
    } else {
        err_set(&err, ERR_UNAVAILABLE, "no memory to spawn %s", entry);
        origin_fail(origin, &err);
    }
    buf_finish(&payload);
    buf_finish(&buf);
}

size_t router_spawn_count_waiting(const struct router *router)
{
    return router->n_waiting;
}

struct router *router_spawn_create(struct supervisor *sup)
{
    struct router *router = xcalloc(1, sizeof(*router));

    router->sup = sup;
    list_init(&router->waiting);
    return router;
}

void router_spawn_destroy(struct router *router)
{
    struct list *node;

    if (router == NULL)
        return;
    while ((node = list_first(&router->waiting)) != NULL) {
        struct waiting_spawn *spawn = container_of(node, struct waiting_spawn, link);

        names_stop_waiting(&spawn->waiter);
        free_waiting(spawn);
    }
    free(router);
}
