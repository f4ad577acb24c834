#include "supervisor/rollout.h"

#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/err.h"
#include "common/id.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/code.h"
#include "supervisor/code_news.h"
#include "supervisor/config.h"
#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/pool.h"
#include "supervisor/pool_setup.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_store.h"
#include "supervisor/rollout_plan.h"
#include "supervisor/service_outdated.h"
#include "supervisor/worker.h"

#define START_WINDOW    16 /* pools that start at a time */
#define WORKERS_AT_MOST (PID_MAX_WORKERS - 64)

enum phase {
    PHASE_WAITS,
    PHASE_COMPILES,
    PHASE_STARTS,
    PHASE_RECORDS,
    PHASE_TELLS,
    PHASE_RESTARTS,
};

/* A new pool on its way. */
struct stage {
    struct rollout *rollout;
    struct entry *entry; /* counted */
    struct pool *pool;   /* NULL: not made yet, given up, or it needs none */
};

/* One change. Callbacks of others only note what came and kick; on_kick() moves it on:
 * so none of them finds its own object gone. */
struct rollout {
    struct list link; /* in waiting or restarting; none while it is the current one */
    struct rollouts *rollouts;
    struct rollout_request request;
    enum phase phase;
    bool phase_over;
    struct changeset *changeset; /* until the commit */
    struct snapshot *before;
    struct stage *stages;
    size_t n_stages, n_begun, n_started;
    struct problems problems;
    struct err why; /* of the first failure; no text: none */
    struct value plan;
    struct service_restarts *restarts;
    bool committed;
    uint64_t version;
};

struct rollouts {
    struct supervisor *sup;
    struct list waiting, restarting;
    struct rollout *current;
    struct ev_timer kick;
    struct ev_timer patience; /* with the current one, until it is recorded */
    bool closed;
};

/* ---- life of one ----------------------------------------------------------------- */

static void kick(struct rollouts *rollouts)
{
    if (!ev_is_active(&rollouts->kick))
        ev_timer_start(rollouts->sup->loop, &rollouts->kick);
}

static void end_phase(struct rollout *rollout)
{
    rollout->phase_over = true;
    kick(rollout->rollouts);
}

static void free_rollout(struct rollout *rollout)
{
    list_remove(&rollout->link);
    for (size_t i = 0; i < rollout->n_stages; i++)
        entry_unref(rollout->stages[i].entry);
    free(rollout->stages);
    changeset_destroy(rollout->changeset);
    snapshot_unref(rollout->before);
    problems_finish(&rollout->problems);
    value_finish(&rollout->plan);
    free(rollout);
}

static bool has_failed(const struct rollout *rollout)
{
    return rollout->why.text[0] != '\0';
}

static void finish(struct rollout *rollout)
{
    struct rollouts *rollouts = rollout->rollouts;
    struct rollout_report report = {.err = has_failed(rollout) ? &rollout->why : NULL,
                                    .problems = &rollout->problems,
                                    .committed = rollout->committed,
                                    .version = rollout->version,
                                    .plan = &rollout->plan};

    if (rollouts->current == rollout) {
        ev_timer_stop(rollouts->sup->loop, &rollouts->patience);
        rollouts->current = NULL;
    }
    problems_sort(&rollout->problems);
    rollout->request.done(rollout->request.context, &report);
    free_rollout(rollout);
    kick(rollouts);
}

/* What was compiled for entries that won't be. */
static void forget_code(const struct rollout *rollout)
{
    const struct changeset *changeset = rollout->changeset;

    for (size_t i = 0; changeset != NULL && i < changeset->n; i++)
        if (changeset->changes[i].after != NULL)
            code_forget(rollout->rollouts->sup->code, changeset->changes[i].after);
}

static void discard_stages(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->n_stages; i++) {
        struct pool *pool = rollout->stages[i].pool;

        rollout->stages[i].pool = NULL; /* its answer doesn't count any more */
        if (pool != NULL)
            pools_discard(pool);
    }
}

static void give_up(struct rollout *rollout)
{
    discard_stages(rollout);
    forget_code(rollout);
    finish(rollout);
}

