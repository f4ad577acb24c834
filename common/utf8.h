/* utf8 -- is this text well-formed? (RFC 3629: no overlong forms, no surrogates) */
#ifndef TROUPE_COMMON_UTF8_H
#define TROUPE_COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length (1..4) of the sequence at the start of text, 0 when it is malformed or cut
 * off. n must not be 0. */
size_t utf8_sequence_bytes(const char *text, size_t n);

/* The same, but 0 for control characters as well, which could steer a terminal: those
 * up to U+001F, and U+007F to U+009F. */
size_t utf8_showable_bytes(const char *text, size_t n);

/* The number of leading bytes that are well-formed: n when all are. */
size_t utf8_valid_bytes(const char *text, size_t n);

#endif
