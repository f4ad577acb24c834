#include "supervisor/registry_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/id.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/nearest.h"

#include "supervisor/bytecode.h"
#include "supervisor/contracts.h"
#include "supervisor/interceptors.h"
#include "supervisor/interpolate.h"
#include "supervisor/lifecycle_security.h"
#include "supervisor/policy_check.h"
#include "supervisor/registry.h"
#include "supervisor/registry_config.h"
#include "supervisor/registry_fields.h"
#include "supervisor/registry_imports.h"
#include "supervisor/registry_kinds.h"
#include "supervisor/registry_requires.h"
#include "supervisor/token_targets.h"

#define NEAREST_CANDIDATES 1000 /* ids that a missing one is compared with */

/* ---- fields by kind -------------------------------------------------------------- */

enum rule_type {
    RULE_TEXT,      /* a text that isn't empty */
    RULE_REFERENCE, /* an id; its target should exist */
};

struct rule {
    const char *kind, *path; /* path starts with "meta." or is one of data */
    enum rule_type type;
    const char *missing;     /* what to say when it isn't there; NULL: optional */
    const char *target_kind; /* its start; NULL: any */
    const char *not_found;   /* NULL: a missing target is a warning only */
};

/* clang-format off */
static const struct rule rules[] = {
    {"process.service", "process", RULE_REFERENCE, "process is required", "process.lua", NULL},
    {"process.service", "host", RULE_REFERENCE, "host is required", "process.host", NULL},
    {"http.service", "addr", RULE_TEXT, "address is required", NULL, NULL},
    {"http.router", "meta.server", RULE_REFERENCE, "server metadata is required",
     "http.service", "server not found"},
    {"http.static", "meta.server", RULE_REFERENCE, "server metadata is required",
     "http.service", "server not found"},
    {"http.endpoint", "meta.router", RULE_REFERENCE, "router metadata is required",
     "http.router", "router not found"},
    {"http.endpoint", "func", RULE_REFERENCE, "function name is required", NULL, NULL},
    {"queue.queue", "driver", RULE_REFERENCE, "driver ID is required",
     "queue.driver.", "queue driver not found"},
    {"queue.consumer", "queue", RULE_REFERENCE, "queue ID is required",
     "queue.queue", "queue not found"},
    {"queue.consumer", "func", RULE_REFERENCE, "function ID is required", NULL, NULL},
    {"env.variable", "storage", RULE_REFERENCE, NULL, "env.storage.", NULL},
    {"env.storage.file", "file_path", RULE_TEXT, "file path must not be empty", NULL, NULL},
    {"db.sql.sqlite", "file", RULE_TEXT, "file path is required", NULL, NULL},
    {"fs.directory", "directory", RULE_TEXT, "directory is required", NULL, NULL},
    {"security.token_store", "store", RULE_REFERENCE, "store ID is required", "store.", NULL},
    {"template.jet", "set", RULE_REFERENCE, NULL, "template.set", NULL},
};
/* clang-format on */

static const struct value *find_field(const struct entry *entry, const char *path)
{
    if (strncmp(path, "meta.", 5) == 0)
        return value_get(&entry->meta, path + 5);
    return value_get_path(entry_fields(entry), path);
}

const char *nearest_entry(const struct snapshot *state, const char *kind_prefix,
                          const char *id)
{
    const char *ids[NEAREST_CANDIDATES];
    size_t n = 0, n_id = strlen(id);

    for (size_t i = 0; i < state->n && n < NEAREST_CANDIDATES; i++) {
        const struct entry *entry = state->entries[i];
        size_t n_entry = strlen(entry->id);

        if ((n_id > n_entry ? n_id - n_entry : n_entry - n_id) <= n_id / 3 + 1 &&
            (kind_prefix == NULL ||
             strncmp(entry->kind, kind_prefix, strlen(kind_prefix)) == 0))
            ids[n++] = entry->id;
    }
    return nearest_find(id, ids, n);
}

/* Whatever can be spawned is as good as a process.lua, whatever runs processes as good
 * as a process.host. */
static bool target_fits(const struct rule *rule, const struct entry *target)
{
    const struct kind *wanted =
        rule->target_kind == NULL ? NULL : kind_find(rule->target_kind);
    unsigned role = wanted == NULL ? 0 : wanted->flags & (KIND_PROCESS | KIND_HOST);

    if (role != 0)
        return target->type != NULL && (target->type->flags & role) != 0;
    return rule->target_kind == NULL ||
           strncmp(target->kind, rule->target_kind, strlen(rule->target_kind)) == 0;
}

