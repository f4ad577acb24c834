/*
 * service_outdated -- services that run what a change replaces.
 *
 * A process.service whose process, or a library below it, has changed runs on with the
 * old code; so does one whose own entry asks for another process, host or input now.
 * Whoever made the change as an operator (a reload) wants them to run the new one.
 */
#ifndef TROUPE_SUPERVISOR_SERVICE_OUTDATED_H
#define TROUPE_SUPERVISOR_SERVICE_OUTDATED_H

#include <stdbool.h>
#include <stdint.h>

struct changeset;
struct err;
struct service_restarts;
struct supervisor;
struct value;

/* The services to restart for changeset: those that are up, or failed, and run what it
 * changes. A list of ids, dependencies in no order: a restart minds them. Before the
 * commit or after it. */
struct value services_find_outdated(const struct supervisor *sup,
                                    const struct changeset *changeset);

/* Restarts them, each with what depends on it. skip says which ones see to that
 * themselves (by the pid of their process; may be NULL). told comes for each that was
 * restarted (err NULL), couldn't be, or was left out (skipped); then done, perhaps at
 * once: then NULL is returned. ids is borrowed during the call. */
struct service_restarts *services_restart_outdated(
    struct supervisor *sup, const struct value *ids,
    bool (*skip)(void *context, uint64_t pid),
    void (*told)(void *context, const char *id, bool skipped, const struct err *err),
    void (*done)(void *context), void *context);

/* The supervisor ends before they are done. NULL is fine. */
void service_restarts_drop(struct service_restarts *restarts);

#endif
