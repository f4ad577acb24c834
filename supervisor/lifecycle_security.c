#include "supervisor/lifecycle_security.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/entry.h"
#include "supervisor/policy_check.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_check.h"

char *security_group_id(const struct entry *entry, const char *name)
{
    if (strchr(name, ':') != NULL)
        return xstrdup(name);
    return xasprintf("%.*s:%s", (int)entry->namespace_bytes, entry->id, name);
}

static bool is_member(const struct entry *policy, const char *group)
{
    const struct value *groups = value_get(entry_fields(policy), "groups");
    bool found = false;

    if (groups == NULL || groups->type != VALUE_LIST)
        return false;
    for (size_t i = 0; i < groups->as.list.n && !found; i++) {
        const char *name = value_text(&groups->as.list.items[i]);
        char *id = name != NULL ? security_group_id(policy, name) : NULL;

        found = id != NULL && strcmp(id, group) == 0;
        free(id);
    }
    return found;
}

/* ---- walking the block: each name with what it stands for ------------------------ */

struct visitor {
    const struct entry *entry;
    const struct snapshot *state;
    void (*policy)(struct visitor *visitor, const struct entry *policy);
    /* path: "lifecycle.security.groups"; id: NULL when item is no name. */
    void (*missing)(struct visitor *visitor, const char *path, const char *id);
    struct value *scope;       /* encode: ids found so far */
    struct problems *problems; /* check */
};

static bool visit_group(struct visitor *visitor, const char *id)
{
    bool found = false;

    for (size_t i = 0; i < visitor->state->n; i++) {
        const struct entry *one = visitor->state->entries[i];

        if (!policy_entry_is_one(one) || !is_member(one, id))
            continue;
        found = true;
        visitor->policy(visitor, one);
    }
    return found;
}

static bool visit_policy(struct visitor *visitor, const char *id)
{
    const struct entry *policy = snapshot_find(visitor->state, id, strlen(id));

    if (policy == NULL || !policy_entry_is_one(policy))
        return false;
    visitor->policy(visitor, policy);
    return true;
}

static void visit_list(struct visitor *visitor, const char *path,
                       bool (*visit)(struct visitor *visitor, const char *id))
{
    const struct value *list = value_get_path(entry_fields(visitor->entry), path);
    size_t n = value_list_n(list);

    if (list != NULL && list->type != VALUE_LIST && list->type != VALUE_NIL)
        visitor->missing(visitor, path, NULL);
    for (size_t i = 0; i < n; i++) {
        const char *name = value_text(&list->as.list.items[i]);
        char *id = name != NULL ? security_group_id(visitor->entry, name) : NULL;

        if (id == NULL || !visit(visitor, id))
            visitor->missing(visitor, path, id);
        free(id);
    }
}

static void visit_all(struct visitor *visitor)
{
    visit_list(visitor, "lifecycle.security.groups", visit_group);
    visit_list(visitor, "lifecycle.security.policies", visit_policy);
}

/* ---- encoding -------------------------------------------------------------------- */

static void add_to_scope(struct visitor *visitor, const struct entry *policy)
{
    for (size_t i = 0; i < visitor->scope->as.list.n; i++)
        if (strcmp(visitor->scope->as.list.items[i].as.string.data, policy->id) == 0)
            return;
    value_append(visitor->scope, value_string(policy->id));
}

static void log_missing(struct visitor *visitor, const char *path, const char *id)
{
    log_warn("lifecycle.security names what does not exist, it is left out",
             "entry=%s field=%s name=%s", visitor->entry->id, path,
             id != NULL ? id : "(no text)");
}

static void put_actor(const struct entry *entry, struct value *context)
{
    const struct value *actor =
        value_get_path(entry_fields(entry), "lifecycle.security.actor");
    const char *id = value_get_text(actor, "id");
    const struct value *meta = value_get(actor, "meta");
    struct value record;

    if (id == NULL || id[0] == '\0')
        return;
    record = value_map();
    value_put(&record, "id", value_string(id));
    value_put(&record, "meta",
              meta != NULL && meta->type == VALUE_MAP ? value_copy(meta) : value_map());
    value_put(context, "actor", record);
}

bool lifecycle_security_encode(const struct entry *entry, const struct snapshot *state,
                               struct buf *out)
{
    struct value context = value_map(), scope = value_list();
    struct visitor visitor = {.entry = entry,
                              .state = state,
                              .policy = add_to_scope,
                              .missing = log_missing,
                              .scope = &scope};
    bool done = true;

    put_actor(entry, &context);
    visit_all(&visitor);
    if (scope.as.list.n != 0)
        value_put(&context, "scope", scope);
    else
        value_finish(&scope);
    if (context.as.map.n != 0)
        done = payload_encode(out, &context, 1);
    value_finish(&context);
    return done;
}

/* ---- checking -------------------------------------------------------------------- */

static void ignore_policy(struct visitor *visitor, const struct entry *policy)
{
    (void)visitor, (void)policy;
}

static void complain(struct visitor *visitor, const char *path, const char *id)
{
    struct problem_at at = entry_at(visitor->entry, path);
    bool is_group = strstr(path, "groups") != NULL;
    const char *nearest = NULL;
    char hint[400];

    if (id == NULL) {
        problems_add(visitor->problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "%s must be a list of names", path);
        return;
    }
    if (!is_group && visitor->problems->n < PROBLEMS_MAX)
        nearest = nearest_entry(visitor->state, POLICY_KIND, id);
    if (nearest != NULL)
        snprintf(hint, sizeof(hint), "did you mean %s?", nearest);
    else
        snprintf(hint, sizeof(hint), "%s",
                 is_group ? "name the group in `groups` of a security.policy"
                          : "declare a security.policy of that id or correct it");
    problems_add(visitor->problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at, hint,
                 "%s names the %s %s, which does not exist", path,
                 is_group ? "policy group" : "policy", id);
}

static void check_actor(const struct entry *entry, struct problems *problems)
{
    const char *path = "lifecycle.security.actor";
    const struct value *actor = value_get_path(entry_fields(entry), path);
    const struct value *meta = value_get(actor, "meta");
    const char *id = value_get_text(actor, "id");
    struct problem_at at = entry_at(entry, path);

    if (actor == NULL || actor->type == VALUE_NIL)
        return;
    if (actor->type != VALUE_MAP || id == NULL || id[0] == '\0')
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write actor: {id: \"name\"}", "%s needs an id, a text", path);
    if (meta != NULL && meta->type != VALUE_MAP && meta->type != VALUE_NIL)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "%s.meta must be a map of fields", path);
}

void lifecycle_security_check(const struct entry *entry, const struct snapshot *state,
                              struct problems *problems)
{
    const char *path = "lifecycle.security";
    const struct value *block = value_get_path(entry_fields(entry), path);
    struct problem_at at = entry_at(entry, path);
    struct visitor visitor = {.entry = entry,
                              .state = state,
                              .policy = ignore_policy,
                              .missing = complain,
                              .problems = problems};

    if (block == NULL || block->type == VALUE_NIL)
        return;
    if (block->type != VALUE_MAP) {
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "%s must be a map of fields", path);
        return;
    }
    check_actor(entry, problems);
    visit_all(&visitor);
}
