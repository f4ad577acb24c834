#include "supervisor/rollout_plan.h"

#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/service_outdated.h"

static const char *const op_names[] = {
    [CHANGE_CREATE] = "create", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete"};

static bool has_flags(const struct entry *entry, unsigned flags)
{
    return entry->type != NULL && (entry->type->flags & flags) == flags;
}

static bool has_pool(const struct entry *entry)
{
    return has_flags(entry, KIND_LUA | KIND_CALLABLE) ||
           has_flags(entry, KIND_INTERCEPTOR);
}

static bool is_interceptor(const struct entry *entry)
{
    return has_flags(entry, KIND_INTERCEPTOR);
}

static const char *effect_of_new(const struct entry *entry)
{
    if (is_interceptor(entry))
        return "new calls go through it";
    if (has_pool(entry))
        return "can be called";
    if (has_flags(entry, KIND_PROCESS))
        return "can be spawned";
    if (has_flags(entry, KIND_SERVICE))
        return value_get_bool(value_get(entry_fields(entry), "lifecycle"), "auto_start",
                              false)
                   ? "starts"
                   : "can be started";
    return "";
}

static const char *effect_of_changed(const struct entry *entry)
{
    if (is_interceptor(entry))
        return "new calls go through the new code";
    if (has_pool(entry))
        return "new calls run the new code";
    if (has_flags(entry, KIND_PROCESS))
        return "new processes run the new code";
    if (has_flags(entry, KIND_LUA))
        return "what imports it follows";
    if (has_flags(entry, KIND_HOST))
        return "workers change now, the rest at its next start";
    if (has_flags(entry, KIND_SERVICE))
        return "counts from its next start on";
    return "";
}

static const char *effect_of_gone(const struct entry *entry)
{
    if (is_interceptor(entry))
        return "new calls don't go through it";
    if (has_pool(entry))
        return "calls under way end";
    if (has_flags(entry, KIND_PROCESS))
        return "can't be spawned any more";
    if (has_flags(entry, KIND_SERVICE))
        return "stops";
    return "";
}

static void add_row(struct value *list, const struct entry *entry, const char *op,
                    const char *effect)
{
    struct value row = value_map();

    value_put(&row, "id", value_string(entry->id));
    if (op != NULL)
        value_put(&row, "op", value_string(op));
    value_put(&row, "kind", value_string(entry->kind));
    value_put(&row, "effect", value_string(effect));
    value_append(list, row);
}

static struct value changes_of(const struct changeset *changeset)
{
    struct value list = value_list();

    for (size_t i = 0; i < changeset->n; i++) {
        const struct change *change = &changeset->changes[i];

        if (change->op == CHANGE_DELETE)
            add_row(&list, change->before, op_names[change->op],
                    effect_of_gone(change->before));
        else
            add_row(&list, change->after, op_names[change->op],
                    change->op == CHANGE_CREATE ? effect_of_new(change->after)
                                                : effect_of_changed(change->after));
    }
    return list;
}

static struct value affected_of(const struct changeset *changeset)
{
    struct value list = value_list();

    for (size_t i = 0; i < changeset->n_affected; i++)
        add_row(&list, changeset->affected[i], NULL,
                effect_of_changed(changeset->affected[i]));
    return list;
}

static struct value services_of(const struct supervisor *sup,
                                const struct changeset *changeset)
{
    struct value ids = services_find_outdated(sup, changeset), list = value_list();

    for (size_t i = 0; i < ids.as.list.n; i++) {
        struct value row = value_map();

        value_put(&row, "id", value_copy(&ids.as.list.items[i]));
        value_put(&row, "effect", value_string("restarts"));
        value_append(&list, row);
    }
    value_finish(&ids);
    return list;
}

struct value rollout_plan(const struct supervisor *sup,
                          const struct changeset *changeset, bool restarts)
{
    struct value plan = value_map();

    value_put(&plan, "changes", changes_of(changeset));
    value_put(&plan, "affected", affected_of(changeset));
    value_put(&plan, "services", restarts ? services_of(sup, changeset) : value_list());
    return plan;
}
