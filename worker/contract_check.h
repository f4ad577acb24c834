/*
 * contract_check -- arguments and results of contract methods against their schemas
 * (functions.md F-70).
 *
 * Works on payloads as they travel, so that nothing is decoded for it. By setting
 * contract.validation a flaw refuses the call, or is logged only; with `off` nobody
 * comes here.
 */
#ifndef TROUPE_WORKER_CONTRACT_CHECK_H
#define TROUPE_WORKER_CONTRACT_CHECK_H

#include <stdbool.h>

#include "common/buf.h"

struct call_check;
struct runtime;

/* The two functions of a contract_method's call_check. */
bool contract_check_arguments(const struct call_check *check, struct runtime *rt,
                              struct bytes payload, struct buf *error_out);
bool contract_check_result(const struct call_check *check, struct runtime *rt,
                           struct bytes payload, struct buf *error_out);

#endif
