/*
 * Any text as a token, with any key: it is split inside itself, and genuine only when
 * it says what signing its first part says. What was made with a key is genuine with
 * that key, and not when a single bit of it is another.
 *
 * Input: the key's length (u8), the key, the token.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/digest.h"

#include "worker/modules/token_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool truth)
{
    if (!truth)
        abort();
}

/* Written anew: first, a dot, and its HMAC in base64url. */
static bool is_signed(struct bytes token, struct bytes first, struct bytes key)
{
    uint8_t hmac[DIGEST_MAX_BYTES];
    char text[2 * DIGEST_MAX_BYTES];
    size_t n_hmac, n;

    must(digest_hmac(DIGEST_SHA256, key, first, hmac, &n_hmac));
    n = base64_encode(text, hmac, n_hmac);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    return token.n == first.n + 1 + n && token.data[first.n] == '.' &&
           memcmp(token.data + first.n + 1, text, n) == 0;
}

static void check_foreign(struct bytes token, struct bytes key)
{
    struct bytes first = {0};

    if (!token_split(token, key, &first))
        return;
    must(first.data >= token.data && first.n <= token.n &&
         first.data + first.n <= token.data + token.n);
    if (key.n == 0)
        must(token_is_genuine(token, first, key));
    else
        must(token_is_genuine(token, first, key) == is_signed(token, first, key));
}

static void check_own(struct bytes seed, struct bytes key)
{
    char text[TOKEN_TEXT_MAX];
    size_t n_first, length = seed.n % TOKEN_MAX_LENGTH + 1;
    size_t n = token_make(text, length, key, &n_first);
    struct bytes token = {(const uint8_t *)text, n}, first;

    must(n != 0 && n <= TOKEN_TEXT_MAX && token_split(token, key, &first));
    must(first.n == n_first && token_is_genuine(token, first, key));
    if (key.n == 0 || seed.n == 0)
        return;
    text[seed.data[0] % n] ^= (char)(1 << (seed.n % 7));
    must(!token_split(token, key, &first) || !token_is_genuine(token, first, key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bytes key, token;

    if (n == 0)
        return 0;
    key.data = data + 1;
    key.n = data[0] < n - 1 ? data[0] : n - 1;
    token = (struct bytes){key.data + key.n, n - 1 - key.n};
    check_foreign(token, key);
    check_own(token, key);
    return 0;
}
