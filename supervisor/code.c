#include "supervisor/code_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "supervisor/bytecode.h"
#include "supervisor/calls.h"
#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/worker.h"

#define WINDOW        256 /* sources under way at a time */
#define MAX_TRIES     2
#define IDLE_END_S    30.
#define DRAIN_MS      5000u
#define COMPILER_NAME "@compile"

static void take_file(struct chunk *chunk);

/* ---- chunks ---------------------------------------------------------------------- */

static const struct value *source_of(const struct entry *entry)
{
    const struct value *source;

    if (entry->type == NULL || (entry->type->flags & KIND_LUA) == 0)
        return NULL;
    source = value_get(&entry->data, "source");
    return source != NULL && source->type == VALUE_STRING ? source : NULL;
}

bool code_has_code(const struct entry *entry)
{
    return source_of(entry) != NULL || entry->code_in != NULL;
}

static struct chunk *find_chunk(const struct code *code, const struct entry *entry)
{
    return map_find_number(&code->chunks, (uintptr_t)entry);
}

static struct chunk *make_chunk(struct code *code, const struct entry *entry)
{
    struct chunk *chunk = xcalloc(1, sizeof(*chunk));

    chunk->code = code;
    chunk->entry = entry_ref(entry);
    list_init(&chunk->waiters);
    list_init(&chunk->pending);
    buf_init(&chunk->payload, 0);
    map_put_number(&code->chunks, (uintptr_t)entry, chunk);
    return chunk;
}

static void free_chunk(struct chunk *chunk)
{
    struct list *node;

    while ((node = list_take_first(&chunk->waiters)) != NULL) {
        struct waiter *waiter = container_of(node, struct waiter, link);

        if (waiter->drop != NULL)
            waiter->drop(waiter->context);
        free(waiter);
    }
    list_remove(&chunk->pending);
    entry_unref(chunk->entry);
    buf_finish(&chunk->payload);
    value_finish(&chunk->details);
    free(chunk);
}

static void settle(struct chunk *chunk)
{
    struct list *node;

    chunk->settling = true; /* a waiter may forget it: who applied a bad change does */
    while ((node = list_take_first(&chunk->waiters)) != NULL) {
        struct waiter *waiter = container_of(node, struct waiter, link);

        waiter->ready(waiter, chunk);
    }
    chunk->settling = false;
    if (chunk->forgotten)
        free_chunk(chunk);
}

static void fail_chunk(struct chunk *chunk, const struct err *err)
{
    chunk->state = CHUNK_FAILED;
    chunk->err = *err;
    settle(chunk);
}

struct waiter *code_make_waiter(void (*ready)(struct waiter *, const struct chunk *),
                                void (*drop)(void *), void *context)
{
    struct waiter *waiter = xcalloc(1, sizeof(*waiter));

    list_init(&waiter->link);
    waiter->ready = ready;
    waiter->drop = drop;
    waiter->context = context;
    return waiter;
}

void code_want(struct code *code, const struct entry *entry, struct waiter *waiter)
{
    struct chunk *chunk = find_chunk(code, entry);

    if (chunk == NULL) {
        chunk = make_chunk(code, entry);
        if (entry->code_in != NULL)
            take_file(chunk);
        else
            list_append(&code->pending, &chunk->pending);
    }
    if (chunk->state == CHUNK_COMPILED || chunk->state == CHUNK_FAILED)
        waiter->ready(waiter, chunk);
    else
        list_append(&chunk->waiters, &waiter->link);
}

void code_forget(struct code *code, const struct entry *entry)
{
    struct chunk *chunk = find_chunk(code, entry);

    if (chunk == NULL)
        return;
    map_remove_number(&code->chunks, (uintptr_t)entry);
    if (chunk->settling ||
        (chunk->state != CHUNK_COMPILED && chunk->state != CHUNK_FAILED))
        chunk->forgotten = true;
    else
        free_chunk(chunk);
}

/* Is it the entry that has that id in state? */
static bool is_in(const struct snapshot *state, const struct entry *entry)
{
    return snapshot_find(state, entry->id, strlen(entry->id)) == entry;
}

void code_forget_outside(struct code *code, const struct snapshot *view)
{
    const struct snapshot *state = registry_state(code->sup->registry);

    for (size_t i = 0; i < view->n; i++)
        if (!is_in(state, view->entries[i]))
            code_forget(code, view->entries[i]);
}

int code_read(const struct code *code, const struct entry *entry,
              struct value *compiled_out, struct err *err)
{
    const struct chunk *chunk = find_chunk(code, entry);

    if (chunk == NULL || chunk->state != CHUNK_COMPILED)
        return err_set(err, ERR_NOT_FOUND, "no code for entry %s", entry->id);
    return code_read_payload(chunk, compiled_out, err);
}

