#include "supervisor/config_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "common/value.h"

#include "supervisor/config.h"
#include "supervisor/problems.h"
#include "supervisor/settings.h"
#include "supervisor/yaml_tree.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

/* Whole sections that other programs' files have and this build has no use for. */
static const char *const foreign_sections[] = {"cluster", "disable", "profiles", "vars",
                                               "workspace"};

static void take_scalar(const struct config_loader *loader, const char *key,
                        const struct yaml_node *node)
{
    struct problem_at at = {loader->file, node->line, node->column, NULL, NULL};

    if (node->type == VALUE_LIST)
        config_take_setting(loader, &at, key, NULL, "a list");
    else if (node->type == VALUE_NIL)
        config_take_setting(loader, &at, key, NULL, "nothing");
    else
        config_take_setting(loader, &at, key, node->text, NULL);
}

/* A section that is used as it is; a later file's replaces an earlier one's. */
static void take_map(const struct config_loader *loader, const char *key,
                     const struct yaml_node *node, struct value *out)
{
    struct problem_at at = {loader->file, node->line, node->column, NULL, NULL};

    if (node->type != VALUE_MAP) {
        problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "%s must be a map", key);
        return;
    }
    value_finish(out);
    *out = yaml_to_value(node);
}

/* "ns:entry:field" */
static bool is_override_key(const char *key)
{
    const char *first = strchr(key, ':');
    const char *second = first != NULL ? strchr(first + 1, ':') : NULL;

    return first != NULL && first != key && second != NULL && second != first + 1 &&
           second[1] != '\0';
}

static void take_overrides(const struct config_loader *loader,
                           const struct yaml_node *node)
{
    struct config *config = loader->config;

    take_map(loader, "override", node, &config->overrides);
    free(config->overrides_file);
    config->overrides_file = xstrdup(loader->file);
    for (size_t i = 0; node->type == VALUE_MAP && i < node->n; i++) {
        const struct yaml_node *key = node->pairs[i].key;

        if (!is_override_key(key->text))
            problems_add(
                loader->problems, SEVERITY_ERROR, ERR_INVALID,
                &(struct problem_at){loader->file, key->line, key->column, NULL, NULL},
                "write \"namespace:entry:field\": value",
                "override '%s' names no field", key->text);
    }
}

/* One text, or a list of them. */
static bool are_patterns(const struct yaml_node *node)
{
    bool ok = node->type == VALUE_STRING || node->type == VALUE_LIST ||
              node->type == VALUE_NIL;

    for (size_t i = 0; ok && node->type == VALUE_LIST && i < node->n; i++)
        ok = node->pairs[i].node->type == VALUE_STRING;
    return ok;
}

static void take_disable(const struct config_loader *loader,
                         const struct yaml_node *node)
{
    static const char *const fields[] = {"namespaces", "entries", "meta"};

    take_map(loader, "disable", node, &loader->config->disable);
    for (size_t i = 0; node->type == VALUE_MAP && i < node->n; i++) {
        const struct yaml_node *key = node->pairs[i].key, *value = node->pairs[i].node;
        struct problem_at at = {loader->file, key->line, key->column, NULL, NULL};
        bool is_meta = strcmp(key->text, "meta") == 0;
        const char *nearest = nearest_find(key->text, fields, N_ELEMENTS(fields));

        if (nearest == NULL || strcmp(nearest, key->text) != 0)
            problems_add(loader->problems,
                         loader->is_foreign ? SEVERITY_WARNING : SEVERITY_ERROR,
                         ERR_INVALID, &at, "it has namespaces, entries and meta",
                         "disable has no field %s", key->text);
        else if (is_meta && value->type != VALUE_MAP && value->type != VALUE_NIL)
            problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, &at,
                         "write meta: {field: value}", "disable.meta must be a map");
        else if (!is_meta && !are_patterns(value))
            problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, &at,
                         "write for example [app.test, \"app.**\"]",
                         "disable.%s must be a list of patterns", key->text);
    }
}

static bool is_foreign_section(const char *key)
{
    for (unsigned i = 0; i < N_ELEMENTS(foreign_sections); i++) {
        if (strcmp(foreign_sections[i], key) == 0)
            return true;
    }
    return false;
}

/* Sections nest a few levels at most; deeper ones can't be known keys. */
#define MAX_LEVELS 8

struct level {
    const struct yaml_node *node;
    size_t next, key_bytes; /* of the dotted key before this level */
};

