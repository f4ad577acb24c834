#include "supervisor/rollout_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/value.h"

#include "supervisor/problems.h"
#include "supervisor/rollout.h"
#include "supervisor/system.h"

static struct value describe(const struct rollout_report *report, bool dry_run)
{
    struct value result =
        report->plan->type == VALUE_MAP ? value_copy(report->plan) : value_map();

    value_put(&result, "version", value_int((int64_t)report->version));
    value_put(&result, "changed", value_bool(report->committed));
    value_put(&result, "dry_run", value_bool(dry_run));
    value_put(&result, "warnings", problems_describe(report->problems));
    return result;
}

/* ---- for the log ----------------------------------------------------------------- */

static size_t count_rows(const struct value *plan, const char *key)
{
    return value_list_n(value_get(plan, key));
}

void rollout_log(const struct rollout_report *report, const char *what, const char *by)
{
    const struct value *plan = report->plan;
    char message[80];

    if (!report->committed)
        return;
    if (report->err == NULL) {
        log_info(what,
                 "version=%" PRIu64 " changed=%zu affected=%zu restarted=%zu by=%s",
                 report->version, count_rows(plan, "changes"),
                 count_rows(plan, "affected"), count_rows(plan, "services"), by);
        return;
    }
    snprintf(message, sizeof(message), "%s, but not all services run", what);
    log_error(message, "version=%" PRIu64 " by=%s why=%s", report->version, by,
              report->err->text);
}

static const char *name_change(const char *target)
{
    if (strcmp(target, "registry.reload") == 0)
        return "reloaded";
    if (strcmp(target, "registry.rollback") == 0)
        return "went back to a version of the registry";
    return "registry changed";
}

/* What a new function didn't find, or wasn't allowed to do, is no word about the
 * operator's own command, as it would be to scripts. */
static enum err_kind kind_of_problems(enum err_kind kind)
{
    return kind == ERR_NOT_FOUND || kind == ERR_PERMISSION_DENIED ? ERR_INVALID : kind;
}

/* ---- for who asked --------------------------------------------------------------- */

void rollout_answer(struct request *request, const struct rollout_report *report,
                    bool dry_run)
{
    struct value answer;
    struct err err;

    rollout_log(report, name_change(request->target), "supctl");
    if (report->err == NULL) {
        answer = describe(report, dry_run);
        request_reply_taken(request, answer);
        return;
    }
    answer = value_map();
    value_put(&answer, "problems", problems_describe(report->problems));
    err = *report->err;
    if (report->committed)
        value_put(&answer, "result", describe(report, dry_run));
    else if (report->problems->n_errors != 0)
        problems_set_err(report->problems, kind_of_problems(err.kind),
                         ", nothing was changed", &err);
    request_fail_with(request, &err, answer);
}
