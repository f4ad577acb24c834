/*
 * json_text -- numbers and strings the way JSON writes them.
 *
 * Strings come out as UTF-8 that is also safe inside HTML and JavaScript: '<', '>',
 * '&', U+2028 and U+2029 are escaped, and each byte that is no UTF-8 becomes U+FFFD.
 */
#ifndef TROUPE_WORKER_MODULES_JSON_TEXT_H
#define TROUPE_WORKER_MODULES_JSON_TEXT_H

#include <stddef.h>

#define JSON_FLOAT_BYTES  32
#define JSON_ESCAPE_BYTES 8

/* The shortest text that reads back the same: no point for integral values, exponent
 * form below 1e-6 and from 1e21 on. number must be finite. Returns the length. */
size_t json_format_float(char out[JSON_FLOAT_BYTES], double number);

/* How many bytes from text on can be copied as they are. */
size_t json_plain_run(const char *text, const char *end);

/* Escapes the character at text, where json_plain_run stopped short of end. Returns how
 * many bytes of text that takes; n_out gets those of out. */
size_t json_escape(const char *text, const char *end, char out[JSON_ESCAPE_BYTES],
                   size_t *n_out);

#endif
