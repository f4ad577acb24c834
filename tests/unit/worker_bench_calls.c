/* Calls and processes of the bench, and their outcomes as text. */

#include "tests/unit/worker_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

#include "tests/unit/unit.h"

static char text[1 << 16]; /* the outcome handed out last */

static const char *describe(bool failed, struct bytes result)
{
    struct value list;
    struct err err, inner = {0};
    struct buf buf;

    if (failed) {
        ck_assert_msg(error_decode(result, &inner, &err) == 0, "%s", err.text);
        snprintf(text, sizeof(text), "%s: %s%s", err_kind_name(inner.kind), inner.text,
                 inner.retryable == RETRY_YES ? " (retryable)" : "");
        return text;
    }
    ck_assert_msg(payload_decode(result, &list, &err) == 0, "%s", err.text);
    buf_init(&buf, 0);
    if (list.as.list.n == 0)
        buf_append_text(&buf, "null");
    else
        value_write_json(&buf, &list.as.list.items[0], 0);
    snprintf(text, sizeof(text), "%.*s", (int)buf_len(&buf),
             (const char *)buf_head(&buf));
    buf_finish(&buf);
    value_finish(&list);
    return text;
}

/* The payload of a JSON list; the caller finishes it. */
static void encode_args(const char *json, struct buf *out)
{
    struct value list = {0};
    struct err err;

    buf_init(out, 0);
    if (json == NULL)
        json = "[]";
    ck_assert_msg(value_read_json(json, strlen(json), &list, &err) == 0, "%s",
                  err.text);
    payload_encode(out, list.as.list.items, list.as.list.n);
    value_finish(&list);
}

uint64_t bench_start_call(struct bench *bench, const char *id, const char *json)
{
    struct frame_call frame = {.call = ++bench->n_calls, .target = bytes_of_text(id)};
    struct buf args;

    encode_args(json, &args);
    frame.args = buf_bytes(&args);
    frame_encode_call(conn_out(bench->conn), &frame);
    conn_wrote(bench->conn);
    buf_finish(&args);
    return frame.call;
}

void bench_cancel(struct bench *bench, uint64_t call)
{
    frame_encode_cancel(conn_out(bench->conn), &(struct frame_cancel){.call = call});
    conn_wrote(bench->conn);
}

static struct bench_frame *find_reply(struct bench *bench, uint64_t call,
                                      struct frame_reply *frame_out)
{
    LIST_FOREACH (node, &bench->frames) {
        struct bench_frame *frame = container_of(node, struct bench_frame, node);

        if (frame->type == FRAME_REPLY &&
            frame_decode_reply(frame->body, frame_out, NULL) == 0 &&
            frame_out->call == call)
            return frame;
    }
    return NULL;
}

bool bench_has_reply(struct bench *bench, uint64_t call)
{
    struct frame_reply frame;

    return find_reply(bench, call, &frame) != NULL;
}

static bool has_reply(struct bench *bench, void *context)
{
    return bench_has_reply(bench, *(uint64_t *)context);
}

const char *bench_await(struct bench *bench, uint64_t call)
{
    struct bench_frame *frame;
    struct frame_reply got;
    const char *outcome;

    bench_until(bench, has_reply, &call);
    frame = find_reply(bench, call, &got);
    outcome = describe((got.status & REPLY_ERROR) != 0, got.result);
    list_remove(&frame->node);
    free(frame);
    return outcome;
}

const char *bench_call(struct bench *bench, const char *id, const char *json)
{
    return bench_await(bench, bench_start_call(bench, id, json));
}

