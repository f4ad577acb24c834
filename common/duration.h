/*
 * duration -- spans of time as text: "1h30m", "250ms", "-1.5µs" (processes.md TM-1,
 * TM-6).
 *
 * The syntax is Go's, because registry files and apps are written in it: a sign, then
 * one or more of number and unit, or a lone "0". Values are signed 64-bit nanoseconds.
 */
#ifndef TROUPE_COMMON_DURATION_H
#define TROUPE_COMMON_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DURATION_TEXT_BYTES  40 /* the longest text with its NUL is 26 bytes */
#define DURATION_ERROR_BYTES 128

/* On failure error_out says why, with the input quoted (and cut when it is long);
 * ns_out is untouched. */
bool duration_parse(const char *text, size_t n_bytes, int64_t *ns_out,
                    char error_out[DURATION_ERROR_BYTES]);

/* Returns the length without the NUL. */
size_t duration_format(char out[DURATION_TEXT_BYTES], int64_t ns);

#endif
