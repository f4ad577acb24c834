#include "supervisor/registry_imports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"

#include "supervisor/registry.h"
#include "supervisor/registry_check.h"
#include "supervisor/registry_kinds.h"

/* Entries that one entry may import, directly or not. */
#define MAX_REACHED 10000

/* ---- bindings -------------------------------------------------------------------- */

/* Takes target. */
static void add_binding(struct entry *entry, const char *name,
                        char *target) /* NOLINT(readability-non-const-parameter) */
{
    entry->bindings =
        xrealloc(entry->bindings, (entry->n_bindings + 1) * sizeof(*entry->bindings));
    entry->bindings[entry->n_bindings++] =
        (struct entry_binding){.name = xstrdup(name), .target = target};
}

static bool has_target(const struct entry *entry, const char *target)
{
    for (size_t i = 0; i < entry->n_bindings; i++)
        if (strcmp(entry->bindings[i].target, target) == 0)
            return true;
    return false;
}

/* Adds, unless the same target was listed before: an error of its own. Takes target. */
static void bind(struct entry *entry, const char *path, const char *name, char *target,
                 struct problems *problems)
{
    struct problem_at at = entry_at(entry, path);

    if (has_target(entry, target)) {
        problems_add(problems, SEVERITY_ERROR, ERR_ALREADY_EXISTS, &at,
                     "list each module and each import once",
                     "dependency from %s to %s already exists", entry->id, target);
        free(target);
        return;
    }
    add_binding(entry, name, target);
}

static void read_module(struct entry *entry, const struct value *item, size_t i,
                        struct problems *problems)
{
    const char *name = value_text(item), *hint = NULL, *nearest;
    char path[40], suggestion[120];
    struct problem_at at;

    snprintf(path, sizeof(path), "modules[%zu]", i);
    at = entry_at(entry, path);
    if (name == NULL || name[0] == '\0') {
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write the name of a module, for example json",
                     "module cannot be empty");
    } else if (strchr(name, ':') != NULL) {
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "entries are imported under imports: {alias: ns:name}",
                     "module cannot have a namespace");
    } else if (!module_is_known(name)) {
        hint = "no module has that name; a library of an app goes under imports";
        nearest = module_nearest(name);
        if (nearest != NULL) {
            snprintf(suggestion, sizeof(suggestion), "did you mean %s?", nearest);
            hint = suggestion;
        }
        problems_add(problems, SEVERITY_ERROR, ERR_NOT_FOUND, &at, hint,
                     "node with ID :%s not found", name);
    } else {
        if (!module_is_supported(name))
            problems_add(problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at, NULL,
                         "module %s is not in this build, require(\"%s\") fails", name,
                         name);
        bind(entry, path, name, xasprintf(":%s", name), problems);
    }
}

static void read_modules(struct entry *entry, struct problems *problems)
{
    const struct value *list = value_get(&entry->data, "modules");

    if (list == NULL || list->type == VALUE_NIL)
        return;
    if (list->type != VALUE_LIST && !(list->type == VALUE_MAP && list->as.map.n == 0)) {
        struct problem_at at = entry_at(entry, "modules");

        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write a list, for example [json, time]",
                     "modules must be a list");
        return;
    }
    for (size_t i = 0; list->type == VALUE_LIST && i < list->as.list.n; i++)
        read_module(entry, &list->as.list.items[i], i, problems);
}

static void read_import(struct entry *entry, const struct value_pair *pair,
                        struct problems *problems)
{
    char *target = entry_resolve(NULL, &pair->value);
    char path[300];
    struct problem_at at;

    snprintf(path, sizeof(path), "imports.%s", pair->key);
    at = entry_at(entry, path);
    if (pair->key[0] == '\0') {
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write alias: namespace:name", "import alias cannot be empty");
    } else if (target == NULL || target[strlen(target) - 1] == ':') {
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write alias: namespace:name", "import :name cannot be empty");
    } else if (target[0] == ':' && !module_is_known(target + 1)) {
        problems_add(problems, SEVERITY_ERROR, ERR_NOT_FOUND, &at,
                     "a name without namespace means a built-in module; an entry is "
                     "written namespace:name",
                     "node with ID %s not found", target);
    } else {
        bind(entry, path, pair->key, target, problems);
        return;
    }
    free(target);
}

