#include "supervisor/registry.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"

#include "supervisor/problems.h"
#include "supervisor/registry_check.h"
#include "supervisor/registry_history.h"
#include "supervisor/registry_order.h"
#include "supervisor/registry_part.h"

#define CYCLE_NAMES_MAX 5 /* of a cycle, in a sentence */

/* ---- the state after a change ---------------------------------------------------- */

static int compare_changes(const void *left, const void *right)
{
    const struct change *a = left, *b = right;

    return strcmp(a->of_id, b->of_id);
}

/* The state after changes, which are sorted by id, one or two (delete, create) per
 * id. */
static struct snapshot *apply_changes(const struct snapshot *state,
                                      const struct change *changes, size_t n)
{
    struct snapshot *result = xcalloc(1, sizeof(*result));
    size_t i = 0, k = 0;

    result->n_refs = 1;
    result->entries = xmalloc((state->n + n + 1) * sizeof(void *));
    while (i < state->n || k < n) {
        int order = i == state->n ? 1
                    : k == n      ? -1
                                  : strcmp(state->entries[i]->id, changes[k].of_id);

        if (order < 0) {
            result->entries[result->n++] = entry_ref(state->entries[i++]);
            continue;
        }
        if (order == 0)
            i++;
        if (changes[k].after != NULL)
            result->entries[result->n++] = entry_ref(changes[k].after);
        k++;
    }
    return result;
}

/* ---- working a change out -------------------------------------------------------- */

/* What has become of one id so far. */
struct draft {
    const char *id;
    struct entry *before, *now;
    bool deleted; /* once: another kind may follow */
};

struct work {
    const struct snapshot *state;
    struct map by_id;
    struct draft **drafts;
    size_t n, size;
    struct problems *problems;
};

static struct draft *find_draft(struct work *work, const char *id)
{
    size_t n_bytes = strlen(id);
    struct draft *draft = map_find(&work->by_id, id, n_bytes);

    if (draft != NULL)
        return draft;
    draft = xcalloc(1, sizeof(*draft));
    draft->id = id;
    draft->before = (struct entry *)snapshot_find(work->state, id, n_bytes);
    draft->now = draft->before;
    if (work->n == work->size) {
        work->size = work->size == 0 ? 16 : work->size * 2;
        work->drafts = xrealloc(work->drafts, work->size * sizeof(void *));
    }
    work->drafts[work->n++] = draft;
    map_put(&work->by_id, id, n_bytes, draft);
    return draft;
}

/* "{ns: app, name: x}", as the texts of REG-21 name an id. */
static char *long_name(const char *id)
{
    const char *colon = strchr(id, ':');

    if (colon == NULL)
        return xasprintf("{ns: , name: %s}", id);
    return xasprintf("{ns: %.*s, name: %s}", (int)(colon - id), id, colon + 1);
}

static void refuse(struct work *work, enum err_kind kind, const char *id,
                   const struct entry *entry, const char *fmt)
{
    struct problem_at at = {.entry = id};
    char *name = long_name(id);

    if (entry != NULL)
        at = entry_at(entry, "name");
    problems_add(work->problems, SEVERITY_ERROR, kind, &at, NULL, fmt, name);
    free(name);
}

static void draft_create(struct work *work, struct draft *draft,
                         const struct operation *operation)
{
    if (draft->now != NULL)
        refuse(work, ERR_ALREADY_EXISTS, draft->id, operation->entry,
               "invalid operation: entry already exists: %s");
    else
        draft->now = operation->entry;
}

static void draft_update(struct work *work, struct draft *draft,
                         const struct operation *operation)
{
    const struct entry *entry = operation->entry;

    if (draft->now == NULL) {
        refuse(work, ERR_NOT_FOUND, draft->id, entry,
               "invalid operation: entry does not exist: %s");
    } else if (strcmp(draft->now->kind, entry->kind) != 0) {
        struct problem_at at = entry_at(entry, "kind");
        char *name = long_name(draft->id);

        problems_add(work->problems, SEVERITY_ERROR, ERR_INVALID, &at, NULL,
                     "invalid operation: cannot change entry kind from %s to %s for %s",
                     draft->now->kind, entry->kind, name);
        free(name);
    } else {
        draft->now = operation->entry;
    }
}

static void draft_delete(struct work *work, struct draft *draft)
{
    if (draft->now == NULL)
        refuse(work, ERR_NOT_FOUND, draft->id, NULL,
               "invalid operation: cannot delete non-existent entry: %s");
    draft->now = NULL;
    draft->deleted = true;
}