/* One problem for each type error. */
static void add_type_errors(struct problems *problems, const struct entry *entry,
                            const struct err *err, const struct value *details)
{
    const struct value *list = value_get(details, "problems");
    int64_t n_all = value_get_int(details, "n_problems", 0);
    struct problem_at at = entry_source_at(entry, 0, 0);

    for (size_t i = 0; i < list->as.list.n; i++) {
        const struct value *row = &list->as.list.items[i];
        const char *text = value_get_text(row, "problem");

        at = entry_source_at(entry, (unsigned)value_get_int(row, "line", 0),
                             (unsigned)value_get_int(row, "column", 0));
        at.code = PROBLEM_TYPES;
        problems_add(problems, SEVERITY_ERROR, err->kind, &at, NULL, "%s",
                     text != NULL ? text : err->text);
    }
    if (n_all > (int64_t)list->as.list.n)
        problems_add(problems, SEVERITY_ERROR, err->kind, &at, NULL,
                     "%lld more type errors behind this one",
                     (long long)n_all - (long long)list->as.list.n);
}

void code_add_problem(struct problems *problems, const struct entry *entry,
                      const struct err *err, const struct value *details)
{
    const struct value *list = value_get(details, "problems");
    unsigned line = (unsigned)value_get_int(details, "line", 0);
    unsigned column = (unsigned)value_get_int(details, "column", 0);
    const char *message = value_get_text(details, "message");
    struct problem_at at = entry_source_at(entry, line, column);

    if (list != NULL && list->type == VALUE_LIST) {
        add_type_errors(problems, entry, err, details);
        return;
    }
    if (line != 0)
        at.code = PROBLEM_PARSE;
    if (message == NULL)
        message = err->text;
    if (strncmp(message, "error: ", 7) == 0) /* the line says so already */
        message += 7;
    /* What follows its first line draws the place that `at` names. */
    problems_add(problems, SEVERITY_ERROR, err->kind, &at, NULL, "%.*s",
                 (int)strcspn(message, "\n"), message);
}

/* ---- answers of the compiler ----------------------------------------------------- */

/* Its code was compiled before, and has been checked. */
static void take_file(struct chunk *chunk)
{
    struct value compiled = {0};

    if (bytecode_read(chunk->entry, &compiled, &chunk->err) == -1 ||
        code_build_payload(chunk, &compiled, &chunk->err) == -1)
        chunk->state = CHUNK_FAILED;
    else
        chunk->state = CHUNK_COMPILED;
    value_finish(&compiled);
}

static void take_bytecode(struct chunk *chunk, struct bytes result)
{
    struct value list = {0};
    struct err err = {0};

    if (payload_decode(result, &list, &err) == -1 ||
        (list.as.list.n != 1 &&
         err_set(&err, ERR_INTERNAL, "the compiler answered with no value") == -1) ||
        code_build_payload(chunk, &list.as.list.items[0], &err) == -1) {
        value_finish(&list);
        fail_chunk(chunk, &err);
        return;
    }
    value_finish(&list);
    chunk->state = CHUNK_COMPILED;
    settle(chunk);
}

static void take_error(struct chunk *chunk, struct bytes result, const struct err *why)
{
    struct value fields = {0};

    if (value_decode(result.data, result.n, NULL, &fields, NULL) == 0) {
        struct value *details = value_get(&fields, "details");

        if (details != NULL && details->type == VALUE_MAP)
            chunk->details = value_copy(details);
    }
    value_finish(&fields);
    fail_chunk(chunk, why);
}

static void try_again(struct chunk *chunk)
{
    chunk->state = CHUNK_WAITS;
    chunk->code->n_careful++;
    list_prepend(&chunk->code->pending, &chunk->pending);
}

static void on_answer(void *context, uint8_t status, struct bytes result)
{
    struct chunk *chunk = context;
    struct code *code = chunk->code;
    struct err why = {0};

    code->n_sent--;
    if (chunk->n_tries > 1)
        code->n_careful--;
    if (status == REPLY_OK) {
        take_bytecode(chunk, result);
    } else {
        error_of_bytes(result, &why);
        if (why.kind == ERR_UNAVAILABLE && chunk->n_tries < MAX_TRIES)
            try_again(chunk);
        else
            take_error(chunk, result, &why);
    }
    code_send_pending(code);
}

/* ---- the compile worker ---------------------------------------------------------- */

static void fail_all_pending(struct code *code, const struct err *err)
{
    struct list *node;

    while ((node = list_take_first(&code->pending)) != NULL) {
        struct chunk *chunk = container_of(node, struct chunk, pending);

        if (chunk->n_tries != 0)
            code->n_careful--;
        fail_chunk(chunk, err);
    }
}

static void on_ready(void *context, struct worker *worker)
{
    (void)worker;
    code_send_pending(context);
}

static void on_dead(void *context, struct worker *worker, const char *reason)
{
    struct code *code = context;
    struct err err;

    if (code->worker != worker)
        return; /* it was drained */
    code->worker = NULL;
    ev_timer_stop(code->sup->loop, &code->idle);
    log_warn("compile worker died", "pid=%d reason=%s", (int)worker->os_pid, reason);
    if (worker->ready_at_ns == 0) {
        err_set(&err, ERR_UNAVAILABLE, "the compiler can't start: its worker %s",
                reason);
        fail_all_pending(code, &err);
        return;
    }
    code_send_pending(code);
}

