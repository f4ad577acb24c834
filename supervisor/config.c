#include "supervisor/config.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/duration.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "common/paths.h"

#include "supervisor/options.h"
#include "supervisor/problems.h"
#include "supervisor/yaml_tree.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

enum setting_type {
    SETTING_BOOL,
    SETTING_INT,
    SETTING_MS,
    SETTING_REAL,
    SETTING_TEXT,
    SETTING_LATER,
    SETTING_NEVER
};

#define NO_CACHE "queries are run anew each time, there is no cache"

/* Sorted by key. LATER: known from elsewhere, any value, not in this build. NEVER: the
 * same, and what it sets doesn't exist here: `choices` says why. */
static const struct setting {
    const char *key;
    enum setting_type type;
    const char *fallback;
    int64_t least, most; /* INT: the number; MS: milliseconds */
    const char *choices; /* TEXT: "a|b", NULL = anything; NEVER: why not */
} settings_table[] = {
    // clang-format off
    {"calls.busy_grace",            SETTING_MS,    "150ms",   0, 3600000, NULL},
    {"calls.cancel_grace",          SETTING_MS,    "1s",      0, 3600000, NULL},
    {"contract.validation",         SETTING_TEXT,  "enforce", 0, 0, "enforce|warn|off"},
    {"finder.query_cache_size",     SETTING_NEVER, NULL,      0, 0, NO_CACHE},
    {"finder.regex_cache_size",     SETTING_NEVER, NULL,      0, 0, NO_CACHE},
    {"functions.host.buffer_size",  SETTING_LATER, NULL,      0, 0, NULL},
    {"functions.host.worker_count", SETTING_LATER, NULL,      0, 0, NULL},
    {"logger.encoding",             SETTING_TEXT,  "console", 0, 0, "console|json"},
    {"logger.file",                 SETTING_TEXT,  "",        0, 0, NULL},
    {"logger.level",                SETTING_TEXT,  "info",    0, 0, "debug|info|warn|error"},
    {"logmanager.min_level",        SETTING_INT,   "-1",      -1, 2, NULL},
    {"logmanager.propagate_downstream", SETTING_LATER, NULL,  0, 0, NULL},
    {"logmanager.stream_to_events", SETTING_BOOL,  "false",   0, 0, NULL},
    {"lua.type_system.enabled",     SETTING_BOOL,  "false",   0, 0, NULL},
    {"lua.type_system.strict",      SETTING_BOOL,  "false",   0, 0, NULL},
    {"metrics.buffer.size",         SETTING_LATER, NULL,      0, 0, NULL},
    {"metrics.interceptor.enabled", SETTING_BOOL,  "false",   0, 0, NULL},
    {"metrics.max_samples",         SETTING_INT,   "10000",   0, 100000, NULL},
    {"otel.batch_size",             SETTING_INT,   "512",     1, 10000, NULL},
    {"otel.delay",                  SETTING_MS,    "5s",      0, 3600000, NULL},
    {"otel.enabled",                SETTING_BOOL,  "false",   0, 0, NULL},
    {"otel.endpoint",               SETTING_TEXT,  "http://127.0.0.1:4318", 0, 0, NULL},
    {"otel.flush_timeout",          SETTING_MS,    "2s",      0, 60000, NULL},
    {"otel.headers",                SETTING_TEXT,  "",        0, 0, NULL},
    {"otel.interceptor.enabled",    SETTING_BOOL,  "true",    0, 0, NULL},
    {"otel.interceptor.order",      SETTING_LATER, NULL,      0, 0, NULL},
    {"otel.protocol",               SETTING_TEXT,  "http/json", 0, 0, "http/json"},
    {"otel.queue_size",             SETTING_INT,   "2048",    1, 100000, NULL},
    {"otel.sample_rate",            SETTING_REAL,  "1",       0, 1, NULL},
    {"otel.service_name",           SETTING_TEXT,  "",        0, 0, NULL},
    {"otel.timeout",                SETTING_MS,    "10s",     1, 600000, NULL},
    {"prometheus.address",          SETTING_TEXT,  "127.0.0.1:9090", 0, 0, NULL},
    {"prometheus.enabled",          SETTING_BOOL,  "false",   0, 0, NULL},
    {"prometheus.timeout",          SETTING_MS,    "10s",     1, 3600000, NULL},
    {"registry.enable_history",     SETTING_BOOL,  "true",    0, 0, NULL},
    {"registry.event_wait_timeout", SETTING_MS,    "30s",     1, 3600000, NULL},
    {"registry.history_path",       SETTING_TEXT,  ".wippy/registry.db", 0, 0, NULL},
    {"registry.history_type",       SETTING_TEXT,  "memory",  0, 0, "memory|nil|sqlite"},
    {"relay.node_name",             SETTING_LATER, NULL,      0, 0, NULL},
    {"security.strict_mode",        SETTING_BOOL,  "false",   0, 0, NULL},
    {"shutdown.timeout",            SETTING_MS,    "30s",     1, 86400000, NULL},
    {"supervisor.host.buffer_size", SETTING_LATER, NULL,      0, 0, NULL},
    {"supervisor.host.worker_count", SETTING_LATER, NULL,     0, 0, NULL},
    {"trace.max_spans",             SETTING_INT,   "10000",   1, 1000000, NULL},
    {"trace.sample",                SETTING_REAL,  "0",       0, 1, NULL},
    {"workers.confine",             SETTING_TEXT,  "on",      0, 0, "on|off|strict"},
    {"workers.memory_mb",           SETTING_INT,   "0",       0, 1048576, NULL},
    {"workers.ping_every",          SETTING_MS,    "5s",      100, 3600000, NULL},
    {"workers.pong_timeout",        SETTING_MS,    "15s",     100, 3600000, NULL},
    {"workers.ready_timeout",       SETTING_MS,    "10s",     100, 3600000, NULL},
    {"workers.total_cpus",          SETTING_REAL,  "0",       0, 4096, NULL},
    {"workers.total_memory_mb",     SETTING_INT,   "0",       0, 67108864, NULL},
    {"workers.user",                SETTING_TEXT,  "",        0, 0, NULL},
    // clang-format on
};

