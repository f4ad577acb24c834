#include "supervisor/env.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/env_file.h"
#include "supervisor/registry.h"
#include "supervisor/system.h"

#define VALUE_MAX_BYTES  65536
#define ROUTER_MAX_STEPS 64 /* storages looked at for one variable */

extern char **environ;

struct env {
    struct registry *registry;
    struct map by_name;     /* public name -> entry; rows borrow the entry's text */
    struct map by_id;       /* id -> entry: only well declared variables */
    struct map memories;    /* id of an env.storage.memory -> struct memory */
    struct snapshot *state; /* keeps the entries that by_name and by_id point to */
};

struct memory {
    char *id;
    struct value values; /* a map */
};

/* What a storage of some kind can do. key is the variable's name. */
struct storage_kind {
    const char *kind;
    /* Owned text; NULL with err, NOT_FOUND when the key isn't there. */
    char *(*get)(struct env *env, const struct entry *storage, const char *key,
                 struct err *err);
    int (*set)(struct env *env, const struct entry *storage, const char *key,
               const char *value, struct err *err);
    void (*get_all)(struct env *env, const struct entry *storage, struct value *out);
};

static int not_found(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "environment variable not found");
}

static int read_only(struct env *env, const struct entry *storage, const char *key,
                     const char *value, struct err *err)
{
    (void)env, (void)storage, (void)key, (void)value;
    return err_set(err, ERR_PERMISSION_DENIED, "storage is read-only");
}

/* Scalars as text; NULL for the rest. Owned. */
static char *scalar_text(const struct value *value)
{
    struct buf buf;
    char *text = NULL;

    if (value == NULL || value->type == VALUE_NIL || value->type >= VALUE_LIST)
        return NULL;
    if (value->type == VALUE_STRING)
        return xstrdup(value->as.string.data);
    buf_init(&buf, 0);
    if (value_write_json(&buf, value, 0))
        text = xstrndup((char *)buf_head(&buf), buf_len(&buf));
    buf_finish(&buf);
    return text;
}

/* The union's first value stays. */
static void add_value(struct value *out, const char *key, size_t n_key,
                      const char *value, size_t n_value)
{
    char *name = xstrndup(key, n_key);

    if (value_get(out, name) == NULL)
        value_put(out, name, value_bytes(value, n_value));
    free(name);
}

/* ---- os
 * ------------------------------------------------------------------------------- */

static char *os_get(struct env *env, const struct entry *storage, const char *key,
                    struct err *err)
{
    const char *text = getenv(key);

    (void)env, (void)storage;
    if (text == NULL) {
        not_found(err);
        return NULL;
    }
    return xstrdup(text);
}

static void os_get_all(struct env *env, const struct entry *storage, struct value *out)
{
    (void)env, (void)storage;
    for (char **at = environ; *at != NULL; at++) {
        const char *equals = strchr(*at, '=');

        if (equals != NULL && equals != *at)
            add_value(out, *at, (size_t)(equals - *at), equals + 1, strlen(equals + 1));
    }
}

/* ---- memory
 * --------------------------------------------------------------------------- */

static struct memory *memory_of(struct env *env, const struct entry *storage)
{
    struct memory *memory = map_find(&env->memories, storage->id, strlen(storage->id));

    if (memory != NULL)
        return memory;
    memory = xcalloc(1, sizeof(*memory));
    memory->id = xstrdup(storage->id);
    memory->values = value_map();
    map_put(&env->memories, memory->id, strlen(memory->id), memory);
    return memory;
}

static void memory_forget(struct env *env, const char *id)
{
    struct memory *memory = map_remove(&env->memories, id, strlen(id));

    if (memory == NULL)
        return;
    value_finish(&memory->values);
    free(memory->id);
    free(memory);
}

static char *memory_get(struct env *env, const struct entry *storage, const char *key,
                        struct err *err)
{
    const char *text = value_get_text(&memory_of(env, storage)->values, key);

