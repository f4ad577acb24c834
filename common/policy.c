#include "common/policy.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/expr.h"
#include "common/mem.h"
#include "common/policy_condition.h"
#include "common/regex.h"
#include "common/wildcard.h"

struct patterns {
    char **items;
    size_t n;
};

struct policy {
    struct patterns actions, resources;
    enum policy_effect effect;
    struct condition *conditions;
    size_t n_conditions;
    struct expr *expression; /* NULL: conditions */
};

/* ---- compiling (S-10) ------------------------------------------------------------ */

static void add_pattern(struct patterns *patterns, const struct value *item)
{
    patterns->items =
        xrealloc(patterns->items, (patterns->n + 1) * sizeof(*patterns->items));
    patterns->items[patterns->n++] = xstrdup(item->as.string.data);
}

static int read_patterns(const struct value *fields, const char *key,
                         struct patterns *patterns, struct err *err)
{
    const struct value *value = value_get(fields, key);

    if (value != NULL && value->type == VALUE_STRING) {
        if (value->as.string.n == 0)
            return err_set(err, ERR_INVALID, "%s string cannot be empty", key);
        add_pattern(patterns, value);
        return 0;
    }
    if (value == NULL || value->type != VALUE_LIST)
        return err_set(err, ERR_INVALID, "%s must be a string or list", key);
    if (value->as.list.n == 0)
        return err_set(err, ERR_INVALID, "%s list cannot be empty", key);
    for (size_t i = 0; i < value->as.list.n; i++)
        if (value->as.list.items[i].type == VALUE_STRING)
            add_pattern(patterns, &value->as.list.items[i]);
    return 0;
}

static int read_effect(const struct value *fields, struct policy *policy,
                       struct err *err)
{
    const char *effect = value_get_text(fields, "effect");

    if (effect != NULL && strcmp(effect, "allow") == 0)
        policy->effect = POLICY_ALLOW;
    else if (effect != NULL && strcmp(effect, "deny") == 0)
        policy->effect = POLICY_DENY;
    else
        return err_set(err, ERR_INVALID, "invalid policy effect: %s",
                       effect != NULL ? effect : "");
    return 0;
}

static int read_conditions(const struct value *fields, struct policy *policy,
                           struct err *err)
{
    const struct value *list = value_get(fields, "conditions");
    size_t size = 0; /* of all patterns */

    if (list == NULL || list->type == VALUE_NIL)
        return 0;
    if (list->type != VALUE_LIST)
        return err_set(err, ERR_INVALID, "conditions must be a list");
    policy->conditions = xcalloc(list->as.list.n + 1, sizeof(*policy->conditions));
    for (size_t i = 0; i < list->as.list.n; i++) {
        if (condition_compile(&list->as.list.items[i], i, &policy->conditions[i],
                              err) == -1)
            return -1;
        policy->n_conditions++;
        size += regex_size(policy->conditions[i].regex);
        if (size > EXPR_MAX_PROGRAM) /* the supervisor makes them all too */
            return err_set(err, ERR_INVALID,
                           "condition %zu: the patterns are too large", i);
    }
    return 0;
}

/* What the variables of an expression are; it is wrong where it takes them for
 * something else (S-20). */
static struct value sketch_variables(void)
{
    struct value sketch = value_map();

    value_put(&sketch, "actor", value_map());
    value_put(&sketch, "action", value_string(""));
    value_put(&sketch, "resource", value_string(""));
    value_put(&sketch, "meta", value_map());
    return sketch;
}

static int read_expression(const struct value *fields, struct policy *policy,
                           struct err *err)
{
    const struct value *text = value_get(fields, "expression");
    struct value sketch;
    struct err why;

    if (value_text(text) == NULL || text->as.string.n == 0)
        return err_set(err, ERR_INVALID, "expression cannot be empty");
    sketch = sketch_variables();
    policy->expression = expr_compile(text->as.string.data, text->as.string.n, &sketch,
                                      EXPR_BOOLEAN, &why);
    value_finish(&sketch);
    if (policy->expression == NULL)
        return err_set(err, ERR_INVALID, "failed to compile expression: %s", why.text);
    return 0;
}

struct policy *policy_compile(const struct value *fields, enum policy_form form,
                              struct err *err)
{
    struct policy *policy = xcalloc(1, sizeof(*policy));

    if (read_effect(fields, policy, err) == 0 &&
        read_patterns(fields, "actions", &policy->actions, err) == 0 &&
        read_patterns(fields, "resources", &policy->resources, err) == 0 &&
        (form == POLICY_EXPRESSION ? read_expression(fields, policy, err)
                                   : read_conditions(fields, policy, err)) == 0)
        return policy;
    policy_destroy(policy);
    return NULL;
}

static void free_patterns(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->n; i++)
        free(patterns->items[i]);
    free(patterns->items);
}

void policy_destroy(struct policy *policy)
{
    if (policy == NULL)
        return;
    free_patterns(&policy->actions);
    free_patterns(&policy->resources);
    for (size_t i = 0; i < policy->n_conditions; i++)
        condition_finish(&policy->conditions[i]);
    free(policy->conditions);
    expr_destroy(policy->expression);
    free(policy);
}

/* ---- evaluating (S-3) ------------------------------------------------------------ */

static bool match(const struct patterns *patterns, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < patterns->n; i++)
        if (wildcard_matches(patterns->items[i], text, n))
            return true;
    return false;
}

/* A text that is somebody else's, as a value that nobody finishes. */
static struct value view_of(const char *text)
{
    return (struct value){.type = VALUE_STRING,
                          .as.string = {(char *)text, strlen(text)}};
}

/* The variables are put together from what is there already: nothing is copied. */
static bool expression_holds(const struct expr *expression,
                             const struct policy_check *check)
{
    static const struct value no_meta = {.type = VALUE_MAP};
    struct value_pair pairs[] = {
        {(char *)"actor", *check->actor},
        {(char *)"action", view_of(check->action)},
        {(char *)"resource", view_of(check->resource)},
        {(char *)"meta", check->meta != NULL ? *check->meta : no_meta},
    };
    const struct value variables = {.type = VALUE_MAP,
                                    .as.map = {pairs, N_ELEMENTS(pairs), 0}};
    struct value result;
    bool holds;

    if (expr_evaluate(expression, &variables, &result, NULL) == -1)
        return false;
    holds = result.type == VALUE_BOOL && result.as.boolean;
    value_finish(&result);
    return holds;
}

enum policy_effect policy_evaluate(const struct policy *policy,
                                   const struct policy_check *check)
{
    if (!match(&policy->actions, check->action) ||
        !match(&policy->resources, check->resource))
        return POLICY_UNDEFINED;
    for (size_t i = 0; i < policy->n_conditions; i++)
        if (!condition_holds(&policy->conditions[i], check))
            return POLICY_UNDEFINED;
    if (policy->expression != NULL && !expression_holds(policy->expression, check))
        return POLICY_UNDEFINED;
    return policy->effect;
}