static const char *operation_id(const struct operation *operation)
{
    return operation->op == CHANGE_DELETE ? operation->id : operation->entry->id;
}

/* Deletions of what exists come first: so a kind can be changed in one changeset,
 * whichever of the two operations was listed first. */
static bool comes_first(const struct work *work, const struct operation *operation)
{
    return operation->op == CHANGE_DELETE &&
           snapshot_find(work->state, operation->id, strlen(operation->id)) != NULL;
}

static void draft_operations(struct work *work, const struct operation *operations,
                             size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (comes_first(work, &operations[i]))
            draft_delete(work, find_draft(work, operations[i].id));
    for (size_t i = 0; i < n; i++) {
        struct draft *draft;

        if (comes_first(work, &operations[i]))
            continue;
        draft = find_draft(work, operation_id(&operations[i]));
        if (operations[i].op == CHANGE_CREATE)
            draft_create(work, draft, &operations[i]);
        else if (operations[i].op == CHANGE_UPDATE)
            draft_update(work, draft, &operations[i]);
        else
            draft_delete(work, draft);
    }
}

static void add_change(struct changeset *set, enum change_op op, struct entry *before,
                       struct entry *after)
{
    set->changes[set->n++] =
        (struct change){.op = op,
                        .of_id = after == NULL ? before->id : after->id,
                        .before = before == NULL ? NULL : entry_ref(before),
                        .after = after == NULL ? NULL : entry_ref(after)};
}

/* One draft gives no change, one, or (another kind under the same id) two. */
static void add_draft(struct changeset *set, const struct draft *draft)
{
    struct entry *before = draft->before, *now = draft->now;

    if (before == now)
        return;
    if (before == NULL) {
        add_change(set, CHANGE_CREATE, NULL, now);
    } else if (now == NULL) {
        add_change(set, CHANGE_DELETE, before, NULL);
    } else if (strcmp(before->kind, now->kind) == 0) {
        add_change(set, CHANGE_UPDATE, before, now);
    } else {
        add_change(set, CHANGE_DELETE, before, NULL);
        add_change(set, CHANGE_CREATE, NULL, now);
    }
}

static void finish_work(struct work *work)
{
    for (size_t i = 0; i < work->n; i++)
        free(work->drafts[i]);
    free(work->drafts);
    map_finish(&work->by_id);
}

void changeset_destroy(struct changeset *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->n; i++) {
        entry_unref(set->changes[i].before);
        entry_unref(set->changes[i].after);
    }
    for (size_t i = 0; i < set->n_affected; i++)
        entry_unref(set->affected[i]);
    free(set->changes);
    free(set->affected);
    snapshot_unref(set->result);
    free(set);
}

/* A stable order for equal ids: the deletion before the creation. */
static void sort_changes(struct changeset *set)
{
    if (set->n > 1)
        qsort(set->changes, set->n, sizeof(*set->changes), compare_changes);
    for (size_t i = 1; i < set->n; i++) {
        struct change *a = &set->changes[i - 1], *b = &set->changes[i];

        if (strcmp(a->of_id, b->of_id) == 0 && b->op == CHANGE_DELETE) {
            struct change swap = *a;

            *a = *b;
            *b = swap;
        }
    }
}

/* ---- ordering and checking ------------------------------------------------------- */

static struct change *find_change(struct map *by_id, const struct entry *entry)
{
    return map_find(by_id, entry->id, strlen(entry->id));
}

/* The entries, sorted by id, can't all come after what they need. */
static void warn_of_cycle(struct problems *problems, struct entry *const *entries,
                          size_t n)
{
    struct problem_at at = entry_at(entries[0], "");
    struct buf names;

    buf_init(&names, 0);
    for (size_t i = 0; i < n && i < CYCLE_NAMES_MAX; i++) {
        buf_append_text(&names, i == 0 ? "" : ", ");
        buf_append_text(&names, entries[i]->id);
    }
    problems_add(problems, SEVERITY_WARNING, ERR_INVALID, &at, NULL,
                 "%zu entries need each other in a cycle, or one that does, and are "
                 "taken by id: %.*s%s",
                 n, (int)buf_bytes(&names).n, (const char *)buf_bytes(&names).data,
                 n > CYCLE_NAMES_MAX ? ", ..." : "");
    buf_finish(&names);
}