    if (text == NULL) {
        not_found(err);
        return NULL;
    }
    return xstrdup(text);
}

static int memory_set(struct env *env, const struct entry *storage, const char *key,
                      const char *value, struct err *err)
{
    (void)err;
    value_put(&memory_of(env, storage)->values, key, value_string(value));
    return 0;
}

static void memory_get_all(struct env *env, const struct entry *storage,
                           struct value *out)
{
    const struct value *values = &memory_of(env, storage)->values;

    for (size_t i = 0; i < values->as.map.n; i++) {
        const struct value_pair *pair = &values->as.map.pairs[i];

        add_value(out, pair->key, strlen(pair->key), pair->value.as.string.data,
                  pair->value.as.string.n);
    }
}

/* ---- static
 * --------------------------------------------------------------------------- */

static char *static_get(struct env *env, const struct entry *storage, const char *key,
                        struct err *err)
{
    char *text = scalar_text(value_get(value_get(&storage->data, "values"), key));

    (void)env;
    if (text == NULL)
        not_found(err);
    return text;
}

static void static_get_all(struct env *env, const struct entry *storage,
                           struct value *out)
{
    const struct value *values = value_get(&storage->data, "values");

    (void)env;
    for (size_t i = 0;
         values != NULL && values->type == VALUE_MAP && i < values->as.map.n; i++) {
        const struct value_pair *pair = &values->as.map.pairs[i];
        char *text = scalar_text(&pair->value);

        if (text != NULL)
            add_value(out, pair->key, strlen(pair->key), text, strlen(text));
        free(text);
    }
}

/* ---- file
 * ----------------------------------------------------------------------------- */

static const char *file_path(const struct entry *storage, struct err *err)
{
    const char *path = value_get_text(&storage->data, "file_path");

    if (path == NULL || path[0] == '\0')
        err_set(err, ERR_INVALID, "file path must not be empty");
    return path != NULL && path[0] != '\0' ? path : NULL;
}

static char *file_get(struct env *env, const struct entry *storage, const char *key,
                      struct err *err)
{
    const char *path = file_path(storage, err);
    struct bytes found_key, value;
    char *text = NULL;
    bool exists;
    struct buf file;
    size_t at = 0;

    (void)env;
    if (path == NULL || env_file_read(path, &file, &exists, err) != 0)
        return NULL;
    while (text == NULL && env_file_next(buf_bytes(&file), &at, &found_key, &value)) {
        if (found_key.n == strlen(key) && memcmp(found_key.data, key, found_key.n) == 0)
            text = xstrndup((const char *)value.data, value.n);
    }
    buf_finish(&file);
    if (text == NULL)
        not_found(err);
    return text;
}

static int file_set(struct env *env, const struct entry *storage, const char *key,
                    const char *value, struct err *err)
{
    const char *path = file_path(storage, err);
    struct env_file_modes modes = {
        (unsigned)value_get_int(&storage->data, "file_mode", 0644) & 0777,
        (unsigned)value_get_int(&storage->data, "dir_mode", 0755) & 0777,
        value_get_bool(&storage->data, "auto_create", false)};
    struct buf old, changed;
    bool exists;
    int rc;

    (void)env;
    if (strpbrk(value, "\r\n") != NULL)
        return err_set(err, ERR_INVALID, "a value in a file can't hold a line break");
    if (path == NULL || env_file_read(path, &old, &exists, err) != 0)
        return -1;
    buf_init(&changed, 0);
    env_file_edit(buf_bytes(&old), key, value, &changed);
    rc = env_file_write(path, buf_bytes(&changed), &modes, err);
    buf_finish(&old);
    buf_finish(&changed);
    return rc;
}

static void file_get_all(struct env *env, const struct entry *storage,
                         struct value *out)
{
    const char *path = file_path(storage, NULL);
    struct bytes key, value;
    struct err err = {0};
    struct buf file;
    bool exists;
    size_t at = 0;