/* ---- compile --------------------------------------------------------------------- */

static void note_failure(struct rollout *rollout, const struct entry *entry,
                         const struct err *err, const char *what)
{
    if (!has_failed(rollout))
        err_set(&rollout->why, err->kind, "operation failed for entry %s: %s%s",
                entry->id, what, err->text);
}

static void on_problem(void *context, const struct entry *entry, const struct err *err,
                       const struct value *details)
{
    struct rollout *rollout = context;

    note_failure(rollout, entry, err, "");
    code_add_problem(&rollout->problems, entry, err, details);
}

static void on_compiled(void *context, size_t n_compiled, size_t n_failed)
{
    (void)n_compiled, (void)n_failed;
    end_phase(context);
}

static void compile(struct rollout *rollout)
{
    const struct changeset *changeset = rollout->changeset;
    struct entry **entries = xcalloc(changeset->n + 1, sizeof(struct entry *));
    size_t n = 0;

    rollout->phase = PHASE_COMPILES;
    for (size_t i = 0; i < changeset->n; i++)
        if (changeset->changes[i].after != NULL)
            entries[n++] = changeset->changes[i].after;
    code_compile(rollout->rollouts->sup->code, entries, n, on_problem, on_compiled,
                 rollout);
    free(entries);
}

static void arm_patience(struct rollouts *rollouts)
{
    uint64_t limit_ms =
        config_get_ms(rollouts->sup->config, "registry.event_wait_timeout");

    ev_now_update(rollouts->sup->loop);
    ev_timer_set(&rollouts->patience, (double)limit_ms / 1e3, 0);
    ev_timer_start(rollouts->sup->loop, &rollouts->patience);
}

static void begin(struct rollout *rollout)
{
    struct rollouts *rollouts = rollout->rollouts;

    list_remove(&rollout->link);
    rollouts->current = rollout;
    arm_patience(rollouts);
    rollout->version = registry_version(rollouts->sup->registry);
    rollout->changeset = rollout->request.prepare(rollout->request.context,
                                                  &rollout->problems, &rollout->why);
    if (rollout->changeset == NULL && !has_failed(rollout))
        err_set(&rollout->why, ERR_INTERNAL, "a change gave no reason to fail");
    if (rollout->changeset == NULL) {
        finish(rollout);
        return;
    }
    rollout->why = (struct err){0};
    rollout->plan =
        rollout_plan(rollouts->sup, rollout->changeset, rollout->request.restarts);
    compile(rollout);
}

/* ---- start ----------------------------------------------------------------------- */

static void add_stage(struct rollout *rollout, struct entry *entry)
{
    rollout->stages[rollout->n_stages++] =
        (struct stage){.rollout = rollout, .entry = entry_ref(entry)};
}

static void collect_stages(struct rollout *rollout)
{
    const struct changeset *changeset = rollout->changeset;

    rollout->stages =
        xcalloc(changeset->n + changeset->n_affected + 1, sizeof(*rollout->stages));
    for (size_t i = 0; i < changeset->n; i++)
        if (changeset->changes[i].after != NULL)
            add_stage(rollout, changeset->changes[i].after);
    for (size_t i = 0; i < changeset->n_affected; i++)
        add_stage(rollout, changeset->affected[i]);
}

/* "... app:f:3: boom" stands in a file that a person can open. *text moves behind
 * it. */
static bool find_place(const struct entry *entry, const char **text,
                       struct problem_at *at)
{
    const char *found = strstr(*text, entry->id);
    size_t n = strlen(entry->id);
    unsigned long line;
    char *end;

    if (found == NULL || found[n] != ':')
        return false;
    line = strtoul(found + n + 1, &end, 10);
    if (end == found + n + 1 || *end != ':')
        return false;
    *at = entry_source_at(entry, (unsigned)line, 0);
    *text = end + 1 + (end[1] == ' ');
    return true;
}

