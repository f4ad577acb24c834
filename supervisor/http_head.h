/*
 * http_head -- the head of an HTTP/1.x request, for a server that reads no bodies.
 *
 * Strict where leniency has hurt others: lines end in CRLF, nothing continues a header
 * on a next line, names are tokens, HTTP/1.1 has one Host. What a client sends is
 * looked at only once its head is there, so that bytes that come one by one cost no
 * more than a whole head.
 *
 * Debian has no C parser that is still looked after (http-parser isn't), and a whole
 * server library would bring TLS into the supervisor for two paths that are read only.
 */
#ifndef TROUPE_SUPERVISOR_HTTP_HEAD_H
#define TROUPE_SUPERVISOR_HTTP_HEAD_H

#include <stddef.h>

#include "common/buf.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_head {
    enum http_method method;
    struct bytes path; /* of the text; without scheme, authority and query */
};

/* How long the head is, with the empty line behind it; 0: its end isn't there yet.
 * *searched: how much of text needs no second look; 0 at first. */
size_t http_head_find_end(struct bytes text, size_t *searched);

/* text: a whole head. 0: out is filled in; else the status of the answer. */
int http_head_parse(struct bytes text, struct http_head *out);

#endif
