/*
 * value_codec -- struct value <-> msgpack, and the wire's payload and error forms.
 *
 * The decoder has a cursor of its own: a declared size is checked against the bytes
 * that are there before anything is allocated, depth is bounded by VALUE_MAX_DEPTH and
 * the number of values by VALUE_DECODE_MAX_NODES, and so is what references may stand
 * for, so that a frame costs memory in proportion to itself. Integer keys become text;
 * other keys, and keys with a NUL, are refused. EXT_ERROR becomes a map {kind, message,
 * retryable, details}. EXT_REF becomes a copy of the table it names; a table inside
 * itself is refused. A key that comes twice keeps its last value.
 */
#ifndef TROUPE_PROTO_VALUE_CODEC_H
#define TROUPE_PROTO_VALUE_CODEC_H

#include "common/buf.h"
#include "common/value.h"

struct err;

#define VALUE_DECODE_MAX_NODES 1000000

/* Decodes one value from the front of data. used_out may be NULL: then surplus bytes
 * are an error. The caller owns *out; outputs stay untouched on failure (INVALID). */
int value_decode(const uint8_t *data, size_t n_bytes, size_t *used_out,
                 struct value *out, struct err *err);

/* About what a value takes in memory besides its text. */
#define VALUE_WEIGHT 64

/* The same for all of bytes, of a value that is going to be kept: LIMIT_EXCEEDED when
 * it would weigh more than that. */
int value_decode_bounded(struct bytes bytes, size_t max_weight, struct value *out,
                         struct err *err);

/* Appends; false when the buffer can't grow (then nothing is added). */
bool value_encode(struct buf *buf, const struct value *value);

/* A payload is a graph flag and an array. No bytes at all are the empty list. */
int payload_decode(struct bytes bytes, struct value *list_out, struct err *err);
int payload_decode_weighed(struct bytes bytes, struct value *list_out,
                           size_t *weight_out, struct err *err);
bool payload_encode(struct buf *buf, const struct value *items, size_t n_items);

/* One EXT_ERROR object. A kind that is none of ours decodes as ERR_UNKNOWN. */
bool error_encode(struct buf *buf, const struct err *why);
int error_decode(struct bytes bytes, struct err *why_out, struct err *err);

/* What an answer that isn't REPLY_OK says; of bytes that are no error, that. */
void error_of_bytes(struct bytes bytes, struct err *out);

/* The same with details, a map, which is taken. */
bool error_encode_with(struct buf *buf, const struct err *why, struct value details);

/* As error_encode for kinds and details that no struct err holds: fields is a map
 * {kind, message, retryable, details} as value_decode makes it of EXT_ERROR. */
bool error_encode_value(struct buf *buf, const struct value *fields);

#endif