/* In its own source, or in that of a library that it imports. */
static void add_start_problem(struct rollout *rollout, const struct entry *entry,
                              const struct err *err)
{
    const struct snapshot *result = rollout->changeset->result;
    struct problem_at at = entry_at(entry, "source");
    const char *text = err->text;
    bool found = find_place(entry, &text, &at);

    for (size_t i = entry->n_modules; !found && i < entry->n_bindings; i++) {
        const char *target = entry->bindings[i].target;
        const struct entry *library = snapshot_find(result, target, strlen(target));

        found = library != NULL && find_place(library, &text, &at);
    }
    problems_add(&rollout->problems, SEVERITY_ERROR, err->kind, &at, NULL,
                 "its pool can't start: %s", text);
}

static void on_started(void *context, const struct err *err)
{
    struct stage *stage = context;
    struct rollout *rollout = stage->rollout;

    if (stage->pool == NULL)
        return;
    rollout->n_started++;
    if (err != NULL) {
        note_failure(rollout, stage->entry, err, "its pool can't start: ");
        add_start_problem(rollout, stage->entry, err);
    }
    end_phase(rollout);
}

/* New pools stand beside the old ones for a while. Where that would be more workers
 * than there can be, each begins with one process. */
static void make_pools(struct rollout *rollout)
{
    struct supervisor *sup = rollout->rollouts->sup;
    size_t n = workers_count(sup->workers);

    for (size_t i = 0; i < rollout->n_stages; i++) {
        struct stage *stage = &rollout->stages[i];

        stage->pool = pool_stage_entry(sup, stage->entry, rollout->changeset->result);
        if (stage->pool != NULL)
            n += pool_count_first(stage->pool);
    }
    for (size_t i = 0; i < rollout->n_stages && n > WORKERS_AT_MOST; i++)
        if (rollout->stages[i].pool != NULL)
            pool_start_small(rollout->stages[i].pool);
}

static void start_one(struct rollout *rollout, struct stage *stage)
{
    if (stage->pool != NULL)
        pool_start(stage->pool, on_started, stage);
    else
        rollout->n_started++;
}

/* A few at a time, so that a large change doesn't time out over its own weight. */
static void start_some(struct rollout *rollout)
{
    while (rollout->n_begun < rollout->n_stages &&
           rollout->n_begun - rollout->n_started < START_WINDOW)
        start_one(rollout, &rollout->stages[rollout->n_begun++]);
    if (rollout->n_started == rollout->n_stages)
        end_phase(rollout);
}

/* ---- record ---------------------------------------------------------------------- */

static void commit(struct rollout *rollout);

static void on_recorded(void *context, const struct err *err)
{
    struct rollout *rollout = context;

    if (err != NULL)
        rollout->why = *err;
    end_phase(rollout);
}

static void record(struct rollout *rollout)
{
    struct supervisor *sup = rollout->rollouts->sup;

    ev_timer_stop(sup->loop, &rollout->rollouts->patience);
    if (sup->history == NULL) {
        commit(rollout);
        return;
    }
    rollout->phase = PHASE_RECORDS;
    registry_store_write(sup->history, sup->offload, sup->registry, rollout->changeset,
                         on_recorded, rollout);
}

/* ---- commit and tell ------------------------------------------------------------- */

/* Within registry_commit(), before anybody else hears of it. */
static void on_changed(void *context, const struct changeset *changeset)
{
    struct rollouts *rollouts = context;
    struct rollout *rollout = rollouts->current;

    if (rollout == NULL)
        return;
    pools_follow(rollouts->sup, changeset, rollout->before);
    for (size_t i = 0; i < rollout->n_stages; i++) {
        struct pool *pool = rollout->stages[i].pool;

        rollout->stages[i].pool = NULL;
        if (pool != NULL)
            pools_show(pool, rollout->before);
    }
    code_news_spread(rollouts->sup->code_news, changeset);
}

static void on_told(void *context)
{
    end_phase(context);
}

static void ignore(void *context)
{
    (void)context; /* rollouts_destroy() sees to it */
}

