#include "common/id.h"

#include <string.h>

#include "common/hex.h"

static const char digits[] = "0123456789abcdef";

/* PID-1: 5 digits, then 6, then 8, then 16. */
static int n_hex_digits(uint64_t unique)
{
    if (unique <= 0xfffff)
        return 5;
    if (unique <= 0xffffff)
        return 6;
    return unique <= 0xffffffff ? 8 : 16;
}

size_t pid_format(char out[PID_TEXT_MAX], const char *host, size_t host_bytes,
                  uint64_t pid)
{
    char *at = out;
    int n = n_hex_digits(pid);

    if (pid == 0) {
        memcpy(out, "{|}", 4);
        return 3;
    }
    if (host_bytes > ID_MAX_BYTES)
        host_bytes = ID_MAX_BYTES;
    *at++ = '{';
    memcpy(at, host, host_bytes);
    at += host_bytes;
    memcpy(at, "|0x", 3);
    at += 3;
    for (int i = n - 1; i >= 0; i--, pid >>= 4)
        at[i] = digits[pid & 15];
    at += n;
    memcpy(at, "}", 2);
    return (size_t)(at + 1 - out);
}

static bool parse_unique(const char *at, const char *end, uint64_t *pid_out)
{
    uint64_t pid = 0;

    if (end - at < 3 || end - at > 18 || at[0] != '0' || at[1] != 'x')
        return false;
    for (at += 2; at < end; at++) {
        int digit = hex_digit(*at);

        if (digit < 0)
            return false;
        pid = pid << 4 | (uint64_t)digit;
    }
    *pid_out = pid;
    return true;
}

static const char *last_pipe(const char *from, const char *end)
{
    for (const char *at = end; at > from; at--)
        if (at[-1] == '|')
            return at - 1;
    return NULL;
}

enum pid_parse_result pid_parse(const char *text, size_t n_bytes, uint64_t *pid_out,
                                const char **host_out, size_t *host_bytes_out)
{
    const char *from = text + 1, *end = text + n_bytes - 1, *pipe, *host_end, *node;

    if (n_bytes < 3 || text[0] != '{' || *end != '}')
        return PID_NO_BRACES;
    pipe = last_pipe(from, end);
    if (pipe == NULL)
        return PID_NO_PIPE;
    if (pipe == from && pipe + 1 == end)
        *pid_out = 0;
    else if (!parse_unique(pipe + 1, end, pid_out))
        return PID_BAD_NUMBER;
    host_end = memchr(from, '|', (size_t)(pipe - from));
    host_end = host_end != NULL ? host_end : pipe;
    node = memchr(from, '@', (size_t)(host_end - from));
    if (host_out != NULL) {
        *host_out = node != NULL ? node + 1 : from;
        *host_bytes_out = (size_t)(host_end - *host_out);
    }
    return PID_OK;
}

size_t id_namespace_bytes(const char *id, size_t n_bytes)
{
    const char *colon = memchr(id, ':', n_bytes);

    return colon != NULL ? (size_t)(colon - id) : n_bytes;
}
