/*
 * buf -- a growing byte buffer that is read from the front and written at the end.
 *
 * data[start .. end) are the live bytes. Growing may fail (ENOMEM or max_bytes),
 * because what fills a buffer is usually sized by a peer; the bytes already there stay.
 */
#ifndef TROUPE_COMMON_BUF_H
#define TROUPE_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes { /* borrowed: somebody else's memory */
    const uint8_t *data;
    size_t n;
};

struct buf {
    uint8_t *data;
    size_t start, end, size;
    size_t max_bytes; /* 0 = no bound but memory */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_finish(struct buf *buf); /* frees; the buffer may be used again after init */
void buf_clear(struct buf *buf);  /* empties; keeps a small allocation for reuse */

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->start;
}

static inline uint8_t *buf_head(const struct buf *buf)
{
    return buf->data + buf->start;
}

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return (struct bytes){buf->data + buf->start, buf->end - buf->start};
}

/* Makes room for n more bytes at the end; NULL when that isn't allowed or not there. */
uint8_t *buf_reserve_slow(struct buf *buf, size_t n);

static inline uint8_t *buf_reserve(struct buf *buf, size_t n)
{
    if (buf->size - buf->end >= n && buf->data != NULL)
        return buf->data + buf->end;
    return buf_reserve_slow(buf, n);
}

/* Appends; false when there is no room. */
static inline bool buf_append(struct buf *buf, const void *data, size_t n)
{
    uint8_t *at = buf_reserve(buf, n);

    if (at == NULL)
        return false;
    if (n != 0)
        memcpy(at, data, n);
    buf->end += n;
    return true;
}

bool buf_append_text(struct buf *buf, const char *text);
bool buf_printf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Drops n bytes from the front. */
static inline void buf_consume(struct buf *buf, size_t n)
{
    buf->start += n;
    if (buf->start == buf->end)
        buf->start = buf->end = 0;
}

#endif
