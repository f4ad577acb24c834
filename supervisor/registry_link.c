#include "supervisor/registry_link.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/entry_path.h"
#include "supervisor/problems.h"

struct linker {
    struct map by_id;
    struct entry_list dependencies;
    struct problems *problems;
};

static void warn(struct problems *problems, const struct entry *entry, const char *path,
                 const char *text)
{
    struct problem_at at = entry_at(entry, path);

    problems_add(problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at, NULL,
                 "unresolved requirement: %s", text);
}

/* "org/module" stands for the namespace org.module, or is named by meta.module. */
static bool component_fits(const char *component, const struct entry *requirement)
{
    const char *module = value_get_text(&requirement->meta, "module");
    size_t n = strlen(component);

    if (module != NULL && strcmp(module, component) == 0)
        return true;
    if (n != requirement->namespace_bytes)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((component[i] == '/' ? '.' : component[i]) != requirement->id[i])
            return false;
    return true;
}

/* The value that dependency gives requirement, NULL if none. */
static const struct value *find_parameter(const struct entry *dependency,
                                          const struct entry *requirement)
{
    const char *component = value_get_text(&dependency->data, "component");
    const struct value *list = value_get(&dependency->data, "parameters");

    if (component == NULL || list == NULL || list->type != VALUE_LIST ||
        !component_fits(component, requirement))
        return NULL;
    for (size_t i = 0; i < list->as.list.n; i++) {
        const char *name = value_get_text(&list->as.list.items[i], "name");

        if (name != NULL && (strcmp(name, requirement->name) == 0 ||
                             strcmp(name, requirement->id) == 0))
            return value_get(&list->as.list.items[i], "value");
    }
    return NULL;
}

/* NULL after a warning. */
static const struct value *requirement_value(const struct linker *linker,
                                             const struct entry *requirement)
{
    const struct value *value = NULL;

    for (size_t i = 0; i < linker->dependencies.n; i++) {
        const struct value *given =
            find_parameter(linker->dependencies.items[i], requirement);

        if (given == NULL)
            continue;
        if (value != NULL && !value_equal(value, given)) {
            warn(linker->problems, requirement, "name",
                 "dependencies give different values");
            return NULL;
        }
        value = given;
    }
    if (value == NULL)
        value = value_get(&requirement->data, "default");
    if (value != NULL && value->type != VALUE_NIL)
        return value;
    warn(linker->problems, requirement, "default",
         "no value available: no dependency parameter found and no default value "
         "specified");
    return NULL;
}

static void write_target(const struct linker *linker, const struct entry *requirement,
                         const struct value *target, const struct value *value)
{
    const struct value *ref = value_get(target, "entry");
    const char *path = value_get_text(target, "path");
    char *id = ref == NULL ? NULL : entry_resolve(requirement, ref), *field;
    struct entry *entry = id == NULL ? NULL : map_find(&linker->by_id, id, strlen(id));
    struct value *tree;
    bool append, ok;
    size_t n;

    free(id);
    if (entry == NULL || path == NULL) {
        warn(linker->problems, requirement, "targets",
             entry == NULL ? "a target names no entry" : "a target has no path");
        return;
    }
    n = strlen(path);
    append = n > 2 && strcmp(path + n - 2, "+=") == 0;
    n -= append ? 2 : 0;
    while (append && n > 0 && path[n - 1] == ' ')
        n--;
    field = xstrndup(path, n);
    path = field;
    tree = entry_choose_tree(entry, &path);
    ok = append ? value_append_path(tree, path, value_copy(value))
                : value_set_path(tree, path, value_copy(value));
    if (!ok)
        warn(linker->problems, requirement, "targets", "a target has a bad path");
    free(field);
}

static void link_requirement(const struct linker *linker,
                             const struct entry *requirement)
{
    const struct value *targets = value_get(&requirement->data, "targets");
    const struct value *value;
    struct value copy, copies;

    if (targets == NULL || targets->type != VALUE_LIST || targets->as.list.n == 0) {
        warn(linker->problems, requirement, "targets", "it has no targets");
        return;
    }
    value = requirement_value(linker, requirement);
    if (value == NULL)
        return;
    /* A target may be the requirement itself, or what its value came from. */
    copy = value_copy(value);
    copies = value_copy(targets);
    for (size_t i = 0; i < copies.as.list.n; i++)
        write_target(linker, requirement, &copies.as.list.items[i], &copy);
    value_finish(&copy);
    value_finish(&copies);
}

static bool is_kind(const struct entry *entry, const char *kind)
{
    return strcmp(entry->kind, kind) == 0;
}

void registry_link(struct entry_list *entries, struct problems *problems)
{
    struct linker linker = {.problems = problems};

    entry_list_index(entries, &linker.by_id);
    for (size_t i = 0; i < entries->n; i++)
        if (is_kind(entries->items[i], "ns.dependency"))
            entry_list_add(&linker.dependencies, entry_ref(entries->items[i]));
    for (size_t i = 0; i < entries->n; i++)
        if (is_kind(entries->items[i], "ns.requirement"))
            link_requirement(&linker, entries->items[i]);
    entry_list_finish(&linker.dependencies);
    map_finish(&linker.by_id);
}
