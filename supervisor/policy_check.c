#include "supervisor/policy_check.h"

#include "common/err.h"
#include "common/policy.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/problems.h"

void policy_entry_check(const struct entry *entry, struct problems *problems)
{
    const struct value *fields = value_get(entry_fields(entry), "policy");
    struct problem_at at = entry_at(entry, "policy");
    struct policy *policy;
    struct err err;

    if (fields == NULL || fields->type != VALUE_MAP) {
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "failed to decode policy config: policy is required");
        return;
    }
    policy = policy_compile(fields, &err);
    if (policy == NULL)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "failed to decode policy config: %s", err.text);
    policy_destroy(policy);
}
