/*
 * watch -- tells when something in a few folders has changed (inotify).
 *
 * Folders are watched with all that is below them, also what comes later; hidden ones
 * and node_modules are not, as nothing is loaded from there. changed() comes once the
 * folders have been quiet for WATCH_QUIET_MS, or WATCH_PATIENCE_MS after the first
 * change when they never are: an editor's write of a temporary file and the rename that
 * follows are one change. Files that editors and databases keep beside others (x~,
 * .x.swp, x.db-wal) don't count.
 *
 * The kernel drops events when too many come at once: then everything is looked at
 * anew, and changed() comes too.
 */
#ifndef TROUPE_SUPERVISOR_WATCH_H
#define TROUPE_SUPERVISOR_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#define WATCH_QUIET_MS    100
#define WATCH_PATIENCE_MS 1000

struct err;
struct ev_loop;
struct watch;

/* paths: folders, or files (then their folders are watched, not those below). NULL:
 * UNAVAILABLE. */
struct watch *watch_create(struct ev_loop *loop, const char *const *paths, size_t n,
                           void (*changed)(void *context), void *context,
                           struct err *err);
void watch_destroy(struct watch *watch); /* NULL is fine */

#endif