/* Moves the changes of one direction into ordered, by need. */
static size_t order_part(const struct changeset *set, const struct snapshot *state,
                         bool deletions, struct change *ordered,
                         struct problems *problems)
{
    struct entry **entries = xcalloc(set->n + 1, sizeof(void *));
    struct map by_id;
    size_t n = 0, n_cyclic;

    map_init(&by_id);
    for (size_t i = 0; i < set->n; i++) {
        struct change *change = &set->changes[i];

        if ((change->op == CHANGE_DELETE) != deletions)
            continue;
        entries[n] = deletions ? change->before : change->after;
        map_put(&by_id, entries[n]->id, strlen(entries[n]->id), change);
        n++;
    }
    n_cyclic = entries_sort_by_need(entries, n, state);
    if (n_cyclic != 0)
        warn_of_cycle(problems, entries + n - n_cyclic, n_cyclic);
    for (size_t i = 0; i < n; i++)
        ordered[deletions ? n - 1 - i : i] = *find_change(&by_id, entries[i]);
    map_finish(&by_id);
    free(entries);
    return n;
}

static void order_changes(struct changeset *set, const struct snapshot *state,
                          struct problems *problems)
{
    struct change *ordered = xcalloc(set->n + 1, sizeof(*ordered));
    size_t n;

    n = order_part(set, state, true, ordered, problems);
    order_part(set, set->result, false, ordered + n, problems);
    free(set->changes);
    set->changes = ordered;
}

/* The ids of all entries with a NotFound problem, as REG-15 lists them. */
static void join_not_found(const struct problems *problems, char *out, size_t out_bytes)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < problems->n; i++) {
        const struct problem *row = &problems->rows[i];
        size_t n_id = row->entry == NULL ? 0 : strlen(row->entry);

        if (row->severity != SEVERITY_ERROR || n_id == 0 || n + n_id + 2 > out_bytes)
            continue;
        if (n != 0)
            out[n++] = ',';
        memcpy(out + n, row->entry, n_id + 1);
        n += n_id;
    }
}

/* One sentence for all problems, in the words of REG-15 and REG-21. */
static int fail_with(const struct problems *problems, struct err *err)
{
    const struct problem *first = NULL;
    char ids[200];

    for (size_t i = 0; i < problems->n && first == NULL; i++)
        if (problems->rows[i].severity == SEVERITY_ERROR &&
            problems->rows[i].kind != ERR_NOT_FOUND)
            first = &problems->rows[i];
    if (first != NULL && strncmp(first->text, "invalid operation", 17) == 0)
        return err_set(err, ERR_INTERNAL, "failed to apply changes: %s", first->text);
    if (first != NULL && first->kind == ERR_TIMEOUT)
        return err_set(err, ERR_INTERNAL,
                       "failed to apply changes: event handler timeout after 30s for "
                       "entry %s (%s): no listener responded - check if listener is "
                       "registered for this kind; %s",
                       first->entry, strstr(first->text, "kind: "), first->hint);
    if (first != NULL)
        return err_set(err, ERR_INTERNAL,
                       "failed to apply changes: operation failed for entry %s: %s",
                       first->entry == NULL ? "" : first->entry, first->text);
    first = problems_first_error(problems);
    join_not_found(problems, ids, sizeof(ids));
    return err_set(
        err, ERR_INTERNAL,
        "failed to apply changes: unresolved dependencies after retry: %s: %s", ids,
        first == NULL ? "" : first->text);
}

static void log_warnings(const struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        const struct problem *row = &problems->rows[i];

        if (row->severity == SEVERITY_WARNING)
            log_warn("registry change has a flaw, taking it anyway", "entry=%s what=%s",
                     row->entry == NULL ? "" : row->entry, row->text);
    }
}

static struct changeset *changeset_of_work(const struct registry *registry,
                                           const struct work *work)
{
    struct changeset *set = xcalloc(1, sizeof(*set));

    set->base = registry_version(registry);
    set->changes = xcalloc(work->n * 2 + 1, sizeof(*set->changes));
    for (size_t i = 0; i < work->n; i++)
        add_draft(set, work->drafts[i]);
    sort_changes(set);
    set->result = apply_changes(registry_state(registry), set->changes, set->n);
    return set;
}

