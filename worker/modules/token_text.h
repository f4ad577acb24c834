/*
 * token_text -- tokens as apps see them (security.md S-51).
 *
 * Random bytes in base64url with padding; with a key, a dot and the HMAC-SHA256 of that
 * text follow. The first part alone is the key under which a token is stored.
 */
#ifndef TROUPE_WORKER_MODULES_TOKEN_TEXT_H
#define TROUPE_WORKER_MODULES_TOKEN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

#define TOKEN_MAX_LENGTH 1024 /* random bytes */
#define TOKEN_TEXT_MAX   ((TOKEN_MAX_LENGTH + 2) / 3 * 4 + 1 + 44)

/* Writes a new token and returns its length; 0 when there are no random bytes or no
 * HMAC. key.n = 0: unsigned. length is 1 ... TOKEN_MAX_LENGTH. first_bytes_out is the
 * length of its first part. */
size_t token_make(char out[TOKEN_TEXT_MAX], size_t length, struct bytes key,
                  size_t *first_bytes_out);

/* Has the text the form of a token? first_out is its first part; with a key there must
 * be exactly one dot. */
bool token_split(struct bytes token, struct bytes key, struct bytes *first_out);

/* Is it signed with that key? In constant time for tokens of one length. Of a key
 * without bytes every token is. */
bool token_is_genuine(struct bytes token, struct bytes first, struct bytes key);

#endif
