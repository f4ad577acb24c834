/*
 * digest -- MD5 to SHA-512 and their HMACs, from libcrypto, which is loaded on first
 * use.
 *
 * Linking libcrypto costs each worker half a millisecond at its start, a third of the
 * whole; most apps never hash anything.
 */
#ifndef TROUPE_COMMON_DIGEST_H
#define TROUPE_COMMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum digest { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_MAX_BYTES 64

/* Of all parts, one after the other. false when the library or this digest is missing
 * (some builds refuse MD5). */
bool digest_compute(enum digest digest, const struct bytes *parts, size_t n_parts,
                    uint8_t out[DIGEST_MAX_BYTES], size_t *n_out);

#define DIGEST_TEXT_BYTES 72 /* "sha256:" and 64 digits, and a NUL */

/* "sha256:<hex>" of all parts; false and "" when there is no libcrypto. */
bool digest_describe(const struct bytes *parts, size_t n_parts,
                     char out[DIGEST_TEXT_BYTES]);

bool digest_hmac(enum digest digest, struct bytes secret, struct bytes data,
                 uint8_t out[DIGEST_MAX_BYTES], size_t *n_out);

#endif
