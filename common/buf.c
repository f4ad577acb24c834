#include "common/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What clear() keeps, so that one huge frame does not pin its memory for ever. */
#define KEEP_BYTES ((size_t)256 * 1024)

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_finish(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max_bytes);
}

void buf_clear(struct buf *buf)
{
    if (buf->size > KEEP_BYTES)
        buf_finish(buf);
    buf->start = buf->end = 0;
}

uint8_t *buf_reserve_slow(struct buf *buf, size_t n)
{
    size_t live = buf_len(buf), size = buf->size < 256 ? 256 : buf->size;
    uint8_t *data;

    if (n > SIZE_MAX / 2 - live || (buf->max_bytes != 0 && live + n > buf->max_bytes))
        return NULL;
    if (buf->start != 0 && live + n <= buf->size &&
        (live <= buf->size / 2 || buf->size == buf->max_bytes)) {
        assert(buf->data != NULL);
        memmove(buf->data, buf->data + buf->start, live);
        buf->start = 0;
        buf->end = live;
        return buf->data + live;
    }
    while (size < live + n)
        size *= 2;
    if (buf->max_bytes != 0 && size > buf->max_bytes)
        size = buf->max_bytes; /* the fast path of reserve() looks at size only */
    data = malloc(size);
    if (data == NULL)
        return NULL;
    if (live != 0)
        memcpy(data, buf_head(buf), live);
    free(buf->data);
    buf->data = data;
    buf->start = 0;
    buf->end = live;
    buf->size = size;
    return data + live;
}

bool buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    uint8_t *at;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || (at = buf_reserve(buf, (size_t)n + 1)) == NULL)
        return false;
    va_start(args, fmt);
    vsnprintf((char *)at, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->end += (size_t)n;
    return true;
}
