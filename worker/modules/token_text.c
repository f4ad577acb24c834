#include "worker/modules/token_text.h"

#include <string.h>
#include <sys/random.h>

#include "common/base64.h"
#include "common/digest.h"

#define SIGNATURE_TEXT_BYTES 44 /* of the 32 bytes of SHA-256 */

static size_t encode_url(char *out, const uint8_t *data, size_t n_bytes)
{
    size_t n = base64_encode(out, data, n_bytes);

    for (size_t i = 0; i < n; i++)
        out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
    return n;
}

static bool sign(char out[SIGNATURE_TEXT_BYTES], struct bytes first, struct bytes key)
{
    uint8_t signature[DIGEST_MAX_BYTES];
    size_t n;

    return digest_hmac(DIGEST_SHA256, key, first, signature, &n) &&
           encode_url(out, signature, n) == SIGNATURE_TEXT_BYTES;
}

static bool fill_random(uint8_t *out, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom(out + done, n - done, 0);

        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

size_t token_make(char out[TOKEN_TEXT_MAX], size_t length, struct bytes key,
                  size_t *first_bytes_out)
{
    uint8_t random[TOKEN_MAX_LENGTH];
    struct bytes first = {(const uint8_t *)out, 0};

    if (length == 0 || length > TOKEN_MAX_LENGTH || !fill_random(random, length))
        return 0;
    first.n = *first_bytes_out = encode_url(out, random, length);
    if (key.n == 0)
        return first.n;
    out[first.n] = '.';
    if (!sign(out + first.n + 1, first, key))
        return 0;
    return first.n + 1 + SIGNATURE_TEXT_BYTES;
}

bool token_split(struct bytes token, struct bytes key, struct bytes *first_out)
{
    const uint8_t *dot;

    *first_out = token;
    if (token.n == 0 || token.n > TOKEN_TEXT_MAX)
        return false;
    if (key.n == 0)
        return true;
    dot = memchr(token.data, '.', token.n);
    if (dot == NULL || dot == token.data)
        return false;
    first_out->n = (size_t)(dot - token.data);
    return memchr(dot + 1, '.', token.n - first_out->n - 1) == NULL;
}

bool token_is_genuine(struct bytes token, struct bytes first, struct bytes key)
{
    char wanted[SIGNATURE_TEXT_BYTES];
    const uint8_t *given = first.data + first.n + 1;
    uint8_t difference = 0;

    if (key.n == 0)
        return true;
    if (token.n != first.n + 1 + SIGNATURE_TEXT_BYTES || !sign(wanted, first, key))
        return false;
    for (size_t i = 0; i < SIGNATURE_TEXT_BYTES; i++)
        difference |= (uint8_t)(given[i] ^ (uint8_t)wanted[i]);
    return difference == 0;
}