/* Whole sections that other programs' files have and this build has no use for. */
static const char *const foreign_sections[] = {"cluster", "disable", "profiles", "vars",
                                               "workspace"};

struct loader {
    struct config *config;
    struct problems *problems;
    const char *file; /* NULL: the command line */
    bool is_foreign;  /* unknown keys are no errors */
};

static const struct setting *find_setting(const char *key)
{
    for (unsigned i = 0; i < N_ELEMENTS(settings_table); i++) {
        if (strcmp(settings_table[i].key, key) == 0)
            return &settings_table[i];
    }
    return NULL;
}

/* ---- one setting
 * ---------------------------------------------------------------------- */

static void refuse(const struct loader *loader, const struct problem_at *at,
                   const struct setting *row, const char *what, const char *given)
{
    problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, at, NULL,
                 "%s must be %s, not '%s'", row->key, what, given);
}

static void unknown_key(const struct loader *loader, const struct problem_at *at,
                        const char *key)
{
    const char *names[N_ELEMENTS(settings_table)], *nearest;
    char hint[120] = "";

    for (unsigned i = 0; i < N_ELEMENTS(settings_table); i++)
        names[i] = settings_table[i].key;
    nearest = nearest_find(key, names, N_ELEMENTS(names));
    if (nearest != NULL)
        snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest);
    problems_add(loader->problems,
                 loader->is_foreign ? SEVERITY_WARNING : SEVERITY_ERROR, ERR_INVALID,
                 at, nearest != NULL ? hint : NULL, "unknown setting '%s'", key);
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);

    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return true;
    }
    return choices == NULL;
}

static bool read_bool(const char *text, struct value *out)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return false;
    *out = value_bool(text[0] == 't');
    return true;
}

static bool read_int(const struct setting *row, const char *text, struct value *out)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || errno != 0 || number < row->least ||
        number > row->most)
        return false;
    *out = value_int(number);
    return true;
}

static bool read_ms(const struct setting *row, const char *text, struct value *out)
{
    char why[DURATION_ERROR_BYTES];
    int64_t ns;

    if (!duration_parse(text, strlen(text), &ns, why) || ns < 0 ||
        ns / 1000000 < row->least || ns / 1000000 > row->most)
        return false;
    *out = value_int(ns / 1000000);
    return true;
}

