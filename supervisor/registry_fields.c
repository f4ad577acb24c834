#include "supervisor/registry_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "common/value.h"

#include "supervisor/entry.h"
#include "supervisor/env.h"
#include "supervisor/registry.h"
#include "supervisor/registry_check.h"
#include "supervisor/registry_config.h"
#include "supervisor/registry_kinds.h"

#define MODE_MAX 0777

/* ---- names ----------------------------------------------------------------------- */

struct names {
    const char *const *items;
    size_t n;
};

#define NAMES(...)                                                                     \
    (struct names)                                                                     \
    {                                                                                  \
        (const char *const[]){__VA_ARGS__},                                            \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)          \
    }

static bool is_one_of(const struct names *names, const char *key)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i], key) == 0)
            return true;
    return false;
}

static void warn_of_field(const struct entry *entry, const char *prefix,
                          const char *key, const char *nearest,
                          struct problems *problems)
{
    char path[200], hint[120];
    struct problem_at at;

    snprintf(path, sizeof(path), "%s%s", prefix, key);
    snprintf(hint, sizeof(hint), "did you mean %s%s?", prefix,
             nearest == NULL ? "" : nearest);
    at = entry_at(entry, path);
    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at,
                 nearest == NULL ? "take it out" : hint,
                 "%s has no field %s, ignoring it", entry->kind, path);
}

static void warn_unread(const struct entry *entry, const char *path, const char *hint,
                        struct problems *problems)
{
    struct problem_at at = entry_at(entry, path);

    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at, hint,
                 "%s has no field %s, ignoring it", entry->kind, path);
}

/* Every field of a block that only we read. prefix: of the block, "" or "host." */
static void warn_of_unknown(const struct entry *entry, const struct value *block,
                            const char *prefix, struct names known,
                            struct problems *problems)
{
    size_t n = value_map_n(block);

    for (size_t i = 0; i < n; i++) {
        const char *key = block->as.map.pairs[i].key;

        if (!is_one_of(&known, key))
            warn_of_field(entry, prefix, key, nearest_find(key, known.items, known.n),
                          problems);
    }
}

/* Fields that look like a known one which isn't there. */
static void warn_of_slips(const struct entry *entry, const struct value *block,
                          const char *prefix, struct names known,
                          struct problems *problems)
{
    size_t n = value_map_n(block);

    for (size_t i = 0; i < n; i++) {
        const char *key = block->as.map.pairs[i].key, *nearest;

        if (is_one_of(&known, key))
            continue;
        nearest = nearest_find_slip(key, known.items, known.n);
        if (nearest != NULL && value_get(block, nearest) == NULL)
            warn_of_field(entry, prefix, key, nearest, problems);
    }
}

/* ---- blocks of several kinds ----------------------------------------------------- */

static void check_host(const struct entry *entry, struct problems *problems)
{
    const struct value *data = entry_fields(entry);

    warn_of_unknown(entry, data, "", NAMES("host", "lifecycle"), problems);
    warn_of_unknown(entry, value_get(data, "host"), "host.",
                    NAMES("workers", "queue_size", "local_queue_size", "vm_actors",
                          "vm_max_bytes", "mailbox_max_bytes"),
                    problems);
}

static void check_group_scope(const struct entry *entry, struct problems *problems)
{
    struct group_scope_config config;

    warn_of_unknown(entry, entry_fields(entry), "",
                    NAMES("protocol_timeout", "broadcast_timeout",
                          "anti_entropy_interval", "circuit_breaker_failures",
                          "circuit_breaker_reset_time", "max_retries",
                          "retry_base_delay", "retry_max_delay", "action_queue_size",
                          "action_queue_max_size", "monitor_buffer", "max_groups",
                          "max_members_per_group", "lifecycle"),
                    problems);
    group_scope_config_read(entry, &config, problems);
}

/* F-41: each type of pool reads some of them and no others. */
static void warn_of_size(const struct entry *entry, const char *field, const char *hint,
                         struct problems *problems)
{
    struct problem_at at;
    char path[40];

    snprintf(path, sizeof(path), "pool.%s", field);
    if (entry_integer(entry, path, 0, 0, INT64_MAX, NULL) == 0)
        return;
    at = entry_at(entry, path);
    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at, hint,
                 "%s has no effect on this type of pool", path);
}

