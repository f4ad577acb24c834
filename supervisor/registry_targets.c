#include "supervisor/registry_targets.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/registry.h"
#include "supervisor/problems.h"
#include "supervisor/registry_query.h"
#include "supervisor/registry_script.h"
#include "supervisor/rollout.h"
#include "supervisor/rollout_answer.h"
#include "supervisor/system.h"

/* ---- reading --------------------------------------------------------------------- */

static void handle_get(struct request *request)
{
    const char *id = request_text(request, 0);
    const struct entry *entry = NULL;

    if (id != NULL)
        entry = registry_find(request->sup->registry, id, strlen(id));
    if (entry != NULL)
        request_reply_taken(request, entry_to_value(entry));
    else if (id == NULL)
        request_refuse(request, ERR_INVALID, "entry ID required");
    else
        request_refuse(request, ERR_NOT_FOUND, "entry not found: %.255s", id);
}

static struct value describe_briefly(const struct entry *entry)
{
    struct value record = value_map();

    value_put(&record, "id", value_string(entry->id));
    value_put(&record, "kind", value_string(entry->kind));
    value_put(&record, "meta", value_copy(&entry->meta));
    return record;
}

static struct value entries_to_value(const struct snapshot *state, const char *space,
                                     struct value (*describe)(const struct entry *))
{
    struct value list = value_list();

    for (size_t i = 0; i < state->n; i++) {
        const struct entry *entry = state->entries[i];

        if (space != NULL && (strlen(space) != entry->namespace_bytes ||
                              memcmp(space, entry->id, entry->namespace_bytes) != 0))
            continue;
        value_append(&list, describe(entry));
    }
    return list;
}

/* [namespace | nil, brief]: brief leaves out data, which sources are most of */
static void handle_list(struct request *request)
{
    const struct value *brief = request_arg_as(request, 1, VALUE_BOOL);

    request_reply_taken(
        request, entries_to_value(registry_state(request->sup->registry),
                                  request_text(request, 0),
                                  brief != NULL && brief->as.boolean ? describe_briefly
                                                                     : entry_to_value));
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

    request_reply_taken(request, describe_version(registry_find_version(
                                     registry, registry_version(registry))));
}

static void handle_versions(struct request *request)
{
    struct registry *registry = request->sup->registry;
    const struct version *version = NULL;
    struct value list = value_list();

    while ((version = registry_next_version(registry, version)) != NULL) {
        struct value row = describe_version(version);

        value_put(&row, "current",
                  value_bool(version->id == registry_version(registry)));
        value_append(&list, row);
    }
    request_reply_taken(request, list);
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
    const struct value *filter = request_arg(request, 0);
    struct err err = {0};
    struct snapshot *state =
        state_at(request->sup->registry, request_arg(request, 1), &err);
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
    request_reply_taken(request, list);
}

/* {version, parent, entries} of a version, of the present one without an argument. */
static void handle_snapshot(struct request *request)
{
    struct registry *registry = request->sup->registry;
    struct value result;
    struct err err = {0};
    struct snapshot *state = state_at(registry, request_arg(request, 0), &err);

    if (state == NULL) {
        request_fail(request, &err);
        return;
    }
    result = describe_version(registry_find_version(registry, state->version));
    value_put(&result, "entries", entries_to_value(state, NULL, entry_to_value));
    snapshot_unref(state);
    request_reply_taken(request, result);
}

/* ---- changing -------------------------------------------------------------------- */

/* What a request asks for, until its turn has come. */
struct apply {
    struct request *request;
    struct operation *operations;
    size_t n;
    struct script script; /* or a text of changes */
    bool dry_run;
    uint64_t version; /* to switch to, when there are no operations */
    bool is_unknown;  /* there is no such version */
};

static void free_apply(void *context)
{
    struct apply *apply = context;

    operations_free(apply->operations, apply->n);
    script_finish(&apply->script);
    free(apply);
}

/* What apps see of any failure but a conflict is Internal with the whole chain
 * (REG-34). */
