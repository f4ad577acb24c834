/*
 * exporter -- the program that brings spans to an OpenTelemetry collector.
 *
 * A process of its own, so that whatever a collector, its TLS or the library for both
 * do, the supervisor goes on: it only writes to a socket, and what it has too much of
 * it drops. Started by supervisor/otel.h with the socket as descriptor 3, which brings
 * EXPORTER and then SPANs; for each batch EXPORTED goes back. One batch after the
 * other: while one is sent (again and again, if the collector is down) the next ones
 * wait in the socket. When the supervisor closes its half, what is left is tried once,
 * within flush_ms, and the program ends.
 *
 * This header is between its two files.
 */
#ifndef TROUPE_SUPERVISOR_EXPORTER_H
#define TROUPE_SUPERVISOR_EXPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

enum post_result {
    POST_DONE,
    POST_LATER, /* may work another time */
    POST_NEVER,
};

struct post {
    enum post_result result;
    uint64_t n_rejected;
    uint64_t wait_ms; /* as the collector wants it (Retry-After); 0 = it says nothing */
    char why[160];    /* unless it is done */
};

/* One for all posts: connections stay open. */
struct poster;

/* headers: "name=value,name=value". is_over(context) is asked now and then: true ends a
 * post at once. NULL: no such library, or it won't begin. */
struct poster *poster_create(const char *url, const char *headers,
                             bool (*is_over)(void *context), void *context);
void poster_destroy(struct poster *poster);

void poster_post(struct poster *poster, struct bytes body, uint64_t timeout_ms,
                 struct post *out);

#endif
