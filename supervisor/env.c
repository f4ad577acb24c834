#include "supervisor/env.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/env_file.h"
#include "supervisor/env_storage.h"
#include "supervisor/interpolate.h"
#include "supervisor/offload.h"
#include "supervisor/registry.h"
#include "supervisor/system.h"

#define VALUE_MAX_BYTES  65536
#define ROUTER_MAX_STEPS 64 /* storages looked at for one variable */

/* The variables of one state of the registry. */
struct view {
    struct map by_name;     /* public name -> entry; rows borrow the entry's text */
    struct map by_id;       /* id -> entry: only well declared variables */
    struct snapshot *state; /* keeps the entries that by_name and by_id point to */
};

struct env {
    struct registry *registry;
    struct view now;
    struct view draft;   /* of a state that is being checked, for its placeholders */
    struct map memories; /* id of an env.storage.memory -> struct memory */
    unsigned n_writes;   /* to files, under way */
};

/* Each takes the disk's time, and what operators change waits behind them. */
#define WRITES_MAX 100

static bool is_router(const struct entry *storage)
{
    return strcmp(storage->kind, "env.storage.router") == 0;
}

static const struct entry *find_storage(const struct view *view, const char *id)
{
    const struct entry *storage =
        id != NULL ? snapshot_find(view->state, id, strlen(id)) : NULL;

    if (storage == NULL || (storage_kind_find(storage) == NULL && !is_router(storage)))
        return NULL;
    return storage;
}

/* ---- routers --------------------------------------------------------------------- */

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
    const struct value *list = value_get(entry_fields(router), "storages");
    size_t n = value_list_n(list), room = ROUTER_MAX_STEPS - plan->n;

    /* the first ones count where there is no room for all */
    for (size_t i = n < room ? n : room; i > 0; i--) {
        char *id = entry_resolve(router, &list->as.list.items[i - 1]);

        if (id != NULL)
            plan_push(plan, id);
    }
}

/* The next storage that is no router; NULL at the end, or with err when it is
 * missing. */
static const struct entry *plan_next(struct plan *plan, const struct view *view,
                                     struct err *err)
{
    while (plan->n > 0 && plan->n_steps++ < ROUTER_MAX_STEPS) {
        char *id = plan->ids[--plan->n];
        const struct entry *storage = find_storage(view, id);

        free(id);
        if (storage == NULL) {
            err_set(err, ERR_NOT_FOUND, "environment storage backend not found");
            return NULL;
        }
        if (!is_router(storage))
            return storage;
        plan_expand(plan, storage);
    }
    storage_set_not_found(err);
    return NULL;
}

/* ---- variables ------------------------------------------------------------------- */

static const char *public_name(const struct entry *variable)
{
    const char *name = value_get_text(&variable->data, "variable");

    return name != NULL && name[0] != '\0' ? name : NULL;
}

bool env_is_name(const char *name)
{
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    }
    return true;
}

static bool can_be_registered(const struct view *view, const struct entry *variable)
{
    const char *name = public_name(variable);
    const char *storage = value_get_text(&variable->data, "storage");
    const char *colon = storage != NULL ? strchr(storage, ':') : NULL;

    if (name != NULL && !env_is_name(name))
        return false;
    if (colon == NULL || colon == storage || colon[1] == '\0' ||
        find_storage(view, storage) == NULL)
        return false;
    return name == NULL || map_find(&view->by_name, name, strlen(name)) == NULL;
}

static bool is_variable(const struct entry *entry)
{
    return entry != NULL && strcmp(entry->kind, "env.variable") == 0;
}

static bool is_env_entry(const struct entry *entry)
{
    return entry != NULL && strncmp(entry->kind, "env.", 4) == 0;
}

/* What can't be registered is left out; whoever checked the change has said so. */
static void view_build(struct view *view, struct snapshot *state)
{
    map_finish(&view->by_name);
    map_finish(&view->by_id);
    snapshot_unref(view->state);
    view->state = snapshot_ref(state);
    for (size_t i = 0; i < state->n; i++) {
        struct entry *entry = state->entries[i];
        const char *name;

        if (!is_variable(entry) || !can_be_registered(view, entry))
            continue;
        name = public_name(entry);
        map_put(&view->by_id, entry->id, strlen(entry->id), entry);
        if (name != NULL)
            map_put(&view->by_name, name, strlen(name), entry);
    }
}

static void view_finish(struct view *view)
{
    map_finish(&view->by_name);
    map_finish(&view->by_id);
    snapshot_unref(view->state);
    view->state = NULL;
}

static void rebuild(struct env *env)
{
    struct snapshot *state = registry_snapshot(env->registry);

    view_build(&env->now, state);
    snapshot_unref(state);
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
            storage_forget(&env->memories, change->before->id);
    }
    if (concerns_us)
        rebuild(env);
    view_finish(&env->draft); /* what was being checked is history now */
}