static bool read_real(const struct setting *row, const char *text, struct value *out)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= (double)row->least) ||
        !(number <= (double)row->most))
        return false;
    *out = value_float(number);
    return true;
}

/* What a value of that row must be, for a person. */
static void describe(const struct setting *row, char *out, size_t out_bytes)
{
    if (row->type == SETTING_BOOL)
        snprintf(out, out_bytes, "true or false");
    else if (row->type == SETTING_INT || row->type == SETTING_REAL)
        snprintf(out, out_bytes, "a number from %lld to %lld", (long long)row->least,
                 (long long)row->most);
    else if (row->type == SETTING_MS)
        snprintf(out, out_bytes, "a duration like %s (%lldms to %llds)", row->fallback,
                 (long long)row->least, (long long)row->most / 1000);
    else
        snprintf(out, out_bytes, "one of %s",
                 row->choices != NULL ? row->choices : "any text");
}

static void set_text(const struct loader *loader, const struct problem_at *at,
                     const struct setting *row, const char *text)
{
    struct value value = {0};
    char wanted[100];
    bool ok = true;

    switch (row->type) {
    case SETTING_BOOL:
        ok = read_bool(text, &value);
        break;
    case SETTING_INT:
        ok = read_int(row, text, &value);
        break;
    case SETTING_REAL:
        ok = read_real(row, text, &value);
        break;
    case SETTING_MS:
        ok = read_ms(row, text, &value);
        break;
    case SETTING_TEXT:
        ok = is_choice(row->choices, text);
        value = value_string(text);
        break;
    case SETTING_LATER:
    case SETTING_NEVER:
        return;
    }
    if (ok) {
        value_put(&loader->config->settings, row->key, value);
        return;
    }
    value_finish(&value);
    describe(row, wanted, sizeof(wanted));
    refuse(loader, at, row, wanted, text);
}

static void set_defaults(const struct loader *loader)
{
    static const struct problem_at nowhere;

    for (unsigned i = 0; i < N_ELEMENTS(settings_table); i++) {
        if (settings_table[i].type != SETTING_LATER &&
            settings_table[i].type != SETTING_NEVER)
            set_text(loader, &nowhere, &settings_table[i], settings_table[i].fallback);
    }
}

struct config *config_create(void)
{
    struct config *config = xcalloc(1, sizeof(*config));
    const struct loader loader = {.config = config}; /* defaults have no problems */

    config->settings = value_map();
    set_defaults(&loader);
    config->shutdown_timeout_ms = config_get_ms(config, "shutdown.timeout");
    return config;
}

/* ---- settings files
 * -------------------------------------------------------------------- */

static void add_text(char ***items, unsigned *n, char *text)
{
    *items = xrealloc(*items, (*n + 1) * sizeof(**items));
    (*items)[(*n)++] = text;
}

/* What files for another program say must not keep an app from running. */
static bool has_no_effect(const struct loader *loader, const struct problem_at *at,
                          const struct setting *row)
{
    if (row->type == SETTING_NEVER)
        problems_add(loader->problems,
                     loader->is_foreign ? SEVERITY_WARNING : SEVERITY_ERROR,
                     ERR_INVALID, at, row->choices, "%s is not supported", row->key);
    else if (row->type == SETTING_LATER)
        problems_add(loader->problems, SEVERITY_WARNING, ERR_INVALID, at, NULL,
                     "%s has no effect in this build", row->key);
    return row->type == SETTING_NEVER || row->type == SETTING_LATER;
}

static void take_scalar(const struct loader *loader, const char *key,
                        const struct yaml_node *node)
{
    struct problem_at at = {loader->file, node->line, node->column, NULL, NULL};
    const struct setting *row = find_setting(key);

    if (row == NULL)
        unknown_key(loader, &at, key);
    else if (has_no_effect(loader, &at, row))
        return;
    else if (node->type == VALUE_LIST || node->type == VALUE_NIL)
        refuse(loader, &at, row, "a single value",
               node->type == VALUE_NIL ? "nothing" : "a list");
    else
        set_text(loader, &at, row, node->text);
}

