#include "supervisor/otlp.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/utf8.h"
#include "common/value.h"

#include "proto/frame.h"
#include "proto/value_codec.h"

/* Of the protocol. */
enum { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CONSUMER = 5 };
enum { STATUS_OK = 1, STATUS_ERROR = 2 };

static struct value text_of(struct bytes bytes)
{
    return value_bytes(bytes.data, bytes.n);
}

/* 64-bit numbers are text in this JSON. */
static struct value number_text(uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    return value_string(text);
}

static struct value int_text(int64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, number);
    return value_string(text);
}

static struct value id_text(uint64_t id)
{
    char text[17];

    snprintf(text, sizeof(text), "%016" PRIx64, id);
    return value_string(text);
}

static void put_attribute(struct value *list, const char *key, const char *type,
                          struct value given)
{
    struct value value = value_map(), pair = value_map();

    value_put(&value, type, given);
    value_put(&pair, "key", value_string(key));
    value_put(&pair, "value", value);
    value_append(list, pair);
}

static void put_text(struct value *list, const char *key, struct bytes text)
{
    if (text.n != 0)
        put_attribute(list, key, "stringValue", text_of(text));
}

static void put_time(struct value *list, const char *key, uint64_t from_ns,
                     uint64_t until_ns)
{
    if (from_ns != 0 && until_ns != 0)
        put_attribute(list, key, "intValue",
                      number_text(until_ns > from_ns ? until_ns - from_ns : 0));
}

/* Only what is one value; the rest is for programs. */
static void put_values(struct value *list, struct bytes bytes)
{
    struct value values;
    struct err err;

    if (bytes.n == 0 || value_decode(bytes.data, bytes.n, NULL, &values, &err) == -1)
        return;
    for (size_t i = 0; values.type == VALUE_MAP && i < values.as.map.n; i++) {
        const struct value_pair *pair = &values.as.map.pairs[i];
        char key[80];

        snprintf(key, sizeof(key), "ctx.%.*s",
                 (int)utf8_valid_bytes(pair->key, strnlen(pair->key, 70)), pair->key);
        if (pair->value.type == VALUE_STRING)
            put_attribute(list, key, "stringValue", value_copy(&pair->value));
        else if (pair->value.type == VALUE_INT)
            put_attribute(list, key, "intValue", int_text(pair->value.as.integer));
        else if (pair->value.type == VALUE_BOOL)
            put_attribute(list, key, "boolValue", value_copy(&pair->value));
        else if (pair->value.type == VALUE_FLOAT && isfinite(pair->value.as.real))
            put_attribute(list, key, "doubleValue", value_copy(&pair->value));
    }
    value_finish(&values);
}

static struct value attributes_of(const struct frame_span *span)
{
    static const char *const kinds[] = {"call", "process", "message"};
    struct value list = value_list();

    put_text(&list, "process.pid", span->pid);
    if (span->kind != OTLP_MESSAGE)
        put_text(&list, "frame.id", span->name);
    put_text(&list, "troupe.kind", bytes_of_text(kinds[span->kind % 3]));
    put_text(&list, "troupe.outcome", span->outcome);
    if (span->worker != 0)
        put_attribute(&list, "troupe.worker", "intValue", number_text(span->worker));
    put_time(&list, "troupe.queue_ns", span->started_at_ns, span->sent_at_ns);
    put_time(&list, "troupe.transit_ns", span->sent_at_ns, span->ran_at_ns);
    put_values(&list, span->values);
    return list;
}

static int kind_of(const struct frame_span *span)
{
    if (span->kind == OTLP_MESSAGE)
        return KIND_CONSUMER;
    return span->parent == 0 ? KIND_SERVER : KIND_INTERNAL;
}

static struct value status_of(const struct frame_span *span)
{
    struct value status = value_map();

    value_put(&status, "code", value_int(span->failed ? STATUS_ERROR : STATUS_OK));
    if (span->failed)
        value_put(&status, "message",
                  text_of(span->error.n != 0 ? span->error : span->outcome));
    return status;
}

bool otlp_put_span(struct buf *spans, const struct frame_span *span)
{
    struct value record = value_map();
    size_t before = buf_len(spans);
    bool ok;

    value_put(&record, "traceId", text_of(span->trace));
    value_put(&record, "spanId", id_text(span->id));
    if (span->parent != 0)
        value_put(&record, "parentSpanId", id_text(span->parent));
    value_put(&record, "name", text_of(span->name));
    value_put(&record, "kind", value_int(kind_of(span)));
    value_put(&record, "startTimeUnixNano", number_text(span->started_at_ns));
    value_put(&record, "endTimeUnixNano",
              number_text(span->ended_at_ns > span->started_at_ns
                              ? span->ended_at_ns
                              : span->started_at_ns));
    value_put(&record, "attributes", attributes_of(span));
    value_put(&record, "status", status_of(span));
    ok = (before == 0 || buf_append(spans, ",", 1)) &&
         value_write_json(spans, &record, 0);
    if (!ok)
        spans->end = spans->start + before;
    value_finish(&record);
    return ok;
}

bool otlp_put_request(struct buf *out, struct bytes spans, const char *service)
{
    struct value attributes = value_list();
    bool ok;

    put_text(&attributes, "service.name", bytes_of_text(service));
    put_text(&attributes, "telemetry.sdk.name", bytes_of_text("troupe"));
    put_text(&attributes, "telemetry.sdk.version", bytes_of_text(TROUPE_VERSION));
    put_text(&attributes, "telemetry.sdk.language", bytes_of_text("lua"));
    ok = buf_append_text(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":") &&
         value_write_json(out, &attributes, 0) &&
         buf_append_text(out, "},\"scopeSpans\":[{\"scope\":{\"name\":\"troupe\","
                              "\"version\":\"" TROUPE_VERSION "\"},\"spans\":[") &&
         buf_append(out, spans.data, spans.n) && buf_append_text(out, "]}]}]}");
    value_finish(&attributes);
    return ok;
}

uint64_t otlp_count_rejected(struct bytes answer)
{
    struct value value, *rejected;
    struct err err;
    int64_t n = 0;

    if (answer.n == 0 ||
        value_read_json((const char *)answer.data, answer.n, &value, &err) == -1)
        return 0;
    rejected = value_get_path(&value, "partialSuccess.rejectedSpans");
    if (value_text(rejected) != NULL)
        n = strtoll(value_text(rejected), NULL, 10);
    else if (rejected != NULL && rejected->type == VALUE_INT)
        n = rejected->as.integer;
    value_finish(&value);
    return n > 0 ? (uint64_t)n : 0;
}
