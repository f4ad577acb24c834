/*
 * otel -- spans that have ended, on their way to an OpenTelemetry collector (F-53); off
 * unless settings say `otel.enabled`.
 *
 * Another process does the sending (exporter.h), started with the first span. Here is
 * only what bounds it: at most otel.queue_size spans are given away and not accounted
 * for, what comes beyond is dropped and counted. An exporter that dies is started again
 * after a while, and what it had counts as failed.
 *
 * A sampled share of the calls that belong to no trace begins one (otel.sample_rate);
 * what carries a traceparent always belongs to it.
 */
#ifndef TROUPE_SUPERVISOR_OTEL_H
#define TROUPE_SUPERVISOR_OTEL_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct otel;
struct span;
struct supervisor;

/* Errors: NOT_FOUND (this build has no exporter). */
struct otel *otel_create(struct supervisor *sup, struct err *err);

/* Kills the exporter if it is still there; NULL is fine. */
void otel_destroy(struct otel *otel);

/* It has ended. otel NULL: nobody wants it. */
void otel_take(struct otel *otel, const struct span *span);

/* Nothing more comes: done follows, on a later turn of the loop, when all has been sent
 * or otel.flush_timeout is over. */
void otel_flush(struct otel *otel, void (*done)(void *context), void *context);

struct otel_figures {
    uint64_t n_sent, n_failed, n_dropped; /* spans */
    uint64_t n_waiting, n_waiting_max;
};
void otel_get_figures(const struct otel *otel, struct otel_figures *out);

#endif
