#include "supervisor/registry_override.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/registry_load.h"
#include "supervisor/yaml_scalar.h"

#define MAX_PATH_PARTS 32

/* Entries by id. */
static void index_entries(struct map *by_id, const struct entry_list *entries)
{
    map_init(by_id);
    for (size_t i = 0; i < entries->n; i++)
        map_put(by_id, entries->items[i]->id, strlen(entries->items[i]->id),
                entries->items[i]);
}

/* ---- setting a field ------------------------------------------------------------- */

/* The map at `path` without its last part, made where it is missing; *last_out is that
 * part. NULL for an empty part or too many. */
static struct value *open_path(struct value *map, const char *path,
                               const char **last_out)
{
    for (int depth = 0; depth < MAX_PATH_PARTS; depth++) {
        size_t n = strcspn(path, ".");
        char *key;

        if (n == 0)
            return NULL;
        if (map->type != VALUE_MAP) {
            value_finish(map);
            *map = value_map();
        }
        if (path[n] == '\0') {
            *last_out = path;
            return map;
        }
        key = xstrndup(path, n);
        if (value_get(map, key) == NULL)
            value_put(map, key, value_map());
        map = value_get(map, key);
        free(key);
        path += n + 1;
    }
    return NULL;
}

/* Takes value. */
static bool set_path(struct value *map, const char *path, struct value value)
{
    const char *last;
    struct value *place = open_path(map, path, &last);

    if (place == NULL)
        value_finish(&value);
    else
        value_put(place, last, value);
    return place != NULL;
}

/* Appends unless it is there; a missing list is made. Takes value. */
static bool append_path(struct value *map, const char *path, struct value value)
{
    const char *last;
    struct value *place = open_path(map, path, &last), *list;

    if (place == NULL) {
        value_finish(&value);
        return false;
    }
    list = value_get(place, last);
    if (list == NULL || list->type != VALUE_LIST)
        list = value_put(place, last, value_list());
    for (size_t i = 0; i < list->as.list.n; i++)
        if (value_equal(&list->as.list.items[i], &value)) {
            value_finish(&value);
            return true;
        }
    value_append(list, value);
    return true;
}

/* Which of the two trees path is in; *path is moved behind the prefix. */
static struct value *choose_tree(struct entry *entry, const char **path)
{
    *path += **path == '.';
    if (strncmp(*path, "meta.", 5) == 0) {
        *path += 5;
        return &entry->meta;
    }
    if (strncmp(*path, "data.", 5) == 0)
        *path += 5;
    return &entry->data;
}

/* ---- overrides ------------------------------------------------------------------- */

/* "true", "12", "1.5" and other texts, as REG-11 types them. */
static struct value type_override(const char *text, size_t n)
{
    struct value value;

    if (n == 4 && strncasecmp(text, "true", 4) == 0)
        return value_bool(true);
    if (n == 5 && strncasecmp(text, "false", 5) == 0)
        return value_bool(false);
    if (yaml_read_number(text, n, &value)) {
        char canonical[24];

        if (value.type == VALUE_FLOAT && memchr(text, '_', n) == NULL &&
            strcspn(text, ".eE") < n)
            return value;
        if (value.type == VALUE_INT) {
            snprintf(canonical, sizeof(canonical), "%lld", (long long)value.as.integer);
            if (strlen(canonical) == n && memcmp(canonical, text, n) == 0)
                return value;
        }
    }
    return value_bytes(text, n);
}

/* Who hears what is wrong with overrides; problems NULL: it has been told. */
struct listener {
    struct problems *problems;
    const char *from; /* "-o", or the file that has them */
};

__attribute__((format(printf, 3, 4))) static void complain(
    const struct listener *listener, const char *hint, const char *fmt, ...)
{
    struct problem_at at = {.file = listener->from};
    va_list args;

    if (listener->problems == NULL)
        return;
    va_start(args, fmt);
    problems_vadd(listener->problems, SEVERITY_ERROR, ERR_INVALID, &at, hint, fmt,
                  args);
    va_end(args);
}

