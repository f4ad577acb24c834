/*
 * value_head -- the first bytes of a msgpack value, held against the bytes that are
 * there.
 *
 * For decoders of this floor: what a head declares is checked before anybody allocates
 * for it, since every item takes a byte at least.
 */
#ifndef TROUPE_PROTO_VALUE_HEAD_H
#define TROUPE_PROTO_VALUE_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/value.h"

struct err;

struct value_cursor {
    const uint8_t *data;
    size_t n, at;
    struct err *err;
};

enum head_kind { HEAD_SCALAR, HEAD_STRING, HEAD_LIST, HEAD_MAP, HEAD_EXT };

struct value_head {
    enum head_kind kind;
    struct value scalar; /* nil, bool, int, float: owns nothing */
    uint32_t n;          /* bytes, items or pairs that follow */
    uint8_t ext_type;
};

/* Takes the head off the front; -1 (INVALID) when it is cut off or declares more than
 * is there. */
int value_head_read(struct value_cursor *c, struct value_head *head);

/* Takes n_bytes (8 at most), big endian. */
int value_head_read_uint(struct value_cursor *c, size_t n_bytes, uint64_t *out);

/* Fills c->err with what and the place; -1. */
int value_head_refuse(struct value_cursor *c, const char *what);

#endif
