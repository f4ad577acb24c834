/* base64 -- bytes as text: standard alphabet, padded. */
#ifndef TROUPE_COMMON_BASE64_H
#define TROUPE_COMMON_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out has room for 4 bytes per 3 begun ones of data. Returns the length. */
size_t base64_encode(char *out, const uint8_t *data, size_t n_bytes);

/* Skips CR and LF, refuses all else that isn't exact. out has room for 3 bytes per 4
 * begun ones of text. False: bad_at_out is the offset of the first wrong byte. */
bool base64_decode(uint8_t *out, const char *text, size_t n_bytes, size_t *n_out,
                   size_t *bad_at_out);

#endif