static void set_kind(struct entry *entry, const struct value *value,
                     const struct listener *listener)
{
    const char *text = value_text(value);
    size_t n;

    if (text == NULL || text[strspn(text, " \t")] == '\0') {
        complain(listener, NULL, "override of %s: kind must be a non-empty string",
                 entry->id);
        return;
    }
    text += strspn(text, " \t");
    n = strlen(text);
    while (text[n - 1] == ' ' || text[n - 1] == '\t')
        n--;
    free(entry->kind);
    entry->kind = xstrndup(text, n);
    entry->type = kind_find(entry->kind);
}

/* key is "ns:entry:path". Takes value. */
static void override_one(const struct map *by_id, const char *key, struct value value,
                         const struct listener *listener)
{
    const char *colon = strchr(key, ':'), *path;
    struct value *tree;
    struct entry *entry;

    path = colon == NULL ? NULL : strchr(colon + 1, ':');
    entry = path == NULL ? NULL : map_find(by_id, key, (size_t)(path - key));
    if (path == NULL) {
        complain(listener, "write namespace:entry:field=value",
                 "override '%s' names no field", key);
    } else if (entry == NULL) {
        complain(listener, "correct the id or leave the override out",
                 "override errors: [no entry found for %.*s]", (int)(path - key), key);
    } else if (strcmp(path + 1, "kind") == 0) {
        set_kind(entry, &value, listener);
    } else if (strcmp(path + 1, "meta") == 0 || strcmp(path + 1, "data") == 0) {
        complain(listener, "name one of its fields",
                 "override of %s: %s can't be replaced", entry->id, path + 1);
    } else {
        path++;
        tree = choose_tree(entry, &path);
        if (!set_path(tree, path, value))
            complain(listener, "divide the parts of a path by single dots",
                     "override of %s: bad path '%s'", entry->id, path);
        return;
    }
    value_finish(&value);
}

/* "ns:entry:path=value" */
static void override_text(const struct map *by_id, const char *text,
                          const struct listener *listener)
{
    const char *equals = strchr(text, '=');
    char *key;

    if (equals == NULL) {
        complain(listener, "write namespace:entry:field=value",
                 "override '%s' has no =", text);
        return;
    }
    key = xstrndup(text, (size_t)(equals - text));
    override_one(by_id, key, type_override(equals + 1, strlen(equals + 1)), listener);
    free(key);
}

void registry_override(const struct load_options *options, struct entry_list *entries,
                       struct problems *problems)
{
    const struct value *map = options->override_map;
    struct listener of_file = {problems, options->override_file};
    struct listener at = {problems, "-o"};
    struct map by_id;

    if (options->n_overrides == 0 && (map == NULL || map->type != VALUE_MAP))
        return;
    index_entries(&by_id, entries);
    if (map != NULL && map->type == VALUE_MAP)
        for (size_t i = 0; i < map->as.map.n; i++)
            override_one(&by_id, map->as.map.pairs[i].key,
                         value_copy(&map->as.map.pairs[i].value), &of_file);
    for (size_t i = 0; i < options->n_overrides; i++)
        override_text(&by_id, options->overrides[i], &at);
    map_finish(&by_id);
}

/* ---- disable --------------------------------------------------------------------- */

static bool alternative_matches(const char *list, size_t n_list, const char *text,
                                size_t n)
{
    while (n_list > 0) {
        const char *bar = memchr(list, '|', n_list);
        size_t n_one = bar == NULL ? n_list : (size_t)(bar - list);

        if (n_one == n && memcmp(list, text, n) == 0)
            return true;
        n_list -= bar == NULL ? n_list : n_one + 1;
        list += n_one + 1;
    }
    return false;
}

