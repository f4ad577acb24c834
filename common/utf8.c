#include "common/utf8.h"

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_sequence_bytes(const char *text, size_t n)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char lead = at[0], low = 0x80, high = 0xbf;
    size_t want;

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    want = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (n < want)
        return 0;
    if (lead == 0xe0)
        low = 0xa0; /* overlong below */
    else if (lead == 0xed)
        high = 0x9f; /* surrogates above */
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f; /* beyond U+10FFFF above */
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < want; i++)
        if (!is_tail(at[i]))
            return 0;
    return want;
}

size_t utf8_showable_bytes(const char *text, size_t n)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t n_sequence = utf8_sequence_bytes(text, n);

    if (n_sequence == 1)
        return at[0] >= ' ' && at[0] != 0x7f;
    if (n_sequence == 2 && at[0] == 0xc2 && at[1] < 0xa0)
        return 0;
    return n_sequence;
}

size_t utf8_valid_bytes(const char *text, size_t n)
{
    size_t at = 0;

    while (at < n) {
        size_t sequence = utf8_sequence_bytes(text + at, n - at);

        if (sequence == 0)
            break;
        at += sequence;
    }
    return at;
}
