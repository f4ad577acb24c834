#include "supervisor/exporter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "common/mem.h"

#include "supervisor/otlp.h"

#define ANSWER_MOST_BYTES 65536
#define WAIT_MOST_MS      30000

struct poster {
    CURL *curl;
    struct curl_slist *headers;
    bool (*is_over)(void *context);
    void *context;
    struct buf answer; /* its beginning */
};

/* Says that all is taken: a collector that talks much is as good as another. */
static size_t on_answer(char *data, size_t size, size_t n, void *context)
{
    struct poster *poster = context;
    size_t room = ANSWER_MOST_BYTES - buf_len(&poster->answer), taken = size * n;

    buf_append(&poster->answer, data, taken < room ? taken : room);
    return taken <= room ? taken : 0;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c,
                       curl_off_t d)
{
    struct poster *poster = context;

    (void)a, (void)b, (void)c, (void)d;
    return poster->is_over(poster->context);
}

/* "a=b,c=d": each becomes "a: b". */
static struct curl_slist *headers_of(const char *text)
{
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    char *copy = xstrdup(text), *rest = copy, *one;

    list = curl_slist_append(list, "Expect:"); /* no round trip before the body */
    while ((one = strsep(&rest, ",")) != NULL) {
        char *equals = strchr(one, '='), *line;

        if (equals == NULL || strpbrk(one, "\r\n") != NULL)
            continue;
        one += strspn(one, " ");
        line = xasprintf("%.*s: %s", (int)(equals - one), one, equals + 1);
        list = curl_slist_append(list, line);
        free(line);
    }
    free(copy);
    return list;
}

struct poster *poster_create(const char *url, const char *headers,
                             bool (*is_over)(void *context), void *context)
{
    struct poster *poster = xcalloc(1, sizeof(*poster));

    curl_global_init(CURL_GLOBAL_DEFAULT);
    poster->curl = curl_easy_init();
    if (poster->curl == NULL) {
        free(poster);
        return NULL;
    }
    poster->is_over = is_over;
    poster->context = context;
    poster->headers = headers_of(headers);
    buf_init(&poster->answer, (size_t)ANSWER_MOST_BYTES * 2);
    curl_easy_setopt(poster->curl, CURLOPT_URL, url);
    curl_easy_setopt(poster->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(poster->curl, CURLOPT_HTTPHEADER, poster->headers);
    curl_easy_setopt(poster->curl, CURLOPT_USERAGENT, "troupe/" TROUPE_VERSION);
    curl_easy_setopt(poster->curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(poster->curl, CURLOPT_WRITEDATA, poster);
    curl_easy_setopt(poster->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(poster->curl, CURLOPT_XFERINFODATA, poster);
    curl_easy_setopt(poster->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(poster->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(poster->curl, CURLOPT_PROXY, ""); /* the endpoint says it all */
    return poster;
}

void poster_destroy(struct poster *poster)
{
    if (poster == NULL)
        return;
    curl_easy_cleanup(poster->curl);
    curl_slist_free_all(poster->headers);
    buf_finish(&poster->answer);
    free(poster);
    curl_global_cleanup();
}

static enum post_result judge(CURLcode code, long status)
{
    if (status >= 200 && status < 300)
        return POST_DONE; /* however the rest of the answer went */
    if (code != CURLE_OK && code != CURLE_WRITE_ERROR)
        return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL
                   ? POST_NEVER
                   : POST_LATER;
    return status == 429 || status == 502 || status == 503 || status == 504
               ? POST_LATER
               : POST_NEVER;
}

void poster_post(struct poster *poster, struct bytes body, uint64_t timeout_ms,
                 struct post *out)
{
    curl_off_t wait_s = 0;
    CURLcode code;
    long status = 0;

    *out = (struct post){0};
    buf_clear(&poster->answer);
    curl_easy_setopt(poster->curl, CURLOPT_POSTFIELDS, (const char *)body.data);
    curl_easy_setopt(poster->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    curl_easy_setopt(poster->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    code = curl_easy_perform(poster->curl);
    curl_easy_getinfo(poster->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(poster->curl, CURLINFO_RETRY_AFTER, &wait_s);
    out->result = judge(code, status);
    if (out->result == POST_DONE) {
        out->n_rejected = otlp_count_rejected(
            (struct bytes){buf_head(&poster->answer), buf_len(&poster->answer)});
        return;
    }
    if (wait_s > 0)
        out->wait_ms =
            wait_s < WAIT_MOST_MS / 1000 ? (uint64_t)wait_s * 1000 : WAIT_MOST_MS;
    if (status != 0)
        snprintf(out->why, sizeof(out->why), "the collector answered with status %ld",
                 status);
    else
        snprintf(out->why, sizeof(out->why), "%s", curl_easy_strerror(code));
}