static void check_target(const struct entry *entry, const struct rule *rule,
                         const char *id, const struct snapshot *state,
                         struct problems *problems)
{
    const struct entry *target = snapshot_find(state, id, strlen(id));
    struct problem_at at = entry_at(entry, rule->path);
    const char *nearest;
    char hint[400];

    if (target != NULL && target_fits(rule, target))
        return;
    if (target != NULL) {
        snprintf(hint, sizeof(hint), "name an entry of kind %s%s", rule->target_kind,
                 rule->target_kind[strlen(rule->target_kind) - 1] == '.' ? "*" : "");
        problems_add(problems, rule->not_found ? SEVERITY_ERROR : SEVERITY_WARNING,
                     ERR_INVALID, &at, hint, "%s is %s, a %s", rule->path, id,
                     target->kind);
        return;
    }
    nearest = problems->n == PROBLEMS_MAX ? NULL
                                          : nearest_entry(state, rule->target_kind, id);
    if (nearest != NULL)
        snprintf(hint, sizeof(hint), "did you mean %s?", nearest);
    else
        snprintf(hint, sizeof(hint), "declare that entry or correct the id");
    if (rule->not_found != NULL)
        problems_add(problems, SEVERITY_ERROR, ERR_NOT_FOUND, &at, hint, "%s: %s",
                     rule->not_found, id);
    else
        problems_add(problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at, hint,
                     "%s names %s, which does not exist", rule->path, id);
}

static void check_rule(const struct entry *entry, const struct rule *rule,
                       const struct snapshot *state, struct problems *problems)
{
    const struct value *field = find_field(entry, rule->path);
    const char *text = value_text(field);
    struct problem_at at = entry_at(entry, rule->path);
    char *id;

    if (field == NULL || field->type == VALUE_NIL ||
        (text != NULL && text[0] == '\0')) {
        if (rule->missing != NULL)
            problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL, "%s",
                         rule->missing);
        return;
    }
    if (rule->type == RULE_TEXT) {
        if (text == NULL)
            problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                         "put it into quotes", "%s must be a text", rule->path);
        return;
    }
    id = entry_resolve(entry, field);
    if (id == NULL)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, "write namespace:name",
                     "%s is no entry id", rule->path);
    else
        check_target(entry, rule, id, state, problems);
    free(id);
}

static void check_rules(const struct entry *entry, const struct snapshot *state,
                        struct problems *problems)
{
    for (size_t i = 0; i < N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].kind, entry->kind) == 0)
            check_rule(entry, &rules[i], state, problems);
}

/* PH-5: the runtime's own host is no place for apps. */
static void check_service(const struct entry *entry, struct problems *problems)
{
    const char *host = value_get_text(entry_fields(entry), "host");
    struct problem_at at = entry_at(entry, "host");

    if (host != NULL && strcmp(host, "node:control") == 0)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "name an entry of kind process.host", "invalid host: %s", host);
}

static void check_endpoint(const struct entry *entry, struct problems *problems)
{
    static const char *const methods[] = {"GET",   "POST", "PUT",     "DELETE",
                                          "PATCH", "HEAD", "OPTIONS", "TRACE"};
    const char *method = value_get_text(entry_fields(entry), "method");
    const char *path = value_get_text(entry_fields(entry), "path");
    struct problem_at at = entry_at(entry, "method");
    bool known = false;

    for (size_t i = 0; method != NULL && i < N_ELEMENTS(methods); i++)
        known = known || strcmp(method, methods[i]) == 0;
    if (!known)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write one of GET POST PUT DELETE PATCH HEAD OPTIONS TRACE",
                     "invalid HTTP method: %s", method == NULL ? "" : method);
    at = entry_at(entry, "path");
    if (path == NULL || path[0] != '/')
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "path must start with /");
}

static void check_exec(const struct entry *entry, struct problems *problems)
{
    const char *source = value_get_text(entry_fields(entry), "source");
    const struct value *command = value_get(entry_fields(entry), "command");
    struct problem_at at = entry_at(entry, "source");

    if ((source == NULL || source[0] == '\0') &&
        (command == NULL || command->type != VALUE_LIST || command->as.list.n == 0))
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "give source: file://script or command: [program, argument]",
                     "source or command is required");
}

/* ---- Lua kinds ------------------------------------------------------------------- */