    (void)env;
    if (path == NULL)
        return;
    if (env_file_read(path, &file, &exists, &err) != 0) {
        log_warn("environment file left out", "storage=%s why=%s", storage->id,
                 err.text);
        return;
    }
    while (env_file_next(buf_bytes(&file), &at, &key, &value))
        add_value(out, (const char *)key.data, key.n, (const char *)value.data,
                  value.n);
    buf_finish(&file);
}

/* ---- all kinds
 * ------------------------------------------------------------------------ */

static const struct storage_kind storage_kinds[] = {
    {"env.storage.file", file_get, file_set, file_get_all},
    {"env.storage.memory", memory_get, memory_set, memory_get_all},
    {"env.storage.os", os_get, read_only, os_get_all},
    {"env.storage.static", static_get, read_only, static_get_all},
};

static const struct storage_kind *find_kind(const struct entry *storage)
{
    for (unsigned i = 0; i < N_ELEMENTS(storage_kinds); i++) {
        if (strcmp(storage_kinds[i].kind, storage->kind) == 0)
            return &storage_kinds[i];
    }
    return NULL;
}

static bool is_router(const struct entry *storage)
{
    return strcmp(storage->kind, "env.storage.router") == 0;
}

static const struct entry *find_storage(const struct env *env, const char *id)
{
    const struct entry *storage =
        id != NULL ? registry_find(env->registry, id, strlen(id)) : NULL;

    if (storage == NULL || (find_kind(storage) == NULL && !is_router(storage)))
        return NULL;
    return storage;
}

/* ---- routers
 * -------------------------------------------------------------------------- */

/* Storages still to be looked at, the next one last. A router in it is replaced by its
 * own storages when its turn comes; routers that name each other end at the bound. */
struct plan {
    char *ids[ROUTER_MAX_STEPS];
    unsigned n, n_steps;
};

static void plan_push(struct plan *plan, char *id)
{
    if (plan->n < ROUTER_MAX_STEPS)
        plan->ids[plan->n++] = id;
    else
        free(id);
}

static void plan_finish(struct plan *plan)
{
    while (plan->n > 0)
        free(plan->ids[--plan->n]);
}

static void plan_expand(struct plan *plan, const struct entry *router)
{
    const struct value *list = value_get(&router->data, "storages");

    for (size_t i = list != NULL && list->type == VALUE_LIST ? list->as.list.n : 0;
         i > 0; i--) {
        char *id = entry_resolve(router, &list->as.list.items[i - 1]);

        if (id != NULL)
            plan_push(plan, id);
    }
}

/* The next storage that is no router; NULL at the end, or with err when it is missing.
 */
static const struct entry *plan_next(struct plan *plan, const struct env *env,
                                     struct err *err)
{
    while (plan->n > 0 && plan->n_steps++ < ROUTER_MAX_STEPS) {
        char *id = plan->ids[--plan->n];
        const struct entry *storage = find_storage(env, id);

        free(id);
        if (storage == NULL) {
            err_set(err, ERR_NOT_FOUND, "environment storage backend not found");
            return NULL;
        }
        if (!is_router(storage))
            return storage;
        plan_expand(plan, storage);
    }
    not_found(err);
    return NULL;
}

/* ---- variables
 * ------------------------------------------------------------------------ */

static const char *public_name(const struct entry *variable)
{
    const char *name = value_get_text(&variable->data, "variable");

    return name != NULL && name[0] != '\0' ? name : NULL;
}

static bool is_name(const char *name)
{
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    }
    return true;
}

/* NULL, or why this variable can't be registered. */
static const char *why_not(const struct env *env, const struct entry *variable)
{
    const char *name = public_name(variable);
    const char *storage = value_get_text(&variable->data, "storage");
    const char *colon = storage != NULL ? strchr(storage, ':') : NULL;

    if (name != NULL && !is_name(name))
        return "variable name may hold letters, digits and '_' only";
    if (colon == NULL || colon == storage || colon[1] == '\0')
        return "invalid storage ID format, must have both namespace and name";
    if (find_storage(env, storage) == NULL)
        return "environment storage backend not found";
    if (name != NULL && map_find(&env->by_name, name, strlen(name)) != NULL)
        return "variable name already exists";
    return NULL;
}

