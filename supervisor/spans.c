#include "supervisor/spans_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/utf8.h"

#include "proto/context_map.h"
#include "proto/value_codec.h"

#include "supervisor/core.h"
#include "supervisor/otel.h"
#include "supervisor/worker.h"

struct span *spans_find(const struct spans *spans, uint64_t handle)
{
    struct span *span;

    if (spans->ring == NULL || handle == 0)
        return NULL;
    span = &spans->ring[handle % spans->max_spans];
    return span->handle == handle ? span : NULL;
}

struct span *spans_find_id(const struct spans *spans, uint64_t id)
{
    return map_find_number(&spans->by_id, id);
}

const char *span_kind_name(enum span_kind kind)
{
    static const char *const names[] = {"call", "process", "message"};

    return names[kind];
}

/* Cuts where a character ends. */
void span_set_text(char *to, size_t n_to, struct bytes text)
{
    size_t n = text.n < n_to ? text.n : n_to - 1;

    if (n != 0)
        memcpy(to, text.data, n);
    to[utf8_valid_bytes(to, n)] = '\0';
}

struct span *spans_add(struct spans *spans, enum span_kind kind, const uint8_t *text,
                       uint64_t id)
{
    uint64_t handle = ++spans->last_handle;
    struct span *span;

    if (spans->ring == NULL)
        spans->ring = xcalloc(spans->max_spans, sizeof(*spans->ring));
    span = &spans->ring[handle % spans->max_spans];
    spans->n_lost += span->handle != 0 && !span->ended;
    if (span->handle != 0 && map_find_number(&spans->by_id, span->id) == span)
        map_remove_number(&spans->by_id, span->id);
    *span = (struct span){.handle = handle, .id = id, .kind = kind};
    span->parent = trace_is_beginning(text) ? 0 : trace_get_span(text);
    memcpy(span->trace, text + TRACE_ID_AT, TRACE_ID_BYTES);
    map_put_number(&spans->by_id, id, span);
    return span;
}

void span_end(struct spans *spans, struct span *span, const char *outcome,
              int64_t at_ns)
{
    span->ended = true;
    span->ended_at_ns = at_ns;
    snprintf(span->outcome, sizeof(span->outcome), "%s", outcome);
    otel_take(spans->sup->otel, span);
}

/* ---- calls ----------------------------------------------------------------------- */

/* Nobody can gain anything from guessing which calls are recorded. */
bool spans_draw(struct spans *spans)
{
    return spans_draw_at_all(spans) &&
           random_next(&spans->random_state) <= spans->threshold;
}

bool spans_draw_at_all(const struct spans *spans)
{
    return spans != NULL && spans->threshold != 0;
}

uint64_t spans_begin_call(struct spans *spans, struct bytes name, const uint8_t *text)
{
    struct span *span = spans_add(spans, SPAN_CALL, text, trace_new_span());

    span_set_text(span->name, sizeof(span->name), name);
    span->started_at_ns = clock_wall_ns();
    return span->handle;
}

void spans_note_target(struct spans *spans, uint64_t handle, struct bytes target)
{
    struct span *span = spans_find(spans, handle);

    if (span != NULL)
        span_set_text(span->target, sizeof(span->target), target);
}

uint64_t spans_begin_message(struct spans *spans, struct bytes topic,
                             const uint8_t *text)
{
    struct span *span = spans_add(spans, SPAN_MESSAGE, text, trace_new_span());

    span_set_text(span->name, sizeof(span->name), topic);
    span->started_at_ns = clock_wall_ns();
    return span->id;
}

void spans_note_context(struct spans *spans, uint64_t handle, struct bytes context)
{
    struct span *span = spans_find(spans, handle);
    struct bytes values;

    if (span == NULL || !context_map_find(context, "values", &values) ||
        values.n > sizeof(span->values))
        return;
    memcpy(span->values, values.data, values.n);
    span->n_values = (uint16_t)values.n;
}

uint64_t spans_note_sent(struct spans *spans, uint64_t handle,
                         const struct worker *callee)
{
    struct span *span = spans_find(spans, handle);

    if (span == NULL)
        return 0;
    span->sent_at_ns = clock_wall_ns();
    if (callee != NULL)
        span->worker = callee->index;
    return span->id;
}

uint64_t spans_get_id(const struct spans *spans, uint64_t handle)
{
    const struct span *span = spans != NULL ? spans_find(spans, handle) : NULL;

    return span != NULL ? span->id : 0;
}

void spans_end_call(struct spans *spans, uint64_t handle, const char *outcome,
                    struct bytes error)
{
    struct span *span = spans_find(spans, handle);
    struct err told, bad;

    if (span == NULL || span->ended)
        return;
    if (error.n != 0 && error_decode(error, &told, &bad) == 0)
        snprintf(span->error, sizeof(span->error), "%s: %.*s", err_kind_name(told.kind),
                 (int)utf8_valid_bytes(told.text, strnlen(told.text, 170)), told.text);
    span_end(spans, span, outcome, clock_wall_ns());
}

void spans_on_worker_dead(struct spans *spans, const struct worker *worker,
                          const char *reason)
{
    if (spans == NULL || spans->ring == NULL)
        return;
    for (size_t i = 0; i < spans->max_spans; i++) {
        struct span *span = &spans->ring[i];

        if (span->handle == 0 || span->ended || span->kind == SPAN_CALL ||
            span->worker != worker->index)
            continue;
        snprintf(span->error, sizeof(span->error), "worker %.180s", reason);
        span_end(spans, span, "unavailable", clock_wall_ns());
    }
}

void spans_get_figures(const struct spans *spans, struct spans_figures *out)
{
    bool is_full = spans->last_handle > spans->max_spans;

    *out = (struct spans_figures){.n = is_full ? spans->max_spans
                                               : (size_t)spans->last_handle,
                                  .n_max = spans->max_spans,
                                  .n_lost = spans->n_lost};
}

/* ---- life ------------------------------------------------------------------------ */

struct spans *spans_create(struct supervisor *sup, size_t max_spans, double share)
{
    struct spans *spans = xcalloc(1, sizeof(*spans));

    spans->sup = sup;
    spans->max_spans = max_spans;
    map_init(&spans->by_id);
    spans->random_state = trace_new_span();
    if (share >= 1)
        spans->threshold = UINT64_MAX;
    else if (share > 0)
        spans->threshold = (uint64_t)(share * 18446744073709551616.);
    span_targets_add(sup);
    return spans;
}

void spans_destroy(struct spans *spans)
{
    if (spans == NULL)
        return;
    map_finish(&spans->by_id);
    free(spans->ring);
    free(spans);
}