static bool segment_matches(const char *pattern, size_t n_pattern, const char *text,
                            size_t n)
{
    if (n_pattern == 1 && pattern[0] == '*')
        return true;
    if (n_pattern > 2 && pattern[0] == '(' && pattern[n_pattern - 1] == ')')
        return alternative_matches(pattern + 1, n_pattern - 2, text, n);
    return n_pattern == n && memcmp(pattern, text, n) == 0;
}

static size_t segment_bytes(const char *text)
{
    return strcspn(text, ".:");
}

static const char *skip_segment(const char *text)
{
    size_t n = segment_bytes(text);

    return text + n + (text[n] != '\0');
}

/* As with globs: after a mismatch the last "**" swallows one segment more. */
bool pattern_matches(const char *pattern, const char *text)
{
    const char *retry_pattern = NULL, *retry_text = NULL;

    for (;;) {
        size_t n_pattern = segment_bytes(pattern);

        if (n_pattern == 2 && memcmp(pattern, "**", 2) == 0) {
            pattern = skip_segment(pattern);
            if (*pattern == '\0')
                return true;
            retry_pattern = pattern;
            retry_text = text;
            continue;
        }
        if (*text == '\0' && *pattern == '\0')
            return true;
        if (*text != '\0' && *pattern != '\0' &&
            segment_matches(pattern, n_pattern, text, segment_bytes(text))) {
            pattern = skip_segment(pattern);
            text = skip_segment(text);
            continue;
        }
        if (retry_text == NULL || *retry_text == '\0')
            return false;
        retry_text = skip_segment(retry_text);
        text = retry_text;
        pattern = retry_pattern;
    }
}

static bool any_pattern_matches(const struct value *list, const char *text)
{
    const char *one = value_text(list);

    if (one != NULL)
        return pattern_matches(one, text);
    for (size_t i = 0; list != NULL && list->type == VALUE_LIST && i < list->as.list.n;
         i++) {
        one = value_text(&list->as.list.items[i]);
        if (one != NULL && pattern_matches(one, text))
            return true;
    }
    return false;
}

static bool meta_matches(const struct value *fields, const struct value *meta)
{
    for (size_t i = 0;
         fields != NULL && fields->type == VALUE_MAP && i < fields->as.map.n; i++) {
        const struct value_pair *pair = &fields->as.map.pairs[i];
        const struct value *have = value_get(meta, pair->key);

        if (have == NULL)
            continue;
        if (value_equal(have, &pair->value))
            return true;
        for (size_t k = 0; pair->value.type == VALUE_LIST && k < pair->value.as.list.n;
             k++)
            if (value_equal(have, &pair->value.as.list.items[k]))
                return true;
    }
    return false;
}

void registry_disable(const struct value *disable, struct entry_list *entries)
{
    size_t kept = 0;

    if (disable == NULL)
        return;
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = entries->items[i];
        char *namespace = xstrndup(entry->id, entry->namespace_bytes);
        bool gone = any_pattern_matches(value_get(disable, "namespaces"), namespace) ||
                    any_pattern_matches(value_get(disable, "entries"), entry->id) ||
                    meta_matches(value_get(disable, "meta"), &entry->meta);

        free(namespace);
        if (gone)
            entry_unref(entry);
        else
            entries->items[kept++] = entry;
    }
    entries->n = kept;
}

/* ---- requirements ---------------------------------------------------------------- */

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
    tree = choose_tree(entry, &path);
    ok = append ? append_path(tree, path, value_copy(value))
                : set_path(tree, path, value_copy(value));
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

    index_entries(&linker.by_id, entries);
    for (size_t i = 0; i < entries->n; i++)
        if (is_kind(entries->items[i], "ns.dependency"))
            entry_list_add(&linker.dependencies, entry_ref(entries->items[i]));
    for (size_t i = 0; i < entries->n; i++)
        if (is_kind(entries->items[i], "ns.requirement"))
            link_requirement(&linker, entries->items[i]);
    entry_list_finish(&linker.dependencies);
    map_finish(&linker.by_id);
}
