#include "supervisor/groups_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#include "supervisor/core.h"
#include "supervisor/names.h"
#include "supervisor/registry.h"
#include "supervisor/registry_config.h"
#include "supervisor/system.h"
#include "supervisor/worker.h"

#define NAMES_PER_REQUEST 10000 /* everything else waits while they are joined */

/* The scope's entry, or NULL: then request is answered, and gone. */
static const struct entry *find_entry(struct request *request)
{
    const struct value *id = request_arg_as(request, 0, VALUE_STRING);
    const struct entry *entry;

    if (id == NULL || id->as.string.n == 0) {
        request_refuse(request, ERR_INVALID, "resource id is required");
        return NULL;
    }
    entry = registry_find(request->sup->registry, id->as.string.data, id->as.string.n);
    if (entry != NULL && strcmp(entry->kind, "pg.scope") == 0)
        return entry;
    if (entry == NULL && request->origin.type == ORIGIN_CLIENT)
        request_refuse(request, ERR_NOT_FOUND, "no such scope: %s", id->as.string.data);
    else if (entry == NULL)
        request_refuse(request, ERR_INTERNAL,
                       "failed to acquire pg scope: no such entry: %s",
                       id->as.string.data);
    else
        request_refuse(request, ERR_INVALID, "resource is not a pg scope: %s",
                       entry->kind);
    return NULL;
}

/* The name at i, 0 < its length; n = 0: answered. */
static struct bytes get_name(struct request *request, size_t i)
{
    const struct value *name = request_arg_as(request, i, VALUE_STRING);

    if (name == NULL || name->as.string.n == 0)
        request_refuse(request, ERR_INVALID, "group name is required");
    else if (name->as.string.n > NAME_MAX_BYTES)
        request_refuse(request, ERR_INVALID, "group name is too long");
    else
        return value_to_bytes(name);
    return (struct bytes){NULL, 0};
}

/* Without making anything. */
static struct group *find_group(const struct groups *groups, const struct entry *entry,
                                struct bytes name)
{
    struct scope *scope = map_find(&groups->scopes, entry->id, strlen(entry->id));

    return scope != NULL ? groups_find(scope, name) : NULL;
}

static void reply_true(struct request *request)
{
    const struct value yes = value_bool(true);

    request_reply(request, &yes);
}

static void handle_open(struct request *request)
{
    if (find_entry(request) != NULL)
        reply_true(request);
}

/* ---- membership ------------------------------------------------------------------ */

static bool has_names(struct request *request, size_t first)
{
    if (request->args.as.list.n <= first) {
        request_refuse(request, ERR_INVALID, "groups table must not be empty");
        return false;
    }
    if (request->args.as.list.n - first > NAMES_PER_REQUEST) {
        request_refuse(request, ERR_INVALID, "more than %d groups at once",
                       NAMES_PER_REQUEST);
        return false;
    }
    for (size_t i = first; i < request->args.as.list.n; i++)
        if (get_name(request, i).n == 0)
            return false;
    return true;
}

static void tell_about(struct groups *groups, struct scope *scope, uint64_t pid,
                       struct bytes name, int64_t count)
{
    const struct group *group = groups_find(scope, name);
    const struct member *member = map_find_number(&groups->members, pid);

    if (group != NULL && member != NULL)
        groups_tell(groups, group, member, count);
}

static void join_all(struct request *request, struct scope *scope,
                     const struct group_scope_config *limits, struct bytes host)
{
    struct groups *groups = request->sup->groups;
    const struct value *names = request->args.as.list.items;
    size_t n = request->args.as.list.n, i = 2;
    struct err err = {0};

    while (i < n &&
           groups_join(groups, scope, request->origin.who.worker, request->caller, host,
                       value_to_bytes(&names[i]), limits, &err) == 0)
        i++;
    if (i == n) {
        for (i = 2; i < n; i++)
            tell_about(groups, scope, request->caller, value_to_bytes(&names[i]), 1);
        reply_true(request);
        return;
    }
    while (i-- > 2)
        groups_leave(groups, scope, request->caller, value_to_bytes(&names[i]));
    request_fail(request, &err);
}

static void handle_join(struct request *request)
{
    const struct entry *entry = find_entry(request);
    const struct value *host;
    struct group_scope_config config;

    if (entry == NULL || !has_names(request, 2))
        return;
    host = request_arg_as(request, 1, VALUE_STRING);
    if (host == NULL || host->as.string.n > ID_MAX_BYTES || request->caller == 0 ||
        request->origin.type != ORIGIN_WORKER) {
        request_refuse(request, ERR_INVALID, "only processes join groups");
        return;
    }
    group_scope_config_read(entry, &config, NULL);
    join_all(request, groups_scope(request->sup->groups, entry->id), &config,
             value_to_bytes(host));
}

