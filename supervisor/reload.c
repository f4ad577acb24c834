#include "supervisor/reload.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/value.h"

#include "supervisor/core.h"
#include "supervisor/entry.h"
#include "supervisor/offload.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_load.h"
#include "supervisor/rollout.h"
#include "supervisor/rollout_answer.h"
#include "supervisor/system.h"

#define LOG_AT_MOST 20 /* problems of one reload; supctl reload shows all */

/* Somebody who wants to know. */
struct waiter {
    struct list link;
    void (*done)(void *context, const struct rollout_report *report);
    void *context;
};

struct reload {
    struct list link; /* in waiting; none once it has begun */
    struct reloads *reloads;
    struct offload_job job;
    struct list waiters;
    bool dry_run;
    char *part;                /* an id; NULL: everything */
    struct entry_list entries; /* from here on the thread's until the job is done */
    struct problems problems;
    bool incomplete;
};

struct reloads {
    struct supervisor *sup;
    const struct load_options *load;
    struct list waiting;
    struct reload *current;
    bool open;
};

static void begin_next(struct reloads *reloads);

static void free_reload(void *context)
{
    struct reload *reload = context;
    struct list *node;

    if (reload->reloads->current == reload)
        reload->reloads->current = NULL;
    list_remove(&reload->link);
    while ((node = list_take_first(&reload->waiters)) != NULL)
        free(container_of(node, struct waiter, link));
    entry_list_finish(&reload->entries);
    problems_finish(&reload->problems);
    free(reload->part);
    free(reload);
}

/* ---- one reload ------------------------------------------------------------------ */

static void on_rolled_out(void *context, const struct rollout_report *report)
{
    struct reload *reload = context;
    struct reloads *reloads = reload->reloads;
    struct list *node;

    while ((node = list_take_first(&reload->waiters)) != NULL) {
        struct waiter *waiter = container_of(node, struct waiter, link);

        waiter->done(waiter->context, report);
        free(waiter);
    }
    free_reload(reload);
    begin_next(reloads);
}

/* A folder that is away for a moment (a checkout, a mount) is no wish to stop it
 * all. Where a file can't be read, that is what there is to tell. */
static void check_emptiness(const struct reload *reload, struct problems *problems)
{
    const struct snapshot *state = registry_state(reload->reloads->sup->registry);

    if (reload->entries.n != 0 || reload->problems.n_errors != 0)
        return;
    for (size_t i = 0; i < state->n; i++)
        if (entry_is_of_sources(state->entries[i])) {
            problems_add(problems, SEVERITY_ERROR, ERR_NOT_FOUND,
                         &(struct problem_at){0},
                         "to end everything, stop the supervisor",
                         "there is no entry in any file any more");
            return;
        }
}

static bool is_in_files(const struct reload *reload)
{
    for (size_t i = 0; i < reload->entries.n; i++)
        if (strcmp(reload->entries.items[i]->id, reload->part) == 0)
            return true;
    return false;
}

/* Who names an entry that no file has ever had made a mistake. */
static int check_part(const struct reload *reload, struct err *err)
{
    const struct entry *present = registry_find(reload->reloads->sup->registry,
                                                reload->part, strlen(reload->part));

    if (is_in_files(reload))
        return 0;
    if (present == NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no entry %s in any file",
                       reload->part);
    if (!entry_is_of_sources(present))
        return err_set(err, ERR_INVALID,
                       "%s was made at run time: there is no file to read it from",
                       reload->part);
    return 0;
}

static struct changeset *prepare(void *context, struct problems *problems,
                                 struct err *err)
{
    struct reload *reload = context;

    check_emptiness(reload, problems);
    for (size_t i = 0; i < reload->problems.n; i++)
        problems_add_row(problems, &reload->problems.rows[i]);
    if (reload->part != NULL && problems->n_errors == 0 &&
        check_part(reload, err) == -1)
        return NULL;
    return registry_prepare_loaded(reload->reloads->sup->registry, &reload->entries,
                                   reload->part, reload->incomplete, problems, err);
}

static void on_read(struct offload_job *job)
{
    struct reload *reload = container_of(job, struct reload, job);
    struct rollout_request request = {.prepare = prepare,
                                      .done = on_rolled_out,
                                      .drop = free_reload,
                                      .context = reload,
                                      .dry_run = reload->dry_run,
                                      .restarts = true};

    rollout_begin(reload->reloads->sup->rollouts, &request);
}

static void read_files(struct offload_job *job)
{
    struct reload *reload = container_of(job, struct reload, job);

    registry_read(reload->reloads->load, &reload->entries, &reload->incomplete,
                  &reload->problems);
}