/* ENV-03, step 1. */
static const struct entry *find_variable(const struct view *view, const char *name,
                                         const char *space)
{
    const struct entry *variable = map_find(&view->by_name, name, strlen(name));
    char *id;

    if (variable == NULL)
        variable = map_find(&view->by_id, name, strlen(name));
    if (variable != NULL || space == NULL || strchr(name, ':') != NULL)
        return variable;
    id = xasprintf("%s:%s", space, name);
    variable = map_find(&view->by_id, id, strlen(id));
    free(id);
    return variable;
}

static char *read_variable(struct env *env, const struct view *view,
                           const struct entry *variable, struct err *err)
{
    const char *name = public_name(variable), *key = name != NULL ? name : variable->id;
    struct plan plan = {.n = 0};
    const struct entry *storage;
    char *text = NULL;

    plan_push(&plan, xstrdup(value_get_text(&variable->data, "storage")));
    while (text == NULL && (storage = plan_next(&plan, view, err)) != NULL) {
        text = storage_kind_find(storage)->get(&env->memories, storage, key, err);
        if (text == NULL && err->kind != ERR_NOT_FOUND)
            break;
    }
    plan_finish(&plan);
    return text;
}

/* type_out: see struct env_lookup. */
static char *get(struct env *env, const struct view *view, const char *name,
                 const char *space, enum value_type *type_out, struct err *err)
{
    const struct entry *variable;
    const struct value *own;
    char *text, *fallback;

    if (name[0] == '\0') {
        err_set(err, ERR_INVALID, "empty key");
        return NULL;
    }
    variable = find_variable(view, name, space);
    if (variable == NULL) {
        storage_set_not_found(err);
        return NULL;
    }
    own = value_get(&variable->data, "default");
    *type_out = own != NULL ? own->type : VALUE_NIL;
    text = read_variable(env, view, variable, err);
    if (text == NULL && err->kind != ERR_NOT_FOUND)
        return NULL;
    if (text != NULL && text[0] != '\0')
        return text;
    if (text != NULL) /* empty counts as missing */
        storage_set_not_found(err);
    free(text);
    fallback = storage_scalar(own);
    if (fallback != NULL && fallback[0] != '\0')
        return fallback;
    free(fallback);
    return NULL;
}

char *env_get(struct env *env, const char *name, const char *space, struct err *err)
{
    enum value_type type;

    return get(env, &env->now, name, space, &type, err);
}

/* For placeholders in the entries of state, which isn't the registry's own yet. */
static char *get_draft(void *context, const struct snapshot *state, const char *name,
                       const char *space, enum value_type *type_out, struct err *err)
{
    struct env *env = context;

    if (env->draft.state != state)
        view_build(&env->draft, (struct snapshot *)state);
    return get(env, &env->draft, name, space, type_out, err);
}

/* Where a write of that variable goes, and under which key; NULL with err. */
static const struct entry *find_writable(struct env *env, const char *name,
                                         const char *value, const char *space,
                                         const char **key_out, struct err *err)
{
    const struct entry *variable = find_variable(&env->now, name, space), *storage;
    struct plan plan = {.n = 0};

    if (name[0] == '\0')
        err_set(err, ERR_INVALID, "empty key");
    else if (strlen(value) > VALUE_MAX_BYTES)
        err_set(err, ERR_INVALID, "value is longer than %d bytes", VALUE_MAX_BYTES);
    else if (variable == NULL)
        storage_set_not_found(err);
    else if (value_get_bool(&variable->data, "readonly", false))
        err_set(err, ERR_PERMISSION_DENIED, "environment variable is read-only");
    if (variable == NULL || err->text[0] != '\0')
        return NULL;
    plan_push(&plan, xstrdup(value_get_text(&variable->data, "storage")));
    storage = plan_next(&plan, &env->now, err); /* a router writes to its first one */
    plan_finish(&plan);
    *key_out = public_name(variable) != NULL ? public_name(variable) : variable->id;
    return storage;
}

struct value env_get_all(struct env *env)
{
    const struct snapshot *state = registry_state(env->registry);
    struct storage_union all = {.values = value_map()};

    map_init(&all.names);
    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];
        const struct storage_kind *kind =
            is_env_entry(entry) ? storage_kind_find(entry) : NULL;

        if (kind != NULL)
            kind->get_all(&env->memories, entry, &all);
    }
    map_finish(&all.names);
    return all.values;
}

/* ---- targets --------------------------------------------------------------------- */

static void handle_get(struct request *request)
{
    const char *name = request_text(request, 0);
    struct err err = {0};
    struct value result;
    char *text;

    text = env_get(request->sup->env, name != NULL ? name : "",
                   request_text(request, 1), &err);
    if (text == NULL) {
        request_fail(request, &err);
        return;
    }
    result = value_string(text);
    free(text);
    request_reply_taken(request, result);
}

