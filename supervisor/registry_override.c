#include "supervisor/registry_override.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/entry_path.h"
#include "supervisor/problems.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/registry_load.h"
#include "supervisor/yaml_scalar.h"

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
        tree = entry_choose_tree(entry, &path);
        if (!value_set_path(tree, path, value))
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
    entry_list_index(entries, &by_id);
    if (map != NULL && map->type == VALUE_MAP)
        for (size_t i = 0; i < map->as.map.n; i++)
            override_one(&by_id, map->as.map.pairs[i].key,
                         value_copy(&map->as.map.pairs[i].value), &of_file);
    for (size_t i = 0; i < options->n_overrides; i++)
        override_text(&by_id, options->overrides[i], &at);
    map_finish(&by_id);
}
