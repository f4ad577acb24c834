#include "supervisor/spans_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

#define LIST_DEFAULT 20

/* ---- what workers add ------------------------------------------------------------ */

#define FAR_OFF_NS (INT64_C(24) * 60 * 60 * 1000000000)

/* When a worker says that something has just happened; now, if that can't be: times are
 * subtracted from each other here and in supctl. */
static int64_t time_of(const struct value *at)
{
    int64_t now_ns = clock_wall_ns();

    return at->as.integer > now_ns - FAR_OFF_NS && at->as.integer < now_ns + FAR_OFF_NS
               ? at->as.integer
               : now_ns;
}

/* A message may be received by anybody, once. */
static bool may_run(const struct span *span, const struct worker *worker)
{
    return span->kind == SPAN_MESSAGE
               ? span->worker == 0 && !span->ended
               : span->kind == SPAN_CALL && span->worker == worker->index;
}

/* What is wrong with a report is no reason to do anything: it may be about a span that
 * has been overwritten. */
static void handle_ran(struct request *request)
{
    const struct value *id = request_arg_as(request, 0, VALUE_INT),
                       *pid = request_arg_as(request, 1, VALUE_STRING),
                       *at = request_arg_as(request, 2, VALUE_INT);
    const struct worker *worker = request->origin.who.worker;
    struct span *span =
        id != NULL ? spans_find_id(request->sup->spans, (uint64_t)id->as.integer)
                   : NULL;

    if (span != NULL && pid != NULL && at != NULL && may_run(span, worker)) {
        span_set_text(span->pid, sizeof(span->pid), value_to_bytes(pid));
        span->ran_at_ns = time_of(at);
        if (span->kind == SPAN_MESSAGE) {
            span->worker = worker->index;
            span->sent_at_ns = time_of(at);
        }
    }
    request_reply(request, NULL);
}

static void handle_begin(struct request *request)
{
    const struct value *text = request_arg_as(request, 0, VALUE_STRING),
                       *parent = request_arg_as(request, 1, VALUE_INT),
                       *name = request_arg_as(request, 2, VALUE_STRING),
                       *pid = request_arg_as(request, 3, VALUE_STRING),
                       *at = request_arg_as(request, 4, VALUE_INT),
                       *is_message = request_arg_as(request, 5, VALUE_BOOL);
    struct spans *spans = request->sup->spans;
    struct span *span;

    if (text != NULL && parent != NULL && name != NULL && pid != NULL && at != NULL &&
        trace_check(value_to_bytes(text)) &&
        spans_find_id(spans, trace_get_span(value_to_bytes(text).data)) == NULL) {
        span = spans_add(
            spans,
            is_message != NULL && is_message->as.boolean ? SPAN_MESSAGE : SPAN_PROCESS,
            value_to_bytes(text).data, trace_get_span(value_to_bytes(text).data));
        span->parent = (uint64_t)parent->as.integer;
        span->started_at_ns = time_of(at);
        span_set_text(span->name, sizeof(span->name), value_to_bytes(name));
        if (span->kind == SPAN_PROCESS) {
            span->worker = request->origin.who.worker->index;
            span->sent_at_ns = span->ran_at_ns = time_of(at);
            span_set_text(span->pid, sizeof(span->pid), value_to_bytes(pid));
        }
    }
    request_reply(request, NULL);
}

/* A message that can't be received is ended by whoever knows that. */
static bool may_end(const struct span *span, const struct worker *worker)
{
    return span->kind != SPAN_CALL &&
           (span->worker == worker->index ||
            (span->kind == SPAN_MESSAGE && span->worker == 0));
}

static void handle_end(struct request *request)
{
    const struct value *id = request_arg_as(request, 0, VALUE_INT),
                       *failed = request_arg_as(request, 1, VALUE_BOOL),
                       *text = request_arg_as(request, 2, VALUE_STRING),
                       *at = request_arg_as(request, 3, VALUE_INT);
    struct span *span =
        id != NULL ? spans_find_id(request->sup->spans, (uint64_t)id->as.integer)
                   : NULL;

    if (span != NULL && failed != NULL && text != NULL && at != NULL && !span->ended &&
        may_end(span, request->origin.who.worker)) {
        span_set_text(span->error, sizeof(span->error), value_to_bytes(text));
        span_end(request->sup->spans, span, failed->as.boolean ? "error" : "ok",
                 time_of(at));
    }
    request_reply(request, NULL);
}

/* ---- what operators see ---------------------------------------------------------- */

static void put_id(struct value *record, const char *key, uint64_t id)
{
    char text[17];

    snprintf(text, sizeof(text), "%016" PRIx64, id);
    value_put(record, key, value_string(text));
}

static int64_t positive(int64_t ns)
{
    return ns > 0 ? ns : 0;
}

/* Until a worker had it, from there to its first instruction, and from there on. */
static void put_times(struct value *record, const struct span *span)
{
    int64_t sent = span->sent_at_ns,
            ran = span->ran_at_ns != 0 ? span->ran_at_ns : sent;

    value_put(record, "started_at", value_int(span->started_at_ns));
    if (sent == 0)
        return;
    value_put(record, "queue_ns", value_int(positive(sent - span->started_at_ns)));
    value_put(record, "transit_ns", value_int(positive(ran - sent)));
    if (span->ended)
        value_put(record, "run_ns", value_int(positive(span->ended_at_ns - ran)));
}

static struct value describe(const struct span *span)
{
    struct value record = value_map();

