/*
 * fuzz_trace_context -- any bytes as a call's context, as a CALL's body and as the head
 * of a file of bytecode: what is found lies inside, and what is put in is found again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/luac_head.h"

#include "proto/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const uint8_t *text, struct bytes bytes)
{
    if (text != NULL &&
        (text < bytes.data || (size_t)(text - bytes.data) > bytes.n - TRACE_TEXT_BYTES))
        abort();
}

static void check_context(struct bytes context)
{
    uint8_t text[TRACE_TEXT_BYTES];
    const uint8_t *found;
    struct bytes same;
    struct buf out;

    check_inside(trace_find(context), context);
    buf_init(&out, 0);
    same = trace_normalize(context, &out);
    check_inside(trace_find(same), same);
    buf_finish(&out);
    buf_init(&out, 0);
    trace_begin(text);
    if (trace_put(&out, context, text)) {
        found = trace_find(buf_bytes(&out));
        if (found != NULL && memcmp(found, text, sizeof(text)) != 0)
            abort();
    }
    buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    char text[80];

    check_context(bytes);
    check_inside(trace_find_in_call(bytes), bytes);
    if (!luac_head_matches(bytes))
        luac_head_describe(bytes, text, sizeof(text));
    return 0;
}