static void check_sizes(const struct entry *entry, struct problems *problems)
{
    struct pool_config config;

    pool_config_read(entry, &config, NULL);
    switch (config.type) {
    case POOL_INLINE:
        warn_of_size(entry, "workers", "an inline one has no slots", problems);
        warn_of_size(entry, "size", "an inline one has no slots", problems);
        warn_of_size(entry, "max_size", "an inline one has no slots", problems);
        break;
    case POOL_STATIC:
        warn_of_size(entry, "max_size", "a static one has workers", problems);
        break;
    default:
        warn_of_size(entry, "workers", "one that grows has a max_size", problems);
    }
}

static void check_pool(const struct entry *entry, struct problems *problems)
{
    check_sizes(entry, problems);
    warn_of_unknown(entry, value_get(entry_fields(entry), "pool"), "pool.",
                    NAMES("type", "workers", "size", "buffer", "max_size", "warm_start",
                          "idle_timeout", "linger", "processes", "isolation",
                          "vm_actors", "vm_max_bytes", "mailbox_max_bytes"),
                    problems);
}

/* "ns:x" and "group:x" stand for many entries, or none (REG-14). */
static bool names_many(const char *id)
{
    return strncmp(id, "ns:", 3) == 0 || strncmp(id, "group:", 6) == 0;
}

static void check_requirements(const struct entry *entry, const char *path,
                               const struct snapshot *state, struct problems *problems)
{
    const struct value *list = value_get_path(entry_fields(entry), path);
    size_t n = value_list_n(list);

    for (size_t i = 0; i < n; i++) {
        char *id = entry_resolve(entry, &list->as.list.items[i]), hint[400],
             at_path[80];
        const char *nearest;
        struct problem_at at;

        if (id != NULL && !names_many(id) &&
            snapshot_find(state, id, strlen(id)) == NULL) {
            nearest = nearest_entry(state, NULL, id);
            snprintf(hint, sizeof(hint), "did you mean %s?",
                     nearest == NULL ? "" : nearest);
            snprintf(at_path, sizeof(at_path), "%s[%zu]", path, i);
            at = entry_at(entry, at_path);
            problems_add(problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at,
                         nearest == NULL ? "declare that service or correct the id"
                                         : hint,
                         "%s names %s, which does not exist: it can't start", path, id);
        }
        free(id);
    }
}

static void check_lifecycle(const struct entry *entry, const struct snapshot *state,
                            struct problems *problems)
{
    const struct value *data = entry_fields(entry);

    warn_of_unknown(entry, value_get(data, "lifecycle"), "lifecycle.",
                    NAMES("auto_start", "startup", "start_timeout", "stop_timeout",
                          "stable_threshold", "restart", "requires", "depends_on",
                          "security"),
                    problems);
    warn_of_unknown(
        entry, value_get_path(data, "lifecycle.restart"), "lifecycle.restart.",
        NAMES("initial_delay", "max_delay", "backoff_factor", "jitter", "max_attempts"),
        problems);
    check_requirements(entry, "lifecycle.requires", state, problems);
    check_requirements(entry, "lifecycle.depends_on", state, problems);
}

/* ---- options of calls ------------------------------------------------------------ */

/* What can't be read counts as absent (call_options.h): that should be known. */
static void check_span(const struct entry *entry, const char *path,
                       struct problems *problems)
{
    const struct value *value = value_get_path(&entry->meta, path);
    struct problem_at at;
    char why[DURATION_ERROR_BYTES], full[80];
    int64_t ns;

    if (value == NULL || value->type == VALUE_NIL || value->type == VALUE_INT ||
        value->type == VALUE_FLOAT)
        return;
    if (value->type == VALUE_STRING &&
        duration_parse(value->as.string.data, value->as.string.n, &ns, why))
        return;
    snprintf(full, sizeof(full), "meta.%s", path);
    at = entry_at(entry, full);
    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at,
                 "write a number of milliseconds, or for example \"5s\"",
                 "%s is no span of time, ignoring it", full);
}

