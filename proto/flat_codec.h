/*
 * flat_codec -- msgpack as it travels to the array of nodes that schemas are held
 * against (common/flat.h).
 *
 * One pass over the bytes of one value; texts stay where they are. Keys that are no
 * text become one (a number as it is written, all else "table" or "value"), because
 * that is how JSON would have them. An empty map is EMPTY, since Lua sends any empty
 * table so. EXT_ERROR becomes OTHER, EXT_REF becomes SAME.
 */
#ifndef TROUPE_PROTO_FLAT_CODEC_H
#define TROUPE_PROTO_FLAT_CODEC_H

#include "common/buf.h"

struct err;
struct flat;

/* Appends the one value that data is to an empty flat, which borrows its texts. Errors:
 * INVALID for bytes that are no value and for a table that contains itself,
 * LIMIT_EXCEEDED when there are too many nodes. */
int flat_decode(struct bytes data, struct flat *flat, struct err *err);

#endif