/* Walks the sections and takes every scalar under its dotted key. */
static void take_section(const struct config_loader *loader, const char *name,
                         const struct yaml_node *node)
{
    struct level levels[MAX_LEVELS];
    char key[200];
    unsigned n = 1;

    snprintf(key, sizeof(key), "%s", name);
    levels[0] = (struct level){node, 0, strlen(key)};
    while (n > 0) {
        struct level *level = &levels[n - 1];
        const struct yaml_pair *pair;

        if (level->next == level->node->n) {
            n--;
            continue;
        }
        pair = &level->node->pairs[level->next++];
        snprintf(key + level->key_bytes, sizeof(key) - level->key_bytes, ".%s",
                 pair->key->text);
        if (pair->node->type == VALUE_MAP && n < MAX_LEVELS)
            levels[n++] = (struct level){pair->node, 0, strlen(key)};
        else
            take_scalar(loader, key, pair->node);
    }
}

static bool is_section(const char *key)
{
    const struct setting *row;
    size_t n = strlen(key);

    for (unsigned i = 0; (row = setting_at(i)) != NULL; i++) {
        if (strncmp(row->key, key, n) == 0 && row->key[n] == '.')
            return true;
    }
    return false;
}

/* What a key of the file itself has in the place of a section. All of a section's lines
 * may be commented out. */
static void take_no_section(const struct config_loader *loader, const char *key,
                            const struct yaml_node *node)
{
    struct problem_at at = {loader->file, node->line, node->column, NULL, NULL};

    if (!is_section(key))
        take_scalar(loader, key, node);
    else if (node->type != VALUE_NIL)
        problems_add(loader->problems,
                     loader->is_foreign ? SEVERITY_WARNING : SEVERITY_ERROR,
                     ERR_INVALID, &at, "write its settings below it, one a line",
                     "%s must be a map", key);
}

static void check_version(const struct config_loader *loader,
                          const struct yaml_node *root)
{
    const struct yaml_pair *version = yaml_find(root, "version");
    struct problem_at at = {loader->file, root->line, root->column, NULL, NULL};

    if (version == NULL && !loader->is_foreign)
        return;
    if (version != NULL) {
        at.line = version->node->line;
        at.column = version->node->column;
    }
    if (version == NULL || version->node->text == NULL ||
        strcmp(version->node->text, "1.0") != 0)
        problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "version must be \"1.0\"");
}

static void take_root(const struct config_loader *loader, const struct yaml_node *root)
{
    struct problem_at at = {loader->file, root->line, root->column, NULL, NULL};

    if (root->type == VALUE_NIL && !loader->is_foreign)
        return;
    if (root->type != VALUE_MAP) {
        problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "a settings file is a map of sections");
        return;
    }
    check_version(loader, root);
    for (size_t i = 0; i < root->n; i++) {
        const char *key = root->pairs[i].key->text;
        const struct yaml_node *node = root->pairs[i].node;

        if (strcmp(key, "version") == 0)
            continue;
        if (strcmp(key, "override") == 0)
            take_overrides(loader, node);
        else if (strcmp(key, "disable") == 0)
            take_disable(loader, node);
        else if (loader->is_foreign && is_foreign_section(key))
            problems_add(loader->problems, SEVERITY_WARNING, ERR_INVALID,
                         &(struct problem_at){loader->file, node->line, node->column,
                                              NULL, NULL},
                         NULL, "section '%s' has no effect in this build", key);
        else if (node->type == VALUE_MAP)
            take_section(loader, key, node);
        else
            take_no_section(loader, key, node);
    }
}

static bool read_file(const char *path, struct buf *out, const char **why_out)
{
    FILE *file = fopen(path, "re");
    size_t n;

    buf_init(out, FILE_MAX_BYTES + 1);
    if (file == NULL) {
        *why_out = strerror(errno);
        return false;
    }
    do {
        uint8_t *room = buf_reserve(out, 4096);

        n = room != NULL ? fread(room, 1, 4096, file) : 0;
        out->end += n;
    } while (n > 0);
    *why_out = ferror(file)                           ? "cannot be read"
               : buf_len(out) + 4096 > FILE_MAX_BYTES ? "is too large"
                                                      : NULL;
    fclose(file);
    if (*why_out != NULL)
        buf_finish(out);
    return *why_out == NULL;
}

void config_take_file(struct config_loader *loader, const char *path, bool is_foreign,
                      bool must_exist)
{
    struct problem_at at = {path, 0, 0, NULL, NULL};
    struct yaml_document *document;
    const char *why;
    struct buf text;

    if (!must_exist && access(path, F_OK) == -1)
        return;
    loader->file = path;
    loader->is_foreign = is_foreign;
    if (!read_file(path, &text, &why)) {
        problems_add(loader->problems, SEVERITY_ERROR, ERR_NOT_FOUND, &at, NULL,
                     "settings file: %s", why);
        return;
    }
    document = yaml_parse(path, (char *)buf_head(&text), buf_len(&text),
                          &yaml_limits_default, loader->problems);
    if (document != NULL)
        take_root(loader, yaml_root(document));
    yaml_destroy(document);
    buf_finish(&text);
    loader->file = NULL;
    loader->is_foreign = false;
}