static void check_options(const struct entry *entry, struct problems *problems)
{
    const struct value *options = value_get(&entry->meta, "options"), *retry;
    const char *wrong = NULL;

    if (options == NULL || options->type == VALUE_NIL)
        return;
    retry = value_get(options, "retry");
    if (options->type != VALUE_MAP)
        wrong = "meta.options";
    else if (retry != NULL && retry->type != VALUE_NIL && retry->type != VALUE_MAP)
        wrong = "meta.options.retry";
    if (wrong != NULL) {
        struct problem_at at = entry_at(entry, wrong);

        problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at,
                     "write for example options: {retry: {max_attempts: 3}}",
                     "%s must be a map of fields, ignoring it", wrong);
        return;
    }
    warn_of_slips(entry, options, "meta.options.",
                  NAMES("timeout", "retry", "network", "default_host"), problems);
    warn_of_slips(entry, retry, "meta.options.retry.",
                  NAMES("max_attempts", "initial_delay", "max_delay", "backoff_factor",
                        "jitter", "retry_kinds", "skip_kinds"),
                  problems);
    check_span(entry, "options.timeout", problems);
    check_span(entry, "options.retry.initial_delay", problems);
    check_span(entry, "options.retry.max_delay", problems);
}

/* A field beside meta is the app's own, but one that reads like ours is meant to be. */
static void check_beside_meta(const struct entry *entry, struct problems *problems)
{
    static const char *const known[] = {"timeout", "retry", "default_host"};
    const struct value *options = value_get(entry_fields(entry), "options");
    bool is_ours = false;

    for (size_t i = 0; i < N_ELEMENTS(known); i++)
        is_ours = is_ours || value_get(options, known[i]) != NULL;
    if (is_ours && value_get(&entry->meta, "options") == NULL)
        warn_unread(entry, "options", "write it below meta", problems);
    if (value_get(entry_fields(entry), "default_host") != NULL &&
        value_get(&entry->meta, "default_host") == NULL)
        warn_unread(entry, "default_host", "write it below meta", problems);
}

/* ---- by kind --------------------------------------------------------------------- */

static void check_lua(const struct entry *entry, struct problems *problems)
{
    const struct value *data = entry_fields(entry);
    unsigned flags = entry->type->flags;

    if ((flags & KIND_BYTECODE) != 0)
        warn_of_slips(
            entry, data, "",
            NAMES("fs", "path", "hash", "method", "modules", "imports", "pool"),
            problems);
    else if ((flags & KIND_INTERCEPTOR) != 0)
        warn_of_slips(entry, data, "",
                      NAMES("source", "method", "modules", "imports", "pool", "match",
                            "order", "config"),
                      problems);
    else if ((flags & KIND_POOL) != 0)
        warn_of_slips(entry, data, "",
                      NAMES("source", "method", "modules", "imports", "pool"),
                      problems);
    else
        warn_of_slips(entry, data, "", NAMES("source", "method", "modules", "imports"),
                      problems);
    if ((flags & (KIND_CALLABLE | KIND_PROCESS)) != 0) {
        check_options(entry, problems);
        check_beside_meta(entry, problems);
    }
}

static void check_service(const struct entry *entry, struct problems *problems)
{
    const struct value *input = value_get(entry_fields(entry), "input");
    struct problem_at at = entry_at(entry, "input");

    warn_of_slips(entry, entry_fields(entry), "",
                  NAMES("process", "host", "input", "lifecycle"), problems);
    if (input != NULL && input->type != VALUE_NIL && input->type != VALUE_LIST)
        problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at,
                     "write a list with an item for each argument, input: [...]",
                     "input must be a list, ignoring it");
}

static void complain(const struct entry *entry, const char *path, const char *hint,
                     const char *text, struct problems *problems)
{
    struct problem_at at = entry_at(entry, path);

    problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, hint, "%s", text);
}

static void check_file_storage(const struct entry *entry, struct problems *problems)
{
    const struct value *create = value_get(entry_fields(entry), "auto_create");

    warn_of_slips(entry, entry_fields(entry), "",
                  NAMES("file_path", "auto_create", "file_mode", "dir_mode"), problems);
    entry_integer(entry, "file_mode", 0, 0, MODE_MAX, problems);
    entry_integer(entry, "dir_mode", 0, 0, MODE_MAX, problems);
    if (create != NULL && create->type != VALUE_NIL && create->type != VALUE_BOOL)
        complain(entry, "auto_create", NULL, "auto_create must be true or false",
                 problems);
}