static void read_imports(struct entry *entry, struct problems *problems)
{
    const struct value *map = value_get(&entry->data, "imports");

    if (map == NULL || map->type == VALUE_NIL ||
        (map->type == VALUE_LIST && map->as.list.n == 0))
        return;
    if (map->type != VALUE_MAP) {
        struct problem_at at = entry_at(entry, "imports");

        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write imports: {alias: namespace:name}", "imports must be a map");
        return;
    }
    for (size_t i = 0; i < map->as.map.n; i++)
        read_import(entry, &map->as.map.pairs[i], problems);
}

void entry_read_bindings(struct entry *entry, struct problems *problems)
{
    if (entry->n_bindings != 0)
        return;
    read_modules(entry, problems);
    entry->n_modules = entry->n_bindings;
    read_imports(entry, problems);
}

/* ---- the graph ------------------------------------------------------------------- */

struct search {
    struct changeset *set;
    struct problems *problems;
    struct map changed; /* ids of created, updated and deleted Lua entries */
    struct map bound;   /* name -> target */
    struct map reached; /* ids */
    const struct entry **waiting;
    size_t n_waiting, size_waiting;
    const struct entry *root;
    bool root_changed, touches;
    unsigned n_clashes;
};

/* The problem belongs to the file that holds the root, whichever entry is to blame. */
static struct problem_at import_at(const struct entry *entry, const char *alias)
{
    char path[300];

    snprintf(path, sizeof(path), "imports.%s", alias);
    return entry_at(entry, path);
}

static bool is_changed(const struct search *search, const char *id)
{
    return map_find(&search->changed, id, strlen(id)) != NULL;
}

static void bind_name(struct search *search, const struct entry_binding *binding)
{
    const char *target =
        map_put(&search->bound, binding->name, strlen(binding->name), binding->target);
    struct problem_at at;

    if (target == NULL || strcmp(target, binding->target) == 0)
        return;
    map_put(&search->bound, binding->name, strlen(binding->name), (void *)target);
    if (search->n_clashes++ != 0)
        return;
    at = import_at(search->root, binding->name);
    problems_add(
        search->problems, SEVERITY_ERROR, ERR_CONFLICT, &at,
        "one name can mean one thing only, imported libraries included: rename "
        "one of them",
        "alias '%s' collision: %s and %s", binding->name, target, binding->target);
}

static void report_missing(struct search *search, const struct entry *entry,
                           const struct entry_binding *binding)
{
    struct problem_at at = import_at(entry, binding->name);
    const char *nearest =
        search->problems->n == PROBLEMS_MAX
            ? NULL
            : nearest_entry(search->set->result, NULL, binding->target);
    char hint[400];

    snprintf(hint, sizeof(hint), "did you mean %s?", nearest == NULL ? "" : nearest);
    problems_add(search->problems, SEVERITY_ERROR, ERR_NOT_FOUND, &at,
                 nearest == NULL ? "declare that entry or correct the id" : hint,
                 "node with ID %s not found", binding->target);
}

/* An entry that didn't change imports one that is deleted. */
static void report_in_use(struct search *search, const struct entry *entry,
                          const struct entry_binding *binding)
{
    struct problem_at at = {.entry = binding->target};

    problems_add(search->problems, SEVERITY_ERROR, ERR_CONFLICT, &at,
                 "delete or change the importer in the same changeset",
                 "cannot remove node %s: it has incoming dependencies from node %s",
                 binding->target, entry->id);
}

static void reach(struct search *search, const struct entry *entry,
                  const struct entry_binding *binding)
{
    const struct entry *target =
        snapshot_find(search->set->result, binding->target, strlen(binding->target));
    struct problem_at at;

    if (target == search->root) {
        if (!search->root_changed)
            return; /* whoever closed the circle was changed: it is followed again */
        at = entry == search->root ? import_at(entry, binding->name)
                                   : entry_at(search->root, "imports");
        problems_add(search->problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "take one of the imports of the circle out",
                     "adding dependency would create a cycle: %s imports %s", entry->id,
                     binding->target);
        return;
    }
    if (target == NULL || map_find(&search->reached, target->id, strlen(target->id)))
        return;
    map_put(&search->reached, target->id, strlen(target->id), (void *)target);
    if (search->n_waiting == search->size_waiting) {
        search->size_waiting =
            search->size_waiting == 0 ? 16 : search->size_waiting * 2;
        search->waiting =
            xrealloc(search->waiting, search->size_waiting * sizeof(void *));
    }
    search->waiting[search->n_waiting++] = target;
}

