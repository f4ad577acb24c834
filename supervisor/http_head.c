#include "supervisor/http_head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define BAD_REQUEST         400
#define VERSION_UNSUPPORTED 505

size_t http_head_find_end(struct bytes text, size_t *searched)
{
    size_t at = *searched;

    while (at < text.n) {
        const uint8_t *newline = memchr(text.data + at, '\n', text.n - at);
        size_t next;

        if (newline == NULL) {
            *searched = text.n;
            return 0;
        }
        *searched = (size_t)(newline - text.data); /* what follows may come later */
        next = *searched + 1;
        if (next < text.n && text.data[next] == '\r')
            next++;
        if (next < text.n && text.data[next] == '\n')
            return next + 1;
        if (next >= text.n)
            return 0;
        at = *searched + 1;
    }
    return 0;
}

static bool is_token(struct bytes text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.data[i];

        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
              (c != 0 && strchr(others, c) != NULL)))
            return false;
    }
    return text.n != 0;
}

static bool equals(struct bytes text, const char *word)
{
    return text.n == strlen(word) && memcmp(text.data, word, text.n) == 0;
}

/* Cuts off what is before the first such byte, and that; all, if there is none. */
static struct bytes take_until(struct bytes *rest, uint8_t end, bool *found)
{
    const uint8_t *at = rest->n != 0 ? memchr(rest->data, end, rest->n) : NULL;
    struct bytes taken = {rest->data, at != NULL ? (size_t)(at - rest->data) : rest->n};
    size_t n_gone = taken.n + (at != NULL);

    *found = at != NULL;
    *rest = (struct bytes){rest->data + n_gone, rest->n - n_gone};
    return taken;
}

/* A line without its CRLF; false: it ends otherwise, or holds control characters. */
static bool take_line(struct bytes *rest, struct bytes *out)
{
    bool ended;

    *out = take_until(rest, '\n', &ended);
    if (!ended || out->n == 0 || out->data[out->n - 1] != '\r')
        return false;
    out->n--;
    for (size_t i = 0; i < out->n; i++) {
        if ((out->data[i] < 0x20 && out->data[i] != '\t') || out->data[i] == 0x7f)
            return false;
    }
    return true;
}

/* "/path?query" or "http://authority/path?query". */
static bool parse_target(struct bytes target, struct http_head *out)
{
    static const char scheme[] = "http://";
    size_t n_scheme = sizeof(scheme) - 1;
    const uint8_t *slash;
    bool found;

    if (target.n >= n_scheme &&
        strncasecmp((const char *)target.data, scheme, n_scheme) == 0) {
        slash = memchr(target.data + n_scheme, '/', target.n - n_scheme);
        if (slash == NULL)
            return false;
        target.n -= (size_t)(slash - target.data);
        target.data = slash;
    }
    if (target.n == 0 || (target.data[0] != '/' && !equals(target, "*")))
        return false;
    out->path = take_until(&target, '?', &found);
    return true;
}

static int parse_version(struct bytes version, bool *is_1_1)
{
    *is_1_1 = equals(version, "HTTP/1.1");
    if (*is_1_1 || equals(version, "HTTP/1.0"))
        return 0;
    if (version.n == 8 && memcmp(version.data, "HTTP/", 5) == 0 &&
        version.data[6] == '.')
        return VERSION_UNSUPPORTED;
    return BAD_REQUEST;
}

static int parse_first_line(struct bytes line, struct http_head *out, bool *is_1_1)
{
    bool after_method, after_target;
    struct bytes method = take_until(&line, ' ', &after_method);
    struct bytes target = take_until(&line, ' ', &after_target);
    int status;

    if (!after_method || !after_target || !is_token(method))
        return BAD_REQUEST;
    status = parse_version(line, is_1_1);
    if (status != 0)
        return status;
    out->method = equals(method, "GET")    ? HTTP_GET
                  : equals(method, "HEAD") ? HTTP_HEAD
                                           : HTTP_OTHER;
    return parse_target(target, out) ? 0 : BAD_REQUEST;
}

int http_head_parse(struct bytes text, struct http_head *out)
{
    struct http_head head;
    unsigned n_hosts = 0;
    struct bytes line;
    bool is_1_1;
    int status;

    if (!take_line(&text, &line))
        return BAD_REQUEST;
    status = parse_first_line(line, &head, &is_1_1);
    if (status != 0)
        return status;
    for (;;) {
        struct bytes name;
        bool has_colon;

        if (!take_line(&text, &line))
            return BAD_REQUEST;
        if (line.n == 0)
            break;
        name = take_until(&line, ':', &has_colon);
        if (!has_colon || !is_token(name))
            return BAD_REQUEST;
        n_hosts += name.n == 4 && strncasecmp((const char *)name.data, "host", 4) == 0;
    }
    if (text.n != 0 || n_hosts > 1 || (is_1_1 && n_hosts == 0))
        return BAD_REQUEST;
    *out = head;
    return 0;
}