static const struct worker_owner owner = {.on_ready = on_ready, .on_dead = on_dead};

static void start_worker(struct code *code)
{
    struct worker_spec spec = {.role = "compile",
                               .entry = COMPILER_NAME,
                               .settings = code->settings,
                               .n_slots = WINDOW,
                               .extra_fd = -1,
                               .owner = &owner,
                               .owner_context = code};
    struct err err = {0};

    code->worker = worker_start(code->sup->workers, &spec, &err);
    if (code->worker == NULL) {
        log_error("can't start the compile worker", "why=%s", err.text);
        fail_all_pending(code, &err);
    }
}

static bool imports_entries(const struct entry *entry)
{
    for (size_t i = entry->n_modules; i < entry->n_bindings; i++)
        if (entry->bindings[i].target[0] != ':')
            return true;
    return false;
}

static void send_one(struct code *code, struct chunk *chunk)
{
    const struct value *source = source_of(chunk->entry);
    struct value args[] = {value_string(chunk->entry->id),
                           value_string(chunk->entry->kind),
                           *source,
                           value_bool(code->types),
                           value_bool(code->strict),
                           value_bool(imports_entries(chunk->entry))};
    struct frame_call frame = {.call = ++code->n_calls,
                               .target = bytes_of_text(COMPILER_NAME)};
    struct origin origin = {.type = ORIGIN_INTERNAL,
                            .call = frame.call,
                            .who.internal = {on_answer, chunk}};
    struct err err = {0};
    struct buf payload, frame_bytes;
    struct bytes body;
    struct call *call = NULL;

    buf_init(&payload, 0);
    buf_init(&frame_bytes, 0);
    if (payload_encode(&payload, args, N_ELEMENTS(args))) {
        frame.args = buf_bytes(&payload);
        frame_encode_call(&frame_bytes, &frame);
    }
    chunk->state = CHUNK_SENT;
    chunk->n_tries++;
    code->n_sent++;
    if (frame_body(&frame_bytes, &body))
        call = calls_open(code->sup->calls, &origin, FRAME_CALL, 0, &err);
    else
        err_set(&err, ERR_UNAVAILABLE, "no memory for a request to the compiler");
    if (call != NULL)
        call_send(code->sup->calls, call, code->worker, body);
    else
        origin_fail(&origin, &err);
    buf_finish(&payload);
    buf_finish(&frame_bytes);
    value_finish(&args[0]);
    value_finish(&args[1]);
}

static bool may_send(const struct code *code)
{
    unsigned window = code->n_careful != 0 ? 1 : WINDOW;

    return !list_empty(&code->pending) && code->n_sent < window &&
           !conn_is_congested(code->worker->conn);
}

void code_send_pending(struct code *code)
{
    if (code->worker == NULL && !list_empty(&code->pending))
        start_worker(code);
    while (code->worker != NULL && worker_takes_work(code->worker) &&
           !conn_is_closed(code->worker->conn) && may_send(code))
        send_one(code,
                 container_of(list_take_first(&code->pending), struct chunk, pending));
    if (code->worker == NULL || code->n_sent != 0 || !list_empty(&code->pending)) {
        ev_timer_stop(code->sup->loop, &code->idle);
    } else if (!ev_is_active(&code->idle)) {
        ev_timer_set(&code->idle, IDLE_END_S, 0.);
        ev_timer_start(code->sup->loop, &code->idle);
    }
}

void code_stop(struct code *code)
{
    struct worker *worker = code->worker;

    ev_timer_stop(code->sup->loop, &code->idle);
    code->worker = NULL;
    if (worker != NULL)
        worker_drain(worker,
                     (uint64_t)clock_monotonic_ns() + (uint64_t)DRAIN_MS * 1000000);
}

static void on_idle(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop, (void)revents;
    code_stop(container_of(timer, struct code, idle));
}

/* ---- life ------------------------------------------------------------------------ */

struct code *code_create(struct supervisor *sup)
{
    struct code *code = xcalloc(1, sizeof(*code));
    struct value settings = value_map();

    code->sup = sup;
    code->types =
        sup->config != NULL && config_get_bool(sup->config, "lua.type_system.enabled");
    code->strict =
        code->types && config_get_bool(sup->config, "lua.type_system.strict");
    map_init(&code->chunks);
    list_init(&code->pending);
    buf_init(&code->settings_buf, 0);
    ev_timer_init(&code->idle, on_idle, 0., 0.);
    value_put(&settings, "role", value_string("compile"));
    value_put(&settings, "entry", value_string(COMPILER_NAME));
    value_put(&settings, "slots", value_int(WINDOW));
    value_encode(&code->settings_buf, &settings);
    value_finish(&settings);
    code->settings = buf_bytes(&code->settings_buf);
    code_add_targets(sup->system);
    return code;
}

void code_destroy(struct code *code)
{
    if (code == NULL)
        return;
    ev_timer_stop(code->sup->loop, &code->idle);
    MAP_FOREACH (row, &code->chunks)
        free_chunk(row->value);
    map_finish(&code->chunks);
    buf_finish(&code->settings_buf);
    free(code);
}
