/*
 * quote -- foreign text inside our own sentences, so that it can't break a line.
 *
 * The form apps know from time errors: double quotes around, '"' and '\' escaped,
 * control bytes and everything beyond ASCII as \xHH, byte by byte.
 */
#ifndef TROUPE_COMMON_QUOTE_H
#define TROUPE_COMMON_QUOTE_H

#include <stddef.h>

/* Writes the quoted text and a NUL; what doesn't fit is replaced by "..." before the
 * closing quote. out_bytes must be at least 8. Returns the length without the NUL. */
size_t quote_text(char *out, size_t out_bytes, const char *text, size_t n_bytes);

#endif