/* What watchers hear must be made before the group may go. */
static bool leave_one(struct groups *groups, const struct entry *entry, uint64_t pid,
                      struct bytes name)
{
    struct group *group = find_group(groups, entry, name);
    const struct member *member = map_find_number(&groups->members, pid);
    const void *key[2] = {member, group};

    if (group == NULL || member == NULL ||
        map_find(&groups->memberships, (const char *)key, sizeof(key)) == NULL)
        return false;
    groups_tell(groups, group, member, -1);
    return groups_leave(groups, group->scope, pid, name);
}

static void handle_leave(struct request *request)
{
    const struct value *names = request->args.as.list.items;
    size_t n = request->args.as.list.n, n_left = 0;
    const struct entry *entry = find_entry(request);

    if (entry == NULL || !has_names(request, 1))
        return;
    for (size_t i = 1; i < n; i++)
        n_left += leave_one(request->sup->groups, entry, request->caller,
                            value_to_bytes(&names[i]));
    if (n_left == 0 && n == 2)
        request_refuse(request, ERR_NOT_FOUND, "pg: process not joined in group");
    else
        reply_true(request);
}

/* ---- looking --------------------------------------------------------------------- */

static void handle_members(struct request *request)
{
    const struct entry *entry = find_entry(request);
    struct bytes name;
    struct value members;

    if (entry == NULL || (name = get_name(request, 1)).n == 0)
        return;
    members = groups_members(request->sup->groups,
                             find_group(request->sup->groups, entry, name));
    request_reply_taken(request, members);
}

static bool has_living(const struct groups *groups, const struct group *group)
{
    LIST_FOREACH (node, &group->memberships)
        if (groups_is_alive(groups, container_of(node, struct membership, of_group)))
            return true;
    return false;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(value_text(a), value_text(b));
}

static void handle_groups(struct request *request)
{
    const struct groups *groups = request->sup->groups;
    const struct entry *entry = find_entry(request);
    struct value list = value_list();
    const struct scope *scope;

    if (entry == NULL)
        return;
    scope = map_find(&groups->scopes, entry->id, strlen(entry->id));
    if (scope != NULL)
        MAP_FOREACH (row, &scope->groups) {
            const struct group *group = row->value;

            if (has_living(groups, group))
                value_append(&list, value_bytes(group->name, group->name_bytes));
        }
    if (list.as.list.n > 1)
        qsort(list.as.list.items, list.as.list.n, sizeof(struct value), compare_texts);
    request_reply_taken(request, list);
}

/* [scope, group or nil]; false: answered. */
static bool get_place(struct request *request, const struct entry **entry_out,
                      struct bytes *name_out)
{
    *name_out = (struct bytes){NULL, 0};
    *entry_out = find_entry(request);
    if (*entry_out == NULL)
        return false;
    if (request->origin.type != ORIGIN_WORKER) {
        request_refuse(request, ERR_INVALID, "only workers watch groups");
        return false;
    }
    if (request->args.as.list.n < 2 || request->args.as.list.items[1].type == VALUE_NIL)
        return true;
    *name_out = get_name(request, 1);
    return name_out->n != 0;
}

static void handle_watch(struct request *request)
{
    struct groups *groups = request->sup->groups;
    const struct entry *entry;
    struct scope *scope;
    struct group *group = NULL;
    struct bytes name;
    struct value snapshot;
    struct err err;

    if (!get_place(request, &entry, &name))
        return;
    scope = groups_scope(groups, entry->id);
    if (name.n != 0)
        group = groups_get(scope, name);
    if (groups_watch(groups, scope, group, request->origin.who.worker, &err) == -1) {
        if (group != NULL)
            groups_tidy(group);
        request_fail(request, &err);
        return;
    }
    snapshot = group != NULL ? groups_members(groups, group)
                             : groups_all_members(groups, scope);
    request_reply_taken(request, snapshot);
}

