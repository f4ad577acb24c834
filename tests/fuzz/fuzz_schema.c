/*
 * fuzz_schema -- text of a schema, a line break, text of data. Whatever they are, the
 * check ends soon, says the same with and without a report, and the same of the data as
 * a tree and as msgpack.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/flat.h"
#include "common/schema.h"
#include "common/value.h"

#include "proto/flat_codec.h"
#include "proto/value_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_empty(const struct flat *flat)
{
    for (uint32_t i = 0; i < flat->n; i++)
        if (flat->nodes[i].type == FLAT_EMPTY || flat->nodes[i].type == FLAT_OTHER)
            return true;
    return false;
}

/* An empty map of msgpack is a list too, so the answers may differ then. */
static void check_encoded(const struct schema *schema, const struct value *value,
                          bool want)
{
    struct flat flat;
    struct buf buf;

    buf_init(&buf, 0);
    flat_init(&flat);
    if (!value_encode(&buf, value) || flat_decode(buf_bytes(&buf), &flat, NULL) != 0)
        abort();
    if (schema_check(schema, &flat, NULL) != want && !has_empty(&flat))
        abort();
    flat_finish(&flat);
    buf_finish(&buf);
}

static void check(const struct schema *schema, const struct value *value)
{
    struct schema_report report;
    struct flat flat;
    char text[1000];
    bool ok;

    flat_init(&flat);
    if (flat_add_value(&flat, value) != 0)
        abort();
    ok = schema_check(schema, &flat, &report);
    if (ok != (report.n == 0))
        abort();
    schema_report_format(&report, text, sizeof(text));
    flat_finish(&flat);
    check_encoded(schema, value, ok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    struct value definition = {0}, value = {0};
    struct schema *schema;
    size_t n;

    if (end == NULL)
        return 0;
    n = (size_t)(end - data);
    if (value_read_json((const char *)data, n, &definition, NULL) != 0)
        return 0;
    schema = schema_create(&definition, NULL);
    value_finish(&definition);
    if (schema != NULL &&
        value_read_json((const char *)end + 1, size - n - 1, &value, NULL) == 0)
        check(schema, &value);
    schema_destroy(schema);
    value_finish(&value);
    return 0;
}