static void commit(struct rollout *rollout)
{
    struct supervisor *sup = rollout->rollouts->sup;
    struct changeset *changeset = rollout->changeset;

    rollout->before = registry_snapshot(sup->registry);
    rollout->changeset = NULL;
    if (registry_commit(sup->registry, changeset, &rollout->version, &rollout->why) ==
        -1) {
        for (size_t i = 0; i < rollout->n_stages; i++)
            code_forget(sup->code, rollout->stages[i].entry);
        give_up(rollout);
        return;
    }
    rollout->committed = true;
    rollout->phase = PHASE_TELLS;
    code_news_wait(sup->code_news, on_told, ignore, rollout);
}

/* ---- restart --------------------------------------------------------------------- */

static bool upgrades_itself(void *context, uint64_t pid)
{
    struct rollout *rollout = context;

    return code_news_is_upgrading(rollout->rollouts->sup->code_news, pid);
}

static int compare_with_row(const void *id, const void *row)
{
    return strcmp(id, value_get_text(row, "id"));
}

/* Services are sorted by id, and so are their rows. */
static struct value *find_row(struct rollout *rollout, const char *id)
{
    struct value *list = value_get(&rollout->plan, "services");

    if (list->as.list.n == 0)
        return NULL;
    return bsearch(id, list->as.list.items, list->as.list.n, sizeof(struct value),
                   compare_with_row);
}

static void on_service(void *context, const char *id, bool skipped,
                       const struct err *err)
{
    struct rollout *rollout = context;
    struct value *row = find_row(rollout, id);
    const char *effect = skipped       ? "upgrades itself"
                         : err != NULL ? "does not run again"
                                       : "restarted";

    if (row == NULL)
        return;
    value_put(row, "effect", value_string(effect));
    if (err == NULL)
        return;
    value_put(row, "error", value_string(err->text));
    if (!has_failed(rollout))
        err_set(&rollout->why, err->kind, "the change is made, but %s", err->text);
}

static void on_restarted(void *context)
{
    struct rollout *rollout = context;

    rollout->restarts = NULL;
    end_phase(rollout);
}

static struct value ids_of_services(const struct rollout *rollout)
{
    const struct value *list = value_get(&rollout->plan, "services");
    struct value ids = value_list();

    for (size_t i = 0; i < list->as.list.n; i++)
        value_append(&ids, value_copy(value_get(&list->as.list.items[i], "id")));
    return ids;
}

/* The next change needn't wait for this one's services. */
static void restart_services(struct rollout *rollout)
{
    struct rollouts *rollouts = rollout->rollouts;
    struct value ids = ids_of_services(rollout);

    rollouts->current = NULL;
    list_append(&rollouts->restarting, &rollout->link);
    rollout->phase = PHASE_RESTARTS;
    rollout->restarts = services_restart_outdated(rollouts->sup, &ids, upgrades_itself,
                                                  on_service, on_restarted, rollout);
    value_finish(&ids);
    kick(rollouts);
}

/* ---- moving on ------------------------------------------------------------------- */

static void after_compile(struct rollout *rollout)
{
    if (has_failed(rollout)) {
        give_up(rollout);
    } else if (rollout->request.dry_run ||
               (rollout->changeset->n == 0 && !rollout->changeset->switches)) {
        forget_code(rollout);
        finish(rollout);
    } else {
        rollout->phase = PHASE_STARTS;
        collect_stages(rollout);
        make_pools(rollout);
        start_some(rollout);
    }
}

static void after_start(struct rollout *rollout)
{
    if (has_failed(rollout))
        give_up(rollout);
    else if (rollout->n_started < rollout->n_stages)
        start_some(rollout);
    else
        record(rollout);
}

static void after_record(struct rollout *rollout)
{
    if (has_failed(rollout))
        give_up(rollout);
    else
        commit(rollout);
}

static void move_on(struct rollout *rollout)
{
    rollout->phase_over = false;
    switch (rollout->phase) {
    case PHASE_WAITS:
        begin(rollout);
        break;
    case PHASE_COMPILES:
        after_compile(rollout);
        break;
    case PHASE_STARTS:
        after_start(rollout);
        break;
    case PHASE_RECORDS:
        after_record(rollout);
        break;
    case PHASE_TELLS:
        restart_services(rollout);
        break;
    case PHASE_RESTARTS:
        finish(rollout);
        break;
    }
}

