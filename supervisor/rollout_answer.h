/*
 * rollout_answer -- what an operator is told about a change (supctl reload, apply,
 * rollback).
 *
 * Done: {version, changed, dry_run, changes, affected, services, warnings}, see
 * rollout_plan.h. Failed: an error whose details are {problems} (problems_describe());
 * made, but a service didn't come back: an error with {problems, result}.
 */
#ifndef TROUPE_SUPERVISOR_ROLLOUT_ANSWER_H
#define TROUPE_SUPERVISOR_ROLLOUT_ANSWER_H

#include <stdbool.h>

struct request;
struct rollout_report;

/* Takes request. */
void rollout_answer(struct request *request, const struct rollout_report *report,
                    bool dry_run);

#endif