static bool is_variable(const struct entry *entry)
{
    return entry != NULL && strcmp(entry->kind, "env.variable") == 0;
}

static bool is_env_entry(const struct entry *entry)
{
    return entry != NULL && strncmp(entry->kind, "env.", 4) == 0;
}

/* Did this change make (or remake) that entry? NULL: everything is new. */
static bool is_new(const struct changeset *changeset, const struct entry *entry)
{
    for (size_t i = 0; changeset != NULL && i < changeset->n; i++) {
        if (changeset->changes[i].after == entry)
            return true;
    }
    return changeset == NULL;
}

static void rebuild(struct env *env, const struct changeset *changeset)
{
    map_finish(&env->by_name);
    map_finish(&env->by_id);
    snapshot_unref(env->state);
    env->state = registry_snapshot(env->registry);
    for (size_t i = 0; i < env->state->n; i++) {
        struct entry *entry = env->state->entries[i];
        const char *why, *name;

        if (!is_variable(entry))
            continue;
        why = why_not(env, entry);
        name = public_name(entry);
        if (why != NULL && is_new(changeset, entry))
            log_error("environment variable ignored", "entry=%s variable=%s why=%s",
                      entry->id, name != NULL ? name : "", why);
        if (why != NULL)
            continue;
        map_put(&env->by_id, entry->id, strlen(entry->id), entry);
        if (name != NULL)
            map_put(&env->by_name, name, strlen(name), entry);
    }
}

static void on_changed(void *context, const struct changeset *changeset)
{
    struct env *env = context;
    bool concerns_us = false;

    for (size_t i = 0; i < changeset->n; i++) {
        const struct change *change = &changeset->changes[i];

        if (!is_env_entry(change->before) && !is_env_entry(change->after))
            continue;
        concerns_us = true;
        if (change->before != NULL)
            memory_forget(env, change->before->id);
    }
    if (concerns_us)
        rebuild(env, changeset);
}

/* ENV-03, step 1. */
static const struct entry *find_variable(const struct env *env, const char *name,
                                         const char *space)
{
    const struct entry *variable = map_find(&env->by_name, name, strlen(name));
    char *id;

    if (variable == NULL)
        variable = map_find(&env->by_id, name, strlen(name));
    if (variable != NULL || space == NULL || strchr(name, ':') != NULL)
        return variable;
    id = xasprintf("%s:%s", space, name);
    variable = map_find(&env->by_id, id, strlen(id));
    free(id);
    return variable;
}

static char *read_variable(struct env *env, const struct entry *variable,
                           struct err *err)
{
    const char *name = public_name(variable), *key = name != NULL ? name : variable->id;
    struct plan plan = {.n = 0};
    const struct entry *storage;
    char *text = NULL;

    plan_push(&plan, xstrdup(value_get_text(&variable->data, "storage")));
    while (text == NULL && (storage = plan_next(&plan, env, err)) != NULL) {
        text = find_kind(storage)->get(env, storage, key, err);
        if (text == NULL && err->kind != ERR_NOT_FOUND)
            break;
    }
    plan_finish(&plan);
    return text;
}

char *env_get(struct env *env, const char *name, const char *space, struct err *err)
{
    const struct entry *variable;
    char *text, *fallback;

    if (name[0] == '\0') {
        err_set(err, ERR_INVALID, "empty key");
        return NULL;
    }
    variable = find_variable(env, name, space);
    if (variable == NULL) {
        not_found(err);
        return NULL;
    }
    text = read_variable(env, variable, err);
    if (text == NULL && err->kind != ERR_NOT_FOUND)
        return NULL;
    if (text != NULL && text[0] != '\0')
        return text;
    if (text != NULL) /* empty counts as missing */
        not_found(err);
    free(text);
    fallback = scalar_text(value_get(&variable->data, "default"));
    if (fallback != NULL && fallback[0] != '\0')
        return fallback;
    free(fallback);
    return NULL;
}

