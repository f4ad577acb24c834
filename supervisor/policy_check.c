#include "supervisor/policy_check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/policy.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/problems.h"

bool policy_entry_is_one(const struct entry *entry)
{
    return strcmp(entry->kind, POLICY_KIND) == 0 ||
           strcmp(entry->kind, POLICY_KIND_EXPRESSION) == 0;
}

/* ---- S-15: rules that deny more than they seem to say ---------------------------- */

static bool is_one_of(const char *name, const char *a, const char *b)
{
    return name != NULL && (strcmp(name, a) == 0 || strcmp(name, b) == 0);
}

/* Every check has these, so that no condition on them is needed. */
static bool is_always_there(const char *path)
{
    return strcmp(path, "actor.id") == 0 || strcmp(path, "action") == 0 ||
           strcmp(path, "resource") == 0;
}

/* Does the condition hold only where there is something at path? Each that looks at it
 * does, but for those that ask for its absence. */
static bool demands(const struct value *condition, const char *path)
{
    const char *field = value_get_text(condition, "field");
    const char *test = value_get_text(condition, "operator");
    const struct value *value = value_get(condition, "value");
    bool wanted = true;

    if (field == NULL || test == NULL || strcmp(field, path) != 0)
        return false;
    if (value != NULL && value->type == VALUE_BOOL)
        wanted = value->as.boolean;
    if (strcmp(test, "exists") == 0)
        return wanted;
    return strcmp(test, "nexists") != 0 || !wanted;
}

static bool is_demanded(const struct value *conditions, const char *path)
{
    for (size_t i = 0; i < conditions->as.list.n; i++)
        if (demands(&conditions->as.list.items[i], path))
            return true;
    return false;
}

static void warn(const struct entry *entry, size_t number, const char *path,
                 struct problems *problems)
{
    struct problem_at at;
    char place[64], hint[200];

    snprintf(place, sizeof(place), "policy.conditions[%zu]", number);
    snprintf(hint, sizeof(hint),
             "add the condition {field: %s, operator: exists, value: true}", path);
    at = entry_at(entry, place);
    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at, hint,
                 "this also denies wherever there is no %s to compare with", path);
}

/* The policy compiles. */
static void check_denials(const struct entry *entry, const struct value *fields,
                          struct problems *problems)
{
    const struct value *list = value_get(fields, "conditions");
    const char *effect = value_get_text(fields, "effect");

    if (list == NULL || list->type != VALUE_LIST || strcmp(effect, "deny") != 0)
        return;
    for (size_t i = 0; i < list->as.list.n; i++) {
        const struct value *condition = &list->as.list.items[i];
        const char *path = value_get_text(condition, "value_from");

        if (path != NULL && path[0] != '\0' && !is_always_there(path) &&
            is_one_of(value_get_text(condition, "operator"), "ne", "ncontains") &&
            !is_demanded(list, path))
            warn(entry, i, path, problems);
    }
}

/* ---- the whole entry ------------------------------------------------------------- */

void policy_entry_check(const struct entry *entry, struct problems *problems)
{
    const struct value *fields = value_get(entry_fields(entry), "policy");
    bool by_expression = strcmp(entry->kind, POLICY_KIND_EXPRESSION) == 0;
    struct problem_at at = entry_at(entry, "policy");
    struct policy *policy;
    struct err err;

    if (fields == NULL || fields->type != VALUE_MAP) {
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "failed to decode policy config: policy is required");
        return;
    }
    policy = policy_compile(
        fields, by_expression ? POLICY_EXPRESSION : POLICY_CONDITIONS, &err);
    if (policy == NULL)
        problems_add(
            problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL, "failed to %s: %s",
            by_expression ? "create expr policy" : "decode policy config", err.text);
    else if (!by_expression)
        check_denials(entry, fields, problems);
    policy_destroy(policy);
}
