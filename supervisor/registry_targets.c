#include "supervisor/registry_targets.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/registry_query.h"
#include "supervisor/rollout.h"
#include "supervisor/system.h"

static const struct value *arg(const struct request *request, size_t i)
{
    return i < request->args.as.list.n ? &request->args.as.list.items[i] : NULL;
}

static void reply_taken(struct request *request, struct value result)
{
    request_reply(request, &result);
    value_finish(&result);
}

/* ---- reading
 * ------------------------------------------------------------------------------ */

static void handle_get(struct request *request)
{
    const char *id = value_text(arg(request, 0));
    const struct entry *entry = NULL;
    struct err err = {0};

    if (id != NULL)
        entry = registry_find(request->sup->registry, id, strlen(id));
    if (entry != NULL) {
        reply_taken(request, entry_to_value(entry));
        return;
    }
    if (id == NULL)
        err_set(&err, ERR_INVALID, "entry ID required");
    else
        err_set(&err, ERR_NOT_FOUND, "entry not found: %.255s", id);
    request_fail(request, &err);
}

static struct value entries_to_value(const struct snapshot *state, const char *space)
{
    struct value list = value_list();

    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];

        if (space != NULL && (strlen(space) != entry->namespace_bytes ||
                              memcmp(space, entry->id, entry->namespace_bytes) != 0))
            continue;
        value_append(&list, entry_to_value(entry));
    }
    return list;
}

static void handle_list(struct request *request)
{
    reply_taken(request, entries_to_value(registry_state(request->sup->registry),
                                          value_text(arg(request, 0))));
}

static struct value describe_version(const struct version *version)
{
    struct value record = value_map();

    value_put(&record, "id", value_int((int64_t)version->id));
    value_put(&record, "parent", value_int((int64_t)version->parent));
    value_put(&record, "at", value_int(version->at_ns));
    value_put(&record, "n_changes", value_int((int64_t)version->n));
    return record;
}

static void handle_version(struct request *request)
{
    struct registry *registry = request->sup->registry;

    reply_taken(request, describe_version(registry_find_version(
                             registry, registry_version(registry))));
}

static void handle_versions(struct request *request)
{
    struct registry *registry = request->sup->registry;
    const struct version *version = NULL;
    struct value list = value_list();

    while ((version = registry_next_version(registry, version)) != NULL)
        value_append(&list, describe_version(version));
    reply_taken(request, list);
}

/* The state at a version, the present one when wanted is none; counted. */
static struct snapshot *state_at(struct registry *registry, const struct value *wanted,
                                 struct err *err)
{
    if (wanted != NULL && wanted->type == VALUE_INT)
        return registry_snapshot_at(registry, (uint64_t)wanted->as.integer, err);
    return registry_snapshot(registry);
}

static void add_found(void *context, const struct entry *entry)
{
    value_append(context, entry_to_value(entry));
}

static void handle_find(struct request *request)
{
    struct value everything = value_map(), list = value_list();
    const struct value *filter = arg(request, 0);
    struct err err = {0};
    struct snapshot *state = state_at(request->sup->registry, arg(request, 1), &err);
    struct query *query;

    if (state == NULL) {
        request_fail(request, &err);
        return;
    }
    query = query_create(filter != NULL && filter->type == VALUE_MAP ? filter
                                                                     : &everything);
    query_run(query, state, add_found, &list);
    query_destroy(query);
    snapshot_unref(state);
    reply_taken(request, list);
}

/* {version, parent, entries} of a version, of the present one without an argument. */
static void handle_snapshot(struct request *request)
{
    struct registry *registry = request->sup->registry;
    struct value result;
    struct err err = {0};
    struct snapshot *state = state_at(registry, arg(request, 0), &err);

    if (state == NULL) {
        request_fail(request, &err);
        return;
    }
    result = describe_version(registry_find_version(registry, state->version));
    value_put(&result, "entries", entries_to_value(state, NULL));
    snapshot_unref(state);
    reply_taken(request, result);
}

/* ---- changing
 * ----------------------------------------------------------------------------- */

/* What a request asks for, until its turn has come. */
struct apply {
    struct request *request;
    struct operation *operations;
    size_t n;
    uint64_t version; /* to switch to, when there are no operations */
    bool is_unknown;  /* there is no such version */
};

static void free_operations(struct operation *operations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        entry_unref(operations[i].entry);
        free((char *)operations[i].id);
    }
    free(operations);
}

static void free_apply(void *context)
{
    struct apply *apply = context;

    free_operations(apply->operations, apply->n);
    free(apply);
}

/* What apps see of any failure but a conflict is Internal with the whole chain
 * (REG-34).
 */