uint64_t bench_spawn(struct bench *bench, const char *id, const char *json)
{
    struct frame_spawn frame = {.call = ++bench->n_calls,
                                .parent = BENCH_PID,
                                .flags = SPAWN_MONITOR,
                                .parent_host = bytes_of_text("t:bench"),
                                .entry = bytes_of_text(id),
                                .host = bytes_of_text(BENCH_HOST)};
    struct bench_frame *kept;
    struct frame_reply got = {0};
    struct buf args;
    struct value list;
    uint64_t pid = 0;

    encode_args(json, &args);
    frame.args = buf_bytes(&args);
    frame_encode_spawn(conn_out(bench->conn), &frame);
    conn_wrote(bench->conn);
    buf_finish(&args);
    bench_until(bench, has_reply, &frame.call);
    kept = find_reply(bench, frame.call, &got);
    if (got.status == REPLY_OK) {
        ck_assert_int_eq(payload_decode(got.result, &list, NULL), 0);
        pid = (uint64_t)list.as.list.items[0].as.integer;
        value_finish(&list);
    } else {
        describe(true, got.result);
    }
    list_remove(&kept->node);
    free(kept);
    bench->last_pid = pid;
    return pid;
}

static struct bench_frame *find_exit(struct bench *bench, uint64_t pid,
                                     struct frame_exit *frame_out)
{
    LIST_FOREACH (node, &bench->frames) {
        struct bench_frame *frame = container_of(node, struct bench_frame, node);

        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed left the list */
        if (frame->type == FRAME_EXIT &&
            frame_decode_exit(frame->body, frame_out, NULL) == 0 &&
            frame_out->from == pid)
            return frame;
    }
    return NULL;
}

static bool has_exit(struct bench *bench, void *context)
{
    struct frame_exit frame;

    return find_exit(bench, *(uint64_t *)context, &frame) != NULL;
}

const char *bench_await_exit(struct bench *bench, uint64_t pid)
{
    struct bench_frame *frame;
    struct frame_exit got = {0};
    const char *outcome;

    bench_until(bench, has_exit, &pid);
    frame = find_exit(bench, pid, &got);
    outcome = describe(got.failed != 0, got.result);
    list_remove(&frame->node);
    free(frame);
    return outcome;
}

const char *bench_run(struct bench *bench, const char *id, const char *json)
{
    uint64_t pid = bench_spawn(bench, id, json);

    if (pid == 0) {
        memmove(text + 7, text, strlen(text) + 1);
        memcpy(text, "spawn: ", 7);
        return text;
    }
    return bench_await_exit(bench, pid);
}

const char *bench_main(const char *body)
{
    static const char head[] =
        "local function eq(got, want, what) "
        "if got ~= want or math.type(got) ~= math.type(want) then "
        "error(string.format('%s: got %s, want %s', what or 'value', tostring(got), "
        "tostring(want)), 2) end end "
        "local function fails(kind, message, value, err) eq(value, nil) "
        "if err == nil then error('no error', 2) end "
        "eq(err:message(), message) eq(err:kind(), kind) end "
        "local function raises(pattern, f, ...) local ok, err = pcall(f, ...) "
        "if ok or not tostring(err):find(pattern) then "
        "error('raised ' .. tostring(err), 2) end end "
        "return {main = function(...) ";
    static char *chunk;

    free(chunk);
    ck_assert_int_ne(asprintf(&chunk, "%s%s\nend}", head, body), -1);
    return chunk;
}

void bench_add_function(struct bench *bench, const char *id, const char *source)
{
    bench_add(bench, id, "function.lua", BENCH_MODULES, source);
}

const char *bench_call_body(struct bench *bench, const char *body, const char *json)
{
    bench_add_function(bench, "t:f", bench_main(body));
    return bench_call(bench, "t:f", json);
}

const char *bench_run_body(struct bench *bench, const char *body)
{
    char id[32];

    snprintf(id, sizeof(id), "t:body%zu", bench->units.as.map.n);
    bench_add(bench, id, "process.lua", BENCH_MODULES, bench_main(body));
    return bench_run(bench, id, NULL);
}

void bench_check_body(struct bench *bench, const char *title, const char *body,
                      const char *want)
{
    const char *outcome = bench_run_body(bench, body);

    ck_assert_msg(strcmp(outcome, want) == 0, "%s: %s", title, outcome);
}