/* A text that a Lua entry must have. */
static void check_text(const struct entry *entry, const char *path, const char *missing,
                       const char *hint, struct problems *problems)
{
    const struct value *value = value_get(entry_fields(entry), path);
    struct problem_at at = entry_at(entry, path);

    if (value == NULL || value->type == VALUE_NIL ||
        (value->type == VALUE_STRING && value->as.string.n == 0))
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, hint, "%s", missing);
    else if (value->type != VALUE_STRING)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, hint,
                     "%s must be a text", path);
}

/* `source: main.lua` is Lua of its own, if a strange one. */
static void check_source(const struct entry *entry, struct problems *problems)
{
    const char *source = value_get_text(entry_fields(entry), "source");
    size_t n = source == NULL ? 0 : strlen(source);
    struct problem_at at = entry_at(entry, "source");
    char hint[300];

    check_text(entry, "source", "source is required",
               "give source: file://name.lua or the Lua text itself", problems);
    if (n < 5 || n > 200 || strcmp(source + n - 4, ".lua") != 0 ||
        strncmp(source, "file://", 7) == 0 || strcspn(source, " \t\r\n") < n)
        return;
    snprintf(hint, sizeof(hint), "write source: file://%s", source);
    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at, hint,
                 "source is the name of a file, and taken as Lua");
}

static void check_lua(struct entry *entry, const struct snapshot *state,
                      struct problems *problems)
{
    size_t n_errors = problems->n_errors;

    if ((entry->type->flags & KIND_BYTECODE) != 0)
        bytecode_check(entry, state, problems);
    else
        check_source(entry, problems);
    if ((entry->type->flags & KIND_METHOD) != 0)
        check_text(entry, "method", "method is required",
                   "name the function of the source that is to run", problems);
    entry_read_bindings(entry, problems);
    if ((entry->type->flags & KIND_BYTECODE) == 0 && problems->n_errors == n_errors)
        requires_check(entry, problems);
}

/* ---- one entry ------------------------------------------------------------------- */

static void check_blocks(const struct entry *entry, const struct snapshot *state,
                         struct problems *problems)
{
    unsigned flags = entry->type->flags;

    if ((flags & KIND_POOL) != 0) {
        struct pool_config pool;

        pool_config_read(entry, &pool, problems);
    }
    if ((flags & KIND_SERVICE) != 0) {
        struct lifecycle_config lifecycle;

        lifecycle_config_read(entry, &lifecycle, problems);
        lifecycle_config_finish(&lifecycle);
        lifecycle_security_check(entry, state, problems);
    }
    if ((flags & KIND_HOST) != 0) {
        struct host_config host;

        host_config_read(entry, &host, problems);
    }
}

static void check_unknown(const struct entry *entry, struct problems *problems)
{
    struct problem_at at = entry_at(entry, "kind");
    const char *nearest = kind_nearest(entry->kind);
    char hint[120];

    snprintf(hint, sizeof(hint), "did you mean %s?", nearest == NULL ? "" : nearest);
    problems_add(problems, SEVERITY_ERROR, ERR_TIMEOUT, &at,
                 nearest == NULL ? "plain data has the kind registry.entry" : hint,
                 "unknown kind: %s", entry->kind);
}

static void warn_of_unsupported(const struct entry *entry, struct problems *problems)
{
    struct problem_at at = entry_at(entry, "kind");

    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at, NULL,
                 "kind %s is not supported by this build, keeping the entry as plain "
                 "data",
                 entry->kind);
}

/* Is there something that checks can look at? */
static bool check_data(const struct entry *entry, struct problems *problems)
{
    struct problem_at at;

    if (entry->data.type == VALUE_NIL) {
        at = entry_at(entry, "kind");
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "configuration data is required");
        return false;
    }
    if (entry->data.type < VALUE_LIST) {
        at = entry_at(entry, "data");
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at,
                     "write its fields below data, or leave data out",
                     "data must be a map of fields");
        return false;
    }
    return true;
}

static const struct {
    const char *kind;
    void (*check)(const struct entry *entry, struct problems *problems);
} checks[] = {
    {"function.exec", check_exec},
    {"http.endpoint", check_endpoint},
    {"interceptor.lua", interceptor_check},
    {"interceptor.lua.bc", interceptor_check},
    {"process.service", check_service},
    {"security.token_store", token_store_check},
    {POLICY_KIND, policy_entry_check},
    {POLICY_KIND_EXPRESSION, policy_entry_check},
};

