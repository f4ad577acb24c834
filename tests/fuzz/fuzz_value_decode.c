/*
 * Bytes are refused or become a value; what a value becomes reads back as the same
 * value, and so does its JSON as far as JSON goes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/err.h"

#include "proto/value_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_round_trip(const struct value *value)
{
    struct value again = {0};
    struct err err;
    struct buf buf;

    buf_init(&buf, 0);
    if (!value_encode(&buf, value) ||
        value_decode(buf_head(&buf), buf_len(&buf), NULL, &again, &err) == -1 ||
        !value_equal(value, &again))
        abort();
    value_finish(&again);
    buf_clear(&buf);
    if (!value_write_json(&buf, value, 0))
        abort();
    /* Keys that were no UTF-8 may have become equal: only its own bounds matter
     * here. */
    if (value_read_json((const char *)buf_head(&buf), buf_len(&buf), &again, &err) == 0)
        value_finish(&again);
    buf_finish(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct value value;
    struct err err, why;
    size_t used;

    if (value_decode(data, n, &used, &value, &err) == 0) {
        check_round_trip(&value);
        value_finish(&value);
    }
    if (payload_decode((struct bytes){data, n}, &value, &err) == 0)
        value_finish(&value);
    error_decode((struct bytes){data, n}, &why, &err);
    return 0;
}
