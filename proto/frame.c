#include "proto/frame.h"

#include "common/err.h"

enum marker {
    MARK_EXT32 = 0xc9,
    MARK_BIN32 = 0xc6,
    MARK_U8 = 0xcc,
    MARK_U32 = 0xce,
    MARK_U64 = 0xcf,
    MARK_STR16 = 0xda,
};

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static int refuse(const char *name, const char *field, struct err *err)
{
    return err_set(err, ERR_INVALID, "frame %s: field '%s' is missing or malformed",
                   name, field);
}

static int refuse_surplus(const char *name, size_t n, struct err *err)
{
    return err_set(err, ERR_INVALID, "frame %s: %zu surplus bytes", name, n);
}

/* ---- decoders, one for each row -------------------------------------------------- */

/* Straight code, and a local that no function sees: it lives in registers, and each
 * call passes four of these. */
#define NEED(n, marker, field)                                                         \
    if ((size_t)(end - at) < (n) || at[0] != (marker))                                 \
    return refuse(name_text, #field, err)
#define TAKE_RUN(field, n_head, n_run)                                                 \
    if ((size_t)(end - at) - (n_head) < (n_run))                                       \
        return refuse(name_text, #field, err);                                         \
    frame.field = (struct bytes){at + (n_head), n_run};                                \
    at += (n_head) + frame.field.n;

#define FRAME(NAME, name, type)                                                        \
    int frame_decode_##name(struct bytes body, struct frame_##name *frame_out,         \
                            struct err *err)                                           \
    {                                                                                  \
        static const char name_text[] = #NAME;                                         \
        const uint8_t *at = body.data, *const end = body.data + body.n;                \
        struct frame_##name frame;                                                     \
                                                                                       \
        frame.no_more_fields = 0;
#define U8(field)                                                                      \
    NEED(2, MARK_U8, field);                                                           \
    frame.field = at[1];                                                               \
    at += 2;
#define U32(field)                                                                     \
    NEED(5, MARK_U32, field);                                                          \
    frame.field = get_u32(at + 1);                                                     \
    at += 5;
#define U64(field)                                                                     \
    NEED(9, MARK_U64, field);                                                          \
    frame.field = wire_get_u64(at + 1);                                                \
    at += 9;
#define STR(field)                                                                     \
    NEED(3, MARK_STR16, field);                                                        \
    TAKE_RUN(field, 3, get_u16(at + 1))
#define BIN(field)                                                                     \
    NEED(5, MARK_BIN32, field);                                                        \
    TAKE_RUN(field, 5, get_u32(at + 1))
#define REST(field)                                                                    \
    frame.field = (struct bytes){at, (size_t)(end - at)};                              \
    at = end;
#define END(NAME, name)                                                                \
    if (at != end)                                                                     \
        return refuse_surplus(name_text, (size_t)(end - at), err);                     \
    *frame_out = frame;                                                                \
    return 0;                                                                          \
    }
#include "proto/frames.def"
#undef NEED
#undef TAKE_RUN

/* ---- encoders -------------------------------------------------------------------- */

static uint8_t *put_run(uint8_t *at, struct bytes run)
{
    if (run.n != 0)
        memcpy(at, run.data, run.n);
    return at + run.n;
}

static uint8_t *put_u8_field(uint8_t *at, uint8_t number)
{
    at[0] = MARK_U8;
    at[1] = number;
    return at + 2;
}

static uint8_t *put_u32_field(uint8_t *at, uint32_t number)
{
    at[0] = MARK_U32;
    wire_put_u32(at + 1, number);
    return at + 5;
}

static uint8_t *put_u64_field(uint8_t *at, uint64_t number)
{
    at[0] = MARK_U64;
    wire_put_u64(at + 1, number);
    return at + 9;
}

static uint8_t *put_str_field(uint8_t *at, struct bytes text)
{
    at[0] = MARK_STR16;
    at[1] = (uint8_t)(text.n >> 8);
    at[2] = (uint8_t)text.n;
    return put_run(at + 3, text);
}

static uint8_t *put_bin_field(uint8_t *at, struct bytes bin)
{
    at[0] = MARK_BIN32;
    wire_put_u32(at + 1, (uint32_t)bin.n);
    return put_run(at + 5, bin);
}

/* First the size, with every length checked; then the bytes, with nothing to check. */
#define FRAME(NAME, name, type)                                                        \
    static bool size_##name(const struct frame_##name *frame, size_t *n_out)           \
    {                                                                                  \
        size_t n = 0;                                                                  \
                                                                                       \
        (void)frame;
#define U8(field)  n += 2;
#define U32(field) n += 5;
#define U64(field) n += 9;
#define STR(field)                                                                     \
    if (frame->field.n > STR_MAX_BYTES)                                                \
        return false;                                                                  \
    n += 3 + frame->field.n;
#define BIN(field)                                                                     \
    if (frame->field.n > INT32_MAX)                                                    \
        return false;                                                                  \
    n += 5 + frame->field.n;
#define REST(field)                                                                    \
    if (frame->field.n > INT32_MAX)                                                    \
        return false;                                                                  \
    n += frame->field.n;
#define END(NAME, name)                                                                \
    *n_out = n;                                                                        \
    return n <= INT32_MAX;                                                             \
    }
#include "proto/frames.def"

uint8_t *frame_append_header(struct buf *buf, uint8_t type, size_t body_bytes)
{
    uint8_t *at = buf_reserve(buf, FRAME_HEADER_BYTES + body_bytes);

    if (at == NULL)
        return NULL;
    buf->end += FRAME_HEADER_BYTES + body_bytes;
    at[0] = MARK_EXT32;
    wire_put_u32(at + 1, (uint32_t)body_bytes);
    at[5] = type;
    return at + FRAME_HEADER_BYTES;
}

#define FRAME(NAME, name, type)                                                        \
    bool frame_encode_##name(struct buf *buf, const struct frame_##name *frame)        \
    {                                                                                  \
        size_t n;                                                                      \
        uint8_t *at;                                                                   \
                                                                                       \
        if (!size_##name(frame, &n) ||                                                 \
            (at = frame_append_header(buf, type, n)) == NULL)                          \
            return false;
#define U8(field)   at = put_u8_field(at, frame->field);
#define U32(field)  at = put_u32_field(at, frame->field);
#define U64(field)  at = put_u64_field(at, frame->field);
#define STR(field)  at = put_str_field(at, frame->field);
#define BIN(field)  at = put_bin_field(at, frame->field);
#define REST(field) at = put_run(at, frame->field);
#define END(NAME, name)                                                                \
    return at == buf->data + buf->end;                                                 \
    }
#include "proto/frames.def"

/* ---- peek ------------------------------------------------------------------------ */

int frame_peek(const uint8_t *data, size_t n_bytes, uint32_t max_bytes,
               uint8_t *type_out, uint32_t *body_bytes_out, struct err *err)
{
    uint32_t body_bytes;

    if (n_bytes != 0 && data[0] != MARK_EXT32)
        return err_set(err, ERR_INVALID,
                       "not a frame: first byte is 0x%02x, not 0x%02x", data[0],
                       MARK_EXT32);
    if (n_bytes < FRAME_HEADER_BYTES)
        return 0;
    body_bytes = get_u32(data + 1);
    if (body_bytes > max_bytes)
        return err_set(err, ERR_INVALID, "frame %s of %u bytes is over the limit of %u",
                       frame_name(data[5]), body_bytes, max_bytes);
    *type_out = data[5];
    *body_bytes_out = body_bytes;
    return 1;
}

static const char *const names[256] = {
#define FRAME(NAME, name, type) [type] = #NAME,
#define U8(field)
#define U32(field)
#define U64(field)
#define STR(field)
#define BIN(field)
#define REST(field)
#define END(NAME, name)
#include "proto/frames.def"
};

const char *frame_name(uint8_t type)
{
    return names[type] != NULL ? names[type] : "?";
}