static void begin_next(struct reloads *reloads)
{
    struct list *node;

    if (reloads->current != NULL || !reloads->open ||
        (node = list_take_first(&reloads->waiting)) == NULL)
        return;
    reloads->current = container_of(node, struct reload, link);
    offload_submit(reloads->sup->offload, &reloads->current->job);
}

static bool is_same_part(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The one that waits already will do, if it is of the same sort. */
static struct reload *find_waiting(const struct reloads *reloads, const char *part,
                                   bool dry_run)
{
    LIST_FOREACH (node, &reloads->waiting) {
        struct reload *reload = container_of(node, struct reload, link);

        if (reload->dry_run == dry_run && is_same_part(reload->part, part))
            return reload;
    }
    return NULL;
}

static struct reload *add_waiting(struct reloads *reloads, const char *part,
                                  bool dry_run)
{
    struct reload *reload = xcalloc(1, sizeof(*reload));

    reload->reloads = reloads;
    reload->dry_run = dry_run;
    reload->part = part == NULL ? NULL : xstrdup(part);
    reload->job.work = read_files;
    reload->job.done = on_read;
    list_init(&reload->waiters);
    problems_init(&reload->problems);
    list_append(&reloads->waiting, &reload->link);
    return reload;
}

void reload_begin(struct reloads *reloads, const char *part, bool dry_run,
                  void (*done)(void *context, const struct rollout_report *report),
                  void *context)
{
    struct reload *reload = find_waiting(reloads, part, dry_run);
    struct waiter *waiter = xcalloc(1, sizeof(*waiter));

    if (reload == NULL)
        reload = add_waiting(reloads, part, dry_run);
    waiter->done = done;
    waiter->context = context;
    list_append(&reload->waiters, &waiter->link);
    begin_next(reloads);
}

/* ---- for the log ----------------------------------------------------------------- */

static void log_problems(const struct problems *problems)
{
    size_t n = problems->n < LOG_AT_MOST ? problems->n : LOG_AT_MOST;

    for (size_t i = 0; i < n; i++)
        problem_log(&problems->rows[i]);
}

/* Tells the log how a reload went. */
static void log_report(const struct rollout_report *report)
{
    log_problems(report->problems);
    if (report->committed)
        rollout_log(report, "reloaded", "SIGHUP");
    else if (report->err == NULL)
        log_info("nothing to reload: the files say what runs", "version=%llu",
                 (unsigned long long)report->version);
    else
        log_error("reload failed, everything goes on as it was", "version=%llu why=%s",
                  (unsigned long long)report->version, report->err->text);
}

static void on_logged_done(void *context, const struct rollout_report *report)
{
    (void)context;
    log_report(report);
}

void reload_begin_logged(struct reloads *reloads)
{
    LIST_FOREACH (node, &reloads->waiting) {
        const struct reload *reload = container_of(node, struct reload, link);

        LIST_FOREACH (other, &reload->waiters)
            if (container_of(other, struct waiter, link)->done == on_logged_done)
                return; /* a storm of signals is one wish */
    }
    reload_begin(reloads, NULL, false, on_logged_done, NULL);
}

/* ---- @registry.reload ------------------------------------------------------------ */

static void on_reloaded(void *context, const struct rollout_report *report)
{
    rollout_answer(context, report, false);
}

static void on_tried(void *context, const struct rollout_report *report)
{
    rollout_answer(context, report, true);
}

static void handle_reload(struct request *request)
{
    const struct value *options = request_arg(request, 0);
    const struct value *part = value_get(options, "entry");
    bool dry_run = value_get_bool(options, "dry_run", false);

    if (part != NULL && part->type != VALUE_NIL && value_text(part) == NULL)
        request_refuse(request, ERR_INVALID, "entry must be an id");
    else
        reload_begin(request->sup->reloads, value_text(part), dry_run,
                     dry_run ? on_tried : on_reloaded, request);
}

static const struct system_target targets[] = {
    {"registry.reload", handle_reload, ALLOW_CLIENT},
};

/* ---- life ------------------------------------------------------------------------ */

void reloads_open(struct reloads *reloads)
{
    reloads->open = true;
    begin_next(reloads);
}

struct reloads *reloads_create(struct supervisor *sup, const struct load_options *load)
{
    struct reloads *reloads = xcalloc(1, sizeof(*reloads));

    reloads->sup = sup;
    reloads->load = load;
    list_init(&reloads->waiting);
    system_add_targets(sup->system, targets, N_ELEMENTS(targets));
    return reloads;
}

void reloads_destroy(struct reloads *reloads)
{
    struct list *node;

    if (reloads == NULL)
        return;
    while ((node = list_first(&reloads->waiting)) != NULL)
        free_reload(container_of(node, struct reload, link));
    free(reloads);
}
