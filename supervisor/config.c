#include "supervisor/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/paths.h"

#include "supervisor/config_private.h"
#include "supervisor/options.h"
#include "supervisor/pack.h"
#include "supervisor/problems.h"
#include "supervisor/registry_files.h"
#include "supervisor/settings.h"

/* ---- one setting ----------------------------------------------------------------- */

static void refuse(const struct config_loader *loader, const struct problem_at *at,
                   const struct setting *row, const char *what, const char *given)
{
    problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, at, NULL,
                 "%s must be %s, not '%s'", row->key, what, given);
}

static void refuse_unknown(const struct config_loader *loader,
                           const struct problem_at *at, const char *key)
{
    const char *nearest = setting_nearest(key);
    char hint[120] = "";

    if (nearest != NULL)
        snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest);
    problems_add(loader->problems,
                 loader->is_foreign ? SEVERITY_WARNING : SEVERITY_ERROR, ERR_INVALID,
                 at, nearest != NULL ? hint : NULL, "unknown setting '%s'", key);
}

static void set_text(const struct config_loader *loader, const struct problem_at *at,
                     const struct setting *row, const char *text)
{
    struct value value = {0};
    char wanted[100];

    if (setting_read(row, text, &value)) {
        value_put(&loader->config->settings, row->key, value);
        return;
    }
    setting_describe(row, wanted, sizeof(wanted));
    refuse(loader, at, row, wanted, text);
}

/* What files for another program say must not keep an app from running. */
static void tell_no_effect(const struct config_loader *loader,
                           const struct problem_at *at, const struct setting *row)
{
    if (row->type == SETTING_NEVER)
        problems_add(loader->problems,
                     loader->is_foreign ? SEVERITY_WARNING : SEVERITY_ERROR,
                     ERR_INVALID, at, row->choices, "%s is not supported", row->key);
    else
        problems_add(loader->problems, SEVERITY_WARNING, ERR_INVALID, at, NULL,
                     "%s has no effect in this build", row->key);
}

void config_take_setting(const struct config_loader *loader,
                         const struct problem_at *at, const char *key, const char *text,
                         const char *what_given)
{
    const struct setting *row = setting_find(key);

    if (row == NULL)
        refuse_unknown(loader, at, key);
    else if (!setting_counts(row))
        tell_no_effect(loader, at, row);
    else if (text == NULL)
        refuse(loader, at, row, "a single value", what_given);
    else
        set_text(loader, at, row, text);
}

static void set_defaults(const struct config_loader *loader)
{
    static const struct problem_at nowhere;
    const struct setting *row;

    for (unsigned i = 0; (row = setting_at(i)) != NULL; i++) {
        if (setting_counts(row))
            set_text(loader, &nowhere, row, row->fallback);
    }
}

struct config *config_create(void)
{
    struct config *config = xcalloc(1, sizeof(*config));
    const struct config_loader loader = {.config = config};

    config->settings = value_map();
    set_defaults(&loader); /* which have no problems */
    config->shutdown_timeout_ms = config_get_ms(config, "shutdown.timeout");
    return config;
}

/* ---- command line ---------------------------------------------------------------- */

/* For wippy, --config never names a registry (CFG-01). */
static bool is_settings_file(const struct options *options, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

    if (options->as_wippy && !folder_is_there(path) && !pack_is_path(path))
        return true;
    return strcmp(name, "supervisor.yaml") == 0 || strcmp(name, ".wippy.yaml") == 0 ||
           strcmp(name, ".wippy.yml") == 0;
}

static bool is_foreign_file(const struct options *options, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

    return strncmp(name, ".wippy", 6) == 0 ||
           (options->as_wippy && strcmp(name, "supervisor.yaml") != 0);
}

/* Later files win; as wippy, files that are named stand for the one that is here. */
static void take_files(struct config_loader *loader, const struct options *options)
{
    bool named = false;

    config_take_file(loader, "/etc/troupe/supervisor.yaml", false, false);
    config_take_file(loader, "supervisor.yaml", false, false);
    for (unsigned i = 0; i < options->configs.n; i++)
        named = named || is_settings_file(options, options->configs.items[i]);
    if (!named || !options->as_wippy)
        config_take_file(loader, ".wippy.yaml", true, false);
    for (unsigned i = 0; i < options->configs.n; i++) {
        const char *path = options->configs.items[i];

        if (is_settings_file(options, path))
            config_take_file(loader, path, is_foreign_file(options, path), true);
    }
}

static void take_sets(struct config_loader *loader, const struct options *options)
{
    static const struct problem_at at = {"--set", 0, 0, NULL, NULL};

    loader->is_foreign = options->as_wippy; /* it has settings that we have not */
    for (unsigned i = 0; i < options->sets.n; i++) {
        const char *text = options->sets.items[i], *equals = strchr(text, '=');
        char *key = xstrndup(text, (size_t)(equals - text));

        config_take_setting(loader, &at, key, equals + 1, NULL);
        free(key);
    }
}

