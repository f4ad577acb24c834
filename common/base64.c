#include "common/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *out, const uint8_t *data, size_t n_bytes)
{
    const uint8_t *end = data + n_bytes;
    char *at = out;

    for (; end - data >= 3; data += 3) {
        *at++ = alphabet[data[0] >> 2];
        *at++ = alphabet[(data[0] & 3) << 4 | data[1] >> 4];
        *at++ = alphabet[(data[1] & 15) << 2 | data[2] >> 6];
        *at++ = alphabet[data[2] & 63];
    }
    if (data < end) {
        uint8_t second = end - data == 2 ? data[1] : 0;

        *at++ = alphabet[data[0] >> 2];
        *at++ = alphabet[(data[0] & 3) << 4 | second >> 4];
        *at++ = end - data == 2 ? alphabet[(second & 15) << 2] : '=';
        *at++ = '=';
    }
    return (size_t)(at - out);
}

/* 0 .. 63, or -1. */
static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct quantum { /* up to four digits, 24 bits */
    uint32_t bits;
    int n_digits, n_padding;
};

/* Adds one byte of text; false when it can't stand there. */
static bool add_byte(struct quantum *quantum, char c)
{
    int value = digit_value(c);

    if (c == '=' && quantum->n_digits + quantum->n_padding >= 2) {
        quantum->n_padding++;
        quantum->bits <<= 6;
        return true;
    }
    if (value == -1 || quantum->n_padding > 0)
        return false;
    quantum->n_digits++;
    quantum->bits = quantum->bits << 6 | (uint32_t)value;
    return true;
}

bool base64_decode(uint8_t *out, const char *text, size_t n_bytes, size_t *n_out,
                   size_t *bad_at_out)
{
    struct quantum quantum = {0};
    bool ended = false; /* padding was seen: nothing may follow */
    uint8_t *at = out;

    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] == '\r' || text[i] == '\n')
            continue;
        if (ended || !add_byte(&quantum, text[i])) {
            *bad_at_out = quantum.n_padding > 0 ? i - 1 : i; /* the padding is wrong */
            return false;
        }
        if (quantum.n_digits + quantum.n_padding < 4)
            continue;
        for (int byte = 0; byte < quantum.n_digits - 1; byte++)
            *at++ = (uint8_t)(quantum.bits >> (16 - 8 * byte));
        ended = quantum.n_padding > 0;
        quantum = (struct quantum){0};
    }
    *n_out = (size_t)(at - out);
    *bad_at_out = quantum.n_padding > 0 ? n_bytes : n_bytes - (size_t)quantum.n_digits;
    return quantum.n_digits == 0;
}
