/*
 * fuzz_expr -- compiles any text as an expression and evaluates what compiles, over
 * variables of every type. Sanitizers and libFuzzer's limits judge.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char variables_text[] =
    "{\"actor\": {\"id\": \"ann\", \"meta\": {\"role\": \"admin\", \"level\": 3}},"
    " \"action\": \"note.read\", \"resource\": \"note:1\", \"meta\": {\"tags\": [\"a\","
    " \"b\"], \"n\": 5, \"half\": 0.5, \"none\": null, \"people\": [{\"age\": 20}, "
    "7]}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct value variables;
    struct value result;
    struct err err;
    struct expr *expr;

    if (variables.type == VALUE_NIL &&
        value_read_json(variables_text, strlen(variables_text), &variables, &err) == -1)
        abort();
    expr = expr_compile((const char *)data, size, &variables, 0, &err);
    if (expr != NULL && expr_evaluate(expr, &variables, &result, &err) == 0)
        value_finish(&result);
    expr_destroy(expr);
    return 0;
}
