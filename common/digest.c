#include "common/digest.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define LIBRARY "libcrypto.so.3"

/* Found once, never changed again; typeof keeps the prototypes libcrypto's own. */
static struct {
    bool loaded;
    __typeof__(&EVP_MD_CTX_new) new_context;
    __typeof__(&EVP_MD_CTX_free) free_context;
    __typeof__(&EVP_DigestInit_ex) init;
    __typeof__(&EVP_DigestUpdate) update;
    __typeof__(&EVP_DigestFinal_ex) final;
    __typeof__(&EVP_get_digestbyname) by_name;
    __typeof__(&HMAC) hmac;
} crypto;

static bool find(void *library, const char *name, void **function)
{
    *function = dlsym(library, name);
    return *function != NULL;
}

/* Loads the library if it isn't yet; for those who must do so before they are confined.
 * false: it isn't there, and neither is any digest. */
static bool load(void)
{
    void *library;

    if (crypto.loaded)
        return true;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    crypto.loaded = library != NULL &&
                    find(library, "EVP_MD_CTX_new", (void **)&crypto.new_context) &&
                    find(library, "EVP_MD_CTX_free", (void **)&crypto.free_context) &&
                    find(library, "EVP_DigestInit_ex", (void **)&crypto.init) &&
                    find(library, "EVP_DigestUpdate", (void **)&crypto.update) &&
                    find(library, "EVP_DigestFinal_ex", (void **)&crypto.final) &&
                    find(library, "EVP_get_digestbyname", (void **)&crypto.by_name) &&
                    find(library, "HMAC", (void **)&crypto.hmac);
    return crypto.loaded;
}

static const EVP_MD *find_digest(enum digest digest)
{
    static const char *const names[] = {[DIGEST_MD5] = "MD5",
                                        [DIGEST_SHA1] = "SHA1",
                                        [DIGEST_SHA256] = "SHA256",
                                        [DIGEST_SHA512] = "SHA512"};

    return load() ? crypto.by_name(names[digest]) : NULL;
}

bool digest_compute(enum digest digest, const struct bytes *parts, size_t n_parts,
                    uint8_t out[DIGEST_MAX_BYTES], size_t *n_out)
{
    const EVP_MD *md = find_digest(digest);
    EVP_MD_CTX *context = md != NULL ? crypto.new_context() : NULL;
    bool ok = context != NULL && crypto.init(context, md, NULL) == 1;
    unsigned n = 0;

    for (size_t i = 0; ok && i < n_parts; i++)
        ok = crypto.update(context, parts[i].data, parts[i].n) == 1;
    ok = ok && crypto.final(context, out, &n) == 1;
    if (context != NULL)
        crypto.free_context(context);
    *n_out = n;
    return ok;
}

bool digest_describe(const struct bytes *parts, size_t n_parts,
                     char out[DIGEST_TEXT_BYTES])
{
    uint8_t digest[DIGEST_MAX_BYTES];
    size_t n = 0;
    int at;

    out[0] = '\0';
    if (!digest_compute(DIGEST_SHA256, parts, n_parts, digest, &n))
        return false;
    at = snprintf(out, DIGEST_TEXT_BYTES, "sha256:");
    for (size_t i = 0; i < n && at + 2 < DIGEST_TEXT_BYTES; i++)
        at += snprintf(out + at, DIGEST_TEXT_BYTES - (size_t)at, "%02x", digest[i]);
    return true;
}

bool digest_hmac(enum digest digest, struct bytes secret, struct bytes data,
                 uint8_t out[DIGEST_MAX_BYTES], size_t *n_out)
{
    const EVP_MD *md = find_digest(digest);
    unsigned n = 0;
    bool ok =
        md != NULL && secret.n <= INT_MAX &&
        crypto.hmac(md, secret.data, (int)secret.n, data.data, data.n, out, &n) != NULL;

    *n_out = n;
    return ok;
}