/* A section that is used as it is; a later file's replaces an earlier one's. */
static void take_map(const struct loader *loader, const char *key,
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
static void take_section(const struct loader *loader, const char *name,
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

static void check_version(const struct loader *loader, const struct yaml_node *root)
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

static void take_root(const struct loader *loader, const struct yaml_node *root)
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
            take_map(loader, key, node, &loader->config->overrides);
        else if (strcmp(key, "disable") == 0)
            take_map(loader, key, node, &loader->config->disable);
        else if (loader->is_foreign && is_foreign_section(key))
            problems_add(loader->problems, SEVERITY_WARNING, ERR_INVALID,
                         &(struct problem_at){loader->file, node->line, node->column,
                                              NULL, NULL},
                         NULL, "section '%s' has no effect in this build", key);
        else if (node->type == VALUE_MAP)
            take_section(loader, key, node);
        else
            take_scalar(loader, key, node);
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

static void take_file(struct loader *loader, const char *path, bool is_foreign,
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

/* ---- command line
 * ------------------------------------------------------------------------ */

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_pack(const char *path)
{
    size_t n = strlen(path);

    return n > 5 && strcmp(path + n - 5, ".wapp") == 0;
}

/* For wippy, --config never names a registry (CFG-01). */
static bool is_settings_file(const struct options *options, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

    if (options->as_wippy && !is_folder(path) && !is_pack(path))
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
static void take_files(struct loader *loader, const struct options *options)
{
    bool named = false;

    take_file(loader, "/etc/troupe/supervisor.yaml", false, false);
    take_file(loader, "supervisor.yaml", false, false);
    for (unsigned i = 0; i < options->configs.n; i++)
        named = named || is_settings_file(options, options->configs.items[i]);
    if (!named || !options->as_wippy)
        take_file(loader, ".wippy.yaml", true, false);
    for (unsigned i = 0; i < options->configs.n; i++) {
        const char *path = options->configs.items[i];

        if (is_settings_file(options, path))
            take_file(loader, path, is_foreign_file(options, path), true);
    }
}

static void take_sets(const struct loader *loader, const struct options *options)
{
    for (unsigned i = 0; i < options->sets.n; i++) {
        const char *text = options->sets.items[i], *equals = strchr(text, '=');
        char *key = xstrndup(text, (size_t)(equals - text));
        const struct setting *row = find_setting(key);
        struct problem_at at = {"--set", 0, 0, NULL, NULL};

        if (row == NULL)
            unknown_key(loader, &at, key);
        else if (!has_no_effect(loader, &at, row))
            set_text(loader, &at, row, equals + 1);
        free(key);
    }
}

/* ---- where things are
 * ---------------------------------------------------------------------- */

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
    if (is_pack(full) && !is_folder(full)) {
        full[strlen(full) - strlen(".wapp")] = '\0';
        name = paths_app_name(full);
        free(full);
        return name;
    }
    if (!is_folder(full) && (slash = strrchr(full, '/')) != NULL)
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

/* ---- life
 * ---------------------------------------------------------------------------------- */

/* Whoever switches it on counts on wrong programs being found. */
static void refuse_strict_types(const struct loader *loader)
{
    static const struct problem_at nowhere;

    if (config_get_bool(loader->config, "lua.type_system.strict"))
        problems_add(loader->problems, SEVERITY_ERROR, ERR_INVALID, &nowhere,
                     "set it to false; enabled alone makes types values at run time",
                     "lua.type_system.strict: this build doesn't check types before a "
                     "program runs");
}

struct config *config_load(const struct options *options, struct problems *problems)
{
    struct config *config = config_create();
    struct loader loader = {.config = config, .problems = problems};

    find_places(config, options);
    take_files(&loader, options);
    take_sets(&loader, options);
    settle_log(config, options);
    refuse_strict_types(&loader);
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
    value_finish(&config->overrides);
    value_finish(&config->disable);
    free(config);
}

const char *config_setting_name(unsigned i)
{
    for (unsigned r = 0; r < N_ELEMENTS(settings_table); r++) {
        if (settings_table[r].fallback != NULL && i-- == 0)
            return settings_table[r].key;
    }
    return NULL;
}

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
