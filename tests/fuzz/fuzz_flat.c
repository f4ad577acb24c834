/*
 * fuzz_flat -- any bytes as one value of msgpack for schemas. What is accepted is a
 * tree whose nodes lie inside each other, equal to itself, and no check leaves it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/err.h"
#include "common/flat.h"
#include "common/schema.h"
#include "common/value.h"

#include "proto/flat_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "{\"uniqueItems\": true, \"items\": {\"$ref\": \"#\"}, \"additionalProperties\": "
    "{\"$ref\": \"#\"}, \"patternProperties\": {\"^a\": true}, \"required\": [\"a\"], "
    "\"minLength\": 3, \"multipleOf\": 0.5, \"enum\": [1, [2, {\"a\": []}], \"xyz\"]}";

static void check_nodes(const struct flat *flat)
{
    for (uint32_t i = 0; i < flat->n; i++) {
        const struct flat_node *node = &flat->nodes[i];

        if (node->next <= i || node->next > flat->n)
            abort();
        if (node->type == FLAT_SAME &&
            (node->as.same >= i || flat->nodes[node->as.same].type == FLAT_SAME))
            abort();
    }
    if (flat->nodes[0].next != flat->n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value definition = value_string(text);
    struct schema *schema = schema_create(&definition, NULL);
    struct schema_report report;
    struct flat flat;

    flat_init(&flat);
    if (schema == NULL)
        abort();
    if (flat_decode((struct bytes){data, size}, &flat, NULL) == 0) {
        check_nodes(&flat);
        schema_check(schema, &flat, &report);
        schema_check(schema, &flat, NULL);
    }
    flat_finish(&flat);
    schema_destroy(schema);
    value_finish(&definition);
    return 0;
}
