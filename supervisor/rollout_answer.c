#include "supervisor/rollout_answer.h"

#include "common/err.h"
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

void rollout_answer(struct request *request, const struct rollout_report *report,
                    bool dry_run)
{
    struct value answer;
    struct err err;

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
        problems_set_err(report->problems, err.kind, ", nothing was changed", &err);
    request_fail_with(request, &err, answer);
}
