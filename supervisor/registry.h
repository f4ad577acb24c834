/*
 * registry -- what exists: entries by id, in versions.
 *
 * A change of the registry has two steps. registry_prepare() works out what a list of
 * operations does to the present state, orders it by dependency, checks all of it and
 * changes nothing; registry_commit() makes it the next version, or refuses with
 * Conflict when another commit came in between. Whoever must do more before a change
 * may count (compile sources, record it) does it between the two. Observers hear of a
 * change once it is made.
 *
 * The state is an immutable, sorted list of counted entries; snapshots share it.
 * The first commit makes v0. History keeps the last REGISTRY_MAX_VERSIONS versions in
 * memory, fewer when they hold more than REGISTRY_MAX_VERSION_BYTES; older ones are
 * merged into their successors, v0 stays.
 */
#ifndef TROUPE_SUPERVISOR_REGISTRY_H
#define TROUPE_SUPERVISOR_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/entry.h"

struct env_lookup;
struct err;
struct history;
struct problems;
struct registry;

#define REGISTRY_MAX_VERSIONS      1000
#define REGISTRY_MAX_VERSION_BYTES (256u << 20) /* of what they made and changed */
#define REGISTRY_MAX_ENTRIES       1000000

/* ---- snapshots ------------------------------------------------------------------- */

struct snapshot {
    unsigned n_refs;
    uint64_t version;
    struct entry **entries; /* sorted by id */
    size_t n;
};

struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */

/* NULL if there is none. Borrowed. */
const struct entry *snapshot_find(const struct snapshot *snapshot, const void *id,
                                  size_t n_bytes);

/* ---- operations and changesets --------------------------------------------------- */

enum change_op { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE };

/* "entry.create", "entry.update", "entry.delete" */
const char *change_op_name(enum change_op op);

/* What somebody asks for. entry is borrowed; a deletion names only an id. */
struct operation {
    enum change_op op;
    struct entry *entry;
    const char *id;
};

/* What it comes to: of_id is always set; before is NULL for a creation, after for a
 * deletion. */
struct change {
    enum change_op op;
    const char *of_id; /* points into before or after */
    struct entry *before, *after;
};

struct changeset {
    uint64_t base;          /* the version that it was prepared for */
    uint64_t target;        /* the version to switch to, or 0: a new one */
    bool switches;          /* target counts (v0 is a version too) */
    bool of_files;          /* a reload: after it, files say what it changed */
    struct change *changes; /* deletions first, dependants before what they need; then
                               the rest, dependencies first */
    size_t n;
    /* Lua entries that didn't change themselves, but import (directly or not) one that
     * did; sorted by id. */
    struct entry **affected;
    size_t n_affected;
    struct snapshot *result; /* the state after it */
};

void changeset_destroy(struct changeset *changeset); /* NULL is fine */

/* Is there one of those among the entries that it makes, changes or takes away? */
bool changeset_concerns(const struct changeset *changeset,
                        bool (*is_one)(const struct entry *entry));

/* ---- the registry ---------------------------------------------------------------- */

struct registry *registry_create(void);
void registry_destroy(struct registry *registry); /* NULL is fine */

/* The entry of that id now, NULL if none. Borrowed until the next commit. */
const struct entry *registry_find(const struct registry *registry, const void *id,
                                  size_t n_bytes);

/* The present state, counted for the caller. */
struct snapshot *registry_snapshot(struct registry *registry);

/* The present state, borrowed until the next commit. */
const struct snapshot *registry_state(const struct registry *registry);

/* Works out and checks a change. With problems every one is added there (and err says
 * how many); without, err is what REG-21 asks for and warnings are logged. NULL on
 * failure. */
struct changeset *registry_prepare(struct registry *registry,
                                   const struct operation *operations, size_t n,
                                   struct problems *problems, struct err *err);

/* The change that makes the entries that come from files equal to these (a reload).
 * Entries made at run time stay unless an id is needed. */
struct changeset *registry_prepare_reload(struct registry *registry,
                                          struct entry *const *entries, size_t n,
                                          struct problems *problems, struct err *err);

/* The part of that change that concerns one entry and what it needs (registry_part.h);
 * the entry goes when it came from a file and stands in none any more. */
struct changeset *registry_prepare_part(struct registry *registry,
                                        struct entry *const *entries, size_t n,
                                        const char *id, struct problems *problems,
                                        struct err *err);

/* The change that goes (back) to a version; its n is 0 when that is the present one. */
struct changeset *registry_prepare_version(struct registry *registry, uint64_t version,
                                           struct err *err);

/* Makes it so; takes changeset, also on failure: Conflict, retryable, when another one
 * came first. version_out may be NULL. */
int registry_commit(struct registry *registry, struct changeset *changeset,
                    uint64_t *version_out, struct err *err);

/* Where entries' placeholders for environment variables get their values (ENV-06). */
void registry_set_env(struct registry *registry, const struct env_lookup *lookup);

struct registry_observer {
    /* After a commit; registry_state() is the new one. */
    void (*changed)(void *context, const struct changeset *changeset);
    void *context;
};
void registry_add_observer(struct registry *registry,
                           const struct registry_observer *observer);

/* ---- versions -------------------------------------------------------------------- */

struct version {
    uint64_t id, parent; /* v0 is its own parent */
    int64_t at_ns;       /* wall clock */
    struct change *changes;
    size_t n, n_bytes; /* of memory, about */
};

uint64_t registry_version(const struct registry *registry);
uint64_t registry_next_id(const struct registry *registry); /* of the next new one */
const struct version *registry_find_version(const struct registry *registry,
                                            uint64_t id);

/* Besides v0 and the present one; the next one's id when there is none. */
uint64_t registry_oldest_version(const struct registry *registry);
size_t registry_count_versions(const struct registry *registry);
size_t registry_version_bytes(const struct registry *registry); /* of all */

/* Ascending; NULL starts and ends. */
const struct version *registry_next_version(const struct registry *registry,
                                            const struct version *after);

/* The state at a version, counted; NULL (NotFound) if it isn't there. */
struct snapshot *registry_snapshot_at(struct registry *registry, uint64_t version,
                                      struct err *err);

/* No history: only the present version is known, none can be gone back to. */
void registry_keep_no_history(struct registry *registry);

/* For registry_prepare.c, which works changes out, and registry_restore.c. */
struct history *registry_history(struct registry *registry);
const struct env_lookup *registry_env(const struct registry *registry);

#endif
