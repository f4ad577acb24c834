#include "proto/trace_context.h"

#include <string.h>
#include <sys/random.h>

#include "proto/context_map.h"

#define SPAN_AT    36
#define SPAN_CHARS 16
#define FLAGS_AT   53
#define MAP_AT     2 /* behind the graph flag and the array of one */

static const char hex[] = "0123456789abcdef";

/* The key with its head, and the head of the value, as this module writes them. */
static const uint8_t mark[] = {
    0xd9, 5, 't', 'r', 'a', 'c', 'e', 0xd9, TRACE_TEXT_BYTES};

/* -1 for what is no lower-case hexadecimal digit. */
static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* All digits, and not all of them 0. */
static bool is_id(const uint8_t *text, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        if (digit_of(text[i]) == -1)
            return false;
        any = any || text[i] != '0';
    }
    return any;
}

bool trace_check(struct bytes text)
{
    const uint8_t *at = text.data;

    if (text.n < TRACE_TEXT_BYTES || (text.n > TRACE_TEXT_BYTES && at[55] != '-') ||
        at[2] != '-' || at[SPAN_AT - 1] != '-' || at[FLAGS_AT - 1] != '-')
        return false;
    if (digit_of(at[0]) == -1 || digit_of(at[1]) == -1 || memcmp(at, "ff", 2) == 0 ||
        (memcmp(at, "00", 2) == 0 && text.n != TRACE_TEXT_BYTES))
        return false;
    if (digit_of(at[FLAGS_AT]) == -1 || digit_of(at[FLAGS_AT + 1]) == -1)
        return false;
    return is_id(at + TRACE_ID_AT, TRACE_ID_BYTES) && is_id(at + SPAN_AT, SPAN_CHARS) &&
           (digit_of(at[FLAGS_AT + 1]) & 1) != 0;
}

const uint8_t *trace_find(struct bytes context)
{
    const size_t n_head = MAP_AT + 1 + sizeof(mark);
    const uint8_t *text;

    if (context.n < n_head + TRACE_TEXT_BYTES ||
        memcmp(context.data + MAP_AT + 1, mark, sizeof(mark)) != 0 ||
        (context.data[MAP_AT] & 0xf0) != 0x80)
        return NULL;
    text = context.data + n_head;
    return trace_check((struct bytes){text, TRACE_TEXT_BYTES}) ? text : NULL;
}

bool trace_put(struct buf *out, struct bytes context, const uint8_t *text)
{
    static const char *const key = TRACE_KEY;
    const size_t n_mine = sizeof(mark) + TRACE_TEXT_BYTES;
    size_t at = buf_len(out), n_before;
    uint8_t *first;

    if (!context_map_begin(out, context, &key, 1) || !buf_reserve(out, n_mine))
        return false;
    /* More keys than anybody has make a longer head; then it won't be found. */
    n_before = MAP_AT + (buf_head(out)[at + MAP_AT] == 0xdf ? 5 : 1);
    first = buf_head(out) + at + n_before;
    memmove(first + n_mine, first, buf_len(out) - at - n_before);
    memcpy(first, mark, sizeof(mark));
    memcpy(first + sizeof(mark), text, TRACE_TEXT_BYTES);
    out->end += n_mine;
    return true;
}

struct bytes trace_normalize(struct bytes context, struct buf *out)
{
    struct bytes text;

    if (context.n == 0 || trace_find(context) != NULL)
        return context;
    text = context_map_find_text(context, TRACE_KEY);
    if (!trace_check(text) || !trace_put(out, context, text.data))
        return context;
    return buf_bytes(out);
}

uint64_t trace_get_span(const uint8_t *text)
{
    uint64_t span = 0;

    for (size_t i = 0; i < SPAN_CHARS; i++)
        span = span << 4 | (uint64_t)(digit_of(text[SPAN_AT + i]) & 0x0f);
    return span;
}

static void put_hex(uint8_t *text, uint64_t number)
{
    for (size_t i = SPAN_CHARS; i-- != 0; number >>= 4)
        text[i] = (uint8_t)hex[number & 0x0f];
}

void trace_set_span(uint8_t *text, uint64_t span)
{
    put_hex(text + SPAN_AT, span);
}

uint64_t trace_new_span(void)
{
    uint64_t number = 0;

    while (number == 0)
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            number = 0;
    return number;
}

void trace_begin(uint8_t *text)
{
    memset(text, '-', TRACE_TEXT_BYTES);
    memcpy(text, "00", 2);
    put_hex(text + TRACE_ID_AT, trace_new_span());
    put_hex(text + TRACE_ID_AT + SPAN_CHARS, trace_new_span());
    memcpy(text + SPAN_AT, text + TRACE_ID_AT + SPAN_CHARS, SPAN_CHARS);
    memcpy(text + FLAGS_AT, "01", 2);
}

bool trace_is_beginning(const uint8_t *text)
{
    return memcmp(text + SPAN_AT, text + TRACE_ID_AT + SPAN_CHARS, SPAN_CHARS) == 0;
}