static void fail_apply(struct request *request, const struct err *why)
{
    static const char prefix[] = "failed to apply changes: ";
    const char *cause = why->text;
    struct value details;
    struct err err = {0};

    if (why->kind == ERR_CONFLICT && why->retryable == RETRY_YES) {
        request_fail(request, why);
        return;
    }
    if (strncmp(cause, prefix, strlen(prefix)) == 0)
        cause += strlen(prefix);
    err_set(&err, ERR_INTERNAL, "%s%s", prefix, cause);
    details = value_map();
    value_put(&details, "cause", value_string(cause));
    request_fail_with(request, &err, details);
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
        request_reply_taken(request, describe_version(registry_find_version(
                                         registry, report->version)));
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

static bool is_too_much(struct request *request)
{
    if (rollouts_count_waiting(request->sup->rollouts) < ROLLOUTS_MAX_WAITING)
        return false;
    request_refuse(request, ERR_RATE_LIMITED, "%d changes wait for their turn",
                   ROLLOUTS_MAX_WAITING);
    return true;
}

static void handle_apply(struct request *request)
{
    const struct value *list = request_arg(request, 0);
    struct apply *apply;
    struct err err = {0};
    size_t n = value_list_n(list);
    int rc = 0;

    if (n == 0) {
        request_refuse(request, ERR_INVALID, "no changes to apply");
        return;
    }
    if (is_too_much(request))
        return;
    apply = xcalloc(1, sizeof(*apply));
    apply->request = request;
    apply->operations = xcalloc(n, sizeof(*apply->operations));
    apply->n = n;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = operation_of_value(&list->as.list.items[i], &apply->operations[i], &err);
    if (rc == 0) {
        begin(apply, prepare_operations);
        return;
    }
    free_apply(apply);
    fail_apply(request, &err);
}

/* To the version that the request names; NULL: it named none and was refused. */
static struct apply *apply_of_version(struct request *request)
{
    const struct value *wanted = request_arg(request, 0);
    struct apply *apply;

    if (wanted == NULL || wanted->type != VALUE_INT || wanted->as.integer < 0) {
        request_refuse(request, ERR_INVALID, "invalid version ID");
        return NULL;
    }
    apply = xcalloc(1, sizeof(*apply));
    apply->request = request;
    apply->version = (uint64_t)wanted->as.integer;
    return apply;
}

static void handle_apply_version(struct request *request)
{
    struct apply *apply;

    if (is_too_much(request) || (apply = apply_of_version(request)) == NULL)
        return;
    begin(apply, prepare_version);
}

/* ---- changing, for operators ----------------------------------------------------- */

static void on_operated(void *context, const struct rollout_report *report)
{
    struct apply *apply = context;

    rollout_answer(apply->request, report, apply->dry_run);
    free_apply(apply);
}

/* An operator's change has services follow, an app's doesn't (REG-23). */
static void begin_operation(struct apply *apply,
                            struct changeset *(*prepare)(void *, struct problems *,
                                                         struct err *))
{
    struct rollout_request request = {.prepare = prepare,
                                      .done = on_operated,
                                      .drop = free_apply,
                                      .context = apply,
                                      .dry_run = apply->dry_run,
                                      .restarts = true};

    rollout_begin(apply->request->sup->rollouts, &request);
}

static struct changeset *prepare_script(void *context, struct problems *problems,
                                        struct err *err)
{
    const struct apply *apply = context;

    return script_prepare(&apply->script, apply->request->sup->registry, problems, err);
}

static void fail_script(struct request *request, struct problems *problems)
{
    struct value details = value_map();
    struct err err;

    problems_sort(problems);
    problems_set_err(problems, ERR_INVALID, "", &err);
    value_put(&details, "problems", problems_describe(problems));
    request_fail_with(request, &err, details);
}

/* [text, name, {dry_run}] */
static void handle_apply_text(struct request *request)
{
    const struct value *text = request_arg(request, 0);
    const char *name = request_text(request, 1);
    struct problems problems;
    struct apply *apply;

    if (text == NULL || text->type != VALUE_STRING) {
        request_refuse(request, ERR_INVALID, "a text of changes is required");
        return;
    }
    apply = xcalloc(1, sizeof(*apply));
    apply->request = request;
    apply->dry_run = value_get_bool(request_arg(request, 2), "dry_run", false);
    problems_init(&problems);
    if (script_read(&apply->script, name != NULL ? name : "-", text->as.string.data,
                    text->as.string.n, &problems) == 0) {
        begin_operation(apply, prepare_script);
    } else {
        fail_script(request, &problems);
        free_apply(apply);
    }
    problems_finish(&problems);
}

/* [n, {dry_run}] */
static void handle_rollback(struct request *request)
{
    struct apply *apply = apply_of_version(request);

    if (apply == NULL)
        return;
    apply->dry_run = value_get_bool(request_arg(request, 1), "dry_run", false);
    begin_operation(apply, prepare_version);
}

/* [n]: what a version changed */
static void handle_changes(struct request *request)
{
    const struct value *wanted = request_arg(request, 0);
    const struct version *version = NULL;
    struct value list;

    if (wanted != NULL && wanted->type == VALUE_INT && wanted->as.integer >= 0)
        version =
            registry_find_version(request->sup->registry, (uint64_t)wanted->as.integer);
    if (version == NULL) {
        request_refuse(request, ERR_NOT_FOUND, "version not found");
        return;
    }
    list = value_list();
    for (size_t i = 0; i < version->n; i++) {
        const struct change *change = &version->changes[i];
        struct value row = value_map();

        value_put(&row, "op", value_string(change_op_name(change->op)));
        value_put(&row, "id", value_string(change->of_id));
        if (change->before != NULL)
            value_put(&row, "before", entry_to_value(change->before));
        if (change->after != NULL)
            value_put(&row, "after", entry_to_value(change->after));
        value_append(&list, row);
    }
    request_reply_taken(request, list);
}

static const struct system_target targets[] = {
    {"registry.apply", handle_apply, ALLOW_ANY},
    {"registry.apply_text", handle_apply_text, ALLOW_CLIENT},
    {"registry.apply_version", handle_apply_version, ALLOW_ANY},
    {"registry.changes", handle_changes, ALLOW_CLIENT},
    {"registry.find", handle_find, ALLOW_ANY},
    {"registry.get", handle_get, ALLOW_ANY},
    {"registry.list", handle_list, ALLOW_ANY},
    {"registry.rollback", handle_rollback, ALLOW_CLIENT},
    {"registry.snapshot", handle_snapshot, ALLOW_ANY},
    {"registry.version", handle_version, ALLOW_ANY},
    {"registry.versions", handle_versions, ALLOW_ANY},
};

void registry_targets_add(struct supervisor *sup)
{
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
}