/* A write to a file, which waits for the disk elsewhere. */
struct file_write {
    struct offload_job job;
    struct request *request;
    char *path, *key, *value;
    struct env_file_modes modes;
    struct err err;
    int rc;
};

static void write_file(struct offload_job *job)
{
    struct file_write *write = container_of(job, struct file_write, job);

    write->rc =
        env_file_set(write->path, write->key, write->value, &write->modes, &write->err);
}

static void on_written(struct offload_job *job)
{
    struct file_write *write = container_of(job, struct file_write, job);
    const struct value done = value_bool(true);

    write->request->sup->env->n_writes--;
    if (write->rc == 0)
        request_reply(write->request, &done);
    else
        request_fail(write->request, &write->err);
    free(write->path);
    free(write->key);
    free(write->value);
    free(write);
}

static void submit_write(struct request *request, const char *path, const char *key,
                         const char *value, struct env_file_modes modes)
{
    struct file_write *write = xcalloc(1, sizeof(*write));

    write->job = (struct offload_job){.work = write_file, .done = on_written};
    write->request = request;
    write->path = xstrdup(path);
    write->key = xstrdup(key);
    write->value = xstrdup(value);
    write->modes = modes;
    request->sup->env->n_writes++;
    offload_submit(request->sup->offload, &write->job);
}

static void handle_set(struct request *request)
{
    const char *name = request_text(request, 0), *value = request_text(request, 1),
               *key = NULL;
    struct env *env = request->sup->env;
    const struct value done = value_bool(true);
    const struct entry *storage = NULL;
    const char *path = NULL;
    struct err err = {0};

    if (value == NULL)
        err_set(&err, ERR_INVALID, "value must be text");
    else
        storage = find_writable(env, name != NULL ? name : "", value,
                                request_text(request, 2), &key, &err);
    if (storage != NULL && storage_is_file(storage) && env->n_writes >= WRITES_MAX) {
        err_set(&err, ERR_RATE_LIMITED, "%d variables are being written", WRITES_MAX);
    } else if (storage != NULL && storage_is_file(storage)) {
        path = storage_file_path(storage, &err);
        if (path != NULL) {
            submit_write(request, path, key, value, storage_file_modes(storage));
            return;
        }
    } else if (storage != NULL && storage_kind_find(storage)->set(
                                      &env->memories, storage, key, value, &err) == 0) {
        request_reply(request, &done);
        return;
    }
    request_fail(request, &err);
}

/* What else a variable is called: its id, and its public name. */
static void handle_get_names(struct request *request)
{
    const char *name = request_text(request, 0);
    const struct entry *variable = NULL;
    struct value names = value_list();

    if (name != NULL)
        variable =
            find_variable(&request->sup->env->now, name, request_text(request, 1));
    if (variable != NULL)
        value_append(&names, value_string(variable->id));
    if (variable != NULL && public_name(variable) != NULL)
        value_append(&names, value_string(public_name(variable)));
    request_reply_taken(request, names);
}

/* {public name: id} */
static void handle_get_ids(struct request *request)
{
    struct value ids = value_map();

    MAP_FOREACH (row, &request->sup->env->now.by_name) {
        const struct entry *variable = row->value;

        value_add_n(&ids, row->text, row->number, value_string(variable->id));
    }
    request_reply_taken(request, ids);
}

static void handle_get_all(struct request *request)
{
    struct value all = env_get_all(request->sup->env);

    request_reply_taken(request, all);
}

static const struct system_target targets[] = {
    {"env.get", handle_get, ALLOW_ANY},
    {"env.get_all", handle_get_all, ALLOW_ANY},
    {"env.get_ids", handle_get_ids, ALLOW_ANY},
    {"env.get_names", handle_get_names, ALLOW_ANY},
    {"env.set", handle_set, ALLOW_ANY},
};

void env_add_targets(struct system *system)
{
    system_add_targets(system, targets, N_ELEMENTS(targets));
}

struct env *env_create(struct registry *registry)
{
    struct env *env = xcalloc(1, sizeof(*env));
    struct registry_observer observer = {.changed = on_changed, .context = env};
    struct env_lookup lookup = {get_draft, env};

    env->registry = registry;
    map_init(&env->now.by_name);
    map_init(&env->now.by_id);
    map_init(&env->draft.by_name);
    map_init(&env->draft.by_id);
    map_init(&env->memories);
    registry_add_observer(registry, &observer);
    registry_set_env(registry, &lookup);
    rebuild(env);
    return env;
}

void env_destroy(struct env *env)
{
    if (env == NULL)
        return;
    storage_forget_all(&env->memories);
    view_finish(&env->now);
    view_finish(&env->draft);
    free(env);
}
