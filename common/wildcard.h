/*
 * wildcard -- the patterns of ids and actions that entries write (security.md S-11).
 *
 * `*` matches everything, `prefix*` and `*suffix` what they say; `prefix.*` means
 * `prefix*`, so that `doc.*` matches `doc` itself as well. A star anywhere else is a
 * plain character. Case counts, and always the whole text.
 */
#ifndef TROUPE_COMMON_WILDCARD_H
#define TROUPE_COMMON_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

bool wildcard_matches(const char *pattern, const void *text, size_t n_bytes);

#endif