static struct changeset *finish_prepare(struct registry *registry, struct work *work,
                                        bool telling, struct err *err)
{
    struct problems *problems = work->problems;
    struct changeset *set = changeset_of_work(registry, work);

    if (set->result->n > REGISTRY_MAX_ENTRIES) {
        err_set(err, ERR_INVALID, "the registry would have %zu entries, more than %d",
                set->result->n, REGISTRY_MAX_ENTRIES);
        changeset_destroy(set);
        return NULL;
    }
    order_changes(set, registry_state(registry), problems);
    registry_check(set, registry_env(registry), problems);
    if (!telling)
        log_warnings(problems);
    if (problems->n_errors == 0)
        return set;
    if (telling)
        problems_set_err(problems, ERR_INVALID, "", err);
    else
        fail_with(problems, err);
    changeset_destroy(set);
    return NULL;
}

struct changeset *registry_prepare(struct registry *registry,
                                   const struct operation *operations, size_t n,
                                   struct problems *problems, struct err *err)
{
    struct problems own;
    struct work work = {.state = registry_state(registry),
                        .problems = problems == NULL ? &own : problems};
    struct changeset *set;

    problems_init(&own);
    map_init(&work.by_id);
    draft_operations(&work, operations, n);
    set = finish_prepare(registry, &work, problems != NULL, err);
    finish_work(&work);
    problems_finish(&own);
    return set;
}

static void draft_file_entry(struct work *work, struct entry *entry)
{
    struct draft *draft = find_draft(work, entry->id);

    if (draft->before == NULL || !entry_equal(draft->before, entry))
        draft->now = entry;
}

static void draft_reload(struct work *work, struct entry *const *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        draft_file_entry(work, entries[i]);
    for (size_t i = 0; i < work->state->n; i++) {
        struct entry *entry = work->state->entries[i];
        size_t n_bytes = strlen(entry->id);

        if (entry_is_of_sources(entry) &&
            map_find(&work->by_id, entry->id, n_bytes) == NULL)
            find_draft(work, entry->id)->now = NULL;
    }
}

static struct changeset *finish_reload(struct registry *registry, struct work *work,
                                       struct err *err)
{
    struct changeset *set = finish_prepare(registry, work, true, err);

    if (set != NULL)
        set->of_files = true;
    finish_work(work);
    return set;
}

struct changeset *registry_prepare_reload(struct registry *registry,
                                          struct entry *const *entries, size_t n,
                                          struct problems *problems, struct err *err)
{
    struct work work = {.state = registry_state(registry), .problems = problems};

    map_init(&work.by_id);
    draft_reload(&work, entries, n);
    return finish_reload(registry, &work, err);
}

static void draft_part(struct work *work, struct entry *const *entries, size_t n,
                       const char *id)
{
    const struct entry *present = snapshot_find(work->state, id, strlen(id));
    struct map part;

    map_init(&part);
    registry_part_find(entries, n, id, &part);
    MAP_FOREACH (row, &part)
        draft_file_entry(work, row->value);
    if (part.n == 0 && present != NULL && entry_is_of_sources(present))
        find_draft(work, present->id)->now = NULL;
    map_finish(&part);
}

struct changeset *registry_prepare_part(struct registry *registry,
                                        struct entry *const *entries, size_t n,
                                        const char *id, struct problems *problems,
                                        struct err *err)
{
    struct work work = {.state = registry_state(registry), .problems = problems};

    map_init(&work.by_id);
    draft_part(&work, entries, n, id);
    return finish_reload(registry, &work, err);
}

/* ---- versions -------------------------------------------------------------------- */

static void draft_target(void *context, const char *id, struct entry *entry)
{
    find_draft(context, id)->now = entry;
}

struct changeset *registry_prepare_version(struct registry *registry, uint64_t version,
                                           struct err *err)
{
    struct problems problems;
    struct work work = {.state = registry_state(registry), .problems = &problems};
    struct changeset *set = NULL;

    problems_init(&problems);
    map_init(&work.by_id);
    if (history_path(registry_history(registry), version, draft_target, &work, err) ==
        0)
        set = finish_prepare(registry, &work, false, err);
    if (set != NULL) {
        set->switches = version != registry_version(registry);
        set->target = version;
    }
    finish_work(&work);
    problems_finish(&problems);
    return set;
}

struct snapshot *registry_snapshot_at(struct registry *registry, uint64_t version,
                                      struct err *err)
{
    struct problems none;
    struct work work = {.state = registry_state(registry), .problems = &none};
    struct snapshot *result = NULL;
    struct changeset *set;

    problems_init(&none);
    map_init(&work.by_id);
    if (history_path(registry_history(registry), version, draft_target, &work, err) ==
        0) {
        set = changeset_of_work(registry, &work);
        result = snapshot_ref(set->result);
        result->version = version;
        changeset_destroy(set);
    }
    finish_work(&work);
    return result;
}
