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

/* A line about a change that came to count. what: "reloaded"; by: who asked for it. */
void rollout_log(const struct rollout_report *report, const char *what, const char *by);

/* Takes request. The log is told, too: who looks later wants to know what happened. */
void rollout_answer(struct request *request, const struct rollout_report *report,
                    bool dry_run);

#endif