static void fail_apply(struct request *request, const struct err *why)
{
    static const char prefix[] = "failed to apply changes: ";
    struct err err = {0};

    if (why->kind == ERR_CONFLICT && why->retryable == RETRY_YES) {
        request_fail(request, why);
        return;
    }
    err_set(&err, ERR_INTERNAL, "%s%s",
            strncmp(why->text, prefix, strlen(prefix)) == 0 ? "" : prefix, why->text);
    request_fail(request, &err);
}

static void on_applied(void *context, const struct rollout_report *report)
{
    struct apply *apply = context;
    struct request *request = apply->request;
    struct registry *registry = request->sup->registry;

    bool is_unknown = apply->is_unknown;

    free_apply(apply);
    if (report->err != NULL && is_unknown)
        request_fail(request, report->err);
    else if (report->err != NULL)
        fail_apply(request, report->err);
    else
        reply_taken(request,
                    describe_version(registry_find_version(registry, report->version)));
}

/* Its problems are for one who changed files: an app gets one sentence. */
static struct changeset *prepare_operations(void *context, struct problems *problems,
                                            struct err *err)
{
    const struct apply *apply = context;

    (void)problems;
    return registry_prepare(apply->request->sup->registry, apply->operations, apply->n,
                            NULL, err);
}

static struct changeset *prepare_version(void *context, struct problems *problems,
                                         struct err *err)
{
    struct apply *apply = context;
    struct registry *registry = apply->request->sup->registry;

    (void)problems;
    apply->is_unknown = registry_find_version(registry, apply->version) == NULL;
    return registry_prepare_version(registry, apply->version, err);
}

/* Takes apply. */
static void begin(struct apply *apply,
                  struct changeset *(*prepare)(void *, struct problems *, struct err *))
{
    struct rollout_request request = {
        .prepare = prepare, .done = on_applied, .drop = free_apply, .context = apply};

    rollout_begin(apply->request->sup->rollouts, &request);
}

static int read_op(const char *text, enum change_op *op_out, struct err *err)
{
    static const enum change_op ops[] = {CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE};

    for (unsigned i = 0; text != NULL && i < N_ELEMENTS(ops); i++) {
        if (strcmp(change_op_name(ops[i]), text) == 0) {
            *op_out = ops[i];
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "invalid operation kind: %.60s",
                   text != NULL ? text : "none");
}

/* {kind, entry}; the operation's entry is counted for the caller. */
static int read_operation(const struct value *value, struct operation *out,
                          struct err *err)
{
    const struct value *entry = value_get(value, "entry");
    const struct value *id = entry;

    if (read_op(value_get_text(value, "kind"), &out->op, err) != 0)
        return -1;
    if (out->op != CHANGE_DELETE)
        return entry_of_value(entry, &out->entry, err);
    if (value_get(entry, "id") != NULL)
        id = value_get(entry, "id");
    out->id = entry_resolve(NULL, id);
    return out->id != NULL
               ? 0
               : err_set(err, ERR_INVALID, "entry must have valid id field");
}

static void handle_apply(struct request *request)
{
    const struct value *list = arg(request, 0);
    struct apply *apply;
    struct err err = {0};
    size_t n = list != NULL && list->type == VALUE_LIST ? list->as.list.n : 0;
    int rc = 0;

    if (n == 0) {
        err_set(&err, ERR_INVALID, "no changes to apply");
        request_fail(request, &err);
        return;
    }
    apply = xcalloc(1, sizeof(*apply));
    apply->request = request;
    apply->operations = xcalloc(n, sizeof(*apply->operations));
    apply->n = n;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = read_operation(&list->as.list.items[i], &apply->operations[i], &err);
    if (rc == 0) {
        begin(apply, prepare_operations);
        return;
    }
    free_apply(apply);
    fail_apply(request, &err);
}

static void handle_apply_version(struct request *request)
{
    const struct value *wanted = arg(request, 0);
    struct apply *apply;
    struct err err = {0};

    if (wanted == NULL || wanted->type != VALUE_INT || wanted->as.integer < 0) {
        err_set(&err, ERR_INVALID, "invalid version ID");
        request_fail(request, &err);
        return;
    }
    apply = xcalloc(1, sizeof(*apply));
    apply->request = request;
    apply->version = (uint64_t)wanted->as.integer;
    begin(apply, prepare_version);
}

static const struct system_target targets[] = {
    {"registry.apply", handle_apply, ALLOW_ANY},
    {"registry.apply_version", handle_apply_version, ALLOW_ANY},
    {"registry.find", handle_find, ALLOW_ANY},
    {"registry.get", handle_get, ALLOW_ANY},
    {"registry.list", handle_list, ALLOW_ANY},
    {"registry.snapshot", handle_snapshot, ALLOW_ANY},
    {"registry.version", handle_version, ALLOW_ANY},
    {"registry.versions", handle_versions, ALLOW_ANY},
};

void registry_targets_add(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