    value_put(&record, "trace", value_string(span->trace));
    put_id(&record, "span", span->id);
    put_id(&record, "parent", span->parent);
    value_put(&record, "name", value_string(span->name));
    if (span->target[0] != '\0')
        value_put(&record, "target", value_string(span->target));
    value_put(&record, "kind", value_string(span_kind_name(span->kind)));
    put_times(&record, span);
    if (span->ended)
        value_put(&record, "duration_ns",
                  value_int(positive(span->ended_at_ns - span->started_at_ns)));
    value_put(&record, "status", value_string(span->ended ? span->outcome : "open"));
    if (span->error[0] != '\0')
        value_put(&record, "error", value_string(span->error));
    if (span->worker != 0)
        value_put(&record, "worker", value_int(span->worker));
    if (span->pid[0] != '\0')
        value_put(&record, "pid", value_string(span->pid));
    return record;
}

/* The spans of one trace, or of any (NULL), oldest first; to be freed. */
static const struct span **collect(const struct spans *spans, const char *prefix,
                                   size_t *n_out)
{
    const struct span **found =
        xcalloc(spans->max_spans + 1, sizeof(const struct span *));
    size_t n = 0, n_prefix = prefix != NULL ? strlen(prefix) : 0;

    for (size_t i = 1; spans->ring != NULL && i <= spans->max_spans; i++) {
        const struct span *span =
            &spans->ring[(spans->last_handle + i) % spans->max_spans];

        if (span->handle != 0 &&
            (prefix == NULL || strncmp(span->trace, prefix, n_prefix) == 0))
            found[n++] = span;
    }
    *n_out = n;
    return found;
}

struct summary {
    const struct span *root;
    int64_t ended_at_ns;
    uint32_t n_spans, n_failed;
    bool is_open;
};

static void add_span(struct summary *summary, const struct span *span)
{
    if (summary->root == NULL || span->started_at_ns < summary->root->started_at_ns)
        summary->root = span;
    summary->n_spans++;
    summary->is_open = summary->is_open || !span->ended;
    if (span->ended && strcmp(span->outcome, "ok") != 0)
        summary->n_failed++;
    if (span->ended_at_ns > summary->ended_at_ns)
        summary->ended_at_ns = span->ended_at_ns;
}

static struct value describe_summary(const struct summary *summary)
{
    const struct span *root = summary->root;
    struct value record = value_map();

    value_put(&record, "trace", value_string(root->trace));
    value_put(&record, "name",
              value_string(root->target[0] != '\0' ? root->target : root->name));
    value_put(&record, "started_at", value_int(root->started_at_ns));
    value_put(&record, "duration_ns",
              value_int(positive(summary->ended_at_ns - root->started_at_ns)));
    value_put(&record, "n_spans", value_int(summary->n_spans));
    value_put(&record, "n_failed", value_int(summary->n_failed));
    value_put(&record, "status",
              value_string(summary->is_open         ? "open"
                           : summary->n_failed == 0 ? "ok"
                                                    : "error"));
    return record;
}

/* The newest traces come first. */
static void handle_list(struct request *request)
{
    const struct value *wanted = request_arg_as(request, 0, VALUE_INT);
    size_t n, n_wanted = wanted != NULL && wanted->as.integer > 0
                             ? (size_t)wanted->as.integer
                             : LIST_DEFAULT;
    const struct span **found = collect(request->sup->spans, NULL, &n);
    struct summary *summaries = xcalloc(n + 1, sizeof(*summaries));
    struct value list = value_list();
    struct map traces; /* id -> summary */
    size_t n_traces = 0;

    map_init(&traces);
    while (n-- != 0) {
        struct summary *summary = map_find(&traces, found[n]->trace, TRACE_ID_BYTES);

        if (summary == NULL) {
            summary = &summaries[n_traces++];
            map_put(&traces, found[n]->trace, TRACE_ID_BYTES, summary);
        }
        add_span(summary, found[n]);
    }
    for (size_t i = 0; i < n_traces && i < n_wanted; i++)
        value_append(&list, describe_summary(&summaries[i]));
    map_finish(&traces);
    free(summaries);
    free(found);
    request_reply_taken(request, list);
}

static bool is_one_trace(const struct span **found, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (strcmp(found[i]->trace, found[0]->trace) != 0)
            return false;
    return true;
}

static int compare_starts(const void *a, const void *b)
{
    const struct span *const *left = a, *const *right = b;
    int64_t l = (*left)->started_at_ns, r = (*right)->started_at_ns;

    if (l != r)
        return l < r ? -1 : 1;
    return (*left)->handle < (*right)->handle ? -1 : 1;
}

static void handle_get(struct request *request)
{
    const struct value *id = request_arg_as(request, 0, VALUE_STRING);
    const struct span **found;
    struct err err = {0};
    size_t n = 0;

    if (id == NULL || id->as.string.n == 0) {
        request_refuse(request, ERR_INVALID, "trace ID required");
        return;
    }
    found = collect(request->sup->spans, id->as.string.data, &n);
    if (n == 0)
        err_set(&err, ERR_NOT_FOUND, "no such trace: %.64s", id->as.string.data);
    else if (!is_one_trace(found, n))
        err_set(&err, ERR_INVALID, "several traces begin with %.64s",
                id->as.string.data);
    if (err.text[0] != '\0') {
        request_fail(request, &err);
    } else {
        struct value list = value_list();

        qsort(found, n, sizeof(const struct span *), compare_starts);
        for (size_t i = 0; i < n; i++)
            value_append(&list, describe(found[i]));
        request_reply_taken(request, list);
    }
    free(found);
}

static const struct system_target targets[] = {
    {"trace.begin", handle_begin, ALLOW_WORKER},
    {"trace.end", handle_end, ALLOW_WORKER},
    {"trace.get", handle_get, ALLOW_CLIENT},
    {"trace.list", handle_list, ALLOW_CLIENT},
    {"trace.ran", handle_ran, ALLOW_WORKER},
};

void span_targets_add(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
