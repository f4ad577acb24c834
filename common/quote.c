#include "common/quote.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static size_t quote_byte(char out[4], uint8_t c)
{
    static const char hex[] = "0123456789abcdef";

    if (c < ' ' || c >= 0x80) {
        out[0] = '\\';
        out[1] = 'x';
        out[2] = hex[c >> 4];
        out[3] = hex[c & 15];
        return 4;
    }
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    out[0] = (char)c;
    return 1;
}

size_t quote_text(char *out, size_t out_bytes, const char *text, size_t n_bytes)
{
    static const char cut[] = "...\"";
    size_t room, n = 0, n_safe = 1, i; /* n_safe: the longest prefix cut still fits */
    char piece[4];

    assert(out_bytes >= 8);
    room = out_bytes - 1; /* the NUL */
    out[n++] = '"';
    for (i = 0; i < n_bytes; i++) {
        size_t n_piece = quote_byte(piece, (uint8_t)text[i]);

        if (n + n_piece + 1 > room)
            break;
        memcpy(out + n, piece, n_piece);
        n += n_piece;
        if (n + sizeof(cut) - 1 <= room)
            n_safe = n;
    }
    if (i == n_bytes) {
        out[n++] = '"';
    } else {
        memcpy(out + n_safe, cut, sizeof(cut) - 1);
        n = n_safe + sizeof(cut) - 1;
    }
    out[n] = '\0';
    return n;
}
