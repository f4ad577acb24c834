/*
 * fuzz_policy -- any JSON as a policy's fields; one that compiles decides about a few
 * requests, and twice the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/err.h"
#include "common/policy.h"
#include "common/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct policy *policy, const struct value *meta)
{
    static const char *const names[] = {"read", "docs:a", ""};
    struct value actor = value_map();

    value_put(&actor, "id", value_string("ann"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct policy_check check = {&actor, names[i], names[i], meta};
        enum policy_effect effect = policy_evaluate(policy, &check);

        if (effect > POLICY_DENY || effect != policy_evaluate(policy, &check))
            abort();
    }
    value_finish(&actor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum policy_form forms[] = {POLICY_CONDITIONS, POLICY_EXPRESSION};
    struct value fields = {0};
    struct err err = {0};

    if (value_read_json((const char *)data, size, &fields, &err) == -1)
        return 0;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct policy *policy = policy_compile(&fields, forms[i], &err);

        if (policy != NULL) {
            ask(policy, NULL);
            ask(policy, &fields);
        } else if (err.text[0] == '\0') {
            abort();
        }
        policy_destroy(policy);
    }
    value_finish(&fields);
    return 0;
}
