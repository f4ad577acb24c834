#include "proto/value_head.h"

#include <string.h>

#include "common/err.h"

int value_head_refuse(struct value_cursor *c, const char *what)
{
    return err_set(c->err, ERR_INVALID, "bad value at byte %zu: %s", c->at, what);
}

int value_head_read_uint(struct value_cursor *c, size_t n_bytes, uint64_t *out)
{
    uint64_t number = 0;

    if (c->n - c->at < n_bytes)
        return value_head_refuse(c, "cut off");
    for (size_t i = 0; i < n_bytes; i++)
        number = number << 8 | c->data[c->at++];
    *out = number;
    return 0;
}

static int read_length(struct value_cursor *c, struct value_head *head,
                       enum head_kind kind, size_t n_bytes)
{
    uint64_t number = 0;

    if (value_head_read_uint(c, n_bytes, &number) == -1)
        return -1;
    head->kind = kind;
    head->n = (uint32_t)number;
    return 0;
}

static int read_unsigned(struct value_cursor *c, struct value_head *head,
                         size_t n_bytes)
{
    uint64_t number = 0;

    if (value_head_read_uint(c, n_bytes, &number) == -1)
        return -1;
    head->scalar =
        number > INT64_MAX ? value_float((double)number) : value_int((int64_t)number);
    return 0;
}

static int read_signed(struct value_cursor *c, struct value_head *head, size_t n_bytes)
{
    unsigned shift = 64 - 8 * (unsigned)n_bytes;
    uint64_t number = 0;

    if (value_head_read_uint(c, n_bytes, &number) == -1)
        return -1;
    head->scalar = value_int((int64_t)(number << shift) >> shift);
    return 0;
}

static int read_float(struct value_cursor *c, struct value_head *head, size_t n_bytes)
{
    uint64_t bits = 0;
    double real;

    if (value_head_read_uint(c, n_bytes, &bits) == -1)
        return -1;
    if (n_bytes == 4) {
        uint32_t bits32 = (uint32_t)bits;
        float real32;

        memcpy(&real32, &bits32, 4);
        real = (double)real32;
    } else {
        memcpy(&real, &bits, 8);
    }
    head->scalar = value_float(real);
    return 0;
}

static int read_ext(struct value_cursor *c, struct value_head *head)
{
    uint64_t type = 0;

    if (value_head_read_uint(c, 1, &type) == -1)
        return -1;
    head->kind = HEAD_EXT;
    head->ext_type = (uint8_t)type;
    return 0;
}

static int read_long_head(struct value_cursor *c, uint8_t lead, struct value_head *head)
{
    switch (lead) {
    case 0xc0:
        return 0;
    case 0xc2:
    case 0xc3:
        head->scalar = value_bool(lead == 0xc3);
        return 0;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return read_length(c, head, HEAD_STRING, (size_t)1 << (lead - 0xc4));
    case 0xc7:
    case 0xc8:
    case 0xc9:
        if (read_length(c, head, HEAD_EXT, (size_t)1 << (lead - 0xc7)) == -1)
            return -1;
        return read_ext(c, head);
    case 0xca:
    case 0xcb:
        return read_float(c, head, lead == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return read_unsigned(c, head, (size_t)1 << (lead - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return read_signed(c, head, (size_t)1 << (lead - 0xd0));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        head->n = 1u << (lead - 0xd4);
        return read_ext(c, head);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return read_length(c, head, HEAD_STRING, (size_t)1 << (lead - 0xd9));
    case 0xdc:
    case 0xdd:
        return read_length(c, head, HEAD_LIST, (size_t)2 << (lead - 0xdc));
    case 0xde:
    case 0xdf:
        return read_length(c, head, HEAD_MAP, (size_t)2 << (lead - 0xde));
    default:
        return value_head_refuse(c, "0xc1 is no type");
    }
}

/* Checks what a head declares against the bytes that are there: every item takes at
 * least one. */
static int check_declared(struct value_cursor *c, const struct value_head *head)
{
    uint64_t least = head->n;

    if (head->kind == HEAD_SCALAR)
        return 0;
    if (head->kind == HEAD_MAP)
        least *= 2;
    if (least > c->n - c->at)
        return value_head_refuse(c, "it declares more than is there");
    return 0;
}

int value_head_read(struct value_cursor *c, struct value_head *head)
{
    uint64_t lead = 0;

    *head = (struct value_head){0};
    if (value_head_read_uint(c, 1, &lead) == -1)
        return -1;
    if (lead < 0x80) {
        head->scalar = value_int((int64_t)lead);
    } else if (lead >= 0xe0) {
        head->scalar = value_int((int64_t)lead - 0x100);
    } else if (lead < 0x90) {
        head->kind = HEAD_MAP, head->n = (uint32_t)lead & 0xf;
    } else if (lead < 0xa0) {
        head->kind = HEAD_LIST, head->n = (uint32_t)lead & 0xf;
    } else if (lead < 0xc0) {
        head->kind = HEAD_STRING, head->n = (uint32_t)lead & 0x1f;
    } else if (read_long_head(c, (uint8_t)lead, head) == -1) {
        return -1;
    }
    return check_declared(c, head);
}
