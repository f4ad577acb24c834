/* Any bytes as a stream of frames: peek, then the decoder of the frame's type. What a
 * decoder accepts must encode to the same bytes again. */
#include "proto/frame.h"

#include <stdlib.h>

#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void try_decoder(uint8_t type, struct bytes body, struct buf *again)
{
    struct err err;

    switch (type) {
#define FRAME(NAME, name, number)                                                      \
    case number: {                                                                     \
        struct frame_##name frame;                                                     \
        if (frame_decode_##name(body, &frame, &err) == 0)                              \
            must(frame_encode_##name(again, &frame));                                  \
        break;                                                                         \
    }
#define U8(field)
#define U32(field)
#define U64(field)
#define STR(field)
#define BIN(field)
#define REST(field)
#define END(NAME, name)
#include "proto/frames.def"
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf again;
    struct err err;
    uint32_t body_bytes;
    uint8_t type;

    while (frame_peek(data, n, 1 << 20, &type, &body_bytes, &err) == 1) {
        struct bytes body = {data + FRAME_HEADER_BYTES, body_bytes};

        if (n < FRAME_HEADER_BYTES + (size_t)body_bytes)
            break;
        buf_init(&again, 0);
        try_decoder(type, body, &again);
        if (buf_len(&again) != 0) {
            must(buf_len(&again) == FRAME_HEADER_BYTES + (size_t)body_bytes);
            must(memcmp(buf_head(&again), data, buf_len(&again)) == 0);
        }
        buf_finish(&again);
        data += FRAME_HEADER_BYTES + body_bytes;
        n -= FRAME_HEADER_BYTES + body_bytes;
    }
    return 0;
}