static void visit(struct search *search, const struct entry *entry)
{
    if (entry != search->root && is_changed(search, entry->id))
        search->touches = true;
    for (size_t i = 0; i < entry->n_bindings; i++) {
        const struct entry_binding *binding = &entry->bindings[i];

        if (search->root_changed || search->touches)
            bind_name(search, binding);
        if (i >= entry->n_modules && binding->target[0] != ':')
            reach(search, entry, binding);
    }
}

/* Follows the imports of root. Names are bound only where a clash could be new, so a
 * first pass finds out whether an unchanged root is touched at all. */
static void follow(struct search *search, const struct entry *root)
{
    search->root = root;
    map_init(&search->bound);
    map_init(&search->reached);
    search->n_waiting = 0;
    search->n_clashes = 0;
    visit(search, root);
    while (search->n_waiting > 0 && search->reached.n < MAX_REACHED)
        visit(search, search->waiting[--search->n_waiting]);
    if (search->n_waiting > 0) {
        struct problem_at at = entry_at(root, "imports");

        problems_add(search->problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "more than %d entries are imported, directly or not", MAX_REACHED);
    }
    map_finish(&search->bound);
    map_finish(&search->reached);
}

/* Only what has code can be imported. */
static void report_no_code(struct search *search, const struct entry *entry,
                           const struct entry_binding *binding,
                           const struct entry *target)
{
    struct problem_at at = import_at(entry, binding->name);
    char hint[400];

    snprintf(hint, sizeof(hint), "it is a %s; name a library.lua", target->kind);
    problems_add(search->problems, SEVERITY_ERROR, ERR_NOT_FOUND, &at, hint,
                 "node with ID %s not found", binding->target);
}

static void check_targets(struct search *search, const struct entry *entry,
                          bool changed)
{
    for (size_t i = entry->n_modules; i < entry->n_bindings; i++) {
        const struct entry_binding *binding = &entry->bindings[i];
        const struct entry *target;

        if (binding->target[0] == ':')
            continue;
        target = snapshot_find(search->set->result, binding->target,
                               strlen(binding->target));
        if (target != NULL) {
            if (target->type != NULL && (target->type->flags & KIND_LUA) == 0)
                report_no_code(search, entry, binding, target);
            continue;
        }
        if (changed)
            report_missing(search, entry, binding);
        else if (is_changed(search, binding->target))
            report_in_use(search, entry, binding);
    }
}

static void add_affected(struct changeset *set, struct entry *entry)
{
    set->affected = xrealloc(set->affected, (set->n_affected + 1) * sizeof(void *));
    set->affected[set->n_affected++] = entry_ref(entry);
}

static void check_entry(struct search *search, struct entry *entry)
{
    bool changed = is_changed(search, entry->id);

    check_targets(search, entry, changed);
    search->root_changed = changed;
    search->touches = false;
    follow(search, entry);
    if (changed || !search->touches)
        return;
    /* It saw changed libraries: now the names count too. */
    search->root_changed = true;
    follow(search, entry);
    add_affected(search->set, entry);
}

static bool is_lua(const struct entry *entry)
{
    return entry->type != NULL && (entry->type->flags & KIND_LUA) != 0;
}

static void note_changed(struct search *search)
{
    for (size_t i = 0; i < search->set->n; i++) {
        const struct change *change = &search->set->changes[i];
        const struct entry *entry =
            change->after == NULL ? change->before : change->after;

        if (is_lua(entry) || (change->before != NULL && is_lua(change->before)))
            map_put(&search->changed, entry->id, strlen(entry->id), (void *)entry);
    }
}

void imports_check(struct changeset *set, struct problems *problems)
{
    struct search search = {.set = set, .problems = problems};

    map_init(&search.changed);
    note_changed(&search);
    for (size_t i = 0; search.changed.n != 0 && i < set->result->n; i++)
        if (is_lua(set->result->entries[i]) &&
            (set->result->entries[i]->n_bindings > set->result->entries[i]->n_modules))
            check_entry(&search, set->result->entries[i]);
    free(search.waiting);
    map_finish(&search.changed);
}
