/*
 * metrics_http -- the figures over HTTP, for scrapers (MT-2); off unless settings say
 * `prometheus.enabled`.
 *
 * GET and HEAD of /metrics (the text of `supctl metrics`) and /livez (that the event
 * loop turns), nothing else. One request for each connection; a body is never read.
 *
 * Nobody who connects can hurt anything but scrapes: at most METRICS_HTTP_MOST
 * connections, which all have prometheus.timeout for their whole life; with no place
 * left, whoever has been slowest to say what he wants makes room. Making the text is
 * the only work, and it takes a tenth of the time at most: one that isn't ten times as
 * old as it took to make serves again. Texts that slow readers hold are bounded
 * together.
 *
 * Owns its sockets. Never blocks.
 */
#ifndef TROUPE_SUPERVISOR_METRICS_HTTP_H
#define TROUPE_SUPERVISOR_METRICS_HTTP_H

#include <stdint.h>

#define METRICS_HTTP_MOST 32

struct err;
struct metrics_http;
struct supervisor;

/* address: "127.0.0.1:9090", "[::1]:9090", "localhost:9090", ":9090" (all interfaces);
 * port 0: any free one. Errors: INVALID (no such address), UNAVAILABLE (in use). */
struct metrics_http *metrics_http_create(struct supervisor *sup, const char *address,
                                         uint64_t timeout_ms, struct err *err);
void metrics_http_destroy(struct metrics_http *http); /* NULL is fine */

/* Where it listens, with the port in place of 0. */
const char *metrics_http_address(const struct metrics_http *http);

struct metrics_http_figures {
    unsigned n_connections;
    uint64_t n_answered, n_refused; /* 200; any other status */
    uint64_t n_cut_off;             /* too slow, or in the way of others */
};
void metrics_http_get_figures(const struct metrics_http *http,
                              struct metrics_http_figures *out);

#endif
