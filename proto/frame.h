/*
 * frame -- the wire's units: peek, decode, encode. See frames.def for the format.
 *
 * peek() looks at six bytes and needs nothing else; decode() borrows from the body it
 * is given and refuses missing, surplus and wrongly typed fields; nothing is allocated
 * on a declared size. For each row of frames.def there are
 *
 *     struct frame_NAME;
 *     int frame_decode_NAME(struct bytes body, struct frame_NAME *out,
 *                           struct err *err);
 *     bool frame_encode_NAME(struct buf *buf, const struct frame_NAME *frame);
 *
 * encode appends a whole frame, false when the buffer can't grow (then nothing is
 * added).
 */
#ifndef TROUPE_PROTO_FRAME_H
#define TROUPE_PROTO_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct err;

#define PROTO_VERSION           5
#define FRAME_HEADER_BYTES      6
#define FRAME_MAX_BYTES_DEFAULT (64u << 20)
#define FRAME_GROWTH_BYTES      (65535u + 16u) /* on its way: HOLD is a CALL and more */
#define STR_MAX_BYTES           65535

enum frame_type {
#define FRAME(NAME, name, type) FRAME_##NAME = (type),
#define U8(field)
#define U32(field)
#define U64(field)
#define STR(field)
#define BIN(field)
#define REST(field)
#define END(NAME, name)
#include "proto/frames.def"
};

#define FRAME(NAME, name, type) struct frame_##name {
#define U8(field)               uint8_t field;
#define U32(field)              uint32_t field;
#define U64(field)              uint64_t field;
#define STR(field)              struct bytes field;
#define BIN(field)              struct bytes field;
#define REST(field)             struct bytes field;
#define END(NAME, name)                                                                \
    char no_more_fields;                                                               \
    }                                                                                  \
    ;                                                                                  \
    int frame_decode_##name(struct bytes body, struct frame_##name *frame_out,         \
                            struct err *err);                                          \
    bool frame_encode_##name(struct buf *buf, const struct frame_##name *frame);
#include "proto/frames.def"

/* Appends the header of a frame and room for its body, and returns where that is to be
 * put; NULL when the buffer can't grow. */
uint8_t *frame_append_header(struct buf *buf, uint8_t type, size_t body_bytes);

/* The body of the one frame in buf; false when there was no memory to encode it, and
 * body_out stays as it is. */
static inline bool frame_body(const struct buf *buf, struct bytes *body_out)
{
    if (buf_len(buf) < FRAME_HEADER_BYTES)
        return false;
    body_out->data = buf_head(buf) + FRAME_HEADER_BYTES;
    body_out->n = buf_len(buf) - FRAME_HEADER_BYTES;
    return true;
}

enum reply_status {
    REPLY_OK = 0,
    REPLY_ERROR = 1,
    REPLY_LINGERS = 0x10, /* added: the slot stays busy until FREE */
};
/* What a worker puts on, as bits; see worker/confine.h. */
enum confinement {
    CONFINE_FILTER = 1, /* with all that any process can do by itself */
    CONFINE_LANDLOCK = 2,
    CONFINE_USER_NAMESPACE = 4,
    CONFINE_MOUNTS = 8,
    CONFINE_NETWORK = 0x10,
    CONFINE_IPC = 0x20,
    CONFINE_USER = 0x40, /* become uid and gid */
    CONFINE_CAPABILITIES = 0x80,
    CONFINE_MEMORY = 0x100,
    CONFINE_CGROUP = 0x200,
};
/* What it inherits for that, from CONFINE_FD on; closed where it is missing. */
enum confine_fd {
    CONFINE_FD_USER,
    CONFINE_FD_MOUNTS,
    CONFINE_FD_NETWORK,
    CONFINE_FD_IPC,
    CONFINE_FD_CGROUP,
    CONFINE_N_FDS,
};
#define CONFINE_FD 6
enum spawn_flag { SPAWN_MONITOR = 1, SPAWN_LINK = 2 };
enum watch_op { WATCH_MONITOR = 1, WATCH_LINK, WATCH_UNMONITOR, WATCH_UNLINK };
enum exit_event { EXIT_EVENT = 1, LINK_DOWN_EVENT = 2 };
enum group_what { GROUP_JOINED = 1, GROUP_LEFT };
enum signal_op { SIGNAL_CANCEL = 1, SIGNAL_TERMINATE = 2 };
enum payload_ext { EXT_ERROR = 1, EXT_REF = 2 };

/*
 * Looks at the start of a stream. Returns 1 and the frame's type and body length when
 * the six header bytes are there, 0 when more bytes are needed, -1 (INVALID) when this
 * is no frame or the body would exceed max_bytes.
 */
int frame_peek(const uint8_t *data, size_t n_bytes, uint32_t max_bytes,
               uint8_t *type_out, uint32_t *body_bytes_out, struct err *err);

/* "CALL", or "?" for an unknown type. */
const char *frame_name(uint8_t type);

/* Every frame type whose first field is U64 keeps it at this offset of the body, after
 * its marker: a router overwrites it here. */
#define FRAME_FIRST_U64 1

static inline void wire_put_u32(uint8_t *at, uint32_t number)
{
    number = __builtin_bswap32(number);
    memcpy(at, &number, 4);
}

static inline uint64_t wire_get_u64(const uint8_t *at)
{
    uint64_t big;

    memcpy(&big, at, 8);
    return __builtin_bswap64(big);
}

static inline void wire_put_u64(uint8_t *at, uint64_t number)
{
    number = __builtin_bswap64(number);
    memcpy(at, &number, 8);
}

static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal_text(struct bytes bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.data, text, bytes.n) == 0;
}

#endif