static void check_static_storage(const struct entry *entry, struct problems *problems)
{
    const struct value *values = value_get(entry_fields(entry), "values");

    warn_of_slips(entry, entry_fields(entry), "", NAMES("values"), problems);
    if (values != NULL && values->type != VALUE_NIL && values->type != VALUE_MAP)
        complain(entry, "values", "write values: {NAME: \"text\"}",
                 "values must be a map of texts", problems);
    for (size_t i = 0; i < value_map_n(values); i++) {
        const struct value_pair *pair = &values->as.map.pairs[i];
        char path[200];
        struct problem_at at;

        if (pair->value.type < VALUE_LIST)
            continue;
        snprintf(path, sizeof(path), "values.%s", pair->key);
        at = entry_at(entry, path);
        problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at,
                     "the value of a variable is a text", "%s is no text, ignoring it",
                     path);
    }
}

static void check_router(const struct entry *entry, const struct snapshot *state,
                         struct problems *problems)
{
    const struct value *list = value_get(entry_fields(entry), "storages");
    size_t n = value_list_n(list);

    warn_of_slips(entry, entry_fields(entry), "", NAMES("storages"), problems);
    if (list != NULL && list->type != VALUE_NIL && list->type != VALUE_LIST)
        complain(entry, "storages", "write storages: [namespace:name]",
                 "storages must be a list of entry ids", problems);
    else if (n == 0)
        complain(entry, "storages", "name them: storages: [namespace:name]",
                 "router storage must have at least one storage", problems);
    for (size_t i = 0; i < n; i++) {
        char *id = entry_resolve(entry, &list->as.list.items[i]), path[40];
        struct problem_at at;

        snprintf(path, sizeof(path), "storages[%zu]", i);
        at = entry_at(entry, path);
        if (id == NULL)
            complain(entry, path, "write namespace:name", "a storage is no entry id",
                     problems);
        else if (snapshot_find(state, id, strlen(id)) == NULL)
            problems_add(problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at,
                         "declare that entry or correct the id",
                         "storages names %s, which does not exist", id);
        free(id);
    }
}

static void warn_variable(const struct entry *entry, const char *path, const char *hint,
                          const char *text, struct problems *problems)
{
    struct problem_at at = entry_at(entry, path);

    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at, hint,
                 "%s: the variable is ignored", text);
}

/* ENV-03: the entry stays, the variable isn't found. */
static void check_variable(const struct entry *entry, struct problems *problems)
{
    const char *name = value_get_text(&entry->data, "variable");
    const char *storage = value_get_text(&entry->data, "storage");
    const char *colon = storage != NULL ? strchr(storage, ':') : NULL;
    const struct value *readonly = value_get(&entry->data, "readonly");
    struct problem_at at = entry_at(entry, "readonly");

    if (readonly != NULL && readonly->type > VALUE_BOOL)
        problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at,
                     "write true or false",
                     "readonly is neither true nor false: the variable can be set");
    warn_of_slips(entry, entry_fields(entry), "",
                  NAMES("variable", "storage", "default", "readonly"), problems);
    if (name != NULL && !env_is_name(name))
        warn_variable(entry, "variable", NULL,
                      "variable name may hold letters, digits and '_' only", problems);
    if (colon == NULL || colon == storage || colon[1] == '\0')
        warn_variable(entry, "storage", "write storage: namespace:name",
                      "invalid storage ID format, must have both namespace and name",
                      problems);
}

void registry_check_variable_names(const struct snapshot *state,
                                   struct problems *problems)
{
    struct map by_name;

    map_init(&by_name);
    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i], *first;
        const char *name = strcmp(entry->kind, "env.variable") == 0
                               ? value_get_text(&entry->data, "variable")
                               : NULL;
        char text[300];

        if (name == NULL || name[0] == '\0')
            continue;
        first = map_put(&by_name, name, strlen(name), (void *)entry);
        if (first == NULL)
            continue;
        map_put(&by_name, name, strlen(name), (void *)first);
        snprintf(text, sizeof(text), "variable name already exists: %.60s (%s)", name,
                 first->id);
        warn_variable(entry, "variable", "rename one of the two", text, problems);
    }
    map_finish(&by_name);
}