/* ---- where things are ------------------------------------------------------------ */

static void add_text(char ***items, unsigned *n, char *text)
{
    *items = xrealloc(*items, (*n + 1) * sizeof(**items));
    (*items)[(*n)++] = text;
}

/* "run" and its kin take the app that is here; what that means is registry_load's. */
static void find_registry_paths(struct config *config, const struct options *options)
{
    for (unsigned i = 0; i < options->configs.n; i++) {
        if (!is_settings_file(options, options->configs.items[i]))
            add_text(&config->registry_paths, &config->n_registry_paths,
                     xstrdup(options->configs.items[i]));
    }
    if (config->n_registry_paths == 0)
        add_text(&config->registry_paths, &config->n_registry_paths, xstrdup("."));
}

/* The folder that the app is called after: "src" says nothing, its parent does. A pack
 * is called after its file. */
static char *find_app_name(const struct config *config)
{
    char *full = realpath(config->registry_paths[0], NULL), *slash, *name;

    if (full == NULL)
        return paths_app_name(config->root);
    if (pack_is_path(full) && !folder_is_there(full)) {
        full[strlen(full) - strlen(".wapp")] = '\0';
        name = paths_app_name(full);
        free(full);
        return name;
    }
    if (!folder_is_there(full) && (slash = strrchr(full, '/')) != NULL)
        *slash = '\0';
    slash = strrchr(full, '/');
    if (slash != NULL && slash != full && strcmp(slash, "/src") == 0)
        *slash = '\0';
    name = paths_app_name(full);
    free(full);
    return name;
}

static char *make_absolute(const struct config *config, const char *path)
{
    return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", config->root, path);
}

static void find_places(struct config *config, const struct options *options)
{
    config->root = realpath(".", NULL);
    if (config->root == NULL)
        config->root = xstrdup(".");
    find_registry_paths(config, options);
    config->app = find_app_name(config);
    config->state_dir = options->state != NULL ? make_absolute(config, options->state)
                                               : paths_state_dir(config->app);
    config->control_path = options->control != NULL
                               ? make_absolute(config, options->control)
                               : paths_control_socket(config->app);
}

static void settle_log(struct config *config, const struct options *options)
{
    int64_t min_level = config_get_int(config, "logmanager.min_level");

    config->log_format = strcmp(config_get_text(config, "logger.encoding"), "json") == 0
                             ? LOG_JSON
                             : LOG_CONSOLE;
    log_level_find(config_get_text(config, "logger.level"), &config->log_level);
    if (min_level >= 0 && (int64_t)config->log_level < min_level + 1)
        config->log_level = (enum log_level)(min_level + 1);
    if (options->has_log_format)
        config->log_format = options->log_format;
    if (options->has_log_level)
        config->log_level = options->log_level;
}

/* ---- life ------------------------------------------------------------------------ */

/* Whoever switches it on counts on wrong programs being found. */
static void check_strict_types(const struct config_loader *loader)
{
    static const struct problem_at nowhere;

    if (config_get_bool(loader->config, "lua.type_system.strict") &&
        !config_get_bool(loader->config, "lua.type_system.enabled"))
        problems_add(
            loader->problems, SEVERITY_WARNING, ERR_INVALID, &nowhere,
            "set lua.type_system.enabled, too",
            "lua.type_system.strict has no effect alone: nothing checks types");
}

struct config *config_load(const struct options *options, struct problems *problems)
{
    struct config *config = config_create();
    struct config_loader loader = {.config = config, .problems = problems};

    find_places(config, options);
    take_files(&loader, options);
    take_sets(&loader, options);
    settle_log(config, options);
    check_strict_types(&loader);
    config->shutdown_timeout_ms = config_get_ms(config, "shutdown.timeout");
    return config;
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    for (unsigned i = 0; i < config->n_registry_paths; i++)
        free(config->registry_paths[i]);
    free(config->registry_paths);
    free(config->app);
    free(config->root);
    free(config->state_dir);
    free(config->control_path);
    value_finish(&config->settings);
    free(config->overrides_file);
    value_finish(&config->overrides);
    value_finish(&config->disable);
    free(config);
}

/* ---- reading --------------------------------------------------------------------- */

static const struct value *get(const struct config *config, const char *key,
                               enum value_type type)
{
    const struct value *value = value_get(&config->settings, key);

    assert(value != NULL && value->type == type);
    return value;
}

bool config_get_bool(const struct config *config, const char *key)
{
    return get(config, key, VALUE_BOOL)->as.boolean;
}

int64_t config_get_int(const struct config *config, const char *key)
{
    return get(config, key, VALUE_INT)->as.integer;
}

uint64_t config_get_ms(const struct config *config, const char *key)
{
    return (uint64_t)get(config, key, VALUE_INT)->as.integer;
}

double config_get_real(const struct config *config, const char *key)
{
    return get(config, key, VALUE_FLOAT)->as.real;
}

const char *config_get_text(const struct config *config, const char *key)
{
    return get(config, key, VALUE_STRING)->as.string.data;
}
