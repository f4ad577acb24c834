/*
 * service_glue -- between service*.c only: the backends that every supervisor has, and
 * its @services targets.
 */
#ifndef TROUPE_SUPERVISOR_SERVICE_GLUE_H
#define TROUPE_SUPERVISOR_SERVICE_GLUE_H

#include "common/value.h"

#include "supervisor/service_set.h"

extern const struct service_backend service_process_backend; /* process.service */
extern const struct service_backend service_host_backends[2];
/* Kinds that occupy no process of their own (stores, databases): they run at once. */
extern const struct service_backend service_passive_backend;

void service_targets_add(struct supervisor *sup);

/* The record of status; the caller owns it. */
struct value service_describe(const struct service *service);

#endif