static void check_env(const struct entry *entry, const struct snapshot *state,
                      struct problems *problems)
{
    if (strcmp(entry->kind, "env.storage.file") == 0)
        check_file_storage(entry, problems);
    else if (strcmp(entry->kind, "env.storage.static") == 0)
        check_static_storage(entry, problems);
    else if (strcmp(entry->kind, "env.storage.router") == 0)
        check_router(entry, state, problems);
    else if (strcmp(entry->kind, "env.variable") == 0)
        check_variable(entry, problems);
}

/* ---- policies: what they don't read they don't test, so that they allow, or deny,
 * more than they seem to
 * ---------------------------------------------------------------------- */

static void check_groups(const struct entry *entry, struct problems *problems)
{
    const struct value *groups = value_get(entry_fields(entry), "groups");
    struct problem_at at = entry_at(entry, "groups");
    bool ok = groups == NULL || groups->type == VALUE_NIL || groups->type == VALUE_LIST;

    for (size_t i = 0; ok && groups != NULL && i < groups->as.list.n; i++)
        ok = groups->as.list.items[i].type == VALUE_STRING;
    if (!ok)
        problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at,
                     "write groups: [...]",
                     "groups must be a list of names, ignoring what is none");
}

static void check_conditions(const struct entry *entry, struct problems *problems)
{
    const struct value *list = value_get_path(entry_fields(entry), "policy.conditions");
    size_t n = value_list_n(list);

    for (size_t i = 0; i < n; i++) {
        char prefix[60];

        snprintf(prefix, sizeof(prefix), "policy.conditions[%zu].", i);
        warn_of_unknown(entry, &list->as.list.items[i], prefix,
                        NAMES("field", "operator", "value", "value_from"), problems);
    }
}

static void check_policy(const struct entry *entry, struct problems *problems)
{
    static const char *const inside[] = {"actions", "resources", "effect", "conditions",
                                         "expression"};
    const struct value *data = entry_fields(entry), *policy = value_get(data, "policy");
    bool by_expression = strcmp(entry->kind, "security.policy.expr") == 0;

    warn_of_unknown(entry, policy, "policy.",
                    NAMES("actions", "resources", "effect", "conditions", "expression"),
                    problems);
    if (by_expression && value_get(policy, "conditions") != NULL)
        warn_unread(entry, "policy.conditions", "say it in the expression", problems);
    if (!by_expression && value_get(policy, "expression") != NULL)
        warn_unread(entry, "policy.expression", "write kind: security.policy.expr",
                    problems);
    for (size_t i = 0; i < N_ELEMENTS(inside); i++)
        if (value_get(data, inside[i]) != NULL)
            warn_unread(entry, inside[i], "write it below policy", problems);
    warn_of_slips(entry, data, "", NAMES("policy", "groups"), problems);
    check_groups(entry, problems);
    if (!by_expression)
        check_conditions(entry, problems);
}

void entry_check_fields(const struct entry *entry, const struct snapshot *state,
                        struct problems *problems)
{
    unsigned flags = entry->type->flags;

    if ((flags & KIND_LUA) != 0)
        check_lua(entry, problems);
    if ((flags & KIND_POOL) != 0)
        check_pool(entry, problems);
    if ((flags & KIND_SERVICE) != 0)
        check_lifecycle(entry, state, problems);
    if (strcmp(entry->kind, "process.host") == 0)
        check_host(entry, problems);
    else if (strcmp(entry->kind, "pg.scope") == 0)
        check_group_scope(entry, problems);
    else if (strcmp(entry->kind, "terminal.host") == 0)
        warn_of_slips(entry, entry_fields(entry), "", NAMES("lifecycle", "hide_logs"),
                      problems);
    else if (strcmp(entry->kind, "process.service") == 0)
        check_service(entry, problems);
    else if (strcmp(entry->kind, "security.policy") == 0 ||
             strcmp(entry->kind, "security.policy.expr") == 0)
        check_policy(entry, problems);
    else if (strncmp(entry->kind, "env.", 4) == 0)
        check_env(entry, state, problems);
}