static void check_by_kind(const struct entry *entry, struct problems *problems)
{
    for (size_t i = 0; i < N_ELEMENTS(checks); i++)
        if (strcmp(checks[i].kind, entry->kind) == 0)
            checks[i].check(entry, problems);
}

static void check_entry(struct entry *entry, const struct snapshot *state,
                        struct problems *problems)
{
    struct problem_at at = entry_at(entry, "name");

    if (strlen(entry->id) > ID_MAX_BYTES)
        problems_add(problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "the id is longer than %d bytes", ID_MAX_BYTES);
    if (entry->type == NULL) {
        check_unknown(entry, problems);
        return;
    }
    if ((entry->type->flags & KIND_SUPPORTED) == 0)
        warn_of_unsupported(entry, problems);
    if ((entry->type->flags & KIND_PLAIN) != 0 || !check_data(entry, problems))
        return;
    if ((entry->type->flags & KIND_LUA) != 0)
        check_lua(entry, state, problems);
    check_by_kind(entry, problems);
    check_rules(entry, state, problems);
    check_blocks(entry, state, problems);
    entry_check_fields(entry, state, problems);
}

static bool is_env_storage(const struct entry *entry)
{
    return strncmp(entry->kind, "env.storage.", 12) == 0;
}

/* Of the storages of environment variables, or of everything else. */
static void check_entries(const struct changeset *set, bool storages,
                          const struct env_lookup *lookup, struct problems *problems)
{
    for (size_t i = 0; i < set->n; i++) {
        struct entry *entry = set->changes[i].after;

        if (entry != NULL && is_env_storage(entry) == storages &&
            interpolate_entry(entry, lookup, set->result, problems))
            check_entry(entry, set->result, problems);
    }
}

/* ---- what is left behind --------------------------------------------------------- */

/* The ids that were there and won't be. */
static void find_gone(const struct changeset *set, struct map *gone)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct change *change = &set->changes[i];
        size_t n = strlen(change->of_id);

        if (change->after == NULL &&
            snapshot_find(set->result, change->of_id, n) == NULL)
            map_put(gone, change->of_id, n, (void *)change->before);
    }
}

static void warn_of_gone(const struct entry *entry, const struct map *gone,
                         struct problems *problems)
{
    for (size_t i = 0; i < N_ELEMENTS(rules); i++) {
        const struct rule *rule = &rules[i];
        const struct value *field;
        char *id = NULL;

        if (rule->type != RULE_REFERENCE || strcmp(rule->kind, entry->kind) != 0)
            continue;
        field = find_field(entry, rule->path);
        if (field != NULL && field->type != VALUE_NIL)
            id = entry_resolve(entry, field);
        if (id != NULL && map_find(gone, id, strlen(id)) != NULL) {
            struct problem_at at = entry_at(entry, rule->path);

            problems_add(problems, SEVERITY_WARNING, ERR_NOT_FOUND, &at,
                         "change or delete this entry too",
                         "%s names %s, which is deleted", rule->path, id);
        }
        free(id);
    }
}

/* Entries that don't change themselves, but name what goes: at the next start they will
 * be told of as well. */
static void check_left_behind(const struct changeset *set, struct problems *problems)
{
    struct map gone, changed;

    map_init(&gone);
    map_init(&changed);
    find_gone(set, &gone);
    for (size_t i = 0; gone.n != 0 && i < set->n; i++)
        map_put(&changed, set->changes[i].of_id, strlen(set->changes[i].of_id),
                &set->changes[i]);
    for (size_t i = 0; gone.n != 0 && i < set->result->n; i++) {
        const struct entry *entry = set->result->entries[i];

        if (map_find(&changed, entry->id, strlen(entry->id)) == NULL)
            warn_of_gone(entry, &gone, problems);
    }
    map_finish(&gone);
    map_finish(&changed);
}

/* ---- all of it ------------------------------------------------------------------- */

static bool concerns_variables(const struct changeset *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->changes[i].after != NULL &&
            strcmp(set->changes[i].after->kind, "env.variable") == 0)
            return true;
    return false;
}

void registry_check(struct changeset *set, const struct env_lookup *lookup,
                    struct problems *problems)
{
    check_entries(set, true, lookup, problems); /* ENV-06: all else may need them */
    check_entries(set, false, lookup, problems);
    if (concerns_variables(set))
        registry_check_variable_names(set->result, problems);
    check_left_behind(set, problems);
    imports_check(set, problems);
    contracts_check(set, problems);
}
