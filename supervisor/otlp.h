/*
 * otlp -- spans as OpenTelemetry collectors take them: the JSON form of OTLP.
 *
 * A span's own part is made when it comes, a whole request out of many of them when
 * they are sent. F-53: the name is the function's id; who has no parent is a server,
 * the rest is internal, and messages are consumed. Attributes: process.pid (the actor's
 * pid), frame.id (the entry), ctx.<name> (single
 * values of the context), and ours, which begin with "troupe.".
 */
#ifndef TROUPE_SUPERVISOR_OTLP_H
#define TROUPE_SUPERVISOR_OTLP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct frame_span;

/* As in frame SPAN. */
enum otlp_kind { OTLP_CALL, OTLP_PROCESS, OTLP_MESSAGE };

/* Appends one span; behind another one it brings its comma. false: there is no room,
 * then nothing is appended. */
bool otlp_put_span(struct buf *spans, const struct frame_span *span);

/* Appends the request with these spans. */
bool otlp_put_request(struct buf *out, struct bytes spans, const char *service);

/* How many of them the collector says it didn't want, by its answer. */
uint64_t otlp_count_rejected(struct bytes answer);

#endif
