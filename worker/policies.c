#include "worker/policies.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/policy.h"
#include "common/value.h"

#include "worker/runtime.h"

struct named_policy {
    char *id;
    struct policy *policy;
};

struct named_group {
    char *id;
    struct value policies; /* list of ids */
};

struct policies {
    struct map by_id;  /* struct named_policy */
    struct map groups; /* struct named_group */
};

struct policies *policies_create(void)
{
    struct policies *policies = xcalloc(1, sizeof(*policies));

    map_init(&policies->by_id);
    map_init(&policies->groups);
    return policies;
}

void policies_destroy(struct policies *policies)
{
    if (policies == NULL)
        return;
    MAP_FOREACH (row, &policies->by_id) {
        struct named_policy *one = row->value;

        policy_destroy(one->policy);
        free(one->id);
        free(one);
    }
    MAP_FOREACH (row, &policies->groups) {
        struct named_group *group = row->value;

        value_finish(&group->policies);
        free(group->id);
        free(group);
    }
    map_finish(&policies->by_id);
    map_finish(&policies->groups);
    free(policies);
}

const struct policy *policies_find(const struct policies *policies, const char *id,
                                   size_t n_bytes)
{
    const struct named_policy *one = map_find(&policies->by_id, id, n_bytes);

    return one != NULL ? one->policy : NULL;
}

const struct value *policies_group(const struct policies *policies, const char *id,
                                   size_t n_bytes)
{
    const struct named_group *group = map_find(&policies->groups, id, n_bytes);

    return group != NULL ? &group->policies : NULL;
}

/* ---- filling --------------------------------------------------------------------- */

static void join_group(struct policies *policies, const char *id, const char *policy)
{
    struct named_group *group = map_find(&policies->groups, id, strlen(id));

    if (group == NULL) {
        group = xcalloc(1, sizeof(*group));
        group->id = xstrdup(id);
        group->policies = value_list();
        map_put(&policies->groups, group->id, strlen(group->id), group);
    }
    value_append(&group->policies, value_string(policy));
}

static int add(struct policies *policies, const struct value *row, struct err *err)
{
    const struct value *items = row->as.list.items;
    struct named_policy *one;
    struct policy *policy;

    if (row->type != VALUE_LIST || row->as.list.n != 3 ||
        items[0].type != VALUE_STRING || items[2].type != VALUE_LIST ||
        map_find(&policies->by_id, items[0].as.string.data, items[0].as.string.n))
        return err_set(err, ERR_INVALID, "a policy is [id, policy, groups], once");
    policy =
        policy_compile(&items[1],
                       value_get(&items[1], "expression") != NULL ? POLICY_EXPRESSION
                                                                  : POLICY_CONDITIONS,
                       err);
    if (policy == NULL)
        return -1;
    one = xcalloc(1, sizeof(*one));
    one->id = xstrdup(items[0].as.string.data);
    one->policy = policy;
    map_put(&policies->by_id, one->id, strlen(one->id), one);
    for (size_t i = 0; i < items[2].as.list.n; i++)
        if (items[2].as.list.items[i].type == VALUE_STRING)
            join_group(policies, items[2].as.list.items[i].as.string.data, one->id);
    return 0;
}

int policies_set(struct runtime *rt, const struct value *args, struct value *result,
                 struct err *err)
{
    struct policies *policies = policies_create();

    (void)result;
    for (size_t i = 0; i < args->as.list.n; i++)
        if (add(policies, &args->as.list.items[i], err) == -1) {
            policies_destroy(policies);
            return -1;
        }
    policies_destroy(rt->policies);
    rt->policies = policies;
    return 0;
}