int env_set(struct env *env, const char *name, const char *value, const char *space,
            struct err *err)
{
    const struct entry *variable, *storage;
    struct plan plan = {.n = 0};
    const char *key;

    if (name[0] == '\0')
        return err_set(err, ERR_INVALID, "empty key");
    if (strlen(value) > VALUE_MAX_BYTES)
        return err_set(err, ERR_INVALID, "value is longer than %d bytes",
                       VALUE_MAX_BYTES);
    variable = find_variable(env, name, space);
    if (variable == NULL)
        return not_found(err);
    if (value_get_bool(&variable->data, "readonly", false))
        return err_set(err, ERR_PERMISSION_DENIED, "environment variable is read-only");
    plan_push(&plan, xstrdup(value_get_text(&variable->data, "storage")));
    storage = plan_next(&plan, env, err); /* a router writes to its first one */
    plan_finish(&plan);
    if (storage == NULL)
        return -1;
    key = public_name(variable) != NULL ? public_name(variable) : variable->id;
    return find_kind(storage)->set(env, storage, key, value, err);
}

struct value env_get_all(struct env *env)
{
    const struct snapshot *state = registry_state(env->registry);
    struct value all = value_map();

    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        const struct storage_kind *kind = is_env_entry(entry) ? find_kind(entry) : NULL;

        if (kind != NULL)
            kind->get_all(env, entry, &all);
    }
    return all;
}

/* ---- targets
 * --------------------------------------------------------------------------- */

static const char *text_arg(const struct request *request, size_t i)
{
    return i < request->args.as.list.n ? value_text(&request->args.as.list.items[i])
                                       : NULL;
}

static void handle_get(struct request *request)
{
    const char *name = text_arg(request, 0);
    struct err err = {0};
    struct value result;
    char *text;

    text = env_get(request->sup->env, name != NULL ? name : "", text_arg(request, 1),
                   &err);
    if (text == NULL) {
        request_fail(request, &err);
        return;
    }
    result = value_string(text);
    free(text);
    request_reply(request, &result);
    value_finish(&result);
}

static void handle_set(struct request *request)
{
    const char *name = text_arg(request, 0), *value = text_arg(request, 1);
    const struct value done = value_bool(true);
    struct err err = {0};

    if (value == NULL)
        err_set(&err, ERR_INVALID, "value must be text");
    else if (env_set(request->sup->env, name != NULL ? name : "", value,
                     text_arg(request, 2), &err) == 0) {
        request_reply(request, &done);
        return;
    }
    request_fail(request, &err);
}

static void handle_get_all(struct request *request)
{
    struct value all = env_get_all(request->sup->env);

    request_reply(request, &all);
    value_finish(&all);
}

static const struct system_target targets[] = {
    {"env.get", handle_get, ALLOW_ANY},
    {"env.get_all", handle_get_all, ALLOW_ANY},
    {"env.set", handle_set, ALLOW_ANY},
};

struct env *env_create(struct registry *registry, struct system *system)
{
    struct env *env = xcalloc(1, sizeof(*env));
    struct registry_observer observer = {.changed = on_changed, .context = env};

    env->registry = registry;
    map_init(&env->by_name);
    map_init(&env->by_id);
    map_init(&env->memories);
    registry_add_observer(registry, &observer);
    if (system != NULL)
        system_add_targets(system, targets, N_ELEMENTS(targets));
    rebuild(env, NULL);
    return env;
}

void env_destroy(struct env *env)
{
    if (env == NULL)
        return;
    MAP_FOREACH (row, &env->memories) {
        struct memory *memory = row->value;

        value_finish(&memory->values);
        free(memory->id);
        free(memory);
    }
    map_finish(&env->memories);
    map_finish(&env->by_name);
    map_finish(&env->by_id);
    snapshot_unref(env->state);
    free(env);
}