static void refuse_waiting(struct rollouts *rollouts)
{
    struct list *node;

    while ((node = list_first(&rollouts->waiting)) != NULL) {
        struct rollout *rollout = container_of(node, struct rollout, link);

        err_set(&rollout->why, ERR_UNAVAILABLE, "the supervisor is shutting down");
        finish(rollout);
    }
}

static void on_kick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct rollouts *rollouts = container_of(timer, struct rollouts, kick);

    (void)loop, (void)revents;
    LIST_FOREACH_SAFE (node, &rollouts->restarting) {
        struct rollout *rollout = container_of(node, struct rollout, link);

        if (rollout->phase_over)
            move_on(rollout);
    }
    if (rollouts->closed)
        refuse_waiting(rollouts);
    if (rollouts->current != NULL && rollouts->current->phase_over)
        move_on(rollouts->current);
    else if (rollouts->current == NULL && !list_empty(&rollouts->waiting))
        begin(container_of(list_first(&rollouts->waiting), struct rollout, link));
}

/* ---- all of them ----------------------------------------------------------------- */

unsigned rollouts_count_waiting(const struct rollouts *rollouts)
{
    unsigned n = 0;

    LIST_FOREACH (node, &rollouts->waiting)
        n++;
    return n;
}

void rollout_begin(struct rollouts *rollouts, const struct rollout_request *request)
{
    struct rollout *rollout = xcalloc(1, sizeof(*rollout));

    rollout->rollouts = rollouts;
    rollout->request = *request;
    problems_init(&rollout->problems);
    list_append(&rollouts->waiting, &rollout->link);
    kick(rollouts);
}

void rollouts_open(struct rollouts *rollouts)
{
    struct registry_observer observer = {.changed = on_changed, .context = rollouts};

    registry_add_observer(rollouts->sup->registry, &observer);
}

/* Who compiles will tell; what is being recorded will have happened. */
static void interrupt(struct rollouts *rollouts, const struct err *why)
{
    struct rollout *current = rollouts->current;

    if (current == NULL || has_failed(current) ||
        (current->phase != PHASE_COMPILES && current->phase != PHASE_STARTS))
        return;
    current->why = *why;
    if (current->phase == PHASE_STARTS)
        end_phase(current);
}

static void on_patience_over(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct rollouts *rollouts = container_of(timer, struct rollouts, patience);
    struct err err;

    (void)loop, (void)revents;
    err_set(&err, ERR_TIMEOUT,
            "not compiled and started within registry.event_wait_timeout");
    interrupt(rollouts, &err);
}

void rollouts_close(struct rollouts *rollouts)
{
    struct err err;

    rollouts->closed = true;
    err_set(&err, ERR_UNAVAILABLE, "the supervisor is shutting down");
    interrupt(rollouts, &err);
    kick(rollouts);
}

struct rollouts *rollouts_create(struct supervisor *sup)
{
    struct rollouts *rollouts = xcalloc(1, sizeof(*rollouts));

    rollouts->sup = sup;
    list_init(&rollouts->waiting);
    list_init(&rollouts->restarting);
    ev_timer_init(&rollouts->kick, on_kick, 0, 0);
    ev_timer_init(&rollouts->patience, on_patience_over, 0, 0);
    return rollouts;
}

static void drop(struct rollout *rollout)
{
    rollout->request.drop(rollout->request.context);
    service_restarts_drop(rollout->restarts);
    free_rollout(rollout);
}

void rollouts_destroy(struct rollouts *rollouts)
{
    struct list *node;

    if (rollouts == NULL)
        return;
    ev_timer_stop(rollouts->sup->loop, &rollouts->kick);
    ev_timer_stop(rollouts->sup->loop, &rollouts->patience);
    if (rollouts->current != NULL)
        drop(rollouts->current);
    while ((node = list_first(&rollouts->waiting)) != NULL)
        drop(container_of(node, struct rollout, link));
    while ((node = list_first(&rollouts->restarting)) != NULL)
        drop(container_of(node, struct rollout, link));
    free(rollouts);
}