static void handle_unwatch(struct request *request)
{
    const struct value *id = request_arg_as(request, 0, VALUE_STRING);
    const struct value *name = request_arg_as(request, 1, VALUE_STRING);
    struct groups *groups = request->sup->groups;
    struct scope *scope =
        id != NULL && request->origin.type == ORIGIN_WORKER
            ? map_find(&groups->scopes, id->as.string.data, id->as.string.n)
            : NULL;
    struct group *group =
        scope != NULL && name != NULL ? groups_find(scope, value_to_bytes(name)) : NULL;

    if (scope != NULL && (name == NULL || group != NULL))
        groups_unwatch(groups, scope, group, request->origin.who.worker);
    request_reply(request, NULL);
}

static void handle_broadcast(struct request *request)
{
    const struct entry *entry = find_entry(request);
    struct group_scope_config config;
    struct bytes name;

    if (entry == NULL || (name = get_name(request, 1)).n == 0)
        return;
    if (request_arg_as(request, 2, VALUE_STRING) == NULL ||
        request_arg_as(request, 3, VALUE_STRING) == NULL ||
        request_arg_as(request, 4, VALUE_STRING) == NULL) {
        request_refuse(request, ERR_INVALID, "topic is required");
        return;
    }
    group_scope_config_read(entry, &config, NULL);
    groups_cast(request->sup->groups, find_group(request->sup->groups, entry, name),
                request, (uint64_t)config.broadcast_timeout_ms);
}

/* ---- for people ------------------------------------------------------------------ */

static struct value describe(const struct group *group)
{
    struct value row = value_map();
    int64_t n_watchers = 0;

    LIST_FOREACH (node, &group->watches)
        n_watchers += container_of(node, struct watch, of_place)->n_refs;
    value_put(&row, "scope", value_string(group->scope->id));
    value_put(&row, "group", value_bytes(group->name, group->name_bytes));
    value_put(&row, "members", value_int((int64_t)group->n_members));
    value_put(&row, "watchers", value_int(n_watchers));
    return row;
}

static int compare_rows(const void *a, const void *b)
{
    int by_scope = strcmp(value_get_text(a, "scope"), value_get_text(b, "scope"));

    return by_scope != 0
               ? by_scope
               : strcmp(value_get_text(a, "group"), value_get_text(b, "group"));
}

static void list_groups(struct request *request, const struct value *id)
{
    struct value list = value_list();

    MAP_FOREACH (scope_row, &request->sup->groups->scopes) {
        const struct scope *scope = scope_row->value;

        if (id != NULL && strcmp(scope->id, id->as.string.data) != 0)
            continue;
        MAP_FOREACH (row, &scope->groups)
            value_append(&list, describe(row->value));
    }
    if (list.as.list.n > 1)
        qsort(list.as.list.items, list.as.list.n, sizeof(struct value), compare_rows);
    request_reply_taken(request, list);
}

static void list_members(struct request *request, const struct group *group)
{
    struct value list = value_list();
    char text[PID_TEXT_MAX];

    if (group != NULL)
        LIST_FOREACH (node, &group->memberships) {
            const struct membership *one =
                container_of(node, struct membership, of_group);
            struct value *row;

            if (!groups_is_alive(request->sup->groups, one))
                continue;
            pid_format(text, one->member->host->text, strlen(one->member->host->text),
                       one->member->pid);
            row = value_append(&list, value_map());
            value_put(row, "pid", value_string(text));
            value_put(row, "joined", value_int(one->count));
        }
    request_reply_taken(request, list);
}

static void handle_list(struct request *request)
{
    const struct value *id = request_arg_as(request, 0, VALUE_STRING);
    const struct value *name = request_arg_as(request, 1, VALUE_STRING);
    const struct entry *entry;

    if (id == NULL) {
        list_groups(request, NULL);
        return;
    }
    entry = find_entry(request);
    if (entry == NULL)
        return;
    if (name != NULL)
        list_members(request,
                     find_group(request->sup->groups, entry, value_to_bytes(name)));
    else
        list_groups(request, id);
}

static const struct system_target targets[] = {
    {"pg.broadcast", handle_broadcast, ALLOW_WORKER},
    {"pg.groups", handle_groups, ALLOW_WORKER},
    {"pg.join", handle_join, ALLOW_WORKER},
    {"pg.leave", handle_leave, ALLOW_WORKER},
    {"pg.list", handle_list, ALLOW_CLIENT},
    {"pg.members", handle_members, ALLOW_WORKER},
    {"pg.open", handle_open, ALLOW_WORKER},
    {"pg.unwatch", handle_unwatch, ALLOW_WORKER},
    {"pg.watch", handle_watch, ALLOW_WORKER},
};

void groups_add_targets(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
